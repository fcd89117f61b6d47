"""Loss of notes that depend on each other."""

import numpy as np

from ...losses import BinomialLogLoss


class CoupledLogLoss(BinomialLogLoss):
    """`BinomialLogLoss` of the first raw predictions; the last ones are what hidden units start from.

    Their gradient is filled in by the way back of what has made the first ones of them: see `kernels.coupling`.

    Parameters
    ----------
    n_hidden : int
        Hidden units.
    """

    def __init__(self, n_hidden=1):
        self.n_hidden = n_hidden

    def n_raw(self, n_targets):
        return n_targets + self.n_hidden

    def kernel_call(self, raw, K, y, weight, d_raw):
        return super().kernel_call(raw, K - self.n_hidden, y, weight, d_raw)

    def initial_raw(self, y, weight, K=None):
        return np.append(super().initial_raw(y, weight), np.zeros(self.n_hidden))
