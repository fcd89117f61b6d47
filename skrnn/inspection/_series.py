"""Displays of one series: a forecast, and scores of steps."""

import numpy as np

from ._plot import STYLES, axes_for, style, whole_ticks


def _position(values, begin=0):
    """Where values stand on the axis: their index, if they have one, else their numbers from `begin`."""
    index = getattr(values, "index", None)
    if index is None or callable(index):  # the method of a list
        return np.arange(begin, begin + len(values))
    return index.to_timestamp() if hasattr(index, "to_timestamp") else index


class ForecastDisplay:
    """A forecast behind the end of a series, with its interval, and what came.

    Parameters
    ----------
    y_past : array-like of shape (n_past,)
        The series so far.
    forecast : array-like of shape (horizon,)
        Its forecast.
    lower, upper : array-like of shape (horizon,), default=None
        Bounds of the interval.
    y_true : array-like of shape (horizon,), default=None
        What came.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skrnn.inspection import ForecastDisplay
    >>> display = ForecastDisplay.from_predictions([1, 2, 3, 4], [5, 6], lower=[4, 4], upper=[6, 8])
    >>> display.forecast
    [5, 6]
    """

    def __init__(self, y_past, forecast, *, lower=None, upper=None, y_true=None):
        self.y_past, self.forecast = y_past, forecast
        self.lower, self.upper, self.y_true = lower, upper, y_true

    @classmethod
    def from_predictions(cls, y_past, forecast, lower=None, upper=None, y_true=None, *, ax=None):
        """Plot a forecast.

        Parameters
        ----------
        y_past : array-like of shape (n_past,)
            The series so far. The index of a Series is shown.
        forecast : array-like of shape (horizon,)
            Its forecast.
        lower : array-like of shape (horizon,), default=None
            Lower bounds of the interval.
        upper : array-like of shape (horizon,), default=None
            Upper bounds of the interval.
        y_true : array-like of shape (horizon,), default=None
            What came.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        ForecastDisplay
            The display.
        """
        return cls(y_past, forecast, lower=lower, upper=upper, y_true=y_true).plot(ax=ax)

    def plot(self, ax=None):
        """Plot.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        ForecastDisplay
            The display.
        """
        if (self.lower is None) != (self.upper is None):
            raise ValueError("An interval has two bounds: pass lower and upper, or none of them.")
        for name in ("lower", "upper", "y_true"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.forecast):
                raise ValueError(f"{name} has {len(given)} values, but the forecast has {len(self.forecast)}.")
        self.ax_ = ax = axes_for(ax, type(self).__name__)
        self.figure_ = ax.figure
        past, ahead = _position(self.y_past), _position(self.forecast, len(self.y_past))
        y_past, forecast = (np.asarray(values, float).ravel() for values in (self.y_past, self.forecast))
        ax.plot(past, y_past, color="0.35", linewidth=1.2, label="past")
        if self.lower is not None:
            bounds = (np.asarray(bound, float).ravel() for bound in (self.lower, self.upper))
            ax.fill_between(ahead, *bounds, color=STYLES[1]["color"], alpha=0.3, linewidth=0, label="interval")
        if self.y_true is not None:
            true = np.asarray(self.y_true, float).ravel()
            ax.plot(ahead, true, color=STYLES[0]["color"], linewidth=1.2, label="true")
        ax.plot(ahead, forecast, label="forecast", linewidth=1.8, color="#a63603", linestyle="--")
        ax.axvline(past[-1], color="0.6", linewidth=0.8, linestyle=":")
        ax.margins(x=0.01)
        ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=4, frameon=False)
        _label_steps(ax, past)
        return self


