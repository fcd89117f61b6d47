"""Labels that nobody has aligned: learning, searching, aligning; what is refused; saving and going on."""

import itertools
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import Conv, CTCClassifier
from skrnn.callbacks import Checkpoint
from skrnn.metrics import edit_distance
from skrnn.preprocessing import PerStep

SIGNALS = {"dot": [0, 1, 0], "dash": [0, 1, 1, 1, 0]}
SMALL = {"hidden_layer_sizes": 8, "batch_size": 16, "random_state": 0}


def morse(n, seed=0, least=0):
    """Signals of up to 4 labels; what has no label is silence."""
    rng = np.random.default_rng(seed)
    y = [rng.choice(["dot", "dash"], size) for size in rng.integers(least, 5, n)]
    X = [np.concatenate([[0], *(SIGNALS[label] for label in labels), [0]])[:, np.newaxis] for labels in y]
    return [x + 0.1 * rng.normal(size=x.shape) for x in X], y


X, Y = morse(80)
NEW, TRUTH = morse(30, seed=1)


@pytest.fixture(scope="module")
def clf():
    return CTCClassifier(**SMALL, max_iter=60, dropout=0.0).fit(X, Y)


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


def bits(model, X=NEW):
    return np.concatenate(model.predict_proba(X)).tobytes()


# --------------------------------------------------------------------------------------------------- learn and predict
def test_learns_signals(clf):
    assert clf.score(NEW, TRUTH) > 0.95
    assert clf.classes_.tolist() == ["dash", "dot"]
    assert clf.n_infeasible_ == 0
    assert not clf.per_step_
    assert clf.n_outputs_ == 3
    found = clf.predict(NEW)
    assert (found.shape, found.dtype) == ((30,), np.dtype(object))
    assert all(labels.ndim == 1 and labels.dtype.kind == "U" for labels in found)
    assert min(map(len, found)) == 0
    edits = sum(edit_distance(a, b) for a, b in zip(TRUTH, found, strict=True))
    assert clf.score(NEW, TRUTH) == pytest.approx(1 - edits / sum(map(len, TRUTH)))


def test_the_loss_is_the_mean_over_sequences_of_minus_log_p(clf):
    """Not divided by the number of labels; sequences count by their weights."""
    weight = np.random.default_rng(0).uniform(0.5, 2, len(X))
    options = SMALL | {"dropout": 0.0, "alpha": 0.0, "learning_rate_init": 1e-9, "max_iter": 1, "dtype": "float64"}
    model = CTCClassifier(**options).fit(X, Y, weight)
    assert_allclose(model.loss_, -np.average(model.score_samples(X, Y), weights=weight), rtol=1e-6)


def test_the_best_are_scored_exactly(clf):
    for width in (1, 3):
        found = clone(clf).set_params(beam_width=width)
        vars(found).update({name: value for name, value in vars(clf).items() if name.endswith("_")})
        n_best = found.predict_n_best(NEW, 3)
        for x, best in zip(NEW, n_best, strict=True):
            scores = [log_p for _, log_p in best]
            assert scores == sorted(scores, reverse=True)
            assert_array_equal(found.score_samples([x] * len(best), [labels for labels, _ in best]), scores)
    first = [best[0][0].tolist() for best in n_best]
    assert [labels.tolist() for labels in found.predict(NEW)] == first
    assert (found.score_samples(NEW, first) >= clf.score_samples(NEW, clf.predict(NEW))).all()


def test_probabilities_of_all_outputs_sum_to_1():
    model = CTCClassifier(hidden_layer_sizes=2, max_iter=2, random_state=0).fit(X, Y)
    outputs = [list(y) for n in range(5) for y in itertools.product(["dot", "dash"], repeat=n)]
    log_p = model.score_samples([X[0][:4]] * len(outputs), outputs)
    assert logsumexp(log_p) == pytest.approx(0, abs=1e-12)
    assert log_p[outputs.index(["dot"] * 3)] == -np.inf  # it needs five steps


def test_probabilities_of_steps_and_alignment(clf):
    probabilities, steps = clf.predict_proba(NEW), clf.align(NEW, clf.predict(NEW))
    for x, p, labels, at in zip(NEW, probabilities, clf.predict(NEW), steps, strict=True):
        assert p.shape == (len(x), 3)
        assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
        assert (np.diff(at) > 0).all()
        # Along the best path the labels that it spells are the most probable symbols.
        assert clf.classes_[p[at].argmax(axis=1)].tolist() == labels.tolist()


