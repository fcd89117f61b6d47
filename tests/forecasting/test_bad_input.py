"""What cannot be forecast is refused, by the name of the series, the column or the date."""

import numpy as np
import pandas as pd
import pytest

from skrnn import RNNForecaster

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
RAMP = np.arange(60.0) % 7
HOURS = pd.date_range("2026-01-05", periods=60, freq="h")


def frame(**columns):
    return pd.DataFrame({"a": RAMP, "b": RAMP + 1, **columns}, HOURS)


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"horizon": 40}, RAMP, r"series 0 has 20 steps to learn from.*horizon of 40"),
        ({"horizon": 2, "window": 70}, RAMP, r"series 0 has \d+ steps to learn from: a window of 70"),
        ({"horizon": 2}, frame(c=np.nan), r"series 'c' has no value: all its 60 steps are NaN"),
        ({"horizon": 2}, [RAMP, np.full(60, np.nan)], r"series 1 has no value"),
        (
            {"horizon": 2},
            pd.Series(RAMP, HOURS).drop(HOURS[20]),
            r"no frequency: most steps are .*21:00.* follows .*19:00",
        ),
        ({"horizon": 2}, pd.Series(RAMP, HOURS[::-1]), r"not in the order of time"),
        ({"horizon": 2}, pd.Series(RAMP, HOURS[[0, *range(59)]]), r"not in the order of time"),
        ({"horizon": 2}, frame(c="x"), r"column 'c' of y must be numbers"),
        ({"horizon": 2}, np.where(np.arange(60) == 3, np.inf, RAMP), r"infinite at step 3"),
        ({"horizon": 2}, [], r"y"),
        ({"horizon": 3}, np.where(np.arange(60) % 5 == 0, RAMP, np.nan), r"more than half of the values to forecast"),
        ({"horizon": 2, "season": 80}, RAMP, r"a season of 80 needs more"),
        ({"horizon": 2, "season": 2.5}, RAMP, r"season"),
        ({"horizon": 2, "season": [0]}, RAMP, r"season must be a number of steps, 2 or more"),
        ({"horizon": 0}, RAMP, r"'horizon' parameter"),
        ({"horizon": 2}, [np.ones((60, 2))], r"series 0 of y has the shape \(60, 2\).*Pass further channels as X"),
    ],
)
def test_fit_refuses(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        RNNForecaster(**QUICK | parameters).fit(y)


def test_covariates_that_do_not_fit():
    X = pd.DataFrame({"price": RAMP}, HOURS)
    y = pd.Series(RAMP, HOURS)
    with pytest.raises(ValueError, match=r"no row for 2026-01-07 01:00:00"):
        RNNForecaster(2, **QUICK).fit(y, X[:49])
    with pytest.raises(ValueError, match=r"past_covariates names 'cost'.*\['price'\]"):
        RNNForecaster(2, past_covariates=["cost"], **QUICK).fit(y, X)
    with pytest.raises(ValueError, match=r"past_covariates names \['cost'\], columns of X, but there is no X: pass it"):
        RNNForecaster(2, past_covariates=["cost"], **QUICK).fit(y)
    with pytest.raises(ValueError, match=r"X has 2 tables for 1 series"):
        RNNForecaster(2, **QUICK).fit(y, [X, X])
    with pytest.raises(ValueError, match=r"no numbers"):
        RNNForecaster(2, **QUICK).fit(y, X.assign(price="high"))
    forecaster = RNNForecaster(2, **QUICK).fit(y, X)
    with pytest.raises(ValueError, match=r"fit saw the covariates \['price'\]: pass X"):
        forecaster.predict()
    with pytest.raises(ValueError, match=r"lacks the column 'price'.*past_covariates=\['price'\]"):
        forecaster.predict(pd.DataFrame({"cost": [1.0, 2.0]}))
    with pytest.raises(ValueError, match=r"X of series 0 has 1 rows: expected 2"):
        forecaster.predict(pd.DataFrame({"price": [1.0]}))


def test_covariates_of_the_past_are_missed_where_they_are_needed():
    X, y = pd.DataFrame({"price": RAMP}, HOURS), pd.Series(RAMP, HOURS)
    forecaster = RNNForecaster(2, past_covariates=["price"], **QUICK).fit(y[:50], X[:50])
    assert len(forecaster.predict()) == 2
    with pytest.raises(ValueError, match=r"fit saw the covariates .*: pass X with \['price'\] for the steps of y"):
        forecaster.update(y[50:])
    with pytest.raises(ValueError, match=r"pass X with \['price'\] for the steps of y"):
        forecaster.predict(y=y[:50])
    with pytest.raises(ValueError, match=r"past_covariates names \['price'\], columns of X, but there is no X"):
        forecaster.backtest(y, n_windows=1)
    assert len(forecaster.update(y[50:], X[50:]).predict()) == 2


def test_forecasts_refuse():
    forecaster = RNNForecaster(2, **QUICK).fit(frame())
    for coverage in (0, 1, 90):
        with pytest.raises(ValueError, match="coverage must be between 0 and 1"):
            forecaster.predict_interval(coverage=coverage)
    with pytest.raises(ValueError, match="quantiles must be between 0 and 1"):
        forecaster.predict_quantiles(quantiles=[0.5, 1])
    with pytest.raises(ValueError, match=r"series 'c' was not seen in fit, which saw \['a', 'b'\]"):
        forecaster.predict(y=frame(c=RAMP))
    with pytest.raises(ValueError, match=r"series 0 has 3 steps: forecasts read the last \d+"):
        forecaster.predict(y=[RAMP[:3]])
    with pytest.raises(
        ValueError, match=r"must follow its end 2026-01-07 11:00:00 without a gap.*expected 2026-01-07 12"
    ):
        forecaster.update(frame().set_index(HOURS + pd.Timedelta("70h")))
    with pytest.raises(ValueError, match=r"too few for 30 cut-offs"):
        forecaster.backtest(frame(), n_windows=30, step=2)
    with pytest.raises(ValueError, match=r"n_windows must be a whole number of at least 1"):
        forecaster.backtest(frame(), n_windows=0)
    with pytest.raises(ValueError, match=r"n_paths must be a whole number of at least 1; got 0"):
        forecaster.sample_paths(n_paths=0)
