"""The forecast of a series."""

from numbers import Integral

import numpy as np

from ._plot import STYLES, Display, legend_above, require
from ._time_axis import label_steps, position

FEWEST_STEPS = 30  # of the past that are shown


class ForecastDisplay(Display):
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
    name : str, default=None
        Name of the series.
    coverage : float, default=None
        Share of the values that the interval should hold.

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

    def __init__(self, y_past, forecast, *, lower=None, upper=None, y_true=None, name=None, coverage=None):
        self.y_past, self.forecast, self.lower, self.upper = y_past, forecast, lower, upper
        self.y_true, self.name, self.coverage = y_true, name, coverage
        self._check()

    @classmethod
    def from_estimator(cls, forecaster, X=None, *, y=None, y_true=None, coverage=0.9, series=0, n_past=None, ax=None):
        """Forecast one series, with an interval, and plot both behind its end.

        Parameters
        ----------
        forecaster : RNNForecaster
            A fitted forecaster.
        X : frame, array-like of shape (n_steps, n_covariates), or list of them, default=None
            Covariates, as for ``predict``.
        y : Series, frame, array-like or list of arrays, default=None
            Series to forecast from; None means those of `fit` and ``update``.
        y_true : array-like of shape (horizon,), default=None
            What came after the series that is shown. If it is a Series, its index must be that of the forecast.
        coverage : float, default=0.9
            Share of the values that the interval should hold.
        series : int or column name, default=0
            Which series to show: the name of a column, else its number.
        n_past : int, default=None
            Number of steps of the past to show. None means four horizons, but at least 30 steps.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        ForecastDisplay
            The display.
        """
        require(forecaster, "predict_interval")
        require(forecaster, "errors_")
        panel, _ = forecaster._read(X, y)
        i = _number_of(series, panel)
        found = [forecaster.predict(X, y=y), *forecaster.predict_interval(X, y=y, coverage=coverage)]
        rows = [_row(values, i) for values in found]
        horizon = len(rows[0])
        n_past = max(4 * horizon, FEWEST_STEPS) if n_past is None else n_past
        if not isinstance(n_past, Integral) or n_past < 1:
            raise ValueError(f"n_past must be a number of steps, 1 or more, got {n_past!r}.")
        past, forecast, lower, upper = _with_times(panel, i, rows)
        label = {"name": None if panel.form in ("array", "list") else panel.names[i], "coverage": coverage}
        return cls(past[-n_past:], forecast, lower=lower, upper=upper, y_true=y_true, **label).plot(ax=ax)

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

    def _check(self):
        if not len(self.y_past) or not len(self.forecast):
            raise ValueError("y_past and forecast need one step or more.")
        if (self.lower is None) != (self.upper is None):
            raise ValueError("An interval has two bounds: pass lower and upper, or none of them.")
        ahead = position(self.forecast, len(self.y_past))
        for name in ("lower", "upper", "y_true"):
            given = getattr(self, name)
            if given is None:
                continue
            if len(given) != len(self.forecast):
                raise ValueError(f"{name} has {len(given)} values, but the forecast has {len(self.forecast)}.")
            if _has_index(given) and _has_index(self.forecast) and not given.index.equals(self.forecast.index):
                raise ValueError(f"{name} begins at {given.index[0]}, but the forecast at {self.forecast.index[0]}.")
        kinds = [np.asarray(where).dtype.kind in "mM" for where in (position(self.y_past), ahead)]
        if kinds[0] != kinds[1]:
            raise ValueError("Only one of y_past and forecast has an index of times: give both one, or none.")

    def _draw(self, ax):
        past, ahead = position(self.y_past), position(self.forecast, len(self.y_past))
        y_past, forecast = (np.asarray(values, float).ravel() for values in (self.y_past, self.forecast))
        marker = "o" if len(forecast) == 1 else None  # a line of one point is not seen
        ax.plot(past, y_past, color="0.35", linewidth=1.2, label="past")
        if self.lower is not None:
            bounds = [np.asarray(bound, float).ravel() for bound in (self.lower, self.upper)]
            label = "interval" if self.coverage is None else f"interval of {100 * self.coverage:g} %"
            look = {"color": STYLES[1]["color"], "alpha": 0.3, "label": label}
            if marker:
                ax.vlines(ahead, *bounds, linewidth=6, **look)
            else:
                ax.fill_between(ahead, *bounds, linewidth=0, **look)
        if self.y_true is not None:
            true = np.asarray(self.y_true, float).ravel()
            ax.plot(ahead, true, color=STYLES[0]["color"], linewidth=1.2, marker=marker, label="true")
        ax.plot(ahead, forecast, label="forecast", linewidth=1.8, color="#a63603", linestyle="--", marker=marker)
        ax.axvline(past[-1], color="0.6", linewidth=0.8, linestyle=":")
        ax.margins(x=0.01)
        if self.name is not None:
            ax.set_ylabel(str(self.name))
        legend_above(ax)
        label_steps(ax, past)


def _has_index(values):
    return hasattr(values, "iloc")


def _number_of(series, panel):
    """The number of the series that is meant by its name or number."""
    if panel.form == "frame" and series in panel.names:
        return panel.names.index(series)
    if isinstance(series, Integral) and not isinstance(series, bool) and 0 <= series < len(panel):
        return int(series)
    names = f" and the names {panel.names}" if panel.form == "frame" else ""
    raise ValueError(f"series={series!r} is none of the series, which have the numbers 0 to {len(panel) - 1}{names}.")


def _row(found, i):
    """The values of a series in forecasts of any form."""
    values = found.to_numpy().T if _has_index(found) else np.asarray(found)
    return values if values.ndim == 1 else values[i]


def _with_times(panel, i, rows):
    """The past of a series and values of the steps behind it, as Series."""
    import pandas as pd  # noqa: PLC0415

    n, horizon = len(panel.values[i]), len(rows[0])
    index, later = panel.indexes[i], panel.future(horizon)[i]
    if index is None:
        index, later = pd.RangeIndex(n), pd.RangeIndex(n, n + horizon)
    return pd.Series(panel.values[i], index), *(pd.Series(row, later) for row in rows)