def test_no_bit_depends_on_the_batch_or_on_threads(clf):
    alone = [clf.predict_proba([x])[0] for x in NEW]
    assert np.concatenate(alone).tobytes() == bits(clf)
    assert_array_equal(
        [clf.score_samples([x], [y])[0] for x, y in zip(NEW, TRUTH, strict=True)], clf.score_samples(NEW, TRUTH)
    )
    assert [clf.predict_n_best([x], 2)[0][0][1] for x in NEW] == [best[0][1] for best in clf.predict_n_best(NEW, 2)]
    two = clone(clf).set_params(n_jobs=2, max_iter=3, batch_size=40, dropout=0.2).fit(X, Y)
    assert bits(two) == bits(clone(two).set_params(n_jobs=1).fit(X, Y))


# ----------------------------------------------------------------------------------------------------- what fits into X
def test_targets_that_cannot_fit_are_named_or_dropped():
    short, y = [*X[:20], np.zeros((4, 1))], [*Y[:20], ["dot", "dot", "dash"]]  # equal neighbours need a blank between
    assert CTCClassifier(**SMALL, max_iter=1).fit(short, y).n_infeasible_ == 0
    short[-1] = np.zeros((3, 1))
    with pytest.raises(ValueError, match=r"sequence 20 has 3 steps, .* 3 labels with 1 equal neighbours .* 4 steps"):
        CTCClassifier(**SMALL).fit(short, y)
    model = CTCClassifier(**SMALL, max_iter=2, infeasible="drop").fit(short, y)
    assert model.n_infeasible_ == 1
    assert bits(model) == bits(CTCClassifier(**SMALL, max_iter=2).fit(short, y, [1] * 20 + [0]))
    assert model.score_samples(short[-1:], y[-1:]) == -np.inf
    with pytest.raises(ValueError, match="sequence 1 has 3 steps, but y has 3 labels"):
        model.align([X[0], short[-1]], [[], y[-1]])


def test_a_convolution_leaves_fewer_steps():
    y = [["dash"] * 3] * 20
    at_once = [np.random.default_rng(0).normal(size=(9, 1))] * 20
    model = CTCClassifier(**SMALL, max_iter=1, convolution=Conv(4, width=3, stride=2)).fit(at_once, y)
    assert [len(p) for p in model.predict_proba([np.ones((n, 1)) for n in (1, 2, 9)])] == [1, 1, 5]
    with pytest.raises(ValueError, match=r"9 steps, of which the convolution leaves 3, .*a smaller stride"):
        clone(model).set_params(convolution=Conv(4, width=3, stride=3)).fit(at_once, y)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda c: c.score_samples(NEW[:2], [["dot"], ["dot", "dit"]]),
            "the first is label 1 of sequence 1",
        ),
        (lambda c: c.align(NEW[:2], [["dot"], ["dit"]]), "labels that fit has not seen"),
        (lambda c: c.score(NEW[:2], ["dot", "dash"]), "sequence 0 of y is 'dot'"),
        (lambda c: c.score_samples(NEW[:2], [["dot"]]), "inconsistent numbers of samples"),
        *((lambda c, n=n: c.predict_n_best(NEW, n), "n must be a whole number of at least 1") for n in (0, True, 2.0)),
        (lambda c: c.predict([np.zeros((0, 1))]), "sequence 0"),
        (lambda c: c.predict([np.full((3, 1), np.nan)]), "NaN"),
        (lambda c: clone(c).fit(X, None), "requires y to be passed"),
        (lambda c: clone(c).fit(X, Y[:-1]), "inconsistent numbers of samples"),
        (lambda c: clone(c).fit(X, [[]] * len(X)), "y holds no label"),
        (lambda c: clone(c).fit(X, [[0.5]] * len(X)), "real numbers"),
        (lambda c: clone(c).fit(X, [["dot"], [None], *Y[2:]]), "sequence 1 of y"),
        (lambda c: clone(c).fit(X, [["dot"], [1], *Y[2:]]), "numbers"),
        (lambda c: clone(c).fit(X, Y, -np.ones(len(X))), "Negative values in sample_weight"),
        (lambda c: clone(c).fit(X, Y, X_val=NEW[:5], y_val=[[1]] * 5), "y_val"),
        (lambda c: clone(c).set_params(beam_width=0).fit(X, Y), "beam_width"),
        (lambda c: clone(c).set_params(infeasible="skip").fit(X, Y), "infeasible"),
    ],
)
def test_what_is_refused(clf, call, message):
    with pytest.raises(ValueError, match=message):
        call(clf)


def test_labels_of_any_type_and_container(clf):
    numbers = {"dot": 7, "dash": -1}
    as_numbers = [[numbers[label] for label in labels] for labels in Y]
    cells = np.empty(len(Y), dtype=object)
    cells[:] = as_numbers
    models = [CTCClassifier(**SMALL, max_iter=3).fit(X, y) for y in (as_numbers, cells, Y)]
    assert models[0].classes_.tolist() == [-1, 7]
    assert len({bits(model) for model in models}) == 1
    assert all(labels.dtype.kind == "i" for labels in models[0].predict(NEW))


