"""Forecasts behind each new value are those of `update` and `predict`, to the bit."""

import io

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skrnn import RNNForecaster

SMALL = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
RNG = np.random.default_rng(0)
HOURS = pd.date_range("2026-01-05", periods=24 * 12, freq="h")
LOAD = pd.DataFrame(
    {name: 5 + np.sin(2 * np.pi * HOURS.hour / 24) + RNG.normal(0, 0.1, len(HOURS)) for name in "ab"}, HOURS
)
FORMS = {
    "frame": (LOAD, lambda y, n: y[:n], lambda y, n: y[n : n + 1]),
    "series": (LOAD["a"], lambda y, n: y[:n], lambda y, n: y[n : n + 1]),
    "array": (LOAD["a"].to_numpy(), lambda y, n: y[:n], lambda y, n: y[n : n + 1]),
    "list": ([*LOAD.to_numpy().T], lambda y, n: [x[:n] for x in y], lambda y, n: [x[n : n + 1] for x in y]),
}


def value_of(later):
    return np.array([np.asarray(x).ravel()[0] for x in later]) if isinstance(later, list) else np.ravel(later)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_forecasts(form, strategy):
    y, first, next_of = FORMS[form]
    forecaster = RNNForecaster(3, season=24, strategy=strategy, **SMALL).fit(first(y, 280))
    stream = forecaster.stream()
    for n in range(280, 286):
        value = value_of(next_of(y, n))
        found = stream.step(value[0] if form in ("series", "array") else value)
        expected = forecaster.update(next_of(y, n)).predict()
        assert_array_equal(found, np.asarray(expected).T if form == "frame" else expected)
    assert_array_equal(stream.n_steps, 286)


def test_missing_values_and_heads():
    """A value that has not come is missing, also to `update`."""
    y = LOAD["a"].to_numpy().copy()
    y[[50, 281]] = np.nan
    for head in ({"distribution": "normal"}, {"quantiles": (0.1, 0.9)}):
        forecaster = RNNForecaster(2, **SMALL, **head).fit(y[:280])
        stream = forecaster.stream()
        for n in range(280, 284):
            assert_array_equal(stream.step(y[n]), forecaster.update(y[n : n + 1]).predict())


def test_a_short_memory_forecasts_from_what_it_keeps():
    y = LOAD["a"].to_numpy()
    forecaster = RNNForecaster(2, window=24, season=24, **SMALL).fit(y[:200])
    n_read = max(forecaster.window_, forecaster.lag_)
    stream = forecaster.stream(memory=n_read + 5)
    for n in range(200, 260):
        assert_array_equal(stream.step(y[n]), forecaster.predict(y=y[n - n_read - 4 : n + 1]))
    assert stream.state["values"].shape == (1, n_read + 5)


@pytest.mark.parametrize("form", ["frame", "list"])
def test_states(form):
    y, first, next_of = FORMS[form]
    forecaster = RNNForecaster(3, season=24, **SMALL).fit(first(y, 280))
    stream, other = forecaster.stream(memory=250), forecaster.stream(memory=250)
    for n in range(280, 284):
        stream.step(value_of(next_of(y, n)))
    file = io.BytesIO()
    np.savez(file, **stream.state)
    file.seek(0)
    other.state = np.load(file)
    assert_array_equal(other.step(value_of(next_of(y, 284))), stream.step(value_of(next_of(y, 284))))
    other.state = forecaster.stream(memory=250).state
    assert_array_equal(other.n_steps, 280)


def test_what_is_refused():
    y = LOAD["a"].to_numpy()
    with pytest.raises(NotFittedError):
        RNNForecaster(2).stream()
    forecaster = RNNForecaster(2, window=24, **SMALL).fit(y)
    with pytest.raises(ValueError, match=r"memory=5 is less than the .* values that a forecast reads"):
        forecaster.stream(memory=5)
    with pytest.raises(ValueError, match="memory must be a whole number"):
        forecaster.stream(memory=0)
    stream = forecaster.stream()
    for value, message in (
        ([1.0, 2.0], r"y has shape \(2,\), but a step has a value for each of 1 series"),
        ("a", "y must hold numbers"),
        (np.inf, "the new value of series 0 is inf"),
    ):
        with pytest.raises(ValueError, match=message):
            stream.step(value)
    assert_array_equal(stream.n_steps, len(y))
    with pytest.raises(ValueError, match="The state is of another stream"):
        stream.state = RNNForecaster(2, window=24, **SMALL).fit([y, y]).stream().state
    with pytest.raises(ValueError, match="does not belong to 0 steps"):
        stream.state = stream.state | {"lengths": np.array([len(y) + 1])}
    with_covariates = RNNForecaster(2, window=24, **SMALL).fit(y, y[:, np.newaxis])
    with pytest.raises(ValueError, match=r"reads the covariates .* use update"):
        with_covariates.stream()
    counts = RNNForecaster(2, window=24, distribution="negative_binomial", **SMALL).fit(np.arange(100) % 7)
    with pytest.raises(ValueError, match=r"is 0\.5 at step 0"):
        counts.stream().step(0.5)
