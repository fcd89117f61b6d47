"""The ragged container: construction, indexing, conversion, and what scikit-learn does with it."""

import copy
import pickle
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import Parallel, delayed
from numpy.testing import assert_array_equal
from ragged import assert_same, objects, quick, ragged, ragged_lists
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_array, indexable, shuffle

from skrnn.sequences import Sequence, SequenceArray, as_sequence_array, check_sequences


@pytest.fixture
def items():
    return ragged([3, 1, 4, 1, 5, 9, 2])


@pytest.fixture
def X(items):  # noqa: N802
    return SequenceArray.from_list(items)


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
        (np.array([b"a", b"b", b"c"]), "values must hold real numbers, got dtype |S1"),
        (["a", 1, 2], "values, step 1 holds 1 of type int beside tokens (str)"),
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


def test_constructor_without_offsets_says_how_a_list_is_packed():
    with pytest.raises(TypeError, match=r"needs offsets.*SequenceArray\.from_list\(X\)"):
        SequenceArray([[1.0, 2.0], [3.0]])


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
    assert hash(Sequence([np.nan, 0.1])) == hash(Sequence([float("nan"), 0.1]))
    assert hash(Sequence(np.float32([0.1]))) == hash(Sequence(np.float64(np.float32([0.1]))))
    assert hash(Sequence(np.zeros((0, 2)))) == hash(Sequence(np.zeros((0, 2))))
    assert len({hash(Sequence([i, 0])) for i in range(9)}) == 9
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


def test_joblib_shares_the_values_between_processes(X):
    def look(sequences):
        kind = type(sequences.values).__name__, sequences.values.flags.writeable
        return *kind, sequences[[2, 0]], check_sequences(sequences, np.float32)

    for kind, writeable, selected, checked in Parallel(n_jobs=2, max_nbytes=1)(delayed(look)(X) for _ in range(2)):
        assert kind == "memmap"
        assert not writeable
        assert selected == X[[2, 0]]
        assert checked.values.flags.carray
        assert_array_equal(checked.values, X.values.astype(np.float32))


# -- in notebooks ------------------------------------------------------------------------------


def rows_of(html):
    parsed = ElementTree.fromstring(html)
    return ["|".join(cell.text or "" for cell in row) for row in parsed.find("tbody")]


def test_html():
    X = SequenceArray([[1, 2], [3.25, 4], [5, np.nan], [7, 8], [9, 1e9]], [0, 4, 5])
    assert rows_of(X._repr_html_()) == ["0|4|[1, 2], [3.25, 4], [5, nan], …", "1|1|[9, 1e+09]"]
    assert "SequenceArray(2 sequences, 1 to 4 steps, 2 channels, float64)" in X._repr_html_()
    assert rows_of(X[:0]._repr_html_()) == []


def test_html_is_short(X):
    wide = SequenceArray(np.zeros((1, 9)), [0, 1])
    assert rows_of(wide._repr_html_()) == ["0|1|[0, 0, 0, 0, …]"]
    rows = rows_of(X._repr_html_())
    assert len(rows) == 6
    assert rows[-1] == "…||2 more"


def test_html_of_tokens_is_escaped():
    X = SequenceArray.from_list([["<b>", "&"], ["it"]])
    assert rows_of(X._repr_html_()) == ["0|2|<b>, &", "1|1|it"]
    assert "<b>" not in X._repr_html_()
