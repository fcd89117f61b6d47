"""`SequenceGenerator` as a density, against forward passes written out in NumPy, and sums over all short sequences."""

import itertools

import numpy as np
import pytest
from reference_network import lstm
from scipy.special import expit, log_expit, log_softmax
from scipy.stats import norm

from skrnn import SequenceGenerator
from skrnn.sequences import SequenceArray

SMALL = {"hidden_layer_sizes": 6, "max_iter": 20, "dropout": 0.0, "learning_rate_init": 0.05, "dtype": "float64"}
WORDS = [list(word) for word in ("ab", "abb", "b", "a", "ba", "abab", "bb", "aab")] * 3


@pytest.fixture(scope="module")
def of_words():
    return SequenceGenerator(**SMALL, random_state=0).fit(WORDS)


@pytest.fixture(scope="module")
def notes():
    rng = np.random.default_rng(0)
    rolls = [(rng.random((n, 4)) < 0.4).astype(float) for n in rng.integers(3, 8, 20)]
    for roll in rolls:
        roll[:, 2] = roll[:, 0]  # a note that depends on a lower one
    return rolls


@pytest.fixture(scope="module")
def numbers():
    rng = np.random.default_rng(1)
    return [50 + 3 * np.cumsum(rng.normal(size=(n, 2)), axis=0) for n in rng.integers(4, 9, 20)]


def raw_by_hand(weights, rows):
    """Raw predictions of one sequence whose read rows are given, by loops over steps."""
    h = c = np.zeros(len(weights["layers.0.forward.W_h"]))
    raw = []
    for row in rows:
        h, c = lstm(row, h, c, *(weights[f"layers.0.forward.{name}"] for name in ("W_x", "W_h", "b")))
        raw.append(h @ weights["readout.W"] + weights["readout.b"])
    return np.array(raw)


# ------------------------------------------------------------------------------------------------------ by hand
def test_tokens_have_the_likelihood_of_a_forward_pass_by_hand(of_words):
    weights, code = of_words.weights_, of_words.vocabulary_
    expected = []
    for word in ("ab", "bba"):
        codes = [code[letter] for letter in word]
        raw = raw_by_hand(weights, weights["embedding.0"][[0, *codes]])  # 0: the start
        raw[0, -1] = -np.inf  # no sequence is empty
        log_p = log_softmax(raw, axis=1)
        classes = [k - 1 for k in codes] + [len(code)]  # the last class is the end
        expected.append(log_p[np.arange(len(classes)), classes].sum())
    np.testing.assert_allclose(of_words.score_samples([list("ab"), list("bba")]), expected, rtol=1e-9)


def test_notes_have_the_likelihood_of_a_forward_pass_by_hand(notes):
    for kind in ("independent", "dependent"):
        gen = SequenceGenerator(**SMALL, notes=kind, random_state=0).fit(notes)
        expected = []
        for roll in notes[:3]:
            raw = raw_by_hand(gen.weights_, np.vstack([np.zeros(4), roll[:-1]]))
            for j in range(4) if kind == "dependent" else ():
                before = sum((roll[:, i : i + 1] * gen.weights_["coupling.W"][i] for i in range(j)), start=raw[:, 4:])
                raw[:, j] += expit(before) @ gen.weights_["coupling.V"][j]
            raw = raw[:, :4]
            expected.append(np.where(roll == 1, log_expit(raw), log_expit(-raw)).sum())
        np.testing.assert_allclose(gen.score_samples(notes[:3]), expected, rtol=1e-9)


