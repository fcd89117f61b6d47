"""Errors of forecasts of later values, and the intervals and paths that follow from them."""

from dataclasses import dataclass

import numpy as np

from .._core.streams import hashed

FEWEST_PER_STEP = 40  # windows, from which each step of the horizon has quantiles of its own
CHOSEN = 6  # parameters that were chosen on these windows; as in a regression, errors there are too small by them


@dataclass(frozen=True)
class Errors:
    """Errors of held-out windows (n, horizon), each divided by the roughness of its series there."""

    relative: np.ndarray

    def quantile(self, level):
        """(horizon,): so far above the forecast, in units of roughness, the value stands with probability `level`.

        Of n errors, that of rank ``level (n + 1)``, as conformal prediction counts; with few windows the steps share
        their errors, each divided by the mean absolute one of its step.
        """
        n = len(self.relative)
        if n >= FEWEST_PER_STEP:
            return _of_rank(self.relative, level)
        size = np.abs(self.relative).mean(axis=0)
        size = np.where(size > 0, size, 1.0)
        return size * _of_rank((self.relative / size).reshape(-1, 1), level)

    @property
    def widening(self):
        """(horizon,): times as far from the middle as errors tell are the values to come."""
        n, horizon = self.relative.shape
        n_apart = n / np.arange(1, horizon + 1)  # windows that overlap tell less
        return np.sqrt(1 + CHOSEN / n_apart)

    def paths(self, seed, n_series, n_paths):
        """(n_series, n_paths, horizon): errors of whole windows, drawn with replacement.

        What is drawn for a path depends on the seed, the number of the series and that of the path alone.
        """
        series, path = np.arange(n_series)[:, np.newaxis], np.arange(n_paths)
        return self.relative[hashed(seed, series, path) % np.uint64(len(self.relative))]


def _of_rank(values, level):
    """The value of rank ``level (n + 1)`` along the first axis, between two of them by interpolation."""
    n = len(values)
    place = np.clip(level * (n + 1) - 1, 0, n - 1)
    below = int(place)
    ordered = np.sort(values, axis=0)
    above = min(below + 1, n - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
