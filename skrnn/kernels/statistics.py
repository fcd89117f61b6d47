"""Mean and spread of channels over weighted steps, and their standardisation; NaN counts for nothing.

All sums are float64, over the steps in their order, and as if rounded once: so a weight is as good as copies.
"""

from .._jit import kernel


@kernel
def add(sums, lost, c, x):
    """sums[c] += x, with what rounding takes away kept in lost[c] for the next time (Kahan 1965)."""
    y = x - lost[c]
    total = sums[c] + y
    lost[c] = (total - sums[c]) - y
    sums[c] = total


@kernel
def weighted_mean(values, weight, total, lost, mean):
    """Fill ``mean`` of the columns of `values`, and ``total``, the weight of the values that are not NaN."""
    C = values.shape[1]
    for c in range(C):
        total[c] = lost[c] = mean[c] = 0
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                x = float(values[t, c])
                if x == x:
                    total[c] += weight[t]
                    add(mean, lost, c, weight[t] * x)
    for c in range(C):
        mean[c] /= total[c] if total[c] > 0 else 1.0


@kernel
def weighted_variance(values, weight, total, lost, mean, variance):
    """Fill ``variance``, from what `weighted_mean` has found."""
    C = values.shape[1]
    for c in range(C):
        variance[c] = lost[c] = 0
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                r = float(values[t, c]) - mean[c]
                if r == r:
                    add(variance, lost, c, weight[t] * r * r)
    for c in range(C):
        variance[c] /= total[c] if total[c] > 0 else 1.0


@kernel
def standardize(values, mean, scale, out):
    """out = (values - mean) / scale, in float64 before it is rounded to the dtype of `out`."""
    for t in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[t, c] = (float(values[t, c]) - mean[c]) / scale[c]
