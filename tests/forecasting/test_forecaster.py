"""Forecasts of series in all forms, and what follows from them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

from skrnn import RNNForecaster, RNNRegressor, SequenceArray

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}


def seasonal(n, seed=0, season=6, noise=0.1):
    rng = np.random.default_rng(seed)
    return 5 + np.sin(2 * np.pi * np.arange(n) / season) + noise * rng.normal(size=n)


def hours(n, begin="2026-01-05"):
    return pd.date_range(begin, periods=n, freq="h")


@pytest.fixture(scope="module")
def fitted():
    return RNNForecaster(4, **QUICK).fit([seasonal(80), seasonal(90, 1)])


# -------------------------------------------------------------------------------------------------------------- forms
def test_a_series_is_carried_on():
    y = pd.Series(seasonal(80), hours(80), name="load")
    forecaster = RNNForecaster(4, **QUICK).fit(y)
    forecast = forecaster.predict()
    assert forecast.name == "load"
    assert_array_equal(forecast.index, hours(84)[80:])
    lower, upper = forecaster.predict_interval()
    assert lower.index.equals(forecast.index)
    assert (lower < forecast).all()
    assert (forecast < upper).all()


def test_periods_and_numbers_are_carried_on():
    months = pd.period_range("2020-01", periods=80, freq="M")
    assert RNNForecaster(2, **QUICK).fit(pd.Series(seasonal(80), months)).predict().index[0] == pd.Period(
        "2026-09", "M"
    )
    tens = pd.Series(seasonal(80), index=10 * np.arange(80))
    assert list(RNNForecaster(2, **QUICK).fit(tens).predict().index) == [800, 810]
    unnumbered = pd.Series(seasonal(80))
    assert list(RNNForecaster(2, **QUICK).fit(unnumbered).predict().index) == [80, 81]


def test_all_forms_give_the_same_forecasts():
    one, two = seasonal(80), seasonal(80, 1)
    frame = pd.DataFrame({"a": one, "b": two}, hours(80))
    expected = RNNForecaster(4, **QUICK).fit([one, two]).predict()
    assert expected.shape == (2, 4)
    for y in (SequenceArray.from_list([one, two]), np.stack([one, two])[:, :, np.newaxis], [list(one), tuple(two)]):
        assert_array_equal(RNNForecaster(4, **QUICK).fit(y).predict(), expected)
    unnumbered = RNNForecaster(4, **QUICK).fit(frame.reset_index(drop=True)).predict()
    assert list(unnumbered.columns) == ["a", "b"]
    assert_array_equal(unnumbered.to_numpy().T, expected)
    single = RNNForecaster(4, **QUICK).fit(one).predict()
    assert single.shape == (4,)
    assert_array_equal(RNNForecaster(4, **QUICK).fit([one]).predict()[0], single)


def test_a_unit_of_measurement_does_not_matter():
    y = seasonal(80)
    small = RNNForecaster(4, **QUICK).fit(y).predict()
    assert_allclose(RNNForecaster(4, **QUICK).fit(1024 * y).predict(), 1024 * small, rtol=1e-6)


def test_frames_of_two_readings_are_refused():
    with pytest.raises(ValueError, match=r"two ways: pass a list of its rows.*pandas frame"):
        RNNForecaster(2).fit(np.ones((50, 3)))


# ---------------------------------------------------------------------------------------------------------- forecasts
def test_forecasts_of_other_series_depend_on_nothing_else(fitted):
    others = [seasonal(70, 2), seasonal(75, 3)]
    both = fitted.predict(y=others)
    for i in range(2):
        assert_allclose(fitted.predict(y=[others[i]])[0], both[i], rtol=1e-9)


def test_training_series_are_the_default(fitted):
    assert_array_equal(fitted.predict(y=[seasonal(80), seasonal(90, 1)]), fitted.predict())


def test_updated_forecasts_are_those_of_the_whole(fitted):
    later = [seasonal(10, 5), seasonal(10, 6)]
    expected = fitted.predict(
        y=[np.concatenate(pair) for pair in zip([seasonal(80), seasonal(90, 1)], later, strict=True)]
    )
    updated = pickle.loads(pickle.dumps(fitted)).update([each[:4] for each in later]).update([e[4:] for e in later])
    assert_array_equal(updated.predict(), expected)


def test_a_season_is_learned():
    y = seasonal(300, noise=0.01)
    truth = 5 + np.sin(2 * np.pi * np.arange(300, 312) / 6)
    for parameters in ({}, {"season": 6}, {"strategy": "recursive"}):
        forecaster = RNNForecaster(12, random_state=0, max_iter=5, **parameters).fit(y)
        assert forecaster.lag_ % 6 == 0 or parameters.get("strategy") == "recursive"
        assert np.abs(forecaster.predict() - truth).max() < 0.1


def test_recursive_forecasts_read_their_own():
    y = seasonal(90)
    forecaster = RNNForecaster(5, strategy="recursive", window=12, **QUICK).fit(y)
    one = RNNForecaster(1, strategy="recursive", window=12, **QUICK).fit(y)
    seen = y
    if one.n_held_out_ == forecaster.n_held_out_:  # else the models differ
        for value in forecaster.predict():
            assert_allclose(one.predict(y=[seen])[0, 0], value, rtol=1e-2)
            seen = np.append(seen, value)
    assert forecaster.predict().shape == (5,)


def test_n_jobs_do_not_matter():
    y = [seasonal(120), seasonal(100, 1)]
    one, two = (RNNForecaster(3, n_jobs=n, **QUICK).fit(y) for n in (1, 2))
    assert_array_equal(one.predict(), two.predict())
    assert one.network_.n_jobs == 1


def test_missing_values_are_bridged_without_the_future():
    y = seasonal(120)
    y[[30, 31, 32, 70, 119]] = np.nan
    forecaster = RNNForecaster(3, window=12, **QUICK).fit(y)
    assert np.isfinite(forecaster.predict()).all()
    assert np.isfinite(forecaster.predict_interval()).all()
    # a value that comes later does not change what a window with a gap reads
    past = [y[:33], y[:72]]
    assert np.isfinite(forecaster.predict(y=past)).all()


# ------------------------------------------------------------------------------------------------- intervals and paths
def test_intervals_cover_what_they_say():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 300))
    y = np.zeros((40, 300))
    for t in range(1, 300):
        y[:, t] = 0.8 * y[:, t - 1] + noise[:, t]
    forecaster = RNNForecaster(3, hidden_layer_sizes=8, max_iter=3, random_state=0).fit(list(y[:, :250] + 10))
    for begin in (250, 270, 290):
        lower, upper = forecaster.predict_interval(y=list(y[:, :begin] + 10), coverage=0.8)
        truth = y[:, begin : begin + 3] + 10
        assert 0.65 < np.mean((lower < truth) & (truth < upper)) < 0.92
    width = (upper - lower).mean(axis=0)
    assert width[0] < width[1] < width[2]


def test_quantiles_do_not_cross(fitted):
    levels = (0.05, 0.1, 0.5, 0.9, 0.95)
    found = fitted.predict_quantiles(quantiles=levels)
    assert list(found) == list(levels)
    stacked = np.stack(list(found.values()))
    assert (np.diff(stacked, axis=0) >= 0).all()
    lower, upper = fitted.predict_interval(coverage=0.9)
    assert_allclose(lower, found[0.05])
    assert_allclose(upper, found[0.95])


def test_paths_are_forecasts_with_errors_of_the_past(fitted):
    paths = fitted.sample_paths(n_paths=50, random_state=0)
    assert paths.shape == (2, 50, 4)
    assert_array_equal(paths[:, :20], fitted.sample_paths(n_paths=20, random_state=0))
    lower, upper = fitted.predict_quantiles(quantiles=(0.01, 0.99)).values()
    assert np.mean((paths >= lower[:, None]) & (paths <= upper[:, None])) > 0.9


# ---------------------------------------------------------------------------------------------------------- covariates
def with_promotion(n, seed=0):
    rng = np.random.default_rng(seed)
    promotion = (rng.random(n) < 0.3).astype(float)
    return 10 + 3 * promotion + 0.1 * rng.normal(size=n), promotion


def test_what_is_known_in_advance_is_used():
    y, promotion = with_promotion(400)
    X = pd.DataFrame({"promotion": promotion})
    forecaster = RNNForecaster(6, max_iter=5, random_state=0).fit(y[:394], X[:394])
    assert np.abs(forecaster.predict(X[394:]) - y[394:]).max() < 0.7
    assert_array_equal(forecaster.predict(X, y=y[:394]), forecaster.predict(X[394:]))
    other = forecaster.predict(1 - X[394:])
    assert (np.sign(other - forecaster.predict(X[394:])) == np.sign(0.5 - promotion[394:])).all()


def test_past_covariates_are_not_asked_for():
    y, promotion = with_promotion(200)
    X = pd.DataFrame({"promotion": promotion, "load": np.roll(y, 1)})
    forecaster = RNNForecaster(3, past_covariates=["load"], **QUICK).fit(y, X)
    later = pd.DataFrame({"promotion": [0.0, 1.0, 0.0]})
    assert forecaster.predict(later).shape == (3,)
    given = later.assign(load=[1e9, -1e9, np.nan])  # what cannot be known is not read
    assert_array_equal(forecaster.predict(given), forecaster.predict(later))
    only_past = RNNForecaster(3, past_covariates=["load"], **QUICK).fit(y, X[["load"]])
    assert only_past.predict().shape == (3,)


def test_covariates_are_found_by_their_time():
    y, promotion = with_promotion(100)
    X = pd.DataFrame({"promotion": promotion}, hours(100))
    forecaster = RNNForecaster(4, **QUICK).fit(pd.Series(y[:90], hours(90)), X)
    assert_array_equal(forecaster.predict(X), forecaster.predict(X[90:94]))
    with pytest.raises(ValueError, match=r"no row for 2026-01-08 20:00:00.*the steps to forecast"):
        forecaster.predict(X[:92])


# ------------------------------------------------------------------------------------------ scores and other estimators
def test_backtest_reads_nothing_behind_a_cutoff():
    y = pd.DataFrame({"a": seasonal(90), "b": seasonal(90, 1)}, hours(90))
    forecaster = RNNForecaster(4, **QUICK)
    frame = forecaster.backtest(y, n_windows=3, step=5)
    assert list(frame.columns) == [
        *("series", "cutoff", "step", "time", "truth", "forecast", "last_value", "same_season", "ridge"),
    ]
    assert len(frame) == 2 * 3 * 4
    cutoff = frame.cutoff.min()
    changed = y.copy()
    changed.loc[changed.index > cutoff] += 100 * np.random.default_rng(0).normal(size=(14, 2))
    other = forecaster.backtest(changed, n_windows=3, step=5)
    columns = ["forecast", "last_value", "same_season", "ridge"]
    first = frame.cutoff == cutoff
    assert first.sum() == 8
    pd.testing.assert_frame_equal(frame.loc[first, columns], other.loc[first, columns])
    assert not np.allclose(frame.loc[~first, "forecast"], other.loc[~first, "forecast"])
    assert_array_equal(frame.loc[frame.series == "a", "truth"], np.concatenate([y.a[76:80], y.a[81:85], y.a[86:]]))
    assert not hasattr(forecaster, "network_")


def test_score_is_the_skill_over_the_last_value():
    y = seasonal(300, noise=0.01)
    forecaster = RNNForecaster(6, max_iter=5, random_state=0).fit(y[:260])
    assert 0.7 < forecaster.score(y[260:]) <= 1
    exact = np.abs(forecaster.predict() - y[260:266]).mean()
    assert forecaster.score(y[260:266]) == pytest.approx(1 - exact / np.abs(y[259] - y[260:266]).mean())


def test_grid_search_over_time():
    y = pd.Series(seasonal(160), hours(160))
    search = GridSearchCV(RNNForecaster(4, **QUICK), {"season": [6, 11]}, cv=TimeSeriesSplit(2), error_score="raise")
    search.fit(y)
    assert search.best_params_ == {"season": 6}
    assert len(search.best_estimator_.predict()) == 4


def test_clones_and_parameters():
    forecaster = RNNForecaster(4, season=[6, 12], cell="lstm")
    assert clone(forecaster).get_params() == forecaster.get_params()
    network = RNNForecaster(4, cell="lstm", alpha=0.5, **QUICK).fit(seasonal(80)).network_
    assert isinstance(network, RNNRegressor)
    assert (network.cell, network.alpha, network.hidden_layer_sizes, network.max_iter) == ("lstm", 0.5, 4, 2)
