"""The ragged container: construction, indexing, recognition of sequences, and the final check."""

import copy
import pickle
import re
import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_array, indexable, shuffle

from skrnn.sequences import Sequence, SequenceArray, as_sequence_array, check_sequences

quick = settings(max_examples=40, deadline=None, database=None)


def ragged(lengths, n_channels=2, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_channels)).astype(dtype) for length in lengths]


def objects(items):
    cells = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        cells[i] = item
    return cells


def assert_same(array, items):
    assert isinstance(array, SequenceArray)
    assert len(array) == len(items)
    for got, expected in zip(array, items, strict=True):
        expected = np.asarray(expected)
        assert_array_equal(got, expected if expected.ndim == 2 else expected[:, np.newaxis])


@pytest.fixture
def items():
    return ragged([3, 1, 4, 1, 5, 9, 2])


@pytest.fixture
def X(items):  # noqa: N802
    return SequenceArray.from_list(items)


@st.composite
def ragged_lists(draw, min_length=1, min_size=1):
    lengths = draw(st.lists(st.integers(min_length, 6), min_size=min_size, max_size=9))
    n_channels = draw(st.integers(1, 3))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return ragged(lengths, n_channels, dtype, seed=draw(st.integers(0, 9)))


# -- the container -----------------------------------------------------------------------------


def test_interface(X, items):
    assert X.shape == (7, 1)
    assert X.ndim == 2
    assert not hasattr(X, "dtype")
    assert len(X) == 7
    assert X.n_channels == 2
    assert_array_equal(X.lengths, [3, 1, 4, 1, 5, 9, 2])
    assert_array_equal(X.offsets, [0, 3, 4, 8, 9, 14, 23, 25])
    assert X.offsets.dtype == np.int64
    assert_same(X, items)


@pytest.mark.parametrize(
    ("values", "offsets", "expected"),
    [
        (
            np.zeros((9, 3)),
            [0, 4, 9],
            "SequenceArray(2 sequences, 4 to 5 steps, 3 channels, float64)",
        ),
        (np.zeros(4, np.float32), [0, 4], "SequenceArray(1 sequence, 4 steps, 1 channel, float32)"),
        (np.zeros((2, 2)), [0, 1, 2], "SequenceArray(2 sequences, 1 step, 2 channels, float64)"),
        (np.zeros((0, 2)), [0], "SequenceArray(0 sequences, 2 channels, float64)"),
    ],
)
def test_repr(values, offsets, expected):
    assert repr(SequenceArray(values, offsets)) == expected


@pytest.mark.parametrize("dtype", [bool, np.int8, np.uint64, np.float16, np.longdouble, ">f8"])
def test_other_dtypes_become_float64(dtype):
    values = np.arange(4).astype(dtype)
    array = SequenceArray(values, [0, 1, 4])
    assert array.values.dtype == np.dtype(np.float64)
    assert array.values.dtype.isnative
    assert_array_equal(array.values[:, 0], values.astype(float))


@pytest.mark.parametrize("dtype", ["<f4", ">f4"])
def test_float32_stays_and_becomes_native(dtype):
    assert SequenceArray(np.ones(3, dtype), [0, 3]).values.dtype == np.float32


def test_floats_are_not_copied():
    values = np.zeros((4, 2))
    assert SequenceArray(values, [0, 4]).values is values


