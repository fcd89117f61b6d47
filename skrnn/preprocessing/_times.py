"""Time stamps of series."""

from ..sequences._steps import time_column


def times_of(series, what):
    """The index of a pandas object that tells when its steps were, known to increase; None for all else.

    Refuses time stamps in columns or texts, where their order would not be seen, and an index of several levels.
    """
    column = time_column(series)
    if column is not None:
        pandas = "" if hasattr(series, "iloc") else ".to_pandas()"
        raise ValueError(
            f"the column {column!r} of {what} holds times, which cannot be a channel: drop it, or if they are the "
            f"times of the rows, make them the index of a pandas frame, frame{pandas}.set_index({column!r})."
        )
    index = getattr(series, "index", None)
    if not hasattr(index, "nlevels"):  # a list has a method of that name
        return None
    if index.nlevels > 1:
        raise ValueError(
            f"{what} has a MultiIndex with the levels {list(index.names)}, so that windows could reach from one series "
            "into the next: pass a list of frames, one for each series and without its level, "
            "[part.droplevel(0) for _, part in frame.groupby(level=0)]. If it is one series, drop levels until one is "
            "left."
        )
    from ..sequences import _times  # noqa: PLC0415 (brings pandas)

    text = _times.text_of_a_date(index)
    if text is not None:
        raise ValueError(
            f"the index of {what} holds texts that look like dates, the first is {text!r}: convert them, "
            "frame.index = pd.to_datetime(frame.index)."
        )
    times = _times.time_index(index)
    if times is not None:
        _times.check_order(times, what)
    return times


def check_steps(times, step, what, n_read):
    """Raise if a step is not as long as `step` says.

    times: what `times_of` returns for each series, or None if they have no times.
    what: names a series by its number.
    n_read: for each series, how many of its last steps are looked at; those before them tell the usual length, too.
    """
    if times is not None:
        from ..sequences import _times  # noqa: PLC0415 (brings pandas)

        _times.check_steps(times, step, what, n_read)
    elif step is not None and not (isinstance(step, str) and step == "auto"):
        raise ValueError(f"step={step!r} needs times: pass pandas objects whose index contains times.")
