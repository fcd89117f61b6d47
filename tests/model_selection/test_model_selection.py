"""Splits in time: the future never trains, by an obvious version and by windows that share no step."""

import datetime

import numpy as np
import pandas as pd
import pytest
import sklearn
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit, cross_val_predict, cross_validate

from skrnn import SequenceArray
from skrnn.model_selection import TimeBlockSplit
from skrnn.preprocessing import make_windows

OPTIONS = {"n_splits": st.integers(1, 4), "gap": st.integers(0, 4), "test_size": st.none() | st.integers(1, 4)}


def splits(cv, times):
    return list(cv.split(np.zeros((len(times), 1)), groups=times))


def obvious_splits(times, n_splits, gap, test_size):
    """The same sample by sample; None if there are too few times."""
    stamps = sorted(set(times))
    size = test_size or len(stamps) // (n_splits + 1)
    if size < 1 or len(stamps) <= n_splits * size:
        return None
    found = []
    for k in range(n_splits, 0, -1):
        block = stamps[len(stamps) - k * size :][:size]
        train = [i for i, t in enumerate(times) if t + gap < block[0]]
        found.append((train, [i for i, t in enumerate(times) if t in block]))
    return found


@given(times=st.lists(st.integers(0, 30), min_size=1, max_size=40), **OPTIONS)
def test_splits_are_those_of_the_obvious_version(times, n_splits, gap, test_size):
    expected = obvious_splits(times, n_splits, gap, test_size)
    cv = TimeBlockSplit(n_splits, gap=gap, test_size=test_size)
    if expected is None:
        with pytest.raises(ValueError, match="distinct times, too few"):
            splits(cv, times)
    elif not all(train for train, _ in expected):
        with pytest.raises(ValueError, match="has no training sample"):
            splits(cv, times)
    else:
        found = [(train.tolist(), test.tolist()) for train, test in splits(cv, times)]
        assert found == expected
        assert len(found) == cv.get_n_splits()


@given(n=st.integers(2, 40), **{**OPTIONS, "n_splits": st.integers(2, 4)})
def test_a_single_series_is_split_as_scikit_learn_does(n, n_splits, gap, test_size):
    try:
        expected = list(TimeSeriesSplit(n_splits, gap=gap, test_size=test_size).split(np.zeros((n, 1))))
    except ValueError:
        assume(False)
    found = splits(TimeBlockSplit(n_splits, gap=gap, test_size=test_size), np.arange(n))
    for (train, test), (train_expected, test_expected) in zip(found, expected, strict=True):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(test, test_expected)


@given(
    starts=st.lists(st.integers(0, 10), min_size=1, max_size=4),
    n_steps=st.integers(30, 40),
    window=st.integers(1, 5),
    horizon=st.integers(1, 3),
)
def test_windows_of_several_series_share_no_step(starts, n_steps, window, horizon):
    length = window + horizon
    series = [np.arange(start, start + n_steps) for start in starts]
    windows = np.concatenate([np.lib.stride_tricks.sliding_window_view(steps, length) for steps in series])
    times = windows[:, -1]
    targets = windows[:, window:]
    for train, test in splits(TimeBlockSplit(3, gap=length - 1, test_size=2), times):
        assert windows[train].max() < windows[test].min()
    overlaps = []
    for train, test in splits(TimeBlockSplit(3, gap=horizon - 1, test_size=2), times):
        assert targets[train].max() < targets[test].min()
        overlaps.append(windows[train].max() >= windows[test].min())
    assert all(overlaps)


def target_stamps(windows, series, horizon):
    """The times of all targets (n, horizon), looked up in the series."""
    steps = windows.steps[:, np.newaxis] + 1 + np.arange(horizon)
    return np.array([series[i].index.to_numpy()[s] for i, s in zip(windows.series, steps, strict=True)])


@given(
    days=st.lists(st.sets(st.integers(0, 60), min_size=18), min_size=1, max_size=3),
    window=st.integers(1, 4),
    horizon=st.integers(1, 4),
    extra=st.integers(0, 3),
    stride=st.integers(1, 2),
    test_size=st.integers(1, 4),
)
def test_no_target_of_training_reaches_into_the_test(days, window, horizon, extra, stride, test_size):
    """The recipe of the page on metrics and splits, over steps as unevenly spaced as can be."""
    start = np.datetime64("2024-01-01", "ns")
    series = [pd.Series(0.0, index=start + np.sort([*own]).astype("timedelta64[D]")) for own in days]
    windows = make_windows(series, window=window, horizon=horizon, stride=stride, step=None)
    targets = target_stamps(windows, series, horizon)
    gap = (windows.target_times - windows.times).max() + np.timedelta64(extra, "D")
    cv = TimeBlockSplit(2, gap=gap, test_size=test_size)
    try:
        parts = splits(cv, windows.times)
    except ValueError:  # nothing is left to train on
        assume(False)
    for train, test in parts:
        assert targets[train].max() < windows.times[test].min() < targets[test].min()


