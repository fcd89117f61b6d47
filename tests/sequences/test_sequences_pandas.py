"""Columns of the pandas dtype "sequence"."""

import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from pandas.testing import assert_frame_equal, assert_series_equal
from ragged import quick, ragged, ragged_lists
from sklearn.compose import ColumnTransformer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import FunctionTransformer

import skrnn.sequences
from skrnn.sequences import Sequence, SequenceArray, SequenceDtype, SequenceExtensionArray, as_sequence_array


@pytest.fixture
def X():  # noqa: N802
    return SequenceArray.from_list(ragged([3, 1, 4, 1, 5]))


@pytest.fixture
def frame(X):
    index = list("abcde")
    return pd.DataFrame({"age": [50, 60, 70, 80, 90]}, index=index).join(X.to_series(index, "signal"))


def test_to_series_shares_memory(X):
    series = X.to_series(list("abcde"), name="signal")
    assert series.dtype == "sequence"
    assert series.name == "signal"
    assert series.array.sequences.values is X.values
    for column in (series, series.array, series.values):
        assert as_sequence_array(column).values is X.values
    assert series["c"] == Sequence(X[2])


def test_columns_are_read_without_a_look_at_the_cells(X, frame, monkeypatch):
    monkeypatch.setattr(Sequence, "__init__", None)
    assert as_sequence_array(frame[["signal"]]) == X
    joined = as_sequence_array(frame)
    assert joined.n_channels == 3
    assert_array_equal(joined.values[:, 1:], X.values)
    assert_array_equal(joined.values[:, 0], np.repeat([50, 60, 70, 80, 90], X.lengths))


def test_several_columns(X):
    frame = pd.DataFrame({"a": X.to_series(), "b": X.to_series(), "c": [list(steps[:, 0]) for steps in X]})
    assert as_sequence_array(frame).n_channels == 5
    frame["b"] = X[::-1].to_series()
    with pytest.raises(ValueError, match="sequence 0 has 3 steps in column 'a' and 5 in column 'b'"):
        as_sequence_array(frame)


