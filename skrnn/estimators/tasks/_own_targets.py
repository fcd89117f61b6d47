"""Targets that sequences give themselves: what comes next, or the whole sequence at a fixed number of points."""

import numpy as np

from ...losses import SquaredError
from ...network.encoding import last_seen, numbers_and_gaps

NUMBERS_TOGETHER = 2**18  # that are resampled at a time: little memory beside the result


class KnownSquaredError(SquaredError):
    """Half squared error of those targets that are known; the others are NaN and count for nothing."""

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        y = np.where(np.isnan(y), raw[: len(y), :K], y)
        return super().value_and_gradient(raw, K, y, weight, d_raw)

    def initial_raw(self, y, weight, K=None):
        weight = np.where(np.isnan(y), 0, np.asarray(weight)[:, np.newaxis])
        total = weight.sum(axis=0)
        return (weight * np.nan_to_num(y)).sum(axis=0) / np.where(total > 0, total, 1)


def next_numbers(sequences, channels, time_channel):
    """For each step the `channels` of the next one (n_steps, n_channels), float64, NaN where they are missing.

    In the place of time stamps, which come last in `channels`, the time until then. See `has_next` for last steps.
    """
    return _shift(numbers_and_gaps(sequences, channels, time_channel), sequences.offsets)


def next_values(sequences):
    """For each step the value of the only channel at the next one (n_steps,). See `has_next` for last steps."""
    return _shift(sequences.values[:, 0], sequences.offsets)


def has_next(offsets):
    """Whether there is a next step, for each step of sequences that begin at `offsets`."""
    has = np.ones(offsets[-1], bool)
    has[offsets[1:] - 1] = False
    return has


def _shift(values, offsets):
    """Each row's next one; the last row of a sequence stays what it is."""
    rows = np.arange(len(values))
    return values[rows + has_next(offsets)]


def resample(sequences, channels, n_points):
    """Sequences at points that divide each into equal parts, (n_sequences, n_points, n_channels), float64.

    Between steps and across missing values by linear interpolation, before the first and after the last value of a
    channel by that value; NaN where a sequence has none.
    """
    values = _fill_gaps(sequences.values[:, channels].astype(np.float64), sequences.offsets)
    resampled, points = np.empty((len(sequences), n_points, len(channels))), np.linspace(0, 1, n_points)
    n_together = max(1, NUMBERS_TOGETHER // (n_points * len(channels)))
    for i in range(0, len(sequences), n_together):
        which = slice(i, i + n_together)
        last, first = sequences.lengths[which, np.newaxis] - 1, sequences.offsets[:-1][which, np.newaxis]
        places = last * points
        before = np.floor(places).astype(np.intp)
        after, share = np.minimum(before + 1, last), (places - before)[:, :, np.newaxis]
        resampled[which] = (1 - share) * values[first + before] + share * values[first + after]
    return resampled


def _fill_gaps(values, offsets):
    """Values (n_steps, C) with NaN replaced, along each sequence."""
    seen = ~np.isnan(values)
    if seen.all():
        return values
    rows = np.arange(len(values))[:, np.newaxis]
    before = last_seen(seen, offsets)
    after = len(values) - 1 - last_seen(seen[::-1], len(values) - offsets[::-1])[::-1]
    left, right = (np.take_along_axis(values, which, axis=0) for which in (before, after))
    left, right = np.where(np.isnan(left), right, left), np.where(np.isnan(right), left, right)
    share = (rows - before) / np.maximum(after - before, 1)
    return (1 - share) * left + share * right
