"""Changes from step to step: their scale, and whether a network is better off if it reads them, too.

A smooth series says little by each value that the value before has not said. Standardised, its changes are as large as
its values, and show where it bends. The changes of a series of noise are noise of twice the variance.
"""

import numpy as np

SMOOTH = 0.25  # change of a step, in standard deviations of the values; chosen by experiment, see docs/defaults.rst


def are_smooth(parts):
    """Whether most channels change little from step to step, by what the training sequences show.

    parts : iterable of SequenceArray and weights of their rows; rows of weight 0 are not looked at.
    """
    n, n_changes, sums, first = 0, 0, 0.0, 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for chunk, weight in parts:
            values, counts, follows = chunk.values.astype(np.float64), weight > 0, _follows(chunk)
            first = values[0] if n == 0 else first  # a shift by about the mean keeps squares precise
            changes = np.square(np.diff(values, axis=0, prepend=0.0)[counts & follows]).sum(axis=0)
            values = values[counts] - first
            n, n_changes = n + counts.sum(), n_changes + (counts & follows).sum()
            sums = sums + np.array([values.sum(axis=0), np.square(values).sum(axis=0), changes])
        variance = sums[1] / max(n, 1) - np.square(sums[0] / max(n, 1))
        moves = variance > 0
        if n_changes == 0 or not moves.any():
            return False
        return bool(np.median(sums[2][moves] / n_changes / variance[moves]) < SMOOTH**2)


def difference_scale(parts, mean, scale):
    """Root mean square of the changes of standardised channels; 1 for those that are nothing but rounding.

    parts : see `are_smooth`, with weights that count; mean, scale : of the channels.
    """
    total, squares = 0.0, np.zeros(len(mean))
    for chunk, weight in parts:
        changes = np.diff((chunk.values.astype(np.float64) - mean) / scale, axis=0, prepend=0.0)
        of_changes = weight * _follows(chunk)
        squares += (of_changes[:, np.newaxis] * np.square(changes)).sum(axis=0)
        total += of_changes.sum()
        eps = np.finfo(chunk.values.dtype).eps
    found = np.sqrt(squares / total) if total > 0 else squares
    return np.where(found <= 10 * eps * (np.abs(mean) / scale + 1), 1.0, found)


def _follows(chunk):
    """Whether each step has one before it."""
    follows = np.ones(len(chunk.values), bool)
    follows[chunk.offsets[:-1]] = False
    return follows
