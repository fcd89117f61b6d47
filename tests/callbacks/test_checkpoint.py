"""Fits that end before their time and go on."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold

import skrnn
from skrnn import (
    Augmentation,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from skrnn.callbacks import Checkpoint, EarlyStopping, LearningRateFinder
from skrnn.schedules import Plateau

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 2)) for T in RNG.integers(2, 9, 40)]
Y = np.array([x[:, 0].sum() for x in X])
TOKENS = [["up" if value > 0 else "down" for value in x[:, 0]] for x in X]
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 5, "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}
SHORT |= {"batch_size": 8, "learning_rate": "constant", "learning_rate_init": 3e-3}
FITS = {
    "plain": RNNRegressor(**SHORT),
    "without seed": RNNRegressor(**SHORT | {"random_state": None}, early_stopping=True),
    "noisy": RNNRegressor(**SHORT, input_dropout=0.3, recurrent_dropout=0.2),
    "held out": RNNRegressor(**SHORT, early_stopping=True, validation_fraction=0.3),
    "cosine": RNNRegressor(**SHORT | {"learning_rate": "cosine"}),
    "plateau": RNNRegressor(**SHORT | {"learning_rate": Plateau(patience=1, tol=0.05)}),
    "augmentation": RNNRegressor(**SHORT, augmentation=Augmentation(scale=1.5)),
    "momentum": RNNRegressor(**SHORT, solver="sgd"),
    "two layers": RNNRegressor(**SHORT | {"hidden_layer_sizes": (4, 3)}, layer_norm=True, n_jobs=2),
    "forecast": SequenceTransformer(**SHORT),
    "outliers": SequenceOutlierDetector(**SHORT),
    "tokens": RNNClassifier(**SHORT),
    "words": RNNClassifier(**SHORT, subwords=True),
    "labels out": Seq2SeqClassifier(**SHORT, early_stopping=True, validation_fraction=0.3),
    "numbers out": Seq2SeqRegressor(**SHORT | {"random_state": None}, teacher_forcing=0.5, early_stopping=True),
}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Crash:
    """Ends the fit at the end of epoch `epoch`, as an error would."""

    def __init__(self, epoch):
        self.epoch = epoch

    def setup(self, estimator, context):
        self.n_epochs = 0

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += 1
        if self.n_epochs == self.epoch:
            raise RuntimeError("crash")

    def teardown(self, estimator, context):
        pass


def data_of(name):
    if name in ("tokens", "words"):
        return TOKENS, Y > 0
    if name == "labels out":
        return X, [words[:3] for words in TOKENS]
    if name == "numbers out":
        return X, [x[1:] for x in X]
    return X, Y


def assert_same_fit(one, other):
    for name in ("loss_curve_", "validation_scores_", "n_iter_", "t_", "best_loss_", "best_validation_score_"):
        assert getattr(one, name) == getattr(other, name), name
    assert_array_equal(one.gradient_norm_curve_, other.gradient_norm_curve_)
    for name, array in one.weights_.items():
        assert_array_equal(array, other.weights_[name], err_msg=name)


@pytest.mark.parametrize("epoch", [1, 3, 5])
@pytest.mark.parametrize("name", FITS)
def test_a_resumed_fit_is_the_uninterrupted_one(name, epoch, tmp_path):
    """Bit for bit, also without a seed: then the first run, which the second goes on with, has drawn one."""
    X, y = data_of(name)
    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError, match="crash"):
        clone(FITS[name]).set_callbacks(Crash(epoch + 1), Checkpoint(path)).fit(X, y)
    resumed = clone(FITS[name]).set_callbacks(Checkpoint(path, resume=True)).fit(X, y)
    assert resumed.n_iter_ == 5
    if FITS[name].random_state is not None:
        assert_same_fit(resumed, clone(FITS[name]).fit(X, y))
    assert_same_fit(skrnn.load(path), resumed)


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 4])
def test_a_checkpoint_is_the_estimator_of_its_epoch(n_epochs, tmp_path):
    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError):
        RNNRegressor(**SHORT).set_callbacks(Crash(n_epochs + 1), Checkpoint(path, every=2)).fit(X, Y)
    if n_epochs == 1:
        assert not path.exists()
        return
    alone = RNNRegressor(**SHORT | {"max_iter": n_epochs // 2 * 2}).fit(X, Y)
    saved = skrnn.load(path)
    assert_array_equal(saved.predict(X), alone.predict(X))
    assert saved.loss_curve_ == alone.loss_curve_


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_the_middle_of_an_epoch_does_not_spoil_the_checkpoint(tmp_path, monkeypatch):
    from skrnn.training.epoch import Epochs
    from skrnn.training.objective import Objective

    path, evaluate, calls = tmp_path / "run.skrnn", Objective.run, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 13:
            signal.raise_signal(signal.SIGINT)
        return evaluate(self, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(Epochs, "_can_be_driven", lambda self: False)
        patched.setattr(Objective, "run", interrupted)
        reg = RNNRegressor(**SHORT).set_callbacks(Checkpoint(path)).fit(X, Y)
    assert reg.n_iter_ == 2
    resumed = RNNRegressor(**SHORT).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y)
    assert_same_fit(resumed, RNNRegressor(**SHORT).fit(X, Y))


def test_ctrl_c_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    path, replace = tmp_path / "run.skrnn", os.replace
    written = []

    def interrupted(source, target):
        written.append(1)
        if len(written) == 3:
            raise KeyboardInterrupt
        return replace(source, target)

    monkeypatch.setattr(os, "replace", interrupted)
    reg = RNNRegressor(**SHORT).set_callbacks(Checkpoint(path)).fit(X, Y)
    assert reg.n_iter_ == 3
    assert skrnn.load(path).n_iter_ == 2
    assert os.listdir(tmp_path) == ["run.skrnn"]


def test_a_fit_that_ended_is_not_trained_any_more(tmp_path):
    path = tmp_path / "run.skrnn"
    ended = RNNRegressor(**SHORT).set_callbacks(Checkpoint(path)).fit(X, Y)
    again = RNNRegressor(**SHORT).set_callbacks(Crash(1), Checkpoint(path, resume=True)).fit
    with pytest.raises(RuntimeError):  # the end of the fit as a whole is the first that it is told
        again(X, Y)
    assert_same_fit(RNNRegressor(**SHORT).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y), ended)
    stopping = {**SHORT, "solver": "lbfgs"}
    ended = RNNRegressor(**stopping).set_callbacks(Checkpoint(path)).fit(X, Y)
    assert_same_fit(RNNRegressor(**stopping).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y), ended)


def test_lbfgs_is_not_resumed(tmp_path):
    path = tmp_path / "run.skrnn"
    reg = RNNRegressor(**SHORT, solver="lbfgs")
    with pytest.raises(RuntimeError):
        clone(reg).set_callbacks(Crash(3), Checkpoint(path)).fit(X, Y)
    with pytest.raises(ValueError, match="L-BFGS cannot be resumed"):
        clone(reg).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"alpha": 0.1}, "another fit: alpha differ"),
        ({"max_iter": 6, "cell": "gru"}, "another fit: cell, max_iter differ"),
        ({"X": [*X[:39], X[0]]}, "another fit: X differ"),
        ({"y": Y + 1}, "another fit: y differ"),
        ({"sample_weight": np.arange(40)}, "another fit: y differ"),
        ({"estimator": RNNClassifier(**SHORT), "y": Y > 0}, "estimator.*differ"),
    ],
)
def test_checkpoints_of_other_fits(change, match, tmp_path):
    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError):
        RNNRegressor(**SHORT).set_callbacks(Crash(3), Checkpoint(path)).fit(X, Y)
    data = {"X": X, "y": Y} | {k: v for k, v in change.items() if k in ("X", "y", "sample_weight")}
    params = {k: v for k, v in change.items() if k not in (*data, "estimator")}
    estimator = clone(change.get("estimator", RNNRegressor(**SHORT))).set_params(**params)
    content = path.read_bytes()
    with pytest.raises(ValueError, match=match):
        estimator.set_callbacks(Checkpoint(path, resume=True)).fit(**data)
    assert path.read_bytes() == content


def test_what_does_not_matter_may_change(tmp_path):
    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError):
        RNNRegressor(**SHORT).set_callbacks(Crash(3), Checkpoint(path)).fit(X, Y)
    other = RNNRegressor(**SHORT, n_jobs=2, verbose=2).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y)
    assert_same_fit(other, RNNRegressor(**SHORT).fit(X, Y))


def test_files_that_are_no_checkpoints(tmp_path):
    path = tmp_path / "model.skrnn"
    skrnn.save(RNNRegressor(**SHORT).fit(X, Y), path)
    callback = Checkpoint(path, resume=True)
    with pytest.raises(ValueError, match="it is not a checkpoint"):
        RNNRegressor(**SHORT).set_callbacks(callback).fit(X, Y)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"model\.skrnn"):
        RNNRegressor(**SHORT).set_callbacks(callback).fit(X, Y)
    with pytest.raises(OSError, match=r"run\.skrnn"):
        RNNRegressor(**SHORT).set_callbacks(Checkpoint(tmp_path / "none" / "run.skrnn")).fit(X, Y)


def test_checkpoints_and_early_stopping_together(tmp_path):
    """The file of a fit that ended holds what the estimator ended with."""
    path = tmp_path / "run.skrnn"
    stopping = EarlyStopping(X[30:], Y[30:], n_iter_no_change=2)
    reg = RNNRegressor(**SHORT | {"max_iter": 40}).set_callbacks(stopping, Checkpoint(path)).fit(X[:30], Y[:30])
    assert 2 < len(stopping.scores_) == reg.n_iter_ < 40
    assert_array_equal(skrnn.load(path).predict(X), reg.predict(X))


def helpers():
    return EarlyStopping(X[30:], Y[30:], n_iter_no_change=2), LearningRateFinder(n_updates=20)


@pytest.mark.parametrize("epoch", [1, 3])
def test_what_other_callbacks_remember_is_resumed_too(epoch, tmp_path):
    """Scores and best weights, and a learning rate that was found at the start of the run."""
    settings, path = SHORT | {"max_iter": 40}, tmp_path / "run.skrnn"
    alone = helpers()
    whole = RNNRegressor(**settings).set_callbacks(*alone).fit(X[:30], Y[:30])
    crashing = RNNRegressor(**settings).set_callbacks(*helpers(), Crash(epoch + 1), Checkpoint(path))
    with pytest.raises(RuntimeError):
        crashing.fit(X[:30], Y[:30])
    for _ in range(2):  # the second time there is nothing left to do
        again = helpers()
        resumed = RNNRegressor(**settings).set_callbacks(*again, Checkpoint(path, resume=True))
        assert_same_fit(resumed.fit(X[:30], Y[:30]), whole)
        assert again[0].scores_ == alone[0].scores_
        assert again[1].learning_rate_ == alone[1].learning_rate_


@pytest.mark.parametrize("early_stopping", [True, False])
def test_killed_after_the_last_epoch_but_before_the_end(early_stopping, tmp_path):
    """What stopped the first run stops the second at once."""

    class CrashAtTheEnd(Crash):
        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fit":
                raise RuntimeError("crash")

    settings, path = SHORT | {"max_iter": 40, "n_iter_no_change": 2, "tol": 0.05}, tmp_path / "run.skrnn"
    reg = RNNRegressor(**settings, early_stopping=early_stopping, validation_fraction=0.3)
    stopping = [] if early_stopping else [EarlyStopping(X[30:], Y[30:], n_iter_no_change=2)]
    whole = clone(reg).set_callbacks(*stopping).fit(X[:30], Y[:30])
    assert whole.n_iter_ < 40
    with pytest.raises(RuntimeError):
        clone(reg).set_callbacks(*stopping, CrashAtTheEnd(0), Checkpoint(path)).fit(X[:30], Y[:30])
    assert_same_fit(clone(reg).set_callbacks(*stopping, Checkpoint(path, resume=True)).fit(X[:30], Y[:30]), whole)
    assert_same_fit(skrnn.load(path), whole)


def test_checkpoints_of_other_callbacks(tmp_path):
    path = tmp_path / "run.skrnn"
    RNNRegressor(**SHORT).set_callbacks(LearningRateFinder(n_updates=20), Checkpoint(path)).fit(X, Y)
    for others in ([], [LearningRateFinder(n_updates=30)], [EarlyStopping(X, Y)]):
        with pytest.raises(ValueError, match="callbacks differ"):
            RNNRegressor(**SHORT).set_callbacks(*others, Checkpoint(path, resume=True)).fit(X, Y)


def test_what_cannot_be_saved_is_said_before_training(tmp_path):
    callback = Checkpoint(tmp_path / "run.skrnn")
    with pytest.raises(TypeError, match="random_state"):
        RNNRegressor(**SHORT | {"random_state": np.random.RandomState(0)}).set_callbacks(callback, Crash(1)).fit(X, Y)
    with pytest.raises(ValueError, match=r"Checkpoint is for fit.*skrnn\.save"):
        RNNRegressor(**SHORT).set_callbacks(callback).partial_fit(X, Y)


def local_score(estimator, X, y):
    return estimator.score(X, y)


@pytest.mark.parametrize(
    ("callback", "named"),
    [
        (EarlyStopping(X, Y, scoring=lambda estimator, X, y: 0.0), "EarlyStopping, since scoring=<lambda>"),
        (EarlyStopping(X, Y, scoring=make_scorer(lambda y, predicted: 0.0)), "EarlyStopping, since scoring=_Scorer"),
        (EarlyStopping((x for x in X), Y, scoring="r2"), "EarlyStopping, since X_val=<genexpr>"),
    ],
)
def test_what_cannot_be_compared_with_another_run_is_named(callback, named, tmp_path):
    reg = RNNRegressor(**SHORT).set_callbacks(callback, Checkpoint(tmp_path / "run.skrnn"), Crash(1))
    with pytest.raises(ValueError, match=rf"{named} .*top level of a module") as caught:
        reg.fit(X, Y)
    assert len(str(caught.value)) < 300
    assert caught.value.__suppress_context__  # which holds all of the data
    reg.set_callbacks(EarlyStopping(X, Y, scoring=local_score), Checkpoint(tmp_path / "run.skrnn")).fit(X, Y)


def test_a_splitter_is_refused_before_training(tmp_path):
    parameters = SHORT | {"early_stopping": True, "validation_split": KFold(4)}
    with pytest.raises(TypeError, match=r"validation_split is a KFold, .*X_val"):
        RNNRegressor(**parameters).set_callbacks(Checkpoint(tmp_path / "run.skrnn"), Crash(1)).fit(X, Y)


def test_the_warning_at_the_end_comes_again(tmp_path):
    path = tmp_path / "run.skrnn"
    for resume in (False, True):
        with pytest.warns(ConvergenceWarning, match="Maximum number"):
            RNNRegressor(**SHORT).set_callbacks(Checkpoint(path, resume=resume)).fit(X, Y)


def test_a_reconstruction_is_saved_too(tmp_path):
    path = tmp_path / "run.skrnn"
    features = SequenceTransformer(**SHORT, objective="reconstruct").set_callbacks(Checkpoint(path)).fit(X)
    saved = skrnn.load(path)
    assert_array_equal(
        saved.inverse_transform(saved.transform(X)).values, features.inverse_transform(features.transform(X)).values
    )


def test_a_checkpoint_comes_last(tmp_path):
    callbacks = Checkpoint(tmp_path / "run.skrnn"), EarlyStopping(X, Y)
    with pytest.raises(ValueError, match="Checkpoint comes last"):
        RNNRegressor(**SHORT).set_callbacks(*callbacks).fit(X, Y)


KILLED = """
    import sys, time
    import numpy as np
    from skrnn import RNNRegressor
    from skrnn.callbacks import Checkpoint

    class Slow(Checkpoint):  # the epochs of a fast machine, too, outlast what kills
        def on_fit_task_begin(self, estimator, context):
            time.sleep(0.005)
            super().on_fit_task_begin(estimator, context)

    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 20, 2))
    reg = RNNRegressor(8, cell="elman", max_iter=200, tol=None, random_state=0, input_dropout=0.1)
    reg.set_callbacks(Slow(sys.argv[1], resume=True)).fit(X, X[:, :, 0].sum(axis=1))
    print(sum(abs(w).sum() for w in reg.weights_.values()), reg.n_iter_)