def test_memmap_becomes_a_plain_array(tmp_path):
    np.save(tmp_path / "values.npy", np.arange(6.0))
    array = SequenceArray(np.load(tmp_path / "values.npy", mmap_mode="r"), [0, 2, 6])
    assert type(array.values) is np.ndarray


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros(3, complex), "Complex data not supported: values has dtype complex128"),
        (np.zeros(3, object), "values must hold real numbers, got dtype object"),
        (np.array(["a", "b", "c"]), "values must hold real numbers, got dtype <U1"),
        (np.zeros(3, "M8[s]"), "values must hold real numbers, got dtype datetime64"),
        (np.zeros((3, 1, 1)), "values must be a 1-D or 2-D array, got shape (3, 1, 1)"),
        (np.float64(3), "values must be a 1-D or 2-D array, got shape ()"),
        (np.ma.masked_equal([1, 2, 3], 2), "values is a masked array with masked entries"),
    ],
)
def test_constructor_refuses_values(values, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray(values, [0, 3])


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (
            [1, 3],
            "offsets must run from 0 to 3, the number of steps in values; they run from 1 to 3",
        ),
        ([0, 2], "they run from 0 to 2"),
        ([0, 2, 1, 3], "offsets must not decrease, got [2 1] for sequence 1"),
        ([], "offsets must be a 1-D array of at least one integer, got shape (0,)"),
        ([[0, 3]], "offsets must be a 1-D array of at least one integer, got shape (1, 2)"),
        ([0.0, 3.0], "got shape (2,) and dtype float64"),
        ([False, True], "got shape (2,) and dtype bool"),
        (np.array([0, 2**64 - 1, 3], np.uint64), "offsets must not decrease"),
    ],
)
def test_constructor_refuses_offsets(offsets, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray(np.zeros(3), offsets)


def test_equality_is_a_plain_bool(X, items):
    sequences = X.copy()  # on the left: its operator is the one under test
    assert (sequences == X) is True
    assert (sequences != X) is False
    assert (sequences == X[::-1]) is False
    assert (sequences == X.values) is False
    assert (sequences == 3) is False
    assert SequenceArray.from_list([[np.nan, 1]]) == SequenceArray.from_list([[np.nan, 1]])
    assert SequenceArray([1, 2, 3], [0, 1, 3]) != SequenceArray([1, 2, 3], [0, 2, 3])
    assert SequenceArray.from_list(ragged([2], 1)) != SequenceArray.from_list(ragged([2], 2))
    with pytest.raises(TypeError, match="unhashable"):
        hash(X)


def test_copies(X):
    for other in (X.copy(), copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        assert other == X
        assert not np.shares_memory(other.values, X.values)


def test_array_of_opaque_cells(X, items):
    cells = np.asarray(X)
    assert cells.shape == (7, 1)
    assert cells.dtype == object
    assert all(isinstance(cell, Sequence) for cell in cells[:, 0])
    assert_array_equal(cells[5, 0].values, items[5])
    assert not np.not_equal(cells, cells).any()
    assert as_sequence_array(cells) == X
    assert np.asarray(X, dtype=object).shape == (7, 1)
    with pytest.raises(ValueError, match="without a copy"):
        np.array(X, copy=False)
    with pytest.raises(TypeError):
        np.asarray(X, dtype=float)


@pytest.mark.parametrize("lengths", [[2, 2, 2], [1], []])
def test_array_of_equally_long_sequences(lengths):
    X = SequenceArray(np.zeros((sum(lengths), 2)), np.cumsum([0, *lengths]))
    assert np.asarray(X).shape == (len(lengths), 1)


def test_cell():
    cell = Sequence([1, 2, 3])
    assert cell.values.shape == (3, 1)
    assert repr(cell) == "Sequence(3 steps, 1 channel)"
    assert (cell == Sequence(np.array([[1.0], [2.0], [3.0]], np.float32))) is True
    assert (cell != Sequence([1, 2, 4])) is True
    assert (cell == [1, 2, 3]) is False
    assert Sequence([np.nan]) == Sequence([np.nan])
    assert hash(Sequence([0.0])) == hash(Sequence([-0.0]))
    assert pickle.loads(pickle.dumps(cell)) == cell
    assert np.asarray([cell, cell]).shape == (2,)
    with pytest.raises(ValueError, match=r"a Sequence has shape \(1, 1, 1\)"):
        Sequence([[[1]]])


# -- indexing ----------------------------------------------------------------------------------

KEYS = [
    slice(None),
    slice(2, 5),
    slice(5, 2),
    slice(-3, None),
    slice(None, None, -1),
    slice(1, None, 2),
    slice(100, 200),
    [0, 3, 3, -1],
    [],
    np.array([], dtype=int),
    np.array([6, 0], dtype=np.uint8),
    np.array([True, False] * 3 + [True]),
    [True, False, True, False, False, False, False],
    pd.Series([4, 2]),
    range(2, 4),
]


@pytest.mark.parametrize("key", KEYS, ids=repr)
@pytest.mark.parametrize(
    "wrap",
    [lambda k: k, lambda k: (k,), lambda k: (k, ...), lambda k: (k, slice(None)), lambda k: (k, 0)],
)
def test_selection_is_list_selection(X, items, key, wrap):
    chosen = np.arange(7)[key]
    got = X[wrap(key)]
    assert_same(got, [items[i] for i in chosen])
    assert got.n_channels == 2
    assert got.values.dtype == np.float64


@pytest.mark.parametrize("key", [0, 3, -1, np.int8(2), np.array(4), (1, ...), (5, 0), (..., 6, 0)])
def test_integer_selects_a_view(X, items, key):
    i = key if not isinstance(key, tuple) else next(k for k in key if k is not ...)
    assert_array_equal(X[key], items[int(i)])
    assert np.shares_memory(X[key], X.values)


@pytest.mark.parametrize("key", [..., (), (...,), (..., 0), (slice(None), [0]), (..., slice(None))])
def test_whole_selection(X, key):
    assert X[key] == X


@pytest.mark.parametrize("columns", [[0], [True], slice(0, 1), np.array([0]), -1])
def test_the_single_column_can_be_selected(X, columns):
    assert X[:, columns] == X


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (7, "index 7 is out of bounds for 7 sequences"),
        (-8, "index -8 is out of bounds for 7 sequences"),
        ([0, 7], "index 7 is out of bounds"),
        (np.ones(6, bool), "boolean index did not match"),
        (np.ones(8, bool), "boolean index did not match"),
        ([True], "boolean index did not match"),
        (True, "an integer, a slice or a 1-D index"),
        (None, "an integer, a slice or a 1-D index"),
        ([[0, 1]], "an integer, a slice or a 1-D index"),
        (1.0, "only integers"),
        ([1.0], "only integers"),
        ("a", "only integers"),
        ((0, 1), "out of bounds"),
        ((slice(None), []), "a single column, which cannot be left out"),
        ((slice(None), [False]), "a single column, which cannot be left out"),
        ((0, 0, 0), "too many indices"),
        ((..., 0, ...), "too many indices"),
    ],
)
def test_bad_index(X, key, message):
    with pytest.raises(IndexError, match=message):
        X[key]