# ------------------------------------------------------------------------------------------------ stopping and going on
def test_a_stop_waits_for_the_first_label():
    """With a small rate there are blanks only for longer than patience lasts."""
    options = SMALL | {"max_iter": 25, "learning_rate": "constant", "learning_rate_init": 3e-3, "dropout": 0.0}
    model = CTCClassifier(**options, n_iter_no_change=2).fit(X, Y, X_val=NEW, y_val=TRUTH)
    scores = np.array(model.validation_scores_)
    assert (scores <= 0).sum() > 3
    assert scores.argmax() > (scores <= 0).nonzero()[0].max()
    assert model.score(NEW, TRUTH) == pytest.approx(scores.max())


def test_saved_copied_and_pickled(clf, tmp_path):
    skrnn.save(clf, tmp_path / "clf.skrnn")
    for model in (skrnn.load(tmp_path / "clf.skrnn"), pickle.loads(pickle.dumps(clf))):
        assert bits(model) == bits(clf)
        assert [labels.tolist() for labels in model.predict(NEW)] == [labels.tolist() for labels in clf.predict(NEW)]
        assert model.n_infeasible_ == 0
    wrong = pickle.loads(pickle.dumps(clf))
    wrong.classes_ = np.array(["a", "b", "c"])
    with pytest.raises(ValueError, match="n_outputs_"):
        skrnn.save(wrong, tmp_path / "wrong.skrnn")


def test_training_resumes_to_the_same_bits(tmp_path):
    model = CTCClassifier(**SMALL, max_iter=6, dropout=0.2)
    whole = clone(model).fit(X, Y, X_val=NEW, y_val=TRUTH)

    path = tmp_path / "run.skrnn"
    with pytest.raises(RuntimeError, match="crash"):
        clone(model).set_callbacks(Checkpoint(path), Crash(3)).fit(X, Y, X_val=NEW, y_val=TRUTH)
    resumed = clone(model).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y, X_val=NEW, y_val=TRUTH)
    assert bits(resumed) == bits(whole)
    assert resumed.validation_scores_ == whole.validation_scores_
    with pytest.raises(ValueError, match="y"):
        clone(model).set_callbacks(Checkpoint(path, resume=True)).fit(X, Y[::-1], X_val=NEW, y_val=TRUTH)


def test_partial_fit_and_warm_start():
    model = CTCClassifier(**SMALL, learning_rate_init=5e-3)
    with pytest.raises(ValueError, match="needs classes"):
        model.partial_fit(X, Y)
    for _ in range(3):
        model.partial_fit(X, Y, classes=["dot", "dash", "gap"])
    assert model.classes_.tolist() == ["dash", "dot", "gap"]
    assert model.loss_curve_[2] < model.loss_curve_[0]
    with pytest.raises(ValueError, match="not those of the calls before"):
        model.partial_fit(X, Y, classes=["dot", "dash"])
    warm = CTCClassifier(**SMALL, max_iter=2, warm_start=True).fit(X, Y)
    assert len(warm.fit(X[:40], Y[:40]).loss_curve_) == 4
    with pytest.raises(ValueError, match="has not seen"):
        warm.fit(X, [["dit"], *Y[1:]])


def test_input_dropout_is_for_many_channels():
    def dropped(n_channels, **options):
        model = CTCClassifier(hidden_layer_sizes=2, max_iter=1, **options)
        return model.fit(np.ones((4, 5, n_channels)), [["dot"], ["dash"]] * 2).structure_.input_dropout

    assert [dropped(n) for n in (1, 7, 8)] == [0, 0, 0.2]
    assert dropped(1, convolution=Conv(8)) == 0.2
    assert dropped(8, input_dropout=0.3) == 0.3
    assert dropped(8, solver="lbfgs", tol=10.0) == 0


def test_search_and_pipelines():
    pipe = make_pipeline(PerStep(StandardScaler()), CTCClassifier(**SMALL, max_iter=3))
    search = GridSearchCV(pipe, {"ctcclassifier__cell": ["gru", "lstm"]}, cv=2).fit(X, [list(labels) for labels in Y])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert len(search.predict(NEW)) == len(NEW)


def test_weights_are_copies():
    """Of training sequences, where all are in one mini-batch."""
    options = SMALL | {"batch_size": 200, "max_iter": 3, "dropout": 0.0, "dtype": "float64"}
    weight = np.arange(len(X)) % 3
    copies = np.repeat(np.arange(len(X)), weight)
    weighted = CTCClassifier(**options).fit(X, Y, weight)
    repeated = CTCClassifier(**options).fit([X[i] for i in copies], [Y[i] for i in copies])
    assert_allclose(np.concatenate(weighted.predict_proba(NEW)), np.concatenate(repeated.predict_proba(NEW)), atol=1e-8)
