"""Nearest neighbours among a few samples, with sums in a fixed order: the same ones on every processor."""

import numpy as np

from ._jit import kernel

ALIKE = 1e-9  # relative difference of squared distances that rounding may have made


@kernel
def compare(windows, targets, places, apart, distances, noise, differences):
    """For each sample and target the difference from its nearest neighbours, all as near, and half its square: means.

    No neighbours are samples that stand fewer than `apart` places away, and copies: the same window and targets. A
    sample without any is NaN in all of `noise` and `differences`.

    windows : (n, D); targets, noise, differences : (n, K); places : (n,), rising; distances : (n,), to be written to
    """
    n = windows.shape[0]
    for i in range(n):
        nearest = np.inf
        for j in range(n):
            distances[j] = np.inf
            if abs(places[i] - places[j]) < apart:
                continue
            d = 0.0
            for k in range(windows.shape[1]):
                d += (windows[i, k] - windows[j, k]) ** 2
            is_copy = d == 0.0
            for k in range(targets.shape[1]):
                is_copy = is_copy and targets[i, k] == targets[j, k]
            if not is_copy:
                distances[j] = d
                nearest = min(nearest, d)
        for k in range(targets.shape[1]):
            total, squares, count = 0.0, 0.0, 0
            for j in range(n):
                if distances[j] <= nearest * (1.0 + ALIKE) and distances[j] < np.inf:
                    total += targets[i, k] - targets[j, k]
                    squares += 0.5 * (targets[i, k] - targets[j, k]) ** 2
                    count += 1
            noise[i, k] = squares / count if count > 0 else np.nan
            differences[i, k] = total / count if count > 0 else np.nan
