"""The time loop, forward and back, once for all cells.

Sequences of a shard lie side by side, longest first, in blocks of rows, one block per step; nothing is padded:

    block t   rows starts[t] .. starts[t + 1], one for each sequence that is longer than t - 1
    Z[t]      what step t reads: [h_(t-1), 1, x_t], so that one product with W gives h W_h + b + x W_x
    S[t]      c_(t-1) and the like, if the cell has more state than h
    A[t]      pre-activations of step t, then the gates, then (on the way back) the gradient of the pre-activations

A sequence of length L has L + 1 rows: row n of block t + 1 receives h_t and c_t of row n of block t, and the last row
of a sequence, which no step reads, holds its final state.

Between layers there are no dead rows: step t of sequence n is row ``starts[t + 1] - starts[1] + n`` ("live row") of Y.
A loop reads and writes Y through `rows`, which for a backward direction runs each sequence from its end.

A cell may have an inner stage, whose result u goes through a product of its own: A[.., u0:] += u W_u. In a GRU with the
reset before the product u is r * h; in a Jordan network u are the hidden units and W_u leads to the outputs.

Kernels are bound to a cell: its equations `cell_forward`, `cell_backward`, `cell_inner_forward`, `cell_inner_backward`
act on lanes of units; the numbers of what they take are constants when they are compiled:

    N_GATES, N_STATES, N_VECTORS   gates of a step, states besides h, weights per unit (peepholes and the like)
    N_INNER, N_SHARED              gates of the inner stage, and how many of them the outer stage reads as well
    SAVES_H                        whether h_t is all that the way back needs; then A holds nothing until then
    RAW                            whether the layer hands on the first state instead of h
    NOISY                          whether there is recurrent dropout or zoneout. Then R holds h, Z holds M * h, and
                                   states keep their old value in the share K (0 or 1 in training)

H is the number of units of the state, Q that of the inner stage, D that of the inputs, N that of the sequences.
"""
# ruff: noqa: F821 (the names in the last paragraph but one, and the stages, are bound)

from typing import NamedTuple

import numpy as np

from ._jit import VECTOR_BYTES, kernel
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import add_each, load, load_each, multiply_each, store, store_each, subtract_each, zeros_like


class Arrays(NamedTuple):
    """What one thread writes for a shard; rows are those of all blocks. What a cell has no use for is any array."""

    Z: np.ndarray  # (rows, H + 1 + D)          what each step reads; [0] holds h_0 at first
    S: np.ndarray  # (rows, N_STATES * H)       states besides h; [0] holds the initial ones at first
    R: np.ndarray  # (rows, H)                  h, if NOISY; else Z holds it
    A: np.ndarray  # (rows, n_columns)          pre-activations, gates, gradients; (N, n_columns) without `keep_gates`
    U: np.ndarray  # (rows, Q)                  what goes through the product with W_u; (N, Q) without `keep_gates`
    M: np.ndarray  # (N, H)                     mask of recurrent dropout, if NOISY
    K: np.ndarray  # (steps, (1 + N_STATES) H)  shares of zoneout in live rows, if NOISY; (1, ..) without `keep_gates`


class Slopes(NamedTuple):
    """Gradients that one thread writes for a shard."""

    dh: np.ndarray  # (N, H)             of each sequence's final h at first, of its initial h in the end
    ds: np.ndarray  # (N, N_STATES * H)  of its other states, likewise
    dz: np.ndarray  # (N, H)             of the masked state that a step reads, if NOISY
    du: np.ndarray  # (N, Q)             of u of a step
    e: np.ndarray  # (N, N_SHARED * H)   of the gates of a step that both stages read


class Weights(NamedTuple):
    """Packed weights, and transposes of them."""

    W: np.ndarray  # (H + 1 + D, n_columns)         [W_h; b; W_x]
    W_u: np.ndarray  # (Q, H)                       of the inner stage
    p: np.ndarray  # (1, N_VECTORS * H)             weights of single units
    W_hT: np.ndarray  # (fed[1] - fed[0], H)        columns of W_h that h feeds, transposed
    W_xT: np.ndarray  # (fed[3] - fed[2], D)        columns of W_x that x feeds, transposed
    W_uT: np.ndarray  # (H, Q)                      W_u transposed