"""


@pytest.mark.long
def test_a_program_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path):
    """Killed at arbitrary moments, by a signal that cannot be caught, and started again until it ends."""
    path = tmp_path / "run.skrnn"
    command = [sys.executable, "-c", textwrap.dedent(KILLED)]
    environment = {**os.environ, "PYTHONPATH": str(Path(skrnn.__file__).parents[1])}
    for delay in (0.02, 0.15, 0.4):
        process = subprocess.Popen([*command, str(path)], stdout=subprocess.DEVNULL, env=environment)
        before = path.stat().st_mtime_ns if path.exists() else 0
        while process.poll() is None and not (path.exists() and path.stat().st_mtime_ns > before):
            time.sleep(0.001)
        time.sleep(delay)
        assert process.poll() is None
        process.kill()
        process.wait()
        assert skrnn.load(path).n_iter_ >= 1
    ends = [
        subprocess.run([*command, str(where)], capture_output=True, env=environment, text=True, check=True).stdout
        for where in (path, tmp_path / "other.skrnn")
    ]
    assert ends[0] == ends[1]
    assert ends[0].split()[1] == "200"


@pytest.mark.parametrize("name", ["theta", "safe_theta", "older_theta", "first_theta", "slots"])
def test_arrays_of_another_network_reach_no_kernel(name, tmp_path):
    from skrnn.persistence._estimators import read_estimator, write_estimator

    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError):
        RNNRegressor(**SHORT).set_callbacks(Crash(3), Checkpoint(path)).fit(X, Y)
    estimator, training = read_estimator(path)
    short = np.zeros(3, np.float32)
    training["state"][name] = [short, short] if name == "slots" else short
    write_estimator(estimator, path, training)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        RNNRegressor(**SHORT).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y)