@pytest.mark.parametrize("values", [[[1.0, 2.0], None], [["a"], None], [None, None], [np.nan, pd.NA]])
def test_missing_cells(values):
    series = pd.Series(values, dtype="sequence")
    assert_array_equal(series.isna(), [value is None or np.ndim(value) == 0 for value in values])
    i = int(series.isna().argmax())
    assert series[i] is None
    with pytest.raises(ValueError, match=f"^sequence {i} is None; a sequence is an array"):
        as_sequence_array(series)
    with pytest.raises(ValueError, match=f"column 'x': sequence {i} is None"):
        as_sequence_array(pd.DataFrame({"x": series, "y": [1, 2]}))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[1.0], "text"], "sequence 1 is of type str"),
        ([[1.0], [[1.0, 2.0]]], "sequence 1 has shape (1, 2), sequence 0 has shape (1,)"),
        ([[1.0], ["a"]], "sequence 1 must hold real numbers"),
        ([[1.0], 3], "sequence 1 is of type int"),
        ([None, [1.0], "text"], "sequence 2 is of type str"),
        ([None, "text"], "sequence 1 is of type str"),
    ],
)
def test_bad_cells(cells, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        pd.Series(cells, dtype="sequence")


def test_the_array_wraps_sequences_only():
    with pytest.raises(TypeError, match="sequences must be a SequenceArray, got list"):
        SequenceExtensionArray([[1.0]])


def test_sets_cells(X, frame):
    frame.loc["a", "signal"] = Sequence([[7.0, 8.0]])
    frame.loc["c", "signal"] = None
    cells = frame["signal"]
    assert cells["a"] == Sequence([[7.0, 8.0]])
    assert cells["c"] is None
    assert cells["b"] == Sequence(X[1])
    assert X[0].shape == (3, 2), "the container that the column was made of is as it was"
    with pytest.raises(ValueError, match="1 channel"):
        frame.loc["a", "signal"] = Sequence([1.0])


def test_rows_that_are_missing_after_reindex_and_merge(X, frame):
    wide = frame.reindex(["e", "z", "a"])["signal"]
    assert wide["z"] is None
    assert wide["e"] == Sequence(X[4])
    other = pd.DataFrame({"id": ["a", "z"], "sex": [0, 1]})
    merged = other.merge(frame, how="left", left_on="id", right_index=True)
    assert merged["signal"].dtype == "sequence"
    assert merged["signal"].isna().tolist() == [False, True]
    assert as_sequence_array(merged["signal"].dropna()) == X[[0]]


def test_concat_take_and_sort(X, frame):
    both = pd.concat([frame, frame.iloc[::-1]])
    assert as_sequence_array(both["signal"]) == SequenceArray.concatenate([X, X[::-1]])
    assert as_sequence_array(frame.sort_values("age", ascending=False)["signal"]) == X[::-1]
    assert as_sequence_array(both.sort_index(kind="stable")["signal"]) == X[[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]]
    assert as_sequence_array(frame.loc[frame["age"] > 60, "signal"]) == X[2:]
    nothing = pd.Series([None], dtype="sequence")
    assert pd.concat([nothing, frame["signal"]]).isna().sum() == 1


def test_merge_of_two_tables(X, frame):
    static = pd.DataFrame({"id": list("edcba"), "sex": [0, 1, 0, 1, 0]})
    merged = static.merge(frame.reset_index(names="id"), on="id")
    assert as_sequence_array(merged["signal"]) == X[::-1]


def test_pickle(frame):
    assert_frame_equal(pickle.loads(pickle.dumps(frame)), frame)


@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("n_channels", [1, 2])
def test_parquet(tmp_path, tokens, n_channels):
    pytest.importorskip("pyarrow")
    cells = [np.arange(length * n_channels).reshape(length, n_channels) for length in (2, 1, 3)]
    cells = [cell.astype(str) if tokens else cell / 3 for cell in cells]
    frame = pd.DataFrame({"x": pd.Series([*cells, None], dtype="sequence"), "y": range(4)})
    frame.to_parquet(tmp_path / "frame.parquet")
    read = pd.read_parquet(tmp_path / "frame.parquet")
    assert read["x"].dtype == "sequence"
    assert_frame_equal(read, frame)


def test_comparison(X):
    array = SequenceExtensionArray(X)
    assert_array_equal(array == array[::-1], [False, False, True, False, False])
    assert_array_equal(array != array[0], [False, True, True, True, True])
    assert_array_equal(array == [1, 2, 3, 4, 5], [False] * 5)
    missing = pd.array([None, None], dtype="sequence")
    assert not (missing == missing).any()
    with pytest.raises(ValueError, match="Lengths must match to compare: 5 and 2"):
        array == missing  # noqa: B015


@quick
@given(ragged_lists(min_length=0), st.data())
def test_take_property(items, data):
    cells = [Sequence(item) if len(item) else None for item in items]
    array = SequenceExtensionArray(SequenceArray.from_list(items))
    assert list(array) == cells
    index = data.draw(st.lists(st.integers(-1, len(items) - 1), max_size=9))
    taken = array.take(index, allow_fill=True)
    assert list(taken) == [None if i < 0 else cells[i] for i in index]
    key = data.draw(st.integers(0, len(items) - 1))
    changed = array.copy()
    changed[key] = Sequence(np.ones((2, items[0].shape[1])))
    assert list(changed) == [Sequence(np.ones((2, items[0].shape[1]))) if i == key else c for i, c in enumerate(cells)]
    assert list(array) == cells


def test_repeated_positions_take_the_last_value(X):
    series = X.to_series()
    series.iloc[[0, 1]] = X[[2, 3]].to_series().array
    assert as_sequence_array(series) == X[[2, 3, 2, 3, 4]]
    assert_series_equal(series.iloc[:0], series[series.isna()])


def test_scikit_learn(X, frame):
    train, test = train_test_split(frame, random_state=0)
    assert train["signal"].dtype == "sequence"
    assert as_sequence_array(pd.concat([train, test]).sort_index()["signal"]) == X
    seen = []
    count = FunctionTransformer(lambda part: seen.append(part) or np.zeros((len(part), 1)))
    transformer = ColumnTransformer([("age", "passthrough", ["age"]), ("signal", count, ["signal"])])
    transformer.fit_transform(frame)
    assert as_sequence_array(seen[-1]) == X


def test_names_of_the_package_of_sequences():
    assert {"SequenceDtype", "SequenceExtensionArray"} <= set(dir(skrnn.sequences))
    with pytest.raises(AttributeError, match="has no attribute 'SequenceFrame'"):
        skrnn.sequences.SequenceFrame  # noqa: B018


def test_dtype():
    assert pd.api.types.pandas_dtype("sequence") == SequenceDtype()
    assert SequenceDtype().construct_array_type() is SequenceExtensionArray
