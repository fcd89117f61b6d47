"""Callbacks of scikit-learn and our own, what they are told, and what their failures leave behind."""

import copy
import io
import pickle
import signal
import sys
import threading

import numpy as np
import pytest
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.callbacks._learning_rate import best_rate
from skrnn.training.epoch import Epochs

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 2)) for T in RNG.integers(2, 9, 40)]
Y = np.array([x[:, 0].sum() for x in X])
TABLE = RNG.normal(size=(40, 5))
LABELS = np.where(Y > 0, "up", "down")
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 3, "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}
SHORT |= {"batch_size": 8, "learning_rate": "constant", "learning_rate_init": 3e-3}

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number")


class Recorder:
    """Writes down what it is told; `fail` names a hook and how often it is called until it raises."""

    def __init__(self, fail=None, stop_after=None, error=RuntimeError):
        self.calls, self.fail, self.stop_after, self.error, self.fitted = [], fail, stop_after, error, []

    def _told(self, hook, context):
        self.calls.append((hook, context.task_name))
        n_calls = sum(call[0] == hook for call in self.calls)
        if self.fail == (hook, n_calls):
            raise self.error("broken callback")

    def setup(self, estimator, context):
        self._told("setup", context)

    def on_fit_task_begin(self, estimator, context):
        self._told("begin", context)

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.data, self.metadata = (X, y), metadata
        self.fitted.append(fitted_estimator)
        self._told("end", context)
        return self.stop_after == len(self.fitted)

    def teardown(self, estimator, context):
        self._told("teardown", context)


def assert_same_weights(one, other):
    for name, array in one.weights_.items():
        assert_array_equal(array, other.weights_[name], err_msg=name)


# --------------------------------------------------------------------------------------------------------- the protocol
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_hooks_in_their_order(solver):
    recorder = Recorder()
    weight = np.linspace(1, 2, 40)
    reg = RNNRegressor(**SHORT, solver=solver).set_callbacks(recorder).fit(X, Y, sample_weight=weight)
    epoch = [("begin", "epoch"), ("end", "epoch")]
    assert recorder.calls == [("setup", "fit"), ("begin", "fit"), *epoch * 3, ("end", "fit"), ("teardown", "fit")]
    assert recorder.data[0] is X
    assert recorder.metadata == {"sample_weight": weight}
    assert_same_weights(recorder.fitted[-1], reg)
    assert not {"_training", "_callback_fit_ctx"} & set(vars(reg))


def test_the_fitted_estimator_is_that_of_the_epoch():
    recorder = Recorder()
    RNNRegressor(**SHORT).set_callbacks(recorder).fit(X, Y)
    for n, fitted in enumerate(recorder.fitted[:3], start=1):
        alone = RNNRegressor(**SHORT | {"max_iter": n}).fit(X, Y)
        assert_same_weights(fitted, alone)
        assert fitted.loss_curve_ == alone.loss_curve_
        assert_array_equal(fitted.predict(X), alone.predict(X))
        assert set(vars(fitted)) == {*vars(alone), "_skl_callbacks"}  # nothing of the fit that was running, like data


@pytest.mark.parametrize("estimator", [RNNRegressor(**SHORT), SequenceTransformer(**SHORT)])
def test_a_callback_changes_nothing_and_may_stop(estimator):
    plain = clone(estimator).fit(X, Y)
    assert_same_weights(clone(estimator).set_callbacks(Recorder()).fit(X, Y), plain)
    stopped = clone(estimator).set_callbacks(Recorder(stop_after=2)).fit(X, Y)
    assert stopped.n_iter_ == 2


@pytest.mark.parametrize("fail", [("setup", 1), ("begin", 1), ("begin", 2), ("end", 2), ("end", 4), ("teardown", 1)])
def test_a_broken_callback_leaves_the_estimator_as_it_was_and_no_thread(fail):
    reg = RNNRegressor(**SHORT, n_jobs=2).fit(X, Y)
    before, n_threads = copy.deepcopy(reg.weights_), threading.active_count()
    recorder = Recorder(fail)
    with pytest.raises(RuntimeError, match="broken callback"):
        reg.set_callbacks(recorder).fit(X[:20], Y[:20])
    assert threading.active_count() == n_threads
    for name, array in before.items():
        assert_array_equal(array, reg.weights_[name])
    assert recorder.calls[-1][0] == "teardown"
    reg.set_callbacks().fit(X, Y)
    for name, array in before.items():
        assert_array_equal(array, reg.weights_[name])


