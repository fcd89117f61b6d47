"""Loss of numbers whose distribution is a mixture of Gaussians."""

from numbers import Integral

import numpy as np
from scipy.special import logsumexp, ndtri
from sklearn.utils._param_validation import Interval

from ...losses import BaseLoss


class MixtureOfGaussians(BaseLoss):
    """Minus the log-density of a mixture of Gaussians whose covariances are diagonal.

    Parameters
    ----------
    n_components : int, default=1
        Gaussians.
    """

    _parameter_constraints = {"n_components": [Interval(Integral, 1, None, closed="left")]}

    def __init__(self, n_components=1):
        self.n_components = n_components

    def n_raw(self, n_targets):
        return self.n_components * (1 + 2 * n_targets)

    def kernel_call(self, raw, K, y, weight, d_raw):
        from ...kernels.mixtures import mixture_of_gaussians  # noqa: PLC0415 (brings the compiler)

        return mixture_of_gaussians, (raw, K, y, weight, d_raw, float(self.n_components))

    def parts(self, raw, n_targets):
        """Logits (n, C), means and scales (n, C, n_targets) of the components."""
        from ...kernels.mixtures import SMALLEST_SCALE  # noqa: PLC0415

        C, shape = self.n_components, (len(raw), self.n_components, n_targets)
        logits, means, scales = np.split(raw, [C, C + C * n_targets], axis=1)
        return logits, means.reshape(shape), SMALLEST_SCALE + np.logaddexp(0, scales.reshape(shape))

    def log_density(self, raw, y):
        """Of each row of y (n, n_targets)."""
        logits, means, scales = self.parts(raw, y.shape[1])
        z = (y[:, np.newaxis] - means) / scales
        of_components = (-0.5 * z**2 - np.log(scales) - 0.5 * np.log(2 * np.pi)).sum(axis=2)
        return logsumexp(logits + of_components, axis=1) - logsumexp(logits, axis=1)

    def initial_raw(self, y, weight, K=None):
        """Components of equal weight side by side, as wide as all."""
        mean = np.average(y, axis=0, weights=weight)
        scale = np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight)).clip(1e-2)
        C = self.n_components
        places = ndtri((np.arange(C) + 0.5) / C)[:, np.newaxis]
        means, scales = mean + scale * places, np.tile(np.log(np.expm1(scale)), (C, 1))
        return np.concatenate([np.zeros(C), means.ravel(), scales.ravel()])
