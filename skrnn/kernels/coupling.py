"""Raw predictions of a row that depend on the targets before them (a neural autoregressive distribution estimator).

    raw    (n, >= K + J): the raw predictions, and behind them c, where J hidden units start
    y      (n, >= K): the targets; most are 0
    W, V   (K, J): ``raw[k] += sigmoid(c + sum_{i<k} y[i] W[i]) . V[k]``
    room   (3, J): for one row

H. Larochelle, I. Murray, "The neural autoregressive distribution estimator", AISTATS 2011.
"""

from ._jit import VECTOR_BYTES, kernel
from .activations import sigmoid
from .lanes import first_lanes, load, store, sum_lanes

# Rows of `room`: what the units sum up, their sigmoid, and the gradient of what they sum up.
SUM, UNITS, GRADIENT, N_ROWS = range(4)


@kernel
def _add(room, J, W, k, factor):
    """The sum += factor W[k], and the units anew."""
    lanes = VECTOR_BYTES // room.itemsize
    for j in range(0, J, lanes):
        m = J - j
        a = load(room, SUM, j, m) + load(W, k, j, m) * factor
        store(room, SUM, j, m, a)
        store(room, UNITS, j, m, sigmoid(a))


@kernel
def _start(raw, n, K, J, room):
    """The sum and the units before the first target."""
    lanes = VECTOR_BYTES // room.itemsize
    for j in range(0, J, lanes):
        m = J - j
        a = load(raw, n, K + j, m)
        store(room, SUM, j, m, a)
        store(room, UNITS, j, m, sigmoid(a))


@kernel
def couple(raw, y, n_rows, K, J, W, V, room):
    """Add what the targets before each raw prediction make of it."""
    lanes = VECTOR_BYTES // raw.itemsize
    for n in range(n_rows):
        _start(raw, n, K, J, room)
        for k in range(K):
            total = 0.0
            for j in range(0, J, lanes):
                m = J - j
                total += sum_lanes(first_lanes(load(room, UNITS, j, m) * load(V, k, j, m), m, 0.0))
            raw[n, k] += total
            if y[n, k] != 0:
                _add(room, J, W, k, y[n, k])


@kernel
def couple_backward(raw, y, n_rows, K, J, W, V, room, d_raw, dW, dV):
    """From the gradients of the raw predictions in the first K columns of d_raw to those of c, W and V."""
    lanes = VECTOR_BYTES // raw.itemsize
    for k in range(K):
        for j in range(J):
            dW[k, j] = dV[k, j] = 0
    for n in range(n_rows):
        _start(raw, n, K, J, room)
        for k in range(K):
            if y[n, k] != 0:
                _add(room, J, W, k, y[n, k])
        for j in range(J):
            room[GRADIENT, j] = 0
        for back in range(K):
            k = K - 1 - back
            if y[n, k] != 0:
                for j in range(0, J, lanes):
                    m = J - j
                    store(dW, k, j, m, load(dW, k, j, m) + load(room, GRADIENT, j, m) * y[n, k])
                _add(room, J, W, k, -y[n, k])
            for j in range(0, J, lanes):
                m = J - j
                s = load(room, UNITS, j, m)
                store(dV, k, j, m, load(dV, k, j, m) + s * d_raw[n, k])
                slope = load(V, k, j, m) * (s * (1 - s) * d_raw[n, k])
                store(room, GRADIENT, j, m, load(room, GRADIENT, j, m) + slope)
        for j in range(0, J, lanes):
            m = J - j
            store(d_raw, n, K + j, m, load(room, GRADIENT, j, m))
