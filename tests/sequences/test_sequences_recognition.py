"""What is taken for sequences, in all the forms users pass, and errors that name the sequence."""

import re

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from ragged import assert_same, objects, ragged

from skrnn.sequences import Sequence, SequenceArray, as_sequence_array


@pytest.fixture
def items():
    return ragged([3, 1, 4, 1, 5, 9, 2])


@pytest.fixture
def X(items):  # noqa: N802
    return SequenceArray.from_list(items)


# -- what is a sequence, what is a table -------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((3, 4)),
        np.zeros(3),
        np.zeros((3, 2), complex),
        np.array([["a", "b"]]),
        np.array([[1, 2.0], [3, 4]], dtype=object),
        np.array([[{}, 2.0]], dtype=object),
        np.array([["a", 2.0]], dtype=object),
        np.array(3.0),
        np.empty((0, 2), dtype=object),
        np.ma.masked_equal([[1.0, 2.0]], 5),
        [[1, 2], [3, 4]],
        ([1, 2], (3, 4)),
        [[], []],
        [[1, 2]],
        [np.zeros(3), np.ones(3)],
        [pd.Series([1.0, 2.0]), pd.Series([1.0, 2.0])],
        [1, 2, 3],
        [{"a": 1}],
        "text",
        {"a": 1},
        None,
        3,
        pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2]}),
        pd.DataFrame({"a": ["x", "y"], "b": [1, 2]}),
        pd.DataFrame({"a": pd.Series([1, None], dtype="Int64")}),
        pd.DataFrame({"a": pd.Categorical(["x", "y"])}),
        pd.DataFrame({"a": pd.Series([None, None], dtype=object)}),
        pd.DataFrame(),
        pd.array([1, None]),
        pd.Index([1.0, 2.0]),
        pd.Series([1.0, 2.0]),
    ],
    ids=lambda X: f"{type(X).__name__}-{X!r}"[:40],
)
def test_left_to_scikit_learn(X):
    assert as_sequence_array(X) is None


def test_sparse_matrices_are_left_to_scikit_learn():
    sparse = pytest.importorskip("scipy.sparse")
    assert as_sequence_array(sparse.csr_array(np.eye(3))) is None


def test_sequence_array_is_returned_as_it_is(X):
    assert as_sequence_array(X) is X


@pytest.mark.parametrize(
    "convert",
    [
        list,
        tuple,
        objects,
        pd.Series,
        lambda items: objects(items)[:, np.newaxis],
        lambda items: pd.DataFrame({"x": objects(items)}),
        lambda items: [item.tolist() for item in items],
        lambda items: [Sequence(item) for item in items],
        lambda items: objects([Sequence(item) for item in items]),
        lambda items: [pd.DataFrame(item) for item in items],
        lambda items: [item.astype(object) for item in items],
        lambda items: [objects(list(item)) for item in items],
        lambda items: pd.Series([list(item) for item in items], index=range(7, 0, -1)),
        lambda items: [np.ma.masked_equal(item, 99.0) for item in items],
    ],
)
def test_forms_of_two_dimensional_sequences(items, convert):
    assert_same(as_sequence_array(convert(items)), items)


@pytest.mark.parametrize(
    "convert",
    [
        list,
        objects,
        pd.Series,
        lambda rows: [row.tolist() for row in rows],
        lambda rows: [tuple(row) for row in rows],
        lambda rows: [Sequence(row) for row in rows],
        lambda rows: pd.DataFrame({"x": objects(rows)}),
    ],
)
def test_forms_of_one_dimensional_sequences(convert):
    rows = [np.arange(3.0), np.arange(5.0), np.arange(1.0)]
    assert_same(as_sequence_array(convert(rows)), rows)


@pytest.mark.parametrize(
    "convert",
    [
        objects,
        pd.Series,
        lambda rows: [Sequence(row) for row in rows],
        lambda rows: [row[:, np.newaxis] for row in rows],
        lambda rows: [row[:, np.newaxis].tolist() for row in rows],
        lambda rows: objects(rows)[:, np.newaxis],
    ],
)
def test_equally_long_rows_that_are_no_table(convert):
    rows = [np.arange(3.0), np.arange(3.0) + 1]
    assert_same(as_sequence_array(convert(rows)), rows)


@pytest.mark.parametrize("dtype", [float, np.float32, int, bool, object])
def test_three_dimensional_arrays(dtype):
    cube = np.arange(24).reshape(2, 3, 4).astype(dtype)
    X = as_sequence_array(cube)
    assert_same(X, list(cube.astype(float)))
    assert X.values.dtype == (np.float32 if dtype is np.float32 else np.float64)


def test_array_like_of_three_dimensions(X):
    class Tensor:
        ndim, shape = 3, (7, 9, 2)

        def __len__(self):
            return 7

        def __array__(self, dtype=None, copy=None):
            return X.to_padded()

    assert as_sequence_array(Tensor()) == X


