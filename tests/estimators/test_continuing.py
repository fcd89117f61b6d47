"""Training that goes on: `warm_start`, `partial_fit`, and what they refuse."""

import copy

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier, RNNRegressor, SequenceArray
from skrnn.schedules import Plateau

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 2)) for T in RNG.integers(2, 9, 30)]
Y = np.array([x[:, 0].sum() for x in X])
LABELS = np.array(["low", "mid", "high"])[np.digitize(Y, [-1, 1])]
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 3, "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}
SHORT |= {"batch_size": 8, "learning_rate": "constant", "learning_rate_init": 3e-3, "dropout": 0.0}
TARGETS = {
    "classes": (RNNClassifier, LABELS),
    "numbers": (RNNRegressor, Y),
    "steps": (RNNRegressor, [x[:, 0] for x in X]),
}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def assert_same_weights(one, other):
    for name, array in one.weights_.items():
        assert_array_equal(array, other.weights_[name], err_msg=name)


def unchanged(estimator, call, match):
    """`call` raises, and the estimator is what it was."""
    before = copy.deepcopy(vars(estimator))
    with pytest.raises(ValueError, match=match):
        call()
    assert before.keys() == vars(estimator).keys()
    if "weights_" in before:
        for name, array in before["weights_"].items():
            assert_array_equal(array, estimator.weights_[name])
        assert before["loss_curve_"] == estimator.loss_curve_


# ---------------------------------------------------------------------------------------------------------- partial_fit
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("kind", ["numbers", "steps"])
def test_epochs_of_partial_fit_are_those_of_fit(kind, dropout):
    """Same order, same masks, same memory of the solver: the same bits as one fit of as many epochs."""
    estimator, y = TARGETS[kind]
    whole = estimator(**SHORT, input_dropout=dropout).fit(X, y)
    parts = estimator(**SHORT, input_dropout=dropout)
    for _ in range(3):
        parts.partial_fit(X, y)
    assert_same_weights(whole, parts)
    assert parts.loss_curve_ == whole.loss_curve_
    assert (parts.n_iter_, parts.t_) == (3, whole.t_)
    assert_array_equal(parts.gradient_norm_curve_, whole.gradient_norm_curve_)
    assert_array_equal(parts.predict(X)[0], whole.predict(X)[0])


def test_classes_of_partial_fit():
    whole = RNNClassifier(**SHORT).fit(X, LABELS)
    parts = RNNClassifier(**SHORT)
    for _ in range(3):
        parts.partial_fit(X, LABELS, classes=["low", "high", "mid"])
    assert_same_weights(whole, parts)
    assert parts.classes_.tolist() == ["high", "low", "mid"]


def test_classes_may_come_later():
    low = np.flatnonzero(LABELS == "low")
    every = ["low", "high", "mid", "top"]
    clf = RNNClassifier(**SHORT).partial_fit([X[i] for i in low], LABELS[low], classes=every)
    assert clf.predict_proba(X).shape == (30, 4)
    clf.partial_fit(X, LABELS)
    assert clf.n_iter_ == 2


def test_indicators_need_no_classes():
    y = np.column_stack([Y > 0, Y > 1]).astype(int)
    clf = RNNClassifier(**SHORT).partial_fit(X, y).partial_fit(X, y)
    assert clf.predict(X).shape == (30, 2)


def test_partial_fit_goes_on_after_fit_and_warm_start_after_partial_fit():
    reg = RNNRegressor(**SHORT).fit(X, Y).partial_fit(X, Y)
    assert (reg.n_iter_, len(reg.solver_state_)) == (4, 2)
    reg.set_params(warm_start=True).fit(X, Y)
    assert (reg.n_iter_, len(reg.loss_curve_)) == (3, 7)
    assert not hasattr(reg, "solver_state_")


def test_updates_are_counted_over_all_fits():
    """And those that the solver remembers apart, so that Adam corrects the bias of memory that is new."""
    reg, n = RNNRegressor(**SHORT, warm_start=True), 4  # batches
    for method, n_all, n_remembered in [
        ("fit", 3, None),
        ("partial_fit", 4, 1),
        ("partial_fit", 5, 2),
        ("fit", 8, None),
        ("partial_fit", 9, 1),
    ]:
        getattr(reg, method)(X, Y)
        assert (reg.t_, len(reg.gradient_norm_curve_)) == (n * n_all, n * n_all)
        assert getattr(reg, "solver_t_", None) == (n_remembered and n * n_remembered)
    start = copy.deepcopy(reg.fit(X, Y))
    start.t_ = 0  # as if it were the first call
    assert_same_weights(start.partial_fit(X, Y), reg.partial_fit(X, Y))


