"""Windows over time: an index of any kind is in order, without gaps, and says when a window ends."""

import datetime
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal

from skrnn import SequenceArray
from skrnn.model_selection import TimeBlockSplit
from skrnn.preprocessing import SlidingWindow, last_windows, make_windows

ZONE = "Europe/Berlin"
HOURS = pd.date_range("2024-03-30 12:00", periods=40, freq="h")
# Steps 3 and 4 are followed by one that has its like in the calendar: a weekend, a short month, a change of the clock.
EVEN = {
    "hours": HOURS,
    "hours over a change of the clock": HOURS.tz_localize("UTC").tz_convert(ZONE),
    "days over a change of the clock": pd.date_range("2024-03-20", periods=40, freq="D", tz=ZONE),
    "working days": pd.bdate_range("2024-01-03", periods=40),
    "working days of a time zone": pd.bdate_range("2024-03-20", periods=40, tz=ZONE),
    "weeks": pd.date_range("2024-01-05", periods=40, freq="W-FRI"),
    "starts of months": pd.date_range("2023-11-01", periods=40, freq="MS"),
    "ends of months": pd.date_range("2023-11-30", periods=40, freq="ME"),
    "last working days of months": pd.date_range("2023-11-30", periods=40, freq="BME"),
    "quarters": pd.date_range("2023-01-01", periods=40, freq="QS"),
    "years": pd.date_range("1990-01-01", periods=40, freq="YS"),
    "times that are not exact": HOURS + pd.to_timedelta(np.random.default_rng(0).integers(0, 600, 40), "s"),
    "periods": pd.period_range("2023-11", periods=40, freq="M"),
    "periods of quarters": pd.period_range("2023-11", periods=40, freq="Q"),
    "timedeltas": pd.timedelta_range("1h", periods=40, freq="15min"),
    "numbers of years": pd.Index(np.arange(1980, 2020)),
    "seconds": pd.Index(np.arange(40) * 0.1),
    "objects of dates": pd.Index(pd.date_range("2024-01-01", periods=40).date),
    "objects of datetimes": pd.Index(HOURS.to_pydatetime(), dtype=object),
    "objects of periods": pd.Index(pd.period_range("2023-11", periods=40, freq="M"), dtype=object),
    "objects of timedeltas": pd.Index(pd.timedelta_range("1h", periods=40, freq="h"), dtype=object),
    "dates of Arrow": pd.Index(pd.date_range("2024-01-01", periods=40).date, dtype=pd.ArrowDtype(pa.date32())),
    "categories": pd.CategoricalIndex(HOURS),
    "nullable numbers": pd.Index(np.arange(40), dtype="Int64"),
}
KINDS = pytest.mark.parametrize("index", EVEN.values(), ids=EVEN)


def frame_of(index):
    return pd.DataFrame({"load": np.arange(float(len(index))), "heat": 0.0}, index=index)


def without(index, *steps):
    """The index without some of its steps, and without its frequency."""
    return index[[k for k in range(len(index)) if k not in steps]]


def stamps(index):
    """What `times` should be, by pandas' own conversion of each entry."""
    if isinstance(index[0], pd.Period):
        return np.array([period.to_timestamp().to_numpy() for period in index])
    if isinstance(index[0], datetime.date):
        return np.array(
            [pd.Timestamp(t).tz_convert(None) if getattr(t, "tzinfo", None) else t for t in index], "M8[ns]"
        )
    return index.to_numpy()


@KINDS
def test_even_steps_are_no_gaps(index):
    frame = frame_of(without(index))
    train, test = frame[:25], frame[25:]
    got = make_windows(train, window=4, horizon=2)
    assert_array_equal(got.times, stamps(index)[3:23])
    assert_array_equal(got.target_times, stamps(index)[5:25])
    later = make_windows(test, window=4, horizon=2, context=train)
    assert_array_equal(later.times, stamps(index)[24:38])
    both = make_windows([train, frame[10:]], window=4)
    assert_array_equal(both.times, stamps(index)[[*range(3, 24), *range(13, 39)]])
    assert last_windows(frame, window=4)[0][:, 0].tolist() == [36, 37, 38, 39]
    assert len(SlidingWindow(3).fit(train).transform(frame)) == 40


