"""Samples of `SequenceGenerator`: frequencies, what is drawn for what seed, prompts, and arguments that are refused."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chisquare, kstest

from skrnn import SequenceGenerator
from skrnn.estimators._choices import TokenChoice, draw_index
from skrnn.estimators._sampling import uniforms
from skrnn.estimators.tasks._generation import NextToken
from skrnn.sequences import SequenceArray

SMALL = {"hidden_layer_sizes": 6, "max_iter": 20, "dropout": 0.0, "learning_rate_init": 0.05, "random_state": 0}
WORDS = [list(word) for word in ("ab", "abb", "b", "a", "ba", "abab", "bb", "aab")] * 3


@pytest.fixture(scope="module")
def of_words():
    return SequenceGenerator(**SMALL).fit(WORDS)


@pytest.fixture(scope="module")
def of_notes():
    rng = np.random.default_rng(0)
    rolls = [(rng.random((n, 3)) < 0.4).astype(float) for n in rng.integers(3, 8, 20)]
    for roll in rolls:
        roll[:, 2] = roll[:, 0]
    return SequenceGenerator(**SMALL | {"max_iter": 60}, notes="dependent").fit(rolls)


@pytest.fixture(scope="module")
def of_numbers():
    rng = np.random.default_rng(1)
    X = [50 + 3 * rng.normal(size=(n, 2)) for n in rng.integers(4, 9, 20)]
    return SequenceGenerator(**SMALL, n_components=2).fit(X)


def values_of(samples):
    return [np.asarray(each).tolist() for each in samples]


# ---------------------------------------------------------------------------------------------------- frequencies
def test_tokens_come_as_often_as_they_are_likely(of_words):
    samples = ["".join(sample) for sample in of_words.sample(4000, random_state=1)]
    common = sorted({sample for sample in samples if samples.count(sample) >= 40})
    p = np.exp(of_words.score_samples([list(sample) for sample in common]))
    counts = np.array([samples.count(sample) for sample in common])
    rest = 1 - p.sum(), 4000 - counts.sum()
    assert len(common) > 5
    assert chisquare([*counts, rest[1]], 4000 * np.array([*p, rest[0]])).pvalue > 1e-4


def test_notes_come_as_often_as_they_are_likely(of_notes):
    samples = of_notes.sample(4000, max_length=1, random_state=1).values
    rolls = np.array(np.meshgrid(*[[0.0, 1.0]] * 3)).reshape(3, -1).T
    p = np.exp(of_notes.score_samples(rolls[:, np.newaxis]))
    counts = [(samples == roll).all(axis=1).sum() for roll in rolls]
    assert chisquare(counts, 4000 * p / p.sum()).pvalue > 1e-4
    assert (samples[:, 0] == samples[:, 2]).mean() > 0.8  # it has learned the dependence


def test_numbers_have_the_distribution_of_the_mixture(of_numbers):
    samples = of_numbers.sample(2000, max_length=1, random_state=1).values[:, 0]
    grid = np.linspace(20, 80, 1201)
    other = np.linspace(30, 70, 161)  # the density of channel 0: the joint one, summed over channel 1
    cells = np.array([[[a, b]] for a in grid[::10] for b in other])
    density = np.exp(of_numbers.score_samples(cells)).reshape(len(grid[::10]), len(other)).sum(axis=1)
    cdf = np.cumsum(density) / density.sum()
    assert kstest(samples, lambda x: np.interp(x, grid[::10] + 0.25, cdf)).statistic < 0.05


def test_an_index_comes_in_proportion_and_never_where_there_is_none():
    p = np.tile([0.0, 1.0, 0.0, 3.0, 0.0], (10_000, 1))
    counts = np.bincount(draw_index(p, (np.arange(10_000) + 0.5) / 10_000), minlength=5)
    assert counts.tolist() == [0, 2500, 0, 7500, 0]
    edge = np.array([0.0, np.nextafter(1, 0)])
    assert draw_index(p[:2], edge).tolist() == [1, 3]


# ----------------------------------------------------------------------------------------------- what a seed gives
def test_a_sample_depends_on_its_seed_and_number_alone(of_words, of_notes, of_numbers):
    for gen in (of_words, of_notes, of_numbers):
        many = values_of(gen.sample(70, max_length=9, random_state=3))
        assert values_of(gen.sample(5, max_length=9, random_state=3)) == many[:5]
        assert values_of(gen.set_params(n_jobs=2).sample(70, max_length=9, random_state=3)) == many
        assert values_of(gen.set_params(n_jobs=None).sample(70, max_length=9, random_state=4)) != many
        assert len({str(sample) for sample in many}) > 1


def test_without_a_seed_that_of_the_estimator_counts(of_words):
    assert of_words.sample(9) == of_words.sample(9) == of_words.sample(9, random_state=0)


def test_uniforms_are_uniform():
    u = uniforms(5, np.arange(100), 7, 100)
    assert 0 < u.min() < u.max() < 1
    assert kstest(u.ravel(), "uniform").pvalue > 1e-3
    assert not np.array_equal(u, uniforms(5, np.arange(100), 8, 100))


def test_steps_are_those_of_the_network_as_a_whole(of_words):
    """At temperature 0 each step is the likeliest one behind the steps before, found by scoring all of them."""
    (sample,) = of_words.sample(1, prompt="a", temperature=0, max_length=4)
    known = ["a"]
    while len(known) < len(sample):
        log_p, offsets = of_words._log_likelihood([[*known, token] for token in "ab"])
        best = "ab"[int(np.argmax(log_p[offsets[1:] - 2]))]
        known.append(best)
    assert sample == known


# ---------------------------------------------------------------------------------------------------------- prompts
def test_samples_begin_with_their_prompts(of_words, of_notes, of_numbers):
    assert all(sample[:2] == ["b", "a"] for sample in of_words.sample(5, prompt="ba"))
    assert of_words.sample(5, prompt="ba") == of_words.sample(5, prompt=["b", "a"])
    assert of_words.sample(5, prompt="ba") == of_words.sample(5, prompt=[["b", "a"]] * 5)
    each = of_words.sample(3, prompt=[["a"], ["b", "b"], ["a", "b", "a"]])
    assert [sample[:n] for sample, n in zip(each, (1, 2, 3), strict=True)] == [["a"], ["b", "b"], ["a", "b", "a"]]
    assert each[1] == of_words.sample(3, prompt="bb")[1]
    for gen, prompt in ((of_notes, [[0, 1, 0], [1, 0, 1.0]]), (of_numbers, [[50.0, 51], [49, 50]])):
        samples = gen.sample(2, prompt=prompt, max_length=5)
        assert samples.lengths.tolist() == [5, 5]
        for sample in samples:
            np.testing.assert_array_equal(sample[:2], prompt)
        same = gen.sample(2, prompt=SequenceArray.from_list([prompt, prompt]), max_length=5)
        np.testing.assert_array_equal(samples.values, same.values)


def test_a_prompt_in_a_series_of_any_index(of_words):
    """Of the steps of one sequence, and of a sequence for each sample."""
    of_list = of_words.sample(prompt=["b", "a"], random_state=0)
    assert of_words.sample(prompt=pd.Series(["b", "a"], index=[7, 8]), random_state=0) == of_list
    each = of_words.sample(2, prompt=[["b"], ["a"]], random_state=0)
    assert of_words.sample(2, prompt=pd.Series([["b"], ["a"]], index=[7, 8]), random_state=0) == each


def test_no_sample_is_empty(of_words):
    assert all(of_words.sample(500, random_state=2))
    assert all(of_words.sample(3, temperature=0))
    assert ["b"] in of_words.sample(200, prompt="b")  # behind a prompt the end may come at once


def test_samples_stop_at_max_length_and_say_so():
    gen = SequenceGenerator(**SMALL).fit([list("ab" * 10), list("ba" * 10)])
    samples = gen.sample(8, max_length=3)
    assert gen.n_unfinished_ == sum(len(sample) == 3 for sample in samples) > 0
    assert gen.set_params(max_iter=1).fit([list("ab" * 10)]).sample(2, max_length=30) is not None
    assert gen.n_unfinished_ == 0  # nothing has an end
    assert [len(sample) for sample in gen.sample(2)] == [200, 200]
    assert [len(sample) for sample in gen.sample(2, prompt="abab")] == [204, 204]


# ------------------------------------------------------------------------------------------------------ temperature
def probabilities(logits, **restricted):
    task = NextToken({token: k + 1 for k, token in enumerate("abc")}, True, False)
    u = np.linspace(0, 1, 4000, endpoint=False)[:, np.newaxis] + 1e-5
    restricted = {"temperature": 1.0, "top_k": None, "top_p": None} | restricted
    chosen, _ = TokenChoice(task, **restricted).choose(np.tile(np.log(logits), (4000, 1)), u)
    return np.bincount(chosen, minlength=4) / 4000


def test_temperature_and_restrictions():
    p = [0.1, 0.4, 0.3, 0.2]
    np.testing.assert_allclose(probabilities(p), p, atol=1e-3)
    np.testing.assert_allclose(probabilities(p, temperature=0.5), np.square(p) / np.square(p).sum(), atol=1e-3)
    np.testing.assert_allclose(probabilities(p, temperature=0), [0, 1, 0, 0])
    np.testing.assert_allclose(probabilities(p, top_k=2), [0, 4 / 7, 3 / 7, 0], atol=1e-3)
    np.testing.assert_allclose(probabilities(p, top_k=9), p, atol=1e-3)
    np.testing.assert_allclose(probabilities(p, top_p=0.6), [0, 4 / 7, 3 / 7, 0], atol=1e-3)
    np.testing.assert_allclose(probabilities(p, top_p=0.01), [0, 1, 0, 0])
    np.testing.assert_allclose(probabilities(p, top_p=1.0), p, atol=1e-3)
    np.testing.assert_allclose(probabilities([0.25] * 4, top_k=1), [1, 0, 0, 0])  # of equal ones the first


def test_a_temperature_narrows_mixtures(of_numbers):
    spread = [of_numbers.sample(300, max_length=1, temperature=t).values.std() for t in (0.25, 1.0)]
    assert spread[0] < 0.75 * spread[1]
    assert np.ptp(of_numbers.sample(5, max_length=1, temperature=0).values[:, 0]) == 0


# -------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_samples": 0}, "n_samples"),
        ({"n_samples": 2.5}, "n_samples"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": 2, "prompt": "ab"}, "max_length=2 leaves no step"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": np.nan}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": 0}, "top_k"),
        ({"prompt": "abc"}, "sequence 0, step 2 is the token 'c'"),
        ({"prompt": [["a"], ["x"]], "n_samples": 2}, "sequence 1, step 0 is the token 'x'"),
        ({"prompt": [["a"], ["b"]], "n_samples": 3}, "2 sequences for 3 samples"),
        ({"prompt": [1.0, 2.0]}, "numbers"),
        ({"prompt": 3}, "prompt is of type int"),
        ({"prompt": np.array(3)}, "prompt is an array without dimensions"),
        ({"prompt": {"a": 1}}, "prompt is of type dict"),
        ({"prompt": [[]]}, "prompt: sequence 0 has no time step"),
        ({"prompt": [["a"], []], "n_samples": 2}, "prompt: sequence 1 has no time step"),
        *(({name: True}, name) for name in ("n_samples", "max_length", "temperature", "top_k", "top_p")),
    ],
)
def test_what_cannot_be_sampled(of_words, arguments, message):
    with pytest.raises(ValueError, match=message):
        of_words.sample(**arguments)


def test_what_cannot_be_sampled_of_numbers_and_notes(of_numbers, of_notes):
    with pytest.raises(ValueError, match="among tokens, but the sequences hold numbers"):
        of_numbers.sample(top_k=3)
    with pytest.raises(ValueError, match="channels"):
        of_numbers.sample(prompt=[[1.0, 2.0, 3.0]])
    with pytest.raises(ValueError, match="0 or 1"):
        of_notes.sample(prompt=[[0, 0.5, 1]])
