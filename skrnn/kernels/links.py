"""From raw predictions to probabilities, to numbers of classes, and to numbers in the unit of the target."""

from math import isnan

from ._jit import VECTOR_BYTES, kernel
from .activations import exp
from .lanes import first_lanes, if_positive, load, max_lanes, store, sum_lanes


@kernel
def logistic(raw, out):
    """out = 1 / (1 + exp(-raw)), as accurate for small probabilities as for large ones."""
    lanes = VECTOR_BYTES // out.itemsize
    for n in range(raw.shape[0]):
        for k in range(0, raw.shape[1], lanes):
            x = load(raw, n, k, raw.shape[1] - k)
            e = exp(-abs(x))
            store(out, n, k, raw.shape[1] - k, if_positive(x, 1 / (1 + e), e / (1 + e)))


@kernel
def logistic_of_both(raw, out):
    """out[n] = logistic(-raw[n, 0]), logistic(raw[n, 0])."""
    for n in range(raw.shape[0]):
        out[n, 0], out[n, 1] = -raw[n, 0], raw[n, 0]
    logistic(out, out)


@kernel
def softmax(raw, out):
    """out[n, k] = exp(raw[n, k]) / sum_j exp(raw[n, j])."""
    lanes, K = VECTOR_BYTES // out.itemsize, raw.shape[1]
    for n in range(raw.shape[0]):
        largest = raw[n, 0]
        for k in range(0, K, lanes):
            largest = max(largest, max_lanes(first_lanes(load(raw, n, k, K - k), K - k, largest)))
        total = 0.0
        for k in range(0, K, lanes):
            e = exp(load(raw, n, k, K - k) - largest)
            store(out, n, k, K - k, e)
            total += sum_lanes(first_lanes(e, K - k, 0.0))
        for k in range(0, K, lanes):
            store(out, n, k, K - k, load(out, n, k, K - k) / total)


@kernel
def rescale(raw, scale, mean, out):
    """out = raw * scale + mean, in float64."""
    for n in range(raw.shape[0]):
        for k in range(raw.shape[1]):
            out[n, k] = float(raw[n, k]) * scale[k] + mean[k]


@kernel
def decide(raw, out):
    """out[n, 0] = number of the class that raw[n] speaks for, as ``argmax`` gives it; of two there is one column."""
    for n in range(raw.shape[0]):
        best = 0
        for k in range(1, raw.shape[1]):
            if raw[n, k] > raw[n, best] or (isnan(raw[n, k]) and not isnan(raw[n, best])):
                best = k
        out[n, 0] = best if raw.shape[1] > 1 else int(raw[n, 0] > 0)
