"""Loss and its slope for raw predictions, one kernel per loss, all called alike.

``loss(raw, K, y, weight, d_raw, parameter)`` returns the sum over the rows n of y of weight[n] * loss_n, in float64 and
in the order of the rows, and fills d_raw[n, :K] with the slope of that sum.

    raw, d_raw   C arrays with at least K columns, of which the first K count; the others are neither read nor written
    y            (N, K), of the dtype of `raw`; for `multinomial_log_loss` y[n, 0] holds the index of the class
    parameter    float: `delta` of huber, `quantile` of quantile, `label_smoothing` of multinomial_log_loss; the others
                 have none and leave it

Where a loss has a kink its slope there is 0. NaN in `raw` makes the result NaN.
"""

import numpy as np

from ._jit import VECTOR_BYTES, bind, kernel
from .activations import exp, log1p_unit, log_sum_exp
from .lanes import first_lanes, if_positive, load, maximum, minimum, store, sum_lanes

POISSON_LIMIT = 60.0  # where the Poisson loss becomes linear: its sums over outputs and samples stay finite in float32


# ------------------------------------------- loss and slope of one output: lanes of raw, lanes of y, the parameter
@kernel
def _log_loss(raw, y, parameter):
    e = exp(-abs(raw))
    loss = maximum(raw, 0.0) - y * raw + log1p_unit(e)
    # sigmoid(raw) - y would lose the digits of a sigmoid near 1.
    return loss, ((1 - y) * if_positive(raw, 1.0, e) - y * if_positive(raw, e, 1.0)) / (1 + e)


@kernel
def _squared_error(raw, y, parameter):
    r = raw - y
    return 0.5 * r * r, r


@kernel
def _absolute_error(raw, y, parameter):
    r = raw - y
    return abs(r), if_positive(r, 1.0, if_positive(-r, -1.0, r))


@kernel
def _huber(raw, y, delta):
    r = raw - y
    c = minimum(maximum(r, -delta), delta)
    return c * (r - 0.5 * c), c


@kernel
def _poisson(raw, y, parameter):
    c = minimum(raw, POISSON_LIMIT)
    mean = exp(c)
    return mean + mean * (raw - c) - y * raw, mean - y


@kernel
def _quantile(raw, y, quantile):
    r = raw - y
    slope = if_positive(r, 1 - quantile, if_positive(-r, -quantile, r))
    return r * slope, slope


# ------------------------------------------------------------------------------------------------------- kernels
# ruff: noqa: F821 (`element`, one of the functions above, is bound below)
def _sum_over_outputs(raw, K, y, weight, d_raw, parameter):
    lanes = VECTOR_BYTES // raw.itemsize
    total = 0.0
    for n in range(y.shape[0]):
        loss_n = 0.0
        for k in range(0, K, lanes):
            m = K - k
            loss, slope = element(load(raw, n, k, m), load(y, n, k, m), parameter)
            store(d_raw, n, k, m, slope * weight[n])
            loss_n += sum_lanes(first_lanes(loss, m, 0.0))
        total += loss_n * weight[n]
    return total


log_loss = bind(_sum_over_outputs, "log_loss", element=_log_loss)
squared_error = bind(_sum_over_outputs, "squared_error", element=_squared_error)
absolute_error = bind(_sum_over_outputs, "absolute_error", element=_absolute_error)
huber = bind(_sum_over_outputs, "huber", element=_huber)
poisson = bind(_sum_over_outputs, "poisson", element=_poisson)
quantile = bind(_sum_over_outputs, "quantile", element=_quantile)


@kernel
def multinomial_log_loss(raw, K, y, weight, d_raw, parameter):
    """-log softmax(raw[n])[y[n]], summed with weights; with a share `parameter` of the mean of it over all classes."""
    lanes = VECTOR_BYTES // raw.itemsize
    total = 0.0
    for n in range(y.shape[0]):
        top, rest = log_sum_exp(raw, n, K)
        for k in range(0, K, lanes):
            m = K - k
            store(d_raw, n, k, m, exp((load(raw, n, k, m) - top) - rest) * weight[n])
        k = int(y[n, 0])
        d_raw[n, k] -= weight[n]
        loss_n = rest - (np.float64(raw[n, k]) - top)
        if parameter > 0:
            mean = 0.0
            for j in range(K):
                mean += (rest - (np.float64(raw[n, j]) - top)) / K
                d_raw[n, j] -= weight[n] * parameter / K
            d_raw[n, k] += weight[n] * parameter
            loss_n += parameter * (mean - loss_n)
        total += loss_n * weight[n]
    return total
