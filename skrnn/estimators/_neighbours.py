"""Samples of a training set, and how their targets differ from those of their nearest neighbours.

Copies of a sample say nothing of its noise, and windows that overlap are close whatever the target is: neither are
neighbours here.
"""

import numpy as np

from ..kernels.neighbours import compare
from ..network.plan import Stretch

MOST_SAMPLES, MOST_WORK = 1000, 5e7  # work: of all distances; more would take as long as some epochs
WINDOWS = 8, 32  # steps up to the target, by which samples are neighbours
APART = 50  # rows in the order of X, or steps, within which windows may overlap; shorter sequences overlap less


class Neighbours:
    """Neighbours among the sequences that are trained on; each comparison is made once.

    Parameters
    ----------
    data : Data
        With targets, of the sequences or of their steps.
    rows : ndarray of int
        Sequences to look at, rising.
    n_numbers : int
        Columns that hold numbers, the first ones; codes have no distance.
    """

    def __init__(self, data, rows, n_numbers):
        self.data, self.rows, self.n_numbers = data, rows, n_numbers
        self._compared = {}

    def by(self, window):
        """Samples, and how their targets differ from those of their neighbours by the numbers of so many steps.

        Returns
        -------
        sequences, targets, weight : ndarray of shape (n,), (n, K), (n,)
            None where there are fewer than two samples, or no numbers.
        noise, differences : ndarray of shape (n, K)
            See `compare`.
        """
        if window not in self._compared:
            self._compared[window] = _compared(window, self.data, self.rows, self.n_numbers)
        return self._compared[window]


def _compared(window, data, rows, n_numbers):
    """What `Neighbours.by` gives."""
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
