"""Minus the log-density of a mixture of Gaussians with diagonal covariances, and its slope.

``raw[n]`` holds the C logits of the components, then their C D means, then C D numbers that scales are made of:
``SMALLEST_SCALE + softplus(s)``, so that no density is infinite. Sums are taken in float64.
"""

import math

from ._jit import kernel

SMALLEST_SCALE = 1e-3
HALF_LOG_2_PI = 0.9189385332046727


@kernel
def softplus(s):
    """log(1 + exp(s)) without overflow."""
    return max(s, 0.0) + math.log1p(math.exp(-abs(s)))


@kernel
def _log_density(raw, n, c, C, y):
    """That of component c at y[n]."""
    D, total = y.shape[1], 0.0
    for d in range(D):
        scale = SMALLEST_SCALE + softplus(float(raw[n, C + (C + c) * D + d]))
        z = (float(y[n, d]) - float(raw[n, C + c * D + d])) / scale
        total -= 0.5 * z * z + math.log(scale) + HALF_LOG_2_PI
    return total


@kernel
def mixture_of_gaussians(raw, K, y, weight, d_raw, n_components):
    """The sum over the rows of weight[n] times the loss; see `losses`."""
    C, D, total = int(n_components), y.shape[1], 0.0
    for n in range(y.shape[0]):
        w, top, top_joint = float(weight[n]), float(raw[n, 0]), -math.inf
        for c in range(C):
            top = max(top, float(raw[n, c]))
            top_joint = max(top_joint, float(raw[n, c]) + _log_density(raw, n, c, C, y))
        rest, rest_joint = 0.0, 0.0
        for c in range(C):
            rest += math.exp(float(raw[n, c]) - top)
            rest_joint += math.exp(float(raw[n, c]) + _log_density(raw, n, c, C, y) - top_joint)
        total += w * (top + math.log(rest) - top_joint - math.log(rest_joint))
        for c in range(C):
            share = math.exp(float(raw[n, c]) + _log_density(raw, n, c, C, y) - top_joint) / rest_joint
            d_raw[n, c] = w * (math.exp(float(raw[n, c]) - top) / rest - share)
            for d in range(D):
                s = float(raw[n, C + (C + c) * D + d])
                scale = SMALLEST_SCALE + softplus(s)
                z = (float(y[n, d]) - float(raw[n, C + c * D + d])) / scale
                d_raw[n, C + c * D + d] = -w * share * z / scale
                d_raw[n, C + (C + c) * D + d] = w * share * (1 - z * z) / scale / (1 + math.exp(-s))
    return total
