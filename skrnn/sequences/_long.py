"""Long frames, one row per time step, to packed sequences and back."""

import numbers
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ._layout import offsets_of
from ._names import str_names
from ._steps import count, is_text, step_array


@dataclass
class _Rows:
    """Rows of a long frame, perhaps sorted: whose they are, when they were, and where in the frame they stand."""

    ids: np.ndarray
    codes: np.ndarray  # number of the instance
    times: np.ndarray | None
    order: np.ndarray  # row of the frame
    given: object  # the column of times, in the words of the user
    remedy: str

    def instance(self, k):
        return f"instance {self.ids[self.order[k]]}"

    def time(self, k):
        row = int(self.order[k])
        return self.given.iloc[row] if hasattr(self.given, "iloc") else self.given[row]

    def at(self, k):
        return f"row {self.order[k]} (time {self.time(k)})"


def pack_long(df, *, instance, time, columns, sort, step):
    """Return values, offsets, names of channels, and the id of each sequence; see `SequenceArray.from_long`."""
    in_seconds = columns is not None
    columns = _channel_columns(df, instance, time, columns)
    ids = _keys(df, instance)
    times = None if time is None else _times(df, instance, time)
    codes = pd.factorize(ids, sort=sort)[0]
    order = np.arange(len(ids))
    if sort:
        order = np.lexsort((codes,) if times is None else (times, codes))
        codes, times = codes[order], None if times is None else times[order]
    remedy = f"{_sorted_call(df, instance, time)} or sort=True"
    rows = _Rows(ids, codes, times, order, None if times is None else _column(df, time), remedy)
    _check_contiguous(rows)
    if times is not None:
        _check_order(rows)
    if step is not None:
        _check_gaps(rows, step)
    values = _channel_values(df, columns, in_seconds)
    starts = _starts(codes)
    offsets = offsets_of(np.diff(starts, append=len(codes)))
    return (values[order] if sort else values), offsets, str_names(columns), _ids_at(df, instance, order[starts])


def positions_of(wanted, found, keep_missing):
    """Return where the wanted ids stand among those found; both must be the same but for their order.

    With `keep_missing` those that are not found have -1.
    """
    wanted, found = pd.Index(wanted), pd.Index(found)
    if not wanted.is_unique:
        raise ValueError(f"the ids must differ, {wanted[wanted.duplicated()][0]} occurs more than once.")
    positions = found.get_indexer(wanted)
    if (positions < 0).any() and not keep_missing:
        raise ValueError(
            f"instance {wanted[(positions < 0).argmax()]} has no row. Remove it from ids, or keep it as a missing "
            "sequence with keep_missing=True."
        )
    others = ~found.isin(wanted)
    if others.any():
        raise ValueError(f"instance {found[others.argmax()]} has rows, but is not among ids. Drop or name it.")
    return positions


def ids_of(wanted, like):
    """Return wanted ids in the form of others."""
    return pd.Index(wanted, name=like.name) if isinstance(like, pd.Index) else type(like)(like.name, list(wanted))


def unpack_long(sequences, ids, *, instance, time, columns):
    """Return a pandas frame with one row per step; see `SequenceArray.to_long`."""
    n, lengths = len(sequences), sequences.lengths
    ids = pd.RangeIndex(n) if ids is None else pd.Index(ids)
    if columns is None:
        columns = sequences.channel_names or [f"channel_{c}" for c in range(sequences.n_channels)]
    columns = [columns] if isinstance(columns, str) else list(columns)
    if len(ids) != n:
        raise ValueError(f"there are {count(n, 'sequence')} and {count(len(ids), 'id')}.")
    if not ids.is_unique:
        raise ValueError(f"the ids must differ, {ids[ids.duplicated()][0]} occurs more than once.")
    if len(columns) != sequences.n_channels:
        raise ValueError(f"there are {count(sequences.n_channels, 'channel')} and {count(len(columns), 'column')}.")
    names = [instance, time, *columns]
    if len(set(names)) < len(names):
        raise ValueError(f"the names of the columns must differ, got {names}.")
    steps = np.arange(len(sequences.values)) - np.repeat(sequences.offsets[:-1], lengths)
    channels = dict(zip(columns, sequences.values.T, strict=True))
    return pd.DataFrame({instance: ids.repeat(lengths), time: steps, **channels})


def _is_pandas(df):
    return hasattr(df, "iloc")


def _sorted_call(df, instance, time):
    keys = [instance] if time is None else [instance, time]
    return f"df.sort_values({keys})" if _is_pandas(df) else f"df.sort({keys})"


def _channel_columns(df, instance, time, columns):
    """Return the names of the channels; all columns that are not keys unless told."""
    if not (_is_pandas(df) or hasattr(df, "get_columns")) or getattr(df, "ndim", 2) != 2:
        raise TypeError(f"a long frame is a DataFrame of pandas or polars, got {type(df).__name__}.")
    if len(df) == 0:
        raise ValueError("the frame has no row.")
    if columns is None:
        columns = [name for name in df.columns if name not in (instance, time)]
    columns = [columns] if isinstance(columns, str) else list(columns)
    if not columns:
        raise ValueError("there is no column for a channel: name at least one in columns.")
    return columns


