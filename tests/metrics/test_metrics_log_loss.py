"""Nats per step: equal those of scikit-learn on the flat steps, sums by hand, and refusals by name."""

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from skrnn import SequenceArray
from skrnn.metrics import get_scorer, step_log_loss
from skrnn.sequences import ragged_array
from skrnn.sequences._ragged import split_steps

TRUE = [["b", "a"], ["c"]]
PROBA = [[[0.25, 0.5, 0.25], [0.5, 0.25, 0.25]], [[0.5, 0.375, 0.125]]]
NOTES = [[[1, 0], [1, 1]], [[0, 0]]]
P_NOTES = [[[0.5, 0.5], [0.25, 1.0]], [[0.0, 0.75]]]
LOG2 = np.log(2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(2, 4), st.integers(0, 1000))
def test_classes_are_those_of_the_flat_steps(lengths, n_classes, seed):
    rng = np.random.default_rng(seed)
    offsets = np.cumsum([0, *lengths])
    proba, true = rng.dirichlet(np.ones(n_classes), offsets[-1]), rng.integers(0, n_classes, offsets[-1])
    ragged = split_steps(true, offsets), split_steps(proba, offsets)
    labels = np.arange(n_classes)
    assert step_log_loss(*ragged, labels=labels) == pytest.approx(log_loss(true, proba, labels=labels))
    of_steps, of_sequences = rng.random(offsets[-1]), rng.random(len(lengths))
    expected = log_loss(true, proba, labels=labels, sample_weight=of_steps)
    weight = split_steps(of_steps, offsets)
    assert step_log_loss(*ragged, labels=labels, sample_weight=weight) == pytest.approx(expected)
    expected = log_loss(true, proba, labels=labels, sample_weight=np.repeat(of_sequences, lengths))
    assert step_log_loss(*ragged, labels=labels, sample_weight=of_sequences) == pytest.approx(expected)


def test_values_by_hand():
    assert step_log_loss(TRUE, PROBA) == pytest.approx((1 + 1 + 3) / 3 * LOG2)
    # labels are added up in a step; the mean is over steps, so the long sequence counts twice
    assert step_log_loss(NOTES, P_NOTES) == pytest.approx((2 + 2 + 2) / 3 * LOG2)
    assert step_log_loss(NOTES, [P_NOTES[0], [[0.0, 0.0]]]) == pytest.approx(4 / 3 * LOG2)
    assert step_log_loss(NOTES, P_NOTES, sample_weight=[0, 1]) == pytest.approx(2 * LOG2)
    assert str(step_log_loss([["a"], ["b"]], [[[1.0, 0.0]], [[0.0, 1.0]]])) == "0.0"


def test_columns_follow_labels():
    shuffled = [np.array(steps)[:, [2, 0, 1]] for steps in PROBA]
    assert step_log_loss(TRUE, shuffled, labels=["c", "a", "b"]) == step_log_loss(TRUE, PROBA)
    assert step_log_loss([["b"]], [[[0.5, 0.5]]], labels=["a", "b"]) == pytest.approx(LOG2)


def test_one_probability_is_that_of_the_second_class():
    expected = step_log_loss([[0, 1], [1]], [[[0.75, 0.25], [0.5, 0.5]], [[0.0, 1.0]]])
    assert step_log_loss([[0, 1], [1]], [[0.25, 0.5], [1.0]]) == expected
    assert step_log_loss([[[0], [1]], [[1]]], [[[0.25], [0.5]], [[1.0]]]) == expected