@pytest.mark.parametrize("fail", [("setup", 1), ("begin", 1), ("begin", 2), ("end", 2), ("end", 4)])
@pytest.mark.parametrize("error", [StopIteration, KeyError, SystemExit])
def test_errors_of_a_callback_keep_their_type(fail, error):
    """Also a StopIteration, of `next` in a callback, which Python turns into another error in a generator."""
    with pytest.raises(error, match="broken callback"):
        RNNRegressor(**SHORT).set_callbacks(Recorder(fail, error=error)).fit(X, Y)


def test_an_error_that_a_callback_raises_from_another_is_that_error():
    def error(message):
        broken = RuntimeError(message)
        broken.__cause__ = StopIteration()
        return broken

    with pytest.raises(RuntimeError, match="broken callback"):
        RNNRegressor(**SHORT).set_callbacks(Recorder(("end", 1), error=error)).fit(X, Y)


def test_estimators_with_callbacks_are_cloned_copied_and_pickled():
    reg = RNNRegressor(**SHORT).set_callbacks(LearningRateFinder(n_updates=20)).fit(X, Y)
    for other in (copy.deepcopy(reg), pickle.loads(pickle.dumps(reg))):
        assert_array_equal(other.predict(X), reg.predict(X))
    assert clone(reg).fit(X, Y).loss_curve_ == reg.loss_curve_


# ------------------------------------------------------------------------------------------------ those of scikit-learn
def test_scoring_monitor():
    monitor = ScoringMonitor(scoring="r2")
    reg = RNNRegressor(**SHORT).set_callbacks(monitor).fit(X, Y)
    scores = monitor.get_logs().data_as_pandas["r2"]
    assert len(scores) == 4
    assert scores.iloc[-1] == pytest.approx(reg.score(X, Y))