def test_contiguous_slices_are_views(X):
    assert np.shares_memory(X[2:4].values, X.values)
    assert not np.shares_memory(X[[2, 3]].values, X.values)


def test_equally_long_sequences_are_gathered_in_blocks():
    items = ragged([6, 4, 10, 6], n_channels=3)
    X = SequenceArray.from_list(items)
    assert_same(X[[3, 0, 0, 2]], [items[3], items[0], items[0], items[2]])
    fortran = SequenceArray(np.asfortranarray(X.values), X.offsets)
    assert fortran[[3, 0]] == X[[3, 0]]


@pytest.mark.parametrize("shape", [(0, 2), (4, 0)])
def test_selection_without_values(shape):
    X = SequenceArray(np.zeros(shape), [0, shape[0] // 2, shape[0]])
    assert X[[1, 0, 1]].values.shape == (shape[0] // 2 * 3, shape[1])
    assert X[[]].values.shape == (0, shape[1])


@quick
@given(ragged_lists(min_length=0), st.data())
def test_indexing_property(items, data):
    X = SequenceArray.from_list(items)
    n = len(items)
    i = data.draw(st.integers(-n, n - 1))
    assert_array_equal(X[i], items[i])
    key = data.draw(st.slices(n))
    assert_same(X[key], items[key])
    index = data.draw(st.lists(st.integers(-n, n - 1), max_size=12))
    assert_same(X[np.array(index, dtype=int)], [items[i] for i in index])
    mask = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    assert_same(X[np.array(mask)], [item for item, keep in zip(items, mask, strict=True) if keep])


# -- conversions -------------------------------------------------------------------------------


@quick
@given(ragged_lists(min_length=0))
def test_round_trips_property(items):
    X = SequenceArray.from_list(items)
    assert X.values.dtype == items[0].dtype
    assert SequenceArray.from_list(X.to_list()) == X
    assert SequenceArray(X.values, X.offsets) == X
    assert SequenceArray.from_padded(X.to_padded()) == X
    assert SequenceArray.from_padded(X.to_padded(fill_value=7.0), X.lengths) == X
    assert pickle.loads(pickle.dumps(X)) == X
    assert SequenceArray.concatenate([X[:1], X[1:]]) == X


@quick
@given(ragged_lists())
def test_recognition_round_trips_property(items):
    X = SequenceArray.from_list(items)
    assert as_sequence_array(items) == X
    assert as_sequence_array([item.tolist() for item in items]) == X
    assert as_sequence_array(objects(items)) == X
    assert as_sequence_array(np.asarray(X)) == X
    assert as_sequence_array(X.to_padded()) == X


def test_to_padded(X, items):
    padded = X.to_padded()
    assert padded.shape == (7, 9, 2)
    assert_array_equal(padded[0, :3], items[0])
    assert np.isnan(padded[0, 3:]).all()
    assert X[:0].to_padded().shape == (0, 0, 2)
    assert SequenceArray(np.ones(2, np.float32), [0, 2]).to_padded().dtype == np.float32


def test_from_padded_keeps_all_but_trailing_nan():
    nan = np.nan
    padded = np.array([[[nan], [1], [nan], [2], [nan]], [[1], [2], [3], [4], [5]]])
    X = SequenceArray.from_padded(padded)
    assert_array_equal(X.lengths, [4, 5])
    assert_array_equal(X[0][:, 0], [nan, 1, nan, 2])
    partly = np.array([[[1, 1], [nan, 2]]])
    assert_array_equal(SequenceArray.from_padded(partly).lengths, [2])
    assert_array_equal(SequenceArray.from_padded(np.full((2, 3, 1), nan)).lengths, [0, 0])


def test_from_padded_ignores_what_is_behind_the_lengths():
    padded = np.ones((2, 3, 1))
    padded[0, 2], padded[1, 1:] = np.inf, np.nan
    assert SequenceArray.from_padded(padded, np.array([2, 1], np.uint8)) == SequenceArray.from_list([[1, 1], [1]])


@pytest.mark.parametrize("shape", [(0, 3, 2), (2, 0, 3), (2, 3, 0)])
def test_from_padded_without_values(shape):
    X = SequenceArray.from_padded(np.zeros(shape))
    assert_array_equal(X.lengths, np.full(shape[0], shape[1]))
    assert X.n_channels == shape[2]


@pytest.mark.parametrize("order", ["C", "F"])
def test_from_padded_of_full_length(order):
    padded = np.asarray(np.arange(24.0).reshape(2, 3, 4), order=order)
    X = SequenceArray.from_padded(padded)
    assert_same(X, list(padded))
    assert np.shares_memory(X.values, padded) == (order == "C")


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([1, -1], "lengths[1] is -1, which is not between 0 and 3"),
        ([4, 1], "lengths[0] is 4, which is not between 0 and 3"),
        ([1, np.iinfo(np.int64).max], "lengths[1] is 9223372036854775807"),
        (np.array([1, 2**64 - 1], np.uint64), "lengths[1] is 18446744073709551615"),
        ([1.0, 3.5], "lengths must be 2 integers, got shape (2,) and dtype float64"),
        ([1, np.nan], "lengths must be 2 integers, got shape (2,) and dtype float64"),
        ([True, True], "got shape (2,) and dtype bool"),
        ([1], "got shape (1,)"),
        ([[1, 2]], "got shape (1, 2)"),
        (3, "got shape ()"),
    ],
)
def test_from_padded_refuses_lengths(lengths, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray.from_padded(np.zeros((2, 3, 1)), lengths)


@pytest.mark.parametrize(
    ("padded", "message"),
    [
        (np.zeros((2, 3)), "a padded batch has 3 dimensions, got shape (2, 3)"),
        (np.zeros((2, 3, 1), complex), "Complex data not supported: X has dtype complex128"),
        (np.zeros((2, 3, 1), "U1"), "X must hold real numbers, got dtype <U1"),
    ],
)
def test_from_padded_refuses(padded, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray.from_padded(padded)


def test_concatenate(X, items):
    assert_same(SequenceArray.concatenate([X, X[2:3], X[:0]]), [*items, items[2]])
    single = SequenceArray(X.values.astype(np.float32), X.offsets)
    assert SequenceArray.concatenate([single, single]).values.dtype == np.float32
    assert SequenceArray.concatenate([single, X]).values.dtype == np.float64
    with pytest.raises(ValueError, match="item 1 has 1 channel, item 0 has 2"):
        SequenceArray.concatenate([X, SequenceArray.from_list([[1]])])
    with pytest.raises(TypeError, match="item 0 is of type list, not SequenceArray"):
        SequenceArray.concatenate([items])
    with pytest.raises(ValueError, match="0 sample"):
        SequenceArray.concatenate([])


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["f4", "f4"], np.float32),
        (["f4", "f8"], np.float64),
        (["f4", "i4"], np.float64),
        (["?", "u1"], np.float64),
    ],
)
def test_from_list_dtype(dtypes, expected):
    arrays = [np.ones((2, 1), dtype) for dtype in dtypes]
    assert SequenceArray.from_list(arrays).values.dtype == expected


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
        ["a", "b"],
        [["a", "b"], ["c", "d"]],
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
        pd.Series([1.0, 2.0]),
        pd.Series(["a", "b"]),
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
    with pytest.raises(ValueError, match="sequence 0 is of type float"):
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
        (["a", "b", "c"], "column 'z': sequence 0 has a str, a static covariate is a number"),
        (objects([1.0, "b", 2.0]), "column 'z': sequence 1 has a str, a static covariate"),
        (objects([1.0, np.zeros(1), 2.0]), "column 'z': sequence 1 has a ndarray, a static"),
        (objects([1.0, {}, 2.0]), "column 'z': a static covariate is a number"),
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
        ([["a", 2, 3, 4]], "sequence 3 must hold real numbers, got dtype <U"),
        (np.array([["a", 2, 3, 4]], dtype=object), "sequence 3 must hold real numbers"),
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
        ([["a", "b"], ["c"]], "sequence 0 must hold real numbers"),
        ([[1, 2], [3, 4], 5], "sequence 2 is of type int"),
    ],
)
def test_bad_input(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(X)


# -- the final check ---------------------------------------------------------------------------


def layouts():
    """Equal numbers in every layout; all but the last are held in float64 or less."""
    a = np.arange(24).reshape(6, 4) % 7
    read_only = a.astype(float)
    read_only.setflags(write=False)
    unaligned = np.frombuffer(b"0" + a.astype(float).tobytes(), np.float64, offset=1)
    yield "C", a.astype(float)
    yield "float32", a.astype(np.float32)
    yield "float16", a.astype(np.float16)
    yield "int", a
    yield "big-endian", a.astype(">f8")
    yield "big-endian-float32", a.astype(">f4")
    yield "F", np.asfortranarray(a.astype(float))
    yield "read-only", read_only
    yield "unaligned", unaligned.reshape(6, 4)
    yield "strided", np.repeat(a.astype(float), 2, axis=0)[::2]
    yield "strided-columns", np.repeat(a.astype(float), 2, axis=1)[:, ::2]
    yield "negative", a.astype(float)[::-1, ::-1].copy()[::-1, ::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "values"), list(layouts()), ids=[kind for kind, _ in layouts()])
