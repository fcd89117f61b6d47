"""Parts of tokens through the estimators: prediction, streams, attributions, going on, exports, outputs of tokens."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skrnn import (
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceGenerator,
    SequenceTransformer,
)
from skrnn.export import to_c, to_onnx
from skrnn.inspection import attribute

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ENDINGS = ["ing", "ed", "ly"]
QUICK = {"hidden_layer_sizes": 6, "max_iter": 2, "random_state": 0}


def made_up_words(n, seed):
    """Sequences of words that hardly repeat, and the number of the ending of the word in capitals."""
    rng = np.random.default_rng(seed)
    X, y = [], rng.integers(0, 3, n)
    for label in y:
        words = ["".join(rng.choice(list("bcfgkmnprt"), 5)) for _ in range(rng.integers(2, 5))]
        ends = rng.integers(0, 3, len(words))
        ends[0], words[0] = label, words[0].upper()
        order = rng.permutation(len(words))
        X.append([words[k] + ENDINGS[ends[k]] for k in order])
    return X, y


X, Y = made_up_words(40, 0)


def test_words_that_were_never_seen_are_read_by_their_parts():
    (X, y), (X_test, y_test) = made_up_words(200, 1), made_up_words(100, 2)
    clf = RNNClassifier(16, max_iter=15, subwords=True, random_state=0)
    assert clf.fit(X, y).score(X_test, y_test) > 0.9
    assert clone(clf).set_params(subwords=False).fit(X, y).score(X_test, y_test) < 0.5


@pytest.mark.parametrize("options", [{}, {"cell": "lstm", "pooling": "attention", "n_networks": 2}], ids=str)
def test_streams_have_the_bits_of_predictions(options):
    clf = RNNClassifier(**QUICK, subwords=True, bidirectional=False, **options).fit(X, Y)
    for words in [["neverseening", *X[0], "", "Xly"], X[1]]:
        stream = clf.stream()
        for n, word in enumerate(words, start=1):
            assert_array_equal(stream.step_proba(word), clf.predict_proba([words[:n]])[0])


def test_the_share_of_a_word_is_that_of_all_its_vectors():
    clf = RNNClassifier(**QUICK, subwords=True, dtype="float64", bidirectional=False).fit(X, Y > 0)
    tables = [weight for name, weight in clf.weights_.items() if name.startswith("embedding.")]
    assert len(tables) == 5
    result = attribute(clf, X, target=1)
    assert [len(of_words) for of_words in result.attributions] == [len(words) for words in X]
    assert np.abs(result.error).max() < 1e-6
    occluded = attribute(clf, [["bcfgking"]], target=1, method="occlusion").attributions[0][0, 0]
    log_p = [clf.predict_log_proba([["bcfgking"]])[0]]
    for table in tables:
        table[...] = 0
    log_p.append(clf.predict_log_proba([["bcfgking"]])[0])
    with_it, without = (of[1] - of[0] for of in log_p)
    assert_allclose(occluded, with_it - without, rtol=1e-9)
    assert abs(occluded) > 1e-6


def test_partial_fit_keeps_the_parts_of_its_first_call():
    clf = RNNClassifier(**QUICK, subwords=True).partial_fit(X, Y, classes=[0, 1, 2])
    known = clf.inputs_.subwords
    clf.partial_fit([["newwordest", "oldwordest"]] * 3, [0, 1, 2])
    assert clf.inputs_.subwords == known
    assert "est" not in known[0]["suffix3"]


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (RNNClassifier, [[word[0].isupper() for word in words] for words in X]),
        (RNNRegressor, np.arange(40.0)),
        (SequenceTransformer, None),
        (Seq2SeqClassifier, [["a", "b"]] * 40),
        (Seq2SeqRegressor, [np.zeros((2, 1))] * 40),
        (CTCClassifier, [["a"]] * 40),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_all_estimators_that_read_tokens(estimator, y):
    model = estimator(**QUICK, subwords=True).fit(X, y)
    assert len(model.structure_.embeddings) == 5
    method = model.transform if estimator is SequenceTransformer else model.predict
    assert len(method([["unheard", "WORDS"]])) == 1
    assert estimator(**QUICK).fit(X, y).inputs_.subwords is None  # these are not enough to be words
    with pytest.raises(ValueError, match="subwords=True reads parts of words: X must hold tokens"):
        estimator(**QUICK, subwords=True).fit([np.zeros((len(words), 2)) for words in X], y)


def test_what_puts_out_the_tokens_that_it_reads_has_no_parts():
    assert "subwords" not in SequenceGenerator().get_params()
    model = SequenceTransformer(**QUICK, objective="forecast", subwords=True, min_count=1).fit(X)
    assert model.weights_["readout.W"].shape[1] == len(model.vocabulary_) + 1  # and all unknown tokens together


def test_exports_refuse_parts_by_name(tmp_path):
    clf = RNNClassifier(**QUICK, subwords=True, bidirectional=False).fit(X, Y)
    for export in (lambda: to_onnx(clf), lambda: to_onnx(clf, step=True), lambda: to_c(clf, tmp_path / "words.c")):
        with pytest.raises(ValueError, match="fit with subwords=False"):
            export()