@KINDS
@pytest.mark.parametrize("lost", [(10,), (9, 10, 11)])
def test_a_gap_is_named_by_date(index, lost):
    gone = without(index, *lost)
    frame, before, after = frame_of(gone), gone[lost[0] - 1], gone[lost[0]]
    for what, call in {
        "series 0": lambda: make_windows(frame, window=4),
        "series 1": lambda: make_windows([frame[:5], frame], window=4),
        "X": lambda: SlidingWindow(4).fit(frame),
    }.items():
        with pytest.raises(ValueError, match=rf"{what} is not evenly spaced: .* step=None allows steps") as raised:
            call()
        assert str(before) in str(raised.value)
        assert str(after) in str(raised.value)
    assert len(make_windows(frame, window=4, step=None).y) == len(gone) - 4
    assert len(SlidingWindow(4, step=None).fit_transform(frame)) == len(gone)


@KINDS
def test_a_gap_between_context_and_series(index):
    frame = frame_of(without(index))
    with pytest.raises(ValueError, match="series 0 is not evenly spaced"):
        make_windows(frame[20:], window=4, context=frame[:15])
    make_windows(frame[20:], window=4, context=frame[:15], step=None)


@KINDS
def test_rows_out_of_order(index):
    frame = frame_of(without(index))
    shuffled = np.random.default_rng(0).permutation(40)
    for order in (shuffled, np.arange(40)[::-1], [0, 1, 2, 2, *range(3, 40)]):
        for step in ("auto", None):
            with pytest.raises(ValueError, match=r"(series 0|X) is not in the order of time: step \d+ has time"):
                make_windows(frame.iloc[order], window=4, step=step)
            with pytest.raises(ValueError, match="X is not in the order of time"):
                SlidingWindow(4, step=step).fit(frame.iloc[order])


def test_gaps_before_the_windows_that_are_read_do_not_count():
    frame = frame_of(without(HOURS, 10))
    make_windows(frame[20:], window=4, context=frame[:20])
    assert last_windows(frame, window=4)[0][0, 0] == 35
    with pytest.raises(ValueError, match="series 0 is not evenly spaced: the step from 2024-03-30 21:00:00"):
        last_windows(frame[:12], window=4)


@KINDS
@pytest.mark.parametrize("window", [2, 3])
def test_the_usual_step_is_that_of_the_whole_series(index, window):
    """A short window, or a single new row, does not show by itself which of its steps is the long one."""
    frame = frame_of(without(index, 38))
    gap = r"from {}.* \(step 37\) to {}".format(*(re.escape(str(index[k])) for k in (37, 39)))
    with pytest.raises(ValueError, match=gap):
        last_windows(frame, window=window)
    with pytest.raises(ValueError, match=gap):
        make_windows(frame[-1:], window=window, context=frame[:-1])
    assert len(last_windows(frame[:-1], window=window)) == 1
    assert len(make_windows(frame[-2:-1], window=window, context=frame[:-2]).y) == 1


@pytest.mark.parametrize("dtype", ["interval", "category", "object"])
@pytest.mark.parametrize("breaks", [HOURS, np.arange(40.0)], ids=["dates", "numbers"])
def test_intervals_are_times_at_which_they_begin(breaks, dtype):
    index = pd.IntervalIndex.from_breaks(breaks)
    assert_array_equal(make_windows(frame_of(index.astype(dtype)), window=4).times, breaks[3:-2])
    with pytest.raises(ValueError, match="series 0 is not evenly spaced"):
        make_windows(frame_of(without(index, 10).astype(dtype)), window=4)
    with pytest.raises(ValueError, match="X is not in the order of time"):
        SlidingWindow(4).fit(frame_of(index.astype(dtype)[::-1]))


def test_windows_of_parts_around_a_gap():
    """What the message advises."""
    frame = frame_of(without(HOURS, 10, 11))
    got = make_windows([frame[:10], frame[10:]], window=4, target="load")
    assert_array_equal(got.y, [*range(4, 10), *range(14, 38)])
    assert_array_equal(got.series, [0] * 6 + [1] * 24)


