"""``SktimeForecaster``: the checks of sktime, and the forecasts of ``RNNForecaster`` for what sktime passes."""

import inspect
import pickle

import numpy as np
import pandas as pd
import pytest

from skrnn import RNNForecaster

pytest.importorskip("sktime")

from sktime.forecasting.base import ForecastingHorizon
from sktime.utils.estimator_checks import check_estimator

from skrnn.adapters import SktimeForecaster

SMALL = {"window": 8, "hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0}
DAYS = pd.date_range("2026-01-01", periods=80, freq="D")


def series(seed=0, index=DAYS, name="load"):
    rng = np.random.default_rng(seed)
    return pd.Series(10 + np.sin(np.arange(len(index))) + 0.1 * rng.normal(size=len(index)), index, name=name)


def panel(lengths):
    parts = {shop: series(i, DAYS[:n]).to_frame() for i, (shop, n) in enumerate(lengths.items())}
    return pd.concat(parts, names=["shop", "day"])


@pytest.mark.filterwarnings("default")
def test_checks_of_sktime():
    results = check_estimator(SktimeForecaster, verbose=0)
    assert len(results) >= 800
    assert {name: found for name, found in results.items() if found != "PASSED"} == {}


def test_parameters_are_those_of_the_forecaster_but_the_horizon():
    ours, own = (inspect.signature(one).parameters for one in (SktimeForecaster, RNNForecaster))
    defaults = {name: parameter.default for name, parameter in own.items() if name != "horizon"}
    assert {name: parameter.default for name, parameter in ours.items()} == defaults
    assert SktimeForecaster().get_params() == defaults
    assert SktimeForecaster(season=7).get_params() == defaults | {"season": 7}
    with pytest.raises(TypeError, match="unexpected keyword argument 'horizon'"):
        SktimeForecaster(horizon=3)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
def test_forecasts_are_those_of_the_forecaster(strategy):
    y = series()
    own = RNNForecaster(5, strategy=strategy, **SMALL).fit(y)
    forecaster = SktimeForecaster(strategy=strategy, **SMALL).fit(y, fh=[1, 5])
    pd.testing.assert_series_equal(forecaster.predict(), own.predict().iloc[[0, 4]], check_freq=False)
    intervals = forecaster.predict_interval(coverage=[0.5, 0.9])
    for side, expected in zip(("lower", "upper"), own.predict_interval(coverage=0.9), strict=True):
        np.testing.assert_array_equal(intervals["load", 0.9, side], expected.iloc[[0, 4]])
    again = pickle.loads(pickle.dumps(forecaster))
    pd.testing.assert_series_equal(again.predict(), forecaster.predict())


def test_instances_are_series_of_one_model_that_end_when_they_end():
    y = panel({"b": 80, "a": 60})
    forecaster = SktimeForecaster(**SMALL).fit(y, fh=[1, 3])
    own = RNNForecaster(3, **SMALL).fit([series(0), series(1, DAYS[:60])])
    found = forecaster.predict()
    assert forecaster.forecaster_.n_series_ == 2
    assert found.index.names == ["shop", "day"]
    assert found.index.tolist() == [
        (shop, DAYS[n - 1] + pd.Timedelta(k, "D")) for shop, n in (("b", 80), ("a", 60)) for k in (1, 3)
    ]
    np.testing.assert_array_equal(found["load"].to_numpy().reshape(2, 2), own.predict()[:, [0, 2]])


def test_an_absolute_horizon_is_the_same_days_for_all_instances():
    y, days = panel({"a": 78, "b": 80}), pd.DatetimeIndex(["2026-03-23", "2026-03-25"])
    forecaster = SktimeForecaster(**SMALL).fit(y, fh=ForecastingHorizon(days, is_relative=False, freq="D"))
    assert forecaster.forecaster_.horizon == 6  # of "a", which ends on the 19th
    assert forecaster.predict().index.tolist() == [(shop, day) for shop in "ab" for day in days]
    forecaster.update(panel({"a": 80})[-2:], update_params=False)
    assert forecaster.predict().index.tolist() == [(shop, day) for shop in "ab" for day in days]


@pytest.mark.parametrize("update_params", [True, False])
def test_update_takes_note_of_values_or_fits_anew(update_params):
    y = series()
    forecaster = SktimeForecaster(**SMALL).fit(y[:70], fh=[1, 2])
    found = forecaster.update(y[65:], update_params=update_params).predict()  # some of which it knew
    expected = RNNForecaster(2, **SMALL).fit(y if update_params else y[:70]).predict(y=y)
    pd.testing.assert_series_equal(found, expected, check_freq=False)


def test_covariates_known_in_advance_and_only_up_to_now():
    y, rng = series(), np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(80, 2)), DAYS, columns=["holiday", "wind"])
    own = RNNForecaster(2, past_covariates=["wind"], **SMALL).fit(y[:70], X[:70])
    forecaster = SktimeForecaster(past_covariates=["wind"], **SMALL).fit(y[:70], X[:70], fh=[1, 2])
    found = forecaster.predict(X=X[["holiday"]][70:72])
    pd.testing.assert_series_equal(found, own.predict(X[["holiday"]][70:72]), check_freq=False)
    with pytest.raises(ValueError, match="no row for 2026-03-12"):
        forecaster.predict()
    with pytest.raises(ValueError, match="fit saw none"):
        SktimeForecaster(**SMALL).fit(y[:70], fh=[1, 2]).predict(X=X[70:72])
    forecaster.update(y[70:75], update_params=False)
    with pytest.raises(ValueError, match=r"the index of X .* follows 2026-03-11"):
        forecaster.predict(X=X[75:77])


def test_what_cannot_be_forecast_is_refused():
    y = series()
    with pytest.raises(NotImplementedError, match="in-sample"):
        SktimeForecaster(**SMALL).fit(y, fh=[0, 1])
    with pytest.raises(ValueError, match=r"index of y of instance 'a' .* 2026-01-12 00:00:00 follows 2026-01-10"):
        SktimeForecaster(**SMALL).fit(panel({"b": 80, "a": 60}).drop(("a", DAYS[10])), fh=[1])
    with pytest.raises(ValueError, match=r"index of y rises by 2"):
        SktimeForecaster(**SMALL).fit(series(index=pd.RangeIndex(0, 160, 2)), fh=[1])
    with pytest.raises(ValueError, match=r"X has no rows of instance 'a'"):
        SktimeForecaster(**SMALL).fit(panel({"b": 80, "a": 60}), X=panel({"b": 80}), fh=[1])


def test_a_horizon_that_has_passed_is_refused():
    ahead = ForecastingHorizon(pd.DatetimeIndex(["2026-03-22"]), is_relative=False, freq="D")
    forecaster = SktimeForecaster(**SMALL).fit(panel({"b": 80, "a": 78}), fh=ahead)
    later = series(0, pd.date_range("2026-03-22", periods=2, name="day")).to_frame()
    forecaster.update(pd.concat({"b": later}, names=["shop"]), update_params=False)
    with pytest.raises(NotImplementedError, match="in-sample"):
        forecaster.predict()
    forecaster.update(panel({"a": 80})[-2:], update_params=False)  # whose end is the present to sktime, now
    with pytest.raises(ValueError, match=r"fh has the steps \[-1\] behind 2026-03-23 .* instance 'b' ends"):
        forecaster.predict()