def test_numbers_have_the_density_of_a_forward_pass_by_hand(numbers):
    gen = SequenceGenerator(**SMALL, n_components=3, random_state=0).fit(numbers)
    mean, scale, expected = gen.target_mean_, gen.target_scale_, []
    for x in numbers[:3]:
        read = (x - gen.input_mean_) / gen.input_scale_
        total = 0.0
        for step, raw in zip(x, raw_by_hand(gen.weights_, np.vstack([np.zeros(2), read[:-1]])), strict=True):
            shares, means = np.exp(log_softmax(raw[:3])), raw[3:9].reshape(3, 2) * scale + mean
            scales = (1e-3 + np.log1p(np.exp(raw[9:].reshape(3, 2)))) * scale
            total += np.log((shares * norm.pdf(step, means, scales).prod(axis=1)).sum())
        expected.append(total)
    np.testing.assert_allclose(gen.score_samples(numbers[:3]), expected, rtol=1e-9)


# -------------------------------------------------------------------------------------------------- probabilities
def test_probabilities_of_all_short_sequences_sum_to_one(of_words):
    """Those of up to 4 tokens, and for longer ones what their beginnings leave: the sum of p(first 5 tokens)."""
    short = [list(word) for n in range(1, 5) for word in itertools.product("ab", repeat=n)]
    beginnings = [list(word) for word in itertools.product("ab", repeat=5)]
    ended = np.exp(of_words.score_samples(short)).sum()
    log_p, offsets = of_words._log_likelihood(beginnings)
    going_on = np.exp(np.add.reduceat(np.delete(log_p, offsets[1:] - 1), np.arange(0, 5 * len(beginnings), 5))).sum()
    assert 0 < going_on < 0.9
    assert ended + going_on == pytest.approx(1, abs=1e-12)


def test_probabilities_of_all_notes_of_a_step_sum_to_one(notes):
    rolls = [[list(map(float, roll))] for roll in itertools.product((0, 1), repeat=4)]
    for kind in ("independent", "dependent"):
        gen = SequenceGenerator(**SMALL, notes=kind, random_state=0).fit(notes)
        assert np.exp(gen.score_samples(rolls)).sum() == pytest.approx(1, abs=1e-12)


def test_a_density_of_numbers_integrates_to_one():
    X = np.random.default_rng(0).normal(10, 3, size=(40, 2, 1))
    gen = SequenceGenerator(**SMALL, n_components=2, random_state=0).fit(X)
    grid = np.linspace(-40, 60, 4001)
    assert np.exp(gen.score_samples(grid.reshape(-1, 1, 1))).sum() * (grid[1] - grid[0]) == pytest.approx(1, abs=1e-6)


def test_dependent_notes_learn_what_independent_ones_cannot(notes):
    scores = {
        kind: SequenceGenerator(**SMALL | {"max_iter": 60}, notes=kind, random_state=0).fit(notes).score(notes)
        for kind in ("independent", "dependent")
    }
    assert scores["dependent"] > scores["independent"] + 0.3


# ------------------------------------------------------------------------------------------------------- what means
def test_score_is_the_mean_over_all_steps_and_ends(of_words):
    X = [list("a"), list("abab")]
    assert of_words.score(X) == pytest.approx(of_words.score_samples(X).sum() / (2 + 5), rel=1e-12)
    assert of_words.perplexity(X) == pytest.approx(np.exp(-of_words.score(X)), rel=1e-12)


def test_training_minimises_minus_the_score(notes, numbers):
    """The loss of the last epoch is that of weights on their way; with one batch and no rate left they stand still."""
    still = SMALL | {"learning_rate_init": 1e-12, "max_iter": 1}
    for X in ([list("abbab" * 9)], notes, numbers):
        gen = SequenceGenerator(**still, batch_size=100, random_state=0).fit(X)
        log_scale = np.log(gen.target_scale_).sum() if gen.content_ == "numbers" else 0.0
        assert gen.loss_ == pytest.approx(-gen.score(X) - log_scale, rel=1e-6)


