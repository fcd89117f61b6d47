"""Losses with several raw predictions for each target: quantiles that cannot cross, and parameters of distributions.

``raw[n]`` holds blocks of D numbers, D the number of targets: number p of target d is ``raw[n, p * D + d]``. Called
like the kernels of `losses`; sums are taken in float64. What has to be positive is a floor plus a softplus, so that no
density is infinite and no logarithm is that of 0.
"""

import math

from ._jit import kernel
from .mixtures import HALF_LOG_2_PI, SMALLEST_SCALE, softplus

SMALLEST_MEAN, SMALLEST_DISPERSION = 1e-6, 1e-4
FEWEST_DEGREES, MOST_DEGREES = 2.0, 1e4  # of freedom: the variance exists; beyond, the distribution is normal
LOG_PI = 1.1447298858494002
FAR = 10.0  # from where asymptotic series are exact to 1e-14


@kernel
def _sigmoid(s):
    """The slope of the softplus."""
    e = math.exp(-abs(s))
    return 1.0 / (1.0 + e) if s > 0 else e / (1.0 + e)


@kernel
def _log_gamma(x):
    """log Gamma(x) for x > 0: Stirling's series, after as many steps up as it needs."""
    product = 1.0
    while x < FAR:
        product *= x
        x += 1.0
    z = 1.0 / (x * x)
    series = (1 / 12 - z * (1 / 360 - z * (1 / 1260 - z * (1 / 1680 - z * (1 / 1188))))) / x
    return (x - 0.5) * math.log(x) - x + HALF_LOG_2_PI + series - math.log(product)


@kernel
def _digamma(x):
    """The slope of log Gamma(x) for x > 0."""
    total = 0.0
    while x < FAR:
        total -= 1.0 / x
        x += 1.0
    z = 1.0 / (x * x)
    series = z * (1 / 12 - z * (1 / 120 - z * (1 / 252 - z * (1 / 240 - z * (1 / 132)))))
    return total + math.log(x) - 0.5 / x - series


@kernel
def _pinball(r, level):
    """Slope of the loss of a quantile that is `r` above the target."""
    return 1.0 - level if r > 0 else (-level if r < 0 else 0.0)


@kernel
def quantiles(raw, K, y, weight, d_raw, levels):
    """Pinball losses of rising `levels`, summed.

    The quantile in the middle is a raw prediction; away from it each adds (below: subtracts) a softplus of its own.
    """
    D, Q, total = y.shape[1], levels.shape[0], 0.0
    middle = Q // 2
    for n in range(y.shape[0]):
        w, loss_n = float(weight[n]), 0.0
        for d in range(D):
            target, value = float(y[n, d]), float(raw[n, middle * D + d])
            for q in range(middle, Q):
                if q > middle:
                    value += softplus(float(raw[n, q * D + d]))
                slope = _pinball(value - target, levels[q])
                loss_n += slope * (value - target)
                d_raw[n, q * D + d] = slope
            value = float(raw[n, middle * D + d])
            for q in range(middle - 1, -1, -1):
                value -= softplus(float(raw[n, q * D + d]))
                slope = _pinball(value - target, levels[q])
                loss_n += slope * (value - target)
                d_raw[n, q * D + d] = slope
            above, below = 0.0, 0.0  # sums of the slopes of all quantiles that a raw prediction moves
            for q in range(Q - 1, middle, -1):
                above += float(d_raw[n, q * D + d])
                d_raw[n, q * D + d] = w * above * _sigmoid(float(raw[n, q * D + d]))
            for q in range(middle):
                below += float(d_raw[n, q * D + d])
                d_raw[n, q * D + d] = -w * below * _sigmoid(float(raw[n, q * D + d]))
            d_raw[n, middle * D + d] = w * (below + float(d_raw[n, middle * D + d]) + above)
        total += w * loss_n
    return total


@kernel
def normal(raw, K, y, weight, d_raw, parameter):
    """Minus the log-density of a normal distribution: mean, and what its scale is made of."""
    D, total = y.shape[1], 0.0
    for n in range(y.shape[0]):
        w, loss_n = float(weight[n]), 0.0
        for d in range(D):
            s = float(raw[n, D + d])
            scale = SMALLEST_SCALE + softplus(s)
            z = (float(y[n, d]) - float(raw[n, d])) / scale
            loss_n += 0.5 * z * z + math.log(scale) + HALF_LOG_2_PI
            d_raw[n, d] = -w * z / scale
            d_raw[n, D + d] = w * (1.0 - z * z) / scale * _sigmoid(s)
        total += w * loss_n
    return total


@kernel
def student_t(raw, K, y, weight, d_raw, parameter):
    """Minus the log-density of Student's t: location, and what scale and degrees of freedom are made of."""
    D, total = y.shape[1], 0.0
    for n in range(y.shape[0]):
        w, loss_n = float(weight[n]), 0.0
        for d in range(D):
            s, f = float(raw[n, D + d]), float(raw[n, 2 * D + d])
            scale, v = SMALLEST_SCALE + softplus(s), FEWEST_DEGREES + min(softplus(f), MOST_DEGREES)
            z = (float(y[n, d]) - float(raw[n, d])) / scale
            far = math.log1p(z * z / v)
            constant = _log_gamma(0.5 * v) - _log_gamma(0.5 * (v + 1.0)) + 0.5 * (math.log(v) + LOG_PI)
            loss_n += constant + math.log(scale) + 0.5 * (v + 1.0) * far
            pull = (v + 1.0) * z / (v + z * z)
            d_raw[n, d] = -w * pull / scale
            d_raw[n, D + d] = w * (1.0 - z * pull) / scale * _sigmoid(s)
            d_v = 0.5 * (_digamma(0.5 * v) - _digamma(0.5 * (v + 1.0)) + 1.0 / v + far - z * pull / v)
            d_raw[n, 2 * D + d] = w * d_v * _sigmoid(f) if softplus(f) < MOST_DEGREES else 0.0
        total += w * loss_n
    return total


@kernel
def negative_binomial(raw, K, y, weight, d_raw, exposed):
    """Minus the log-probability of counts: what the mean m and the dispersion a are made of; the variance is m + a m^2.

    exposed: 1 if the second half of y holds numbers by which the means are multiplied, else 0.
    """
    total, D = 0.0, K // 2
    for n in range(y.shape[0]):
        w, loss_n = float(weight[n]), 0.0
        for d in range(D):
            t, s, count = float(raw[n, d]), float(raw[n, D + d]), float(y[n, d])
            unit = float(y[n, D + d]) if exposed > 0 else 1.0
            mean, a = unit * (SMALLEST_MEAN + softplus(t)), SMALLEST_DISPERSION + softplus(s)
            r, more = 1.0 / a, math.log1p(a * mean)
            loss_n += _log_gamma(r) - _log_gamma(count + r) + _log_gamma(count + 1.0)
            loss_n += (count + r) * more - count * math.log(a * mean)
            d_raw[n, d] = w * (mean - count) / (mean * (1.0 + a * mean)) * unit * _sigmoid(t)
            d_a = r * r * (_digamma(count + r) - _digamma(r) - more) + (count + r) * mean / (1.0 + a * mean) - count * r
            d_raw[n, D + d] = w * d_a * _sigmoid(s)
        total += w * loss_n
    return total
