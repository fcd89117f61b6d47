"""From the rows of all steps to one row per sequence, and back.

Y holds the rows of a shard without a gap, step after step, in each step one row per sequence, longest first: step t of
sequence n is row ``starts[t + 1] - starts[1] + n`` (see `batches.plan_steps`). H is the number of columns that count.
Sums run over t = 0, 1, ...; so a row of `pooled` does not depend on the other sequences of the shard, bit for bit.
The functions on the way back overwrite the H columns of all rows of dY.

The rows may be a segment of the sequences: it begins at step first_steps[n] of sequence n, and the first `n_on`
sequences go on behind it. The functions of the way there then continue what the segment before has left in `pooled`.
"""

import numpy as np

from ._jit import VECTOR_BYTES, kernel
from .activations import exp, tanh
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import define, if_positive, load, maximum, store, sum_lanes, zeros_like

BLOCK = 64  # rows between two passes of attention: few enough to stay in the cache, enough for products


def if_larger(a, b, c, d):
    """`c` where a > b or `a` is NaN, else `d`."""
    return np.where((a > b) | np.isnan(a), c, d).astype(a.dtype)


def _emit_if_larger(builder, a, b, c, d):
    chosen = builder.or_(builder.fcmp_ordered(">", a, b), builder.fcmp_unordered("uno", a, a))
    return builder.select(chosen, c, d)


define(if_larger, 4, _emit_if_larger)


@kernel
def _running(starts, t):
    """Number of sequences that have a step t."""
    return starts[t + 2] - starts[t + 1] if t + 2 < starts.shape[0] else 0


# ------------------------------------------------------------------------------------------------------ all steps
@kernel
def mask_steps(Y, M, starts, H):
    """Multiply the rows of sequence n by row n of M."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            for j in range(0, H, lanes):
                store(Y, first + n, j, H - j, load(Y, first + n, j, H - j) * load(M, n, j, H - j))


# ------------------------------------------------------------------------------------------------------ last step
@kernel
def last_forward(Y, starts, n_on, H, H_backward, pooled):
    """The last step of each sequence, but the last `H_backward` of the H columns from its first step."""
    lanes = VECTOR_BYTES // Y.itemsize
    H_forward = H - H_backward
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(max(n_on, _running(starts, t + 1)), _running(starts, t)):
            for j in range(0, H_forward, lanes):
                store(pooled, n, j, H_forward - j, load(Y, first + n, j, H_forward - j))
    for n in range(starts[1]):
        for j in range(H_forward, H, lanes):
            store(pooled, n, j, H - j, load(Y, n, j, H - j))


@kernel
def last_backward(starts, n_on, H, H_backward, d_pooled, dY):
    lanes = VECTOR_BYTES // dY.itemsize
    H_forward = H - H_backward
    for t in range(starts.shape[0] - 2):
        first, longer = starts[t + 1] - starts[1], max(n_on, _running(starts, t + 1))
        for n in range(_running(starts, t)):
            for j in range(0, H_forward, lanes):
                d = load(d_pooled, n, j, H_forward - j)
                store(dY, first + n, j, H_forward - j, zeros_like(d) if n < longer else d)
            for j in range(H_forward, H, lanes):
                d = load(d_pooled, n, j, H - j)
                store(dY, first + n, j, H - j, zeros_like(d) if t > 0 else d)


# ----------------------------------------------------------------------------------------------------------- mean
@kernel
def mean_forward(Y, starts, first_steps, n_on, H, pooled):
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    for t in range(starts.shape[0] - 2):
        first, longer = starts[t + 1] - starts[1], max(n_on, _running(starts, t + 1))
        for n in range(_running(starts, t)):
            step = int(first_steps[n]) + t
            for j in range(0, H, lanes):
                total = load(Y, first + n, j, H - j)
                if step > 0:
                    total = load(pooled, n, j, H - j) + total
                if n >= longer:
                    total = total / (step + 1)
                store(pooled, n, j, H - j, total)
    restore_denormals(mode)


@kernel
def mean_backward(starts, n_steps, H, d_pooled, dY):
    """n_steps: of each sequence as a whole."""
    lanes = VECTOR_BYTES // dY.itemsize
    mode = flush_denormals()
    for t in range(starts.shape[0] - 3, -1, -1):
        first, then, longer = starts[t + 1] - starts[1], starts[t + 2] - starts[1], _running(starts, t + 1)
        for n in range(_running(starts, t)):
            for j in range(0, H, lanes):
                if n < longer:
                    store(dY, first + n, j, H - j, load(dY, then + n, j, H - j))
                else:
                    store(dY, first + n, j, H - j, load(d_pooled, n, j, H - j) / int(n_steps[n]))
    restore_denormals(mode)


# -------------------------------------------------------------------------------------------------------- maximum
@kernel
def max_forward(Y, starts, first_steps, H, pooled, argmax):
    """Also the step of each maximum, the first of equal ones; exact in float32 up to 2^24 steps. NaN is the largest."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            step = int(first_steps[n]) + t
            for j in range(0, H, lanes):
                y = load(Y, first + n, j, H - j)
                if step == 0:
                    store(pooled, n, j, H - j, y)
                    store(argmax, n, j, H - j, zeros_like(y))
                else:
                    top = load(pooled, n, j, H - j)
                    store(pooled, n, j, H - j, if_larger(y, top, y, top))
                    store(argmax, n, j, H - j, if_larger(y, top, step, load(argmax, n, j, H - j)))