def test_a_single_sequence_has_no_end():
    gen = SequenceGenerator(**SMALL, random_state=0).fit([list("abcabcabc")])
    assert not gen.has_end_
    assert gen.n_outputs_ == 3
    pair = gen.score_samples([list("ab"), list("abc")])
    assert pair[0] > pair[1]  # one step more, and nothing that ends
    assert np.exp(gen.score_samples([["a"], ["b"], ["c"]])).sum() == pytest.approx(1, abs=1e-12)


def test_rare_tokens_share_a_probability():
    X = [list("aab"), list("aba"), list("abx"), list("yab")]
    gen = SequenceGenerator(**SMALL, min_count=2, random_state=0).fit(X)
    assert set(gen.vocabulary_) == {"a", "b"}
    same = gen.score_samples([list("ax"), list("ay"), list("az")])
    assert same[0] == same[1] == same[2]
    assert "x" not in {token for sample in gen.sample(50, random_state=0) for token in sample}


def test_sequences_are_scored_alone_and_together_alike(of_words, notes):
    dependent = SequenceGenerator(**SMALL, notes="dependent", random_state=0).fit(notes)
    for gen, X in ((of_words, WORDS), (dependent, notes)):
        together = gen.score_samples(X)
        alone = np.array([gen.score_samples([x])[0] for x in X])
        np.testing.assert_array_equal(together, alone)
        np.testing.assert_array_equal(together, gen.set_params(n_jobs=2).score_samples(X))
        gen.set_params(n_jobs=None)


def test_long_sequences_are_scored_in_pieces_with_their_states(of_words, monkeypatch):
    from skrnn.estimators import _likelihood

    X = [list("ab" * 40), list("b"), list("aab" * 30)]
    whole = of_words.score_samples(X)
    monkeypatch.setattr(_likelihood, "NUMBERS_TOGETHER", 30)
    np.testing.assert_allclose(of_words.score_samples(X), whole, rtol=1e-12)


def test_hidden_states_have_read_their_step(of_words):
    states = of_words.hidden_states([list("abb")])
    assert [len(each) for each in states] == [3]
    raw = states[0] @ of_words.weights_["readout.W"] + of_words.weights_["readout.b"]
    read = of_words.weights_["embedding.0"][[0, *map(of_words.vocabulary_.get, "abb")]]
    by_hand = raw_by_hand(of_words.weights_, read)
    np.testing.assert_allclose(raw, by_hand[1:], rtol=1e-9)


# ------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("X", "parameters", "message"),
    [
        (["some text"], {}, r"list\(text\)"),
        ([[["a", "b"], ["b", "a"]]], {}, "Each step of X has 2 tokens"),
        ([list("ab"), list("ba")], {"notes": "dependent"}, "0-1 notes, but X holds tokens"),
        ([[[0.5], [1.0]], [[0.0]]], {"notes": "dependent"}, "0-1 notes, but X holds numbers"),
        ([[[0.5], [np.nan]], [[0.0], [1.0]]], {}, "sequence 0, step 1"),
        ([["a", "b"], ["a", "\0\2"]], {}, "sequence 1, step 1 is .* the end"),
    ],
)
def test_what_cannot_be_fitted(X, parameters, message):
    with pytest.raises(ValueError, match=message):
        SequenceGenerator(**SMALL, **parameters).fit(X)


def test_what_has_no_likelihood(of_words, notes):
    with pytest.raises(ValueError, match="sequence 1, step 2 is the token 'x'"):
        of_words.score_samples([list("ab"), list("abx")])
    with pytest.raises(ValueError, match="holds numbers"):
        of_words.score_samples([[[1.0]]])
    gen = SequenceGenerator(**SMALL, random_state=0).fit(notes)
    with pytest.raises(ValueError, match=r"sequence 0, step 1, channel 3 has 2\.0"):
        gen.score([[[0, 0, 0, 0], [0, 0, 0, 2.0]]])


def test_a_container_is_as_good_as_a_list(of_words):
    X = SequenceArray.from_list(WORDS)
    np.testing.assert_array_equal(of_words.score_samples(X), of_words.score_samples(WORDS))
