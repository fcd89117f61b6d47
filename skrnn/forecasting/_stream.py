"""Forecasts of series whose values come one by one."""

from dataclasses import replace

import numpy as np

from .._core.threads import one_blas_thread
from ..estimators._validation import check_count
from ..streaming._states import arrays_of
from ._counts import check_counts
from ._index import joined


class ForecastStream:
    """Forecasts behind each new value. The `stream` of a fitted `RNNForecaster` makes it.

    A stream keeps the last values of each series, at most `memory`. Its forecasts are those of `predict` for these.

    Parameters
    ----------
    fitted : Fitted
        What forecasts are made with.
    panel : Panel
        The series so far.
    memory : int
        Number of values to keep of each series.

    Attributes
    ----------
    n_streams : int
        Number of series.
    memory : int
        Number of values that are kept of each series.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNForecaster
    >>> y = np.sin(0.3 * np.arange(203))
    >>> forecaster = RNNForecaster(horizon=3, max_iter=2, random_state=0).fit(y[:200])
    >>> stream = forecaster.stream()
    >>> for value in y[200:]:
    ...     forecast = stream.step(value)
    >>> bool((forecast == forecaster.update(y[200:]).predict()).all())
    True
    """

    def __init__(self, fitted, panel, memory):
        self._fitted, self.memory, self.n_streams = fitted, memory, len(panel)
        self._base = self._panel = panel.last(memory)
        self._n_before, self._steps = panel.lengths, 0

    def step(self, y):
        """Take note of a new value of each series, and forecast.

        Parameters
        ----------
        y : float, or array-like of shape (n_streams,)
            Values that follow those before; NaN is a missing value.

        Returns
        -------
        forecast : ndarray of shape (n_streams, horizon), or (horizon,)
            What `predict` gives for the series so far. Without the axis of series if `fit` saw a single one, and not in
            a list.

        Raises
        ------
        ValueError
            If y has another shape, or holds what `fit` would refuse. The stream is left as it was.
        """
        panel = self._followed(self._checked(y))
        covariates = [np.zeros((n + self._fitted.horizon, 0)) for n in panel.lengths]
        with one_blas_thread:
            found = self._fitted.forecast(panel, covariates)
        self._panel, self._steps = panel, self._steps + 1
        return found[0] if panel.form in ("series", "array") else found

    def _checked(self, y):
        """The new values (n_streams,)."""
        try:
            values = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"y must hold numbers: {error}") from error
        if values.ndim == 0 and self.n_streams == 1:
            values = values.reshape(1)
        if values.shape != (self.n_streams,):
            raise ValueError(f"y has shape {values.shape}, but a step has a value for each of {self.n_streams} series.")
        wrong = np.flatnonzero(np.isinf(values))
        if len(wrong):
            raise ValueError(f"the new value of {self._panel.label(wrong[0])} is {values[wrong[0]]}.")
        return values

    def _followed(self, values):
        """The series with new values behind them, without those that are forgotten."""
        panel, new = self._panel, [np.array([value]) for value in values]
        if self._fitted.model.is_of_counts:
            check_counts(replace(panel, values=new))
        indexes = [
            index if index is None else joined(index, due)
            for index, due in zip(panel.indexes, panel.future(1), strict=True)
        ]
        joint = [np.concatenate(pair) for pair in zip(panel.values, new, strict=True)]
        return replace(panel, values=joint, indexes=indexes).last(self.memory)

    @property
    def n_steps(self):
        """Number of values that each series has had, those of `fit` among them, ndarray of shape (n_streams,)."""
        return self._n_before + self._steps

    @property
    def state(self):
        """All that the stream remembers: a dict of arrays, for `numpy.savez` and the like. It may be set again."""
        lengths = self._panel.lengths
        kept = np.full((self.n_streams, int(lengths.max())), np.nan)
        for row, values in zip(kept, self._panel.values, strict=True):
            row[: len(values)] = values
        return {"values": kept, "lengths": lengths, "steps": np.array(self._steps)}

    @state.setter
    def state(self, state):
        expected, given = self.state, arrays_of(state)
        if given.keys() != expected.keys() or given["lengths"].shape != expected["lengths"].shape:
            raise ValueError(
                f"The state is of another stream: this one is of {self.n_streams} series, with {list(expected)}."
            )
        steps, lengths, base = int(given["steps"]), given["lengths"], self._base
        if steps < 0 or (lengths > np.minimum(base.lengths + steps, self.memory)).any():
            raise ValueError(f"The state does not belong to {steps} steps of this stream, which keeps {self.memory}.")
        ahead = base.future(steps) if steps else [None] * len(base)
        indexes = [
            index if index is None else (index if due is None else joined(index, due))[-n:]
            for index, due, n in zip(base.indexes, ahead, lengths, strict=True)
        ]
        values = [row[:n].astype(np.float64) for row, n in zip(given["values"], lengths, strict=True)]
        self._panel, self._steps = replace(base, values=values, indexes=indexes), steps


def stream_of(fitted, panel, covariates, memory):
    """A stream behind the series of a panel; `covariates`: the names of those that forecasts read."""
    check_count(memory, "memory")
    if covariates:
        raise ValueError(
            f"This forecaster reads the covariates {covariates}, which a stream does not take: use update and predict."
        )
    if memory < fitted.design.n_read:
        raise ValueError(f"memory={memory} is less than the {fitted.design.n_read} values that a forecast reads.")
    return ForecastStream(fitted, panel, memory)