# -------------------------------------------------------------------------------------------------------------- step
@pytest.mark.parametrize(
    ("index", "step"),
    [
        (HOURS, "1h"),
        (HOURS, "h"),
        (HOURS, pd.Timedelta("1h")),
        (HOURS, datetime.timedelta(hours=1)),
        (HOURS, np.timedelta64(1, "h")),
        (HOURS, pd.offsets.Hour()),
        (EVEN["days over a change of the clock"], "D"),
        (EVEN["days over a change of the clock"], pd.Timedelta("1D")),
        (EVEN["working days"], "B"),
        (EVEN["working days of a time zone"], "B"),
        (EVEN["starts of months"], "MS"),
        (EVEN["last working days of months"], pd.offsets.BusinessMonthEnd()),
        (EVEN["periods"], 1),
        (EVEN["periods"], "MS"),
        (EVEN["periods"], "M"),
        (EVEN["periods"], "ME"),
        (EVEN["periods"], EVEN["periods"].freq),
        (EVEN["periods of quarters"], "Q"),
        (EVEN["periods of quarters"], EVEN["periods of quarters"].freqstr),
        (pd.period_range("2024", periods=40, freq="W"), "W"),
        (pd.period_range("2024", periods=40, freq="D"), "D"),
        (EVEN["timedeltas"], "15min"),
        (EVEN["numbers of years"], 1),
        (EVEN["seconds"], 0.1),
        (EVEN["objects of dates"], "D"),
    ],
    ids=lambda value: repr(value) if not isinstance(value, pd.Index) else "",
)
def test_steps_of_a_length_that_is_told(index, step):
    frame = frame_of(without(index))
    assert len(make_windows(frame[4:], window=4, step=step, context=frame[:4]).y) == 36
    for other in (frame_of(without(index, 10)), frame[::2]):
        with pytest.raises(ValueError, match=r"series 0 is not evenly spaced: .*, but should be"):
            make_windows(other, window=4, step=step)
        with pytest.raises(ValueError, match="X is not evenly spaced"):
            SlidingWindow(4, step=step).fit(other)


def test_a_calendar_of_ones_own():
    """Shops that close on Sundays, and hours of business: steps that only a calendar or a frequency can tell."""
    shop = pd.offsets.CustomBusinessDay(weekmask="Mon Tue Wed Thu Fri Sat", holidays=["2024-05-01"])
    for step in (shop, "bh"):
        index = pd.date_range("2024-04-26 10:00", periods=30, freq=step)
        frame = frame_of(index)
        make_windows(frame, window=4)  # the index has a frequency
        make_windows(frame_of(without(index)), window=4, step=step)
        with pytest.raises(ValueError, match="series 0 is not evenly spaced"):
            make_windows(frame_of(without(index)), window=4)
        with pytest.raises(ValueError, match="series 0 is not evenly spaced"):
            make_windows(frame_of(without(index, 10)), window=4, step=step)


@pytest.mark.parametrize(
    ("index", "step", "message"),
    [
        (HOURS, 1, "step must be a timedelta or a frequency of pandas .* as the index holds datetimes"),
        (HOURS, "hour", "step must be a timedelta or a frequency of pandas"),
        (HOURS, pd.Timedelta("-1h"), "step must be positive"),
        (HOURS, np.timedelta64("NaT"), "step must be a timedelta or a frequency"),
        (EVEN["timedeltas"], 5, "step must be a timedelta or a frequency of pandas .* as the index holds timedeltas"),
        (EVEN["numbers of years"], "1h", "step must be a positive number, as the index holds numbers, got '1h'"),
        (EVEN["numbers of years"], 0, "step must be a positive number"),
        (EVEN["numbers of years"], True, "step must be a positive number"),
        (EVEN["numbers of years"], np.timedelta64(1, "h"), "step must be a positive number"),
        (EVEN["periods"], -1, "step must be a positive number, as the index holds periods"),
        (pd.RangeIndex(40), 1, "step=1 needs times: pass pandas objects"),
    ],
    ids=lambda value: repr(value) if not isinstance(value, pd.Index) else "",
)
def test_a_step_that_is_none(index, step, message):
    for call in (
        lambda: make_windows(frame_of(index), window=4, step=step),
        lambda: last_windows(frame_of(index), window=4, step=step),
        lambda: SlidingWindow(4, step=step).fit(frame_of(index)),
    ):
        with pytest.raises(ValueError, match=message):
            call()


