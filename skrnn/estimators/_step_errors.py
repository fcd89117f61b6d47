"""From errors of steps to distances: scales, a shrunk covariance, smoothing over time, and where to draw a line."""

from dataclasses import dataclass

import numpy as np

from ._products import product

MOVED = 3.0  # standard deviations that a channel counts for which never moved in training, and now does
LEAST_SCALE = 1e-3  # of errors, in standard deviations of their channel: less is rounding, or a perfect forecast
WHISKER = 1.5  # of a box plot, in distances of the quartiles


@dataclass(frozen=True)
class ErrorModel:
    """How large errors usually are, and how they go together.

    scale : ndarray of shape (K,)
    covariance : ndarray of shape (K, K), of errors that were divided by the scale
    """

    scale: np.ndarray
    covariance: np.ndarray

    @classmethod
    def learn(cls, errors):
        """Learn from errors (n_steps, K) in standard deviations of their channels; NaN is unknown."""
        from sklearn.covariance import ledoit_wolf  # noqa: PLC0415 (is not quick to import)

        known = ~np.isnan(errors)
        count = np.maximum(known.sum(axis=0), 1)
        scale = np.maximum(np.sqrt(np.nansum(errors**2, axis=0) / count), LEAST_SCALE)
        covariance, _ = ledoit_wolf(np.where(known, errors / scale, 0.0), assume_centered=True)
        deviation = np.sqrt(np.maximum(np.diagonal(covariance), np.finfo(float).tiny))  # below 1 where some are missing
        return cls(scale, covariance / np.outer(deviation, deviation))

    def distances(self, errors, moved):
        """Root mean square of the errors of each step, after what they have in common: 1 is usual; NaN if none is known.

        moved : ndarray of shape (n_steps,), how many channels have moved that never did in training
        """
        z, known = errors / self.scale, ~np.isnan(errors)
        squares, n_known = np.zeros(len(z)), known.sum(axis=1)
        for pattern, rows in _patterns(known):
            if pattern.any():
                part = z[np.ix_(rows, pattern)]
                inverse = np.linalg.inv(self.covariance[np.ix_(pattern, pattern)])
                squares[rows] = np.maximum((product(part, inverse) * part).sum(axis=1), 0)
        distances = np.sqrt((squares + MOVED**2 * moved) / np.maximum(n_known, 1))
        return np.where((n_known > 0) | (moved > 0), distances, np.nan)


def _patterns(known):
    """Which columns are known, and the rows in which it is just these."""
    if known.all():
        return [(known[0], np.arange(len(known)))]
    packed = np.packbits(known, axis=1)
    _, first, which = np.unique(packed, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(which.ravel()))[:-1])
    return [(known[row], rows) for row, rows in zip(first, parts, strict=True)]


def smoothed(values, offsets, window):
    """Mean of the known values among the last `window` steps of each row, (n_steps, ...); NaN where there is none."""
    known = ~np.isnan(values)
    sums = _running(np.where(known, values, 0.0), offsets, window)
    counts = _running(known.astype(np.float64), offsets, window)
    return np.where(counts > 0.5, sums / np.maximum(counts, 1), np.nan)


def _running(values, offsets, window):
    """Sums over the last `window` rows, at most back to the first one of the sequence."""
    total = np.zeros((len(values) + 1, *values.shape[1:]))
    for begin, end in zip(offsets[:-1], offsets[1:], strict=True):  # each from 0, so that none depends on those before
        np.cumsum(values[begin:end], axis=0, out=total[begin + 1 : end + 1])
    rows = np.arange(len(values))
    first = np.repeat(offsets[:-1], np.diff(offsets))
    before = rows - window + 1
    inside = (before > first).reshape(-1, *[1] * (values.ndim - 1))
    return total[rows + 1] - np.where(inside, total[np.maximum(before, 0)], 0.0)


def means(values, offsets):
    """Mean of the known values of each sequence, NaN where there is none."""
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.float64), offsets[:-1])
    sums = np.add.reduceat(np.where(known, values, 0.0), offsets[:-1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def threshold(scores, contamination):
    """The score below which there are outliers: a quantile, or with "auto" the lower whisker of a box plot."""
    if contamination != "auto":
        return float(np.percentile(scores, 100.0 * contamination))
    lower, upper = np.percentile(scores, [25, 75])
    return float(lower - WHISKER * (upper - lower))
