"""The time loop, forward and back, once for all cells.

Sequences of a shard lie side by side, longest first, in blocks of rows, one block per step; nothing is padded:

    block t   rows starts[t] .. starts[t + 1], one for each sequence that is longer than t - 1
    Z[t]      what step t reads: [h_(t-1), 1, x_t], so that one product with W gives h W_h + b + x W_x
    S[t]      c_(t-1) and the like, if the cell has more state than h
    A[t]      pre-activations of step t, then the gates, then (on the way back) the gradient of the pre-activations

A sequence of length L has L + 1 rows: row n of block t + 1 receives h_t and c_t of row n of block t, and the last row
of a sequence, which no step reads, holds its final state.

`forward` and `backward` are bound to a cell: its equations `cell_forward`, `cell_backward` act on lanes of units; its
numbers of gates, `N_GATES`, and of states besides h, `N_STATES`, are constants when they are compiled.
"""
# ruff: noqa: F821 (the names in the last paragraph are bound)

from .._jit import VECTOR_BYTES
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import load, load_each, store, store_each


def forward(Z, S, A, W, blocks, starts, H, keep_gates):
    """Run all steps; Z[0], S[0] hold the initial state. Without `keep_gates` A needs room for one step only.

    blocks: rows and columns [r0, r1, c0, c1] of the parts of W that are not zero, which together fill A.
    """
    lanes = VECTOR_BYTES // Z.itemsize
    mode = flush_denormals()
    ldz, lda, ldw = Z.shape[1], A.shape[1], W.shape[1]
    for t in range(starts.shape[0] - 2):
        now, then = starts[t], starts[t + 1]
        N = starts[t + 2] - then
        gates = now if keep_gates else 0
        for k in range(blocks.shape[0]):
            r0, r1, c0, c1 = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
            product(A, gates * lda + c0, lda, Z, now * ldz + r0, ldz, W, r0 * ldw + c0, ldw, N, c1 - c0, r1 - r0, False)
        for n in range(N):
            for j in range(0, H, lanes):
                m = H - j
                a = load_each(A, gates + n, j, m, H, N_GATES)
                s = load_each(S, now + n, j, m, H, N_STATES)
                a, s, h = cell_forward(a, s, load(Z, now + n, j, m))
                store_each(A, gates + n, j, m, H, a)
                store_each(S, then + n, j, m, H, s)
                store(Z, then + n, j, m, h)
    restore_denormals(mode)


def backward(Z, S, A, W_hT, W_xT, blocks, fed, starts, H, D, dh, ds, dH, has_dH, dX, dW):
    """Turn the gates in A into gradients of the pre-activations; give dW = sum_t Z[t]^T dA[t], and dX if D > 0.

    dh, ds: gradients of each sequence's final state; used up. dH: gradients of every h_t, in the row that holds h_t,
    if `has_dH`. dX: gradients of every x_t, in the row where the layer below keeps that x_t, which is its h_t.
    fed: first and last column of A that h feeds, and that x feeds; W_hT, W_xT: those columns of W_h, W_x transposed.
    """
    lanes = VECTOR_BYTES // Z.itemsize
    mode = flush_denormals()
    ldz, lda, ldw = Z.shape[1], A.shape[1], dW.shape[1]
    h0, h1, x0, x1 = fed[0], fed[1], fed[2], fed[3]
    for t in range(starts.shape[0] - 3, -1, -1):
        now, then = starts[t], starts[t + 1]
        N = starts[t + 2] - then
        for n in range(N):
            for j in range(0, H, lanes):
                m = H - j
                dh_n = load(dh, n, j, m)
                if has_dH:
                    dh_n = dh_n + load(dH, then + n, j, m)
                gates = load_each(A, now + n, j, m, H, N_GATES)
                s_before, s_after = load_each(S, now + n, j, m, H, N_STATES), load_each(S, then + n, j, m, H, N_STATES)
                h_before, h_after = load(Z, now + n, j, m), load(Z, then + n, j, m)
                ds_n = load_each(ds, n, j, m, H, N_STATES)
                da, ds_n, dh_n = cell_backward(gates, s_before, s_after, h_before, h_after, ds_n, dh_n)
                store_each(A, now + n, j, m, H, da)
                store_each(ds, n, j, m, H, ds_n)
                store(dh, n, j, m, dh_n)
        for n in range(now + N, then):  # final states, which no step reads
            for j in range(lda):
                A[n, j] = 0
            for j in range(H, ldz):  # left by another shard, whose numbers may have overflowed
                Z[n, j] = 0
        ldh, ldt = dh.shape[1], W_hT.shape[1]
        product(dh, 0, ldh, A, now * lda + h0, lda, W_hT, 0, ldt, N, H, h1 - h0, True)
        if D > 0:
            ldx, ldt = dX.shape[1], W_xT.shape[1]
            product(dX, then * ldx, ldx, A, now * lda + x0, lda, W_xT, 0, ldt, N, D, x1 - x0, False)
    rows = starts[starts.shape[0] - 2]
    for k in range(blocks.shape[0]):
        r0, r1, c0, c1 = blocks[k, 0], blocks[k, 1], blocks[k, 2], blocks[k, 3]
        product_t(dW, r0 * ldw + c0, ldw, Z, r0, ldz, A, c0, lda, r1 - r0, c1 - c0, rows, False)
    restore_denormals(mode)
