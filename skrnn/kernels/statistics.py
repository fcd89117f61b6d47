"""Mean and spread of channels over weighted steps, and their standardisation; NaN counts for nothing.

All sums are float64, over the steps in their order.
"""

from .._jit import kernel


@kernel
def weighted_mean(values, weight, total, mean):
    """Fill ``mean`` of the columns of `values`, and ``total``, the weight of the values that are not NaN."""
    C = values.shape[1]
    for c in range(C):
        total[c] = mean[c] = 0
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                x = float(values[t, c])
                if x == x:
                    total[c] += weight[t]
                    mean[c] += weight[t] * x
    for c in range(C):
        mean[c] /= total[c] if total[c] > 0 else 1.0


@kernel
def weighted_variance(values, weight, total, mean, variance):
    """Fill ``variance``, from what `weighted_mean` has found."""
    C = values.shape[1]
    for c in range(C):
        variance[c] = 0
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                r = float(values[t, c]) - mean[c]
                if r == r:
                    variance[c] += weight[t] * r * r
    for c in range(C):
        variance[c] /= total[c] if total[c] > 0 else 1.0


@kernel
def standardize(values, mean, scale, out):
    """out = (values - mean) / scale, in float64 before it is rounded to the dtype of `out`."""
    for t in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[t, c] = (float(values[t, c]) - mean[c]) / scale[c]
