"""Time stamps of series."""


def times_of(series, what):
    """The time stamps (T,) of a pandas object with a `DatetimeIndex`, known to increase; None for all else."""
    index = getattr(series, "index", None)
    if getattr(getattr(index, "dtype", None), "kind", "") != "M":
        return None
    times = (index.tz_convert(None) if getattr(index, "tz", None) else index).to_numpy()
    wrong = ~(times[1:] > times[:-1])  # NaT too
    if wrong.any():
        step = int(wrong.argmax()) + 1
        raise ValueError(
            f"{what} is not in the order of time: step {step} has time {index[step]}, the step before it "
            f"{index[step - 1]}. Times must increase: sort them, and remove those that appear twice."
        )
    return times
