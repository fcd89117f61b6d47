"""Pooling against plain NumPy on ragged sequences: values, slopes, what lies around, and the other sequences."""

from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.kernels.batches import N_COUNTS, plan_steps
from skrnn.kernels.pooling import BLOCK
from skrnn.kernels.program import Program
from skrnn.network.arena import Arena
from skrnn.network.layers.pooling import POOLINGS, get_pooling
from skrnn.network.plan import Segment

LENGTHS = {
    "ragged": [9, 7, 7, 4, 1, 1],
    "one": [1],
    "one long": [2 * BLOCK + 3],
    "equal": [5] * 20,
    "many": [*range(40, 0, -1)],
}
WIDTHS = [*range(1, 41)]
TOLERANCE = {np.float32: 2e-5, np.float64: 1e-12}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
each_pooling = pytest.mark.parametrize("name", POOLINGS)


class Shard:
    """Sequences, their rows in an array with NaN wherever nothing is promised, and a pooling with weights."""

    def __init__(self, name, lengths, H, dtype, *, H_backward=0, seed=0, training=True, scale=1.0):
        rng = np.random.default_rng(seed)
        self.lengths, self.H, self.dtype = lengths, H, np.dtype(dtype)
        self.starts = np.empty(max(lengths) + 2, np.int64)
        plan_steps(np.array(lengths), self.starts, np.zeros(N_COUNTS, np.int64))
        self.n_rows = sum(lengths)
        segment = Segment(np.zeros(len(lengths), np.int64), 0, np.array(lengths))
        self.plan = SimpleNamespace(starts=self.starts, segment=segment)
        self.layer = get_pooling(name, H, H_backward)
        self.weights = {n: (scale * rng.normal(size=shape)).astype(dtype) for n, shape in self.layer.shapes.items()}
        self.packed = self.allocate(self.layer.packed_shapes())
        for weight, view in self.layer.packing(self.weights, self.packed):
            view[...] = weight
        self.buffers = self.allocate(self.layer.buffer_shapes(self.n_rows + 3, len(lengths) + 1, training))
        self.Y = self.allocate({"Y": (self.n_rows + 3, H)})["Y"]
        self.sequences = [rng.normal(size=(T, H)).astype(dtype) for T in lengths]
        for n, y in enumerate(self.sequences):
            self.Y[self.rows(n), :H] = y

    def allocate(self, shapes):
        arena = Arena({"nothing": (1, 1)} | shapes, self.dtype)
        arena.memory[...] = np.nan
        return arena.group("")

    def rows(self, n):
        return self.starts[1 : self.lengths[n] + 1] - self.starts[1] + n

    def forward(self):
        pooled = self.allocate({"pooled": (len(self.lengths) + 1, self.H + 1)})["pooled"]
        Program(self.layer.forward(self.packed, self.buffers, self.Y, self.plan, pooled)).run()
        assert np.isnan(pooled[len(self.lengths) :]).all()
        assert np.isnan(pooled[:, self.H :]).all()
        self.pooled = pooled
        return pooled[: len(self.lengths), : self.H]

    def backward(self, d_pooled):
        """Gradient of each sequence, and those of the weights."""
        H, slopes = self.H, self.allocate({"slopes": (len(d_pooled), self.H), "dY": (self.n_rows + 2, self.H)})
        slopes["slopes"][:, :H] = d_pooled
        gradient, dY = self.allocate(self.layer.gradient_shapes()), slopes["dY"]
        what = self.packed, self.buffers, self.plan, self.Y, slopes["slopes"], dY, gradient
        Program(self.layer.backward(*what)).run()
        assert np.isnan(dY[self.n_rows :]).all()
        assert np.isnan(dY[:, H:]).all()
        named = {name: np.full(shape, np.nan, self.dtype) for name, shape in self.layer.shapes.items()}
        for view, target in self.layer.unpacking(gradient, named):
            target[...] = view
        return [dY[self.rows(n), :H] for n in range(len(self.lengths))], named


def attention(y, w):
    """Weights of the steps, and tanh(y W + b)."""
    u = np.tanh(y @ w["W"] + w["b"])
    e = np.exp(u @ w["v"] - (u @ w["v"]).max())
    return e / e.sum(), u


def expected(name, y, w, H_backward=0):
    if name == "last":
        F = y.shape[1] - H_backward
        return np.append(y[-1, :F], y[0, F:])
    if name == "attention":
        return attention(y, w)[0] @ y
    return {"mean": np.mean, "max": np.max}[name](y, axis=0)