class Gradient(NamedTuple):
    """Gradients of the packed weights, in their shapes."""

    dW: np.ndarray
    dW_u: np.ndarray
    dp: np.ndarray


class Size(NamedTuple):
    """The numbers of a layer."""

    H: int
    D: int
    Q: int
    first: int  # column of A where the gates of `cell_forward` begin
    u0: int  # column of A to which u W_u is added
    blocks: np.ndarray  # (n, 4)  rows and columns [r0, r1, c0, c1] of the parts of W that are not zero; they fill A
    fed: np.ndarray  # (4,)       first and last column of A that h feeds, and that x feeds


class Outputs(NamedTuple):
    """Where a layer puts out, or on the way back what the gradients of that are."""

    Y: np.ndarray  # (steps, at least column + H)
    rows: np.ndarray  # (steps,)  row of Y for each live row
    column: int  # of Y, where the output begins
    exists: bool  # else Y is any array


class Step(NamedTuple):
    """Where a step lies."""

    N: int  # its sequences
    now: int  # first row of its block, which it reads
    then: int  # first row of the next block, which it writes
    live: int  # its first live row
    gates: int  # its first row of A and U


@kernel
def clear(array, row, column):
    for j in range(column, array.shape[1]):
        array[row, j] = 0


# -------------------------------------------------------------------------------------- the stages of a step, forward
def inner_forward(a, size, step):
    """The inner stage of a step."""
    lanes = VECTOR_BYTES // a.Z.itemsize
    H, Q = size.H, size.Q
    for n in range(step.N):
        gates = step.gates + n
        for j in range(0, Q, lanes):
            inner = load_each(a.A, gates, j, Q - j, Q, N_INNER)
            inner, u = cell_inner_forward(inner, load(a.Z, step.now + n, j, H - j))
            store_each(a.A, gates, j, Q - j, Q, inner)
            store(a.U, gates, j, Q - j, u)


def outer_forward(a, p, size, step, out, noise):
    """The element-wise end of a step: from pre-activations to the state after it.

    noise: first row of K, or -1 where a single row serves all.
    """
    lanes = VECTOR_BYTES // a.Z.itemsize
    H, first, R = size.H, size.first, a.R if NOISY else a.Z
    for n in range(step.N):
        now, then, gates = step.now + n, step.then + n, step.gates + n
        for j in range(0, H, lanes):
            m = H - j
            s_before, h_before = load_each(a.S, now, j, m, H, N_STATES), load(R, now, j, m)
            outer = load_each(a.A, gates, first + j, m, H, N_GATES)
            outer, s, h = cell_forward(outer, s_before, h_before, load_each(p, 0, j, m, H, N_VECTORS))
            if not SAVES_H:
                store_each(a.A, gates, first + j, m, H, outer)
            if NOISY:
                k_row = noise + n if noise >= 0 else 0
                k_h, k_s = load(a.K, k_row, j, m), load_each(a.K, k_row, H + j, m, H, N_STATES)
                h = k_h * h_before + (h - k_h * h)
                s = add_each(multiply_each(k_s, s_before), subtract_each(s, multiply_each(k_s, s)))
                store(R, then, j, m, h)
                store(a.Z, then, j, m, h * load(a.M, n, j, m))
            else:
                store(a.Z, then, j, m, h)
            store_each(a.S, then, j, m, H, s)
            if out.exists:
                store(out.Y, out.rows[step.live + n], out.column + j, m, s[0] if RAW else h)


