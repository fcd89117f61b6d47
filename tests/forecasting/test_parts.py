"""The parts of a forecaster against slow, obvious versions."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import Ridge as Reference

from skrnn.forecasting._errors import CHOSEN, Errors
from skrnn.forecasting._linear import Ridge
from skrnn.forecasting._repeats import error_of_lag, find_lag, repeated, segment_of
from skrnn.forecasting._samples import filled, known_targets

rng = np.random.default_rng(0)


@pytest.mark.parametrize("penalty", [1e-3, 1.0])
def test_ridge(penalty):
    X, y = rng.normal(3, 2, size=(60, 5)), rng.normal(size=(60, 3))
    X[:, 4] = 7.0  # a constant feature counts nothing
    line = Ridge(X, y).line(penalty)
    scaled = (X[:, :4] - X[:, :4].mean(axis=0)) / X[:, :4].std(axis=0)
    expected = Reference(alpha=penalty * 60).fit(scaled, y)
    assert_allclose(line(X), expected.predict(scaled), rtol=1e-8)


def test_a_line_does_not_reach_beyond_what_was_seen():
    X = rng.uniform(0, 1, size=(50, 1))
    line = Ridge(X, 3 * X).line(1e-6)
    ends = line(np.array([[-1e9], [-1.0], [2.0], [1e9]]))[:, 0]
    low, high = X.min(), X.max()
    assert_allclose(ends[[0, 3]], 3 * np.array([low - (high - low), high + (high - low)]), rtol=1e-4)


@pytest.mark.parametrize(("horizon", "lag"), [(3, 5), (7, 3), (4, 4), (5, 1)])
def test_repeated_values_and_their_errors(horizon, lag):
    values = rng.normal(size=40)
    assert_array_equal(repeated(values, horizon, lag), [values[40 - lag + k % lag] for k in range(horizon)])
    rows = np.stack([values, values[::-1]])
    lags = np.array([[lag], [2]])
    expected = [repeated(row, horizon, own) for row, own in zip(rows, (lag, 2), strict=True)]
    assert_array_equal(repeated(rows, horizon, lags), expected)
    # each step of the horizon looks some whole number of lags back; over all pairs of values so far apart
    apart = [lag * (1 + k // lag) for k in range(horizon)]
    errors = [np.abs(values[d:] - values[:-d]).mean() for d in apart]
    assert error_of_lag([(values, 1.0)], horizon, lag) == pytest.approx(np.mean(errors))


def test_lags_and_segments_are_found():
    week = np.tile([1.0, 5, 2, 5, 2, 9, 9], 20)
    day = np.tile(np.sin(2 * np.pi * np.arange(24) / 24), 20)
    noise = 0.05 * rng.normal(size=480)
    assert find_lag([(week, 1.0)], 3, None, 40) == 7
    assert find_lag([(day + noise, 1.0)], 12, None, 100) % 24 == 0
    assert find_lag([(np.cumsum(rng.normal(size=200)), 1.0)], 3, None, 60) == 1
    assert find_lag([(week, 1.0)], 3, [3], 40) % 21 == 0
    assert segment_of([(day + noise, 1.0)], 12, None, 48) == 24
    assert segment_of([(day, 1.0)], 12, [168, 24], 168) == 24


def test_gaps():
    values = np.array([np.nan, 1, np.nan, np.nan, 4, np.nan])
    assert_array_equal(filled(values), [1, 1, 1, 1, 4, 4])
    assert_array_equal(filled(np.stack([values, np.full(6, np.nan)], axis=1))[:, 1], np.zeros(6))
    keep, target = known_targets(np.array([[1, np.nan, 3], [np.nan, np.nan, 3], [1, 2, np.nan]]))
    assert_array_equal(keep, [True, False, True])
    assert_array_equal(target, [[1, 2, 3], [1, 2, 2]])


def test_quantiles_of_errors_by_rank():
    relative = rng.permutation(np.arange(1.0, 100)[:, np.newaxis] * [1.0, 10.0])
    assert_allclose(Errors(relative).quantile(0.9), [90, 900])
    assert_allclose(Errors(relative).widening, np.sqrt(1 + CHOSEN / (99 / np.array([1, 2]))))
    assert_allclose(Errors(relative).quantile(0.999), [99, 990])
    few = Errors(relative[:10])  # steps share their errors
    assert few.quantile(0.5)[1] == pytest.approx(10 * few.quantile(0.5)[0])