def test_layouts_give_the_same_numbers(kind, values, dtype):
    before = values.copy()
    flags = str(values.flags)
    for X in (SequenceArray(values, [0, 2, 6]), as_sequence_array([values[:2], values[2:]])):
        checked = check_sequences(X, dtype)
        assert_array_equal(checked.values, np.arange(24).reshape(6, 4) % 7)
        assert checked.values.dtype == dtype
        assert checked.values.dtype.isnative
        assert checked.values.flags.carray
        assert checked.offsets.dtype == np.int64
        assert checked.offsets.flags.carray
    assert_array_equal(values, before)
    assert str(values.flags) == flags


def test_broadcast_values():
    values = np.broadcast_to(np.arange(3.0), (4, 3))
    checked = check_sequences(SequenceArray(values, [0, 4]), np.float64)
    assert checked.values.flags.carray
    assert_array_equal(checked.values, values)


def test_fine_arrays_are_not_copied(X):
    checked = check_sequences(X, np.float64)
    assert checked.values is X.values
    assert checked.offsets is X.offsets
    view = X[1:4]
    assert np.shares_memory(check_sequences(view, np.float64).values, X.values)


def test_read_only_offsets_are_copied(X):
    X.offsets.setflags(write=False)
    assert check_sequences(X, np.float64).offsets.flags.carray


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.nan, "Input X contains NaN: sequence 3, step 17, channel 2."),
        (np.inf, "Input X contains infinity: sequence 3, step 17, channel 2."),
        (-np.inf, "Input X contains infinity: sequence 3, step 17, channel 2."),
    ],
)
def test_non_finite_values(bad, message, dtype):
    items = ragged([3, 30, 1, 20, 5], n_channels=4)
    items[3][17, 2] = bad
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_sequences(SequenceArray.from_list(items), dtype)