# ----------------------------------------------------------------------------------------- the stages of a step, back
def outer_backward(a, d, p, dp, size, step, out, keep_dh):
    """From the gradients of the state after a step to those of the outer gates and, directly, of the state before."""
    lanes = VECTOR_BYTES // a.A.itemsize
    H, first, R = size.H, size.first, a.R if NOISY else a.Z
    for n in range(step.N):
        now, then, live = step.now + n, step.then + n, step.live + n
        for j in range(0, H, lanes):
            m = H - j
            dh_n, ds_n = load(d.dh, n, j, m), load_each(d.ds, n, j, m, H, N_STATES)
            if NOISY:
                dh_n = dh_n + load(d.dz, n, j, m) * load(a.M, n, j, m)
                store(d.dz, n, j, m, zeros_like(dh_n))
            if out.exists:
                if RAW:
                    ds_n = add_each(load_each(out.Y, out.rows[live], out.column + j, m, H, 1), ds_n)
                else:
                    dh_n = dh_n + load(out.Y, out.rows[live], out.column + j, m)
            if keep_dh:
                store(out.Y, out.rows[live], out.column + j, m, dh_n)
            if SAVES_H:  # noqa: SIM108 (a conditional expression is typed as a whole, for one and for more gates)
                saved = load_each(R, then, j, m, H, 1)
            else:
                saved = load_each(a.A, now, first + j, m, H, N_GATES)
            s_before, h_before = load_each(a.S, now, j, m, H, N_STATES), load(R, now, j, m)
            vectors = load_each(p, 0, j, m, H, N_VECTORS)
            if NOISY:
                kept_h = load(a.K, live, j, m) * dh_n
                kept_s = multiply_each(load_each(a.K, live, H + j, m, H, N_STATES), ds_n)
                dh_n, ds_n = dh_n - kept_h, subtract_each(ds_n, kept_s)
            da, ds_n, dh_n, dp_n = cell_backward(saved, s_before, h_before, vectors, ds_n, dh_n)
            if N_SHARED > 0:
                store_each(d.e, n, j, m, H, da[:N_SHARED])
                store_each(a.A, now, first + N_SHARED * H + j, m, H, da[N_SHARED:])
            else:
                store_each(a.A, now, first + j, m, H, da)
            if NOISY:
                dh_n, ds_n = dh_n + kept_h, add_each(ds_n, kept_s)
            store_each(d.ds, n, j, m, H, ds_n)
            store(d.dh, n, j, m, dh_n)
            store_each(dp, 0, j, m, H, add_each(load_each(dp, 0, j, m, H, N_VECTORS), dp_n))


def inner_backward(a, d, size, step, fed_back):
    """From the gradients of u and of shared gates to those of the inner gates; adds to that of the state read."""
    lanes = VECTOR_BYTES // a.Z.itemsize
    H, Q = size.H, size.Q
    for n in range(step.N):
        now = step.now + n
        for j in range(0, Q, lanes):
            saved, shared = load_each(a.A, now, j, Q - j, Q, N_INNER), load_each(d.e, n, j, Q - j, Q, N_SHARED)
            da, dh_n = cell_inner_backward(saved, load(a.Z, now, j, H - j), shared, load(d.du, n, j, Q - j))
            store_each(a.A, now, j, Q - j, Q, da)
            if Q == H:  # else no unit of the inner stage reads one of the state
                store(fed_back, n, j, H - j, load(fed_back, n, j, H - j) + dh_n)


