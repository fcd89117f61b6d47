"""Sequences as Arrow lists, in Parquet files, and as columns of polars."""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from ragged import assert_same, quick, ragged, ragged_lists

from skrnn.sequences import Sequence, SequenceArray, as_sequence_array

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
pq = pytest.importorskip("pyarrow.parquet")

WORDS = [["the", "cat"], ["a", "very", "big", "dog"], ["it"]]


@quick
@given(ragged_lists(min_length=0), st.data())
def test_round_trip_property(items, data):
    X = SequenceArray.from_list(items)
    array = X.to_arrow()
    assert array.to_pylist() == [item.tolist() if X.n_channels > 1 else item[:, 0].tolist() for item in items]
    back = SequenceArray.from_arrow(array)
    assert back == X
    assert back.values.dtype == X.values.dtype
    start, stop = sorted(data.draw(st.tuples(st.integers(0, len(items)), st.integers(0, len(items)))))
    assert SequenceArray.from_arrow(array.slice(start, stop - start)) == X[start:stop]
    chunks = pa.chunked_array([array, array.slice(1)])
    assert SequenceArray.from_arrow(chunks) == SequenceArray.concatenate([X, X[1:]])
    assert SequenceArray.from_arrow(X.to_polars().to_arrow()) == X


def test_numbers_share_memory():
    X = SequenceArray.from_list(ragged([3, 1, 4]))
    back = SequenceArray.from_arrow(X.to_arrow())
    assert np.shares_memory(back.values, X.values)


@pytest.mark.parametrize("n_channels", [1, 2])
def test_tokens(n_channels):
    X = SequenceArray(np.array([["the", "Aé"], ["", "🙂"], ["cat", "x"]])[:, :n_channels], [0, 2, 3])
    assert SequenceArray.from_arrow(X.to_arrow()) == X
    assert as_sequence_array(X.to_polars("x")) == X


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("tokens", [False, True])
def test_parquet(tmp_path, n_channels, tokens):
    X = SequenceArray.from_list(ragged([3, 1, 4], n_channels))
    X = SequenceArray(X.values.astype(str), X.offsets) if tokens else X
    pq.write_table(pa.table({"x": X.to_arrow()}), tmp_path / "x.parquet")
    assert SequenceArray.from_arrow(pq.read_table(tmp_path / "x.parquet")["x"]) == X
    assert as_sequence_array(pl.read_parquet(tmp_path / "x.parquet")) == X


TYPES = {
    "list": pa.list_(pa.float32()),
    "large list": pa.large_list(pa.int8()),
    "list of fixed": pa.list_(pa.list_(pa.float64(), 2)),
    "list of lists": pa.list_(pa.list_(pa.int64())),
    "list of large lists": pa.list_(pa.large_list(pa.float64())),
}


@pytest.mark.parametrize("arrow_type", TYPES.values(), ids=list(TYPES))
def test_types(arrow_type):
    nested = pa.types.is_nested(arrow_type.value_type)
    items = [[[1, 2], [3, 4]], [[5, 6]]] if nested else [[1, 2, 3], [4]]
    X = SequenceArray.from_arrow(pa.array(items, arrow_type))
    assert_same(X, items)
    assert X.values.dtype == (np.float32 if arrow_type.value_type == pa.float32() else np.float64)
    assert as_sequence_array(pd.Series(items, dtype=pd.ArrowDtype(arrow_type))) == X
    assert as_sequence_array(pd.DataFrame({"x": pd.Series(items, dtype=pd.ArrowDtype(arrow_type))})) == X


def test_lists_of_fixed_size():
    assert_same(SequenceArray.from_arrow(pa.array([[1, 2], [3, 4]], pa.list_(pa.int8(), 2))), [[1, 2], [3, 4]])
    cube = pa.array([[[1, 2, 3], [4, 5, 6]]], pa.list_(pa.list_(pa.float64(), 3), 2))
    assert_same(SequenceArray.from_arrow(cube), [[[1, 2, 3], [4, 5, 6]]])


