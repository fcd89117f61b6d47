"""From the rows of all steps to one row per sequence, and back.

Y holds the rows of a shard without a gap, step after step, in each step one row per sequence, longest first: step t of
sequence n is row ``starts[t + 1] - starts[1] + n`` (see `batches.plan_steps`). H is the number of columns that count.
Sums run over t = 0, 1, ...; so a row of `pooled` does not depend on the other sequences of the shard, bit for bit.
The functions on the way back overwrite the H columns of all rows of dY.

The rows may be a segment of the sequences: it begins at step first_steps[n] of sequence n, and the first `n_on`
sequences go on behind it. The functions of the way there then continue what the segment before has left in `pooled`.
"""

from typing import NamedTuple

import numpy as np

from ._jit import VECTOR_BYTES, kernel, stage
from .activations import exp, tanh
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import define, if_positive, load, maximum, store, sum_lanes, zeros_like

N_SUMS = 4  # rows of the sums of attention: see `_attend`
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
@stage
def mask_steps(Y, M, starts, H):
    """Multiply the rows of sequence n by row n of M."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            for j in range(0, H, lanes):
                store(Y, first + n, j, H - j, load(Y, first + n, j, H - j) * load(M, n, j, H - j))


# ------------------------------------------------------------------------------------------------------ last step
@stage
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


@stage
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
@stage
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


@stage
def mean_so_far(Y, steps, H, total, pooled):
    """A step more of N sequences, of which steps[n] came before, with the numbers of `mean_forward`.

    total (N, H) is kept from step to step.
    """
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    for n in range(steps.shape[0]):
        step = int(steps[n])
        for j in range(0, H, lanes):
            y = load(Y, n, j, H - j)
            if step > 0:
                y = load(total, n, j, H - j) + y
            store(total, n, j, H - j, y)
            store(pooled, n, j, H - j, y / (step + 1))
    restore_denormals(mode)


@stage
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
@stage
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


@stage
def max_so_far(Y, steps, H, top, pooled):
    """A step more of N sequences, of which steps[n] came before; top (N, H) is kept from step to step."""
    lanes = VECTOR_BYTES // Y.itemsize
    for n in range(steps.shape[0]):
        for j in range(0, H, lanes):
            y = load(Y, n, j, H - j)
            if int(steps[n]) > 0:
                before = load(top, n, j, H - j)
                y = if_larger(y, before, y, before)
            store(top, n, j, H - j, y)
            store(pooled, n, j, H - j, y)


@stage
def max_backward(starts, first_steps, H, argmax, d_pooled, dY):
    lanes = VECTOR_BYTES // dY.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            for j in range(0, H, lanes):
                is_here = 0.5 - abs(load(argmax, n, j, H - j) - (int(first_steps[n]) + t))
                store(dY, first + n, j, H - j, if_positive(is_here, load(d_pooled, n, j, H - j), 0.0))


# ------------------------------------------------------------------------------------------------------ attention
class AttentionArrays(NamedTuple):
    """What one thread writes for a shard."""

    U: np.ndarray  # (rows, H)     tanh(y W + b), in the row of y if there is room, else of `BLOCK` rows at a time
    scores: np.ndarray  # (1, rows)
    sums: np.ndarray  # (4, N)     see `_attend`
    alpha: np.ndarray  # (rows, 1) weights of the steps


class AttentionWeights(NamedTuple):
    """Packed weights."""

    W: np.ndarray  # (H, H)
    W_T: np.ndarray  # (H, H)  W transposed
    b: np.ndarray  # (1, H)
    v: np.ndarray  # (1, H)


class AttentionGradient(NamedTuple):
    """Gradients of the packed weights, in their shapes."""

    dW: np.ndarray
    db: np.ndarray
    dv: np.ndarray


@stage
def attention_forward(arrays, weights, Y, starts, H, pooled):
    """pooled = sum_t alpha_t y_t, alpha = softmax over the steps of a sequence of e_t = tanh(y_t W + b) . v.

    arrays, weights: fields of `AttentionArrays` and `AttentionWeights`, as plain tuples.
    """
    a, w = AttentionArrays(*arrays), AttentionWeights(*weights)
    mode = flush_denormals()
    lanes = VECTOR_BYTES // Y.itemsize
    _scores(a, w, Y, starts[starts.shape[0] - 1] - starts[1], H)
    for n in range(starts[1]):
        _begin(a.sums, n, H, pooled)
    for t in range(starts.shape[0] - 2):
        _attend(a, Y, starts[t + 1] - starts[1], _running(starts, t), H, pooled)
    for n in range(starts[1]):
        for j in range(0, H, lanes):
            store(pooled, n, j, H - j, load(pooled, n, j, H - j) / a.sums[1, n])
    for t in range(starts.shape[0] - 2):
        first, N = starts[t + 1] - starts[1], _running(starts, t)
        for n in range(0, N, lanes):
            p = exp(load(a.scores, 0, first + n, N - n) - load(a.sums, 0, n, N - n))
            store(a.scores, 0, first + n, N - n, p / load(a.sums, 1, n, N - n))
        for n in range(N):
            a.alpha[first + n, 0] = a.scores[0, first + n]
    restore_denormals(mode)


@stage
def attention_so_far(arrays, weights, Y, steps, H, sums, total, pooled):
    """A step more of N sequences, of which steps[n] came before, with the numbers of `attention_forward`.

    sums (4, N) and total (N, H) are kept from step to step.
    """
    U, scores, _, alpha = arrays
    a, w = AttentionArrays(U, scores, sums, alpha), AttentionWeights(*weights)
    mode = flush_denormals()
    lanes, N = VECTOR_BYTES // Y.itemsize, steps.shape[0]
    _scores(a, w, Y, N, H)
    for n in range(N):
        if steps[n] == 0:
            _begin(sums, n, H, total)
    _attend(a, Y, 0, N, H, total)
    for n in range(N):
        for j in range(0, H, lanes):
            store(pooled, n, j, H - j, load(total, n, j, H - j) / sums[1, n])
    restore_denormals(mode)


@kernel
def _begin(sums, n, H, total):
    """Before the first step of sequence n: nothing is added up, and any score is larger."""
    sums[0, n], sums[1, n] = -np.inf, 0
    for j in range(H):
        total[n, j] = 0


@kernel
def _attend(a, Y, first, N, H, total):
    """Add a step of N sequences, whose rows begin at `first`, to the sums; a lane holds a sequence.

    With m the largest score so far: sums[0] = m, sums[1] = sum exp(e - m), total = sum exp(e - m) y. Where m rises,
    what was added up so far shrinks by the factor in sums[2]; sums[3] is exp(e - m).
    """
    lanes, sums = VECTOR_BYTES // Y.itemsize, a.sums
    for n in range(0, N, lanes):
        e, before = load(a.scores, 0, first + n, N - n), load(sums, 0, n, N - n)
        m = maximum(e, before)
        # A NaN among the scores may be gone from the largest one, but not from the sum.
        shrunk, p = exp(before - m), exp(e - m)
        store(sums, 1, n, N - n, load(sums, 1, n, N - n) * shrunk + p)
        store(sums, 0, n, N - n, m)
        store(sums, 2, n, N - n, shrunk)
        store(sums, 3, n, N - n, p)
    for n in range(N):
        for j in range(0, H, lanes):
            y = load(Y, first + n, j, H - j)
            store(total, n, j, H - j, load(total, n, j, H - j) * sums[2, n] + y * sums[3, n])


@kernel
def _scores(a, w, Y, n_rows, H):
    lanes = VECTOR_BYTES // Y.itemsize
    for row in range(0, n_rows, BLOCK):
        M, u_row = min(BLOCK, n_rows - row), row if a.U.shape[0] >= n_rows else 0
        product((a.U, u_row * a.U.shape[1]), (Y, row * Y.shape[1]), (w.W, 0), M, H, H, False)
        for n in range(M):
            e = 0.0
            for j in range(0, H, lanes):
                u = tanh(load(a.U, u_row + n, j, H - j) + load(w.b, 0, j, H - j))
                store(a.U, u_row + n, j, H - j, u)
                e += sum_lanes(u * load(w.v, 0, j, H - j))
            a.scores[0, row + n] = e


@stage
def attention_backward(arrays, weights, gradient, Y, starts, H, d_pooled, dY):
    """U is used up: it becomes the gradient of y W + b. gradient: fields of `AttentionGradient`, as a plain tuple."""
    a, w, g = AttentionArrays(*arrays), AttentionWeights(*weights), AttentionGradient(*gradient)
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    n_rows = starts[starts.shape[0] - 1] - starts[1]
    _score_slopes(a, Y, starts, H, d_pooled, dY)
    for j in range(0, H, lanes):
        v_j = load(w.v, 0, j, H - j)
        db_j, dv_j = zeros_like(v_j), zeros_like(v_j)
        for row in range(n_rows):
            de = a.scores[0, row]
            u = load(a.U, row, j, H - j)
            da = v_j * de * (1 - u * u)
            store(a.U, row, j, H - j, da)
            db_j = db_j + da
            dv_j = dv_j + u * de
        store(g.db, 0, j, H - j, db_j)
        store(g.dv, 0, j, H - j, dv_j)
    product((dY, 0), (a.U, 0), (w.W_T, 0), n_rows, H, H, True)
    product_t((g.dW, 0), (Y, 0), (a.U, 0), H, H, n_rows, False)
    restore_denormals(mode)


@kernel
def _score_slopes(a, Y, starts, H, d_pooled, dY):
    """Fill `scores` with the gradients of e, and dY with what does not pass through them."""
    lanes = VECTOR_BYTES // Y.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            weight, d_alpha = a.alpha[first + n, 0], 0.0
            for j in range(0, H, lanes):
                d = load(d_pooled, n, j, H - j)
                d_alpha += sum_lanes(d * load(Y, first + n, j, H - j))
                store(dY, first + n, j, H - j, d * weight)
            a.scores[0, first + n] = d_alpha
            share = weight * a.scores[0, first + n]
            a.sums[0, n] = a.sums[0, n] + share if t > 0 else share
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(_running(starts, t)):
            row = first + n
            a.scores[0, row] = a.alpha[row, 0] * (a.scores[0, row] - a.sums[0, n])