@kernel
def max_backward(starts, first_steps, H, argmax, d_pooled, dY):
    lanes = VECTOR_BYTES // dY.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            for j in range(0, H, lanes):
                is_here = 0.5 - abs(load(argmax, n, j, H - j) - (int(first_steps[n]) + t))
                store(dY, first + n, j, H - j, if_positive(is_here, load(d_pooled, n, j, H - j), 0.0))


# ------------------------------------------------------------------------------------------------------ attention
@kernel
def attention_forward(Y, starts, H, W, b, v, U, scores, sums, alpha, pooled):
    """pooled = sum_t alpha_t y_t, alpha = softmax over the steps of a sequence of e_t = tanh(y_t W + b) . v.

    U: receives tanh(y W + b), in the row of y if there is room for all rows, else of `BLOCK` rows at a time.
    scores (1, rows), sums (2, N): scratch. alpha (rows, 1).
    """
    mode = flush_denormals()
    _scores(Y, starts[starts.shape[0] - 1] - starts[1], H, W, b, v, U, scores)
    _exponentials(starts, scores, sums)
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            weight = scores[0, first + n] / sums[1, n]
            alpha[first + n, 0] = weight
            for j in range(0, H, lanes):
                total = load(Y, first + n, j, H - j) * weight
                if t > 0:
                    total = load(pooled, n, j, H - j) + total
                store(pooled, n, j, H - j, total)
    restore_denormals(mode)


@kernel
def _scores(Y, n_rows, H, W, b, v, U, scores):
    lanes = VECTOR_BYTES // Y.itemsize
    ldy, ldw, ldu = Y.shape[1], W.shape[1], U.shape[1]
    for row in range(0, n_rows, BLOCK):
        M, u_row = min(BLOCK, n_rows - row), row if U.shape[0] >= n_rows else 0
        product(U, u_row * ldu, ldu, Y, row * ldy, ldy, W, 0, ldw, M, H, H, False)
        for n in range(M):
            e = 0.0
            for j in range(0, H, lanes):
                u = tanh(load(U, u_row + n, j, H - j) + load(b, 0, j, H - j))
                store(U, u_row + n, j, H - j, u)
                e += sum_lanes(u * load(v, 0, j, H - j))
            scores[0, row + n] = e


@kernel
def _exponentials(starts, scores, sums):
    """Turn scores e into exp(e - largest e of the sequence), sums[1] into their sum; a lane holds a sequence."""
    lanes = VECTOR_BYTES // scores.itemsize
    for t in range(starts.shape[0] - 2):
        first, N = starts[t + 1] - starts[1], _running(starts, t)
        for n in range(0, N, lanes):
            e = load(scores, 0, first + n, N - n)
            store(sums, 0, n, N - n, maximum(e, load(sums, 0, n, N - n)) if t > 0 else e)
    for t in range(starts.shape[0] - 2):
        first, N = starts[t + 1] - starts[1], _running(starts, t)
        for n in range(0, N, lanes):
            # A NaN among the scores may be gone from the largest one, but not from the sum.
            p = exp(load(scores, 0, first + n, N - n) - load(sums, 0, n, N - n))
            store(scores, 0, first + n, N - n, p)
            store(sums, 1, n, N - n, load(sums, 1, n, N - n) + p if t > 0 else p)


@kernel
def attention_backward(Y, starts, H, W_T, v, U, scores, sums, alpha, d_pooled, dY, dW, db, dv):
    """U is used up: it becomes the gradient of y W + b."""
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    ldy, ldw, ldu, ldd = Y.shape[1], W_T.shape[1], U.shape[1], dY.shape[1]
    n_rows = starts[starts.shape[0] - 1] - starts[1]
    _score_slopes(Y, starts, H, alpha, d_pooled, scores, sums, dY)
    for j in range(0, H, lanes):
        v_j = load(v, 0, j, H - j)
        db_j, dv_j = zeros_like(v_j), zeros_like(v_j)
        for row in range(n_rows):
            de = scores[0, row]
            u = load(U, row, j, H - j)
            da = v_j * de * (1 - u * u)
            store(U, row, j, H - j, da)
            db_j = db_j + da
            dv_j = dv_j + u * de
        store(db, 0, j, H - j, db_j)
        store(dv, 0, j, H - j, dv_j)
    product(dY, 0, ldd, U, 0, ldu, W_T, 0, ldw, n_rows, H, H, True)
    product_t(dW, 0, dW.shape[1], Y, 0, ldy, U, 0, ldu, H, H, n_rows, False)
    restore_denormals(mode)


@kernel
def _score_slopes(Y, starts, H, alpha, d_pooled, scores, sums, dY):
    """Fill `scores` with the gradients of e, and dY with the part that does not pass through them."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            weight, d_alpha = alpha[first + n, 0], 0.0
            for j in range(0, H, lanes):
                d = load(d_pooled, n, j, H - j)
                d_alpha += sum_lanes(d * load(Y, first + n, j, H - j))
                store(dY, first + n, j, H - j, d * weight)
            scores[0, first + n] = d_alpha
            part = weight * scores[0, first + n]
            sums[0, n] = sums[0, n] + part if t > 0 else part
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            scores[0, first + n] = alpha[first + n, 0] * (scores[0, first + n] - sums[0, n])
