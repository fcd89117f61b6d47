"""``TokenEncoder`` and the vocabulary, against counting by hand."""

import pickle
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from ragged import assert_same, quick
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from skrnn import SequenceArray
from skrnn.preprocessing import PerStep, TokenEncoder
from skrnn.sequences import as_sequence_array
from skrnn.sequences._vocabulary import encode_tokens, learn_vocabulary

texts = st.lists(st.lists(st.sampled_from(["a", "b", "bb", "ä", "Z", "", " "]), min_size=1, max_size=6), min_size=1)
TEXT = [list("hello"), list("hold"), list("old")]


def slow_vocabulary(items, min_count):
    tokens = [token for item in items for token in item]
    known = [token for token in set(tokens) if tokens.count(token) >= min_count]
    ordered = sorted(sorted(known), key=tokens.count, reverse=True)
    return {token: i + 1 for i, token in enumerate(ordered)}


@quick
@given(items=texts, min_count=st.integers(1, 3))
def test_vocabulary_and_codes(items, min_count):
    expected = slow_vocabulary(items, min_count)
    encoder = TokenEncoder(min_count)
    if not expected:
        with pytest.raises(ValueError, match=f"no token appears min_count={min_count} times.* Lower min_count"):
            encoder.fit(items)
        return
    assert list(encoder.fit(items).vocabulary_.items()) == list(expected.items())
    assert encoder.n_entries_ == len(expected) + 1
    codes = [[expected.get(token, 0) for token in item] for item in items]
    assert_same(encoder.transform(items), codes)
    assert_same(encoder.fit_transform(items), codes)
    decoded = [[token if token in expected else "<unknown>" for token in item] for item in items]
    assert_same(encoder.inverse_transform(encoder.transform(items)), decoded)


def test_the_order_of_the_sequences_does_not_matter():
    assert TokenEncoder().fit(TEXT).vocabulary_ == TokenEncoder().fit(TEXT[::-1]).vocabulary_
    assert list(TokenEncoder().fit(TEXT).vocabulary_) == list("lodhe")  # 4 l, 3 o, 2 d, 2 h, 1 e


@pytest.mark.parametrize(
    "form",
    [
        TEXT,
        tuple(TEXT),
        [tuple(item) for item in TEXT],
        [np.array(item) for item in TEXT],
        [np.array(item, dtype=object) for item in TEXT],
        SequenceArray.from_list(TEXT),
        pd.Series(TEXT),
        pd.DataFrame({"text": TEXT}),
    ],
    ids=["lists", "tuple", "tuples", "arrays", "objects", "SequenceArray", "Series", "frame"],
)
def test_forms_of_tokens(form):
    encoder = TokenEncoder().fit(form)
    assert encoder.n_features_in_ == 1
    assert encoder.transform(form) == TokenEncoder().fit_transform(TEXT)
    assert encoder.transform(form).values.dtype == np.float64


def test_unknown_tokens():
    encoder = TokenEncoder(unknown="?").fit(TEXT)
    codes = encoder.transform([list("hexl")])
    assert codes[0][2] == 0
    assert "".join(encoder.inverse_transform(codes)[0][:, 0]) == "he?l"


def test_longer_tokens_than_those_known():
    assert_array_equal(TokenEncoder().fit([["a", "b"]]).transform([["abc", "a"]])[0], [[0], [1]])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([["a", "b"], ["a", 1]], "sequence 1, step 1 holds 1 of type int"),
        ([["a"], ["a", None]], "sequence 1, step 1 holds None"),
        ([["a"], "abc"], r"sequence 1 is of type str.*text.split\(\)"),
        (["abc", "d"], r"X holds texts, the first is 'abc'.*text.split\(\)"),
        (pd.Series(["abc", "d"]), r"X holds texts, the first is 'abc'"),
        ([["a"], []], "sequence 1 has no time step"),
        ([[1, 2], [3]], "X must hold sequences of tokens .* but holds numbers"),
        (np.ones((3, 2)), "X must hold sequences of tokens .* but holds tables"),
        ([[["a", "b"]], [["c", "d"]]], "have 2 channels, but TokenEncoder accepts one"),
        ([], "0 sample"),
    ],
)
def test_what_is_no_sequence_of_tokens(items, message):
    with pytest.raises(ValueError, match=message):
        TokenEncoder().fit(items)
    with pytest.raises(ValueError, match=message):
        TokenEncoder().fit(TEXT).transform(items)


def test_a_vocabulary_of_nothing():
    with pytest.raises(ValueError, match="no token appears min_count=5 times: the most frequent, 'l', appears 4 times"):
        TokenEncoder(min_count=5).fit(TEXT)


