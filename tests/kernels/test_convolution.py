"""Convolution over time against plain NumPy and SciPy, at the edges of ragged sequences above all."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.signal import correlate
from sklearn.base import clone

from skrnn.convolution import Conv
from skrnn.kernels.batches import N_COUNTS, plan_steps
from skrnn.kernels.program import Program
from skrnn.network.arena import Arena
from skrnn.network.layers.convolution import Convolution

LENGTHS = [9, 8, 8, 5, 3, 2, 1, 1]
ACTIVATIONS = {"relu": lambda a: np.maximum(a, 0), "tanh": np.tanh, "identity": lambda a: a}
SLOPES = {"relu": lambda y: y > 0, "tanh": lambda y: 1 - y * y, "identity": np.ones_like}
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
each_activation = pytest.mark.parametrize("activation", ACTIVATIONS)


class Shard:
    """Sequences somewhere in an array of values, and a convolution with weights; NaN wherever nothing is promised."""

    def __init__(self, conv, lengths, C, dtype, seed=0):
        rng = np.random.default_rng(seed)
        self.conv, self.dtype, self.layer = conv, dtype, Convolution(conv, C)
        self.lengths = np.array(lengths)
        self.new_lengths = conv.n_steps(self.lengths)
        self.starts = np.empty(self.new_lengths[0] + 2, np.int64)
        plan_steps(self.new_lengths, self.starts, np.zeros(N_COUNTS, np.int64))
        self.n_rows = self.new_lengths.sum()
        # One step that belongs to no sequence after each of them, and the first one last in memory.
        self.begins = (self.lengths + 1)[::-1].cumsum()[::-1] - self.lengths
        self.values = np.full((self.begins[0] + lengths[0] + 1, C), np.nan, dtype)
        self.sequences = [rng.normal(size=(T, C)).astype(dtype) for T in lengths]
        for begin, x in zip(self.begins, self.sequences, strict=True):
            self.values[begin : begin + len(x)] = x
        scale = 1 / np.sqrt(conv.width * C)
        self.weights = {n: (scale * rng.normal(size=shape)).astype(dtype) for n, shape in self.layer.shapes.items()}
        self.packed = self.allocate(self.layer.packed_shapes())
        for weight, view in self.layer.packing(self.weights, self.packed):
            view[...] = weight
        self.buffers = self.allocate(self.layer.buffer_shapes(self.n_rows + 1, len(lengths), True))

    def allocate(self, shapes):
        arena = Arena(shapes, self.dtype)
        arena.memory[...] = np.nan
        return arena.group("")

    def by_sequence(self, array):
        """Rows of each sequence; nothing else may have been written."""
        K = self.conv.n_channels
        assert np.isnan(array[self.n_rows :]).all()
        assert np.isnan(array[:, K:]).all()
        return [array[self.rows(n), :K] for n in range(len(self.lengths))]

    def rows(self, n):
        return self.starts[1 : self.new_lengths[n] + 1] - self.starts[1] + n

    @property
    def plan(self):
        numbers, where = self.values.reshape(1, -1), {"begins": self.begins, "lengths": self.lengths}
        return SimpleNamespace(starts=self.starts, numbers=numbers, n_live=self.n_rows, **where)

    def forward(self):
        Program(self.layer.forward(self.packed, self.buffers, self.values, None, self.plan)).run()
        return self.by_sequence(self.buffers["Y"])

    def backward(self, dy):
        """Gradients of the pre-activations of each sequence, and of the weights."""
        dY, gradient = self.buffers["dY"], self.allocate(self.layer.gradient_shapes())
        for n, d in enumerate(dy):
            dY[self.rows(n), : self.conv.n_channels] = d
        Program(self.layer.backward(self.packed, self.buffers, self.plan, gradient, None)).run()
        named = {name: np.full(shape, np.nan, self.dtype) for name, shape in self.layer.shapes.items()}
        for view, target in self.layer.unpacking(gradient, named):
            target[...] = view
        return self.by_sequence(dY), named


def windows(x, conv):
    """The steps that each output reads, side by side."""
    left = (conv.width - 1) // 2
    padded = np.pad(x, ((left, conv.width), (0, 0)))
    return np.array([padded[t : t + conv.width].ravel() for t in range(0, len(x), conv.stride)])


def assert_right(conv, lengths, C, dtype):
    shard, tolerance = Shard(conv, lengths, C, dtype), TOLERANCE[dtype]
    W, b = (shard.weights[name].astype(float) for name in ("W", "b"))
    Y = shard.forward()
    dy = [np.random.default_rng(n).normal(size=y.shape).astype(dtype) for n, y in enumerate(Y)]
    dY, named = shard.backward(dy)
    dW, db = 0.0, 0.0
    for x, y, d, da in zip(shard.sequences, Y, dy, dY, strict=True):
        X = windows(x.astype(float), conv)
        right = ACTIVATIONS[conv.activation](X @ W + b)
        assert_allclose(y, right, rtol=tolerance, atol=tolerance)
        slope = d * SLOPES[conv.activation](right)
        assert_allclose(da, slope, rtol=tolerance, atol=10 * tolerance)
        dW, db = dW + X.T @ slope, db + slope.sum(axis=0)
    atol = 10 * tolerance * np.sqrt(shard.n_rows)
    assert_allclose(named["W"], dW, rtol=tolerance, atol=atol)
    assert_allclose(named["b"], db, rtol=tolerance, atol=atol)


@pytest.mark.small
@each_dtype
@each_activation
@pytest.mark.parametrize(("width", "stride"), [(1, 1), (4, 1), (5, 2), (3, 4)])
def test_small_shards(width, stride, activation, dtype):
    assert_right(Conv(3, width, stride, activation), LENGTHS, 2, dtype)


@each_dtype
@pytest.mark.parametrize("stride", [1, 2, 3, 7, 20])
def test_every_width(stride, dtype):
    """Also windows that are wider than every sequence, and steps that are longer."""
    for width in range(1, 25):
        for C in (1, 2, 5):
            assert_right(Conv(4, width, stride, "tanh"), LENGTHS, C, dtype)


@each_dtype
@each_activation
def test_every_number_of_channels(activation, dtype):
    for K in range(1, 41):
        assert_right(Conv(K, 3, 1, activation), [4, 1], 3, dtype)
    for C in range(1, 41):
        assert_right(Conv(2, 3, 2, activation), [6, 3], C, dtype)


@pytest.mark.parametrize("width", [1, 2, 3, 6, 7])
def test_odd_widths_are_the_same_convolution_as_that_of_scipy(width):
    """Of even widths the right side has one step more."""
    shard = Shard(Conv(2, width, 1, "identity"), LENGTHS, 3, np.float64)
    kernel = shard.weights["W"].reshape(width, 3, 2)
    for x, y in zip(shard.sequences, shard.forward(), strict=True):
        for k in range(2):
            full = sum(correlate(x[:, c], kernel[:, c, k], "full") for c in range(3)) + shard.weights["b"][k]
            first = width - 1 - (width - 1) // 2
            assert_allclose(y[:, k], full[first : first + len(x)], rtol=1e-12, atol=1e-12)


def test_slopes_are_central_differences():
    conv, step = Conv(3, 4, 2, "tanh"), 1e-5
    shard, rng = Shard(conv, LENGTHS, 2, np.float64), np.random.default_rng(1)
    dy = [rng.normal(size=y.shape) for y in shard.forward()]
    _, named = shard.backward(dy)
    along = {name: rng.normal(size=w.shape) for name, w in shard.weights.items()}
    values = []
    for sign in (-1, 1):
        moved = {name: w + sign * step * along[name] for name, w in shard.weights.items()}
        for weight, view in shard.layer.packing(moved, shard.packed):
            view[...] = weight
        values.append(sum((y * d).sum() for y, d in zip(shard.forward(), dy, strict=True)))
    slope = sum((named[name] * along[name]).sum() for name in named)
    assert_allclose((values[1] - values[0]) / (2 * step), slope, rtol=1e-8)


@each_dtype
def test_no_bit_depends_on_the_other_sequences(dtype):
    conv = Conv(21, 5, 2, "tanh")
    together = Shard(conv, LENGTHS, 3, dtype)
    Y = together.forward()
    for n, T in enumerate(LENGTHS):
        alone = Shard(conv, [T], 3, dtype)
        alone.packed = together.packed
        alone.values[alone.begins[0] : alone.begins[0] + T] = together.sequences[n]
        assert_array_equal(alone.forward()[0], Y[n])


@pytest.mark.small
def test_nan_and_infinity_reach_the_windows_that_hold_them():
    shard = Shard(Conv(2, 3, 1, "identity"), [5, 5], 1, np.float64)
    for n, value in enumerate((np.nan, np.inf)):
        shard.values[shard.begins[n] + 2] = value
        assert_array_equal(np.isfinite(shard.forward()[n]).all(axis=1), [True, False, False, False, True])


def test_new_lengths():
    for stride in range(1, 8):
        conv = Conv(stride=stride)
        for T in range(1, 30):
            assert conv.n_steps(T) == len(range(0, T, stride))
        assert_array_equal(conv.n_steps(np.arange(1, 30)), [conv.n_steps(T) for T in range(1, 30)])


def test_parameters():
    conv = Conv(8, width=3, stride=2, activation="tanh")
    assert clone(conv).get_params() == {"n_channels": 8, "width": 3, "stride": 2, "activation": "tanh"}
    for wrong in ({"n_channels": 0}, {"width": 0}, {"stride": 0}, {"width": 1.5}, {"activation": "sigmoid"}):
        with pytest.raises(ValueError, match=f"The '{next(iter(wrong))}' parameter of Conv"):
            Conv(**wrong)._validate_params()