def test_progress_bars_through_meta_estimators(capsys):
    pipeline = make_pipeline(StandardScaler(), RNNClassifier(**SHORT))
    search = GridSearchCV(pipeline, {"rnnclassifier__alpha": [1e-3, 1e-2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(TABLE, LABELS)
    assert "RNNClassifier" in capsys.readouterr().out


class Terminal:
    """Standard output as if it were a terminal."""

    def __init__(self, stream):
        self._stream = stream

    def isatty(self):
        return True

    def __getattr__(self, name):
        return getattr(self._stream, name)


@pytest.mark.parametrize(("verbose", "terminal", "lines"), [(1, True, 0), (1, False, 3), (2, True, 3), (0, True, 0)])
def test_verbose(verbose, terminal, lines, monkeypatch, capsys):
    if terminal:
        monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    reg = RNNRegressor(**SHORT, verbose=verbose).fit(X, Y)
    out = capsys.readouterr().out
    assert out.count("Epoch") == lines
    assert ("RNNRegressor" in out) == (verbose == 1 and terminal)
    assert not hasattr(reg, "_skl_callbacks")


class Writer:
    """What redirects standard output, and has one method only."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text


@pytest.mark.parametrize("verbose", [1, 2])
def test_verbose_on_any_standard_output(verbose, monkeypatch):
    closed, writer = io.StringIO(), Writer()
    closed.close()
    for stream in (None, closed, object(), writer):
        monkeypatch.setattr("sys.stdout", stream)
        RNNRegressor(**SHORT, verbose=verbose).fit(X, Y)
    assert writer.text.count("Epoch") == 3


def test_verbose_says_that_groups_turn_early_stopping_on(capsys):
    groups = np.arange(40) // 4
    RNNRegressor(**SHORT, verbose=2).fit(X, Y, groups=groups)
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "Early stopping is on, since groups are passed: 4 of 40 sequences are held out."
    RNNRegressor(**SHORT, verbose=2, early_stopping=True).fit(X, Y, groups=groups)
    RNNRegressor(**SHORT).fit(X, Y, groups=groups)
    assert "since groups" not in capsys.readouterr().out


def test_verbose_below_a_progress_bar(monkeypatch, capsys):
    """A second bar would be in the way of the first."""
    monkeypatch.setattr(sys, "stdout", Terminal(sys.stdout))
    pipeline = make_pipeline(StandardScaler(), RNNClassifier(**SHORT, verbose=1))
    pipeline.set_callbacks(ProgressBar()).fit(TABLE, LABELS)
    assert capsys.readouterr().out.count("Epoch 3, loss") == 1


# ----------------------------------------------------------------------------------------------------------------- ours
def test_early_stopping_takes_back_the_best_weights():
    long = SHORT | {"max_iter": 60, "learning_rate_init": 0.3}
    stopping = EarlyStopping(X[20:], LABELS[20:], scoring="neg_log_loss", n_iter_no_change=4)
    clf = RNNClassifier(**long).set_callbacks(stopping).fit(X[:20], LABELS[:20])
    scores = stopping.scores_
    best = int(np.argmax(scores))
    assert len(scores) == clf.n_iter_ == best + 5 < 60
    alone = RNNClassifier(**long | {"max_iter": best + 1}).fit(X[:20], LABELS[:20])
    assert_same_weights(clf, alone)
    assert stopping.best_score_ == max(scores)


def test_one_early_stopping_for_many_fits_at_once():
    stopping = EarlyStopping(X[20:], Y[20:], n_iter_no_change=2)
    search = GridSearchCV(RNNRegressor(**SHORT | {"max_iter": 20}), {"alpha": [1e-3, 0.1]}, cv=2)
    search.estimator.set_callbacks(stopping)
    scores = search.fit(X[:20], Y[:20]).cv_results_["mean_test_score"]
    with parallel_config("threading", n_jobs=2):
        assert_array_equal(clone(search).fit(X[:20], Y[:20]).cv_results_["mean_test_score"], scores)
    assert not [name for name in vars(stopping) if name.startswith("_")]


def test_learning_rate_finder_trains_with_what_it_finds():
    finder = LearningRateFinder(lowest=1e-4, highest=10.0, n_updates=60)
    reg = RNNRegressor(**SHORT, solver="sgd").set_callbacks(finder).fit(X, Y)
    assert reg.learning_rate_init == 3e-3
    assert len(finder.losses_) == len(finder.learning_rates_) <= 60
    assert finder.learning_rate_ in finder.learning_rates_
    by_hand = RNNRegressor(**SHORT | {"learning_rate_init": finder.learning_rate_}, solver="sgd").fit(X, Y)
    assert_same_weights(reg, by_hand)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
def test_rates_that_are_found_train(kind, seed, solver):
    """Far from the lowest one, where nothing happens, and from those at which the loss explodes."""
    finder, y = LearningRateFinder(), LABELS if kind is RNNClassifier else Y
    parameters = SHORT | {"max_iter": 60, "random_state": seed, "solver": solver, "dropout": 0.0}
    model = kind(**parameters).set_callbacks(finder).fit(X, y)
    assert 1e-3 < finder.learning_rate_ <= 1
    assert model.score(X, y) > 0.8


def test_the_trial_of_the_finder_ends_where_the_loss_explodes():
    finder = LearningRateFinder(lowest=1e-3, highest=1e9, n_updates=100)
    RNNRegressor(**SHORT, solver="sgd", clip_norm=None).set_callbacks(finder).fit(X, Y)
    assert len(finder.losses_) < 100
    assert np.isfinite(finder.losses_).all()
    assert finder.learning_rate_ < 10


def test_a_loss_below_zero_does_not_end_the_trial():
    finder = LearningRateFinder(n_updates=30, highest=0.1)
    RNNRegressor(**SHORT, loss="poisson").set_callbacks(finder).fit(X, np.exp(Y) + 20)
    assert finder.losses_[0] < 0
    assert len(finder.losses_) == 30


def test_the_best_rate():
    """Where a logistic curve falls fastest, however high it rises behind its minimum."""
    steps = np.arange(100.0)
    losses = 1 - 1 / (1 + np.exp(-(steps - 50) / 3)) + np.maximum(0, steps - 80) ** 2
    assert best_rate(steps, losses) in (49, 50)
    assert best_rate(steps, steps) is None
    assert best_rate(steps[:0], steps[:0]) is None


def test_no_rate_that_helps_leaves_the_parameter():
    finder = LearningRateFinder(lowest=1e5, highest=1e9, n_updates=10)
    reg = RNNRegressor(**SHORT, solver="sgd", clip_norm=None).set_callbacks(finder)
    with pytest.warns(UserWarning, match="learning_rate_init=0.003 is kept"):
        reg.fit(X, Y)
    assert finder.learning_rate_ is None
    assert_same_weights(reg, RNNRegressor(**SHORT, solver="sgd", clip_norm=None).fit(X, Y))


@pytest.mark.parametrize("way", ["warm_start", "partial_fit", "both"])
@pytest.mark.parametrize("between", [lambda reg: reg, copy.deepcopy, lambda reg: pickle.loads(pickle.dumps(reg))])
def test_training_that_goes_on_has_no_trial_and_keeps_the_rate(way, between):
    """As by hand, with the rate that the first call has found."""
    first, later = {"warm_start": ("fit", "fit"), "partial_fit": ("partial_fit",) * 2, "both": ("fit", "partial_fit")}[
        way
    ]
    finder = LearningRateFinder(n_updates=20)
    reg = getattr(RNNRegressor(**SHORT, warm_start=True).set_callbacks(finder), first)(X, Y)
    rate, losses = finder.learning_rate_, finder.losses_
    assert reg.learning_rate_init_ == rate != reg.learning_rate_init
    by_hand = getattr(RNNRegressor(**SHORT | {"learning_rate_init": rate}, warm_start=True), first)(X, Y)
    for _ in range(2):
        reg = getattr(between(reg), later)(X, Y)
        assert_same_weights(reg, getattr(by_hand, later)(X, Y))
    assert finder.losses_ is losses
    assert reg.learning_rate_init_ == rate


def test_the_rate_that_was_found_is_saved_and_ends_with_the_network(tmp_path):
    finder = LearningRateFinder(n_updates=20)
    reg = RNNRegressor(**SHORT).set_callbacks(finder).fit(X, Y)
    skrnn.save(reg, tmp_path / "model.skrnn")
    loaded, other = skrnn.load(tmp_path / "model.skrnn"), LearningRateFinder(n_updates=20)
    assert_same_weights(loaded.set_callbacks(other).partial_fit(X, Y), reg.partial_fit(X, Y))
    assert other.learning_rate_ == reg.learning_rate_init_
    assert not hasattr(clone(reg), "learning_rate_init_")
    reg.set_callbacks(LearningRateFinder(n_updates=20, lowest=1e-7, highest=1e-6)).fit(X, Y)  # anew, so with a trial
    assert reg.learning_rate_init_ <= 1e-6
    assert not hasattr(reg.set_callbacks().fit(X, Y), "learning_rate_init_")


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (LearningRateFinder(n_updates=0), "'n_updates' parameter of LearningRateFinder"),
        (LearningRateFinder(lowest=-1.0), "'lowest' parameter"),
        (LearningRateFinder(lowest=1.0, highest=0.1), "must be below highest"),
        (EarlyStopping(X, Y, n_iter_no_change="a"), "'n_iter_no_change' parameter of EarlyStopping"),
        (EarlyStopping(X, Y, tol=-1), "'tol' parameter"),
        (EarlyStopping(X, Y, scoring="nonsense"), "nonsense"),
        (Checkpoint("run.skrnn", every=0), "'every' parameter of Checkpoint"),
        (Checkpoint(None), "'path' parameter"),
    ],
)
def test_bad_parameters_are_refused_before_training(callback, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**SHORT).set_callbacks(callback).fit(X, Y)


def test_a_solver_without_a_rate_has_none_to_be_found():
    with pytest.raises(ValueError, match="has no learning rate"):
        RNNRegressor(**SHORT, solver="lbfgs").set_callbacks(LearningRateFinder()).fit(X, Y)


def test_plot_of_the_finder():
    finder = LearningRateFinder(n_updates=20)
    RNNRegressor(**SHORT).set_callbacks(finder).fit(X, Y)
    ax = finder.plot()
    assert ax.get_xscale() == "log"
    assert_array_equal(ax.lines[0].get_xdata(), finder.learning_rates_)
    assert_array_equal(ax.lines[0].get_ydata(), finder.losses_)
    assert finder.plot(ax) is ax


def test_a_finder_plots_after_a_fit():
    with pytest.raises(NotFittedError, match="fit an estimator with it first"):
        LearningRateFinder().plot()


# --------------------------------------------------------------------------------------------------------------- Ctrl-C
class Interrupt(Recorder):
    """Sends Ctrl-C at the end of the second epoch."""

    def on_fit_task_end(self, estimator, context):
        self._told("end", context)
        if len(self.calls) == 6:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("early_stopping", [False, True])
def test_ctrl_c_between_epochs(early_stopping):
    settings = {**SHORT, "early_stopping": early_stopping}
    reg = RNNRegressor(**settings).set_callbacks(Interrupt())
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        reg.fit(X, Y)
    assert reg.n_iter_ == 2
    assert_same_weights(reg, RNNRegressor(**settings | {"max_iter": 2}).fit(X, Y))


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("own", [False, True])
def test_ctrl_c_leaves_the_bar_where_it_is(own, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdout", Terminal(sys.stdout))
    reg = RNNRegressor(**SHORT, verbose=0 if own else 1)
    reg.set_callbacks(*([ProgressBar()] if own else []), Interrupt())
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        reg.fit(X, Y)
    out = capsys.readouterr().out
    assert "RNNRegressor" in out
    assert "100%" not in out
    reg.set_callbacks(*([ProgressBar()] if own else [])).fit(X, Y)
    assert "100%" in capsys.readouterr().out


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_within_an_epoch_ends_after_some_mini_batch(monkeypatch):
    """While shards run in two threads; the weights are those after some update, and no thread is left."""
    big = RNG.normal(size=(512, 100, 2))
    target, n_threads = big[:, :, 0].sum(axis=1), threading.active_count()
    reg = RNNRegressor(**SHORT | {"batch_size": 64}, n_jobs=2).fit(big[:64], target[:64]).set_params(max_iter=10**6)
    timer, too_late = threading.Timer(0.1, signal.raise_signal, [signal.SIGINT]), []
    run = Epochs.run

    def watched(*args):
        if len(too_late) == 1:  # in the second epoch
            timer.start()
        too_late.append(timer.finished.is_set())
        return run(*args)

    monkeypatch.setattr(Epochs, "run", watched)
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        reg.fit(big, target)
    timer.join()
    assert sum(too_late) <= 1
    assert threading.active_count() == n_threads
    assert np.isfinite(reg.predict(big[:5])).all()
    assert reg.n_iter_ == len(reg.loss_curve_) >= 1


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_ctrl_c_is_an_exception():
    class Twice(Interrupt):
        def teardown(self, estimator, context):
            signal.raise_signal(signal.SIGINT)

    reg = RNNRegressor(**SHORT).set_callbacks(Twice())
    with pytest.raises(KeyboardInterrupt):
        reg.fit(X, Y)
    assert not hasattr(reg, "weights_")


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    "place", ["skrnn.estimators._given.validate_inputs", "skrnn.network.network.Network.initialize"]
)
def test_ctrl_c_before_training(place, monkeypatch):
    """While data are checked, or kernels compiled: an exception, and the estimator is what it was."""

    def interrupted(*arguments, **parameters):
        signal.raise_signal(signal.SIGINT)

    reg = RNNRegressor(**SHORT).fit(X, Y)
    before = dict(vars(reg))
    with monkeypatch.context() as patched:
        patched.setattr(place, interrupted)
        with pytest.raises(KeyboardInterrupt):
            reg.fit(X[:20], Y[:20])
    assert vars(reg) == before
    assert_array_equal(reg.predict(X), clone(reg).fit(X, Y).predict(X))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_a_search():
    """Ends the fit that runs at the time; the search goes on with the next one."""
    search = GridSearchCV(RNNRegressor(**SHORT), {"alpha": [1e-3, 0.1]}, cv=2)
    search.estimator.set_callbacks(Interrupt())
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        search.fit(X, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.n_iter_ == 3
