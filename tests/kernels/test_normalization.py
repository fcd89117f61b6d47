"""Layer normalisation against plain NumPy and central differences."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.kernels.normalization import BLOCK, EPSILON
from skrnn.kernels.program import Program
from skrnn.network.arena import Arena
from skrnn.network.layers.normalization import Normalization

TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])


class Rows:
    """Rows to normalise, in an array with NaN wherever nothing is promised, and a layer with weights."""

    def __init__(self, n_rows, H, dtype, *, seed=0, training=True):
        rng = np.random.default_rng(seed)
        self.n_rows, self.H, self.dtype = n_rows, H, dtype
        self.layer = Normalization(H)
        self.weights = {name: rng.normal(size=shape).astype(dtype) for name, shape in self.layer.shapes.items()}
        self.packed = self.allocate(self.layer.packed_shapes())
        for weight, view in self.layer.packing(self.weights, self.packed):
            view[...] = weight
        self.buffers = self.allocate(self.layer.buffer_shapes(n_rows + 1, 1, training))
        self.x = (2 + 3 * rng.normal(size=(n_rows, H))).astype(dtype)

    def allocate(self, shapes):
        arena = Arena({"nothing": (1, 1)} | shapes, self.dtype)
        arena.memory[...] = np.nan
        return arena.group("")

    def rows(self, values):
        array = self.allocate({"rows": (self.n_rows + 2, self.H)})["rows"]
        array[: self.n_rows, : self.H] = values
        return array

    def used(self, array):
        """The rows and columns that count; nothing else may have been written."""
        assert np.isnan(array[self.n_rows :]).all()
        assert np.isnan(array[:, self.H :]).all()
        return array[: self.n_rows, : self.H]

    def forward(self):
        Y = self.rows(self.x)
        Program(self.layer.forward(self.packed, self.buffers, Y, self.n_rows)).run()
        return self.used(Y)

    def backward(self, dy):
        dY, gradient = self.rows(dy), self.allocate(self.layer.gradient_shapes())
        Program(self.layer.backward(self.packed, self.buffers, dY, self.n_rows, gradient)).run()
        named = {name: np.full(self.H, np.nan, self.dtype) for name in self.layer.shapes}
        for view, target in self.layer.unpacking(gradient, named):
            target[...] = view
        return self.used(dY), named


def expected(x):
    """x_hat and 1 / sigma."""
    inverse_sigma = 1 / np.sqrt(x.var(axis=1, keepdims=True) + EPSILON)
    return (x - x.mean(axis=1, keepdims=True)) * inverse_sigma, inverse_sigma


def assert_right(n_rows, H, dtype):
    rows, tolerance = Rows(n_rows, H, dtype), TOLERANCE[dtype]
    gain, shift = (rows.weights[name].astype(float) for name in ("gain", "shift"))
    x_hat, inverse_sigma = expected(rows.x.astype(float))
    assert_allclose(rows.forward(), x_hat * gain + shift, rtol=tolerance, atol=tolerance)
    assert_allclose(rows.buffers["x_hat"][:n_rows, :H], x_hat, rtol=tolerance, atol=tolerance)
    assert_allclose(rows.buffers["inverse_sigma"][0, :n_rows], inverse_sigma[:, 0], rtol=tolerance)
    dy = np.random.default_rng(1).normal(size=(n_rows, H)).astype(dtype)
    dx, named = rows.backward(dy)
    d = dy.astype(float) * gain
    along = (d * x_hat).mean(axis=1, keepdims=True)
    right = (d - d.mean(axis=1, keepdims=True) - x_hat * along) * inverse_sigma
    # With few units sigma may be small, and differences of near numbers lose digits.
    assert_allclose(dx, right, rtol=tolerance, atol=tolerance * inverse_sigma.max() * np.abs(d).max())
    assert_allclose(named["gain"], (dy * x_hat).sum(axis=0), rtol=tolerance, atol=10 * tolerance * np.sqrt(n_rows))
    assert_allclose(named["shift"], dy.astype(float).sum(axis=0), rtol=tolerance, atol=10 * tolerance * np.sqrt(n_rows))


@pytest.mark.small
@each_dtype
@pytest.mark.parametrize("n_rows", [1, BLOCK + 3])
@pytest.mark.parametrize("H", [1, 3, 17])
def test_few_rows(n_rows, H, dtype):
    assert_right(n_rows, H, dtype)


@each_dtype
def test_values_and_slopes_for_all_widths(dtype):
    for H in range(1, 41):
        assert_right(7, H, dtype)
    for n_rows in (BLOCK, BLOCK + 1, 5 * BLOCK - 1):
        assert_right(n_rows, 33, dtype)


def test_slopes_are_central_differences():
    n_rows, H, step = 6, 5, 1e-5
    rng = np.random.default_rng(2)
    dy, along_x = rng.normal(size=(2, n_rows, H))
    rows = Rows(n_rows, H, np.float64)
    rows.forward()
    dx, named = rows.backward(dy)
    along_w = {name: rng.normal(size=H) for name in named}
    values = []
    for sign in (-1, 1):
        moved = Rows(n_rows, H, np.float64)
        moved.x += sign * step * along_x
        weights = {name: w + sign * step * along_w[name] for name, w in moved.weights.items()}
        for weight, view in moved.layer.packing(weights, moved.packed):
            view[...] = weight
        values.append((moved.forward() * dy).sum())
    slope = (dx * along_x).sum() + sum((named[name] * along_w[name]).sum() for name in named)
    assert_allclose((values[1] - values[0]) / (2 * step), slope, rtol=1e-8)


@each_dtype
def test_no_bit_depends_on_the_other_rows(dtype):
    """Nor on whether they are kept for the way back."""
    n_rows, H = 2 * BLOCK + 5, 37
    rows, dy = Rows(n_rows, H, dtype), np.random.default_rng(3).normal(size=(n_rows, H)).astype(dtype)
    y = rows.forward()
    dx, _ = rows.backward(dy)
    for n in range(0, n_rows, 7):
        alone = Rows(1, H, dtype)
        alone.x = rows.x[n : n + 1]
        alone.packed = rows.packed
        assert_array_equal(alone.forward()[0], y[n])
        assert_array_equal(alone.backward(dy[n : n + 1])[0][0], dx[n])
    assert_array_equal(Rows(n_rows, H, dtype, training=False).forward(), y)


@pytest.mark.small
@each_dtype
def test_extreme_rows(dtype):
    """Equal numbers give the shift; squares of large float32 numbers do not overflow; NaN stays in its row."""
    H = 19
    rows = Rows(4, H, dtype)
    rows.x[0], rows.x[1] = 5, 0
    rows.x[2] *= dtype(1e25)
    rows.x[3, 2] = np.nan
    y = rows.forward()
    assert_allclose(y[:2], [rows.weights["shift"]] * 2, rtol=TOLERANCE[dtype])
    x_hat, _ = expected(rows.x[2:3].astype(float))
    right = x_hat[0] * rows.weights["gain"] + rows.weights["shift"]
    assert_allclose(y[2], right, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    assert np.isnan(y[3]).all()


def test_no_rows():
    rows = Rows(0, 3, np.float32)
    assert rows.forward().shape == (0, 3)
    _, named = rows.backward(np.empty((0, 3)))
    assert_array_equal(named["gain"], np.zeros(3))
