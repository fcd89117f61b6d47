"""``update``: forecasts behind new values are those of the whole series, whatever its index."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNForecaster

N, KNOWN = 24 * 5, 24 * 4
INDEXES = {
    "hours": pd.date_range("2026-01-05", periods=N, freq="h"),
    "hours of a time zone, over the change of the clock": pd.date_range(
        "2026-03-26", periods=N, freq="h", tz="Europe/Berlin"
    ),
    "hours without a frequency": pd.DatetimeIndex(
        pd.date_range("2026-01-05", periods=N, freq="h").tolist(), name="time"
    ),
    "periods": pd.period_range("2026-01-05", periods=N, freq="h"),
    "durations": pd.timedelta_range("0h", periods=N, freq="h"),
    "numbers": pd.Index(np.arange(N) * 0.5),
    "rows": pd.RangeIndex(N),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
def test_updated_forecasts_are_those_of_the_whole(index):
    """The hour of the day, which is read from dates, shows if they are not those of the steps."""
    rng = np.random.default_rng(0)
    y = pd.Series(np.sin(2 * np.pi * np.arange(N) / 24) + 0.1 * rng.normal(size=N), index)
    fitted = RNNForecaster(4, hidden_layer_sizes=4, max_iter=2, random_state=0).fit(y[:KNOWN])
    expected = fitted.predict(y=y)
    fitted.update(y[KNOWN : KNOWN + 5]).update(y[KNOWN + 5 :])
    for updated in (fitted, pickle.loads(pickle.dumps(fitted))):
        found = updated.predict()
        assert_array_equal(found, expected)
        assert found.index.equals(expected.index)