@pytest.mark.parametrize("value_type", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_types_of_tokens(value_type):
    array = pa.array(WORDS, pa.list_(pa.large_string())).cast(pa.list_(pa.string()))
    if pa.types.is_dictionary(value_type):
        array = pa.ListArray.from_arrays(array.offsets, array.values.dictionary_encode())
    else:
        array = array.cast(pa.list_(value_type))
    assert SequenceArray.from_arrow(array) == SequenceArray.from_list(WORDS)


def test_numbers_that_are_null_are_nan():
    X = SequenceArray.from_arrow(pa.array([[1.5, None], [None]]))
    assert_array_equal(X.values[:, 0], [1.5, np.nan, np.nan])
    for value_type, expected in ((pa.int64(), 1), (pa.bool_(), 1)):
        X = SequenceArray.from_arrow(pa.array([[1, None]], pa.list_(pa.int64())).cast(pa.list_(value_type)))
        assert_array_equal(X.values[:, 0], [expected, np.nan])


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (pa.array([[1.0], None]), "sequence 1 is None; a sequence is an array"),
        (pa.chunked_array([[[1.0]], [None]], pa.list_(pa.float64())), "sequence 1 is None"),
        (pa.array([["a"], ["b", None]]), "sequence 1, step 1: the token is missing"),
        (pa.array([[["a", "b"]], [["c", "d"], ["e", None]]]), "sequence 1, step 1: the token is missing"),
        (pa.array([[[1, 2]], [[3, 4], [5]]]), "sequence 1, step 1 has 1 channels, step 0 of sequence 0 has 2"),
        (pa.array([[[1, 2]], [[3, 4], None]]), "sequence 1, step 1 is missing"),
        (pa.array([[[1, 2]], [None]], pa.list_(pa.list_(pa.int8(), 2))), "sequence 1, step 0 is missing"),
        (pa.array([[b"a"]]), "the Arrow array must hold real numbers, got dtype |S1"),
        (pa.array([[[[1.0]]]]), "the Arrow array holds list<"),
        (pa.array([1.0, 2.0]), "an Arrow array of lists is expected, got double"),
        ([[1.0]], "an Arrow array of lists is expected, got list"),
    ],
)
def test_bad_arrays(array, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SequenceArray.from_arrow(array)


def test_sequences_without_channels_have_no_arrow_type():
    with pytest.raises(ValueError, match="have no channel"):
        SequenceArray(np.zeros((2, 0)), [0, 2]).to_arrow()


# -- polars ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "dtype",
    [pl.List(pl.List(pl.Float64)), pl.List(pl.Array(pl.Float32, 2)), pl.List(pl.List(pl.Int16))],
    ids=str,
)
def test_polars_columns_of_several_channels(dtype):
    items = [[[1, 2], [3, 4]], [[5, 6]]]
    assert_same(as_sequence_array(pl.Series(items, dtype=dtype)), items)
    assert_same(as_sequence_array(pl.DataFrame({"x": items}, schema={"x": dtype})), items)


def test_polars_arrays_are_sequences_of_one_length():
    items = [[1, 2, 3], [4, 5, 6]]
    assert_same(as_sequence_array(pl.Series(items, dtype=pl.Array(pl.Float64, 3))), items)


def test_polars_columns_of_tokens():
    for dtype in (pl.List(pl.String), pl.List(pl.Categorical)):
        assert as_sequence_array(pl.Series(WORDS, dtype=dtype)) == SequenceArray.from_list(WORDS)


def test_a_polars_frame_of_sequences_and_numbers():
    frame = pl.DataFrame({"a": [[1.0, 2.0], [3.0]], "b": [[4, 5], [6]], "c": [7, 8]})
    assert_same(as_sequence_array(frame), [[[1, 4, 7], [2, 5, 7]], [[3, 6, 8]]])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": [[1.0], [2.0]], "b": [[1.0], None]}, "column 'b': sequence 1 is None"),
        ({"a": [[1.0], []]}, "sequence 1 has no time step"),
        ({"a": [[1.0], [2.0]], "b": [[1.0], [2.0, 3.0]]}, "sequence 1 has 1 steps in column 'a' and 2 in column 'b'"),
        ({"a": [["x"], ["y"]], "b": [1, 2]}, "column 'a' holds tokens (str), column 'b' numbers"),
        ({"a": [[[1.0]], [[2.0], [3.0, 4.0]]]}, "sequence 1, step 1 has 2 channels"),
    ],
)
def test_bad_polars_frames(columns, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(pl.DataFrame(columns, strict=False))


def test_polars_columns_are_read_without_a_loop(monkeypatch):
    monkeypatch.setattr(pl.Series, "__iter__", None)
    monkeypatch.setattr(pl.Series, "to_list", None)
    assert_same(as_sequence_array(pl.DataFrame({"x": [[1.0, 2.0], [3.0]]})), [[1, 2], [3]])


def test_polars_objects():
    cells = [Sequence([1.0, 2.0]), Sequence([3.0])]
    assert_same(as_sequence_array(pl.Series(cells, dtype=pl.Object)), [[1, 2], [3]])


def test_to_polars():
    X = SequenceArray.from_list(ragged([3, 1]))
    series = X.to_polars("x")
    assert series.name == "x"
    assert series.dtype == pl.List(pl.Array(pl.Float64, 2))
    assert as_sequence_array(series) == X


@pytest.mark.parametrize("missing", ["pyarrow", "polars"])
def test_extras_are_named(monkeypatch, missing):
    monkeypatch.setitem(sys.modules, missing, None)
    X = SequenceArray.from_list([[1.0]])
    extra = {"pyarrow": "arrow", "polars": "polars"}[missing]
    with pytest.raises(ImportError, match=re.escape(f'pip install "skrnn[{extra}]"')):
        X.to_polars()
