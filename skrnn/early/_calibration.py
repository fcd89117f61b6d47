"""Probabilities that hold what they say, at each step: a temperature that depends on how much has been read."""

import numpy as np
from scipy.optimize import minimize

SMALLEST = 1e-7  # probability: the resolution of float32
PENALTY = 1e-3  # keeps temperatures finite where all predictions are right


class Calibration:
    """Raises probabilities to the power ``exp(a + b s)`` and scales them to a sum of 1.

    The share s is the steps read over `n_usual`, at most 1. The order of the classes stays as it is.
    """

    def __init__(self, coefficients, n_usual):
        self.coefficients, self.n_usual = coefficients, n_usual

    @classmethod
    def learn(cls, stages, y, weights):
        """The one with the least log-loss over all stages of sequences that have not ended before.

        y : numbers of the classes; weights : of the sequences
        """
        log_p, design = _logarithms(stages.proba), _design(stages.steps, stages.n_usual)
        weights = np.where(stages.is_new, weights[:, np.newaxis], 0)
        weights = weights / weights.sum()
        true = np.broadcast_to(y[:, np.newaxis, np.newaxis], (*log_p.shape[:2], 1))

        def loss(coefficients):
            scaled = log_p * np.exp(design @ coefficients)[..., np.newaxis]
            p, log_sum = _softmax(scaled)
            of_true = np.take_along_axis(scaled, true, axis=2)[..., 0]
            gradient = ((p * scaled).sum(axis=2) - of_true) * weights
            value = ((log_sum - of_true) * weights).sum() + PENALTY * (coefficients**2).sum()
            return value, (gradient[..., np.newaxis] * design).sum(axis=(0, 1)) + 2 * PENALTY * coefficients

        return cls(minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B").x, stages.n_usual)

    def __call__(self, proba, steps):
        """Calibrated probabilities (..., n_classes) after so many steps (...)."""
        power = np.exp(_design(steps, self.n_usual) @ self.coefficients)
        return _softmax(_logarithms(proba) * power[..., np.newaxis])[0]


def _logarithms(proba):
    return np.log(np.clip(np.asarray(proba, np.float64), SMALLEST, 1))


def _design(steps, n_usual):
    share = np.minimum(steps / n_usual, 1)
    return np.stack([np.ones_like(share), share], axis=-1)


def _softmax(scores):
    """Probabilities, and the logarithms of what they were divided by."""
    top = scores.max(axis=-1, keepdims=True)
    p = np.exp(scores - top)
    total = p.sum(axis=-1, keepdims=True)
    return p / total, (top + np.log(total))[..., 0]
