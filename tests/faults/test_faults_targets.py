"""Faults of targets and weights: each is refused with its place, or has the documented result."""

import datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from faults import ESTIMATORS, FORMS, QUICK, assert_refused, changed, cube, each_weighted, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.estimators.tasks._classes import Classes
from skrnn.losses import MultinomialLogLoss

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
N_STEPS = 4


# -------------------------------------------------------------------------------------------------- targets
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", ["regressor", "column", "steps", "classifier", "transformer"])
def test_a_target_that_is_not_finite_is_located(kind, value):
    X, found = cube(), "NaN" if np.isnan(value) else "infinity"
    y = changed(targets(X), 3, value, float)
    message = f"y contains {found}: sequence 3"
    if kind == "column":
        y = np.column_stack([targets(X), y])
    if kind == "steps":
        y, message = changed(cube()[:, :, 0], (3, 2), value)[:, :, np.newaxis], message + ", step 2"
    estimator = {
        "classifier": RNNClassifier(**QUICK),
        "transformer": SequenceTransformer(objective="supervised", **QUICK),
    }
    assert_refused(estimator.get(kind, RNNRegressor(**QUICK)), lambda e: e.fit(X, y), message)


@pytest.mark.parametrize(
    "y",
    [
        ["a", "b", "a", None] * 2,
        ["a", "b", "a", np.nan] * 2,
        np.array(["a", "b", "a", None] * 2, dtype=object),
        pd.Series(["a", "b", "a", None] * 2),
        pd.Series(["a", "b", "a", pd.NA] * 2, dtype="string"),
        pd.Series([True, False, True, None] * 2, dtype="boolean"),
        pd.Series([0, 1, 0, None] * 2, dtype="Int64"),
        pd.Categorical(["a", "b", "a", None] * 2),
        pl.Series([0, 1, 0, None] * 2),
        pl.Series(["a", "b", "a", None] * 2),
        [0, 1, 0, None] * 2,
        np.array(["2020-01-01", "2020-01-02", "2020-01-01", "NaT"] * 2, "M8[D]"),
    ],
    ids=lambda y: f"{type(y).__name__}-{getattr(y, 'dtype', type(y[0]).__name__)}",
)
def test_a_missing_class_is_located(y):
    """None, NaN and NA among classes of any type: never a class "nan"."""
    assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(cube(), y), "y contains NaN.*: sequence 3")


def test_classes_of_several_types_are_refused():
    """NumPy would turn a list of numbers and texts into texts."""
    for y in (["a", 1] * 4, np.array(["a", 1] * 4, dtype=object)):
        assert_refused(RNNClassifier(**QUICK), lambda e, y=y: e.fit(cube(), y), "y holds 1 for sequence 1.*'a'")


CLASSES = {
    "str": np.array(["no", "yes"]),
    "objects of str": np.array(["no", "yes"], dtype=object),
    "bool": np.array([False, True]),
    "negative, not contiguous": np.array([-7, 900]),
    "uint8": np.array([3, 250], np.uint8),
    "float": np.array([0.0, 2.0]),
    "dates": np.array(["2020-01-01", "2020-03-01"], "M8[D]"),
}


OF_STEPS = [(kind, True) for kind in ("str", "bool", "negative, not contiguous", "uint8", "float")]


@pytest.mark.parametrize(("kind", "steps"), [*((kind, False) for kind in CLASSES), *OF_STEPS])
def test_classes_come_back_as_they_were(kind, steps):
    """In their type, from ``classes_`` and ``predict``."""
    classes, X = CLASSES[kind], cube()
    y = classes[targets(X)]
    model = RNNClassifier(**QUICK).fit(X, [np.full(N_STEPS, one) for one in y] if steps else y)
    assert_array_equal(model.classes_, classes)
    predicted = np.concatenate(model.predict(X)) if steps else model.predict(X)
    assert predicted.dtype == model.classes_.dtype == classes.dtype
    assert np.isin(predicted, classes).all()


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (pd.array([7, -2] * 4, dtype="Int64"), [-2, 7]),
        (pd.Series([True, False] * 4, dtype="boolean"), [False, True]),
        (pd.Series(["b", "a"] * 4, dtype="string"), ["a", "b"]),
        (pd.Categorical(["b", "a"] * 4, categories=["a", "b", "unused"]), ["a", "b"]),
        (np.array([7, -2] * 4, dtype=object), [-2, 7]),
        (np.array([True, False] * 4, dtype=object), [False, True]),
        ([7, -2] * 4, [-2, 7]),
        (pl.Series([7, -2] * 4), [-2, 7]),
        ([datetime.date(2020, 1, 2), datetime.date(2020, 1, 1)] * 4, None),
    ],
    ids=lambda y: f"{type(y).__name__}-{getattr(y, 'dtype', '')}",
)
def test_classes_in_containers_of_other_packages(y, classes):
    """Nullable integers stay integers; what is no class for scikit-learn, like objects of dates, is refused."""
    if classes is None:
        assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(cube(), y), "Unknown label type")
        return
    model = RNNClassifier(**QUICK).fit(cube(), y)
    assert model.classes_.tolist() == classes
    assert list(map(type, model.classes_.tolist())) == list(map(type, classes))
    assert set(model.predict(cube()).tolist()) <= set(classes)


