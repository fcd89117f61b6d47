"""The times of steps: read from an index of pandas, and checked for gaps."""

import contextlib
import datetime
import numbers
import re
import warnings

import numpy as np
import pandas as pd
from pandas.tseries.frequencies import to_offset

DATES = ("date", "datetime", "datetime64")
DURATIONS = ("timedelta", "timedelta64")
NUMBERS = ("integer", "floating", "mixed-integer-float")
MONTH = (
    r"\b(jan(uary)?|feb(ruary)?|mar(ch)?|apr(il)?|may|june?|july?|aug(ust)?|sept?(ember)?|oct(ober)?|nov(ember)?"
    r"|dec(ember)?)"
)
TEXT_OF_A_DATE = re.compile(
    r"\d{4}[-/.]\d{1,2}([-/.]\d{1,2})?(\D|$)|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}(\D|$)"
    r"|(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(\D|$)|\d{4}-?Q[1-4]$"
    rf"|{MONTH}\.?[- ]\d|\d{{1,4}}[- ]{MONTH}(\W|$)",
    re.IGNORECASE,
)
REMEDY = "Split the series there, or fill the gap, for example by resampling. step=None allows steps of any length."
ROW_NUMBERS = " If the index only numbers rows, drop it: frame.reset_index(drop=True)."


def time_index(index):
    """Make an index one of datetimes, timedeltas, periods or numbers; None if it tells no times.

    Objects, categories and types of Arrow become what they hold, intervals when they begin. A `RangeIndex` that rises
    only numbers rows.
    """
    if isinstance(index, pd.RangeIndex) and index.step > 0:
        return None
    if isinstance(index, pd.CategoricalIndex):
        index = index.astype(index.categories.dtype)
    if pd.api.types.infer_dtype(index) == "interval":
        return time_index(pd.IntervalIndex(index).left)
    kind = pd.api.types.infer_dtype(index)
    if kind in DATES:
        return index if isinstance(index, pd.DatetimeIndex) else _dates(index)
    if kind in DURATIONS:
        return pd.TimedeltaIndex(index)
    if kind == "period":
        return pd.PeriodIndex(index)
    if kind in NUMBERS:
        whole = kind == "integer" and not index.hasnans
        return pd.Index(index.to_numpy(np.int64) if whole else index.to_numpy(np.float64, na_value=np.nan))
    return None


def _dates(index):
    try:
        return pd.DatetimeIndex(pd.to_datetime(index))
    except ValueError:  # time zones that differ
        instants = {t.tzinfo is None: t for t in index.dropna()[::-1] if isinstance(t, datetime.datetime)}
        if len(instants) == 2:
            raise ValueError(
                f"{instants[False]} has a time zone, {instants[True]} has none: the times must be of one kind, so give "
                "all a zone by tz_localize, or none."
            ) from None
        return pd.DatetimeIndex(pd.to_datetime(index, utc=True))


def text_of_a_date(index):
    """The first entry of an index if it is a text that looks like a date, else None."""
    first = index[0] if len(index) else None
    return first if isinstance(first, str) and TEXT_OF_A_DATE.match(first) else None


def kind_of(index):
    """What the times are, in words; those of two kinds cannot be compared."""
    if isinstance(index, pd.PeriodIndex):
        return f"periods ({index.freqstr})"
    if isinstance(index, pd.DatetimeIndex):
        return "datetimes" if index.tz is None else "datetimes with a time zone"
    return "timedeltas" if isinstance(index, pd.TimedeltaIndex) else "numbers"


def stamps_of(index):
    """Times in a type of NumPy: those of time zones in UTC, periods as the datetimes at which they begin."""
    if isinstance(index, pd.PeriodIndex):
        index = index.to_timestamp()
    elif isinstance(index, pd.DatetimeIndex):
        index = index.tz_convert(None) if index.tz is not None else index
    return index.to_numpy()


def converted(objects, *, numbered):
    """Objects as `stamps_of` has them, or as they are if they are no times; `numbered` makes numbers of periods."""
    index = time_index(pd.Index(objects))
    if index is None:
        return objects
    if numbered and isinstance(index, pd.PeriodIndex) and not index.hasnans:
        return index.astype(np.int64).to_numpy()
    return stamps_of(index)


def check_order(index, what):
    """Raise at the first time that is missing, or not later than the one before it."""
    if index.hasnans:
        step = int(index.isna().argmax())
        raise ValueError(f"{what}: step {step} has time {index[step]}, so its place is unknown: drop the row.")
    falling = _lengths(index) <= 0
    if falling.any():
        step = int(falling.argmax()) + 1
        raise ValueError(
            f"{what} is not in the order of time: step {step} has time {index[step]}, the step before it "
            f"{index[step - 1]}. Times must increase: sort them, and remove those that appear twice."
            + (ROW_NUMBERS if kind_of(index) == "numbers" else "")
        )


