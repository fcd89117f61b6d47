"""Attention of a decoder against plain NumPy on ragged sequences: values, slopes, what lies around, and neighbours."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.kernels.batches import N_COUNTS, plan_steps
from skrnn.kernels.program import Program
from skrnn.network.arena import Arena
from skrnn.network.layers.attention import Attention

KINDS = "additive", "dot"
PAIRS = {  # steps of the encoder and of the decoder for each sequence, the longest of the encoder first
    "ragged": [(9, 2), (7, 5), (7, 1), (4, 4), (1, 3), (1, 1)],
    "one": [(1, 1)],
    "one long": [(70, 40)],
    "equal": [(5, 3)] * 12,
    "longer outputs": [(3, 9), (2, 8), (1, 7)],
}
TOLERANCE = {np.float32: 3e-5, np.float64: 1e-11}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
each_kind = pytest.mark.parametrize("kind", KINDS)
quick = settings(max_examples=25, deadline=None, database=None)


def starts_of(lengths):
    """Where the blocks of live rows begin; lengths fall."""
    starts = np.empty(max(lengths) + 2, np.int64)
    plan_steps(np.array(lengths), starts, np.zeros(N_COUNTS, np.int64))
    return starts


def rows_of(starts, length, n):
    """The live rows of sequence n."""
    return starts[1 : length + 1] - starts[1] + n


class Shard:
    """Outputs of an encoder and of a decoder in arrays with NaN wherever nothing is promised, and an attention.

    pairs : steps of the encoder and of the decoder, for each sequence of the decoder; sources : their sequences in the
    encoder, by default each has its own.
    """

    def __init__(self, kind, pairs, H, S, dtype, *, seed=0, scale=1.0, sources=None):
        rng = np.random.default_rng(seed)
        self.H, self.S, self.dtype, self.pairs = H, S, np.dtype(dtype), pairs
        self.order = np.argsort([-n_out for _, n_out in pairs], kind="stable")
        own = range(len(pairs)) if sources is None else sources
        self.own = list(own)
        n_in = dict(zip(self.own, (n for n, _ in pairs), strict=True))
        self.starts = starts_of([n_in[i] for i in range(len(n_in))])
        self.out_starts = starts_of([pairs[i][1] for i in self.order])
        self.n_steps, self.n_rows = sum(n_in.values()), sum(n for _, n in pairs)
        self.outputs = SimpleNamespace(
            plan=SimpleNamespace(starts=self.out_starts, n_live=self.n_rows),
            sources=np.array([self.own[i] for i in self.order]),
        )
        self.layer = Attention(kind, H, S)
        self.weights = {
            name: (scale / np.sqrt(shape[0]) * rng.normal(size=shape)).astype(dtype)
            for name, shape in self.layer.shapes.items()
        }
        self.packed = self.allocate(self.layer.packed_shapes())
        for weight, view in self.layer.packing(self.weights, self.packed):
            view[...] = weight
        longest = max(n for n, _ in pairs), max(n for _, n in pairs)
        sizes = self.n_rows + 3, longest[1], self.n_steps + 2, True
        self.buffers = self.allocate(self.layer.buffer_shapes(*sizes))
        self.layer.prepare(self.buffers)
        self.source = self.allocate(self.layer.source_shapes(self.n_steps + 2, True))
        shapes = {"E": (self.n_steps + 2, S), "dE": (self.n_steps + 2, S)}
        shapes |= dict.fromkeys(("h", "Y", "dY", "dh"), (self.n_rows + 3, H))
        self.arrays = self.allocate(shapes)
        self.E = [rng.normal(size=(n_in[i], S)).astype(dtype) for i in range(len(n_in))]
        self.h = [rng.normal(size=(n, H)).astype(dtype) for _, n in pairs]
        for n, values in enumerate(self.E):
            self.arrays["E"][rows_of(self.starts, len(values), n), :S] = values
        for n, values in enumerate(self.h):
            self.arrays["h"][self.out_rows(n), :H] = values

    def allocate(self, shapes):
        arena = Arena({"nothing": (1, 1)} | shapes, self.dtype)
        arena.memory[...] = np.nan
        return arena.group("")

    def out_rows(self, n):
        return rows_of(self.out_starts, self.pairs[n][1], self.order.tolist().index(n))

    def in_rows(self, n):
        return rows_of(self.starts, self.pairs[n][0], self.own[n])

    def forward(self):
        """Outputs, and the weights of the steps, of each sequence of the decoder."""
        arrays, layer, n_steps = self.arrays, self.layer, self.n_steps
        Program(layer.keys(self.packed, self.source, arrays["E"], n_steps)).run()
        what = self.packed, self.buffers, self.source, arrays["E"], self.starts, self.outputs, arrays["h"], arrays["Y"]
        Program(layer.forward(*what)).run()
        assert np.isnan(arrays["Y"][self.n_rows :]).all()
        assert np.isnan(arrays["Y"][:, self.H :]).all()
        Y = [arrays["Y"][self.out_rows(n), : self.H].copy() for n in range(len(self.pairs))]
        alpha = self.buffers["alpha"]
        return Y, [alpha[: self.pairs[n][1], self.in_rows(n)].copy() for n in range(len(self.pairs))]

    def backward(self, dY):
        """From slopes of each sequence's outputs: slopes of h and E for each, and of the weights by name."""
        arrays, layer = self.arrays, self.layer
        for n, d in enumerate(dY):
            arrays["dY"][self.out_rows(n), : self.H] = d
        gradient = self.allocate(layer.gradient_shapes())
        plan = SimpleNamespace(starts=self.starts, n_live=self.n_steps)
        groups = self.packed, self.buffers, self.source, gradient
        what = arrays["E"], arrays["dE"], plan, self.outputs, arrays["Y"], arrays["dY"], arrays["dh"]
        Program(layer.backward(groups, *what)).run()
        assert np.isnan(arrays["dE"][self.n_steps :]).all()
        assert np.isnan(arrays["dh"][self.n_rows :]).all()
        assert np.isnan(arrays["dh"][:, self.H :]).all()
        named = {name: np.full(shape, np.nan, self.dtype) for name, shape in layer.shapes.items()}
        for view, target in layer.unpacking(gradient, named):
            target[...] = view
        dh = [arrays["dh"][self.out_rows(n), : self.H].copy() for n in range(len(self.pairs))]
        dE = [arrays["dE"][rows_of(self.starts, len(E), n), : self.S].copy() for n, E in enumerate(self.E)]
        return dh, dE, named


