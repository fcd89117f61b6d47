"""Mean and spread of channels over weighted steps, and their standardisation; NaN counts for nothing.

All sums are float64, over the steps in their order, and as if rounded once: so a weight is as good as copies. Steps may
come in several arrays, one after the other; `sums`, `total` and `lost` (what rounding took away) are 0 at first.
"""

from ._jit import kernel


@kernel
def add(sums, lost, c, x):
    """sums[c] += x, with what rounding takes away kept in lost[c] for the next time (Kahan 1965)."""
    y = x - lost[c]
    total = sums[c] + y
    lost[c] = (total - sums[c]) - y
    sums[c] = total


@kernel
def add_values(values, weight, total, lost, sums):
    """Add the columns of `values` to ``sums``, and the weight of those that are not NaN to ``total``."""
    C = values.shape[1]
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                x = float(values[t, c])
                if x == x:
                    total[c] += weight[t]
                    add(sums, lost, c, weight[t] * x)


@kernel
def add_squares(values, weight, mean, lost, sums):
    """Add the squares of the columns of `values`, less their `mean`, to ``sums``."""
    C = values.shape[1]
    for t in range(values.shape[0]):
        if weight[t] > 0:
            for c in range(C):
                r = float(values[t, c]) - mean[c]
                if r == r:
                    add(sums, lost, c, weight[t] * r * r)


@kernel
def standardize(values, mean, scale, out):
    """out = (values - mean) / scale, in float64 before it is rounded to the dtype of `out`."""
    for t in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[t, c] = (float(values[t, c]) - mean[c]) / scale[c]


@kernel
def difference(values, offsets, mean, scale, difference_scale, out):
    """Changes of standardised values since the step before, by their scale, into the columns behind theirs; first 0."""
    C = values.shape[1]
    for i in range(offsets.shape[0] - 1):
        for c in range(C):
            before = (float(values[offsets[i], c]) - mean[c]) / scale[c]
            out[offsets[i], C + c] = 0
            for t in range(offsets[i] + 1, offsets[i + 1]):
                z = (float(values[t, c]) - mean[c]) / scale[c]
                out[t, C + c] = (z - before) / difference_scale[c]
                before = z