def check_steps(indexes, step, what, n_read):
    """Raise at the first step that is not as long as it should be.

    indexes: one of `time_index` for each series, rising, all of one kind.
    step: the length; "auto" for even steps, whatever their length; None for any.
    what: names a series by its number.
    n_read: how many of the last times of each are looked at; "auto" takes the usual length from all.
    """
    if step is None:
        return
    even = isinstance(step, str) and step == "auto"
    all_lengths = [_lengths(index) for index in indexes]
    for i, (index, lengths) in enumerate(zip(indexes, all_lengths, strict=True)):
        wrong = _uneven(index, lengths) if even else ~_has_length(index, lengths, step)
        wrong[: len(index) - n_read[i]] = False
        if wrong.any():
            k = int(wrong.argmax())
            due = f"most steps are {_words(index, np.median(lengths))}" if even else f"should be {step}"
            raise ValueError(
                f"{what.format(i)} is not evenly spaced: the step from {index[k]} (step {k}) to {index[k + 1]} is "
                f"{_words(index, lengths[k])}, but {due}. {REMEDY}"
                + (ROW_NUMBERS if kind_of(index) == "numbers" else "")
            )
    if even:
        _check_alike(indexes, all_lengths, what)


def _check_alike(indexes, all_lengths, what):
    """Raise if one series has, say, hours for steps, and another days."""
    usual = {i: np.median(lengths) for i, lengths in enumerate(all_lengths) if len(lengths)}
    for i, length in usual.items():
        first = next(iter(usual))
        if not usual[first] / 2 < length < usual[first] * 1.5:
            raise ValueError(
                f"{what.format(i)} has steps of {_words(indexes[i], length)}, {what.format(first)} of "
                f"{_words(indexes[first], usual[first])}: resample them to one step, or pass step=None to allow "
                "different steps."
            )


def _lengths(index):
    """The lengths of the steps: in seconds, in periods, or as the numbers of the index have them."""
    if isinstance(index, pd.PeriodIndex):
        return np.diff(index.astype(np.int64)).astype(np.float64)
    lengths = np.diff(stamps_of(index))
    return lengths / np.timedelta64(1, "s") if lengths.dtype.kind == "m" else lengths.astype(np.float64)


def _words(index, length):
    kind = kind_of(index)
    if kind == "numbers":
        return f"{length:g}"
    return f"{length:g} {kind}" if isinstance(index, pd.PeriodIndex) else str(pd.Timedelta(seconds=length))


def _uneven(index, lengths):
    """Whether each step is far from the usual one; months and days of 23 hours are not, nor are weekends."""
    if len(lengths) < 2 or (isinstance(index, pd.DatetimeIndex) and index.freq is not None):
        return np.zeros(len(lengths), dtype=bool)
    uneven = _far_from_median(lengths)
    if uneven.any() and isinstance(index, pd.DatetimeIndex) and (index.day_of_week < 5).all():
        days = index.tz_localize(None).to_numpy().astype("datetime64[D]")
        by_working_days = _far_from_median(np.busday_count(days[:-1], days[1:]))
        return min(uneven, by_working_days, key=np.sum)
    return uneven


def _far_from_median(lengths):
    usual = np.median(lengths)
    return np.abs(lengths - usual) >= usual / 2


def _has_length(index, lengths, step):
    """Whether each step is `step`, to a thousandth of it."""
    kind = kind_of(index)
    if kind == "numbers" or (isinstance(index, pd.PeriodIndex) and _is_number(step)):
        if not _is_number(step) or not step > 0:
            raise ValueError(f"step must be a positive number, as the index holds {kind}, got {step!r}.")
        return np.abs(lengths - step) <= step / 1000
    offset = _offset(step, kind)
    begin = index.to_timestamp() if isinstance(index, pd.PeriodIndex) else index
    wall = begin.tz_localize(None) if isinstance(begin, pd.DatetimeIndex) else begin
    if isinstance(offset, pd.Timedelta):  # a day over a change of the clock is one by the clock
        return _are_apart(begin, offset) | _are_apart(wall, offset)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.PerformanceWarning)
        apart = np.asarray(wall[:-1] + offset == wall[1:])
        if isinstance(index, pd.PeriodIndex):  # their own frequency is one of ends
            end = index.to_timestamp(how="end")
            apart |= np.asarray(end[:-1] + offset == end[1:])
        return apart


def _are_apart(times, offset):
    return np.abs(_lengths(times) / offset.total_seconds() - 1) <= 1e-3


def _is_number(step):
    return isinstance(step, numbers.Real) and not isinstance(step, (bool, np.bool_, np.timedelta64))


def _offset(step, kind):
    """A step between dates, as a positive timedelta, or as an offset of the calendar."""
    try:
        offset = to_offset(pd.Timedelta(step) if isinstance(step, np.timedelta64) else _of_periods(step, kind))
    except (TypeError, ValueError):
        raise ValueError(
            f"step must be a timedelta or a frequency of pandas such as '1h' or 'MS', as the index holds {kind}; "
            f"'auto', or None; got {step!r}."
        ) from None
    if not offset.n > 0:
        raise ValueError(f"step must be positive, got {step!r}.")
    try:
        return pd.Timedelta(offset)
    except ValueError:
        return offset


def _of_periods(step, kind):
    """The offset of a frequency that only periods have, like "M"; all else as it is."""
    if isinstance(step, str) and kind.startswith("periods"):
        with contextlib.suppress(ValueError):
            return pd.Period("2000", step).freq
    return step