# ----------------------------------------------------------------------------------------------- several, and without
def test_series_of_different_steps():
    hourly, daily = frame_of(HOURS), frame_of(pd.date_range("2024-01-01", periods=40))
    with pytest.raises(ValueError, match=r"series 1 has steps of 1 days .*, series 0 of 0 days 01:00:00"):
        make_windows([hourly, daily], window=4)
    make_windows([hourly, daily], window=4, step=None)


def test_times_of_different_kinds():
    frames = [frame_of(EVEN[kind]) for kind in ("hours", "hours over a change of the clock", "periods")]
    for i in (1, 2):
        with pytest.raises(
            ValueError, match=r"the times of series 0 are datetimes, those of series 1 (datetimes w|per)"
        ):
            make_windows([frames[0], frames[i]], window=4)
    with pytest.raises(ValueError, match="the times of series are datetimes, those of context periods"):
        make_windows(frames[0], window=4, context=frames[2])


def test_rows_that_are_only_numbered_have_no_times():
    frame = frame_of(pd.RangeIndex(40))
    for part in (frame[10:], frame.iloc[10:][::2], frame.iloc[10:].to_numpy(), frame[10:].set_index(np.arange(30))):
        got = make_windows(part, window=4)
        assert_array_equal(got.times, got.steps)
    context = frame[:10].set_index(np.arange(10))  # numbers on one side only
    assert_array_equal(make_windows(frame[10:], window=4, context=context).times, np.arange(-1, 29))
    for index in ("abcdefghij", [True, False] * 5):
        assert_array_equal(make_windows(frame_of(pd.Index(list(index), dtype=object)), window=4).times, np.arange(3, 9))


def test_rows_that_were_dropped_or_shuffled_under_a_default_index():
    frame = frame_of(pd.RangeIndex(40))
    frame.iloc[[7, 8], 0] = np.nan
    with pytest.raises(ValueError, match=r"from 6 \(step 6\) to 9 is 3, but most steps are 1.* frame.reset_index"):
        make_windows(frame.dropna(), window=4)
    with pytest.raises(ValueError, match=r"is not in the order of time.* frame.reset_index\(drop=True\)"):
        make_windows(frame.sample(frac=1, random_state=0), window=4)
    make_windows(frame.dropna().reset_index(drop=True), window=4)


WRITTEN = ["20240131", "20240131T10", "2024Q1", "2024-Q1", "Jan 2024", "January 5, 2024", "31-Jan-2024", "31 JAN 2024"]


@pytest.mark.parametrize("text", ["2024-01-31", "2024-01-31 10:00", "31.01.2024", "1/31/2024", "2024-01", *WRITTEN])
def test_texts_that_look_like_dates(text):
    frame = frame_of(pd.Index([text] * 10))
    with pytest.raises(
        ValueError, match=r"index of series 0 holds texts that look like dates, the first is .*to_datetime"
    ):
        make_windows(frame, window=4)


def test_sequences_in_a_column_have_no_times_of_steps():
    packed = SequenceArray.from_list([np.arange(9.0), np.arange(7.0)])
    column = pd.Series([*packed], index=pd.to_datetime(["2024-01-02", "2024-01-01"]))  # of the sequences, in any order
    assert_array_equal(make_windows(column, window=4).times, [*range(3, 8), *range(3, 6)])


@pytest.mark.parametrize("text", ["row 1", "a", "20241331", "12024013", "x2024Q1", "marker 1", "7 marchers", "12:30"])
def test_texts_that_are_labels(text):
    assert_array_equal(make_windows(frame_of(pd.Index([text] * 10)), window=4).times, np.arange(3, 9))


def test_times_with_a_zone_beside_those_without():
    mixed = pd.Index([*HOURS[:9].tz_localize(ZONE), *HOURS[9:]], dtype=object)
    message = r"2024-03-30 12:00:00\+01:00 has a time zone, 2024-03-30 21:00:00 has none"
    with pytest.raises(ValueError, match=message):
        make_windows(frame_of(mixed), window=4)
    with pytest.raises(ValueError, match=message):
        next(TimeBlockSplit(2).split(np.zeros((40, 1)), groups=list(mixed)))
