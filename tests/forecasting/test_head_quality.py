"""What heads are for: widths that follow the series, counts, paths whose sums are right; coverage on real series."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from skrnn import RNNForecaster

DATA = Path(os.environ.get("SKRNN_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
HEADS = [{"quantiles": (0.1, 0.5, 0.9)}, {"distribution": "normal"}, {"distribution": "student_t"}]
SMALL = {"hidden_layer_sizes": 16, "max_iter": 8, "random_state": 0}


def rolled(forecaster, series, cutoffs, horizon):
    """Truth, quantiles by level, whether values are within intervals of 90 %, and paths, over all cut-offs."""
    parts = []
    for cutoff in cutoffs:
        past, truth = [y[:cutoff] for y in series], np.array([y[cutoff : cutoff + horizon] for y in series])
        lower, upper = forecaster.predict_interval(y=past)
        quantiles = np.stack(list(forecaster.predict_quantiles(y=past, quantiles=LEVELS).values()))
        paths = forecaster.sample_paths(y=past, n_paths=100, random_state=0)
        parts.append((truth, quantiles, (lower <= truth) & (truth <= upper), paths))
    return [np.stack(part) for part in zip(*parts, strict=True)]


def pinball(truth, quantiles):
    miss, levels = truth[:, np.newaxis] - quantiles, np.reshape(LEVELS, (-1, 1, 1))
    return float(np.maximum(levels * miss, (levels - 1) * miss).mean())


def loud_and_quiet(n, seed):
    """A noise that is ten times as loud in every second half day."""
    noise = np.where((np.arange(n) // 12) % 2 == 0, 0.2, 2.0)
    return 10 + np.sin(2 * np.pi * np.arange(n) / 24) + noise * np.random.default_rng(seed).normal(size=n)


@pytest.fixture(scope="module")
def without_head():
    series = [loud_and_quiet(460, seed) for seed in range(8)]
    forecaster = RNNForecaster(6, season=24, **SMALL).fit([y[:360] for y in series])
    truth, quantiles, _, _ = rolled(forecaster, series, range(360, 450, 17), 6)
    return series, pinball(truth, quantiles)


@pytest.mark.parametrize("head", HEADS)
def test_widths_follow_the_noise(head, without_head):
    series, loss = without_head
    forecaster = RNNForecaster(6, season=24, **head, **SMALL).fit([y[:360] for y in series])
    truth, quantiles, within, _ = rolled(forecaster, series, range(360, 450, 17), 6)
    assert pinball(truth, quantiles) < 0.97 * loss
    assert 0.83 < within.mean() < 0.97
    widths = quantiles[:, -1] - quantiles[:, 0]
    hours = (np.arange(360, 450, 17)[:, np.newaxis] + np.arange(6)) // 12 % 2 == 0
    assert widths.mean(axis=1)[~hours].mean() > 2 * widths.mean(axis=1)[hours].mean()


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_sums_of_paths_are_those_of_values_that_belong_together(strategy):
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(20, 400))
    series = list(100 + np.cumsum(steps, axis=1))  # errors of all steps share those of the first
    forecaster = RNNForecaster(8, strategy=strategy, distribution="normal", **SMALL).fit([y[:300] for y in series])
    truth, _, _, paths = rolled(forecaster, series, range(300, 390, 40), 8)
    sums, true_sums = paths.sum(axis=3), truth.sum(axis=2)
    low, high = np.quantile(sums, 0.05, axis=2), np.quantile(sums, 0.95, axis=2)
    assert 0.8 < np.mean((low <= true_sums) & (true_sums <= high)) < 0.98
    independent = np.sqrt(paths.var(axis=2).sum(axis=2).mean())
    assert sums.std(axis=2).mean() > 1.8 * independent


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_counts_that_are_mostly_zero(strategy):
    rng = np.random.default_rng(0)
    rate = np.where((np.arange(400) // 10) % 6 == 0, 5.0, 0.03)
    series = [rng.negative_binomial(3, 3 / (3 + rate)).astype(float) for _ in range(8)]
    assert np.mean(series) < 1.1
    forecaster = RNNForecaster(7, strategy=strategy, distribution="negative_binomial", **SMALL)
    forecaster.fit([y[:330] for y in series])
    truth, quantiles, within, paths = rolled(forecaster, series, range(330, 390, 25), 7)
    assert 0.86 < within.mean() <= 1
    assert 0.5 < paths.mean() / truth.mean() < 2
    assert paths.max() < 5 * max(y.max() for y in series)
    for values in (quantiles, paths):
        assert (values >= 0).all()
        assert (values == np.rint(values)).all()
    nothing = forecaster.predict(y=[np.zeros(330)])
    assert 0 <= nothing.max() < 1


def test_counts_of_large_numbers_go_on_at_their_level():
    rng = np.random.default_rng(0)
    level = np.exp(rng.normal(8, 2, size=8))[:, np.newaxis]  # from tens to ten thousands
    rate = level * (1 + 0.5 * np.sin(2 * np.pi * np.arange(300) / 7))
    series = list(rng.poisson(rate).astype(float))
    forecaster = RNNForecaster(7, season=7, distribution="negative_binomial", **SMALL).fit([y[:280] for y in series])
    forecast = forecaster.predict()
    assert np.abs(forecast / rate[:, 280:287] - 1).max() < 0.35
    lower, upper = forecaster.predict_interval()
    assert np.mean((lower <= rate[:, 280:287]) & (rate[:, 280:287] <= upper)) > 0.75


# ---------------------------------------------------------------------------------------------------------- real series
@pytest.fixture(scope="module")
def loaders():
    if not (DATA / "load.py").exists():
        pytest.skip("the data sets are not beside the project")
    spec = importlib.util.spec_from_file_location("load", DATA / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("head", HEADS)
def test_coverage_on_real_series(head, loaders):
    train, _ = loaders.m4_hourly()
    series = [np.asarray(y, dtype=float)[-500:] for y in train[::14]]  # of the training part of the competition
    forecaster = RNNForecaster(24, season=24, **head, **SMALL).fit([y[:-96] for y in series])
    _, _, within, _ = rolled(forecaster, [y[-500:] for y in series], range(404, 477, 24), 24)
    assert 0.85 < within.mean() < 0.95
