"""Layer normalisation of rows, in place: each row by its own mean and variance, then a gain and a shift per column.

    y = x_hat * gain + shift,  x_hat = (x - mean) / sqrt(variance + EPSILON)

H is the number of columns that count. `affine` (2, H) holds the gain in row 0, the shift in row 1.
"""

import math

from ._jit import VECTOR_BYTES, stage
from .denormals import flush_denormals, restore_denormals
from .lanes import first_lanes, load, store, sum_lanes, sum_of_squares, zeros_like

EPSILON = 1e-5
BLOCK = 32  # rows whose sums over columns are taken while they are in the inner cache


@stage
def normalize(Y, n_rows, H, affine, x_hat, inverse_sigma, keep):
    """Turn x in Y into y; x_hat and 1 / sqrt(variance + EPSILON) (1, n_rows) are filled if `keep`."""
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    for n in range(n_rows):
        total, squares = 0.0, 0.0
        for j in range(0, H, lanes):
            total += sum_lanes(load(Y, n, j, H - j))
        mean = float(total) / H
        for j in range(0, H, lanes):
            squares += sum_of_squares(first_lanes(load(Y, n, j, H - j) - mean, H - j, 0.0))
        scale = 1 / math.sqrt(squares / H + EPSILON)
        for j in range(0, H, lanes):
            x = (load(Y, n, j, H - j) - mean) * scale
            if keep:
                store(x_hat, n, j, H - j, x)
            store(Y, n, j, H - j, x * load(affine, 0, j, H - j) + load(affine, 1, j, H - j))
        if keep:
            inverse_sigma[0, n] = scale
    restore_denormals(mode)


@stage
def normalize_backward(dY, n_rows, H, affine, x_hat, inverse_sigma, d_affine):
    """Turn the gradient of y in dY into that of x."""
    mode = flush_denormals()
    for row in range(0, max(n_rows, 1), BLOCK):
        last = min(row + BLOCK, n_rows)
        _column_sums(dY, row, last, H, x_hat, d_affine)
        _input_gradient(dY, row, last, H, affine, x_hat, inverse_sigma)
    restore_denormals(mode)


@stage
def _column_sums(dY, row, last, H, x_hat, d_affine):
    lanes = VECTOR_BYTES // dY.itemsize
    for j in range(0, H, lanes):
        a, b = load(d_affine, 0, j, H - j), load(d_affine, 1, j, H - j)
        if row == 0:
            a, b = zeros_like(a), zeros_like(b)
        for n in range(row, last):
            dy = load(dY, n, j, H - j)
            a = a + dy * load(x_hat, n, j, H - j)
            b = b + dy
        store(d_affine, 0, j, H - j, a)
        store(d_affine, 1, j, H - j, b)


@stage
def _input_gradient(dY, row, last, H, affine, x_hat, inverse_sigma):
    """dx = (d - mean(d) - x_hat * mean(d * x_hat)) / sigma, with d = dy * gain."""
    lanes = VECTOR_BYTES // dY.itemsize
    for n in range(row, last):
        total, along = 0.0, 0.0
        for j in range(0, H, lanes):
            d = load(dY, n, j, H - j) * load(affine, 0, j, H - j)
            total += sum_lanes(d)
            along += sum_lanes(d * load(x_hat, n, j, H - j))
        mean, slope, scale = float(total) / H, float(along) / H, inverse_sigma[0, n]
        for j in range(0, H, lanes):
            d = load(dY, n, j, H - j) * load(affine, 0, j, H - j)
            store(dY, n, j, H - j, (d - mean - load(x_hat, n, j, H - j) * slope) * scale)
