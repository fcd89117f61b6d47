"""Long frames with times as a channel, and with instances that have no row."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal
from pandas.testing import assert_index_equal

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer

SMALL = {"hidden_layer_sizes": 3, "tol": 10.0, "n_iter_no_change": 1, "random_state": 0}
WHEN = pd.to_datetime(
    ["1970-01-01 00:00:10", "1970-01-02", "1970-01-01 00:00:00.25", "2026-03-29 03:00", None], format="ISO8601"
)
SECONDS = [10, 86400, 0.25, 1774753200, np.nan]
FORMS = {
    "nanoseconds": lambda: WHEN.as_unit("ns"),
    "milliseconds": lambda: WHEN.as_unit("ms"),
    "a time zone": lambda: WHEN.tz_localize("UTC").tz_convert("Asia/Kathmandu"),
    "arrow": lambda: pd.Series(WHEN).convert_dtypes(dtype_backend="pyarrow"),
    "durations": lambda: WHEN - pd.Timestamp(0),
}
IDS = ["b", "b", "b", "a", "a"]
PULSE = [1.0, 2.0, 3.0, 4.0, 5.0]


def to_polars(frame):
    return pytest.importorskip("polars").from_pandas(frame)


@pytest.mark.parametrize("convert", [lambda frame: frame, to_polars], ids=["pandas", "polars"])
@pytest.mark.parametrize("form", FORMS)
def test_times_as_a_channel_are_seconds(form, convert):
    frame = convert(pd.DataFrame({"id": IDS, "pulse": PULSE, "when": FORMS[form]()}))
    X, _ = SequenceArray.from_long(frame, instance="id", columns=["pulse", "when"])
    assert X.values.dtype == np.float64
    assert_array_equal(X.values, np.column_stack([PULSE, SECONDS]))
    assert X.channel_names == ("pulse", "when")


@pytest.mark.parametrize("convert", [lambda frame: frame, to_polars], ids=["pandas", "polars"])
def test_times_that_nobody_named_are_no_channel(convert):
    frame = convert(pd.DataFrame({"id": IDS, "pulse": PULSE, "born": WHEN}))
    with pytest.raises(ValueError, match="column 'born' holds times, which are not numbers: leave it out, or name"):
        SequenceArray.from_long(frame, instance="id")


def test_a_time_channel_of_datetimes():
    """The network reads the seconds between the visits, whatever the time zone."""
    rng = np.random.default_rng(0)
    hours = np.cumsum(rng.integers(1, 9, 60))
    frame = pd.DataFrame({"id": np.arange(60) // 5, "pulse": rng.normal(size=60)})
    y, options = np.arange(12.0), {**SMALL, "missing": "decay", "time_channel": "when"}
    start = pd.Timestamp("2026-01-01")
    dated = frame.assign(when=start + pd.to_timedelta(hours, "h"))
    numbered = frame.assign(when=hours * 3600.0)
    zoned = dated.assign(when=dated["when"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    packed = [
        SequenceArray.from_long(df, instance="id", time="when", columns=["when", "pulse"])[0]
        for df in (numbered, dated, zoned, dated.set_index(["id", "when"]))
    ]
    expected, *found = (RNNRegressor(**options).fit(X, y).predict(X) for X in packed)
    for predicted in found:
        assert_array_equal(predicted, expected)


VISITS = pd.DataFrame({"id": IDS, "hour": [0.0, 1, 3, 0, 2], "pulse": PULSE})


@pytest.mark.parametrize("convert", [lambda frame: frame, to_polars], ids=["pandas", "polars"])
def test_instances_without_rows_are_kept_if_asked_for(convert):
    options = {"instance": "id", "time": "hour", "columns": ["hour", "pulse"]}
    X, ids = SequenceArray.from_long(convert(VISITS), **options, ids=["x", "a", "b", "y"], keep_missing=True)
    assert list(ids) == ["x", "a", "b", "y"]
    assert X.lengths.tolist() == [1, 2, 3, 1]
    assert X.channel_names == ("hour", "pulse")
    assert_array_equal(X[0], [[np.nan, np.nan]])
    assert_array_equal(X[3], [[np.nan, np.nan]])
    assert_array_equal(X[1], [[0, 4], [2, 5]])
    with pytest.raises(ValueError, match=r"instance x has no row. .* keep_missing=True"):
        SequenceArray.from_long(convert(VISITS), **options, ids=["x", "a", "b"])
    with pytest.raises(ValueError, match="instance b has rows, but is not among ids"):
        SequenceArray.from_long(convert(VISITS), **options, ids=["x", "a"], keep_missing=True)


def test_kept_instances_of_pandas_have_the_ids_that_were_asked_for():
    died = pd.Series([0, 1, 1], index=pd.Index(["b", "x", "a"], name="patient"))
    X, ids = SequenceArray.from_long(VISITS, instance="id", time="hour", ids=died.index, keep_missing=True)
    assert_index_equal(ids, pd.Index(["b", "x", "a"], name="id"))
    whole, _ = SequenceArray.from_long(VISITS, instance="id", time="hour", ids=["a", "b"], keep_missing=True)
    assert X[[2, 0]] == whole


def test_what_cannot_be_kept():
    with pytest.raises(ValueError, match="keep_missing=True needs ids"):
        SequenceArray.from_long(VISITS, instance="id", time="hour", keep_missing=True)
    words = VISITS.assign(pulse=list("vwxyz"))
    with pytest.raises(ValueError, match="keep_missing=True requires numbers"):
        SequenceArray.from_long(words, instance="id", time="hour", ids=["a", "b", "x"], keep_missing=True)


@pytest.mark.parametrize("missing", ["mask", "decay"])
@pytest.mark.parametrize("time_channel", [None, "hour"])
def test_estimators_take_kept_instances(missing, time_channel):
    options = {"instance": "id", "time": "hour", "columns": ["hour", "pulse"], "keep_missing": True}
    X, _ = SequenceArray.from_long(VISITS, **options, ids=["x", "a", "b", "y"])
    settings = {**SMALL, "missing": missing, "time_channel": time_channel}
    for model in (RNNClassifier(**settings), RNNRegressor(**settings)):
        found = model.fit(X, [0, 1, 0, 1]).predict(X)
        assert_array_equal(found[0], found[3])  # nothing is known of either
        whole = X[1:3]
        assert_array_equal(model.predict(whole), found[1:3])
    assert np.isfinite(SequenceTransformer(**settings).fit_transform(X)).all()
    with pytest.raises(ValueError, match="NaN: sequence 0, step 0, channel 0"):
        RNNRegressor(**SMALL, time_channel=time_channel).fit(X, [0, 1, 0, 1])


def test_a_time_may_lack_only_where_a_sequence_is_missing():
    X = SequenceArray(np.array([[np.nan, np.nan], [np.nan, 1.0], [1.0, 1.0]]), [0, 1, 3])
    with pytest.raises(ValueError, match="sequence 1, step 0 has nan"):
        RNNRegressor(**SMALL, missing="mask", time_channel=0).fit(X, [0, 1])
    infinite = SequenceArray(np.array([[np.inf, 1.0], [0.0, 1.0]]), [0, 1, 2])
    with pytest.raises(ValueError, match="infinity: sequence 0, step 0"):
        RNNRegressor(**SMALL, missing="mask", time_channel=0).fit(infinite, [0, 1])
