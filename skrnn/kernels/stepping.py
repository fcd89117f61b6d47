"""What steppers and streams do at each step besides the kernels of their network."""

import numpy as np

from ._jit import kernel


@kernel
def standardize_step(values, mean, scale, out):
    """Do as `statistics.standardize`; returns how many numbers of `out` are not finite."""
    n_wrong = 0
    for n in range(values.shape[0]):
        for c in range(values.shape[1]):
            out[n, c] = (values[n, c] - mean[c]) / scale[c]
            if not np.isfinite(out[n, c]):
                n_wrong += 1
    return n_wrong


@kernel
def count_step(steps):
    """Count a step more of each sequence."""
    for n in range(steps.shape[0]):
        steps[n] += 1


@kernel
def count_wrong(out, n_columns):
    """How many numbers in the first columns are not finite."""
    n_wrong = 0
    for n in range(out.shape[0]):
        for k in range(n_columns):
            if not np.isfinite(out[n, k]):
                n_wrong += 1
    return n_wrong