def attend(kind, w, h, E):
    """Outputs (n_out, H) and weights (n_out, n_in) from h (n_out, H) and E (n_in, S); of complex numbers, too."""
    keys, Y, shares = E @ w["W_k"], [], []
    for h_u in h:
        if kind == "additive":
            e = np.array([w["v"] @ np.tanh(h_u @ w["W_q"] + w["b"] + k) for k in keys])
        else:
            e = np.array([h_u @ k / np.sqrt(len(h_u)) for k in keys])
        p = np.exp(e - e.real.max())
        shares.append(p / p.sum())
        Y.append(np.tanh(np.concatenate([h_u, shares[-1] @ E]) @ w["W_c"] + w["b_c"]))
    return np.array(Y), np.array(shares)


def slopes(f, array):
    """Gradient of f at an array, element by element, by complex steps."""
    gradient = np.zeros(array.shape)
    for place in np.ndindex(array.shape):
        moved = array.astype(complex)
        moved[place] += 1e-30j
        gradient[place] = f(moved).imag / 1e-30
    return gradient


def wide(shard):
    weights = {name: weight.astype(float) for name, weight in shard.weights.items()}
    return weights, [h.astype(float) for h in shard.h], [E.astype(float) for E in shard.E]


def assert_values(kind, shard, tolerance):
    w, h, E = wide(shard)
    Y, alpha = shard.forward()
    for n, i in enumerate(shard.own):
        right, shares = attend(kind, w, h[n], E[i])
        assert_allclose(Y[n], right, rtol=tolerance, atol=tolerance)
        assert_allclose(alpha[n], shares, rtol=10 * tolerance, atol=tolerance)
        assert_allclose(alpha[n].sum(axis=1), 1, rtol=tolerance)


