"""Faults of the data: each is refused with its place, or has the documented result; docs/faults.rst lists them all."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
from faults import ESTIMATORS, FORMS, QUICK, assert_refused, changed, cube, each_estimator, each_form, output, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer

pytestmark = [
    pytest.mark.filterwarnings("ignore:Maximum number of iterations"),
    pytest.mark.filterwarnings("ignore:X has feature names"),
    pytest.mark.filterwarnings("ignore:the matrix subclass"),
]
N_STEPS = 4


@pytest.fixture(scope="module")
def fitted():
    """One of each estimator, fitted on sequences of two channels."""
    X = cube()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return {name: clone(estimator).fit(X, targets(X)) for name, estimator in ESTIMATORS.items()}


def refused(fitted, name, X, message, kind=ValueError):
    """That an estimator refuses X when it is fitted, for the first time and again, and in prediction."""
    y = np.arange(8) % 2
    for estimator in (clone(ESTIMATORS[name]), fitted[name]):
        assert_refused(estimator, lambda estimator: estimator.fit(X, y), message, kind)
    assert_refused(fitted[name], lambda estimator: output(estimator, X), message, kind)


# -------------------------------------------------------------------------------------------------- values of X
@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "NaN"),
        (np.inf, "infinity"),
        (-np.inf, "infinity"),
        (-1e300, "-1e[+]300, which is too large for float32"),
    ],
)
@each_form
@each_estimator
def test_a_value_that_is_not_finite_is_located(fitted, name, form, value, message):
    """NaN, infinity, and a finite number that overflows float32: the error names sequence, step and channel."""
    X = changed(cube(), (5, 2, 1), value)
    refused(fitted, name, FORMS[form](X), f"Input X contains {message}: sequence 5, step 2, channel 1")


@pytest.mark.parametrize("form", ["table", "frame of numbers", "polars"])
def test_a_value_of_a_table_that_is_not_finite_is_located(form):
    table = changed(cube()[:, :, 0], (5, 2), np.nan)
    columns = {f"t{j}": table[:, j] for j in range(N_STEPS)}
    X = {"table": table, "frame of numbers": pd.DataFrame(columns), "polars": pl.DataFrame(columns)}[form]
    assert_refused(RNNRegressor(**QUICK), lambda e: e.fit(X, targets(X)), "NaN: sequence 5, step 2, channel 0")


def test_what_lies_in_the_padding_has_no_influence():
    """NaN and infinity beyond the lengths: predictions, weights and gradients equal those with zeros, bit for bit."""
    X, lengths = cube(n_steps=6), np.array([6, 1, 4, 2, 3, 5, 6, 1])
    padding = np.arange(6) >= lengths[:, np.newaxis]
    X[padding] = 0
    garbage = X.copy()
    garbage[padding] = np.nan
    garbage[1, 3:], garbage[2, 5, 0] = np.inf, -1e300
    batches = [SequenceArray.from_padded(padded, lengths) for padded in (X, garbage)]
    models = [RNNRegressor(**QUICK).fit(batch, targets(batch)) for batch in batches]
    for name, weights in models[0].weights_.items():
        assert_array_equal(models[1].weights_[name], weights)
    assert_array_equal(models[0].predict(batches[1]), models[0].predict(batches[0]))
    norms = [np.concatenate(models[0].gradient_norms(batch, targets(batch))) for batch in batches]
    assert_array_equal(*norms)


# ------------------------------------------------------------------------------------------ shapes and sizes of X
@each_form
@each_estimator
def test_no_sequence(fitted, name, form):
    """An empty batch, in fit and in predict."""
    refused(fitted, name, FORMS[form](cube())[:0], "0 sample")
    refused(fitted, name, cube()[:0, :, 0], "0 sample")


@each_estimator
def test_no_step_and_no_channel(fitted, name):
    refused(fitted, name, cube()[:, :0], "sequence 0 has no time step")
    refused(fitted, name, [*cube()[:7], np.zeros((0, 2))], "sequence 7 has no time step")
    refused(fitted, name, SequenceArray(np.zeros((7, 2)), np.r_[:8, 7]), "sequence 7 has no time step")
    tokens = np.array([["a"], ["b"]] * 4)
    for X in (SequenceArray(tokens, np.r_[0, 2, 2, 3:9]), SequenceArray(tokens[:0], [0])):
        message = "sequence 1 has no time step" if len(X) else "0 sample"
        assert_refused(clone(ESTIMATORS[name]), lambda e, X=X: e.fit(X, targets(X)), message)
    for X in (cube()[:, :, :0], list(cube()[:, :, :0])):
        assert_refused(clone(ESTIMATORS[name]), lambda e, X=X: e.fit(X, targets(X)), "sequences of X have no channel")
        assert_refused(fitted[name], lambda e, X=X: output(e, X), "X has 0 channels per step.*fitted on 2")


@pytest.mark.parametrize("shape", [(2, 1, 1), (2, 5, 1), (2, 1, 3)])
@each_form
@each_estimator
def test_sizes_of_one(name, form, shape):
    """One step, one channel, one unit, as few sequences as there are classes."""
    X = np.random.default_rng(0).normal(size=shape)
    X = FORMS[form](X)
    model = clone(ESTIMATORS[name]).set_params(hidden_layer_sizes=1)
    if name == "detector":  # which needs something to hold out
        assert_refused(
            model, lambda e: e.fit(X), f"it needs 4 sequences.*sequence 0, the longest, has {shape[1]} steps"
        )
        return
    if name == "transformer":
        model.set_params(objective="reconstruct")  # with a single step there is nothing to forecast
    model.fit(X, [0, 1])
    assert np.isfinite(output(model, X)).all()
    if name != "classifier":
        assert np.isfinite(output(clone(model).fit(X[:1], [0 if "labels" in name else 0.5]), X)).all()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(8), "Expected 2D array, got 1D array"),
        ([0.0] * 8, "Expected 2D array, got 1D array"),
        (np.zeros((8, 2, 2, 2)), "dim 4: a batch of sequences has 3 dimensions"),
    ],
)
@each_estimator
def test_dimensions_that_no_batch_has(fitted, name, X, message):
    refused(fitted, name, X, message)


@each_estimator
def test_other_channels_than_in_fit(fitted, name):
    """The error says how many are there and how many were expected, and whether axes look swapped."""
    cases = [
        (cube(n_channels=3), "X has 3 channels per step, but .* was fitted on 2[.]$"),
        (cube().transpose(0, 2, 1), r"X has 4 channels .* 2[.] The axes of X must be \(n_sequences, n_steps"),
        ([x[:, :1] for x in cube()], "X has 1 channels per step, but .* was fitted on 2"),
        (cube()[0], r"pass X\[np.newaxis\]|X has 2 features"),
    ]
    for X, message in cases:
        assert_refused(fitted[name], lambda e, X=X: output(e, X), message)


@each_estimator
def test_another_length_than_in_fit(name):
    """Free where sequences are passed; a table has as many columns as the one of fit."""
    X = cube()
    model = clone(ESTIMATORS[name]).fit(X, targets(X))
    assert len(output(model, X[:, :2])) == 8
    model = clone(model).fit(X[:, :, 0], targets(X))
    assert_refused(model, lambda e: output(e, X[:, :3, 0]), "X has 3 features, but .* is expecting 4")
    assert_refused(model, lambda e: output(e, X), "X has 2 channels per step, but .* was fitted on 1")


@pytest.mark.parametrize("form", ["3-D", "list", "SequenceArray", "frame"])
def test_numbers_of_rows_that_differ(form):
    """X against y, sample weights and lengths: the error has all sizes."""
    X = FORMS[form](cube())
    for estimator in (RNNClassifier(**QUICK), RNNRegressor(**QUICK)):
        assert_refused(estimator, lambda e: e.fit(X, [0, 1]), r"inconsistent numbers of samples: \[8, 2\]")
        assert_refused(estimator, lambda e: e.fit(X, targets(X), np.ones(5)), r"\(5,\), expected \(8,\)")
    assert_refused(SequenceTransformer(**QUICK), lambda e: e.fit(X, None, np.ones(5)), r"\(5,\), expected \(8,\)")
    with pytest.raises(ValueError, match=r"lengths must be 8 integers, got shape \(7,\)"):
        SequenceArray.from_padded(cube(), np.full(7, 4))


@pytest.mark.parametrize("rows", ["array", "frame", "long frame"])
@pytest.mark.parametrize("name", ["classifier", "regressor", "labels out", "numbers out", "unaligned labels"])
def test_rows_that_are_steps(name, rows):
    """A table has a sequence in each row; where that does not go with y, the error says how steps are passed."""
    steps = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 2)), columns=["hr", "bp"])
    if rows == "long frame":
        steps.index = pd.MultiIndex.from_product([range(6), range(5)], names=["patient", "hour"])
    X = steps.to_numpy() if rows == "array" else steps
    message = r"inconsistent numbers of samples: \[30, 6\]. X has 30 sequences of 2 steps. .*\[X\].*from_long"
    assert_refused(clone(ESTIMATORS[name]), lambda e: e.fit(X, targets(range(6))), message)


def test_a_mask_over_lengths_is_not_dropped():
    masked = np.ma.masked_equal([0, 2, 3], 2)
    with pytest.raises(ValueError, match="offsets is a masked array with masked entries"):
        SequenceArray(np.zeros((3, 1)), masked)
    with pytest.raises(ValueError, match="lengths is a masked array with masked entries"):
        SequenceArray.from_padded(np.zeros((3, 4, 1)), masked)


# --------------------------------------------------------------------------------------------------- kinds of X
def frame_with(column):
    return pd.DataFrame({"a": np.arange(8.0), "b": column})


def cells(values):
    """A frame with lists in its cells; `values` stand in the third."""
    steps = [1.0, 2.0, 3.0]
    return pd.DataFrame({"a": [steps, steps, values, *[steps] * 5], "b": [steps] * 8})


NO_ROWS = "it must be an array, a list or a frame with a row for each sequence"
WRONG_KINDS = {
    "complex array": (cube() + 0j, "Complex data not supported: X has dtype complex128"),
    "complex table": (cube()[:, :, 0] + 0j, "^Complex data not supported: X has dtype complex128.$"),
    "complex item": ([*cube()[:7], cube()[7] + 0j], "Complex data not supported: sequence 7"),
    "datetime array": (np.zeros((8, 4, 2), "M8[s]"), r"X must hold real numbers, got dtype datetime64\[s\]"),
    "datetime table": (np.zeros((8, 4), "M8[s]"), r"X must hold real numbers, got dtype datetime64\[s\]"),
    "timedelta table": (np.zeros((8, 4), "m8[s]"), r"X must hold real numbers, got dtype timedelta64\[s\]"),
    "datetime column": (frame_with(pd.date_range("2020", periods=8)), "column 'b' of X holds times"),
    "text column": (frame_with(["1"] * 7 + ["x"]), "'x': sequence 7, step 1, in the column 'b'"),
    "categorical column": (frame_with(pd.Categorical(list("xy") * 4)), "'x': sequence 0, step 1, in the column 'b'"),
    "text in a table": (changed(cube()[:, :, 0], (5, 2), "x", object), "'x': sequence 5, step 2"),
    "an integer beyond floating point": (
        changed(cube()[:, :, 0], (5, 2), 10**400, object),
        "X must hold real numbers: int too large .*: sequence 5, step 2",
    ),
    "text in an array": (changed(cube(), (5, 2, 1), "x", object), "sequence 5.*The first token is 'x'"),
    "text in a sequence": ([*cube()[:7].tolist(), [[1, "x"]] * 3], "sequence 7, step 0 holds 1 of type int beside"),
    "array of text": (np.full((8, 4, 2), "x"), "X must hold real numbers, got dtype <U1"),
    "sparse items": ([scipy.sparse.csr_array(x) for x in cube()], "sequence 0 is of type csr_array"),
    "masked array": (np.ma.masked_greater(cube(), 1), "X is a masked array with masked entries"),
    "masked table": (np.ma.masked_greater(cube()[:, :, 0], 0), "X is a masked array with masked entries"),
    "masked item": ([*cube()[:7], np.ma.masked_greater(cube()[7], -9)], "sequence 7 is a masked array"),
    "NA in a nullable column": (
        frame_with(pd.array([1] * 6 + [None, 1], dtype="Int64")),
        "NaN: sequence 6, step 1|X is a 2-D table",
    ),
    "NaN in a column": (frame_with([1.0] * 6 + [np.nan, 1.0]), "NaN: sequence 6, step 1|X is a 2-D table"),
    "NA in a cell": (cells([1.0, pd.NA, 2.0]), "NaN: sequence 2, step 1, channel 0"),
    "None in a cell": (cells([1.0, None, 2.0]), "NaN: sequence 2, step 1, channel 0"),
    "nullable array in a cell": (cells(pd.array([1, 2, None], dtype="Int64")), "NaN: sequence 2, step 2, channel 0"),
    "NA for a cell": (cells(pd.NA), "sequence 2 is <NA>; .*It is missing"),
    "NA in an array": (changed(cube(), (5, 2, 1), pd.NA, object), "NaN: sequence 5, step 2, channel 1"),
    "null in polars": (
        pl.DataFrame({"a": [[1.0, None]] * 8, "b": [[1.0, 2.0]] * 8}),
        "NaN: sequence 0, step 1, channel 0",
    ),
    "None": (None, f"X is None; {NO_ROWS}"),
    "number": (3.5, f"X is of type float; {NO_ROWS}"),
    "array of no dimension": (np.array(3.5), f"X is an array without dimensions; {NO_ROWS}"),
    "text": ("abc", f"X is of type str; {NO_ROWS}"),
    "dictionary": ({"a": list(cube())}, f"X is of type dict; {NO_ROWS}"),
    "set": ({1, 2}, f"X is of type set; {NO_ROWS}"),
    "generator": ((x for x in cube()), f"X is of type generator; {NO_ROWS}"),
    "generators": ([iter(x) for x in cube()], "sequence 0 is of type .*iterator; a sequence is an array of shape"),
    "dictionaries": ([{"a": 1}] * 8, "sequence 0 is of type dict; a sequence is an array of shape"),
    "bytes": ([b"abc"] * 8, "sequence 0 is of type bytes; a sequence is an array of shape"),
}


@pytest.mark.parametrize("fault", WRONG_KINDS)
def test_what_is_no_batch_of_numbers(fitted, fault):
    """Complex, text, times, masks, missing values of pandas and polars, and what has no rows at all."""
    refused(fitted, "classifier", *WRONG_KINDS[fault])


@pytest.mark.parametrize("name", ["regressor", "transformer"])
@pytest.mark.parametrize("fault", ["complex array", "datetime column", "masked item", "NA in a cell", "generator"])
def test_other_estimators_refuse_alike(fitted, name, fault):
    X, message = WRONG_KINDS[fault]
    refused(fitted, name, (x for x in cube()) if fault == "generator" else X, message)


@pytest.mark.parametrize("convert", [scipy.sparse.csr_array, scipy.sparse.csr_matrix, np.matrix])
@each_estimator
def test_sparse_and_numpys_matrices_are_refused(fitted, name, convert):
    refused(fitted, name, convert(cube()[:, :, 0]), "Sparse data was passed|np.matrix is not supported", TypeError)


@pytest.mark.parametrize(
    "convert",
    [
        lambda X: np.ma.array(X),
        lambda X: X.astype(object),
        lambda X: tuple(map(tuple, X.tolist())),
        lambda X: [np.matrix(x) for x in X],
        lambda X: [pd.DataFrame(x, columns=list("ab")) for x in X],
        lambda X: [[[Decimal(float(v)) for v in step] for step in x] for x in X],
        lambda X: pl.DataFrame({"a": X[:, :, 0].tolist(), "b": X[:, :, 1].tolist()}),
    ],
)
def test_kinds_that_are_converted(fitted, convert):
    """A mask that hides nothing, objects that are numbers, nested tuples, frames: the same numbers as an array."""
    assert_array_equal(output(fitted["regressor"], convert(cube())), output(fitted["regressor"], cube()))


def test_columns_of_pandas_nullable_types_are_numbers():
    table = cube()[:, :, 0].round(2)
    expected = RNNRegressor(**QUICK).fit(table, targets(table)).predict(table)
    frame = pd.DataFrame(table, columns=list("abcd"))
    for dtype in ("Float64", "float64[pyarrow]"):
        X = frame.astype(dtype)
        assert_array_equal(RNNRegressor(**QUICK).fit(X, targets(X)).predict(X), expected)


def test_missing_values_of_pandas_are_missing_values(fitted):
    """With ``missing="mask"`` NA in a cell counts as NaN does."""
    values = [[1.0, 2.0, 3.0]] * 2
    batches = [pd.DataFrame({"a": [[1.0, gap, 2.0], *values]}) for gap in (np.nan, pd.NA, None)]
    first, *others = [RNNRegressor(missing="mask", **QUICK).fit(X, [0.0, 1.0, 2.0]).predict(X) for X in batches]
    for other in others:
        assert_array_equal(other, first)


def test_steps_that_are_masked_out_are_removed_or_refused(fitted):
    """A hole, padding on the left, a row of nothing but padding: never silently another result."""
    X = cube()
    hole, left, nothing = (changed(X, where, np.nan) for where in ((5, 1), (5, 0), 5))
    refused(fitted, "classifier", hole, "NaN: sequence 5, step 1")
    refused(fitted, "classifier", left, "NaN: sequence 5, step 0")
    refused(fitted, "classifier", nothing, "sequence 5 has no time step: all its steps are NaN, which is padding")
    trailing = changed(X, (5, slice(3, None)), np.nan)
    expected = output(fitted["classifier"], [*X[:5], X[5, :3], *X[6:]])
    assert_array_equal(output(fitted["classifier"], trailing), expected)


def read_only_file(X, folder):
    path = folder / "X.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


LAYOUTS = {
    "Fortran order": lambda X, _: np.asfortranarray(X),
    "not contiguous": lambda X, _: np.repeat(X, 2, axis=1)[:, ::2],
    "negative strides": lambda X, _: X[::-1, ::-1, ::-1].copy()[::-1, ::-1, ::-1],
    "transposed view": lambda X, _: X.transpose(2, 1, 0).copy().transpose(2, 1, 0),
    "big-endian": lambda X, _: X.astype(">f8"),
    "unaligned": lambda X, _: np.frombuffer(b"\0" + X.tobytes(), np.uint8)[1:].view(X.dtype).reshape(X.shape),
    "read-only memory map": read_only_file,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@each_estimator
def test_layouts_of_the_same_numbers(name, layout, tmp_path):
    """Same bits in any memory layout, and the input is not written to."""
    expected = output(clone(ESTIMATORS[name]).fit(cube(), targets(cube())), cube())
    X = LAYOUTS[layout](cube(), tmp_path)
    for form in (X, list(X), X if layout == "big-endian" else SequenceArray(X.reshape(-1, 2), np.arange(9) * 4)):
        model = clone(ESTIMATORS[name]).fit(form, targets(X))
        assert_array_equal(output(model, form), expected)
    assert_array_equal(X, cube())


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint16, np.int64, bool, np.longdouble])
def test_types_of_the_same_numbers(dtype):
    X = np.broadcast_to((cube() > 0), (8, 4, 2))
    expected = RNNRegressor(**QUICK).fit(X.astype(float), targets(X)).predict(X)
    for form in FORMS.values():
        given = form(X.astype(dtype))
        np.testing.assert_allclose(RNNRegressor(**QUICK).fit(given, targets(X)).predict(given), expected, rtol=1e-5)


def test_zero_strides_and_read_only_everything():
    """X, y and weights that are one number broadcast to a shape, which nobody may write to."""
    X, y = np.broadcast_to(cube()[:1], (8, 4, 2)), np.broadcast_to(1.5, 8)
    weight = np.broadcast_to(2.0, 8)
    predicted = RNNRegressor(**QUICK).fit(X, y, weight).predict(X)
    assert_array_equal(predicted, RNNRegressor(**QUICK).fit(X.copy(), y.copy(), weight.copy()).predict(X))
