"""Where windows end, for training and in the held-out end of each series."""

import numpy as np

from ._samples import known_targets, samples_at, targets_at

MOST_WINDOWS = 30_000


def cutoffs(lengths, design, n_held, held):
    """Where windows end, for training or in the held-out end of each series: numbers of series, and steps known."""
    series, ends = [], []
    for i, n in enumerate(lengths):
        first, last = design.n_read, n - n_held - design.horizon
        if held:
            first, last = max(n - n_held, design.n_read), n - design.horizon
        own = np.arange(first, last + 1)
        series.append(np.full(len(own), i))
        ends.append(own)
    return np.concatenate(series), np.concatenate(ends)


def thinned(series, ends, rng, most=MOST_WINDOWS):
    """At most so many of the windows, drawn without replacement."""
    if len(series) <= most:
        return series, ends
    kept = np.sort(rng.choice(len(series), most, replace=False))
    return series[kept], ends[kept]


def windows_at(histories, design, series, ends, horizon):
    """Samples, and the values of so many steps that follow; windows of which most of these is missing are left out."""
    keep, target = known_targets(targets_at(histories, series, ends, horizon))
    if not keep.any():
        raise ValueError("of all windows more than half of the values to forecast are missing: fill them, or resample.")
    return samples_at(histories, design, series[keep], ends[keep], horizon), target