def assert_right(kind, pairs, H, S, dtype, sources=None, every=True, seed=0):
    """Values, and slopes: of every element, or along a random direction of each array."""
    shard, tolerance = Shard(kind, pairs, H, S, dtype, sources=sources, seed=seed), TOLERANCE[dtype]
    w, h, E = wide(shard)
    assert_values(kind, shard, tolerance)
    rng = np.random.default_rng(1)
    dY = [rng.normal(size=x.shape).astype(dtype) for x in h]
    dh, dE, named = shard.backward(dY)
    found = {f"h {n}": d for n, d in enumerate(dh)} | {f"E {n}": d for n, d in enumerate(dE)} | named
    where = {f"h {n}": x for n, x in enumerate(h)} | {f"E {n}": x for n, x in enumerate(E)} | w

    def total(values):
        parts = [attend(kind, values, values[f"h {n}"], values[f"E {i}"])[0] for n, i in enumerate(shard.own)]
        return sum((d * part).sum() for d, part in zip(dY, parts, strict=True))

    bound = 20 * tolerance * np.sqrt(shard.n_rows)
    for name, values in where.items():
        if every:
            right = slopes(lambda moved, name=name: total(where | {name: moved}), values)
            assert_allclose(found[name], right, rtol=tolerance, atol=bound, err_msg=name)
        else:
            v = rng.normal(size=values.shape)
            right = total(where | {name: values + 1e-30j * v}).imag / 1e-30
            assert_allclose((v * found[name]).sum(), right, rtol=tolerance, atol=bound * np.abs(v).sum(), err_msg=name)


# -------------------------------------------------------------------------------------------------- values and slopes
@pytest.mark.small
@each_dtype
@each_kind
@pytest.mark.parametrize("sizes", [(1, 1), (3, 2)], ids=str)
def test_small_shards(kind, sizes, dtype):
    for pairs in ([(1, 1)], [(3, 1), (2, 3)]):
        assert_right(kind, pairs, *sizes, dtype)


@each_dtype
@each_kind
@pytest.mark.parametrize("pairs", PAIRS)
def test_values_and_slopes(kind, pairs, dtype):
    for H, S in [(5, 8), (17, 3)] if pairs == "ragged" else [(4, 6)]:
        assert_right(kind, PAIRS[pairs], H, S, dtype, every=False)


@each_kind
def test_every_slope_of_a_ragged_shard(kind):
    assert_right(kind, PAIRS["ragged"], 5, 4, np.float64)


@given(
    kind=st.sampled_from(KINDS),
    dtype=st.sampled_from([np.float32, np.float64]),
    n_in=st.lists(st.integers(1, 20), min_size=1, max_size=8),
    H=st.integers(1, 40),
    S=st.integers(1, 40),
    data=st.data(),
)
@quick
def test_all_shapes(kind, dtype, n_in, H, S, data):
    n_out = data.draw(st.lists(st.integers(1, 9), min_size=len(n_in), max_size=len(n_in)))
    pairs = list(zip(sorted(n_in, reverse=True), n_out, strict=True))
    assert_right(kind, pairs, H, S, dtype, every=False, seed=data.draw(st.integers(0, 2**32 - 1)))


