"""When to decide: at the first stage whose calibrated probability reaches a threshold."""

import numpy as np

N_THRESHOLDS = 200
N_OF_CALIBRATION = 20  # sequences that weigh as much as the accuracy which calibrated probabilities expect
NEVER = 2.0  # above all probabilities: sequences are read to their end


class Rule:
    """A threshold, and what it has reached on held-out sequences.

    Of few sequences the errors say little, and the least of many costs is one by luck. So the accuracy of a threshold
    is taken from its errors and, as if of some more sequences, from the calibrated probabilities at its decisions.

    Attributes
    ----------
    threshold, expected_cost : float
    results : dict of str to ndarray of shape (n_thresholds,)
        "threshold", and for each of them "accuracy", "confidence", "share_read", "cost", "expected_cost"; of `weights`.
    best : int
        Which of them has the least expected cost, the highest of equal ones.
    """

    def __init__(self, stages, proba, y, weights, cost_of_delay):
        confidence, right = proba.max(axis=2), proba.argmax(axis=2) == y[:, np.newaxis]
        thresholds = np.append(np.unique(np.quantile(confidence, np.linspace(0, 1, N_THRESHOLDS))), NEVER)
        which = np.stack([decided(confidence, stages.has_ended, threshold) for threshold in thresholds])
        rows = np.arange(len(y))
        accuracy = np.average(right[rows, which], axis=1, weights=weights)
        sure = np.average(confidence[rows, which], axis=1, weights=weights)
        share = np.average(stages.steps[rows, which] / stages.lengths, axis=1, weights=weights)
        n = weights.sum() ** 2 / (weights**2).sum()  # sequences of equal weights that say as much
        expected = (n * accuracy + N_OF_CALIBRATION * sure) / (n + N_OF_CALIBRATION)
        costs = 1 - expected + cost_of_delay * share
        self.best = int(np.flatnonzero(costs <= costs.min() + 1e-12)[-1])
        self.threshold, self.expected_cost = float(thresholds[self.best]), costs[self.best]
        self.results = {"threshold": thresholds, "accuracy": accuracy, "confidence": sure, "share_read": share}
        self.results |= {"cost": 1 - accuracy + cost_of_delay * share, "expected_cost": costs}


def decided(confidence, has_ended, threshold):
    """The stage of each sequence at which it is decided."""
    return ((confidence >= threshold) | has_ended).argmax(axis=1)