def test_copies_go_on_apart():
    reg = RNNRegressor(**SHORT).partial_fit(X, Y)
    other = copy.deepcopy(reg)
    before = copy.deepcopy(reg.solver_state_)
    other.partial_fit(X, Y)
    for old, new in zip(before, reg.solver_state_, strict=True):
        assert_array_equal(old, new)
    assert_same_weights(other, reg.partial_fit(X, Y))


def test_weights_of_classes_in_partial_fit():
    weight, every = {"low": 3.0, "mid": 1.0, "high": 0.5}, np.unique(LABELS)
    settings = {**SHORT, "standardize": False}  # by means that samples count in, classes do not
    by_class = RNNClassifier(**settings, class_weight=weight).partial_fit(X, LABELS, classes=every)
    by_sample = RNNClassifier(**settings).partial_fit(X, LABELS, [weight[label] for label in LABELS], classes=every)
    assert_same_weights(by_class, by_sample)


def test_what_partial_fit_refuses():
    clf = RNNClassifier(**SHORT)
    unchanged(clf, lambda: clf.partial_fit(X, LABELS), "first call of partial_fit needs classes")
    unchanged(clf, lambda: clf.partial_fit(X, LABELS, classes=["low"]), "at least 2 classes")
    unchanged(clf, lambda: clf.partial_fit(X, LABELS, classes=["low", "mid"]), r"not seen: \['high'\]")
    clf.partial_fit(X, LABELS, classes=np.unique(LABELS))
    unchanged(clf, lambda: clf.partial_fit(X, LABELS, classes=["low", "mid"]), "not those of the calls before")
    unchanged(clf, lambda: clf.partial_fit(X, ["other"] * 30), r"not seen: \['other'\]")
    unchanged(clf, lambda: clf.partial_fit([x[:, :1] for x in X], LABELS), "1 channel|1 features")
    unchanged(clf, lambda: clf.partial_fit(X, [x[:, 0] > 0 for x in X]), "target for each step")
    unchanged(
        clf,
        lambda: clf.set_params(hidden_layer_sizes=5).partial_fit(X, LABELS),
        r"hidden_layer_sizes: \(4,\), now \(5,\)",
    )
    clf.set_params(hidden_layer_sizes=4)
    for params, match in (
        ({"early_stopping": True}, "early_stopping=True does not go"),
        ({"class_weight": "balanced"}, "balanced"),
    ):
        other = clone(clf).set_params(**params)
        unchanged(other, lambda other=other: other.partial_fit(X, LABELS, classes=np.unique(LABELS)), match)


def test_a_solver_of_all_data_has_no_partial_fit():
    assert not hasattr(RNNRegressor(solver="lbfgs"), "partial_fit")
    assert hasattr(RNNRegressor(solver="adam"), "partial_fit")


def test_partial_fit_keeps_to_its_learning_rate():
    """A schedule that needs to know the end is not followed; one that looks back is."""
    constant = RNNRegressor(**SHORT).partial_fit(X, Y).partial_fit(X, Y)
    assert_same_weights(
        constant, RNNRegressor(**SHORT | {"learning_rate": "cosine"}).partial_fit(X, Y).partial_fit(X, Y)
    )


# ----------------------------------------------------------------------------------------------------------- warm_start
@pytest.mark.parametrize("kind", TARGETS)
def test_warm_start_goes_on(kind):
    estimator, y = TARGETS[kind]
    warm = estimator(**SHORT, warm_start=True).fit(X, y)
    first, mean = list(warm.loss_curve_), warm.input_mean_
    warm.fit(X[:20], y[:20])
    assert warm.loss_curve_[:3] == first
    assert (len(warm.loss_curve_), warm.n_iter_) == (6, 3)
    assert_array_equal(warm.input_mean_, mean)
    assert warm.loss_curve_[3] < first[0]
    cold = estimator(**SHORT).fit(X, y).fit(X[:20], y[:20])
    assert len(cold.loss_curve_) == 3