@each_kind
def test_slopes_are_central_differences_of_the_kernel(kind):
    """Of its own values, which is right even where the equations are not."""
    shard = Shard(kind, PAIRS["ragged"], 5, 4, np.float64)
    rng = np.random.default_rng(2)
    Y, _ = shard.forward()
    dY = [rng.normal(size=y.shape) for y in Y]
    _, _, named = shard.backward(dY)
    for name, weight in shard.weights.items():
        v, values = rng.normal(size=weight.shape), []
        for step in (1e-5, -1e-5):
            other = Shard(kind, PAIRS["ragged"], 5, 4, np.float64)
            other.weights[name] = weight + step * v
            for source, view in other.layer.packing(other.weights, other.packed):
                view[...] = source
            values.append(sum((d * y).sum() for d, y in zip(dY, other.forward()[0], strict=True)))
        assert_allclose((v * named[name]).sum(), (values[0] - values[1]) / 2e-5, rtol=1e-7, atol=1e-8, err_msg=name)


@each_dtype
@each_kind
def test_several_hypotheses_read_the_same_sequence(kind, dtype):
    """As in a search: sequences of the encoder may have several in the decoder. Their weights share a buffer."""
    pairs, sources = [(6, 1), (6, 1), (6, 1), (2, 1), (1, 1), (1, 1)], [0, 0, 0, 1, 2, 2]
    shard = Shard(kind, pairs, 7, 5, dtype, sources=sources)
    w, h, E = wide(shard)
    Y, _ = shard.forward()
    for n, i in enumerate(sources):
        assert_allclose(Y[n], attend(kind, w, h[n], E[i])[0], rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    alone = Shard(kind, [(6, 1)], 7, 5, dtype)
    alone.arrays["E"][:6, :5] = shard.E[0]
    alone.arrays["h"][0, :7] = shard.h[2][0]
    assert_array_equal(alone.forward()[0][0], Y[2])


# ------------------------------------------------------------------------------------------------------- borders
@each_dtype
@each_kind
def test_a_single_step_has_all_the_weight(kind, dtype):
    _, alpha = Shard(kind, [(1, 4), (1, 1)], 6, 6, dtype).forward()
    for shares in alpha:
        assert_array_equal(shares, 1)


@each_dtype
@each_kind
def test_equal_steps_have_equal_weights(kind, dtype):
    shard = Shard(kind, [(11, 3)], 6, 6, dtype)
    shard.arrays["E"][:11, :6] = shard.E[0][0]
    _, (shares,) = shard.forward()
    assert_array_equal(shares, shares[0, 0])
    assert_allclose(shares, 1 / 11, rtol=TOLERANCE[dtype])


@each_dtype
def test_large_scores_do_not_overflow(dtype):
    shard = Shard("dot", PAIRS["ragged"], 6, 6, dtype)
    shard.arrays["h"][: shard.n_rows, :6] *= 1e4
    Y, alpha = shard.forward()
    for y, shares in zip(Y, alpha, strict=True):
        assert np.isfinite(y).all()
        assert_allclose(shares.sum(axis=1), 1, rtol=1e-6)
    dh, dE, named = shard.backward([np.ones_like(y) for y in Y])
    assert all(np.isfinite(part).all() for part in (*dh, *dE, *named.values()))


@each_dtype
@each_kind
def test_a_sequence_does_not_depend_on_its_neighbours(kind, dtype):
    """Bit for bit, forward and back."""
    pairs, H, S = PAIRS["ragged"], 19, 6
    together = Shard(kind, pairs, H, S, dtype)
    Y, alpha = together.forward()
    dY = [np.random.default_rng(n).normal(size=y.shape).astype(dtype) for n, y in enumerate(Y)]
    dh, dE, _ = together.backward(dY)
    for n, pair in enumerate(pairs):
        alone = Shard(kind, [pair], H, S, dtype)
        for weight, view in alone.layer.packing(together.weights, alone.packed):
            view[...] = weight
        alone.arrays["E"][: pair[0], :S], alone.arrays["h"][: pair[1], :H] = together.E[n], together.h[n]
        (y,), (shares,) = alone.forward()
        (dh_alone,), (dE_alone,), _ = alone.backward([dY[n]])
        for found, expected in ((y, Y), (shares, alpha), (dh_alone, dh), (dE_alone, dE)):
            assert_array_equal(found, expected[n])
