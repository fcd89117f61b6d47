"""An axis of time: the index of a series, or numbers of steps."""

import numpy as np

from ._plot import whole_ticks


def position(values, begin=0):
    """Where values stand on the axis: their index, if they have one, else their numbers from `begin`.

    Times are those of the clock on the wall, durations are seconds.
    """
    index = getattr(values, "index", None)
    if index is None or callable(index):  # the method of a list
        return np.arange(begin, begin + len(values))
    index = index.to_timestamp() if hasattr(index, "to_timestamp") else index
    index = index.tz_localize(None) if getattr(index, "tz", None) is not None else index
    return index.total_seconds() if index.dtype.kind == "m" else index


def label_steps(ax, where):
    """Whole numbers of steps, or short dates."""
    kind = np.asarray(where).dtype.kind
    if kind in "iu":
        ax.set_xlabel("step")
        whole_ticks(ax)
    elif kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

        locator = AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def name_stride(ax, estimator):
    """Say that steps are those that a convolution leaves to the layers of an estimator, if it leaves fewer."""
    convolution = getattr(getattr(estimator, "structure_", None), "convolution", None)
    if convolution is not None and convolution.stride > 1:
        steps = f"step of the convolution (one for {convolution.stride} of X)"
        ax.set_xlabel(steps + ax.get_xlabel().removeprefix("step"))