def test_missing_cells_do_not_hide_sequences():
    with pytest.raises(ValueError, match="sequence 0 is None"):
        as_sequence_array(pd.Series([None, np.zeros(3)]))
    with pytest.raises(ValueError, match=r"sequence 0 is nan; .*It is missing"):
        as_sequence_array(pd.Series([np.nan, np.zeros(3)]))


# -- several columns ---------------------------------------------------------------------------


@pytest.fixture
def columns():
    rng = np.random.default_rng(1)
    lengths = [3, 1, 4]
    return {
        "speed": objects([rng.normal(size=length) for length in lengths]),
        "age": np.array([30, 40, 50]),
        "position": objects([rng.normal(size=(length, 2)) for length in lengths]),
    }


@pytest.fixture
def joined(columns):
    return [np.column_stack([s, np.full(len(s), a), p]) for s, a, p in zip(*columns.values(), strict=True)]


def test_frame_columns_become_channels(columns, joined):
    assert_same(as_sequence_array(pd.DataFrame(columns)), joined)


def test_object_array_columns_become_channels(columns, joined):
    table = np.empty((3, 3), dtype=object)
    for j, column in enumerate(columns.values()):
        for i, cell in enumerate(column):
            table[i, j] = cell
    assert_same(as_sequence_array(table), joined)
    table[:, 0] = [Sequence(cell) for cell in table[:, 0]]
    assert_same(as_sequence_array(table), joined)


def test_predictions_appended_by_a_classifier_chain(X, items):
    cells = np.hstack([np.asarray(X), np.arange(7.0)[:, np.newaxis]])
    expected = [np.column_stack([item, np.full(len(item), i)]) for i, item in enumerate(items)]
    assert_same(as_sequence_array(cells), expected)


def test_static_covariates(columns):
    frame = pd.DataFrame({"speed": columns["speed"]})
    frame["flag"] = [True, False, True]
    frame["count"] = pd.Series([1, None, 3], dtype="Int64")
    frame["mixed"] = pd.Series([1, 2.5, None], dtype=object)
    frame["kind"] = pd.Categorical([5, 6, 5])
    X = as_sequence_array(frame)
    assert_array_equal(X[1][:, 1:], [[0, np.nan, 2.5, 6]])
    assert_array_equal(X[2][:, 1:], [[1, 3, np.nan, 5]] * 4)


