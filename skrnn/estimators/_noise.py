"""How much of a target is noise, estimated from the training data before anything is trained.

Where targets are a smooth function of the inputs plus noise, those of two samples whose inputs are close differ by the
noise of both. Half the mean square of the difference between each sample and its nearest neighbour tends to the
variance of the noise as samples get denser: the *delta test* [1]_. It comes out too large where samples are sparse, as
those of many steps are, and where the target depends on earlier steps: so the smaller one of two estimates is taken.

Copies of a sample say nothing of its noise, and windows that overlap are close whatever the target is: neither are
neighbours here.

References
----------
.. [1] H. Pi and C. Peterson, "Finding the embedding dimension and variable dependencies in time series", Neural
   Computation 6(3), 1994. :doi:`10.1162/neco.1994.6.3.509`
"""

import numpy as np

from ..kernels.neighbours import compare
from ..network.plan import Stretch

MOST_SAMPLES, MOST_WORK = 1000, 5e7  # work: of all distances; more would take as long as some epochs
WINDOWS = 8, 32  # steps up to the target, by which samples are neighbours
APART = 50  # rows in the order of X, or steps, within which windows may overlap; shorter sequences overlap less


def share_of_noise(data, rows, n_numbers):
    """Estimate the part of the variance of the targets that the steps just before them do not determine.

    Parameters
    ----------
    data : Data
        With targets, of the sequences or of their steps.
    rows : ndarray of int
        Sequences to look at, rising.
    n_numbers : int
        Columns that hold numbers, the first ones; codes have no distance.

    Returns
    -------
    float
        Between 0 and 1, mean over the targets that vary, to two digits. 1 where nothing can be said.
    """
    windows = WINDOWS if data.lengths[rows].max(initial=0) > WINDOWS[0] else WINDOWS[:1]
    return min(_share_by(window, data, rows, n_numbers) for window in windows)


def _share_by(window, data, rows, n_numbers):
    """The same, by the numbers of so many steps."""
    _, targets, weight, noise, _ = compared(window, data, rows, n_numbers)
    if len(targets) == 0:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large says nothing
        weight = np.where(np.isnan(noise[:, 0]), 0.0, weight)[:, np.newaxis]
        weight, targets = weight / max(weight.sum(), np.finfo(float).tiny), targets - targets[0]  # constants: exactly 0
        spread = (weight * np.square(targets - (weight * targets).sum(axis=0))).sum(axis=0)
        noise = (weight * np.where(np.isnan(noise), 0.0, noise)).sum(axis=0)
        share = (noise[spread > 0] / spread[spread > 0]).mean() if (spread > 0).any() else 1.0
    return float(f"{min(share, 1.0):.2g}") if np.isfinite(share) else 1.0


def compared(window, data, rows, n_numbers):
    """Samples, and how their targets differ from those of their nearest neighbours, by the numbers of so many steps.

    Returns
    -------
    sequences, targets, weight : ndarray of shape (n,), (n, K), (n,)
        None where there are fewer than two samples, or no numbers.
    noise, differences : ndarray of shape (n, K)
        See `compare`.
    """
    most = int(min(MOST_SAMPLES, np.sqrt(MOST_WORK / (window * max(n_numbers, 1)))))
    sequences, steps, places = samples_of(data, rows, most)
    if n_numbers == 0 or len(places) < 2:
        sequences, steps, places = sequences[:0], steps[:0], places[:0]
    targets, weight = data.target[places].astype(np.float64), data.row_weight[places]
    noise, differences = np.empty(targets.shape), np.empty(targets.shape)
    if len(places):
        windows = _windows(window, data, sequences, steps, n_numbers)
        apart = min(int(data.lengths[sequences].max()), APART)
        with np.errstate(over="ignore", invalid="ignore"):
            compare(windows, targets, places, apart, np.empty(len(places)), noise, differences)
    return sequences, targets, weight, noise, differences


def samples_of(data, rows, most):
    """Sequences, steps and places among the targets of so many samples that have a weight, spread evenly over all."""
    if data.target_offsets is None:
        kept = rows[data.row_weight[rows] > 0]
        kept = kept[_spread(len(kept), most)]
        return kept, data.lengths[kept] - 1, kept
    counts = np.add.reduceat(data.row_weight > 0, data.offsets[:-1], dtype=np.int64)[rows]
    ends = np.cumsum(counts)
    chosen = _spread(int(ends[-1]), most)
    which = np.searchsorted(ends, chosen, side="right")
    places = np.empty(len(chosen), np.int64)
    for k in np.unique(which):
        begin, end = data.offsets[rows[k]], data.offsets[rows[k] + 1]
        weighted = begin + np.flatnonzero(data.row_weight[begin:end] > 0)
        places[which == k] = weighted[chosen[which == k] - (ends[k] - counts[k])]
    sequences = rows[which]
    return sequences, places - data.offsets[sequences], places


def _spread(n, most):
    """Numbers below n, rising: all, or `most` of them, evenly."""
    return np.arange(n) if n <= most else np.linspace(0, n - 1, most).astype(np.int64)


def _windows(window, data, sequences, steps, n_numbers):
    """The numbers of the last steps up to each sample, side by side; the first step stands for those before it."""
    first = np.maximum(steps - window + 1, 0)
    lengths = steps - first + 1
    stretch = Stretch(sequences, data.begins[sequences] + first, first, lengths, data.lengths[sequences])
    values, begins = data.read(stretch)
    places = begins[:, np.newaxis] + np.maximum(np.arange(-window, 0) + lengths[:, np.newaxis], 0)
    return values[places, :n_numbers].astype(np.float64).reshape(len(steps), -1)
