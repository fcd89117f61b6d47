"""Windows cut from series, against loops over the steps; what a split may see of the other part."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from ragged import assert_same, quick, ragged
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import TimeSeriesSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skrnn import RNNRegressor, SequenceArray
from skrnn.preprocessing import PerStep, SlidingWindow, last_windows, make_windows

sizes = st.integers(1, 4)


def slow_windows(series, window, horizon, stride, past=None):
    """(window, targets, series, last step, last target step) of each window, one step at a time."""
    found = []
    for i, own in enumerate(series):
        n_before = 0 if past is None else window
        steps = np.concatenate([past[i][len(past[i]) - n_before :], own]) if n_before else own
        for start in range(0, len(steps), stride):
            end = start + window
            if end + horizon <= len(steps):
                target = steps[end : end + horizon]
                found.append((steps[start:end], target, i, end - 1 - n_before, end + horizon - 1 - n_before))
    return found


def assert_windows(got, expected):
    windows, targets, *origins = zip(*expected, strict=True)
    assert_same(got.X, windows)
    assert_array_equal(got.y, targets)
    for values, name in zip(origins, ("series", "steps", "target_steps"), strict=True):
        assert_array_equal(getattr(got, name), values, err_msg=name)


# ------------------------------------------------------------------------------------------------------ make_windows
@quick
@given(
    extra=st.lists(st.integers(0, 5), min_size=1, max_size=4),
    window=sizes,
    horizon=st.integers(2, 4),
    stride=sizes,
    n_channels=st.integers(2, 3),
    with_context=st.booleans(),
)
def test_windows_and_targets(extra, window, horizon, stride, n_channels, with_context):
    series = ragged([n + window + horizon for n in extra], n_channels, seed=0)
    past = ragged([n + window for n in extra], n_channels, seed=1) if with_context else None
    got = make_windows(series, window=window, horizon=horizon, stride=stride, context=past)
    assert_windows(got, slow_windows(series, window, horizon, stride, past))
    assert_array_equal(got.times, got.steps)
    assert_array_equal(got.target_times, got.target_steps)


def test_every_step_behind_the_context_is_a_target_once():
    series = np.arange(20.0)
    got = make_windows(series[12:], window=5, context=series[:12])
    assert_array_equal(got.y, series[12:])
    assert_array_equal(got.target_steps, np.arange(8))
    assert_array_equal(got.steps, np.arange(-1, 7))
    assert_array_equal(got.X[0][:, 0], series[7:12])


def test_the_training_part_shares_no_target_with_the_test_part():
    series = np.arange(40.0)
    train = make_windows(series[:30], window=5, horizon=3)
    test = make_windows(series[30:], window=5, horizon=3, context=series[:30])
    assert train.y.max() < 30 <= test.y.min()
    assert max(window.max() for window in train.X) < test.y.min()


@pytest.mark.parametrize(
    ("target", "horizon", "shape"),
    [
        (None, 1, (7, 3)),
        (None, 2, (6, 2, 3)),
        ("b", 1, (7,)),
        ("b", 2, (6, 2)),
        (["b"], 1, (7, 1)),
        (["b"], 2, (6, 2, 1)),
        (["c", "a"], 2, (6, 2, 2)),
        (np.array(["c", "a"]), 1, (7, 2)),
    ],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_targets_by_name(target, horizon, shape, library):
    table = np.arange(30.0).reshape(10, 3)
    frame = pd.DataFrame(table, columns=list("abc")) if library == "pandas" else pl.DataFrame(table, list("abc"))
    got = make_windows(frame, window=3, horizon=horizon, target=target)
    assert got.X.n_channels == 3
    assert got.y.shape == shape
    columns = ["abc".index(name) for name in ("abc" if target is None else np.atleast_1d(target))]
    assert_array_equal(got.y.reshape(len(got.y), horizon, -1)[0], table[3 : 3 + horizon, columns])


@pytest.mark.parametrize(
    ("series", "shape"),
    [
        (np.arange(10.0), (8,)),
        (np.arange(10.0)[:, np.newaxis], (8,)),
        (list(range(10)), (8,)),
        (pd.Series(np.arange(10.0)), (8,)),
        (pl.Series(np.arange(10.0)), (8,)),
        ([np.arange(5.0), np.arange(7.0)], (8,)),
        ([[0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5, 6]], (8,)),
        ([pd.Series(np.arange(5.0)), pd.Series(np.arange(7.0))], (8,)),
        (SequenceArray.from_list([np.arange(5.0), np.arange(7.0)]), (8,)),
        (pd.Series([np.arange(5.0), np.arange(7.0)]), (8,)),
        (np.zeros((2, 6, 3)), (8, 3)),
        ([list("abcde"), list("abcdefg")], (8,)),
    ],
)
def test_forms_of_series(series, shape):
    got = make_windows(series, window=2)
    assert got.X.lengths.tolist() == [2] * 8
    assert got.y.shape == shape


def test_channels_by_number_and_dtype():
    table = np.arange(20, dtype=np.float32).reshape(10, 2)
    got = make_windows(table, window=4, target=1)
    assert_array_equal(got.y, table[4:, 1])
    assert got.X.values.dtype == got.y.dtype == np.float32


def test_missing_inputs_are_kept_and_missing_targets_refused():
    frame = pd.DataFrame({"load": np.arange(8.0), "heat": np.arange(8.0)})
    frame.loc[3, "heat"] = np.nan
    assert np.isnan(make_windows(frame, window=2, target="load").X.values).sum() == 2
    with pytest.raises(ValueError, match="target 'heat' is NaN in series 0, step 3"):
        make_windows(frame, window=2, target="heat")
    with pytest.raises(ValueError, match="target 0 is NaN in series 1, step 6"):
        make_windows([np.arange(9.0), [0, 1, 2, 3, 4, 5, np.nan, 7]], window=2, horizon=2)
    with pytest.raises(ValueError, match="target 0 is NaN in series 0, step 1"):
        make_windows([0.0, np.nan], window=2, context=[0.0, 1.0])


# ------------------------------------------------------------------------------------------------------------- times
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_time_stamps(zone):
    index = pd.date_range("2020-03-28", periods=72, freq="h", tz=zone)  # over a change of the clock
    frame = pd.DataFrame({"load": np.arange(72.0)}, index=index)
    utc = index.tz_convert(None) if zone else index
    train = make_windows(frame[:48], window=24, horizon=2)
    test = make_windows(frame[48:], window=24, horizon=2, context=frame[:48])
    assert_array_equal(train.times, utc[23:46])
    assert_array_equal(train.target_times, utc[25:48])
    assert_array_equal(test.times, utc[47:70])
    assert train.target_times.max() <= test.times.min()
    both = make_windows([frame["load"], frame["load"][10:]], window=24)
    assert_array_equal(both.times, [*utc[23:71], *utc[33:71]])


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4], [0, 1, 1, 2, 3]])
def test_times_out_of_order(order):
    index = pd.date_range("2020", periods=5)
    series = pd.Series(np.arange(5.0), index=index[order])
    for cut_up in (lambda s: make_windows([s[:2], s], window=1), lambda s: SlidingWindow(2).fit(s.to_frame())):
        with pytest.raises(ValueError, match=r"(series 1|X) is not in the order of time: step 2 has time 2020-01-02"):
            cut_up(series)
    with pytest.raises(ValueError, match="context 0 is not in the order of time"):
        make_windows(series[:2], window=1, context=series)


def test_missing_times():
    index = pd.DatetimeIndex(["2020-01-01", None, "2020-01-03"])
    with pytest.raises(ValueError, match="step 1 has time NaT"):
        make_windows(pd.Series(np.arange(3.0), index=index), window=1)


DAYS = pd.date_range("2020", periods=6)[::-1]


@pytest.mark.parametrize(
    "column",
    [DAYS, DAYS.tz_localize("Europe/Vienna"), DAYS - DAYS[0]],
    ids=["datetime", "time zone", "timedelta"],
)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_times_in_a_column(column, library):
    frame = pd.DataFrame({"load": np.arange(6.0), "date": column})
    convert = "frame.set_index" if library == "pandas" else r"frame.to_pandas\(\).set_index"
    frame = frame if library == "pandas" else pl.from_pandas(frame)
    message = rf"the column 'date' of {{}} holds times, .* drop it, .*{convert}\('date'\)"
    calls = {
        "series 0": lambda: make_windows(frame, window=2),
        "series 1": lambda: make_windows([frame[["load"]], frame], window=2),
        "context 0": lambda: make_windows(frame[["load"]], window=2, context=frame),
        "X": lambda: SlidingWindow(2).fit(frame),
    }
    for what, call in calls.items():
        with pytest.raises(ValueError, match=message.format(what)):
            call()


@pytest.mark.parametrize("dtype", [pl.Date, pl.Time, pl.Datetime("ns"), pl.Duration], ids=str)
def test_times_of_polars(dtype):
    frame = pl.DataFrame({"load": np.arange(6.0), "when": pl.Series(range(6)).cast(dtype)})
    with pytest.raises(ValueError, match="the column 'when' of series 0 holds times"):
        make_windows(frame, window=2)


def test_rows_of_several_series_in_one_frame():
    index = pd.MultiIndex.from_product([["a", "b"], pd.date_range("2020", periods=5)], names=["id", "date"])
    frame = pd.DataFrame({"load": np.arange(10.0)}, index=index)
    for cut_up in (
        lambda: make_windows(frame, window=2),
        lambda: make_windows(frame["load"], window=2),
        lambda: make_windows([part for _, part in frame.groupby(level=0)], window=2),
        lambda: SlidingWindow(2).fit(frame),
    ):
        with pytest.raises(ValueError, match=r"has a MultiIndex with the levels \['id', 'date'\].* frame.groupby"):
            cut_up()
    got = make_windows([part.droplevel(0) for _, part in frame.groupby(level=0)], window=2)
    assert got.y.tolist() == [2, 3, 4, 7, 8, 9]
    assert_array_equal(got.times[3:], index.levels[1][1:4])


def test_context_must_come_before():
    series = pd.Series(np.arange(10.0), index=pd.date_range("2020", periods=10))
    with pytest.raises(ValueError, match=r"context 0 ends at 2020-01-06.*, but series 0 begins at 2020-01-06"):
        make_windows(series[5:], window=2, context=series[:6])
    with pytest.raises(ValueError, match="only one of series and context has time stamps"):
        make_windows(series[5:], window=2, context=series[:5].to_numpy())
    with pytest.raises(ValueError, match="only one of series 0 and series 1 has time stamps"):
        make_windows([series, series.to_numpy()], window=2)


# --------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("series", "arguments", "message"),
    [
        (np.arange(4.0), {"window": 3, "horizon": 2}, "series 0 has 4 steps: .* it needs at least 5"),
        ([np.arange(9.0), np.arange(2.0)], {"window": 2}, "series 1 has 2 steps: .* it needs at least 3"),
        (np.arange(1.0), {"window": 2, "horizon": 2, "context": np.arange(9.0)}, "series 0 has 1 step.* at least 2"),
        (np.arange(9.0), {"window": 3, "context": np.arange(2.0)}, "context 0 has 2 steps: it needs at least 3"),
        ([np.arange(9.0)] * 2, {"window": 3, "context": np.arange(9.0)}, "context has 1 series for 2"),
        (np.zeros((9, 2)), {"window": 3, "context": np.zeros((9, 3))}, r"context has channels \[0, 1, 2\], series"),
        (np.zeros((9, 2)), {"window": 3, "target": 2}, r"target 2 is not a channel of the series: .* \[0, 1\]"),
        (np.zeros((9, 2)), {"window": 3, "target": []}, "target is empty"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], {"window": 3}, "sequence 1 has 3 channels, sequence 0 has 2"),
        (np.arange(9.0), {"window": 0}, "'window' parameter of make_windows"),
        (np.arange(9.0), {"window": 1, "horizon": -1}, "'horizon' parameter of make_windows"),
        (np.arange(9.0), {"window": 1, "stride": 1.5}, "'stride' parameter of make_windows"),
        ([], {"window": 1}, "0 sample"),
        (np.array([]), {"window": 1}, "series 0 has 0 steps"),
    ],
)
def test_bad_input(series, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_windows(series, **arguments)


def test_frames_of_other_columns():
    a, b = (pd.DataFrame(np.zeros((5, 2)), columns=list(names)) for names in ("ab", "ba"))
    with pytest.raises(ValueError, match=r"series 1 has columns \['b', 'a'\], series 0 has \['a', 'b'\]"):
        make_windows([a, b], window=2)
    with pytest.raises(ValueError, match=r"target 'c' is not a channel of the series: choose from \['a', 'b'\]"):
        make_windows(a, window=2, target="c")


# ----------------------------------------------------------------------------------------------------- SlidingWindow
@quick
@given(n=st.integers(1, 8), window=st.integers(1, 10), dtype=st.sampled_from([np.float32, np.float64]))
def test_sliding_window(n, window, dtype):
    rows = np.random.default_rng(0).normal(size=(n, 2)).astype(dtype)
    got = SlidingWindow(window).fit_transform(rows)
    assert_same(got, [rows[max(0, t - window + 1) : t + 1] for t in range(n)])
    assert got.values.dtype == dtype


def test_sliding_window_sees_no_later_row():
    rows = np.random.default_rng(0).normal(size=(10, 2))
    sliding = SlidingWindow(4).fit(rows)
    assert sliding.transform(rows)[:6] == sliding.transform(rows[:6])


def test_sliding_window_keeps_missing_values_and_names():
    frame = pd.DataFrame({"a": [1.0, np.nan, 3.0], "b": [4, 5, 6]})
    sliding = SlidingWindow(2).fit(frame)
    assert sliding.get_feature_names_out().tolist() == ["a", "b"]
    assert_same(sliding.transform(frame), [frame.to_numpy()[max(0, t - 1) : t + 1] for t in range(3)])
    with pytest.raises(ValueError, match="feature names should match"):
        sliding.transform(frame[["b", "a"]])


def test_what_was_fitted_stays_if_a_fit_fails():
    sliding = SlidingWindow(2).fit(pd.DataFrame({"a": [1.0], "b": [2.0]}))
    with pytest.raises(ValueError, match="infinity"):
        sliding.fit(pd.DataFrame({"c": [np.inf]}))
    assert sliding.feature_names_in_.tolist() == ["a", "b"]


def test_sliding_window_refuses_sequences_and_infinity():
    for X in (SequenceArray.from_list([[1, 2], [3]]), np.zeros((2, 3, 4)), [[1.0], [2.0, 3.0]]):
        with pytest.raises(ValueError, match="X holds sequences, but SlidingWindow cuts one series"):
            SlidingWindow(2).fit(X)
    with pytest.raises(ValueError, match="infinity"):
        SlidingWindow(2).fit([[1.0], [np.inf]])
    with pytest.raises(ValueError, match="'window' parameter of SlidingWindow"):
        SlidingWindow(0).fit([[1.0]])


def test_windows_begin_anew_in_each_part_of_a_split():
    """The step before last of a window is the target; the first two rows of a test part have none."""
    rows = np.random.default_rng(0).normal(size=(60, 1))
    before_last = FunctionTransformer(lambda S: np.array([x[-3] if len(x) >= 3 else [0.0] for x in S]))
    pipeline = make_pipeline(SlidingWindow(4), before_last, LinearRegression())
    y = np.roll(rows[:, 0], 2)
    for train, test in TimeSeriesSplit(3).split(rows):
        predicted = pipeline.fit(rows[train], y[train]).predict(rows[test])
        assert_allclose(predicted[2:], rows[test[:-2], 0], atol=0.2)  # the fit saw two false targets
        assert_allclose(predicted[:2], pipeline[-1].intercept_)


def test_with_a_network_and_a_split_in_time():
    rng = np.random.default_rng(0)
    load = np.sin(np.arange(160) / 3) + 0.05 * rng.normal(size=160)
    frame = pd.DataFrame({"load": load}, index=pd.date_range("2020", periods=160, freq="h"))
    X, y = frame[:-1], frame["load"].shift(-1)[:-1]
    network = RNNRegressor(8, "elman", max_iter=60, learning_rate_init=0.02, tol=1e-3, random_state=0)
    pipeline = make_pipeline(SlidingWindow(12), PerStep(FunctionTransformer()), network)
    for train, test in TimeSeriesSplit(2).split(X):
        assert pipeline.fit(X.iloc[train], y.iloc[train]).score(X.iloc[test], y.iloc[test]) > 0.9


# -------------------------------------------------------------------------------------- what windows hold, and targets
def engine_frames():
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame(rng.normal(size=(n, 2)), columns=["hr", "bp"]) for n in (12, 9)]
    return [frame.assign(left=np.arange(len(frame))[::-1], fails=np.arange(len(frame)) > 5) for frame in frames]


@pytest.mark.parametrize(
    ("inputs", "held"), [(None, [0, 1, 2, 3]), ("bp", [1]), (["bp", "hr"], [1, 0]), (["left", "hr"], [2, 0])]
)
@pytest.mark.parametrize("horizon", [1, 2])
def test_windows_hold_the_inputs(inputs, held, horizon):
    frames = engine_frames()
    arrays = [frame.to_numpy(np.float64) for frame in frames]
    got = make_windows(frames, window=3, horizon=horizon, target="left", inputs=inputs)
    everything = make_windows(arrays, window=3, horizon=horizon, target=2)
    assert SequenceArray(everything.X.values[:, held], everything.X.offsets) == got.X
    assert_array_equal(got.y, everything.y)
    numbers = None if inputs is None else held[0] if isinstance(inputs, str) else held
    assert make_windows(arrays, window=3, horizon=horizon, target=2, inputs=numbers).X == got.X
    test = make_windows(
        [f[5:] for f in frames], window=3, target="left", inputs=inputs, context=[f[:5] for f in frames]
    )
    assert_same(test.X, [a[t - 2 : t + 1, held] for a in arrays for t in range(4, len(a) - 1)])
    now = last_windows(frames, window=3, inputs=inputs)
    assert got.X.channel_names == test.X.channel_names == now.channel_names == tuple(frames[0].columns[held])
    assert_same(now, [a[-3:, held] for a in arrays])


@pytest.mark.parametrize("target", ["left", ["left", "fails"], ["left"]])
def test_a_target_at_the_last_step_is_not_held(target):
    frames = engine_frames()
    got = make_windows(frames, window=3, horizon=0, target=target, stride=2)
    ends = [(i, t) for i, frame in enumerate(frames) for t in range(2, len(frame), 2)]
    rest = [frame.drop(columns=target).to_numpy(np.float64) for frame in frames]
    assert_same(got.X, [rest[i][t - 2 : t + 1] for i, t in ends])
    assert_array_equal(got.y, [frames[i][target].iloc[t] for i, t in ends])
    assert_array_equal(np.column_stack([got.series, got.steps]), ends)
    assert_array_equal(got.target_steps, got.steps)
    inputs = list(frames[0].columns.drop(target))
    assert got.X == make_windows(frames, window=3, horizon=0, target=target, stride=2, inputs=inputs).X


def test_every_step_behind_the_context_has_a_window_that_ends_with_it():
    frame = engine_frames()[0]
    got = make_windows(frame[4:], window=3, horizon=0, target="left", context=frame[:4])
    assert_array_equal(got.steps, np.arange(8))
    assert_array_equal(got.y, frame["left"][4:])
    assert_array_equal(got.X[0][:, 0], frame["hr"][2:5])
    assert len(make_windows(frame[4:], window=1, horizon=0, target="left", context=frame[:4]).y) == 8


@pytest.mark.parametrize("horizon", [None, 0, 1, 3])
@pytest.mark.parametrize("with_context", [False, True])
@pytest.mark.parametrize("n_targets", [None, 1, 2])
def test_windows_of_ragged_x_and_y(horizon, with_context, n_targets):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(n, 2)) for n in (12, 9)]
    y = [rng.normal(size=len(x) if n_targets is None else (len(x), n_targets)) for x in X]
    options, k = {} if horizon is None else {"horizon": horizon}, 5 if with_context else 0
    if with_context:
        options["context"] = [x[:k] for x in X]
    got = make_windows([x[k:] for x in X], [targets[k:] for targets in y], window=3, **options)
    ahead = horizon or 0
    first = max(2, k - (ahead > 0)) if with_context else 2
    ends = [(i, t) for i, x in enumerate(X) for t in range(first, len(x) - ahead)]
    assert_same(got.X, [X[i][t - 2 : t + 1] for i, t in ends])
    expected = np.array([y[i][t + 1 : t + 1 + ahead] if ahead else y[i][t : t + 1] for i, t in ends])
    expected = expected[:, 0] if ahead <= 1 else expected
    assert_array_equal(got.y, expected[..., 0] if n_targets == 1 else expected)


@pytest.mark.parametrize("convert", [np.array, list, pd.Series, pl.Series])
def test_targets_of_one_series(convert):
    x, y = np.arange(8.0), [3, 1, 4, 1, 5, 9, 2, 6]
    assert_array_equal(make_windows(x, convert(y), window=3).y, y[2:])
    assert_array_equal(make_windows([x], [convert(y)], window=3).y, y[2:])
    assert_array_equal(make_windows(x, SequenceArray.from_list([y]), window=3).y, y[2:])


def test_classes_stay_what_they_are():
    for y in (list("abcabc"), [True, False] * 3, [3, 1, 2, 0, 3, 1]):
        got = make_windows(np.arange(6.0), y, window=2)
        assert got.y.tolist() == y[1:]
        assert got.y.dtype == np.array(y).dtype


@pytest.mark.parametrize(
    ("y", "arguments", "message"),
    [
        ([[0] * 8, [1] * 7], {}, "sequence 1 has 7 steps in y, but 9 in series"),
        ([[0] * 8], {}, "y has 1 sequence, but series has 2"),
        ([0, 1], {}, r"y has 0 for series 0: it needs a target for each step. .* y\[windows.series\]"),
        (3, {}, "y is of type int; it must be"),
        ([[0.0] * 8, [np.nan] * 9], {}, "y contains NaN: sequence 1, step 0"),
        ([[0] * 8, [1] * 9], {"target": 0}, "y and target are both given"),
        (None, {"horizon": 0}, "horizon=0 needs target"),
        (None, {"horizon": 0, "target": 1, "inputs": [0, 1]}, "1 is among inputs and target"),
        (None, {"horizon": 0, "target": [0, 1]}, "all channels are targets"),
        (None, {"inputs": []}, "inputs is empty"),
        (None, {"inputs": "hr"}, r"inputs 'hr' is not a channel of the series: choose from \[0, 1\]"),
        (None, {"inputs": [True, False]}, r"inputs True is not a channel of the series: choose from \[0, 1\]"),
        (None, {"target": np.array([False, True])}, r"target .*False.* is not a channel of the series"),
    ],
)
def test_targets_and_inputs_that_do_not_fit(y, arguments, message):
    with pytest.raises(ValueError, match=message):
        make_windows([np.zeros((8, 2)), np.zeros((9, 2))], y, window=2, **arguments)


def test_targets_of_other_times_than_the_series():
    series = pd.Series(np.arange(9.0), index=pd.date_range("2020", periods=9))
    assert_array_equal(make_windows(series, series, window=2).y, np.arange(1.0, 9))
    with pytest.raises(ValueError, match="y 0 has time 2020-01-02 00:00:00 at step 0, series 0 has 2020-01-01"):
        make_windows(series, series.shift(freq="D"), window=2)
    with pytest.raises(ValueError, match="y 0 is not in the order of time"):
        make_windows(series, series.sample(frac=1, random_state=0), window=2)


def test_last_windows_of_several_series():
    series = [np.arange(5.0), np.arange(3.0)]
    assert_same(last_windows(series, window=3), [s[-3:, np.newaxis] for s in series])
    with pytest.raises(ValueError, match="series 1 has 3 steps: for a window of 4 it needs at least 4"):
        last_windows(series, window=4)
    with pytest.raises(ValueError, match="'window' parameter of last_windows"):
        last_windows(series, window=0)
