"""When to decide: at the first stage whose calibrated probability reaches a threshold."""

import numpy as np

N_THRESHOLDS = 200
NEVER = 2.0  # above all probabilities: sequences are read to their end


class Rule:
    """A threshold, and what it has reached on held-out sequences.

    Attributes
    ----------
    threshold : float
    results : dict of str to ndarray of shape (n_thresholds,)
        "threshold", and for each of them "accuracy", "share_read" and "cost"; of `weights`.
    best : int
        Which of them costs least, the highest of equal ones.
    """

    def __init__(self, stages, proba, y, weights, cost_of_delay):
        confidence, right = proba.max(axis=2), proba.argmax(axis=2) == y[:, np.newaxis]
        thresholds = np.append(np.unique(np.quantile(confidence, np.linspace(0, 1, N_THRESHOLDS))), NEVER)
        which = np.stack([decided(confidence, stages.has_ended, threshold) for threshold in thresholds])
        rows = np.arange(len(y))
        accuracy = np.average(right[rows, which], axis=1, weights=weights)
        share = np.average(stages.steps[rows, which] / stages.lengths, axis=1, weights=weights)
        cost = 1 - accuracy + cost_of_delay * share
        self.results = {"threshold": thresholds, "accuracy": accuracy, "share_read": share, "cost": cost}
        self.best = int(np.flatnonzero(cost <= cost.min() + 1e-12)[-1])
        self.threshold = float(thresholds[self.best])

    @property
    def cost(self):
        return self.results["cost"][self.best]


def decided(confidence, has_ended, threshold):
    """The stage of each sequence at which it is decided."""
    return ((confidence >= threshold) | has_ended).argmax(axis=1)