@pytest.mark.parametrize("form", ["3-D", "list", "SequenceArray"])
def test_a_single_class_is_named(form):
    X = FORMS[form](cube())
    assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(X, ["only"] * 8), r"at least 2 classes.*\['only'\]")
    y = [["only"] * N_STEPS] * 8
    assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(X, y), r"at least 2 classes.*\['only'\]")


NO_TARGETS = {
    "masked": (np.ma.masked_equal([0, 1, 0, 9] * 2, 9), "y is a masked array with masked entries"),
    "complex": (np.arange(8) + 0j, "Complex data not supported: y has dtype complex128"),
    "generator": (iter([0, 1] * 4), "y is of type list_iterator; it must be an array, a list or a frame"),
    "set": (set(range(8)), "y is of type set; it must be"),
    "dictionary": (dict.fromkeys(range(8)), "y is of type dict; it must be"),
    "number": (1, "y is of type int; it must be"),
    "text": ("abababab", "y is of type str; it must be"),
    "no dimension": (np.array(1), "y is an array without dimensions"),
    "a row": (np.zeros((1, 8)), r"inconsistent numbers of samples: \[8, 1\]"),
    "masked steps": ([np.ma.masked_equal([0, 1, 0, 9], 9)] * 8, "sequence 0 of y is a masked array"),
    "steps of another length": ([[0, 1, 0, 1]] * 7 + [[0, 1, 1]], "sequence 7 has 3 steps in y, but 4 in X"),
}
NO_NUMBERS = {
    "dates": (np.zeros(8, "M8[D]"), r"y must hold real numbers, got dtype datetime64\[D\]"),
    "durations": (np.zeros(8, "m8[s]"), r"y must hold real numbers, got dtype timedelta64\[s\]"),
    "text": (list("abababab"), "y must hold real numbers: could not convert"),
    "an integer beyond floating point": ([1] * 7 + [10**400], "y must hold real numbers: int too large"),
    "steps of dates": ([np.zeros(4, "M8[s]")] * 8, "sequence 0 of y must hold real numbers"),
    "three dimensions": (np.zeros((8, 1, 1)), r"y has shape \(8, 1, 1\), which may be targets of steps or of whole"),
    "no column": (np.zeros((8, 0)), r"0 feature\(s\)"),
}


@pytest.mark.parametrize("fault", NO_TARGETS)
@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_what_is_no_target(name, fault):
    assert_refused(clone(ESTIMATORS[name]), lambda e: e.fit(cube(), NO_TARGETS[fault][0]), NO_TARGETS[fault][1])


@pytest.mark.parametrize("fault", NO_NUMBERS)
def test_what_is_no_number_to_learn(fault):
    assert_refused(RNNRegressor(**QUICK), lambda e: e.fit(cube(), NO_NUMBERS[fault][0]), NO_NUMBERS[fault][1])


@pytest.mark.parametrize("kind", ["dates", "durations", "text"])
def test_what_is_no_number_to_score(kind):
    y, message = NO_NUMBERS[kind]
    fitted = RNNRegressor(**QUICK).fit(cube(), np.arange(8.0))
    assert_refused(fitted, lambda e: e.score(cube(), y), message)
    assert_refused(fitted, lambda e: e.score(cube(), np.asarray(y).astype(object)), "y must hold real numbers")


@pytest.mark.parametrize("name", ["classifier", "regressor"])
@pytest.mark.parametrize("weight", [np.ones(8, "m8[s]"), ["1"] * 7 + ["x"]])
def test_weights_of_scores_that_are_no_numbers(weight, name):
    fitted = clone(ESTIMATORS[name]).fit(cube(), targets(cube()))
    assert_refused(fitted, lambda e: e.score(cube(), targets(cube()), weight), "sample_weight must hold real numbers")


def test_classes_that_are_lists_are_refused():
    assert_refused(
        RNNClassifier(**QUICK), lambda e: e.partial_fit(cube(), targets(cube()), classes=[[0], [1, 2]]), "classes"
    )


