"""Ragged y in every container: packed alike, carried through scikit-learn's tools, and refused by name if it is bad."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    ShuffleSplit,
    cross_val_predict,
    cross_validate,
    learning_curve,
    train_test_split,
)

from skrnn import Sequence, SequenceArray
from skrnn.metrics import get_scorer, get_scorer_names, span_f1_score, step_accuracy_score
from skrnn.sequences import ragged_array
from skrnn.sequences._ragged import check_same_lengths, ragged_values, split_steps, step_weights
from skrnn.sequences._steps import is_text


def object_array(cells):
    array = np.empty(len(cells), dtype=object)
    for i, cell in enumerate(cells):
        array[i] = cell
    return array


def polars_series(cells):
    return pytest.importorskip("polars").Series("y", cells)


CONTAINERS = {
    "list of lists": lambda cells: cells,
    "list of arrays": lambda cells: [np.array(cell) for cell in cells],
    "tuple of tuples": lambda cells: tuple(map(tuple, cells)),
    "object array of lists": object_array,
    "object array of arrays": lambda cells: object_array([np.array(cell) for cell in cells]),
    "object array of arrays of objects": lambda cells: object_array([np.array(cell, dtype=object) for cell in cells]),
    "Series of lists": pd.Series,
    "Series of arrays": lambda cells: pd.Series([np.array(cell) for cell in cells], index=range(7, 7 + len(cells))),
    "SequenceArray": SequenceArray.from_list,
    "list of Sequence": lambda cells: [Sequence(cell) for cell in cells],
    "Series of Sequence": lambda cells: pd.Series([Sequence(cell) for cell in cells]),
    "list of columns": lambda cells: [np.array(cell)[:, np.newaxis] for cell in cells],
    "list of Series": lambda cells: [pd.Series(cell) for cell in cells],
    "polars Series": polars_series,
    "polars Series of arrays": lambda cells: polars_series([np.array(cell) for cell in cells]),
    "frame of lists": lambda cells: pd.DataFrame({"tags": cells}),
    "frame of arrays": lambda cells: pd.Series([np.array(cell) for cell in cells]).to_frame("tags"),
    "polars frame": lambda cells: polars_series(cells).to_frame(),
}
RAGGED, EQUAL = [3, 1, 2, 2], [2, 2, 2, 2]


def cells_of(lengths, entries):
    steps = iter(entries * 5)
    return [[next(steps) for _ in range(T)] for T in lengths]


@pytest.mark.parametrize("lengths", [RAGGED, EQUAL, [1], [1, 1, 1]])
@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("entries", [[0, 1, 2], [0.5, 1.5], ["O", "B-city", "I-city"]], ids=["int", "float", "str"])
def test_all_containers_are_packed_alike(lengths, container, entries):
    cells = cells_of(lengths, entries)
    values, offsets = ragged_values(CONTAINERS[container](cells))
    np.testing.assert_array_equal(values, [entry for cell in cells for entry in cell])
    assert values.dtype.kind == ("f" if "Sequence" in container else np.array(entries).dtype.kind) or is_text(values)
    np.testing.assert_array_equal(offsets, np.cumsum([0, *lengths]))
    assert offsets.dtype == np.int64


@given(st.lists(st.lists(st.integers(-5, 5), min_size=1, max_size=6), min_size=1, max_size=8))
def test_out_and_back(cells):
    cut = split_steps(*ragged_values(cells))
    assert cut.dtype == object
    assert cut.shape == (len(cells),)
    assert [steps.tolist() for steps in cut] == cells
    assert [steps.tolist() for steps in ragged_array(ragged_array(cells))] == cells


def test_arrays_of_equal_lengths():
    y = np.array([["a", "bc"], ["a", "a"], ["d", "a"]])
    values, offsets = ragged_values(y)
    assert values.tolist() == ["a", "bc", "a", "a", "d", "a"]
    assert offsets.tolist() == [0, 2, 4, 6]
    assert ragged_values(y.astype(object))[0].tolist() == values.tolist()
    values, offsets = ragged_values(np.arange(12).reshape(2, 3, 2))
    np.testing.assert_array_equal(values, np.arange(12).reshape(6, 2))
    assert offsets.tolist() == [0, 3, 6]


def test_rows_of_several_targets():
    values, _ = ragged_values([[[0.0, 1.0], [2.0, 3.0]], [[4.0, 5.0]]])
    np.testing.assert_array_equal(values, np.arange(6).reshape(3, 2))
    assert [steps.shape for steps in ragged_array(SequenceArray(np.zeros((3, 2)), [0, 1, 3]))] == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([], "0 sample"),
        (None, "y is of type NoneType"),
        (3, "y is of type int"),
        ([[1], None], "sequence 1 of y is None"),
        ([1, 2], "sequence 0 of y is of type int"),
        (np.array([1.0, 2.0]), "sequence 0 of y is of type float64"),
        ("abc", "sequence 0 of y is of type str"),
        (["abc", "d"], "sequence 0 of y is of type str"),
        ([[1], [1, 2], []], "sequence 2 of y has no time step"),
        (np.zeros((2, 0)), "sequence 0 of y has no time step"),
        (SequenceArray([1.0], [0, 1, 1]), "sequence 1 of y has no time step"),
        ([["a"], ["b", 1]], "sequence 1 of y, step 1 holds 1 of type int beside tokens"),
        ([["a"], ["b", None]], "sequence 1 of y, step 1 holds None of type NoneType beside tokens"),
        ([["a"], [np.nan, "b"]], "sequence 1 of y, step 0 holds nan of type float beside tokens"),
        ([["a"], [1, 2]], "sequence 1 of y holds numbers, sequence 0 holds strings"),
        ([[1], ["a"]], "sequence 1 of y holds strings, sequence 0 holds numbers"),
        ([[1.0], [1.0, np.nan]], "y contains NaN: sequence 1, step 1"),
        ([[1.0], [-np.inf, 1.0]], "y contains infinity: sequence 1, step 0"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), "y contains NaN: sequence 1, step 1"),
        (SequenceArray([1.0, np.nan], [0, 1, 2]), "y contains NaN: sequence 1, step 0"),
        ([[1], [2, None]], "y contains NaN: sequence 1, step 1"),
        ([[1], [2, {}]], "sequence 1 of y is not an array"),
        ([[1], [1j]], "Complex data not supported: sequence 1 of y"),
        ([[b"a"]], "sequence 0 of y must hold real numbers"),
        ([np.array(["2020-01-01"], dtype="datetime64[D]")], "sequence 0 of y must hold real numbers"),
        ([[[1], [2, 3]]], "sequence 0 of y is not an array"),
        ([[["a", "c"], ["b", "d"]]], "y has 2 strings per time step"),
        ([np.zeros((2, 2)), np.zeros((2, 3))], r"sequence 1 of y has shape \(2, 3\), sequence 0 has shape \(2, 2\)"),
        ([np.zeros((2, 2, 2))], r"sequence 0 of y has shape \(2, 2, 2\)"),
        ([np.array(1.0)], r"sequence 0 of y has shape \(\)"),
        ([np.ma.masked_array([1, 2], [True, False])], "sequence 0 of y is a masked array"),
        (np.ma.masked_array(np.zeros((1, 2)), [[True, False]]), "y is a masked array"),
        (pd.DataFrame({"a": [1, 2]}), "y is of type DataFrame"),
        (
            pd.DataFrame({"a": [[1], [2]], "b": [3, 4]}),
            r"DataFrame and shape \(2, 2\); .* must have one column",
        ),
        (pd.DataFrame({"a": [[1], [2]], "b": [[3], [4]]}), "a frame must have one column"),
        (pd.DataFrame({"a": []}), "y is of type DataFrame"),
        (pd.DataFrame({"a": [[1], [2, np.nan]]}), "y contains NaN: sequence 1, step 1"),
        (
            [pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"b": [1], "a": [2]})],
            r"sequence 1 of y has the columns \['b', 'a'\], sequence 0 of y has \['a', 'b'\]",
        ),
    ],
)
def test_targets_that_are_none(y, message):
    with pytest.raises(ValueError, match=message):
        ragged_values(y)


def test_lengths_must_agree():
    check_same_lengths(np.array([0, 1, 3]), np.array([0, 1, 3]), "y", "X")
    with pytest.raises(ValueError, match="sequence 0 has 2 steps in y, but 1 in X"):
        check_same_lengths(np.array([0, 2, 3]), np.array([0, 1, 3]), "y", "X")
    with pytest.raises(ValueError, match="y has 1 sequence, but X has 2"):
        check_same_lengths(np.array([0, 3]), np.array([0, 1, 3]), "y", "X")


def test_weights_of_steps():
    offsets = np.array([0, 1, 3])
    assert step_weights(None, offsets) is None
    np.testing.assert_array_equal(step_weights(pd.Series([2.0, 3.0], index=[5, 6]), offsets), [2, 3, 3])
    np.testing.assert_array_equal(step_weights(ragged_array([[2.0], [3.0, 4.0]]), offsets), [2, 3, 4])


class MajorityTagger(ClassifierMixin, BaseEstimator):
    """Predicts the most frequent label of each token, and the last label for the first `n_outside` tokens."""

    def __init__(self, n_outside=0):
        self.n_outside = n_outside

    def fit(self, X, y, sample_weight=None):
        values, offsets = ragged_values(y)
        check_same_lengths(offsets, X.offsets, "y", "X")
        self.classes_, codes = np.unique(values, return_inverse=True)
        counts = np.zeros((5, len(self.classes_)))
        np.add.at(counts, (X.values[:, 0].astype(int), codes), step_weights(sample_weight, offsets) or 1)
        self.code_ = counts.argmax(axis=1)
        return self

    def predict(self, X):
        tokens = X.values[:, 0].astype(int)
        labels = self.classes_[self.code_[tokens]]
        labels[tokens < self.n_outside] = self.classes_[-1]
        return split_steps(labels, X.offsets)


def tagged_data(lengths):
    rng = np.random.default_rng(0)
    X = SequenceArray.from_list([rng.integers(0, 5, size=T) for T in lengths])
    names = ["B-city", "I-city", "O"]
    # tokens 0 and 1 open and continue an entity, the others are outside
    return X, [[names[min(int(token), 2)] for token in steps[:, 0]] for steps in X]


LENGTHS = {"ragged": [3, 1, 5, 2, 4, 4, 6, 2, 7, 3, 3, 5] * 2, "equal": [4] * 24}
CARRIED = [name for name in CONTAINERS if name != "tuple of tuples"]


@pytest.mark.parametrize("lengths", LENGTHS)
@pytest.mark.parametrize("container", CARRIED)
@pytest.mark.parametrize("cv", [3, KFold(3, shuffle=True, random_state=0), ShuffleSplit(2, random_state=0)], ids=str)
def test_y_survives_the_splits_of_scikit_learn(lengths, container, cv):
    X, y = tagged_data(LENGTHS[lengths])
    y_in = CONTAINERS[container](y)
    scoring = {name: get_scorer(name) for name in ("step_accuracy", "sequence_accuracy", "step_f1_macro")}
    of_lists = ["object array of lists", "Series of lists", *(["list of lists"] if lengths == "ragged" else [])]
    if cv == 3 and container in of_lists:
        # scikit-learn asks whether to stratify, and takes lists in a cell for a format that it has abandoned
        with pytest.raises(ValueError, match="legacy multi-label"):
            cross_validate(MajorityTagger(), X, y_in, cv=cv)
        return
    result = cross_validate(MajorityTagger(), X, y_in, cv=cv, scoring=scoring, error_score="raise")
    assert all((result[f"test_{name}"] == 1).all() for name in scoring)
    train, test = train_test_split(y_in, random_state=0)
    assert len(ragged_values(train)[1]) + len(ragged_values(test)[1]) == len(y) + 2


@pytest.mark.parametrize("lengths", LENGTHS)
def test_cross_val_predict_gives_one_array_per_sequence(lengths):
    X, y = tagged_data(LENGTHS[lengths])
    tagger = MajorityTagger(n_outside=1)
    pred = cross_val_predict(tagger, X, ragged_array(y), cv=3)
    assert pred.shape == (len(X),)
    assert [len(steps) for steps in pred] == X.lengths.tolist()
    scores = cross_validate(tagger, X, ragged_array(y), cv=3, scoring=get_scorer("step_accuracy"))
    assert (scores["test_score"] < 1).all()
    sizes = [X.lengths[test].sum() for _, test in KFold(3).split(X)]
    assert step_accuracy_score(y, pred) == pytest.approx(np.average(scores["test_score"], weights=sizes))


class SoftTagger(MajorityTagger):
    def predict_proba(self, X):
        return split_steps(np.eye(len(self.classes_))[self.code_[X.values[:, 0].astype(int)]], X.offsets)


@pytest.mark.parametrize("lengths", LENGTHS)
def test_cross_val_predict_of_probabilities_needs_a_loop(lengths):
    """scikit-learn encodes y before it fits; the loop of the page on metrics gives what it would give."""
    X, y = tagged_data(LENGTHS[lengths])
    y, cv = ragged_array(y), KFold(3)
    with pytest.raises(TypeError, match="Encoders require their input argument must be uniformly strings or numbers"):
        cross_val_predict(SoftTagger(), X, y, cv=cv, method="predict_proba")
    probabilities = np.empty(len(X), dtype=object)
    for train, test in cv.split(X):
        probabilities[test] = SoftTagger().fit(X[train], y[train]).predict_proba(X[test])
    labels = [np.array(["B-city", "I-city", "O"])[steps.argmax(axis=1)].tolist() for steps in probabilities]
    assert labels == [steps.tolist() for steps in cross_val_predict(SoftTagger(), X, y, cv=cv)]


def test_grid_search_by_spans():
    X, y = tagged_data(LENGTHS["ragged"])
    grid = {"n_outside": [0, 2, 9]}
    search = GridSearchCV(MajorityTagger(), grid, scoring=get_scorer("span_f1"), cv=GroupKFold(3))
    search.fit(X, ragged_array(y), groups=np.arange(len(X)) // 2)
    assert search.best_params_ == {"n_outside": 0}
    assert search.score(X, y) == span_f1_score(y, search.predict(X))
    # nothing is found if all is outside
    assert search.cv_results_["mean_test_score"][2] == 0


def test_learning_curve_with_a_scorer():
    X, y = tagged_data(LENGTHS["ragged"])
    _, train, test = learning_curve(
        MajorityTagger(), X, ragged_array(y), cv=3, train_sizes=[1, 16], scoring=get_scorer("step_accuracy")
    )
    assert (train == 1).all()
    assert test[0].mean() < test[1].mean() == 1


@pytest.mark.parametrize("weights", ["of sequences", "of steps"])
def test_scorers_ask_for_weights_by_routing(weights):
    X, y = tagged_data(LENGTHS["ragged"])
    rng = np.random.default_rng(1)
    w = rng.random(len(X)) if weights == "of sequences" else ragged_array([rng.random(T) for T in X.lengths])
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = get_scorer("step_accuracy").set_score_request(sample_weight=True)
        tagger = MajorityTagger(n_outside=1).set_fit_request(sample_weight=False)
        scores = cross_validate(
            tagger, X, ragged_array(y), cv=KFold(3), scoring=scorer, params={"sample_weight": w}, return_indices=True
        )
    for score, test, train in zip(
        scores["test_score"], scores["indices"]["test"], scores["indices"]["train"], strict=True
    ):
        cells = ragged_array(y)
        pred = MajorityTagger(n_outside=1).fit(X[train], cells[train]).predict(X[test])
        assert score == step_accuracy_score(cells[test], pred, sample_weight=w[test])
    # the request of one scorer is not that of others of the same name
    assert get_scorer("step_accuracy")._get_metadata_request().score.requests["sample_weight"] is None


class Truth(BaseEstimator):
    """Predicts X itself, plus `bias`."""

    def __init__(self, bias=0.0):
        self.bias = bias

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def predict(self, X):
        return split_steps(X.values[:, 0] + self.bias, X.offsets)

    def predict_proba(self, X):
        of_one = abs(X.values - self.bias / 4)
        return split_steps(np.hstack([1 - of_one, of_one]), X.offsets)


@pytest.mark.parametrize("name", get_scorer_names())
def test_higher_is_better_for_every_scorer(name):
    X = SequenceArray.from_list([[0.0, 1.0, 1.0], [1.0, 0.0]])
    good, bad = Truth(), Truth(bias=1.0)
    if name.startswith("span"):
        X, y = tagged_data(LENGTHS["ragged"])
        good, bad = MajorityTagger().fit(X, y), MajorityTagger(n_outside=9).fit(X, y)
    else:
        y = X
    assert get_scorer(name)(good, X, y) > get_scorer(name)(bad, X, y)
    scorer = pickle.loads(pickle.dumps(get_scorer(name)))  # as joblib does for its processes
    assert scorer(good, X, y) == get_scorer(name)(good, X, y)


def test_names_of_scorers():
    with pytest.raises(ValueError, match=r"'accuracy' is not a scorer of .*; choose from neg_edit_distance"):
        get_scorer("accuracy")
    with pytest.raises(ValueError, match="is not a scorer"):
        get_scorer(None)
    assert get_scorer("span_f1") is not get_scorer("span_f1")
