"""Edits of label sequences: against the table of Levenshtein in plain Python, sums by hand, and refusals by name."""

import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV, KFold, cross_validate

from skrnn import SequenceArray
from skrnn.metrics import edit_distance, get_scorer, sequence_accuracy_score, token_error_rate
from skrnn.sequences import ragged_array

METRICS = (sequence_accuracy_score, token_error_rate)
TRUE = [["a", "b", "c"], [], ["b"]]
PRED = [["a", "c"], ["a"], ["b"]]


def table(a, b):
    """The distance by its definition, row by row."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        above, row = row, [i]
        for j, y in enumerate(b, 1):
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (x != y)))
    return row[-1]


LABELS = st.lists(st.integers(0, 3), max_size=40)


@given(LABELS, LABELS)
def test_distance_is_that_of_the_table(a, b):
    assert edit_distance(a, b) == table(a, b)
    assert edit_distance(a, b) == edit_distance(b, a) == edit_distance(a[::-1], b[::-1])


def test_long_sequences_of_unequal_lengths():
    """More labels than a machine word has bits; the table in plain Python takes half a second."""
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, size=700), rng.integers(0, 4, size=450)
    assert edit_distance(a, b) == table(a.tolist(), b.tolist())
    assert edit_distance(a, a) == 0


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("kitten", "sitting", 3),
        ("", "abc", 3),
        ([], [], 0),
        (["ab", "c"], ("ab",), 1),
        (np.array(["x", "yy"]), ["yy"], 1),
        ([1, "1", 2.5], [1.0, 1, 2.5], 1),
        ([True, None.__class__], [True], 1),
        ([datetime.date(2020, 1, 1)], [datetime.date(2020, 1, 2)], 1),
        (pd.Series(["a", "b"], index=[3, 4]), ["b", "b"], 1),
        (np.array([[1], [2]]), [2], 1),
        ([[0, 1], [1, 1]], np.array([[0, 1], [1, 0]]), 1),
    ],
)
def test_labels_of_any_type(a, b, expected):
    distance = edit_distance(a, b)
    assert distance == expected
    assert type(distance) is int


@pytest.mark.parametrize(
    ("a", "message"),
    [
        (3, "a is of type int"),
        (None, "a is None"),
        ([1.0, np.nan], "a, step 1 is nan: a label is missing"),
        (["x", None], "a, step 1 is None: a label is missing"),
        (np.zeros((1, 2, 2)), r"a has shape \(1, 2, 2\)"),
        (np.ma.masked_array([1, 2], [True, False]), "a is a masked array"),
    ],
)
def test_sequences_that_are_none(a, message):
    with pytest.raises(ValueError, match=message):
        edit_distance(a, [1])


def test_rates_by_hand():
    assert token_error_rate(TRUE, PRED) == 2 / 4
    assert token_error_rate(TRUE, PRED, sample_weight=[2, 1, 1]) == 3 / 7
    assert token_error_rate(TRUE, PRED, sample_weight=[0, 0, 1]) == 0
    assert sequence_accuracy_score(TRUE, PRED) == pytest.approx(1 / 3)
    assert sequence_accuracy_score(TRUE, PRED, sample_weight=[1, 1, 2]) == 0.5
    assert token_error_rate([["a"]], [["b", "c", "d"]]) == 3


def test_no_true_label_at_all():
    assert token_error_rate([[], []], [[], []]) == 0
    assert token_error_rate([[], []], [[], ["a"]]) == np.inf
    assert token_error_rate([[], ["a"]], [["b"], ["a"]], sample_weight=[1, 0]) == np.inf
    assert sequence_accuracy_score([[], []], [[], ["a"]]) == 0.5


def empty_or_not(cells):
    array = np.empty(len(cells), dtype=object)
    array[:] = [np.array(cell, dtype=object) for cell in cells]
    return array


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("container", [list, tuple, pd.Series, empty_or_not, lambda cells: pd.Series(cells).to_frame()])
def test_the_container_does_not_matter(metric, container):
    assert metric(container(TRUE), PRED) == metric(TRUE, container(PRED)) == metric(TRUE, PRED)


@pytest.mark.parametrize("metric", METRICS)
def test_packed_and_square_containers(metric):
    true, pred = [[1, 2], [0, 1]], [[1, 2], [1, 1]]
    expected = metric(true, pred)
    assert metric(np.array(true), pred) == metric(true, np.array(pred)) == expected
    assert metric(SequenceArray.from_list(true), pred) == metric(np.array(true, dtype=object), pred) == expected


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    ("pred", "message"),
    [
        (PRED[:2], "y_pred has 2 sequences, but y_true has 3"),
        ([["a"], "b", []], "sequence 1 of y_pred is of type str.*Split texts"),
        ([["a"], [], None], "sequence 2 of y_pred is None"),
        ([["a"], ["b", np.nan], []], "sequence 1 of y_pred, step 1 is nan"),
        ([[1], [2, 3], []], "y_true holds strings, but y_pred holds numbers"),
        ([[[1, 0]], [], []], "y_true holds strings, but y_pred holds rows of 2 values"),
        (["a", "b", "c"], "sequence 0 of y_pred is of type str"),
        (None, "y_pred is of type NoneType"),
        ([], "0 sample"),
    ],
)
def test_predictions_that_are_none(metric, pred, message):
    with pytest.raises(ValueError, match=message):
        metric(TRUE, pred)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2], "one number for each of 3 sequences"),
        ([1, np.nan, 1], "sample_weight of sequence 1 is nan"),
        ([0, 0, 0], "sample_weight is 0 for all"),
        ([[1, 1, 1], [1], [1]], "weights of steps are not supported"),
    ],
)
def test_weights_that_do_not_fit(weight, message):
    with pytest.raises(ValueError, match=message):
        token_error_rate(TRUE, PRED, sample_weight=weight)


class Cut(BaseEstimator):
    """Predicts the steps of X without the last `n`."""

    def __init__(self, n=0):
        self.n = n

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return ragged_or_empty([steps[: max(len(steps) - self.n, 0)] for steps in X])


def ragged_or_empty(cells):
    array = np.empty(len(cells), dtype=object)
    array[:] = cells
    return array


@pytest.mark.parametrize("name", ["neg_edit_distance", "neg_token_error_rate", "sequence_accuracy"])
def test_scorers_in_a_grid_search(name):
    y = ragged_array([list("abcd"), list("ab"), list("abc"), list("a")])
    search = GridSearchCV(Cut(), {"n": [2, 0, 1]}, scoring=get_scorer(name), cv=KFold(2), error_score="raise")
    search.fit(y, y)
    assert search.best_params_ == {"n": 0}
    assert search.best_score_ == (1 if name == "sequence_accuracy" else 0)
    # of the halves: 2 edits each of 6 and 4 labels
    expected = {"neg_edit_distance": [-1, -1], "neg_token_error_rate": [-2 / 6, -2 / 4], "sequence_accuracy": [0, 0]}
    scores = cross_validate(Cut(1), y, y, scoring=get_scorer(name), cv=KFold(2))["test_score"]
    assert scores.tolist() == expected[name]


def test_the_mean_distance_counts_weights():
    y = ragged_array([list("abcd"), list("ab")])
    scorer = get_scorer("neg_edit_distance")
    assert scorer(Cut(3), y, y) == -2.5
    assert scorer(Cut(3), y, y, sample_weight=[3, 1]) == -2.75