# ------------------------------------------------------------------------------------------------------ the time loop
def forward(arrays, weights, sizes, starts, outputs, keep_gates):
    """Run all steps.

    Parameters
    ----------
    arrays, weights, sizes, outputs : tuple
        Fields of `Arrays`, `Weights`, `Size` and `Outputs`. Python passes plain tuples, which Numba takes three times
        as fast as named ones.
    starts : (T + 2,) first row of each block, and the end of the last
    keep_gates : bool
        Whether the way back is to follow. Otherwise A, U need room for one step only.
    """
    a, w, size, out = Arrays(*arrays), Weights(*weights), Size(*sizes), Outputs(*outputs)
    H, Q = size.H, size.Q
    mode = flush_denormals()
    ldz, lda, ldw = a.Z.shape[1], a.A.shape[1], w.W.shape[1]
    for t in range(starts.shape[0] - 2):
        now, then = starts[t], starts[t + 1]
        N, live = starts[t + 2] - then, then - starts[1]
        gates = now if keep_gates and not SAVES_H else 0
        step = Step(N, now, then, live, gates)
        for k in range(size.blocks.shape[0]):
            r0, r1, c0, c1 = size.blocks[k, 0], size.blocks[k, 1], size.blocks[k, 2], size.blocks[k, 3]
            place = (a.A, gates * lda + c0)
            product(place, (a.Z, now * ldz + r0), (w.W, r0 * ldw + c0), N, c1 - c0, r1 - r0, False)
        if N_INNER > 0:
            inner_forward(a, size, step)
            u = (a.U, gates * a.U.shape[1])
            product((a.A, gates * lda + size.u0), u, (w.W_u, 0), N, H, Q, True)
        outer_forward(a, w.p, size, step, out, live if keep_gates else -1)
    restore_denormals(mode)


def backward(arrays, slopes, weights, gradient, sizes, starts, outputs, keep_dh, dX, has_dX):
    """Turn the gates in A into gradients of the pre-activations; give dW = sum_t Z[t]^T dA[t], dW_u, dp, and dX.

    Parameters
    ----------
    arrays, slopes, weights, gradient, sizes, outputs : tuple
        Fields of `Arrays`, `Slopes`, `Weights`, `Gradient`, `Size` and `Outputs`; the last with gradients of what the
        layer put out.
    starts : (T + 2,) first row of each block, and the end of the last
    keep_dh : bool
        Whether the gradients of h_t as a whole are to take the place of those of the outputs.
    dX : (rows, D) receives the gradients of x_t, in the rows of Z, if `has_dX`
    """
    a, d, w, g = Arrays(*arrays), Slopes(*slopes), Weights(*weights), Gradient(*gradient)
    size, out = Size(*sizes), Outputs(*outputs)
    H, D, Q, u0 = size.H, size.D, size.Q, size.u0
    mode = flush_denormals()
    lda, ldw = a.A.shape[1], g.dW.shape[1]
    h0, h1, x0, x1 = size.fed[0], size.fed[1], size.fed[2], size.fed[3]
    fed_back = d.dz if NOISY else d.dh
    for t in range(starts.shape[0] - 3, -1, -1):
        now, then = starts[t], starts[t + 1]
        N, live = starts[t + 2] - then, then - starts[1]
        step = Step(N, now, then, live, now)
        outer_backward(a, d, w.p, g.dp, size, step, out, keep_dh)
        if N_INNER > 0:
            product((d.du, 0), (a.A, now * lda + u0), (w.W_uT, 0), N, Q, H, False)
            inner_backward(a, d, size, step, fed_back)
        for n in range(now + N, then):  # final states, which no step reads
            clear(a.A, n, 0)
            clear(a.Z, n, H)  # left by another shard, whose numbers may have overflowed
            if N_INNER > 0:
                clear(a.U, n, 0)
        product((fed_back, 0), (a.A, now * lda + h0), (w.W_hT, 0), N, H, h1 - h0, True)
        if has_dX:
            product((dX, now * dX.shape[1]), (a.A, now * lda + x0), (w.W_xT, 0), N, D, x1 - x0, False)
    n_rows = starts[starts.shape[0] - 2]
    for k in range(size.blocks.shape[0]):
        r0, r1, c0, c1 = size.blocks[k, 0], size.blocks[k, 1], size.blocks[k, 2], size.blocks[k, 3]
        product_t((g.dW, r0 * ldw + c0), (a.Z, r0), (a.A, c0), r1 - r0, c1 - c0, n_rows, False)
    if N_INNER > 0:
        product_t((g.dW_u, 0), (a.U, 0), (a.A, u0), Q, H, n_rows, False)
    restore_denormals(mode)
