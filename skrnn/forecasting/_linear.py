"""A linear autoregression with a penalty that later values decide."""

from dataclasses import dataclass

import numpy as np

PENALTIES = 10.0 ** np.arange(-6, 2.5, 0.5)  # times the mean variance of the features, for each window


@dataclass(frozen=True)
class Line:
    """``intercept + (features - mean) / scale @ coef``, with features cut off at `low` and `high`."""

    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    coef: np.ndarray
    intercept: np.ndarray

    def __call__(self, features):
        features = np.clip(features, self.low, self.high)
        return self.intercept + (features - self.mean) / self.scale @ self.coef


class Ridge:
    """All ridge regressions on the same rows, by one decomposition.

    Parameters
    ----------
    features : ndarray of shape (n, p)
    target : ndarray of shape (n, K)
    """

    def __init__(self, features, target):
        low, high = features.min(axis=0), features.max(axis=0)
        # a line says nothing of what is further from all that was seen than these are from each other
        self.low, self.high = low - (high - low), high + (high - low)
        self.mean, self.intercept = features.mean(axis=0), target.mean(axis=0)
        scale = features.std(axis=0)
        self.scale = np.where(scale > 1e-9 * (1 + np.abs(self.mean)), scale, np.inf)
        rows = (features - self.mean) / self.scale
        self.n = len(rows)
        self.values, self.vectors = np.linalg.eigh(rows.T @ rows / self.n)
        self.products = self.vectors.T @ (rows.T @ (target - self.intercept) / self.n)

    def line(self, penalty):
        """The regression with a penalty, relative to variances of 1."""
        shrunk = self.products / (np.maximum(self.values, 0.0) + penalty)[:, np.newaxis]
        return Line(self.low, self.high, self.mean, self.scale, self.vectors @ shrunk, self.intercept)


def best_penalty(features, target, later_features, later_target, error):
    """The penalty with the least error on later rows."""
    ridge = Ridge(features, target)
    errors = [error(later_target - ridge.line(penalty)(later_features)) for penalty in PENALTIES]
    return float(PENALTIES[int(np.argmin(errors))])
