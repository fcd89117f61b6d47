"""Targets made from sequences, against loops over sequences, steps and channels."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from skrnn import SequenceTransformer
from skrnn.estimators.tasks._own_targets import (
    NUMBERS_TOGETHER,
    KnownSquaredError,
    has_next,
    next_numbers,
    next_values,
    resample,
)
from skrnn.losses import SquaredError
from skrnn.sequences import SequenceArray

LENGTHS = st.lists(st.integers(1, 7), min_size=1, max_size=6)


def sequences_of(lengths, n_channels, seed, missing=0.0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(sum(lengths), n_channels))
    values[rng.random(values.shape) < missing] = np.nan
    return SequenceArray(values, np.cumsum([0, *lengths]))


@settings(deadline=None)
@given(LENGTHS, st.integers(0, 100))
def test_next_numbers_are_those_of_the_next_step(lengths, seed):
    X = sequences_of(lengths, 3, seed, missing=0.2)
    found = SequenceArray(next_numbers(X, np.array([2, 0]), None), X.offsets)
    for x, y in zip(X, found, strict=True):
        np.testing.assert_array_equal(y[:-1], x[1:][:, [2, 0]])
    np.testing.assert_array_equal(has_next(X.offsets), np.concatenate([[True] * (n - 1) + [False] for n in lengths]))


def test_the_time_channel_is_predicted_as_the_time_to_the_next_step():
    X = SequenceArray.from_list([[[5.0, 1.0], [7.0, 2.0], [10.0, 3.0]]])  # time stamps in channel 0
    np.testing.assert_array_equal(next_numbers(X, np.array([1, 0]), 0)[:2], [[2.0, 2.0], [3.0, 3.0]])


def test_next_tokens():
    X = SequenceArray.from_list([["a", "b", "a"], ["c", "a", "b"]])
    assert next_values(X)[has_next(X.offsets)].tolist() == ["b", "a", "a", "b"]


@settings(deadline=None)
@given(LENGTHS, st.integers(2, 9), st.sampled_from([0.0, 0.3, 0.9]), st.integers(0, 100))
def test_resampling_interpolates_what_is_there(lengths, n_points, missing, seed):
    X = sequences_of(lengths, 2, seed, missing)
    found = resample(X, [1, 0], n_points)
    assert found.shape == (len(lengths), n_points, 2)
    for x, y in zip(X, found, strict=True):
        at = np.linspace(0, len(x) - 1, n_points)
        for k, channel in enumerate((1, 0)):
            known = np.flatnonzero(~np.isnan(x[:, channel]))
            expected = np.interp(at, known, x[known, channel]) if len(known) else np.full(n_points, np.nan)
            np.testing.assert_allclose(y[:, k], expected, atol=1e-12)


def test_unknown_targets_cost_nothing():
    rng = np.random.default_rng(0)
    raw, y, weight = rng.normal(size=(4, 3)), rng.normal(size=(4, 3)), rng.uniform(size=4)
    unknown = rng.random(y.shape) < 0.4
    d_raw, d_all = np.empty_like(raw), np.empty_like(raw)
    value = KnownSquaredError().value_and_gradient(raw, 3, np.where(unknown, np.nan, y), weight, d_raw)
    SquaredError().value_and_gradient(raw, 3, y, weight, d_all)
    np.testing.assert_array_equal(d_raw, np.where(unknown, 0, d_all))
    assert value == pytest.approx((0.5 * weight[:, np.newaxis] * (raw - y) ** 2)[~unknown].sum())


def test_training_starts_from_the_mean_of_what_is_known():
    y = np.array([[1.0, np.nan], [3.0, np.nan], [np.nan, np.nan]])
    np.testing.assert_allclose(KnownSquaredError().initial_raw(y, np.array([3.0, 1.0, 1.0])), [1.5, 0.0])


def test_a_raw_prediction_that_is_not_finite_is_noticed():
    loss = KnownSquaredError().value_and_gradient(
        np.array([[np.nan]]), 1, np.ones((1, 1)), np.ones(1), np.empty((1, 1))
    )
    assert np.isnan(loss)


@pytest.mark.parametrize(("n_points", "gib"), [(5 * 10**6, 0.01), (10**5, 0.02)], ids=["readout", "targets"])
def test_reconstructions_that_need_too_much_memory_are_refused_before_they_are_made(n_points, gib, monkeypatch):
    monkeypatch.setattr("skrnn.estimators.tasks._own.resample", None)
    X = list(np.zeros((24, 3, 2)) + np.arange(3)[:, np.newaxis])
    model = SequenceTransformer(1, objective="reconstruct", n_points=n_points, max_memory=gib)
    with pytest.raises(MemoryError, match=rf"n_points={n_points} .*max_memory is {gib}: .*fewer points"):
        model.fit(X)


def test_resampling_takes_little_memory_beside_the_result():
    X = sequences_of([50] * 200, 4, 0)
    tracemalloc.start()
    result = resample(X, np.arange(4), 5000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * result.nbytes + 40 * NUMBERS_TOGETHER