def test_warm_start_with_held_out_sequences():
    warm = RNNRegressor(**SHORT, warm_start=True).fit(X, Y)
    warm.set_params(early_stopping=True).fit(X, Y)
    assert np.isnan(warm.validation_scores_[:3]).all()
    assert np.isfinite(warm.validation_scores_[3:]).all()
    assert warm.best_validation_score_ == max(warm.validation_scores_[3:])


def test_curves_stay_side_by_side():
    """One entry for each epoch, NaN where nothing was held out."""
    held_out = {"X_val": X[20:], "y_val": Y[20:]}
    warm = RNNRegressor(**SHORT, warm_start=True, early_stopping="auto").fit(X[:20], Y[:20], **held_out)
    warm.fit(X, Y)
    assert len(warm.validation_scores_) == len(warm.loss_curve_) == 6
    assert (warm.best_loss_, warm.best_validation_score_) == (min(warm.loss_curve_[3:]), None)
    warm.partial_fit(X, Y).fit(X[:20], Y[:20], **held_out)
    assert len(warm.validation_scores_) == len(warm.loss_curve_) == 10
    assert np.isnan(warm.validation_scores_).tolist() == [False] * 3 + [True] * 4 + [False] * 3


def test_a_plateau_is_seen_by_partial_fit():
    constant = RNNRegressor(**SHORT)
    plateau = RNNRegressor(**SHORT | {"learning_rate": Plateau(patience=1, tol=1e9)})
    for n in range(5):
        constant.partial_fit(X, Y)
        plateau.partial_fit(X, Y)
        same = all(np.array_equal(w, plateau.weights_[name]) for name, w in constant.weights_.items())
        assert same == (n < 2)


def test_weights_of_classes_that_a_part_does_not_have():
    weight, every = {"low": 3.0, "high": 0.5}, np.unique(LABELS)
    few = np.flatnonzero(LABELS != "low")
    by_class = RNNClassifier(**SHORT, class_weight=weight, standardize=False).partial_fit(X, LABELS, classes=every)
    by_sample = RNNClassifier(**SHORT, standardize=False)
    by_sample.partial_fit(X, LABELS, [weight.get(label, 1) for label in LABELS], classes=every)
    by_class.partial_fit([X[i] for i in few], LABELS[few])
    by_sample.partial_fit([X[i] for i in few], LABELS[few], [weight.get(label, 1) for label in LABELS[few]])
    assert_same_weights(by_class, by_sample)


def test_what_warm_start_refuses():
    clf = RNNClassifier(**SHORT, warm_start=True).fit(X, LABELS)
    unchanged(clf, lambda: clf.fit(X, np.where(LABELS == "mid", "new", LABELS)), r"not seen: \['new'\]")
    unchanged(clf, lambda: clf.fit([x[:, :1] for x in X], LABELS), "1 channel|1 features")
    clf.set_params(bidirectional=False)
    unchanged(clf, lambda: clf.fit(X, LABELS), "bidirectional: True, now False.*warm_start=False")


def test_other_stops_go_on_learning():
    """Early stopping of the first run does not end the second one at its start."""
    reg = RNNRegressor(**SHORT | {"tol": 10.0, "n_iter_no_change": 2}, warm_start=True).fit(X, Y)
    n = reg.n_iter_
    assert reg.set_params(tol=0.0).fit(X, Y).n_iter_ == 3
    assert len(reg.loss_curve_) == n + 3


def test_warnings_point_at_the_caller():
    with pytest.warns(ConvergenceWarning) as caught:
        RNNRegressor(**SHORT).fit(X, Y)
    assert caught[0].filename == __file__


@pytest.mark.parametrize("weight", [{"low": -1.0}, {"low": np.inf}, [{0: 1.0}]])
def test_weights_of_classes_are_checked_in_parts_too(weight):
    clf = RNNClassifier(**SHORT, class_weight=weight)
    unchanged(clf, lambda: clf.partial_fit(X, LABELS, classes=np.unique(LABELS)), "class_weight")