def test_a_gap_in_steps_leaks_where_steps_are_missing():
    """What the recipe is for: over a weekend two steps ahead are four days ahead."""
    series = [pd.Series(np.arange(30.0), index=pd.bdate_range("2024-01-01", periods=30))]
    windows = make_windows(series, window=3, horizon=2)
    targets = target_stamps(windows, series, 2)

    def leaks(gap):
        cv = TimeBlockSplit(3, gap=gap, test_size=3)
        return any(targets[train].max() >= targets[test].min() for train, test in splits(cv, windows.times))

    assert leaks(np.timedelta64(1, "D"))
    assert not leaks((windows.target_times - windows.times).max())


def test_order_of_rows_does_not_matter():
    rng = np.random.default_rng(0)
    times = rng.integers(0, 12, size=50)
    order = rng.permutation(50)
    cv = TimeBlockSplit(3, gap=1)
    for (train, test), (train_mixed, test_mixed) in zip(splits(cv, times), splits(cv, times[order]), strict=True):
        np.testing.assert_array_equal(np.sort(order[train_mixed]), train)
        np.testing.assert_array_equal(np.sort(order[test_mixed]), test)


DATES = pd.date_range("2024-01-01", periods=12, freq="D")


@pytest.mark.parametrize(
    "times",
    [
        DATES,
        pd.Series(DATES, index=range(5, 17)),
        pd.Series(DATES.tz_localize("Europe/Vienna")),
        DATES.to_numpy().astype("datetime64[D]"),
        DATES - DATES[0],
        DATES.tz_localize("Europe/Vienna"),
        list(DATES.tz_localize("Europe/Vienna")),
        DATES.tz_localize("Europe/Vienna").to_numpy(),
        DATES.to_period(),
        pd.Series(DATES.to_period()),
        list(DATES.to_period()),
        pd.Series(DATES.date),
        DATES.to_pydatetime().tolist(),
        list(DATES - DATES[0]),
    ],
    ids=[
        *("index", "series", "time zone", "days", "timedelta", "index with a time zone", "list with a time zone"),
        *("array with a time zone", "periods", "series of periods", "list of periods", "dates", "list of datetimes"),
        "list of timedeltas",
    ],
)
@pytest.mark.parametrize("gap", [np.timedelta64(2, "D"), pd.Timedelta("2D"), datetime.timedelta(days=2)], ids=repr)
def test_dates(times, gap):
    expected = splits(TimeBlockSplit(2, gap=2), np.arange(12))
    for (train, test), (train_expected, test_expected) in zip(
        splits(TimeBlockSplit(2, gap=gap), times), expected, strict=True
    ):
        np.testing.assert_array_equal(train, train_expected)
        np.testing.assert_array_equal(test, test_expected)
    assert len(splits(TimeBlockSplit(2), times)) == 2


def test_a_gap_of_periods():
    months = pd.period_range("2024-01", periods=12, freq="M")
    for times in (months, pd.Series(months), list(months)):
        assert [train.tolist() for train, _ in splits(TimeBlockSplit(2, gap=2), times)] == [[0, 1], list(range(6))]
    with pytest.raises(ValueError, match="time of sample 1 in groups is missing"):
        splits(TimeBlockSplit(2, gap=2), [months[0], pd.NaT, *months[2:]])


def test_instants_of_two_time_zones():
    """The hour that a change of the clock repeats comes twice in the day of one zone."""
    hours = pd.date_range("2024-10-27", periods=6, freq="h", tz="UTC")
    mixed = [hour.tz_convert(zone) for hour, zone in zip(hours, ["Europe/Vienna", "America/New_York"] * 3, strict=True)]
    for times in (mixed, hours.tz_convert("Europe/Vienna")):
        for (train, test), k in zip(splits(TimeBlockSplit(2, gap=pd.Timedelta("1h")), times), (2, 4), strict=True):
            assert (train.tolist(), test.tolist()) == (list(range(k - 1)), [k, k + 1])


def test_dates_of_polars():
    polars = pytest.importorskip("polars")
    times = polars.Series(DATES.to_list())
    assert [len(train) for train, _ in splits(TimeBlockSplit(2), times)] == [4, 8]


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint64])
@pytest.mark.parametrize("gap", [5, 300])
def test_times_before_all_that_the_dtype_holds(dtype, gap):
    times = np.arange(8, dtype=dtype)
    with pytest.raises(ValueError, match="has no training sample"):
        splits(TimeBlockSplit(1, gap=gap, test_size=4), times)
    assert splits(TimeBlockSplit(1, gap=3, test_size=4), times)[0][0].tolist() == [0]


