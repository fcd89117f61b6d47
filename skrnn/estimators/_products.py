"""A product of matrices whose rows do not depend, not even in their last bits, on how many there are."""

import numpy as np

ROWS_TOGETHER = 2**9  # that stay in the cache


def product(A, W):
    """A W, for A (n, K) and W (K, M), by sums in the order of K: those of BLAS are in an order that depends on n."""
    used = np.flatnonzero(W.any(axis=1))
    out = np.zeros((len(A), W.shape[1]))
    for begin in range(0, len(A), ROWS_TOGETHER):
        rows, sums = A[begin : begin + ROWS_TOGETHER], out[begin : begin + ROWS_TOGETHER]
        for k in used:
            sums += rows[:, k, np.newaxis] * W[k]
    return out
