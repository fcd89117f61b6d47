"""Linear forecasts of all channels from the last steps of all channels, learned by ridge regression."""

import numpy as np

from ..network.encoding import last_seen
from ._products import product

N_LAGS = 8  # steps that are read; fewer where channels are so many that their weights would be more than `MOST_COLUMNS`
MOST_COLUMNS = 1024
PENALTIES = 1e-4, 1e-2, 1.0  # for each training step; the best on later steps is taken
ROWS_TOGETHER = 2**13  # little memory beside the values


class Steps:
    """Standardised values of sequences, with the rows in which each begins and ends.

    values : ndarray of shape (n_steps, C); NaN is missing
    filled : the same with the last value that was seen in the place of what is missing, or 0, the mean
    """

    def __init__(self, values, offsets):
        self.values, self.offsets = values, offsets
        self.first = np.repeat(offsets[:-1], np.diff(offsets))
        self.end = np.repeat(offsets[1:], np.diff(offsets))
        self.filled = values
        if np.isnan(values).any():
            last = last_seen(~np.isnan(values), offsets)
            self.filled = np.nan_to_num(np.take_along_axis(values, last, axis=0), nan=0.0)

    def lag(self, rows, k):
        """What was known k steps before the rows, (n_rows, C); before the first step the first one."""
        return self.filled[np.maximum(rows - k, self.first[rows])]

    def ahead(self, rows, horizon):
        """The values so many steps after the rows, (n_rows, C), which must be there."""
        return self.values[rows + horizon]

    def with_target(self, horizon):
        """The rows so many steps behind which there is a step of the same sequence."""
        rows = np.arange(len(self.values))
        return rows[rows + horizon < self.end]


def forecasts(steps, weights):
    """Forecasts that are made at each step, (n_steps, H, C).

    weights : ndarray of shape (n_lags, C, H, C)
    """
    n_lags, C, H, _ = weights.shape
    rows, made = np.arange(len(steps.values)), np.zeros((len(steps.values), H * C))
    for k in range(n_lags):
        made += product(steps.lag(rows, k), weights[k].reshape(C, H * C))
    return made.reshape(-1, H, C)


def learn_weights(steps, is_later, horizons):
    """The weights of `forecasts`, learned from targets that are not later; the penalty from those that are."""
    C, longest = steps.values.shape[1], int(np.diff(steps.offsets).max())
    n_lags = max(1, min(N_LAGS, MOST_COLUMNS // C, longest - 1))
    per_horizon = [_ridge(steps, is_later, horizon, n_lags) for horizon in horizons]
    return np.stack(per_horizon, axis=2)


def _ridge(steps, is_later, horizon, n_lags):
    """Weights (n_lags, C, C) of the forecasts of one horizon."""
    C = steps.values.shape[1]
    rows = steps.with_target(horizon)
    later = is_later[rows + horizon]
    trained, held_out = rows[~later], rows[later]
    gram, product = np.zeros((n_lags * C, n_lags * C)), np.zeros((n_lags * C, C))
    for part in _parts(trained):
        read = _columns(steps, part, n_lags)
        gram += read.T @ read
        product += read.T @ steps.filled[part + horizon]
    values, vectors = np.linalg.eigh(gram)
    values, product = np.maximum(values, 0), vectors.T @ product
    found = [vectors @ (product / (values + penalty * len(trained))[:, np.newaxis]) for penalty in PENALTIES]
    errors = [_squared_error(steps, held_out, horizon, weights, n_lags) for weights in found]
    return found[int(np.argmin(errors))].reshape(n_lags, C, C)


def _squared_error(steps, rows, horizon, weights, n_lags):
    """The sum over all values that are known."""
    total = 0.0
    for part in _parts(rows):
        error = steps.ahead(part, horizon) - _columns(steps, part, n_lags) @ weights
        total += float(np.nansum(error**2))
    return total


def _columns(steps, rows, n_lags):
    """What the forecasts at some rows read, (n_rows, n_lags * C)."""
    return np.hstack([steps.lag(rows, k) for k in range(n_lags)])


def _parts(rows):
    return np.split(rows, range(ROWS_TOGETHER, len(rows), ROWS_TOGETHER))
