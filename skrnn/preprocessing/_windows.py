"""``make_windows``: from series to windows and the targets that follow them."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from ..sequences import SequenceArray, as_sequence_array
from ..sequences._names import str_names
from ..sequences._steps import column_names
from ._cut import cut
from ._times import times_of

POSITIVE = [Interval(Integral, 1, None, closed="left")]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows cut from series, their targets, and where they come from.

    Parameters
    ----------
    X : SequenceArray
        The n windows; ``X.to_padded()`` is the same as an array (n, window, C).
    y : ndarray of shape (n,), (n, horizon), (n, n_targets) or (n, horizon, n_targets)
        What follows each window.
    series : ndarray of int of shape (n,)
        Number of the series that a window comes from.
    steps : ndarray of int of shape (n,)
        Step of the series that a window ends with; negative in what came before the series.
    target_steps : ndarray of int of shape (n,)
        Last step of the series that is a target of a window.
    times : ndarray of shape (n,)
        Time stamps of `steps`, in UTC if they have a time zone; `steps` itself if the series have none.
    target_times : ndarray of shape (n,)
        Time stamps of `target_steps`, or `target_steps` itself.

    See Also
    --------
    make_windows : Makes them.

    Examples
    --------
    >>> from skrnn.preprocessing import make_windows
    >>> make_windows([1.0, 2.0, 3.0, 4.0], window=2)
    Windows(X=SequenceArray(2 sequences, 2 steps, 1 channel, float64), y=array([3., 4.]), series=array([0, 0]),
            steps=array([1, 2]), target_steps=array([2, 3]), times=array([1, 2]), target_times=array([2, 3]))
    """

    X: SequenceArray
    y: np.ndarray
    series: np.ndarray
    steps: np.ndarray
    target_steps: np.ndarray
    times: np.ndarray
    target_times: np.ndarray


@validate_params({"window": POSITIVE, "horizon": POSITIVE, "stride": POSITIVE}, prefer_skip_nested_validation=True)
def make_windows(series, *, window, horizon=1, stride=1, target=None, context=None):
    """Cut series into windows, each with the steps that follow it as its target.

    A window of the steps ``t - window + 1`` to t has as target the steps t + 1 to ``t + horizon`` of the same series.

    Parameters
    ----------
    series : {array-like of shape (n_steps,) or (n_steps, n_channels), Series, frame, list of them, SequenceArray}
        One series in the order of time; or several, in a list, a `SequenceArray` or a 3-D array. Time stamps are those
        of a pandas `DatetimeIndex`, not of a column.
    window : int
        Number of steps in a window.
    horizon : int, default=1
        Number of steps to forecast.
    stride : int, default=1
        Number of steps from one window to the next; the first window begins with the first step.
    target : int, str or list of them, default=None
        Channels to forecast: names of columns of a data frame, otherwise numbers; None for all. Windows hold all
        channels in any case.
    context : same form as `series`, default=None
        What came before each series, for example the training part before the test part: its last `window` steps are
        read by the first windows, so that every step of `series` can be a target. They are no targets themselves.

    Returns
    -------
    Windows
        With `X`, `y`, and the series, step and time that each window ends with and its targets end with. The axis of
        `y` for the horizon is left out if that is 1, the axis for targets if there is one and `target` is no list. The
        channels of `X` have the names of the columns, if these are str.

    Raises
    ------
    ValueError
        If a series is shorter than ``window + horizon`` (with `context`: than `horizon`), a target is NaN, time stamps
        do not increase or stand in a column, a series has a `MultiIndex`, or series, context and target do not fit each
        other; the message says which series and step.

    See Also
    --------
    SlidingWindow : As a step of a pipeline: one window for each step, and y stays with the user.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import make_windows
    >>> load = np.arange(100.0)
    >>> train = make_windows(load[:70], window=24, horizon=3)
    >>> train.X, train.y.shape
    (SequenceArray(44 sequences, 24 steps, 1 channel, float64), (44, 3))
    >>> test = make_windows(load[70:], window=24, horizon=3, context=load[:70])
    >>> test.y[0], test.X[0][-1]
    (array([70., 71., 72.]), array([69.]))
    """
    arrays, names, times = _read(series, "series")
    columns = _columns_of(target, names)
    before = 0
    if context is not None:
        arrays, times = _with_context(arrays, names, times, context, window)
        before = window
    number, starts = _starts([len(array) for array in arrays], before, window, horizon, stride)
    packed = SequenceArray.from_list(arrays)
    first = packed.offsets[number] + starts
    last, target_last = first + window - 1, first + window + horizon - 1
    begins = packed.offsets[number] + before
    ends = [last - begins, target_last - begins]
    stamps = ends if times is None else [np.concatenate(times)[end] for end in (last, target_last)]
    y = packed.values[(last + 1)[:, np.newaxis] + np.arange(horizon)][:, :, columns]
    _refuse_missing(y, number, ends[0], columns, names)
    if np.ndim(target) == 0 and len(columns) == 1:
        y = y[:, :, 0]
    y = y[:, 0] if horizon == 1 else y
    X = cut(packed.values, first, np.full(len(first), window), str_names(names))
    return Windows(X, y, number, *ends, *stamps)


