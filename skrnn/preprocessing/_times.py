"""Time stamps of series."""

from ..sequences._steps import time_column


def times_of(series, what):
    """The time stamps (T,) of a pandas object with a `DatetimeIndex`, known to increase; None for all else.

    Refuses time stamps in columns, where their order would not be seen, and an index of several levels.
    """
    column = time_column(series)
    if column is not None:
        pandas = "" if hasattr(series, "iloc") else ".to_pandas()"
        raise ValueError(
            f"the column {column!r} of {what} holds times, which are no channel: drop it; or, if they are the times of "
            f"the rows, make them the index of a pandas frame, frame{pandas}.set_index({column!r})."
        )
    index = getattr(series, "index", None)
    if getattr(index, "nlevels", 1) > 1:
        raise ValueError(
            f"{what} has a MultiIndex with the levels {list(index.names)}, so that windows could reach from one series "
            "into the next: pass make_windows a list of frames, one for each series and without its level, "
            "[part.droplevel(0) for _, part in frame.groupby(level=0)]. If it is one series, drop levels until one is "
            "left."
        )
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