def test_opposite_infinities():
    with pytest.raises(ValueError, match="infinity: sequence 0, step 1, channel 0"):
        check_sequences(SequenceArray.from_list([[1, np.inf, -np.inf]]), np.float64)


@pytest.mark.parametrize("sign", [1, -1])
def test_too_large_for_float32(sign):
    X = SequenceArray.from_list([[1, 2], [3, sign * 1e300]])
    message = "1e\\+300, which is too large for float32: sequence 1, step 1, channel 0."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            check_sequences(X, np.float32)
        assert check_sequences(X, np.float64).values[3, 0] == sign * 1e300


@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 3e38), (np.float64, 1.7e308)])
def test_a_sum_that_overflows_is_no_fault(dtype, large):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(check_sequences(SequenceArray.from_list([[large] * 9]), dtype)) == 1


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            SequenceArray(np.zeros((0, 3)), [0]),
            "Found array with 0 sample(s) (shape=(0, 1)) while a",
        ),
        (SequenceArray(np.zeros((3, 2)), [0, 2, 2, 3]), "sequence 1 has no time step"),
        (SequenceArray(np.zeros((3, 0)), [0, 3]), "the sequences of Z have no channel"),
        (
            SequenceArray([1, np.nan], [0, 2]),
            "Input Z contains NaN: sequence 0, step 1, channel 0.",
        ),
    ],
)
def test_check_refuses(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_sequences(X, np.float32, name="Z")


# -- scikit-learn ------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [[2, 0], np.array([2, 0]), slice(1, 4), np.arange(7) % 2 == 0])
def test_safe_indexing_keeps_the_type(X, key):
    assert _safe_indexing(X, key) == X[key]


def test_scikit_learn_utilities_keep_the_type(X):
    y = np.arange(7)
    assert indexable(X, y)[0] is X
    train, test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert train == X[y_train]
    assert test == X[y_test]
    shuffled, y_shuffled = shuffle(X, y, random_state=0)
    assert shuffled == X[y_shuffled]


def test_check_array_keeps_the_cells(X):
    cells = check_array(X, dtype="numeric")
    assert cells.dtype == object
    assert as_sequence_array(cells) == X