def _read(series, what):
    """List the arrays (T, C) of one or several series, the names of the channels, and time stamps or None."""
    if isinstance(series, (list, tuple)) and len(series) and not np.isscalar(series[0]):
        items = series
    else:
        sequences = as_sequence_array(series)
        items = [series] if sequences is None else np.asarray(sequences)[:, 0]
    names = list(map(column_names, items))
    times = [times_of(item, f"{what} {i}") for i, item in enumerate(items)]
    for i in range(len(items)):
        if names[i] != names[0]:
            raise ValueError(f"{what} {i} has columns {names[i]}, {what} 0 has {names[0]}: they must be the same.")
        if (times[i] is None) != (times[0] is None):
            raise ValueError(f"of {what} 0 and {what} {i} one has time stamps, the other none: give all or none.")
    packed = SequenceArray.from_list(items)
    names = list(range(packed.n_channels)) if names[0] is None else names[0]
    return packed.to_list(), names, None if times[0] is None else times


def _columns_of(target, names):
    """Numbers of the channels to forecast."""
    if target is None:
        return list(range(len(names)))
    wanted = [target] if np.ndim(target) == 0 else list(target)
    if not wanted:
        raise ValueError("target is empty: name the channels to forecast, or leave it None for all.")
    for name in wanted:
        if name not in names:
            raise ValueError(f"target {name!r} is no channel of the series: choose from {names}.")
    return [names.index(name) for name in wanted]


def _with_context(arrays, names, times, context, window):
    """The series and their times, each with the last `window` steps of its context before it."""
    past, past_names, past_times = _read(context, "context")
    if len(past) != len(arrays):
        raise ValueError(f"context has {len(past)} series for {len(arrays)}: give one for each.")
    if past_names != names:
        raise ValueError(f"context has channels {past_names}, series have {names}: they must be the same.")
    for i, array in enumerate(past):
        if len(array) < window:
            raise ValueError(f"context {i} has {len(array)} steps: it needs at least {window}, a window.")
    joined = _joined(past, arrays, window)
    if (past_times is None) != (times is None):
        raise ValueError("of series and context one has time stamps, the other none: give both or none.")
    if times is None:
        return joined, None
    for i, (earlier, later) in enumerate(zip(past_times, times, strict=True)):
        if len(later) and not earlier[-1] < later[0]:
            raise ValueError(
                f"context {i} ends at {earlier[-1]}, but series {i} begins at {later[0]}: it must be later."
            )
    return joined, _joined(past_times, times, window)


def _joined(past, arrays, window):
    return [np.concatenate([before[-window:], array]) for before, array in zip(past, arrays, strict=True)]


def _starts(lengths, before, window, horizon, stride):
    """Number of the series, and first step there, of each window."""
    for i, length in enumerate(lengths):
        if length < window + horizon:
            what = f"with a window of {window} before it" if before else f"for a window of {window}"
            raise ValueError(
                f"series {i} has {length - before} steps: {what} and a horizon of {horizon} it needs at least "
                f"{window + horizon - before}. Make them smaller, or leave out the series."
            )
    starts = [np.arange(0, length - window - horizon + 1, stride) for length in lengths]
    return np.repeat(np.arange(len(starts)), [len(s) for s in starts]), np.concatenate(starts)


def _refuse_missing(y, number, steps, columns, names):
    """Raise if a target (n, horizon, K) is NaN."""
    missing = y != y  # also for tokens, which isnan does not take
    if missing.any():
        i, ahead, k = np.unravel_index(missing.argmax(), y.shape)
        raise ValueError(
            f"the target {names[columns[k]]!r} is NaN in series {number[i]}, step {steps[i] + 1 + ahead}: fill it, or "
            "cut the series there into two."
        )