def expected_slopes(name, y, w, d, H_backward=0):
    """Gradient of one sequence, and of the weights by name."""
    dy = np.zeros_like(y)
    if name == "last":
        F = y.shape[1] - H_backward
        dy[-1, :F], dy[0, F:] = d[:F], d[F:]
    elif name == "mean":
        dy[:] = d / len(y)
    elif name == "max":
        dy[y.argmax(axis=0), np.arange(len(d))] = d
    else:
        alpha, u = attention(y, w)
        de = alpha * (y @ d - alpha @ (y @ d))
        da = np.outer(de, w["v"]) * (1 - u * u)
        return np.outer(alpha, d) + da @ w["W"].T, {"W": y.T @ da, "b": da.sum(axis=0), "v": de @ u}
    return dy, {}


def wide(weights):
    return {name: weight.astype(float) for name, weight in weights.items()}


def assert_right(name, lengths, H, dtype, H_backward=0):
    shard = Shard(name, lengths, H, dtype, H_backward=H_backward, scale=1 / np.sqrt(H))
    w, tolerance = wide(shard.weights), TOLERANCE[dtype]
    pooled = shard.forward()
    for p, y in zip(pooled, shard.sequences, strict=True):
        assert_allclose(p, expected(name, y.astype(float), w, H_backward), rtol=tolerance, atol=tolerance)
    d_pooled = np.random.default_rng(1).normal(size=pooled.shape).astype(dtype)
    dY, named = shard.backward(d_pooled)
    sums = dict.fromkeys(shard.weights, 0.0)
    for dy, y, d in zip(dY, shard.sequences, d_pooled, strict=True):
        right, of_weights = expected_slopes(name, y.astype(float), w, d.astype(float), H_backward)
        assert_allclose(dy, right, rtol=tolerance, atol=10 * tolerance)
        sums = {name: sums[name] + slope for name, slope in of_weights.items()}
    for weight, slope in named.items():
        assert_allclose(slope, sums[weight], rtol=tolerance, atol=10 * tolerance * np.sqrt(sum(lengths)))


@pytest.mark.small
@each_dtype
@each_pooling
@pytest.mark.parametrize("lengths", [LENGTHS["ragged"], LENGTHS["one"]], ids=["ragged", "one"])
@pytest.mark.parametrize("H", [1, 3, 17])
def test_small_shards(name, H, lengths, dtype):
    assert_right(name, lengths, H, dtype)


@each_dtype
@each_pooling
@pytest.mark.parametrize("lengths", LENGTHS)
def test_values_and_slopes_for_all_widths(name, lengths, dtype):
    for H in WIDTHS if lengths == "ragged" else (1, 16, 21, 40):
        assert_right(name, LENGTHS[lengths], H, dtype)


@pytest.mark.small
@each_dtype
@pytest.mark.parametrize(("H", "H_backward"), [(2, 1), (10, 5), (34, 17), (36, 4), (7, 7)])
def test_last_takes_the_backward_direction_from_the_first_step(H, H_backward, dtype):
    assert_right("last", LENGTHS["ragged"], H, dtype, H_backward)


@each_pooling
def test_slopes_are_central_differences(name):
    """Of a weighted sum of the pooled values, along random directions of the sequences and of the weights."""
    lengths, H, step = LENGTHS["ragged"], 5, 1e-5
    shard = Shard(name, lengths, H, np.float64)
    rng = np.random.default_rng(2)
    d_pooled = rng.normal(size=(len(lengths), H))
    shard.forward()
    dY, named = shard.backward(d_pooled)
    along_y = [rng.normal(size=y.shape) for y in shard.sequences]
    along_w = {name: rng.normal(size=w.shape) for name, w in shard.weights.items()}
    values = []
    for sign in (-1, 1):
        moved = Shard(name, lengths, H, np.float64)
        for n, y in enumerate(moved.sequences):
            moved.Y[moved.rows(n), :H] = y + sign * step * along_y[n]
        weights = {name: w + sign * step * along_w[name] for name, w in moved.weights.items()}
        for weight, view in moved.layer.packing(weights, moved.packed):
            view[...] = weight
        values.append((moved.forward() * d_pooled).sum())
    slope = sum((a * b).sum() for a, b in zip(dY, along_y, strict=True))
    slope += sum((named[name] * along_w[name]).sum() for name in named)
    assert_allclose((values[1] - values[0]) / (2 * step), slope, rtol=1e-8)


