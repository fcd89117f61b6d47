"""Forecasters in pickles and files: the same forecasts, and damaged files are refused."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

import skrnn
from skrnn import RNNForecaster
from skrnn.persistence._estimators import estimator_from_plain, estimator_to_plain

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
RAMP = np.arange(70.0) % 7

INDEXES = {
    "hours": pd.date_range("2026-01-05", periods=70, freq="h", name="hour"),
    "zone": pd.date_range("2026-03-01", periods=70, freq="D", tz="Europe/Berlin"),
    "months": pd.period_range("2020-01", periods=70, freq="M"),
    "durations": pd.timedelta_range("0s", periods=70, freq="15min"),
    "numbers": pd.Index(10 * np.arange(70)),
    "none": pd.RangeIndex(70),
}


@pytest.mark.parametrize("kind", INDEXES)
def test_forecasts_after_saving(kind, tmp_path):
    y = pd.DataFrame({"a": RAMP, "b": RAMP + 1}, INDEXES[kind])
    forecaster = RNNForecaster(3, **QUICK).fit(y)
    skrnn.save(forecaster, tmp_path / "forecaster.skrnn")
    for other in (skrnn.load(tmp_path / "forecaster.skrnn"), pickle.loads(pickle.dumps(forecaster))):
        pd.testing.assert_frame_equal(other.predict(), forecaster.predict())
        pd.testing.assert_frame_equal(other.predict_interval()[1], forecaster.predict_interval()[1])
        assert other.get_params() == forecaster.get_params()
        assert vars(other).keys() == vars(forecaster).keys()


def test_unfitted_and_with_covariates(tmp_path):
    skrnn.save(RNNForecaster(3, season=[7, 14]), tmp_path / "a.skrnn")
    assert skrnn.load(tmp_path / "a.skrnn").season == [7, 14]
    X = pd.DataFrame({"price": RAMP, "wind": RAMP[::-1]})
    forecaster = RNNForecaster(3, past_covariates=["wind"], **QUICK).fit(RAMP, X)
    skrnn.save(forecaster, tmp_path / "b.skrnn")
    later = X[["price"]][:3]
    assert_array_equal(skrnn.load(tmp_path / "b.skrnn").predict(later), forecaster.predict(later))


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("_design", lambda value: value | {"window": 0}),
        ("_design", lambda value: value | {"horizon": 2}),
        ("_design", lambda value: {}),
        ("_model", lambda value: value | {"coef": value["coef"][1:]}),
        ("_panel", lambda value: value | {"values": [value["values"][0][:2]]}),
        ("_panel", lambda value: value | {"values": []}),
        ("errors_", lambda value: value[:, :1]),
        ("errors_", lambda value: "none"),
        ("shares_", lambda value: None),
    ],
)
def test_damaged_files_are_refused(part, change):
    plain = estimator_to_plain(RNNForecaster(3, **QUICK).fit(RAMP))
    ((kind, value),) = plain["state"][part].items()
    plain["state"][part] = {"value": change(value if kind == "value" else tuple(map(dict.popitem, value)))}
    with pytest.raises(ValueError, match=r"forecaster|errors|shares|convert"):
        estimator_from_plain(plain)
