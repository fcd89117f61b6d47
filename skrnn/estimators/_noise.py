"""How much of a target is noise, estimated from the training data before anything is trained.

Where targets are a smooth function of the inputs plus noise, those of two samples whose inputs are close differ by the
noise of both. Half the mean square of the difference between each sample and its nearest neighbour tends to the
variance of the noise as samples get denser: the *delta test* [1]_. Where samples are sparse, it comes out too large.

References
----------
.. [1] H. Pi and C. Peterson, "Finding the embedding dimension and variable dependencies in time series", Neural
   Computation 6(3), 1994. :doi:`10.1162/neco.1994.6.3.509`
"""

import numpy as np
from scipy.spatial import KDTree

from ..network.plan import Stretch

MOST_SAMPLES, MOST_WORK = 1000, 5e7  # work: of all distances; more would take as long as some epochs
WINDOW = 8  # steps up to the target, by which samples are neighbours


def share_of_noise(data, rows, n_numbers):
    """Estimate the part of the variance of the targets that the steps just before them do not determine.

    Parameters
    ----------
    data : Data
        With targets, of the sequences or of their steps.
    rows : ndarray of int
        Sequences to look at.
    n_numbers : int
        Columns that hold numbers, the first ones; codes have no distance.

    Returns
    -------
    float
        Between 0 and 1, mean over targets, to two digits: no difference of rounding changes it. 1 where nothing can be
        said.
    """
    most = int(min(MOST_SAMPLES, np.sqrt(MOST_WORK / (WINDOW * max(n_numbers, 1)))))
    sequences, steps, targets = _samples(data, rows, most)
    if n_numbers == 0 or len(targets) < 2:
        return 1.0
    spread = targets.var(axis=0)
    if not (spread > 0).any():
        return 1.0
    # By coordinates, as trees compute distances, without products of matrices, whose bits depend on the machine.
    windows = _windows(data, sequences, steps, n_numbers)
    _, neighbours = KDTree(windows).query(windows, k=[2])
    noise = 0.5 * np.square(targets - targets[neighbours[:, 0]]).mean(axis=0)
    share = (noise[spread > 0] / spread[spread > 0]).mean()
    return float(f"{min(share, 1.0):.2g}")


def _samples(data, rows, most):
    """Sequences, steps and targets of so many samples that have a weight, spread evenly over all."""
    if data.target_offsets is None:
        places, sequences = rows, rows
        steps = data.lengths[rows] - 1
    else:
        lengths, begins = data.lengths[rows], data.offsets[rows]
        steps = np.concatenate([np.arange(n) for n in lengths])
        sequences = np.repeat(rows, lengths)
        places = np.repeat(begins, lengths) + steps
    kept = np.flatnonzero(data.row_weight[places] > 0)
    if len(kept) > most:
        kept = kept[np.linspace(0, len(kept) - 1, most).astype(np.int64)]
    return sequences[kept], steps[kept], data.target[places[kept]].astype(np.float64)


def _windows(data, sequences, steps, n_numbers):
    """The numbers of the last steps up to each sample, side by side; the first step stands for those before it."""
    first = np.maximum(steps - WINDOW + 1, 0)
    lengths = steps - first + 1
    stretch = Stretch(sequences, data.begins[sequences] + first, first, lengths, data.lengths[sequences])
    values, begins = data.read(stretch)
    places = begins[:, np.newaxis] + np.maximum(np.arange(-WINDOW, 0) + lengths[:, np.newaxis], 0)
    return values[places, :n_numbers].astype(np.float64).reshape(len(steps), -1)
