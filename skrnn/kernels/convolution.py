"""Convolution over time as one product: the steps around each position, side by side, times the weights.

C channels come in, K go out. The rows of outputs lie as in `pooling`: step t of sequence n in row
``starts[t + 1] - starts[1] + n``, with `starts` for the lengths after the convolution.
"""
# ruff: noqa: F821 (`activation` and `slope` are bound below)

from ._jit import VECTOR_BYTES, bind_stage, kernel, stage
from .activations import relu, tanh
from .denormals import flush_denormals, restore_denormals
from .gemm import product, product_t
from .lanes import load, store, where_positive


@stage
def gather_windows(values, C, begins, lengths, width, stride, starts, X):
    """X[t, n] = [x_(t * stride - left), ... (width steps), 1], with 0 for steps outside of the sequence.

    values (1, all steps * C): the channels of all steps, end to end. begins, lengths: first step of each sequence in
    it, and their number.
    """
    lanes = VECTOR_BYTES // X.itemsize
    left = (width - 1) // 2
    for t in range(starts.shape[0] - 2):
        step = t * stride - left
        for n in range(starts[t + 2] - starts[t + 1]):
            row = starts[t + 1] - starts[1] + n
            j0, j1 = max(-step, 0) * C, min(lengths[n] - step, width) * C
            source = (begins[n] + step) * C
            for j in range(j0):
                X[row, j] = 0
            for j in range(j0, j1, lanes):
                store(X, row, j, j1 - j, load(values, 0, source + j, j1 - j))
            for j in range(j1, width * C):
                X[row, j] = 0
            X[row, width * C] = 1


@kernel
def _identity(a):
    return a


@kernel
def _identity_slope(y, dy):
    return dy


@kernel
def _tanh_slope(y, dy):
    return dy * (1 - y * y)


@kernel
def _relu_slope(y, dy):
    return where_positive(y, dy)


def _forward(X, n_rows, n_columns, W, K, Y):
    """Y = activation(X W); X has `n_columns` columns, the last of which meets the biases."""
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    product((Y, 0), (X, 0), (W, 0), n_rows, K, n_columns, False)
    for n in range(n_rows):
        for j in range(0, K, lanes):
            store(Y, n, j, K - j, activation(load(Y, n, j, K - j)))
    restore_denormals(mode)


def _backward(X, n_rows, n_columns, K, Y, dY, dW):
    """Turn dY into the gradient of X W; give dW."""
    lanes = VECTOR_BYTES // Y.itemsize
    mode = flush_denormals()
    for n in range(n_rows):
        for j in range(0, K, lanes):
            store(dY, n, j, K - j, slope(load(Y, n, j, K - j), load(dY, n, j, K - j)))
    product_t((dW, 0), (X, 0), (dY, 0), n_columns, K, n_rows, False)
    restore_denormals(mode)


_FUNCTIONS = {"identity": (_identity, _identity_slope), "relu": (relu, _relu_slope), "tanh": (tanh, _tanh_slope)}
FORWARD = {name: bind_stage(_forward, name, activation=function) for name, (function, _) in _FUNCTIONS.items()}
BACKWARD = {name: bind_stage(_backward, name, slope=function) for name, (_, function) in _FUNCTIONS.items()}
