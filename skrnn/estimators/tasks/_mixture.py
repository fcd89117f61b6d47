"""Loss of numbers whose distribution is a mixture of Gaussians."""

from ...losses import BaseLoss


class MixtureOfGaussians(BaseLoss):
    """TODO."""

    def __init__(self, n_components=1):
        self.n_components = n_components

    def n_raw(self, n_targets):
        return self.n_components * (1 + 2 * n_targets)
