"""Linear forecasts of all channels from the last steps of all channels, learned by ridge regression."""

import numpy as np

from ..network.encoding import last_seen
from ._products import product

N_LAGS = 8  # steps that are read; fewer where channels are so many that their weights would be more than `MOST_COLUMNS`
MOST_COLUMNS = 1024
PENALTIES = 1e-4, 1e-2, 1.0  # for each training step; the best on later steps is taken
ROWS_TOGETHER = 2**13  # little memory beside the values


class Steps:
    """Standardised values of sequences, with the row in which each begins.

    values : ndarray of shape (n_steps, C); NaN is missing
    filled : the same with the last value that was seen in the place of what is missing, or 0, the mean
    """

    def __init__(self, values, offsets):
        self.values, self.offsets = values, offsets
        self.first = np.repeat(offsets[:-1], np.diff(offsets))
        self.filled = values
        if np.isnan(values).any():
            last = last_seen(~np.isnan(values), offsets)
            self.filled = np.nan_to_num(np.take_along_axis(values, last, axis=0), nan=0.0)

    def lag(self, rows, k):
        """What was known k steps before the rows, (n_rows, C); before the first step the first one."""
        return self.filled[np.maximum(rows - k, self.first[rows])]

    @property
    def forecast(self):
        """The rows that there is a forecast for: all but first steps."""
        return np.flatnonzero(np.arange(len(self.values)) > self.first)


def forecasts(steps, weights):
    """Forecasts of each step, (n_steps, C); NaN for first steps.

    weights : ndarray of shape (n_lags, C, C)
    """
    rows, out = steps.forecast, np.full(steps.values.shape, np.nan)
    out[rows] = sum(product(steps.lag(rows, k + 1), of_lag) for k, of_lag in enumerate(weights))
    return out


def learn_weights(steps, is_later):
    """The weights of `forecasts`, learned from steps that are not later; the penalty from those that are."""
    C, longest = steps.values.shape[1], int(np.diff(steps.offsets).max())
    n_lags, rows = max(1, min(N_LAGS, MOST_COLUMNS // C, longest - 1)), steps.forecast
    trained, held_out = rows[~is_later[rows]], rows[is_later[rows]]
    gram, products = np.zeros((n_lags * C, n_lags * C)), np.zeros((n_lags * C, C))
    for part in _parts(trained):
        read = _columns(steps, part, n_lags)
        gram += read.T @ read
        products += read.T @ steps.filled[part]
    values, vectors = np.linalg.eigh(gram)
    values, products = np.maximum(values, 0), vectors.T @ products
    found = [vectors @ (products / (values + penalty * len(trained))[:, np.newaxis]) for penalty in PENALTIES]
    errors = [_squared_error(steps, held_out, weights, n_lags) for weights in found]
    return found[int(np.argmin(errors))].reshape(n_lags, C, C)


def _squared_error(steps, rows, weights, n_lags):
    """The sum over all values that are known."""
    parts = ((steps.values[part] - _columns(steps, part, n_lags) @ weights) ** 2 for part in _parts(rows))
    return sum(float(np.nansum(part)) for part in parts)


def _columns(steps, rows, n_lags):
    """What the forecasts of some rows read, (n_rows, n_lags * C)."""
    return np.hstack([steps.lag(rows, k + 1) for k in range(n_lags)])


def _parts(rows):
    return np.split(rows, range(ROWS_TOGETHER, len(rows), ROWS_TOGETHER))