@each_dtype
@each_pooling
def test_no_bit_depends_on_the_other_sequences(name, dtype):
    """Neither of the values nor of the slopes, nor on whether the shard is kept for the way back."""
    H, lengths = 21, [2 * BLOCK + 3, 90, 33, 33, 32, 2, 1]
    shard = Shard(name, lengths, H, dtype)
    pooled, d_pooled = shard.forward(), np.random.default_rng(3).normal(size=(len(lengths), H)).astype(dtype)
    dY, _ = shard.backward(d_pooled)
    for n, T in enumerate(lengths):
        alone = Shard(name, [T], H, dtype)
        alone.Y[:T, :H] = shard.sequences[n]
        assert_array_equal(alone.forward()[0], pooled[n])
        assert_array_equal(alone.backward(d_pooled[n : n + 1])[0][0], dY[n])
    assert_array_equal(Shard(name, lengths, H, dtype, training=False).forward(), pooled)


@pytest.mark.small
@each_dtype
@each_pooling
def test_step_by_step_has_the_bits_of_all_steps_at_once(name, dtype):
    """Also where sequences begin at different times, in rows that held others before."""
    H, lengths = 19, [7, 5, 4, 1]
    layer, N = get_pooling(name, H), len(lengths)
    whole = Shard(name, lengths, H, dtype)
    expected, steps = whole.forward(), np.zeros(N, np.int64)
    kept = whole.allocate(layer.kept_shapes(N))
    rows = whole.allocate({"Y": (N, H), "pooled": (N, H + 1)} | layer.buffer_shapes(N, N, training=False))
    plan = SimpleNamespace(segment=Segment(steps, 0, steps), n_sequences=N)
    program = Program(layer.so_far(whole.packed, rows, kept, rows["Y"], plan, rows["pooled"]))
    for t in range(-1, max(lengths)):
        for n, y in enumerate(whole.sequences):
            begin = lengths[0] - lengths[n]  # so that all end together
            steps[n] = max(t - begin, 0)
            rows["Y"][n, :H] = y[steps[n]] if t >= begin else 5.0
        program.run()
    assert_array_equal(rows["pooled"][:, :H], expected)
    assert np.isnan(rows["pooled"][:, H:]).all()


@pytest.mark.small
@each_dtype
def test_attention_weights_can_be_read(dtype):
    shard = Shard("attention", LENGTHS["ragged"], 6, dtype, training=False)
    shard.forward()
    for n, y in enumerate(shard.sequences):
        weights = shard.buffers["alpha"][shard.rows(n), 0]
        assert_allclose(weights, attention(y.astype(float), wide(shard.weights))[0], rtol=100 * TOLERANCE[dtype])
        assert_allclose(weights.sum(), 1, rtol=TOLERANCE[dtype])


@pytest.mark.small
@each_dtype
def test_attention_of_large_scores_is_stable(dtype):
    shard = Shard("attention", [4, 3], 40, dtype)
    shard.packed["v"][0, :40] *= dtype(1e4)
    shard.weights["v"] *= dtype(1e4)
    pooled = shard.forward()
    assert np.isfinite(pooled).all()
    for n, y in enumerate(shard.sequences):
        # One step has all the weight: a score near 1e4 leaves nothing to the others.
        assert_allclose(pooled[n], y[attention(y.astype(float), wide(shard.weights))[0].argmax()], rtol=1e-6)
    dY, named = shard.backward(np.ones((2, 40), dtype))
    assert all(np.isfinite(a).all() for a in (*dY, *named.values()))


@pytest.mark.small
@each_dtype
def test_the_gradient_of_a_maximum_goes_to_the_first_of_equal_steps(dtype):
    shard = Shard("max", [4, 4, 3], 2, dtype)
    for n, y in enumerate(([[1, 2], [3, 2], [3, 0], [3, 2]], np.zeros((4, 2)), [[-np.inf, 1], [-np.inf, 1], [2, 1]])):
        shard.Y[shard.rows(n), :2] = y
    assert_array_equal(shard.forward(), [[3, 2], [0, 0], [2, 1]])
    dY, _ = shard.backward(np.array([[5, 6], [7, 8], [9, 10]], dtype))
    assert_array_equal(dY[0], [[0, 6], [5, 0], [0, 0], [0, 0]])
    assert_array_equal(dY[1], [[7, 8], [0, 0], [0, 0], [0, 0]])
    assert_array_equal(dY[2], [[0, 10], [0, 0], [9, 0]])


@pytest.mark.small
@each_dtype
@each_pooling
def test_nan_reaches_its_sequence_only(name, dtype):
    for t in range(3):
        shard = Shard(name, [3, 3, 2], 5, dtype)
        shard.Y[shard.rows(1)[t], 2] = np.nan
        if name == "attention":
            shard.packed["W"][...] = np.nan_to_num(shard.packed["W"])
        pooled = shard.forward()
        assert np.isfinite(pooled[[0, 2]]).all()
        assert np.isnan(pooled[1, 2]) or (name == "last" and t < 2)


def test_unknown_name():
    with pytest.raises(KeyError):
        get_pooling("median", 3)
