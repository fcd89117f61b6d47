"""Parts of tokens: against loops over all tokens and texts, as columns of an encoder, and in files."""

import numpy as np
import pytest
from encoders import fit_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skrnn.network.encoding import InputEncoder
from skrnn.network.vocabularies import MANY_WORDS, are_words, min_count_of
from skrnn.sequences import SequenceArray
from skrnn.sequences._subwords import encode_subwords, learn_subwords, shape_of
from skrnn.sequences._vocabulary import NOTHING

LETTERS = st.text(alphabet="abAB1-é", min_size=0, max_size=6)


@pytest.mark.parametrize(
    ("token", "shape"),
    [
        *(("Paris", "Xx"), ("3.14", "d.d"), ("well-known", "x-x"), ("USA", "X"), ("iPhone4", "xXxd"), ("", "")),
        *(("...", "."), ("Élan", "Xx"), ("日本", "x"), ("٣٤", "d"), ("a b", "x x")),
    ],
)
def test_shapes(token, shape):
    assert shape_of(token) == shape


def slow_parts(token):
    shape = ""
    for character in token:
        kind = "d" if character.isdigit() else "X" if character.isupper() else "x" if character.isalpha() else character
        if not shape.endswith(kind):
            shape += kind
    first, last = token[: min(3, len(token))], [token[max(0, len(token) - n) :] for n in (2, 3)]
    return {"prefix3": first, "suffix2": last[0], "suffix3": last[1], "shape": shape}


@given(st.lists(LETTERS, min_size=1, max_size=20, unique=True), st.lists(LETTERS, max_size=9))
@settings(max_examples=50, deadline=None, database=None)
def test_codes_equal_a_slow_loop(known, asked):
    subwords = learn_subwords(known)
    codes = encode_subwords(np.array(asked, dtype="U9"), subwords)
    assert codes.shape == (len(asked), 4)
    for part, found in zip(("prefix3", "suffix2", "suffix3", "shape"), codes.T, strict=True):
        texts = [slow_parts(token)[part] for token in known]
        shared = sorted({text for text in texts if texts.count(text) > 1}, key=lambda text: (-texts.count(text), text))
        assert subwords[part] == {text: code for code, text in enumerate(shared, start=1)}
        assert [subwords[part].get(slow_parts(token)[part], 0) for token in asked] == found.tolist()


def test_where_there_is_no_token_there_are_no_parts():
    known = ["\0a", "\0b", NOTHING]
    subwords = learn_subwords(known)
    assert subwords["shape"] == {"\0x": 1}
    assert_array_equal(encode_subwords(np.array([NOTHING, "\0c"]), subwords), [[0, 0, 0, 0], [0, 0, 0, 1]])


# ------------------------------------------------------------------------------------------------------------- columns
X = SequenceArray.from_list([["walking", "talking", "Rome"], ["walked", "Bonn"], ["Rome", "walking"]])
PAIRS = SequenceArray.from_list([[["walking", "x"], ["talking", "y"]], [["Rome", "x"], ["Bonn", "z"]]])


def test_columns_are_the_token_and_its_parts():
    inputs = fit_inputs(X, np.ones(3), categorical=[0], subwords=True, min_count=2)
    assert inputs.categories == {0: {"Rome": 1, "walking": 2}}
    assert inputs.n_columns == 5
    assert inputs.channels_of_codes == [0] * 5
    encoded = inputs.encode(SequenceArray.from_list([["balking", "Rome"]]), np.float32)
    known = inputs.subwords[0]
    assert known["suffix3"] == {"ing": 1}
    assert encoded[0].tolist() == [0, 0, known["suffix2"]["ng"], known["suffix3"]["ing"], known["shape"]["x"]]
    assert encoded[1].tolist() == [1, 0, 0, 0, known["shape"]["Xx"]]


def test_each_channel_of_tokens_has_parts_of_its_own():
    inputs = fit_inputs(PAIRS, np.ones(2), categorical=[0, 1], subwords=True, min_count=1)
    assert inputs.channels_of_codes == [0] * 5 + [1] * 5
    assert inputs.subwords[0]["suffix3"] == {"ing": 1}
    assert inputs.subwords[1]["suffix3"] == {}  # no two tokens of this channel end alike
    assert inputs.subwords[1]["shape"] == {"x": 1}
    encoded = inputs.encode(PAIRS, np.float32)
    assert encoded.shape == (4, 10)
    for column, (number, n_codes, _) in enumerate(inputs.embeddings("auto")):
        assert number == column
        assert encoded[:, column].max() < n_codes


def test_vectors_of_parts_are_short():
    inputs = fit_inputs(X, np.ones(3), categorical=[0], subwords=True)
    assert [n_dims for *_, n_dims in inputs.embeddings(40)] == [40, 16, 16, 16, 16]
    assert [n_dims for *_, n_dims in inputs.embeddings(5)] == [5] * 5


def test_parts_are_those_of_sequences_that_count():
    inputs = fit_inputs(X, np.array([0.0, 1, 1]), categorical=[0], subwords=True, min_count=1)
    assert inputs.subwords[0]["suffix3"] == {}
    assert inputs.subwords[0]["prefix3"] == {"wal": 1}


def test_what_auto_means():
    long, short = ({f"{k:0{n}d}": 2 for k in range(MANY_WORDS)} for n in (4, 3))
    assert are_words(long, 2)
    assert not are_words(long, 3)
    assert not are_words(dict(list(long.items())[1:]), 2)
    assert not are_words(short | {"long": 2}, 2)
    assert [min_count_of(n, parts) for n in ("auto", 3) for parts in (False, True)] == [1, 2, 3, 3]
    few = fit_inputs(X, np.ones(3), categorical=[0], subwords="auto", min_count="auto")
    assert few.subwords is None
    assert len(few.categories[0]) == 5
    words = SequenceArray.from_list([[f"word{k}" for k in range(MANY_WORDS)]] * 2 + [["rare"]])
    many = fit_inputs(words, np.ones(3), categorical=[0], subwords="auto", min_count="auto")
    assert many.subwords is not None
    assert len(many.categories[0]) == MANY_WORDS
    numbers = SequenceArray.from_list([np.zeros((2, 1))])
    assert fit_inputs(numbers, np.ones(1), subwords="auto").subwords is None
    with pytest.raises(ValueError, match="subwords=True reads parts of words: X must hold tokens"):
        fit_inputs(numbers, np.ones(1), subwords=True)


# --------------------------------------------------------------------------------------------------------------- files
def test_inputs_of_files():
    inputs = fit_inputs(X, np.ones(3), categorical=[0], subwords=True)
    plain = inputs.to_plain()
    assert_array_equal(InputEncoder.from_plain(plain).encode(X, np.float32), inputs.encode(X, np.float32))
    one = inputs.subwords[0]
    wrong = [{}, {1: one}, {0: {"suffix9": {}}}, {0: [one]}, {0: {"shape": {"x": 2}}}, {0: {"shape": [1]}}, [one]]
    for subwords in wrong:
        with pytest.raises(ValueError, match=r"subwords of other|parts of tokens are|codes are not"):
            InputEncoder.from_plain(plain | {"subwords": subwords})
    del plain["subwords"]
    assert InputEncoder.from_plain(plain).subwords is None
    codes = fit_inputs(SequenceArray.from_list([np.zeros((2, 1))]), np.ones(1), categorical=[0]).to_plain()
    with pytest.raises(ValueError, match="subwords of other channels"):
        InputEncoder.from_plain(codes | {"subwords": {0: one}})
