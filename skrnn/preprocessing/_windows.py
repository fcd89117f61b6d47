"""``make_windows``: windows of series and their targets; ``last_windows``: windows to forecast from."""

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
    """Windows of series, their targets, and their origin.

    Parameters
    ----------
    X : SequenceArray
        The n windows; ``X.to_padded()`` is the same as an array (n, window, C).
    y : ndarray of shape (n,), (n, horizon), (n, n_targets) or (n, horizon, n_targets)
        Targets of each window.
    series : ndarray of int of shape (n,)
        Number of the series of each window.
    steps : ndarray of int of shape (n,)
        Last step of each window in its series; negative if the window ends within the context.
    target_steps : ndarray of int of shape (n,)
        Last step of the targets of each window.
    times : ndarray of shape (n,)
        Time stamps of `steps`: in UTC if they have a time zone, the start times of periods. Without time stamps,
        `steps`.
    target_times : ndarray of shape (n,)
        Time stamps of `target_steps`. Without time stamps, `target_steps`.

    See Also
    --------
    make_windows : Returns this object.

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
    """Cut series into windows, and return the steps that follow each window as its targets.

    The targets of a window of steps ``t - window + 1`` to t are the steps t + 1 to ``t + horizon`` of the same series.
    With ``horizon=0`` the target is a property of step t, such as a label or the remaining life, and is not part of the
    window.

    Parameters
    ----------
    series : {array-like of shape (n_steps,) or (n_steps, n_channels), Series, frame, list of them, SequenceArray}
        One series in the order of time, or several series in a list, a `SequenceArray` or a 3-D array. Time stamps are
        read from the index of pandas objects, not from columns.
    y : array-like of shape (n_steps,) or (n_steps, n_targets), or list of them, default=None
        Targets of each step of each series, numbers or classes. If None, the targets are channels of `series`.
    window : int
        Number of steps in a window.
    horizon : int, default=None
        Number of steps to forecast. With 0, the target is that of the last step of the window. If None, 0 with `y`,
        else 1.
    stride : int, default=1
        Number of steps between windows. The first window begins with the first step.
    target : int, str or list of them, default=None
        Channels to forecast: column names of a data frame, otherwise numbers. If None, all channels.
    inputs : int, str or list of them, default=None
        Channels of the windows. If None, all channels, but with ``horizon=0`` not those of `target`.
    context : same form as `series`, default=None
        The steps before each series, for example the training part before the test part. The first windows contain its
        last steps, so that all steps of `series` can be targets. The steps of the context are not targets.
    step : "auto", timedelta, str, float or None, default="auto"
        Time between steps, if the index contains times: a timedelta, a frequency of pandas such as "1h" or "MS", or a
        number if the index contains numbers. "auto" uses the usual step of the series, and ignores weekends and the
        lengths of months. Steps of another length, such as gaps, raise an error; None allows all steps.

    Returns
    -------
    Windows
        The windows `X`, the targets `y`, and the origin of each window and its targets: series, step and time. `y` has
        no axis for the horizon if it is 0 or 1, and no axis for targets if `target` is a single channel. With both
        axes, it requires an estimator with ``targets="sequence"``. The channels of `X` have the names of the columns,
        if these are str.

    Raises
    ------
    ValueError
        If a series is shorter than ``window + horizon`` (with `context`: than `horizon`); if a target is NaN, or part
        of its own window; if times do not increase, have a gap or are in a column; if a series has a `MultiIndex`; or
        if series, y, context and target do not match. The message names the series and step.

    See Also
    --------
    last_windows : The last window of each series, for forecasts.
    SlidingWindow : A transformer for pipelines that returns one window per row.

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
    """Cut the last window of each series, to forecast beyond its last step.

    Parameters
    ----------
    series : {array-like of shape (n_steps,) or (n_steps, n_channels), Series, frame, list of them, SequenceArray}
        One or several series in the order of time, as in `make_windows`.
    window : int
        Number of steps in a window.
    inputs : int, str or list of them, default=None
        Channels of the windows, as in training: column names of a data frame, otherwise numbers. If None, all channels.
    step : "auto", timedelta, str, float or None, default="auto"
        Time between steps, as in `make_windows`. Only steps within the windows are checked.

    Returns
    -------
    SequenceArray
        One window per series. The channels have the names of the columns, if these are str.

    Raises
    ------
    ValueError
        If a series is shorter than a window, or for the reasons listed in `make_windows`.

    See Also
    --------
    make_windows : Windows for training.

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
            "horizon=0 needs target, the channels to leave out of the windows, or y: otherwise windows would contain "
            "their own targets."
        )
    targets = own.columns(target, "target")
    both = [own.names[k] for k in held if k in targets]
    if inputs is not None and both:
        raise ValueError(
            f"{both[0]!r} is among inputs and target: with horizon=0 windows would contain their own targets."
        )
    held = [k for k in held if k not in targets]
    if not held:
        raise ValueError("all channels are targets: with horizon=0 no channel is left for the windows.")
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
            f"{names[k]} is NaN in series {number[i]}, step {steps[i, ahead]}: fill it, or split the series there."
        )
