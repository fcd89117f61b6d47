"""Linear forecasts of all channels from the last steps of all channels, learned by ridge regression."""

import numpy as np

from ..network.encoding import last_seen
from ._products import product

# Steps that are read: at most a tenth of a sequence, as there is no forecast before; fewer of many channels.
MOST_LAGS, PARTS, MOST_COLUMNS = 8, 10, 1024
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

    def behind(self, n_lags):
        """The rows that have so many steps before them."""
        return np.flatnonzero(np.arange(len(self.values)) >= self.first + n_lags)


def forecasts(steps, weights):
    """Forecasts of each step, (n_steps, C); NaN for the first `n_lags` steps of a sequence.

    weights : ndarray of shape (n_lags, C, C)
    """
    rows, out = steps.behind(len(weights)), np.full(steps.values.shape, np.nan)
    out[rows] = forecast_from((steps.filled[rows - k] for k in range(1, len(weights) + 1)), weights)
    return out


def forecast_from(lags, weights):
    """Forecasts (n, C) from the values 1, 2, ... steps before, (n, C) each."""
    return sum(product(values, of_lag) for values, of_lag in zip(lags, weights, strict=True))


def learn_weights(steps, is_later):
    """The weights of `forecasts`, learned from steps that are not later; the penalty from those that are."""
    C, typical = steps.values.shape[1], int(np.median(np.diff(steps.offsets)))
    n_lags = max(1, min(MOST_LAGS, MOST_COLUMNS // C, typical // PARTS))
    rows = steps.behind(n_lags)
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
    return np.hstack([steps.filled[rows - k] for k in range(1, n_lags + 1)])


def _parts(rows):
    return np.split(rows, range(ROWS_TOGETHER, len(rows), ROWS_TOGETHER))