def test_fractional_times():
    assert [train.tolist() for train, _ in splits(TimeBlockSplit(1, gap=0.5), [0.0, 0.6, 1.0])] == [[0]]


def test_no_nanosecond_of_a_gap_is_lost():
    times = np.array([0, 1, 2], dtype="datetime64[ns]")
    train, _ = splits(TimeBlockSplit(1, gap=pd.Timedelta(1, "ns"), test_size=1), times)[0]
    assert train.tolist() == [0]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"n_splits": 0}, "n_splits must be an integer of at least 1, got 0"),
        ({"n_splits": 2.0}, "n_splits must be an integer"),
        ({"n_splits": None}, "n_splits must be an integer"),
        ({"n_splits": True}, "n_splits must be an integer"),
        ({"test_size": 0}, "test_size must be an integer of at least 1, got 0"),
        ({"test_size": 0.2}, "test_size must be an integer"),
    ],
)
def test_options_that_are_none(keywords, message):
    with pytest.raises(ValueError, match=message):
        TimeBlockSplit(**keywords)


@pytest.mark.parametrize(
    ("times", "gap", "message"),
    [
        (None, 0, "groups is missing"),
        ([1, 2, 3], 0, "inconsistent numbers of samples"),
        ([1.0, 2.0, np.nan, 4.0], 0, "time of sample 2 in groups is missing"),
        (pd.Series([*DATES[:3], None]), 0, "time of sample 3 in groups is missing"),
        (["a", "b", "c", "d"], 0, "a number or date for each sample"),
        (pd.Series(["2020", "2021", "2022", "2023"], dtype=object), 0, "a number or date for each sample"),
        (np.zeros((4, 2)), 0, r"got shape \(4, 2\)"),
        ([1, 2, 3, 4], -1, "gap must not be negative"),
        ([1, 2, 3, 4], np.nan, "gap must not be negative or missing"),
        ([1, 2, 3, 4], None, "gap must be a number"),
        ([1, 2, 3, 4], np.timedelta64(1, "D"), "gap must be a number, since times are of dtype int64"),
        (DATES[:4], 1, "gap must be a timedelta"),
        (DATES[:4], pd.Timedelta("-1D"), "gap must not be negative"),
        (DATES[:4], pd.NaT, "gap must"),
        ([1, 2, 3, 4], 9, "Split 0 has no training sample: none is more than gap=9 before 3"),
        ([1, 1, 1, 1], 0, "groups has 1 distinct times, too few for n_splits=2"),
    ],
)
def test_times_that_are_none(times, gap, message):
    with pytest.raises(ValueError, match=message):
        list(TimeBlockSplit(2, gap=gap).split(np.zeros((4, 1)), groups=times))


def test_repr_and_clone():
    cv = TimeBlockSplit(3, gap=2)
    assert repr(cv) == "TimeBlockSplit(gap=2, n_splits=3, test_size=None)"
    assert repr(clone(cv, safe=False)) == repr(cv)


def panel():
    """A table of three series, and the time of each row."""
    rng = np.random.default_rng(0)
    times = np.concatenate([np.arange(start, 30) for start in (0, 10, 5)])
    X = rng.normal(size=(len(times), 2))
    return X, X @ [1.0, -2.0] + 0.1 * rng.normal(size=len(times)), times


def test_it_works_in_the_tools_of_scikit_learn():
    X, y, times = panel()
    cv = TimeBlockSplit(3, gap=1)
    result = cross_validate(LinearRegression(), X, y, groups=times, cv=cv, return_indices=True)
    assert (result["test_score"] > 0.9).all()
    for train, test in zip(result["indices"]["train"], result["indices"]["test"], strict=True):
        assert times[train].max() + 1 < times[test].min()
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e4]}, cv=cv).fit(X, y, groups=times)
    assert search.best_params_ == {"alpha": 0.1}
    assert search.n_splits_ == 3
    with pytest.raises(ValueError, match="partitions"):
        cross_val_predict(Ridge(), X, y, groups=times, cv=cv)


def test_groups_are_routed_without_a_request():
    X, y, times = panel()
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(Ridge(), {"alpha": [0.1, 1e4]}, cv=TimeBlockSplit(2))
        result = cross_validate(search, X, y, params={"groups": times}, cv=TimeBlockSplit(2), error_score="raise")
    assert (result["test_score"] > 0.9).all()


def test_sequences_are_split_as_they_are():
    X = SequenceArray.from_list([[i] * (i + 1) for i in range(6)])
    (train, test), *_ = TimeBlockSplit(2).split(X, groups=[5, 4, 3, 2, 1, 0])
    assert X[train].lengths.tolist() == [5, 6]
    assert X[test].lengths.tolist() == [3, 4]
