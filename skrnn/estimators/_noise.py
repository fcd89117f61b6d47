"""How much of a target is noise, estimated from the training data before anything is trained.

Where targets are a smooth function of the inputs plus noise, those of two samples whose inputs are close differ by the
noise of both. Half the mean square of the difference between each sample and its nearest neighbour tends to the
variance of the noise as samples get denser: the *delta test* [1]_. It comes out too large where samples are sparse, as
those of many steps are, and where the target depends on earlier steps: so the smaller one of two estimates is taken.

References
----------
.. [1] H. Pi and C. Peterson, "Finding the embedding dimension and variable dependencies in time series", Neural
   Computation 6(3), 1994. :doi:`10.1162/neco.1994.6.3.509`
"""

import numpy as np

from ._neighbours import WINDOWS


def share_of_noise(neighbours):
    """Estimate the part of the variance of the targets that the steps just before them do not determine.

    Parameters
    ----------
    neighbours : Neighbours

    Returns
    -------
    float
        Between 0 and 1, mean over the targets that vary, to two digits. 1 where nothing can be said.
    """
    longest = neighbours.data.lengths[neighbours.rows].max(initial=0)
    windows = WINDOWS if longest > WINDOWS[0] else WINDOWS[:1]
    return min(_share_by(window, neighbours) for window in windows)


def _share_by(window, neighbours):
    """The same, by the numbers of so many steps."""
    _, targets, weight, noise, _ = neighbours.by(window)
    if len(targets) == 0:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large says nothing
        weight = np.where(np.isnan(noise[:, 0]), 0.0, weight)[:, np.newaxis]
        weight, targets = weight / max(weight.sum(), np.finfo(float).tiny), targets - targets[0]  # constants: exactly 0
        spread = (weight * np.square(targets - (weight * targets).sum(axis=0))).sum(axis=0)
        noise = (weight * np.where(np.isnan(noise), 0.0, noise)).sum(axis=0)
        share = (noise[spread > 0] / spread[spread > 0]).mean() if (spread > 0).any() else 1.0
    return float(f"{min(share, 1.0):.2g}") if np.isfinite(share) else 1.0
