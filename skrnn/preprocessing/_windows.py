"""``make_windows``: from series to windows and their targets; ``last_windows``: to the windows that have none yet."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import Interval, validate_params

from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ..sequences._names import str_names
from ._cut import cut
from ._series import read_series, read_targets
from ._times import check_steps

POSITIVE = [Interval(Integral, 1, None, closed="left")]
HORIZON = [Interval(Integral, 0, None, closed="left"), None]


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows cut from series, their targets, and where they come from.

    Parameters
    ----------
    X : SequenceArray
        The n windows; ``X.to_padded()`` is the same as an array (n, window, C).
    y : ndarray of shape (n,), (n, horizon), (n, n_targets) or (n, horizon, n_targets)
        What follows each window, or belongs to its last step.
    series : ndarray of int of shape (n,)
        Number of the series that a window comes from.
    steps : ndarray of int of shape (n,)
        Step of the series that a window ends with; negative in what came before the series.
    target_steps : ndarray of int of shape (n,)
        Last step of the series that is a target of a window.
    times : ndarray of shape (n,)
        Time stamps of `steps`: in UTC if they have a time zone, the beginnings of periods; `steps` itself if the
        series have none.
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


@validate_params({"window": POSITIVE, "horizon": HORIZON, "stride": POSITIVE}, prefer_skip_nested_validation=True)
def make_windows(
    series, y=None, *, window, horizon=None, stride=1, target=None, inputs=None, context=None, step="auto"
):
    """Cut series into windows, each with the steps that follow it as its target.

    A window of the steps ``t - window + 1`` to t has as target the steps t + 1 to ``t + horizon`` of the same series.
    With ``horizon=0`` the target belongs to step t itself, like a label or a remaining life; windows do not hold it.

    Parameters
    ----------
    series : {array-like of shape (n_steps,) or (n_steps, n_channels), Series, frame, list of them, SequenceArray}
        One series in the order of time; or several, in a list, a `SequenceArray` or a 3-D array. Time stamps are those
        of the index of a pandas object, not of a column.
    y : array-like of shape (n_steps,) or (n_steps, n_targets), or list of them, default=None
        A target for each step of each series, numbers or classes. None takes the targets from `series`.
    window : int
        Number of steps in a window.
    horizon : int, default=None
        Number of steps to forecast; 0 takes the target at the last step of the window. None is 0 with `y`, else 1.
    stride : int, default=1
        Number of steps from one window to the next; the first window begins with the first step.
    target : int, str or list of them, default=None
        Channels to forecast: names of columns of a data frame, otherwise numbers; None for all.
    inputs : int, str or list of them, default=None
        Channels that windows hold; None for all, with ``horizon=0`` for all but `target`.
    context : same form as `series`, default=None
        What came before each series, for example the training part before the test part: its last steps are read by
        the first windows, so that every step of `series` can be a target. They are no targets themselves.
    step : "auto", timedelta, str, float or None, default="auto"
        Time from one step to the next, if the index tells times: a timedelta, a frequency of pandas like "1h" or
        "MS", or a number if the index holds numbers. "auto" takes the usual step of the series, where weekends and the
        lengths of months do not count. Steps of another length, such as gaps, are refused; None takes all.

    Returns
    -------
    Windows
        With `X`, `y`, and the series, step and time that each window ends with and its targets end with. The axis of
        `y` for the horizon is left out if that is 0 or 1, the axis for targets if there is one and it is no list; with
        both axes, it needs an estimator with ``targets="sequence"``. The channels of
        `X` have the names of the columns, if these are str.

    Raises
    ------
    ValueError
        If a series is shorter than ``window + horizon`` (with `context`: than `horizon`), a target is NaN, or among
        the inputs at its own step; if times do not increase, leave a gap or stand in a column, a series has a
        `MultiIndex`, or series, y, context and target do not fit each other. The message says which series and step.

    See Also
    --------
    last_windows : The windows to forecast from now.
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

    A label for each step, which windows are to tell at their last step:

    >>> engines = [np.ones((50, 4)), np.ones((80, 4))]
    >>> fails_soon = [np.arange(50) >= 20, np.arange(80) >= 50]
    >>> make_windows(engines, fails_soon, window=30).y.shape
    (72,)
    """
    own = read_series(series, "series")
    horizon = int(y is None) if horizon is None else horizon
    values, names, flat = _targets(own, y, target)
    held = _held(own, inputs, target, horizon if y is None else None)
    before, read = 0, own
    if context is not None:
        before = window - (horizon == 0)
        read = own.after(read_series(context, "context"), before)
    check_steps(read.times, step, "series {}", read.lengths)
    number, starts = _starts(read.lengths, before, window, horizon, stride)
    steps = starts + window - 1 - before
    ahead = np.arange(1, horizon + 1) if horizon else np.zeros(1, dtype=np.int64)
    y = values[(offsets_of(own.lengths)[number] + steps)[:, np.newaxis] + ahead]
    _refuse_missing(y, number, steps[:, np.newaxis] + ahead, names)
    y = y[:, :, 0] if flat else y
    y = y[:, 0] if horizon <= 1 else y
    first = offsets_of(read.lengths)[number] + starts
    stamps, ends = read.stamps(), [first + window - 1, first + window - 1 + horizon]
    times = [steps, steps + horizon] if stamps is None else [stamps[end] for end in ends]
    return Windows(_cut(read, first, window, held), y, number, steps, steps + horizon, *times)


@validate_params({"window": POSITIVE}, prefer_skip_nested_validation=True)
def last_windows(series, *, window, inputs=None, step="auto"):
    """Cut the last window out of each series: the one to forecast from now, whose targets are still to come.

    Parameters
    ----------
    series : {array-like of shape (n_steps,) or (n_steps, n_channels), Series, frame, list of them, SequenceArray}
        One or several series in the order of time, as `make_windows` takes them.
    window : int
        Number of steps in a window.
    inputs : int, str or list of them, default=None
        Channels that windows hold, as in training: names of columns of a data frame, otherwise numbers; None for all.
    step : "auto", timedelta, str, float or None, default="auto"
        Time from one step to the next, as in `make_windows`. Only steps within the windows are compared with it.

    Returns
    -------
    SequenceArray
        One window for each series; channels have the names of the columns, if these are str.

    Raises
    ------
    ValueError
        If a series is shorter than a window, or as by `make_windows`.

    See Also
    --------
    make_windows : The windows to train with.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.preprocessing import last_windows
    >>> last_windows(np.arange(100.0), window=3)[0]
    array([[97.],
           [98.],
           [99.]])
    """
    read = read_series(series, "series")
    for i, length in enumerate(read.lengths):
        if length < window:
            raise ValueError(f"series {i} has {length} steps: for a window of {window} it needs at least {window}.")
    read = read.last(window)
    check_steps(read.times, step, "series {}", read.lengths)
    return _cut(read, offsets_of(read.lengths)[:-1], window, read.columns(inputs, "inputs"))


def _targets(own, y, target):
    """Targets of all steps (n_steps_total, K), what messages call them, and whether the result has no axis for K."""
    if y is None:
        columns = own.columns(target, "target")
        names = [f"the target {own.names[k]!r}" for k in columns]
        return np.concatenate(own.arrays)[:, columns], names, np.ndim(target) == 0 and len(columns) == 1
    if target is not None:
        raise ValueError("y and target are both given: the targets are either y, or channels of the series.")
    values = read_targets(own, y)
    flat = values.ndim == 1
    values = values.reshape(len(values), -1)
    return values, ["y"] * values.shape[1], flat


def _held(own, inputs, target, horizon):
    """Numbers of the channels that windows hold; with a horizon of 0 none of them is a target."""
    held = own.columns(inputs, "inputs")
    if horizon != 0:
        return held
    if target is None:
        raise ValueError(
            "horizon=0 needs target, the channels that belong to the last step of each window, or y: otherwise windows "
            "would hold their own targets."
        )
    targets = own.columns(target, "target")
    both = [own.names[k] for k in held if k in targets]
    if inputs is not None and both:
        raise ValueError(
            f"{both[0]!r} is among inputs and target: with horizon=0 windows would hold their own targets."
        )
    held = [k for k in held if k not in targets]
    if not held:
        raise ValueError("all channels are targets: with horizon=0 there is none left for windows to hold.")
    return held


def _cut(read, starts, window, held):
    """Windows of the channels `held`, from rows of all series, one below the other."""
    values = np.concatenate(read.arrays)
    values = values if held == list(range(values.shape[1])) else values[:, held]
    return cut(values, starts, np.full(len(starts), window), str_names(read.names[k] for k in held))


def _starts(lengths, before, window, horizon, stride):
    """Number of the series, and first step there, of each window."""
    for i, length in enumerate(lengths):
        if length < window + horizon:
            what = f"with {before} steps before it" if before else f"for a window of {window}"
            raise ValueError(
                f"series {i} has {length - before} steps: {what} and a horizon of {horizon} it needs at least "
                f"{window + horizon - before}. Make them smaller, or leave out the series."
            )
    starts = [np.arange(0, length - window - horizon + 1, stride) for length in lengths]
    return np.repeat(np.arange(len(starts)), [len(s) for s in starts]), np.concatenate(starts)


def _refuse_missing(y, number, steps, names):
    """Raise if a target (n, horizon, K) is NaN."""
    missing = y != y  # also for tokens, which isnan does not take
    if missing.any():
        i, ahead, k = np.unravel_index(missing.argmax(), y.shape)
        raise ValueError(
            f"{names[k]} is NaN in series {number[i]}, step {steps[i, ahead]}: fill it, or cut the series there into "
            "two."
        )
