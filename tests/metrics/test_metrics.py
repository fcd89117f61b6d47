"""Per-step metrics equal those of scikit-learn on the steps written one below the other, and their sums by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.exceptions import UndefinedMetricWarning

from skrnn import SequenceArray
from skrnn.metrics import (
    sequence_accuracy_score,
    step_accuracy_score,
    step_f1_score,
    step_mean_squared_error,
    step_r2_score,
)

OF_STEPS = (step_accuracy_score, step_f1_score, step_mean_squared_error, step_r2_score)
METRICS = (sequence_accuracy_score, *OF_STEPS)
TRUE = [[1, 2, 2], [0], [2, 1]]
PRED = [[1, 2, 0], [0], [2, 2]]


@st.composite
def pairs(draw, labels):
    """True and predicted labels of a few sequences, and a weight for each sequence and for each step."""
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    weight = st.floats(0.1, 5)

    def ragged(entries):
        return [draw(st.lists(entries, min_size=T, max_size=T)) for T in lengths]

    return ragged(labels), ragged(labels), [draw(weight) for _ in lengths], ragged(weight)


LABELS = st.one_of(pairs(st.integers(0, 3)), pairs(st.sampled_from(["DET", "NOUN", "VERB"])))


def flat(ragged):
    return [entry for sequence in ragged for entry in sequence]


def as_floats(ragged):
    return [np.asarray(steps, dtype=np.float64) for steps in ragged]


@given(LABELS)
def test_accuracy_is_the_share_of_right_steps(data):
    true, pred, per_sequence, per_step = data
    hits = [a == b for a, b in zip(flat(true), flat(pred), strict=True)]
    assert step_accuracy_score(true, pred) == pytest.approx(sum(hits) / len(hits))
    repeated = [w for w, steps in zip(per_sequence, true, strict=True) for _ in steps]
    for given_weight, w in ((per_sequence, repeated), (per_step, flat(per_step))):
        expected = sum(h * v for h, v in zip(hits, w, strict=True)) / sum(w)
        assert step_accuracy_score(true, pred, sample_weight=given_weight) == pytest.approx(expected)


@given(LABELS, st.sampled_from(["macro", "micro", "weighted"]))
def test_f1_is_that_of_the_flat_steps(data, average):
    true, pred, _, per_step = data
    expected = sklearn_metrics.f1_score(flat(true), flat(pred), average=average, sample_weight=flat(per_step))
    assert step_f1_score(true, pred, average=average, sample_weight=per_step) == pytest.approx(expected)


@given(LABELS)
def test_a_sequence_counts_only_if_all_steps_are_right(data):
    true, pred, per_sequence, _ = data
    hits = [a == b for a, b in zip(true, pred, strict=True)]
    assert sequence_accuracy_score(true, pred) == pytest.approx(np.mean(hits))
    expected = np.average(hits, weights=per_sequence)
    assert sequence_accuracy_score(true, pred, sample_weight=per_sequence) == pytest.approx(expected)


@given(pairs(st.floats(-10, 10)))
def test_errors_of_numbers_are_those_of_the_flat_steps(data):
    true, pred, _, per_step = data
    difference = np.subtract(flat(true), flat(pred))
    assert step_mean_squared_error(true, pred) == pytest.approx(np.mean(difference**2))
    expected = np.average(difference**2, weights=flat(per_step))
    assert step_mean_squared_error(true, pred, sample_weight=per_step) == pytest.approx(expected)
    if len(flat(true)) > 1:
        expected = sklearn_metrics.r2_score(flat(true), flat(pred), sample_weight=flat(per_step))
        assert step_r2_score(true, pred, sample_weight=per_step) == pytest.approx(expected)


def test_values_by_hand():
    assert step_accuracy_score(TRUE, PRED) == pytest.approx(4 / 6)
    assert sequence_accuracy_score(TRUE, PRED) == pytest.approx(1 / 3)
    # label 0: one hit, one false alarm; 1: one hit, one miss; 2: two hits, a miss and a false alarm
    np.testing.assert_allclose(step_f1_score(TRUE, PRED, average=None), [2 / 3, 2 / 3, 2 / 3])
    assert step_mean_squared_error(TRUE, PRED) == pytest.approx(5 / 6)
    assert step_r2_score(TRUE, PRED) == pytest.approx(1 - 5 / (14 - 64 / 6))


def test_labels_choose_what_the_f1_score_averages():
    assert step_f1_score(TRUE, [[1, 2, 0], [0], [1, 1]], labels=[1]) == pytest.approx(4 / 5)
    with pytest.warns(UndefinedMetricWarning):
        assert step_f1_score(TRUE, PRED, labels=[7]) == 0
    assert step_f1_score(TRUE, PRED, labels=[7], zero_division=1.0) == 1


def test_several_outputs_per_step():
    true = [[[1.0, 0.0], [0.0, 0.0]], [[1.0, 1.0]]]
    pred = [[[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0]]]
    np.testing.assert_allclose(step_mean_squared_error(true, pred, multioutput="raw_values"), [0, 1 / 3])
    assert step_r2_score(true, pred, multioutput=[1, 0]) == 1
    # 0-1 rows are multi-label: a step is right if all its labels are
    assert step_accuracy_score(true, pred) == pytest.approx(2 / 3)
    assert sequence_accuracy_score(true, pred) == 0.5
    assert step_f1_score(true, pred, average="micro") == pytest.approx(6 / 7)


@pytest.mark.parametrize("metric", METRICS)
def test_the_container_does_not_matter(metric):
    expected = metric(TRUE, PRED)
    assert metric(SequenceArray.from_list(TRUE), PRED) == expected
    assert metric(as_floats(TRUE), SequenceArray.from_list(PRED)) == expected
    assert metric(np.array([[1, 2], [0, 1]]), [[1, 2], [0, 0]]) == metric([[1, 2], [0, 1]], [[1, 2], [0, 0]])


@pytest.mark.parametrize("metric", OF_STEPS)
@pytest.mark.parametrize(
    ("pred", "message"),
    [
        (PRED[:2], "y_pred has 2 sequences, but y_true has 3"),
        ([[1, 2, 0], [0, 0], [2]], "sequence 1 has 2 steps in y_pred, but 1 in y_true"),
        ([[1, 2, 0], [], [2, 2]], "sequence 1 of y_pred has no time step"),
        ([list("abc"), ["a"], ["b", "c"]], "y_true holds numbers, but y_pred holds strings"),
        ([[[1, 1], [2, 1], [0, 1]], [[0, 0]], [[2, 2], [2, 2]]], "y_true has 1 targets per step, but y_pred has 2"),
        ([1, 2, 0], "sequence 0 of y_pred is of type int"),
    ],
)
def test_predictions_that_do_not_fit(metric, pred, message):
    with pytest.raises(ValueError, match=message):
        metric(TRUE, pred)


@pytest.mark.parametrize("metric", OF_STEPS)
def test_weights_of_sequences_are_those_of_their_steps(metric):
    repeated = [[3.0, 3.0, 3.0], [1.0], [2.0, 2.0]]
    assert metric(TRUE, PRED, sample_weight=repeated) == metric(TRUE, PRED, sample_weight=[3, 1, 2])
    assert metric(TRUE, PRED, sample_weight=SequenceArray.from_list(repeated)) == metric(
        TRUE, PRED, sample_weight=np.array([3, 1, 2])
    )
    with pytest.raises(ValueError, match="sequence 0 has 2 steps in sample_weight, but 3 in y"):
        metric(TRUE, PRED, sample_weight=[[3.0, 3.0], [1.0], [2.0, 2.0]])


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2], r"one number for each of 3 sequences, got an array of shape \(2,\)"),
        (2.0, "one number for each of 3 sequences"),
        (["a", "b", "c"], "one number for each of 3 sequences"),
        ([1, np.nan, 1], "sample_weight of sequence 1 is nan"),
        ([["a", "b", "c"], ["a"], ["b", "c"]], "one number per sequence"),
    ],
)
def test_weights_that_do_not_fit(metric, weight, message):
    with pytest.raises(ValueError, match=message):
        metric(TRUE, PRED, sample_weight=weight)


def test_a_whole_sequence_has_one_weight():
    with pytest.raises(ValueError, match="weights of steps are not supported"):
        sequence_accuracy_score(TRUE, PRED, sample_weight=[[1, 1, 1], [1], [1, 1]])