def test_polars(columns, joined):
    pl = pytest.importorskip("polars")
    speed = [cell.tolist() for cell in columns["speed"]]
    position = [cell.tolist() for cell in columns["position"]]
    frame = pl.DataFrame({"speed": speed, "age": [30, 40, 50], "position": position})
    assert_same(as_sequence_array(frame), joined)
    assert_same(as_sequence_array(frame["position"]), columns["position"])
    assert_same(as_sequence_array(frame.select("speed")), speed)
    assert as_sequence_array(frame.select("age")) is None
    assert as_sequence_array(frame["age"]) is None
    with pytest.raises(ValueError, match="column 'name': sequence 0 has a str"):
        as_sequence_array(frame.with_columns(name=pl.Series(["a", "b", "c"])))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["a", "b", "c"], "column 'z': sequence 0 has a str, a static covariate must be a number"),
        (objects([1.0, "b", 2.0]), "column 'z': sequence 1 has a str, a static covariate"),
        (objects([1.0, np.zeros(1), 2.0]), "column 'z': sequence 1 has a ndarray, a static"),
        (objects([1.0, {}, 2.0]), "column 'z': a static covariate must be a number"),
        (np.zeros(3, "M8[s]"), "column 'z': a static covariate must hold real numbers"),
        (np.zeros(3, complex), "column 'z': Complex data not supported"),
        (objects([np.zeros(3), np.zeros(1), None]), "column 'z': sequence 2 is None"),
        (
            objects([np.zeros(3), np.zeros(2), np.zeros(4)]),
            "sequence 1 has 1 steps in column 'speed' and 2 in column 'z'",
        ),
    ],
)  # fmt: skip
def test_bad_columns(columns, column, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(pd.DataFrame({**columns, "z": column}))


# -- errors that name the sequence -------------------------------------------------------------

GOOD = np.zeros((2, 4))
EXPECTED = "a sequence is an array of shape (n_steps, n_channels) or (n_steps,)"


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (np.zeros((5, 2)), "sequence 3 has 2 channels, sequence 0 has 4: all sequences need"),
        (np.zeros(5), "sequence 3 has shape (5,), sequence 0 has shape (2, 4): sequences are all"),
        (np.zeros((0, 4)), "sequence 3 has no time step"),
        ([], "sequence 3 has no time step"),
        ([[]], "sequence 3 has 0 channels, sequence 0 has 4"),
        (np.zeros((1, 2, 4)), f"sequence 3 has shape (1, 2, 4); {EXPECTED}"),
        (np.array(1.0), f"sequence 3 has shape (); {EXPECTED}"),
        (1.0, f"sequence 3 is of type float; {EXPECTED}"),
        ("abc", f"sequence 3 is of type str; {EXPECTED}"),
        (None, f"sequence 3 is None; {EXPECTED}"),
        ({}, f"sequence 3 is of type dict; {EXPECTED}"),
        (np.full((2, 4), "a"), "sequence 3 must hold real numbers, got dtype <U1"),
        ([["1", "2"]], "sequence 3 must hold real numbers, got dtype <U1"),
        (["1", "2"], "sequence 3 must hold real numbers, got dtype <U1: sequences before it hold real numbers"),
        ([["a", 2, 3, 4]], "sequence 3, step 0 holds 2 of type int beside tokens (str)"),
        (np.array([["a", 2, 3, 4]], dtype=object), "sequence 3, step 0 holds 2 of type int beside"),
        (np.zeros((2, 4), "M8[ns]"), "sequence 3 must hold real numbers, got dtype datetime64"),
        (np.zeros((2, 4), complex), "Complex data not supported: sequence 3 has dtype complex128"),
        (np.array([[1, 2j]], dtype=object), "Complex data not supported: sequence 3"),
        ([[1, 2], [3]], "sequence 3 is not an array of real numbers: setting an array element"),
        ([[{}]], "sequence 3 is not an array of real numbers: "),
        ([[10**400]], "sequence 3 is not an array of real numbers: "),
        (np.ma.masked_equal(np.ones((2, 4)), 1), "sequence 3 is a masked array with masked"),
        ([np.ma.masked_equal([1, 2, 3, 4], 1)], "sequence 3 is a masked array with masked"),
    ],
)
@pytest.mark.parametrize("convert", [list, objects, pd.Series])
def test_bad_item(item, message, convert):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(convert([GOOD, GOOD, GOOD, item, GOOD]))


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([], "Found array with 0 sample(s) (shape=(0,)) while a minimum of 1 is required."),
        ((), "Found array with 0 sample(s)"),
        (np.zeros((0, 3, 2)), "Found array with 0 sample(s) (shape=(0, 3, 2)) while a minimum"),
        (np.zeros((2, 3, 4, 5)), "Found array with dim 4"),
        (np.zeros((2, 3, 4), complex), "Complex data not supported"),
        (np.zeros((2, 3, 4), "M8[s]"), "X must hold real numbers"),
        (np.full((2, 3, 4), "a"), "X must hold real numbers"),
        (np.full((2, 3, 4), None), "sequence 0 has no time step"),
        (np.zeros((2, 0, 4)), "sequence 0 has no time step"),
        (np.array([[[1.0]], [[np.nan]]]), "sequence 1 has no time step"),
        (np.ma.masked_equal([[1.0, 2.0]], 1), "X is a masked array with masked entries"),
        (np.ma.masked_equal(np.ones((2, 3, 4)), 1), "X is a masked array with masked entries"),
        ([np.ma.masked_equal([1, 2], 1), [3, 4]], "row 0 is a masked array with masked entries"),
        ([[1, 2], []], "sequence 1 has no time step"),
        ([[], [[1.0, 2.0]]], "sequence 0 has no time step"),
        ([[b"a", b"b"], [b"c"]], "sequence 0 must hold real numbers, got dtype |S1"),
        ([[1, 2], [3, 4], 5], "sequence 2 is of type int"),
    ],
)
def test_bad_input(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(X)


@pytest.mark.parametrize("frame_of", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
@pytest.mark.parametrize("pack", [SequenceArray.from_list, as_sequence_array, lambda X: as_sequence_array(objects(X))])
def test_frames_of_other_columns(frame_of, pack):
    first, second = frame_of({"hr": [61.0, 62.0], "bp": [120.0, 121.0]}), frame_of({"bp": [118.0], "hr": [70.0]})
    message = (
        r"sequence 1 has the columns \['bp', 'hr'\], sequence 0 has \['hr', 'bp'\]: .*\[frame\[\['hr', 'bp'\]\] for"
    )
    with pytest.raises(ValueError, match=message):
        pack([first, second])
    assert_same(pack([first, second[["hr", "bp"]]]), [[[61, 120], [62, 121]], [[70, 118]]])
    with pytest.raises(ValueError, match=r"sequence 2 has the columns \['bp'\], sequence 1 has \['hr', 'bp'\]"):
        pack([np.zeros((1, 2)), first, second[["bp"]]])


def test_arrow_tables_are_compared_by_names():
    tables = [
        pa.table({"hr": [1.0], "bp": [2.0]}),
        pa.table({"hr": [3.0], "bp": [4.0]}),
        pa.table({"bp": [5.0], "hr": [6.0]}),
    ]
    assert_same(SequenceArray.from_list(tables[:2]), [[[1, 2]], [[3, 4]]])
    with pytest.raises(ValueError, match=r"sequence 2 has the columns \['bp', 'hr'\]"):
        SequenceArray.from_list(tables)


def test_times_are_no_channel():
    when = pd.date_range("2020", periods=2)
    for frame in (pd.DataFrame({"hr": [1.0, 2.0], "when": when}), pl.DataFrame({"hr": [1.0, 2.0], "when": when})):
        with pytest.raises(
            ValueError, match="the column 'when' of sequence 1 holds times, which are not numbers: drop it"
        ):
            as_sequence_array([np.zeros((3, 2)), frame])