def test_a_single_class():
    assert step_log_loss([["a"]], [[[1.0]]], labels=["a"]) == 0
    with pytest.raises(ValueError, match="y_true has 1 label, but y_proba has 2 columns"):
        step_log_loss([["a"]], [[0.5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_probability_of_zero_costs_what_the_dtype_can_tell(dtype):
    proba = [np.array([[1, 0]], dtype=dtype), np.array([[0, 1]], dtype=dtype)]
    expected = -np.log(np.finfo(dtype).eps) / 2
    assert step_log_loss([["b"], ["b"]], proba, labels=["a", "b"]) == pytest.approx(expected)
    assert step_log_loss([[[0, 0]], [[0, 1]]], proba) == pytest.approx(expected)


def test_the_container_does_not_matter():
    packed = SequenceArray.from_list([np.array(steps) for steps in P_NOTES])
    assert step_log_loss(SequenceArray.from_list(NOTES), packed) == step_log_loss(NOTES, P_NOTES)
    assert step_log_loss(ragged_array(TRUE), ragged_array(PROBA)) == step_log_loss(TRUE, PROBA)
    square = np.array([[[0.5, 0.5], [0.25, 0.75]]] * 3)
    assert step_log_loss(np.array([[0, 1]] * 3), square) == step_log_loss([[0, 1]], square[:1])


@pytest.mark.parametrize(
    ("true", "proba", "labels", "message"),
    [
        (TRUE, PROBA[:1], None, "y_proba has 1 sequence, but y_true has 2"),
        (TRUE, PROBA[::-1], None, "sequence 0 has 1 step in y_proba, but 2 in y_true"),
        (TRUE, [PROBA[0], [[0.5, 0.75, -0.25]]], None, "from 0 to 1; sequence 1, step 0 has -0.25"),
        (TRUE, [PROBA[0], [[0.5, 0.5, np.nan]]], None, "y_proba contains NaN: sequence 1, step 0"),
        (TRUE, [[PROBA[0][0], [0.5, 0.5, 0.5]], PROBA[1]], None, "sum to 1 in each step; sequence 0, step 1 has 1.5"),
        ([["b", "a"], ["a"]], PROBA, None, "y_true has 2 labels, but y_proba has 3 columns: pass labels="),
        (TRUE, PROBA, ["a", "b"], "labels has 2 labels, but y_proba has 3 columns"),
        (TRUE, PROBA, ["a", "b", "d"], "y_true holds 'c' in sequence 1, step 0, which is not in labels"),
        (NOTES, PROBA, None, "y_true has 2 labels per step, but y_proba has 3 columns"),
        ([NOTES[0], [[0, 2]]], P_NOTES, None, "are 0 or 1; sequence 1, step 0 has 2"),
        (NOTES, P_NOTES, [0, 1, 2], "labels has 3 labels, but y_true has rows of 2"),
    ],
)
def test_probabilities_that_do_not_fit(true, proba, labels, message):
    with pytest.raises(ValueError, match=message):
        step_log_loss(true, proba, labels=labels)


def test_weights_of_zero():
    with pytest.raises(ValueError, match="sample_weight is 0 for all"):
        step_log_loss(TRUE, PROBA, sample_weight=[0, 0])


class Constant(ClassifierMixin, BaseEstimator):
    """Gives each class the probability `p` of being the last one, the rest shared by the others."""

    def __init__(self, p=0.5):
        self.p = p

    def fit(self, X, y):
        self.classes_ = np.array(["a", "b", "c"])
        return self

    def predict_proba(self, X):
        rest = (1 - self.p) / 2
        return ragged_array([[[rest, rest, self.p]] * len(steps) for steps in X])


def test_the_scorer_knows_the_columns():
    """A fold may lack a class."""
    y = ragged_array([["c", "c"], ["a"], ["c"], ["b"]])
    search = GridSearchCV(
        Constant(), {"p": [0.1, 0.9, 0.5]}, scoring=get_scorer("step_neg_log_loss"), cv=KFold(2), error_score="raise"
    )
    search.fit(y, y)
    assert search.best_params_ == {"p": 0.5}
    assert search.score(y, y) == -step_log_loss(y, search.best_estimator_.predict_proba(y), labels=["a", "b", "c"])
    scores = cross_validate(Constant(), y, y, scoring={"nats": get_scorer("step_neg_log_loss")}, cv=KFold(2))
    assert (scores["test_nats"] < 0).all()


def test_the_scorer_asks_for_weights_by_routing():
    y, w = ragged_array([["c", "c"], ["a"], ["c"], ["b"]]), np.array([1.0, 2.0, 3.0, 4.0])
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("step_neg_log_loss").set_score_request(sample_weight=True)
        scores = cross_validate(Constant(), y, y, scoring=scorer, cv=KFold(2), params={"sample_weight": w})
    fitted = Constant().fit(y, y)
    for score, part in zip(scores["test_score"], (slice(0, 2), slice(2, 4)), strict=True):
        proba = fitted.predict_proba(y[part])
        assert score == -step_log_loss(y[part], proba, labels=["a", "b", "c"], sample_weight=w[part])
