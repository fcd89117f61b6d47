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

H is the number of units of the state, Q that of the inner stage.
"""
# ruff: noqa: F821 (the names in the last paragraph but one, and the stages, are bound)

from ._jit import VECTOR_BYTES, kernel
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import add_each, load, load_each, multiply_each, store, store_each, subtract_each, zeros_like


@kernel
def clear(array, row, column):
    for j in range(column, array.shape[1]):
        array[row, j] = 0


# -------------------------------------------------------------------------------------- the stages of a step, forward
def inner_forward(Z, A, U, now, gates, N, H, Q):
    """The inner stage of a step of N sequences."""
    lanes = VECTOR_BYTES // Z.itemsize
    for n in range(N):
        for j in range(0, Q, lanes):
            a = load_each(A, gates + n, j, Q - j, Q, N_INNER)
            a, u = cell_inner_forward(a, load(Z, now + n, j, H - j))
            store_each(A, gates + n, j, Q - j, Q, a)
            store(U, gates + n, j, Q - j, u)


def outer_forward(Z, S, R, A, p, now, then, gates, first, N, H, Y, rows, live, y0, has_Y, M, K, noise):
    """The element-wise end of a step: from pre-activations to the state after it.

    noise: first row of K, or -1 where a single row serves all.
    """
    lanes = VECTOR_BYTES // Z.itemsize
    for n in range(N):
        for j in range(0, H, lanes):
            m = H - j
            a = load_each(A, gates + n, first + j, m, H, N_GATES)
            s_before, h_before = load_each(S, now + n, j, m, H, N_STATES), load(R, now + n, j, m)
            a, s, h = cell_forward(a, s_before, h_before, load_each(p, 0, j, m, H, N_VECTORS))
            if not SAVES_H:
                store_each(A, gates + n, first + j, m, H, a)
            if NOISY:
                k_row = noise + n if noise >= 0 else 0
                k_h, k_s = load(K, k_row, j, m), load_each(K, k_row, H + j, m, H, N_STATES)
                h = k_h * h_before + (h - k_h * h)
                s = add_each(multiply_each(k_s, s_before), subtract_each(s, multiply_each(k_s, s)))
                store(R, then + n, j, m, h)
                store(Z, then + n, j, m, h * load(M, n, j, m))
            else:
                store(Z, then + n, j, m, h)
            store_each(S, then + n, j, m, H, s)
            if has_Y:
                store(Y, rows[live + n], y0 + j, m, s[0] if RAW else h)


# ----------------------------------------------------------------------------------------- the stages of a step, back
def outer_backward(S, R, A, p, now, then, first, N, H, dh, ds, dz, e, dY, rows, live, y0, has_dY, keep_dh, M, K, dp):
    """From the gradients of the state after a step to those of the outer gates and, directly, of the state before."""
    lanes = VECTOR_BYTES // A.itemsize
    for n in range(N):
        for j in range(0, H, lanes):
            m = H - j
            dh_n, ds_n = load(dh, n, j, m), load_each(ds, n, j, m, H, N_STATES)
            if NOISY:
                dh_n = dh_n + load(dz, n, j, m) * load(M, n, j, m)
                store(dz, n, j, m, zeros_like(dh_n))
            if has_dY:
                if RAW:
                    ds_n = add_each(load_each(dY, rows[live + n], y0 + j, m, H, 1), ds_n)
                else:
                    dh_n = dh_n + load(dY, rows[live + n], y0 + j, m)
            if keep_dh:
                store(dY, rows[live + n], y0 + j, m, dh_n)
            if SAVES_H:  # noqa: SIM108 (a conditional expression is typed as a whole, for one and for more gates)
                saved = load_each(R, then + n, j, m, H, 1)
            else:
                saved = load_each(A, now + n, first + j, m, H, N_GATES)
            s_before, h_before = load_each(S, now + n, j, m, H, N_STATES), load(R, now + n, j, m)
            vectors = load_each(p, 0, j, m, H, N_VECTORS)
            if NOISY:
                kept_h = load(K, live + n, j, m) * dh_n
                kept_s = multiply_each(load_each(K, live + n, H + j, m, H, N_STATES), ds_n)
                dh_n, ds_n = dh_n - kept_h, subtract_each(ds_n, kept_s)
            da, ds_n, dh_n, dp_n = cell_backward(saved, s_before, h_before, vectors, ds_n, dh_n)
            if N_SHARED > 0:
                store_each(e, n, j, m, H, da[:N_SHARED])
                store_each(A, now + n, first + N_SHARED * H + j, m, H, da[N_SHARED:])
            else:
                store_each(A, now + n, first + j, m, H, da)
            if NOISY:
                dh_n, ds_n = dh_n + kept_h, add_each(ds_n, kept_s)
            store_each(ds, n, j, m, H, ds_n)
            store(dh, n, j, m, dh_n)
            store_each(dp, 0, j, m, H, add_each(load_each(dp, 0, j, m, H, N_VECTORS), dp_n))


def inner_backward(Z, A, now, N, H, Q, du, e, fed_back):
    """From the gradients of u and of shared gates to those of the inner gates; adds to that of the state read."""
    lanes = VECTOR_BYTES // Z.itemsize
    for n in range(N):
        for j in range(0, Q, lanes):
            saved, shared = load_each(A, now + n, j, Q - j, Q, N_INNER), load_each(e, n, j, Q - j, Q, N_SHARED)
            da, dh_n = cell_inner_backward(saved, load(Z, now + n, j, H - j), shared, load(du, n, j, Q - j))
            store_each(A, now + n, j, Q - j, Q, da)
            if Q == H:  # else no unit of the inner stage reads one of the state
                store(fed_back, n, j, H - j, load(fed_back, n, j, H - j) + dh_n)


# ------------------------------------------------------------------------------------------------------ the time loop
def forward(Z, S, R, A, U, W, W_u, p, blocks, starts, H, Q, first, u0, Y, rows, y0, has_Y, M, K, keep_gates):
    """Run all steps; Z[0], R[0], S[0] hold the initial state. Without `keep_gates` A, U need room for one step only.

    blocks: rows and columns [r0, r1, c0, c1] of the parts of W that are not zero, which together fill A.
    first: column of A where the gates of `cell_forward` begin. y0: column of Y where the output begins, if `has_Y`.
    """
    mode = flush_denormals()
    ldz, lda, ldw, ldu = Z.shape[1], A.shape[1], W.shape[1], U.shape[1]
    for t in range(starts.shape[0] - 2):
        now, then = starts[t], starts[t + 1]
        N, live = starts[t + 2] - then, then - starts[1]
        gates = now if keep_gates and not SAVES_H else 0
        for k in range(blocks.shape[0]):
            r0, r1, c0, c1 = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
            product(A, gates * lda + c0, lda, Z, now * ldz + r0, ldz, W, r0 * ldw + c0, ldw, N, c1 - c0, r1 - r0, False)
        if N_INNER > 0:
            inner_forward(Z, A, U, now, gates, N, H, Q)
            product(A, gates * lda + u0, lda, U, gates * ldu, ldu, W_u, 0, W_u.shape[1], N, H, Q, True)
        noise = live if keep_gates else -1
        outer_forward(Z, S, R, A, p, now, then, gates, first, N, H, Y, rows, live, y0, has_Y, M, K, noise)
    restore_denormals(mode)


def backward(
    Z, S, R, A, U, W_hT, W_xT, W_uT, p, blocks, fed, starts, H, D, Q, first, u0,
    dh, ds, dz, du, e, dY, rows, y0, has_dY, keep_dh, M, K, dX, dW, dW_u, dp,
):  # fmt: skip
    """Turn the gates in A into gradients of the pre-activations; give dW = sum_t Z[t]^T dA[t], dW_u, dp, and dX.

    dh, ds: gradients of each sequence's final state; used up. dz, du, e: room for gradients of one step: of masked
    states, of u, and of gates that both stages read. dY: gradients of what the layer put out, if `has_dY`; those of
    h_t as a whole take their place if `keep_dh`. dX: gradients of x_t, in the rows of Z, if D > 0.
    fed: first and last column of A that h feeds, and that x feeds; W_hT, W_xT: those columns of W_h, W_x transposed.
    """
    mode = flush_denormals()
    ldz, lda, ldw, ldu, ldx = Z.shape[1], A.shape[1], dW.shape[1], U.shape[1], dX.shape[1]
    h0, h1, x0, x1 = fed[0], fed[1], fed[2], fed[3]
    fed_back = dz if NOISY else dh
    for t in range(starts.shape[0] - 3, -1, -1):
        now, then = starts[t], starts[t + 1]
        N, live = starts[t + 2] - then, then - starts[1]
        outer_backward(
            S, R, A, p, now, then, first, N, H, dh, ds, dz, e, dY, rows, live, y0, has_dY, keep_dh, M, K, dp
        )  # fmt: skip
        if N_INNER > 0:
            product(du, 0, du.shape[1], A, now * lda + u0, lda, W_uT, 0, W_uT.shape[1], N, Q, H, False)
            inner_backward(Z, A, now, N, H, Q, du, e, fed_back)
        for n in range(now + N, then):  # final states, which no step reads
            clear(A, n, 0)
            clear(Z, n, H)  # left by another shard, whose numbers may have overflowed
            if N_INNER > 0:
                clear(U, n, 0)
        product(fed_back, 0, dh.shape[1], A, now * lda + h0, lda, W_hT, 0, W_hT.shape[1], N, H, h1 - h0, True)
        if D > 0:
            product(dX, now * ldx, ldx, A, now * lda + x0, lda, W_xT, 0, W_xT.shape[1], N, D, x1 - x0, False)
    n_rows = starts[starts.shape[0] - 2]
    for k in range(blocks.shape[0]):
        r0, r1, c0, c1 = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
        product_t(dW, r0 * ldw + c0, ldw, Z, r0, ldz, A, c0, lda, r1 - r0, c1 - c0, n_rows, False)
    if N_INNER > 0:
        product_t(dW_u, 0, dW_u.shape[1], U, 0, ldu, A, u0, lda, Q, H, n_rows, False)
    restore_denormals(mode)