def test_what_was_fitted_stays_if_a_fit_fails():
    encoder = TokenEncoder(min_count=2).fit(pd.DataFrame({"text": TEXT}))
    with pytest.raises(ValueError, match="min_count=2"):
        encoder.fit([["a"]])
    assert encoder.feature_names_in_.tolist() == ["text"]
    assert encoder.n_entries_ == 5


def test_the_unknown_must_be_told_from_the_known():
    text = [list("abba"), list("ac")]
    with pytest.raises(ValueError, match="unknown='a' is one of the tokens"):
        TokenEncoder(unknown="a").fit(text)
    encoder = TokenEncoder(min_count=2, unknown="c").fit(text)  # too rare to be known
    assert encoder.inverse_transform(encoder.transform(text)) == SequenceArray.from_list(text)
    fitted = encoder.set_params(min_count=1)
    with pytest.raises(ValueError, match="unknown='c' is one of the tokens"):
        fitted.fit_transform(text)
    assert fitted.vocabulary_ == {"a": 1, "b": 2}


def test_names_of_columns_that_are_missing_later():
    encoder = TokenEncoder().fit(pd.DataFrame({"text": TEXT}))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but TokenEncoder was fitted with"):
        encoder.transform(TEXT)


@pytest.mark.parametrize("arguments", [{"min_count": 0}, {"min_count": 1.5}, {"unknown": None}])
def test_bad_parameters(arguments):
    with pytest.raises(ValueError, match=f"'{next(iter(arguments))}' parameter of TokenEncoder"):
        TokenEncoder(**arguments).fit(TEXT)


@pytest.mark.parametrize("code", [-1.0, 6.0, 0.5, np.nan, np.inf])
def test_what_is_no_code(code):
    with pytest.raises(ValueError, match=f"sequence 1, step 2 holds {code:g}: codes are integers from 0 to 5"):
        TokenEncoder().fit(TEXT).inverse_transform([[1.0], [1.0, 2.0, code]])


def test_codes_of_other_forms():
    encoder = TokenEncoder().fit(TEXT)
    assert encoder.inverse_transform(np.ones((2, 3))).lengths.tolist() == [3, 3]
    with pytest.raises(ValueError, match="X holds tokens"):
        encoder.inverse_transform(TEXT)
    with pytest.raises(ValueError, match="have 2 channels"):
        encoder.inverse_transform(np.ones((2, 3, 2)))


def test_as_others_of_scikit_learn():
    encoder = TokenEncoder(2).fit(TEXT)
    assert clone(encoder).get_params() == {"min_count": 2, "unknown": "<unknown>"}
    assert pickle.loads(pickle.dumps(encoder)).transform(TEXT) == encoder.transform(TEXT)
    one_hot = make_pipeline(TokenEncoder(2), PerStep(OneHotEncoder())).set_output(transform="pandas")
    assert one_hot.fit_transform(TEXT).n_channels == encoder.n_entries_
    with pytest.raises(ValueError, match="not fitted"):
        TokenEncoder().transform(TEXT)


def test_in_columns():
    frame = pd.DataFrame({"text": TEXT, "upper": [[c.upper() for c in text] for text in TEXT], "year": [1, 2, 3]})
    columns = make_column_transformer(
        (TokenEncoder(), ["text"]),
        (TokenEncoder(), ["upper"]),
        ("passthrough", ["year"]),
        verbose_feature_names_out=False,
    )
    got = as_sequence_array(columns.fit_transform(frame))
    codes = TokenEncoder().fit_transform(TEXT).values
    assert_array_equal(got.values, np.hstack([codes, codes, np.repeat([1, 2, 3], got.lengths)[:, np.newaxis]]))
    assert columns.get_feature_names_out().tolist() == ["text", "upper", "year"]
    with pytest.raises(ValueError, match="feature names should match"):
        TokenEncoder().fit(frame[["text"]]).transform(frame[["upper"]])


def test_the_functions_that_estimators_share():
    tokens = np.random.default_rng(0).choice(list(string.ascii_lowercase), 1000)
    vocabulary = learn_vocabulary(tokens, 30)
    assert vocabulary == slow_vocabulary([tokens.tolist()], 30)
    codes = encode_tokens(tokens, vocabulary)
    assert codes.dtype == np.int64
    assert_array_equal(codes, [vocabulary.get(token, 0) for token in tokens])
    with pytest.raises(ValueError, match="there is none"):
        learn_vocabulary(tokens[:0], 1)
