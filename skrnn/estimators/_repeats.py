"""How often the targets of a sequence say the same, by the training data before anything is trained.

Several targets of a sample may say the same, like the next 24 values of a slow series. A loss that adds up their errors
counts them as 24 observations of the noise, though they are hardly more than one. With the eigenvalues e of their
covariance matrix, they are as many as ``(sum e)^2 / sum e^2``, the *participation ratio*: K for targets that have
nothing to do with each other, 1 for copies. Targets that never change have no errors to add up.

Targets of the steps of a sequence may say the same, too, like the life that remains to an engine that lasts longer
than others. If the noise of two steps of a sequence has the correlation r, then T of them say as much as
T / (1 + (T - 1) r) samples: the denominator is the *design effect* of clusters [1]_.

References
----------
.. [1] L. Kish, "Survey Sampling", section 5.4, Wiley, 1965.
"""

import numpy as np

from ._neighbours import MOST_SAMPLES, MOST_WORK, WINDOWS, samples_of


def repeats_of_targets(neighbours):
    """Estimate how often the targets of a sequence say the same.

    Parameters
    ----------
    neighbours : Neighbours
        Without columns of numbers, the noise of steps cannot be told.

    Returns
    -------
    float
        At least 1, to two digits: a factor of targets of a sample, times one of steps. 1 where nothing can be said.
    """
    repeats = _of_samples(neighbours.data, neighbours.rows)
    if neighbours.data.target_offsets is not None:
        repeats *= _of_steps(neighbours)
    return float(f"{repeats:.2g}")


def _of_samples(data, rows):
    """The number K of the targets of a sample that vary over their participation ratio."""
    if data.target.shape[1] == 1:
        return 1.0
    _, _, places = samples_of(data, rows, int(min(MOST_SAMPLES, np.sqrt(MOST_WORK / data.target.shape[1]))))
    if len(places) < 2:
        return 1.0
    targets, weight = data.target[places].astype(np.float64), data.row_weight[places]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what is too large says nothing
        weight, targets = (weight / weight.sum())[:, np.newaxis], targets - targets[0]  # constants are exactly 0
        n_targets = int((targets != 0).any(axis=0).sum())
        targets = np.sqrt(weight) * (targets - (weight * targets).sum(axis=0))
        products = np.einsum("ik,jk->ij", targets, targets)  # not by a library whose bits depend on threads
        trace, alone = np.trace(products), np.square(weight).sum()
        by_chance = alone / (1.0 - alone)  # 1 / (n - 1) of n samples: all that is found in those of unrelated targets
        share = np.square(products / trace).sum() - by_chance if trace > 0 else 0.0
    return min(max(n_targets * share, 1.0), n_targets) if np.isfinite(share) and n_targets else 1.0


def _of_steps(neighbours):
    """The design effect of the steps of a sequence, by a correlation less its standard error."""
    sequences, _, weight, _, differences = neighbours.by(WINDOWS[0])
    known = np.isfinite(differences).all(axis=1)
    sequences, differences, root = sequences[known], differences[known], np.sqrt(weight[known])[:, np.newaxis]
    _, begins, counts = np.unique(sequences, return_index=True, return_counts=True)
    pairs = (counts * (counts - 1)).sum()
    if pairs == 0:
        return 1.0
    with np.errstate(over="ignore", invalid="ignore"):
        sum_of_weights = np.square(root).sum()
        differences = root * (differences - (np.square(root) * differences).sum(axis=0) / sum_of_weights)
        squares = np.square(differences).sum()
        of_pairs = np.square(np.add.reduceat(differences, begins)).sum() - squares
        weight_of_pairs = np.square(np.add.reduceat(root, begins)).sum() - sum_of_weights  # a sequence counts as copies
        correlation = of_pairs / weight_of_pairs / (squares / sum_of_weights) if squares > 0 else 0.0
    correlation -= np.sqrt(2.0 / pairs)
    n_targets = neighbours.data.mean_targets(neighbours.rows)
    return 1.0 + max(correlation, 0.0) * (n_targets - 1.0) if np.isfinite(correlation) else 1.0
