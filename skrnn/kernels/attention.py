"""Attention of a decoder: each of its steps reads a weighted mean of the steps of the encoder.

Step u of a decoder scores all steps t of its own sequence, e_t = q_u . k_t * scale (dot product) or e_t = v . tanh(q_u
+ k_t) (additive), takes their softmax as weights alpha_t, and reads c_u = sum_t alpha_t E_t.

Rows are live rows: step t of sequence n of the encoder is row ``starts[t + 1] - starts[1] + n`` of E and K, and step u
of sequence m of the decoder likewise by the starts of the decoder. Sequences of a decoder are sorted by their own
lengths; sources[m] is the number of sequence m in the encoder. Sums run over t = 0, 1, ..., so a row does not depend on
the other sequences of the shard, bit for bit; on the way back they run over m and u as well.
"""
# ruff: noqa: F821 (`ADDITIVE` is bound)

import math
from typing import NamedTuple

import numpy as np

from ._jit import VECTOR_BYTES, bind_stage, kernel, stage
from .activations import exp, tanh
from .denormals import flush_denormals, restore_denormals
from .lanes import first_lanes, load, store, sum_lanes, zeros_like


class Source(NamedTuple):
    """What is attended to."""

    E: np.ndarray  # (rows, H)  outputs of the encoder
    K: np.ndarray  # (rows, A)  keys
    starts: np.ndarray


class Query(NamedTuple):
    """What attends."""

    Q: np.ndarray  # (rows, A)
    starts: np.ndarray
    sources: np.ndarray  # (N,)


class Size(NamedTuple):
    """Numbers."""

    H: int
    A: int
    scale: float


@kernel
def _n_steps(starts, n):
    """Steps of sequence n."""
    t = 0
    while t + 2 < starts.shape[0] and starts[t + 2] - starts[t + 1] > n:
        t += 1
    return t


@kernel
def _softmax(scores, T):
    """The first T scores become weights."""
    lanes = VECTOR_BYTES // scores.itemsize
    top, total = -math.inf, 0.0
    for t in range(T):
        top = max(top, scores[0, t])
    for t in range(0, T, lanes):
        p = exp(load(scores, 0, t, T - t) - top)
        store(scores, 0, t, T - t, p)
        total += sum_lanes(first_lanes(p, T - t, 0.0))
    for t in range(T):
        scores[0, t] = scores[0, t] / total


def _forward(source, query, v, sizes, alpha, scores, C, column):
    """Fill columns of C with what each row of Q reads, and alpha[u, row of step t] with the weights.

    source, query, sizes : fields of `Source`, `Query` and `Size`; v : (1, A), of additive scores; scores : (1, most
    steps), for use here.
    """
    s, query, size = Source(*source), Query(*query), Size(*sizes)
    lanes = VECTOR_BYTES // C.itemsize
    H, A = size.H, size.A
    mode = flush_denormals()
    for m in range(query.sources.shape[0]):
        n = int(query.sources[m])
        T = _n_steps(s.starts, n)
        for u in range(_n_steps(query.starts, m)):
            row = query.starts[u + 1] - query.starts[1] + m
            for t in range(T):
                key, e = s.starts[t + 1] - s.starts[1] + n, 0.0
                for j in range(0, A, lanes):
                    q, k = load(query.Q, row, j, A - j), load(s.K, key, j, A - j)
                    if ADDITIVE:
                        e += sum_lanes(load(v, 0, j, A - j) * tanh(q + k))
                    else:
                        e += sum_lanes(q * k)
                scores[0, t] = e * size.scale
            _softmax(scores, T)
            for t in range(T):
                alpha[u, s.starts[t + 1] - s.starts[1] + n] = scores[0, t]
            for j in range(0, H, lanes):
                total = zeros_like(load(C, row, column + j, H - j))
                for t in range(T):
                    total = total + load(s.E, s.starts[t + 1] - s.starts[1] + n, j, H - j) * scores[0, t]
                store(C, row, column + j, H - j, total)
    restore_denormals(mode)


def _backward(source, query, v, sizes, alpha, scores, slopes, dQ, dv, dC, column):
    """Add to the gradients of E and K, the `slopes`, and to dv; fill dQ, from the gradients of C."""
    s, query, size = Source(*source), Query(*query), Size(*sizes)
    dE, dK = slopes
    lanes = VECTOR_BYTES // dC.itemsize
    H, A = size.H, size.A
    mode = flush_denormals()
    for m in range(query.sources.shape[0]):
        n = int(query.sources[m])
        T = _n_steps(s.starts, n)
        for u in range(_n_steps(query.starts, m)):
            row = query.starts[u + 1] - query.starts[1] + m
            mean = 0.0
            for t in range(T):
                key = s.starts[t + 1] - s.starts[1] + n
                weight, slope = alpha[u, key], 0.0
                for j in range(0, H, lanes):
                    dc = load(dC, row, column + j, H - j)
                    slope += sum_lanes(dc * load(s.E, key, j, H - j))
                    store(dE, key, j, H - j, load(dE, key, j, H - j) + dc * weight)
                scores[0, t] = slope
                mean += weight * slope
            for t in range(T):
                scores[0, t] = alpha[u, s.starts[t + 1] - s.starts[1] + n] * (scores[0, t] - mean) * size.scale
            for j in range(0, A, lanes):
                q = load(query.Q, row, j, A - j)
                dq, dv_j, v_j = zeros_like(q), load(dv, 0, j, A - j), load(v, 0, j, A - j)
                for t in range(T):
                    key = s.starts[t + 1] - s.starts[1] + n
                    k, de = load(s.K, key, j, A - j), scores[0, t]
                    if ADDITIVE:
                        u_t = tanh(q + k)
                        dv_j = dv_j + u_t * de
                        dk = v_j * de * (1 - u_t * u_t)
                        dq = dq + dk
                    else:
                        dk = q * de
                        dq = dq + k * de
                    store(dK, key, j, A - j, load(dK, key, j, A - j) + dk)
                store(dQ, row, j, A - j, dq)
                if ADDITIVE:
                    store(dv, 0, j, A - j, dv_j)
    restore_denormals(mode)


forward = {name: bind_stage(_forward, name, ADDITIVE=name == "additive") for name in ("additive", "dot")}
backward = {name: bind_stage(_backward, name, ADDITIVE=name == "additive") for name in ("additive", "dot")}


@stage
def tanh_rows(array, n_rows, width):
    """Hyperbolic tangent, in place."""
    lanes = VECTOR_BYTES // array.itemsize
    for n in range(n_rows):
        for j in range(0, width, lanes):
            store(array, n, j, width - j, tanh(load(array, n, j, width - j)))


@stage
def tanh_rows_back(Y, dY, n_rows, width):
    """The way back of `tanh_rows`, in place in dY."""
    lanes = VECTOR_BYTES // Y.itemsize
    for n in range(n_rows):
        for j in range(0, width, lanes):
            y = load(Y, n, j, width - j)
            store(dY, n, j, width - j, load(dY, n, j, width - j) * (1 - y * y))
