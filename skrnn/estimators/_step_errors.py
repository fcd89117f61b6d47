"""From errors of steps to distances: scales, a shrunk covariance, smoothing over time, and where to draw a line."""

from dataclasses import dataclass

import numpy as np

from ._products import product

LEAST_SCALE = 1e-3  # of errors, in standard deviations of their channel: less is rounding, or a perfect forecast
LARGEST = 1e100  # error in terms of its scale: its square is a number, and that of thousands of channels
# contamination="auto": lengths of the whiskers of box plots, in distances of the quartiles. Smoothed scores of steps go
# together, so their quartiles are those of few, and closer than they should be. Of sequences at least so many percent
# of usual ones count as outliers: their scores may have no tail.
OF_SEQUENCES, OF_STEPS, LEAST_PERCENT = 1.5, 3.0, 1.0


@dataclass(frozen=True)
class ErrorModel:
    """How large errors usually are, and how they go together.

    scale : ndarray of shape (C,), 0 for channels that never changed
    covariance : ndarray of shape (C, C), of errors that were divided by the scale
    n_steps : how many steps it was learned from
    """

    scale: np.ndarray
    covariance: np.ndarray
    n_steps: int

    @classmethod
    def learn(cls, errors, constant):
        """Learn from errors (n_steps, C) in standard deviations of the channels; NaN is unknown."""
        from sklearn.covariance import ledoit_wolf  # noqa: PLC0415 (is not quick to import)

        known = ~np.isnan(errors)
        scale = np.maximum(np.sqrt(np.nansum(errors**2, axis=0) / np.maximum(known.sum(axis=0), 1)), LEAST_SCALE)
        covariance, _ = ledoit_wolf(np.where(known & ~constant, errors / scale, 0.0), assume_centered=True)
        deviation = np.sqrt(np.diagonal(covariance))  # below 1 where some are not known
        covariance = covariance / np.where(deviation > 0, np.outer(deviation, deviation), 1.0)
        covariance[np.diag_indices_from(covariance)] = 1.0
        return cls(np.where(constant, 0.0, scale), covariance, len(errors))

    def sizes(self, errors, moved):
        """Each error in terms of its scale, (n_steps, C).

        That of a channel that never changed, and now has, is the one that it would have if it had changed once.
        """
        z = np.abs(errors) * (self.scale > 0) / np.where(self.scale > 0, self.scale, 1.0)
        return np.where(moved, np.sqrt(self.n_steps), np.minimum(z, LARGEST))

    def distances(self, errors, moved):
        """Root mean square of the errors of each step, after what they have in common: 1 is usual.

        NaN where none is known. Channels that never changed in training count where they are `moved` only.
        """
        sizes, varies = self.sizes(errors, moved), self.scale > 0
        known = ~np.isnan(errors) & varies
        z = np.divide(errors, self.scale, out=np.zeros(errors.shape), where=known)
        z = np.clip(z, -LARGEST, LARGEST)
        squares = np.where(moved, sizes, 0.0).sum(axis=1) * np.sqrt(self.n_steps)
        for pattern, rows in _patterns(known):
            inverse = np.linalg.inv(self.covariance[np.ix_(pattern, pattern)])
            part = z[np.ix_(rows, pattern)]
            squares[rows] += np.maximum((product(part, inverse) * part).sum(axis=1), 0.0)
        n_known = known.sum(axis=1)
        is_known = (n_known > 0) | moved.any(axis=1)
        return np.where(is_known, np.sqrt(squares / np.maximum(n_known, 1)), np.nan)


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
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _running(values, offsets, window):
    """Sums over the last `window` rows of a sequence, or all there are.

    From sums of 1, 2, 4, ... rows, so that a row depends on those that it sums up alone, and not by differences, in
    which nothing would be left beside a single large value.
    """
    step = np.arange(len(values)) - np.repeat(offsets[:-1], np.diff(offsets))
    step = step.reshape(-1, *[1] * (values.ndim - 1))

    def behind(sums, n):
        return np.where(step >= n, np.roll(sums, n, axis=0), 0.0)

    total, n_added, sums, n = np.zeros(values.shape), 0, values, 1
    while n <= window:
        if window & n:
            total, n_added = total + behind(sums, n_added), n_added + n
        sums, n = sums + behind(sums, n), 2 * n
    return total


def means(values, offsets):
    """Mean of the known values of each sequence, NaN where there is none."""
    known = ~np.isnan(values)
    counts = np.add.reduceat(known.astype(np.float64), offsets[:-1])
    sums = np.add.reduceat(np.where(known, values, 0.0), offsets[:-1])
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def whisker(scores, length):
    """The lower end of the whisker of a box plot."""
    lower, upper = np.percentile(scores, [25, 75])
    return float(lower - length * (upper - lower))


def quantile(scores, percent):
    """The score below which so many percent of the scores are."""
    return float(np.percentile(scores, percent))
