"""Sequences of tokens: what is taken for them, and that the container treats them as it treats numbers."""

import copy
import pickle
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from ragged import objects, quick
from sklearn.model_selection import train_test_split
from sklearn.utils import check_array

from skrnn.sequences import Sequence, SequenceArray, as_sequence_array, check_sequences

WORDS = [["the", "cat"], ["a", "very", "big", "dog"], ["it"]]
texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)


def assert_tokens(array, items):
    assert isinstance(array, SequenceArray)
    assert array.values.dtype.kind == "U"
    assert [steps[:, 0].tolist() for steps in array] == [list(item) for item in items]


@pytest.fixture
def X():  # noqa: N802
    return SequenceArray.from_list(WORDS)


FORMS = {
    "list": list,
    "tuple": tuple,
    "tuples": lambda items: [tuple(item) for item in items],
    "arrays": lambda items: [np.array(item) for item in items],
    "object arrays": lambda items: [np.array(item, dtype=object) for item in items],
    "string arrays": lambda items: [np.array(item, dtype=np.dtypes.StringDType()) for item in items],
    "series in a list": lambda items: [pd.Series(item) for item in items],
    "cells": lambda items: [Sequence(item) for item in items],
    "object array": objects,
    "object column": lambda items: objects(items)[:, np.newaxis],
    "series": pd.Series,
    "frame": lambda items: pd.DataFrame({"text": items}),
    "frame of arrays": lambda items: pd.DataFrame({"text": [np.array(item) for item in items]}),
    "columns": lambda items: [[[token] for token in item] for item in items],
}


@pytest.mark.parametrize("convert", FORMS.values(), ids=list(FORMS))
@pytest.mark.parametrize("items", [WORDS, [["a", "b"], ["c", "d"]], [["a"]]], ids=["ragged", "equal", "single"])
def test_forms(items, convert):
    assert_tokens(as_sequence_array(convert(items)), items)


def test_polars():
    pl = pytest.importorskip("polars")
    assert_tokens(as_sequence_array(pl.Series("text", WORDS)), WORDS)
    assert_tokens(as_sequence_array(pl.DataFrame({"text": WORDS})), WORDS)


def test_several_channels_of_tokens():
    items = [[["the", "DET"], ["cat", "NOUN"]], [["go", "VERB"]]]
    for form in (items, [np.array(item) for item in items], [np.array(item, dtype=object) for item in items]):
        X = as_sequence_array(form)
        assert X.n_channels == 2
        assert X[0].tolist() == items[0]
        assert X[1].tolist() == items[1]
    frame = pd.DataFrame({"word": [["the", "cat"], ["go"]], "tag": [["DET", "NOUN"], ["VERB"]]})
    assert as_sequence_array(frame) == X


@pytest.mark.parametrize(
    "X",
    [
        np.array([["a", "b"], ["c", "d"]]),
        np.array([["a", "b"], ["c", "d"]], dtype=object),
        pd.DataFrame({"name": ["Smith", "Jones"]}),
        pd.DataFrame({"name": ["Smith", "Jones"], "age": [1, 2]}),
    ],
)
def test_tables_of_strings_are_left_to_scikit_learn(X):
    assert as_sequence_array(X) is None


@pytest.mark.parametrize("convert", [list, tuple, np.array, pd.Series, pd.Categorical, objects])
def test_unsplit_texts_are_refused(convert):
    with pytest.raises(ValueError, match=r"the first is 'Smith'; .*\[list\(text\) for text in X\]"):
        as_sequence_array(convert(["Smith", "Jones"]))


def test_unsplit_texts_in_polars_are_refused():
    pl = pytest.importorskip("polars")
    with pytest.raises(ValueError, match="X holds texts"):
        as_sequence_array(pl.Series(["Smith", "Jones"]))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([["a", "b"], ["c", 1]], "sequence 1, step 1 holds 1 of type int beside tokens (str)"),
        ([["a", "b"], ["c", 1.5]], "sequence 1, step 1 holds 1.5 of type float"),
        ([["a", "b"], ["c", "d", None]], "sequence 1, step 2 holds None of type NoneType"),
        ([["a", "b"], ["c", np.nan]], "sequence 1, step 1 holds nan of type float"),
        ([["a", "b"], objects([np.nan, "c"])], "sequence 1, step 0 holds nan of type float"),
        ([["a", "b"], ["c", b"d"]], "sequence 1, step 1 holds b'd' of type bytes"),
        ([[["a", "b"]], [["c", "d"], ["e", 1]]], "sequence 1, step 1 holds 1 of type int"),
        ([["a", "b"], ["c", "d\0"]], "sequence 1, step 1: the token 'd\\x00' ends with NUL"),
        ([["a", "b"], [1, 2]], "sequence 1 must hold tokens (str), got dtype float64: sequences before it hold tokens"),
        ([[1, 2], ["a", "b"]], "sequence 1 must hold real numbers, got dtype <U1: sequences before it hold real"),
        ([["a", "b"], []], "sequence 1 has no time step"),
        ([[], ["a", "b"]], "sequence 0 has no time step"),
        ([[["a", "b"]], []], "sequence 1 has no time step"),
        ([["a", "b"], "c"], "sequence 1 is of type str; a sequence is an array"),
        ([["a", "b"], "c"], "Split texts into characters or words"),
        ([["a", "b"], None], "sequence 1 is None"),
        ([["a"], [["b"]]], "sequence 1 has shape (1, 1), sequence 0 has shape (1,)"),
        ([["a", "b"], np.ma.masked_equal(["a", "b"], "a")], "sequence 1 is a masked array"),
    ],
)
@pytest.mark.parametrize("convert", [list, objects, pd.Series])
def test_bad_tokens(items, message, convert):
    with pytest.raises(ValueError, match=re.escape(message)):
        as_sequence_array(convert(items))


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ([[1.0, 2.0], [1.0] * 4, [3.0]], "column 'text' holds tokens (str), column 'other' numbers"),
        ([1, 2, 3], "column 'text' holds tokens (str), column 'other' numbers"),
        (["a", "b", "c"], "column 'other': sequence 0 has a str, a static covariate must be a number"),
        ([["a", "b"], ["c"], ["d"]], "sequence 1 has 4 steps in column 'text' and 1 in column 'other'"),
    ],
)
def test_bad_columns_beside_tokens(column, name):
    with pytest.raises(ValueError, match=re.escape(name)):
        as_sequence_array(pd.DataFrame({"text": WORDS, "other": column}))