class StepScoreDisplay:
    """Scores of the steps of a series below the series, with a threshold and the steps that are known to be unusual.

    Parameters
    ----------
    scores : array-like of shape (n_steps,)
        A score for each step; higher is more normal.
    x : array-like of shape (n_steps,) or (n_steps, n_channels), default=None
        The series.
    threshold : float, default=None
        Steps with lower scores are unusual.
    y_true : array-like of bool of shape (n_steps,), default=None
        Which steps are known to be unusual.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes with the scores.
    series_ax_ : matplotlib.axes.Axes or None
        The axes with the series, above.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skrnn.inspection import StepScoreDisplay
    >>> StepScoreDisplay.from_predictions([-1, -1, -9, -1], [0.1, 0.2, 5.0, 0.1], threshold=-5).threshold
    -5
    """

    def __init__(self, scores, x=None, *, threshold=None, y_true=None):
        self.scores, self.x, self.threshold, self.y_true = scores, x, threshold, y_true

    @classmethod
    def from_predictions(cls, scores, x=None, *, threshold=None, y_true=None, ax=None):
        """Plot scores.

        Parameters
        ----------
        scores : array-like of shape (n_steps,)
            A score for each step; higher is more normal.
        x : array-like of shape (n_steps,) or (n_steps, n_channels), default=None
            The series.
        threshold : float, default=None
            Steps with lower scores are unusual.
        y_true : array-like of bool of shape (n_steps,), default=None
            Which steps are known to be unusual.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        StepScoreDisplay
            The display.
        """
        return cls(scores, x, threshold=threshold, y_true=y_true).plot(ax=ax)

    def plot(self, ax=None):
        """Plot.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        StepScoreDisplay
            The display.
        """
        scores = np.asarray(self.scores, float).ravel()
        for name in ("x", "y_true"):
            given = getattr(self, name)
            if given is not None and len(given) != len(scores):
                raise ValueError(f"{name} has {len(given)} steps, but there are {len(scores)} scores.")
        self.ax_ = ax = axes_for(ax, type(self).__name__, (7.0, 3.6 if self.x is None else 4.6))
        self.figure_, self.series_ax_ = ax.figure, None
        where = _position(self.scores if self.x is None else self.x)
        if self.x is not None:
            self.series_ax_ = _above(ax)
            x = np.asarray(self.x, float).reshape(len(scores), -1)
            for k in range(x.shape[1]):
                self.series_ax_.plot(where, x[:, k], linewidth=0.9, **style(k))
            self.series_ax_.set(ylabel="series")
        ax.plot(where, scores, color="0.2", linewidth=0.9)
        if self.threshold is not None:
            ax.axhline(self.threshold, color="#d95f02", linestyle="--", linewidth=1, label="threshold")
            low = scores < self.threshold
            ax.plot(where[low], scores[low], "o", color="#a63603", markersize=3.5, label="below it")
        for panel in filter(None, (ax, self.series_ax_)):
            self._mark(panel, where)
            panel.margins(x=0.01)
        ax.set_ylabel("score of the step")
        top = self.series_ax_ or ax
        handles, labels = ax.get_legend_handles_labels()
        if labels:
            top.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
        _label_steps(ax, where)
        return self

    def _mark(self, ax, where):
        """Shade the steps that are known to be unusual."""
        if self.y_true is None:
            return
        known = np.flatnonzero(np.diff(np.r_[False, np.asarray(self.y_true, bool).ravel(), False]))
        for k, (begin, end) in enumerate(known.reshape(-1, 2)):
            first, last = where[begin], where[end - 1]
            if np.asarray(where).dtype.kind in "iu":
                first, last = first - 0.5, last + 0.5
            ax.axvspan(first, last, color="0.8", label=None if k else "known")


def _above(ax):
    """New axes in the upper half of the place of `ax`, which keeps the lower one."""
    upper, lower = ax.get_subplotspec().subgridspec(2, 1, hspace=0.08)
    ax.set_subplotspec(lower)
    above = ax.figure.add_subplot(upper, sharex=ax)
    above.tick_params(labelbottom=False)
    return above


def _label_steps(ax, where):
    if np.asarray(where).dtype.kind in "iu":
        ax.set_xlabel("step")
        whole_ticks(ax)
    elif np.asarray(where).dtype.kind == "M":
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter  # noqa: PLC0415

        locator = AutoDateLocator()
        ax.xaxis.set_major_locator(locator)
        ax.xaxis.set_major_formatter(ConciseDateFormatter(locator))