# ------------------------------------------------------------------------------------------------ later y and classes
DAYS = np.full(30, "2020-01-01", "M8[D]")
LATER = [
    (DAYS, "real numbers"),
    (DAYS - DAYS, "real numbers"),
    (Y * 1j, "Complex"),
    (["a"] * 30, "real numbers"),
    ([None, *Y[1:]], "sequence 0"),
    ([np.nan, *Y[1:]], "NaN: sequence 0"),
    ([1, "a"] * 15, "the text 'a' for sequence 1"),
    (np.ones((30, 2)), "2 outputs"),
    (np.full(30, 1e300), "too large for float32"),
    ([x[:, 0] for x in X], "target for each step"),
]


@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
@pytest.mark.parametrize(("y", "match"), LATER)
def test_later_numbers_are_checked_like_the_first(y, match, way):
    reg = RNNRegressor(**SHORT, warm_start=way == "warm_start").fit(X, Y)
    unchanged(reg, lambda: (reg.fit if reg.warm_start else reg.partial_fit)(X, y), match)
    if match != "target for each step":
        unchanged(reg, lambda: reg.gradient_norms(X, y), match)


@pytest.mark.parametrize("way", ["partial_fit", "warm_start"])
def test_later_classes_are_checked_like_the_first(way):
    days, steps = DAYS - DAYS + np.timedelta64(1), [x[:, 0] > 0 for x in X]
    for first in (Y > 0, (Y > 0).astype(int), np.where(Y > 0, "up", "down"), DAYS - (Y > 0).astype("m8[D]")):
        clf = RNNClassifier(**SHORT, warm_start=way == "warm_start").fit(X, first)
        again = clf.fit if clf.warm_start else clf.partial_fit
        for other in (["a"] * 30, days, Y, [1, "a"] * 15, [None] * 30, Y * 1j, np.ones((30, 2)), steps):
            unchanged(clf, lambda again=again, other=other: again(X, other), "y")
        again(X, first)


@pytest.mark.parametrize(
    ("classes", "match"),
    [
        (["a", np.nan], "NaN.*entry 1"),
        ([0, "a"], "classes holds 0 for entry 0, but the text 'a' for entry 1"),
        ([0, 1, "a", None], "NaN, None or NA: entry 3"),
        ([0.5, 1.5], "not real numbers"),
        ([0, 1j], "Complex"),
        ([[0, 1]], "one dimension"),
        ([], "classes must list each class"),
        ({0, 1}, "classes is of type set"),
        (3, "classes is of type int"),
    ],
)
def test_classes_are_checked_like_y(classes, match):
    clf, y = RNNClassifier(**SHORT), Y > 0
    unchanged(clf, lambda: clf.partial_fit(X, y, classes=classes), match)
    clf.partial_fit(X, y, classes=[False, True])
    unchanged(clf, lambda: clf.partial_fit(X, y, classes=classes), match)


def test_classes_of_indicators_are_the_numbers_of_labels():
    """Used or refused alike by the first call and by those after it."""
    y = np.column_stack([Y > 0, Y > 1]).astype(int)
    clf = RNNClassifier(**SHORT)
    unchanged(clf, lambda: clf.partial_fit(X, y, classes=["a", "b"]), r"numbers of the labels.*\[0, 1\]")
    clf.partial_fit(X, y, classes=[0, 1]).partial_fit(X, y, classes=[1, 0])
    unchanged(clf, lambda: clf.partial_fit(X, y, classes=["a", "b"]), "not those of the calls before")
    unchanged(clf, lambda: clf.partial_fit(X, Y > 0), "matrix of label indicators")
    unchanged(clf, lambda: clf.partial_fit(X, np.ones((30, 3), int)), "3 labels")


def test_a_loss_of_steps_for_a_network_of_sequences_has_no_gradient():
    reg = RNNRegressor(**SHORT).fit(X, Y)
    steps = SequenceArray.from_list([x[:, :1] for x in X])
    unchanged(reg, lambda: reg.gradient_norms(X, steps), "y has a target for each step")


@pytest.mark.parametrize(
    ("groups", "match"),
    [(3, "of type int"), ([None] * 30, "sequence 0"), ([1, "a"] * 15, "the text 'a'"), (np.ones((30, 2)), "groups")],
)
def test_groups_are_one_label_each(groups, match):
    clf = RNNClassifier(**SHORT)
    unchanged(clf, lambda: clf.fit(X, Y > 0, groups=groups), match)
