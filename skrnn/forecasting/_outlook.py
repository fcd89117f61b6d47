"""Distributions of values to come: what stands where, and where a value stands.

Where a value stands is told by its *score*: 0 in the middle, and for the distributions that networks learn -1.64 and
1.64 where 5 % of the values are below and above, as for a normal distribution. ``at(scores)`` takes scores
(n or 1, m, horizon) to values (n, m, horizon), ``scores(values)`` values (n, horizon) to scores. So what held-out
scores tell of one distribution can be told of another. ``widened(scores, times)`` gives values that are so many times,
(horizon,), as far from the middle.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from .._core.streams import hashed

# Times the roughness: so much further up is a value whose score is higher by 1, at least and at most. A network that
# has learned little of one series must not spread its values by what it has learned of others.
LEAST_SPREAD, MOST_SPREAD = 1e-3, 30.0
# Of what is further off: what is far from a narrow distribution must not be told of a wide one, least of heavy tails.
MOST_SCORE, MOST_OF_TAILS = 8.0, 4.0
LEVELS_OF_PATHS = np.arange(1, 20) / 20


@dataclass(frozen=True)
class Around:
    """A centre (n, horizon), and a unit in which scores count, (n, 1) or (n, horizon)."""

    centre: np.ndarray
    unit: np.ndarray

    def at(self, scores):
        return self.centre[:, np.newaxis] + self.unit[:, np.newaxis] * scores

    def widened(self, scores, times):
        return self.at(times * scores)

    def scores(self, values):
        return (values - self.centre) / self.unit


class Bell(Around):
    """Normal distributions: mean and standard deviation."""

    def scores(self, values):
        return np.clip(super().scores(values), -MOST_SCORE, MOST_SCORE)


@dataclass(frozen=True)
class HeavyTails:
    """Student's t distributions: centre, scale and degrees of freedom, (n, horizon) each."""

    centre: np.ndarray
    scale: np.ndarray
    freedom: np.ndarray

    def at(self, scores):
        below = stdtrit(self.freedom[:, np.newaxis], ndtr(-np.abs(scores)))  # of the lower tail no digits are lost
        return self.centre[:, np.newaxis] - self.scale[:, np.newaxis] * np.sign(scores) * below

    def widened(self, scores, times):
        return _away_from_middle(self, scores, times)

    def scores(self, values):
        z = (values - self.centre) / self.scale
        below = ndtri(np.maximum(stdtr(self.freedom, -np.abs(z)), np.finfo(float).tiny))
        return np.sign(z) * np.minimum(-below, MOST_OF_TAILS)


@dataclass(frozen=True)
class Between:
    """Quantiles, between which values rise evenly with the score; beyond the last as fast as from the median to there.

    centre: (n, horizon), the medians.
    knots: (m,), the scores of the quantiles; 0 is among them.
    slopes: (m + 1, n, horizon), positive, of values by scores: below the first knot, between knots, above the last.
    """

    centre: np.ndarray
    knots: np.ndarray
    slopes: np.ndarray

    @classmethod
    def of(cls, centre, levels, distances, roughness):
        """From how far quantiles of rising `levels`, 1/2 among them, are from the median: (m, n, horizon)."""
        knots = ndtri(levels)
        knots[levels == 0.5] = 0.0
        inner = np.diff(distances, axis=0) / np.diff(knots)[:, np.newaxis, np.newaxis]
        ends = [distances[k] / knots[k] if knots[k] else distances[-1 - k] / knots[-1 - k] for k in (0, -1)]
        return cls(centre, knots, bounded(np.concatenate([ends[:1], inner, ends[1:]]), roughness))

    def at(self, scores):
        return self.centre[:, np.newaxis] + sum(
            slope[:, np.newaxis] * (np.clip(scores, low, high) - np.clip(0.0, low, high))
            for slope, low, high in zip(self.slopes, *self._ends(self.knots), strict=True)
        )

    def widened(self, scores, times):
        return self.at(times * scores)

    def scores(self, values):
        away, centre = values - self.centre, self.centre[:, np.newaxis]
        ends = self._ends(np.moveaxis(self.at(self.knots[np.newaxis, :, np.newaxis]) - centre, 1, 0))
        score = sum(
            (np.clip(away, low, high) - np.clip(0.0, low, high)) / slope
            for slope, low, high in zip(self.slopes, *ends, strict=True)
        )
        return np.clip(score, -MOST_SCORE, MOST_SCORE)

    @staticmethod
    def _ends(knots):
        """Where segments begin and end."""
        far = np.full((1, *knots.shape[1:]), np.inf)
        return np.concatenate([-far, knots]), np.concatenate([knots, far])


@dataclass(frozen=True)
class Counts:
    """Negative binomial distributions by mean and dispersion, (n, horizon) each; the variance is m + a m^2."""

    centre: np.ndarray
    dispersion: np.ndarray

    def at(self, scores):
        from scipy.stats import nbinom  # noqa: PLC0415 (takes a third of a second to import)

        r = 1 / self.dispersion[:, np.newaxis]
        return np.maximum(nbinom.ppf(ndtr(scores), r, r / (r + self.centre[:, np.newaxis])), 0.0)

    def widened(self, scores, times):
        return np.maximum(np.rint(_away_from_middle(self, scores, times)), 0.0)

    def scores(self, values):
        """Each drawn from what belongs to its count, the same for the same places."""
        from scipy.stats import nbinom  # noqa: PLC0415

        r = 1 / self.dispersion
        p = r / (r + self.centre)
        below, up_to = nbinom.cdf(values - 1, r, p), nbinom.cdf(values, r, p)
        share = (hashed(np.arange(values.size)) / 2.0**64).reshape(values.shape)
        return np.clip(ndtri(below + share * (up_to - below)), -MOST_OF_TAILS, MOST_OF_TAILS)


@dataclass(frozen=True)
class WholeNumbers:
    """A distribution of numbers, for counts: rounded, and not below 0."""

    of_numbers: Between

    @property
    def centre(self):
        return self.of_numbers.centre

    def at(self, scores):
        return np.maximum(np.rint(self.of_numbers.at(scores)), 0.0)

    def widened(self, scores, times):
        return self.at(times * scores)

    def scores(self, values):
        return self.of_numbers.scores(values)


def _away_from_middle(outlook, scores, times):
    """Values times as far from the middle: of heavy tails, scores that are further off would be out of all bounds."""
    middle = outlook.at(np.zeros_like(scores))
    return middle + times * (outlook.at(scores) - middle)


def bounded(spread, roughness):
    """Spread of values, in units of scores, within what a series of this roughness (n, 1) can have."""
    return np.clip(spread, LEAST_SPREAD * roughness, MOST_SPREAD * roughness)


def outlook_of_paths(paths, roughness):
    """From drawn values (n, n_paths, horizon)."""
    quantiles = np.quantile(paths, LEVELS_OF_PATHS, axis=1)
    centre = quantiles[len(quantiles) // 2]
    return Between.of(centre, LEVELS_OF_PATHS, quantiles - centre, roughness)