def test_tokens_need_to_be_encoded(X):
    with pytest.raises(ValueError, match=r"Z holds tokens \(str\), numbers are needed: .* TokenEncoder"):
        check_sequences(X, np.float32, name="Z")


# -- the container -----------------------------------------------------------------------------


def test_repr(X):
    assert repr(X) == "SequenceArray(3 sequences, 1 to 4 steps, 1 channel, str)"
    assert repr(np.asarray(X)[0, 0]) == "Sequence(2 steps, 1 channel)"


@pytest.mark.parametrize("dtype", ["U", object, ">U4", np.dtypes.StringDType()])
def test_constructor(dtype):
    values = np.array(["a", "bc", "def"], dtype=dtype)
    assert_tokens(SequenceArray(values, [0, 1, 3]), [["a"], ["bc", "def"]])


def test_tokens_are_not_copied():
    values = np.array([["a"], ["b"]])
    assert SequenceArray(values, [0, 2]).values is values


def test_copies(X):
    for other in (X.copy(), copy.deepcopy(X), pickle.loads(pickle.dumps(X))):
        assert other == X
        assert not np.shares_memory(other.values, X.values)


def test_equality(X):
    assert (SequenceArray.from_list(WORDS) == X) is True
    assert (X[::-1] == X) is False
    numbers = SequenceArray(np.zeros(7), X.offsets)
    assert (numbers == X) is False
    assert (numbers == X) is False
    wider = SequenceArray(X.values.astype("U9"), X.offsets)
    assert wider == X


def test_cells(X):
    cells = np.asarray(X)
    assert cells.shape == (3, 1)
    assert as_sequence_array(cells) == X
    assert as_sequence_array(check_array(X, dtype="numeric")) == X
    assert cells[0, 0] == Sequence(["the", "cat"])
    assert cells[0, 0] != Sequence([1, 2])
    assert len({cells[0, 0], Sequence(["the", "cat"])}) == 1
    assert not np.not_equal(cells, cells).any()


def test_padding_of_tokens(X):
    assert X.to_padded()[0, :, 0].tolist() == ["the", "cat", "", ""]
    assert X.to_padded(fill_value="<nothing>")[2, :, 0].tolist() == ["it", *["<nothing>"] * 3]
    with pytest.raises(ValueError, match="fill_value must be a str, as the tokens are, got nan"):
        X.to_padded(fill_value=np.nan)


def test_an_empty_list_has_no_kind():
    nothing = np.array([], dtype="U1")
    assert SequenceArray.from_list([nothing, [1.5, 2]]) == SequenceArray([1.5, 2], [0, 0, 2])
    assert SequenceArray.from_list([[], ["ab"]]) == SequenceArray(["ab"], [0, 0, 1])
    assert_array_equal(SequenceArray.from_list([nothing, []]).lengths, [0, 0])


def test_concatenate(X):
    long = SequenceArray.from_list([["internationalisation"]])
    assert_tokens(SequenceArray.concatenate([X, long]), [*WORDS, ["internationalisation"]])
    with pytest.raises(ValueError, match=r"item 1 and item 0 differ: one holds tokens \(str\)"):
        SequenceArray.concatenate([X, SequenceArray.from_list([[1.0]])])


def test_train_test_split_keeps_tokens(X):
    train, test, y_train, y_test = train_test_split(X, np.arange(3), random_state=0)
    assert train == X[y_train]
    assert test == X[y_test]


@quick
@given(st.lists(st.lists(texts, min_size=1, max_size=5), min_size=1, max_size=6), st.data())
def test_round_trips_property(items, data):
    X = as_sequence_array(items)
    assert_tokens(X, items)
    assert SequenceArray.from_list(X.to_list()) == X
    assert SequenceArray.concatenate([X[:1], X[1:]]) == X
    index = data.draw(st.lists(st.integers(-len(items), len(items) - 1), max_size=8))
    assert_array_equal(X[np.array(index, dtype=int)].lengths, [len(items[i]) for i in index])
    assert [steps[:, 0].tolist() for steps in X[np.array(index, dtype=int)]] == [items[i] for i in index]
