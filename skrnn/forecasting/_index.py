"""The index of a series: checked for gaps, and carried on beyond its end."""

import numpy as np

from ..preprocessing._times import times_of

FEWEST_TO_INFER = 3  # times, from which pandas infers a frequency


def check_index(series, what):
    """The index of a pandas object, known to be even; None if it only numbers rows.

    Datetimes have a frequency in what is returned.
    """
    index = times_of(series, what)
    if index is None:
        return None
    import pandas as pd  # noqa: PLC0415

    if isinstance(index, pd.PeriodIndex):
        _refuse_gaps(index, what, index[0] + np.arange(len(index)))
        return index
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        return _with_frequency(index, what)
    steps = np.diff(index.to_numpy(dtype=np.float64))
    if len(steps) and not np.allclose(steps, steps[0]):
        k = int((~np.isclose(steps, np.median(steps))).argmax())
        raise ValueError(
            f"the index of {what} is not even: the step from {index[k]} to {index[k + 1]} is {steps[k]:g}, most are "
            f"{np.median(steps):g}. Fill the gap with NaN, series.reindex(...), or drop the index if it only numbers "
            "rows, series.reset_index(drop=True)."
        )
    return index


def _with_frequency(index, what):
    import pandas as pd  # noqa: PLC0415

    if index.freq is not None:
        return index
    if len(index) < FEWEST_TO_INFER:
        return index
    inferred = type(index)(index, freq="infer")  # pandas.infer_freq warns
    if inferred.freq is not None:
        return inferred
    steps = np.diff(index.to_numpy())
    usual = pd.Timedelta(np.median(steps.astype("m8[ns]").astype(np.int64)), unit="ns")
    k = int((np.abs(steps.astype("m8[ns]").astype(np.int64) - usual.value) > usual.value / 2).argmax())
    raise ValueError(
        f"the index of {what} has no frequency: most steps are {usual}, but {index[k + 1]} follows {index[k]}. Fill "
        f"gaps with NaN, series.asfreq({_name(usual)!r}), or average over even steps, "
        f"series.resample({_name(usual)!r}).mean(); or number the steps, series.reset_index(drop=True)."
    )


def _name(step):
    from pandas.tseries.frequencies import to_offset  # noqa: PLC0415

    return to_offset(step).freqstr


def _refuse_gaps(index, what, due):
    for time, expected in zip(index, due, strict=True):
        if time != expected:
            raise ValueError(f"the index of {what} has a gap: {time} stands where {expected} is due. Fill it with NaN.")


def continued(index, n_steps, what):
    """The next `n_steps` entries of an index."""
    import pandas as pd  # noqa: PLC0415

    if isinstance(index, pd.PeriodIndex):
        return pd.period_range(index[-1] + 1, periods=n_steps, freq=index.freq, name=index.name)
    if isinstance(index, pd.DatetimeIndex):
        if index.freq is None:
            raise ValueError(f"the index of {what} has no frequency: set one, series.asfreq(...).")
        return pd.date_range(index[-1], periods=n_steps + 1, freq=index.freq, name=index.name)[1:]
    if isinstance(index, pd.TimedeltaIndex):
        return pd.timedelta_range(index[-1], periods=n_steps + 1, freq=index.freq, name=index.name)[1:]
    step = index[1] - index[0] if len(index) > 1 else 1
    return pd.Index(index[-1] + step * np.arange(1, n_steps + 1), name=index.name)


def joined(index, later):
    """An index and what continues it, with its frequency."""
    both = index.append(later)
    has_lost = getattr(both, "freq", None) != getattr(index, "freq", None)
    return type(index)(both, freq=index.freq) if has_lost else both


def same_kind(indexes, labels):
    """Raise if only some series have an index."""
    have = [index is not None for index in indexes]
    if any(have) and not all(have):
        raise ValueError(
            f"{labels[have.index(True)]} has an index of times, {labels[have.index(False)]} has none: give all one."
        )


def index_to_plain(index):
    """An even index as plain values."""
    if index is None:
        return None
    import pandas as pd  # noqa: PLC0415

    if isinstance(index, pd.PeriodIndex):
        return {
            "kind": "period",
            "start": int(index.asi8[0]),
            "n": len(index),
            "freq": index.freqstr,
            "name": index.name,
        }
    if isinstance(index, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        kind = "datetime" if isinstance(index, pd.DatetimeIndex) else "timedelta"
        plain = {"kind": kind, "values": index.asi8, "unit": index.unit, "freq": index.freqstr, "name": index.name}
        return plain | {"tz": str(index.tz) if getattr(index, "tz", None) is not None else None}
    return {"kind": "numbers", "values": index.to_numpy(), "name": index.name}


def index_from_plain(plain):
    """The index of `index_to_plain`."""
    if plain is None:
        return None
    import pandas as pd  # noqa: PLC0415

    kind, name = plain["kind"], plain["name"]
    if kind == "period":
        start = pd.Period(ordinal=plain["start"], freq=plain["freq"])
        return pd.period_range(start, periods=plain["n"], freq=plain["freq"], name=name)
    if kind == "datetime":
        index = pd.DatetimeIndex(plain["values"].view(f"M8[{plain['unit']}]"), name=name)
        index = index if plain["tz"] is None else index.tz_localize("UTC").tz_convert(plain["tz"])
        return pd.DatetimeIndex(index, freq=plain["freq"])
    if kind == "timedelta":
        return pd.TimedeltaIndex(plain["values"].view(f"m8[{plain['unit']}]"), name=name, freq=plain["freq"])
    return pd.Index(plain["values"], name=name)
