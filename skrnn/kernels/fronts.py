"""What turns the channels of steps into the numbers that the first layer reads, row by row; and the way back.

Rows of Y are live rows (see `recurrence`); rows[q] is the row of `values` of live row q.
"""

from ._jit import VECTOR_BYTES, stage
from .activations import exp
from .lanes import if_positive, load, store


@stage
def copy_channels(values, rows, n_rows, channels, Y, column):
    """Y[q, column + k] = values[rows[q], channels[k]]."""
    for q in range(n_rows):
        for k in range(channels.shape[0]):
            Y[q, column + k] = values[rows[q], channels[k]]


@stage
def spread_channels(dY, n_rows, channels, dX):
    """The way back of `copy_channels` to columns that were read where they are: dX[q, channels[k]] = dY[q, k]."""
    for q in range(n_rows):
        for k in range(channels.shape[0]):
            dX[q, channels[k]] = dY[q, k]


@stage
def translate(codes, k, n_rows, slots):
    """Replace each code c in codes[q, k] by slots[0, c], the row of a table of which only some rows are held."""
    for q in range(n_rows):
        codes[q, k] = slots[0, int(codes[q, k])]


@stage
def look_up(codes, k, n_rows, E, D, Y, column):
    """Y[q, column : column + D] = E[code of row q], the code being codes[q, k]."""
    lanes = VECTOR_BYTES // Y.itemsize
    for q in range(n_rows):
        code = int(codes[q, k])
        for j in range(0, D, lanes):
            store(Y, q, column + j, D - j, load(E, code, j, D - j))


@stage
def add_up(codes, k, n_rows, dY, column, D, dE):
    """The way back of `look_up`: dE[code] is the sum of the gradients of the rows with that code, in their order."""
    lanes = VECTOR_BYTES // dY.itemsize
    for code in range(dE.shape[0]):
        for j in range(dE.shape[1]):
            dE[code, j] = 0
    for q in range(n_rows):
        code = int(codes[q, k])
        for j in range(0, D, lanes):
            m = D - j
            store(dE, code, j, m, load(dE, code, j, m) + load(dY, q, column + j, m))


@stage
def decay_forward(values, rows, n_rows, C, p, X, Y):
    """Y = [x (m + (1 - m) g), m] with g = exp(-max(0, w d + b)); values are [x, m, d], p is [w; b].

    X keeps the rows of `values` for the way back.
    """
    lanes = VECTOR_BYTES // Y.itemsize
    for q in range(n_rows):
        for j in range(0, 3 * C, lanes):
            store(X, q, j, 3 * C - j, load(values, rows[q], j, 3 * C - j))
        for j in range(0, C, lanes):
            n = C - j
            x, m, d = load(X, q, j, n), load(X, q, C + j, n), load(X, q, 2 * C + j, n)
            a = load(p, 0, j, n) * d + load(p, 1, j, n)
            g = exp(-if_positive(a, a, a * 0))
            store(Y, q, j, n, x * (m + (1 - m) * g))
            store(Y, q, C + j, n, m)


@stage
def decay_backward(X, n_rows, C, p, dY, dp):
    """Gradients dp of [w; b], summed over the rows in their order."""
    lanes = VECTOR_BYTES // dY.itemsize
    for j in range(dp.shape[1]):
        dp[0, j] = dp[1, j] = 0
    for q in range(n_rows):
        for j in range(0, C, lanes):
            n = C - j
            x, m, d = load(X, q, j, n), load(X, q, C + j, n), load(X, q, 2 * C + j, n)
            a = load(p, 0, j, n) * d + load(p, 1, j, n)
            da = if_positive(a, -load(dY, q, j, n) * x * (1 - m) * exp(-if_positive(a, a, a * 0)), a * 0)
            store(dp, 0, j, n, load(dp, 0, j, n) + da * d)
            store(dp, 1, j, n, load(dp, 1, j, n) + da)