def _column(df, name):
    """Return a column, or a level of the index of a pandas frame."""
    names = list(df.columns)
    if names.count(name) > 1:
        raise ValueError(f"the frame has {names.count(name)} columns {name!r}.")
    if name in names:
        return df[name]
    if _is_pandas(df) and name in df.index.names:
        return df.index.get_level_values(name).to_series()
    raise ValueError(f"the frame has no column {name!r}, it has {names}.")


def _keys(df, instance):
    ids = _column(df, instance).to_numpy()
    missing = pd.isna(ids)
    if missing.any():
        raise ValueError(f"row {missing.argmax()} has no id: {instance!r} is missing there. Fill it, or drop the row.")
    return ids


def _times(df, instance, time):
    column = _column(df, time)
    times = _instants(column).to_numpy()
    missing = pd.isna(times)
    if missing.any():
        row = missing.argmax()
        raise ValueError(
            f"instance {_column(df, instance).to_numpy()[row]}, row {row}: {time!r} is missing there. Fill it, or drop "
            "the row."
        )
    if times.dtype.kind not in "iufMm":
        raise ValueError(
            f"{time!r} must hold numbers, datetimes or timedeltas, got {column.dtype}: convert it, for example by "
            "pandas.to_datetime."
        )
    return times.astype(np.int64) if times.dtype.kind in "iu" else times


def _instants(column):
    """Return a column of times with a time zone as instants of UTC, of which NumPy has a type; others as they are."""
    with_zone = getattr(column.dtype, "tz", None) is not None and _is_pandas(column)
    return column.dt.tz_convert(None) if with_zone else column


def _seconds(times):
    """Return datetimes as seconds since 1970 in UTC, timedeltas as seconds; NaT becomes NaN."""
    if times.dtype.kind == "M":
        times = times - np.datetime64(0, np.datetime_data(times.dtype)[0])
    return times / np.timedelta64(1, "s")


def _starts(codes):
    return np.flatnonzero(np.diff(codes, prepend=-1))


def _check_contiguous(rows):
    starts = _starts(rows.codes)
    seen_first = np.unique(rows.codes[starts], return_index=True)[1]
    if len(seen_first) < len(starts):
        again = np.setdiff1d(np.arange(len(starts)), seen_first)[0]
        k = starts[again]
        raise ValueError(
            f"{rows.instance(k)} continues in row {rows.order[k]}, after rows of another: its rows must be contiguous. "
            f"Use {rows.remedy}."
        )


def _check_order(rows):
    same = rows.codes[1:] == rows.codes[:-1]
    bad = same & ~(rows.times[1:] > rows.times[:-1])
    if not bad.any():
        return
    k = int(bad.argmax())
    if rows.times[k + 1] == rows.times[k]:
        raise ValueError(
            f"{rows.instance(k)}: rows {rows.order[k]} and {rows.order[k + 1]} have the same time {rows.time(k)}. "
            "Keep one of them, or average them with groupby."
        )
    raise ValueError(f"{rows.instance(k)}: {rows.at(k + 1)} is earlier than {rows.at(k)}. Use {rows.remedy}.")


def _check_gaps(rows, step):
    """Raise at the first step that is not `step`, to a thousandth of it."""
    if rows.times is None:
        raise ValueError("step needs time: the column whose steps are to be checked.")
    if rows.times.dtype.kind in "Mm":
        step = pd.Timedelta(step)
    elif not isinstance(step, numbers.Real):
        raise ValueError(f"step must be a number, as the times are, got {step!r}.")
    if not step > 0 * step:
        raise ValueError(f"step must be positive, got {step}.")
    found = pd.Series(rows.times[1:] - rows.times[:-1])
    bad = (rows.codes[1:] == rows.codes[:-1]) & (abs(found - step) > step / 1000).to_numpy()
    if bad.any():
        k = int(bad.argmax())
        raise ValueError(
            f"{rows.instance(k)}: the step from {rows.at(k)} to {rows.at(k + 1)} is {found[k]}, but should be {step}. "
            "Fill the gap, for example by resampling."
        )


def _channel_values(df, columns, in_seconds):
    """Return the channels side by side; times as seconds, where their columns were named."""
    channels = []
    for name in columns:
        column = _instants(_column(df, name))
        if _is_pandas(df) and not isinstance(column.dtype, np.dtype) and getattr(column.dtype, "kind", "O") in "biuf":
            array = column.to_numpy(np.float64, na_value=np.nan)
        else:
            array = column.to_numpy()
        if array.dtype.kind in "mM":
            if not in_seconds:
                raise ValueError(
                    f"column {name!r} holds times, which are not numbers: leave it out, or name all channels in "
                    "columns to convert it to seconds."
                )
            array = _seconds(array)
        channels.append(step_array(array, f"column {name!r}"))
    kinds = {is_text(channel): name for channel, name in zip(channels, columns, strict=True)}
    if len(kinds) > 1:
        raise ValueError(
            f"column {kinds[True]!r} holds tokens (str), column {kinds[False]!r} numbers: choose columns of one kind."
        )
    return np.column_stack(channels)


def _ids_at(df, instance, rows):
    column = _column(df, instance)
    return pd.Index(column.iloc[rows], name=instance) if _is_pandas(df) else column[rows]