@pytest.mark.parametrize("name", ["classifier", "regressor"])
def test_sparse_targets_are_refused(name):
    y = scipy.sparse.csr_array(targets(cube())[:, np.newaxis])
    assert_refused(clone(ESTIMATORS[name]), lambda e: e.fit(cube(), y), "parse", TypeError)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson", "quantile"])
@pytest.mark.parametrize("size", [1e-300, 1e30, 1e150, 1e308])
def test_targets_near_the_limits_of_floating_point(loss, size):
    """Scaled, or refused with the reason; never weights or predictions that are not finite."""
    y = size * np.linspace(0.1 if loss == "poisson" else -1.7, 1.7, 8)
    model = RNNRegressor(loss=loss, **QUICK)
    if size > 1e300 or (size > 1e38 and loss == "poisson"):
        assert_refused(model, lambda e: e.fit(cube(), y), "y is too large")
        return
    model.fit(cube(), y)
    assert all(np.isfinite(w).all() for w in model.weights_.values())
    assert np.isfinite(model.predict(cube())).all()


@pytest.mark.parametrize("code", [-1, 3, 1000])
def test_an_index_of_no_class_does_not_reach_a_kernel(code, monkeypatch):
    """Were the encoding of classes wrong, training would not start."""
    encode = Classes.encode

    def wrong(self, rows):
        assert isinstance(self.loss, MultinomialLogLoss)
        y = encode(self, rows)
        y[4] = code
        return y

    monkeypatch.setattr(Classes, "encode", wrong)
    assert_refused(RNNClassifier(**QUICK), lambda e: e.fit(cube(), np.arange(8) % 3), f"0 to 2, but .* row 4 is {code}")


# -------------------------------------------------------------------------------------------------- weights
WEIGHTS = {
    "zero": (np.zeros(8), "at least one non-zero"),
    "negative": (changed(np.ones(8), 3, -1), "Negative values in sample_weight: sequence 3 has -1.0"),
    "NaN": (changed(np.ones(8), 3, np.nan), "sample_weight contains NaN: sequence 3"),
    "infinite": (changed(np.ones(8), 3, np.inf), "sample_weight contains infinity: sequence 3"),
    "None": ([1, 1, 1, None] * 2, "sample_weight contains NaN.*: sequence 3"),
    "NA": (pd.Series([1, 1, 1, None] * 2, dtype="Float64"), "sample_weight contains NaN.*: sequence 3"),
    "masked": (np.ma.masked_equal(np.arange(8.0), 3), "sample_weight is a masked array"),
    "too large": (np.full(8, 1e308), "weights of the sequences are too large, their sum overflows"),
    "text": (["1"] * 7 + ["x"], "sample_weight must hold real numbers: could not convert"),
    "an integer beyond floating point": ([1] * 7 + [10**400], "sample_weight must hold real numbers: int too large"),
    "dates": (np.zeros(8, "M8[s]"), "sample_weight must hold real numbers, got dtype datetime64"),
    "complex": (np.ones(8) + 0j, "Complex data not supported: sample_weight"),
    "a matrix": (np.ones((8, 2)), "a weight for each step, but there is one target for each sequence"),
    "dictionary": (dict.fromkeys(range(8), 1), "sample_weight is of type dict; it must be"),
    "no dimension": (np.array(1.0), "sample_weight is an array without dimensions"),
}


@pytest.mark.parametrize("fault", WEIGHTS)
@each_weighted
def test_weights_that_are_refused(name, fault):
    weight, message = WEIGHTS[fault]
    assert_refused(clone(ESTIMATORS[name]), lambda e: e.fit(cube(), targets(cube()), weight), message)


@pytest.mark.parametrize("objective", ["reconstruct", "reservoir", "supervised"])
def test_weights_that_other_objectives_refuse(objective):
    transformer = SequenceTransformer(objective=objective, **QUICK)
    for fault in ("zero", "negative", "NaN", "masked"):
        weight, message = WEIGHTS[fault]
        assert_refused(transformer, lambda e, w=weight: e.fit(cube(), targets(cube()), w), message)


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (changed(np.ones(4), 2, np.nan), "sample_weight contains NaN: sequence 0, step 2"),
        (changed(np.ones(4), 2, -1), "sample_weight must not be negative: sequence 0, step 2 has -1"),
        (np.zeros(4), "the weights of all steps are zero"),
        (np.full(4, 1e308), "their sum overflows"),
        (np.ma.masked_equal(np.arange(4.0), 2), "sequence 0 of sample_weight is a masked array"),
        (np.ones(3), "sequence 0 has 3 steps in sample_weight, but 4"),
    ],
)
def test_weights_of_steps_that_are_refused(steps, message):
    y = list(cube()[:, :, 0])
    assert_refused(RNNRegressor(**QUICK), lambda e: e.fit(cube(), y, [steps] * 8), message)
