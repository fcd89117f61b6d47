"""The network as a whole: what a result may not depend on, extreme numbers, memory and layout of parameters."""

import time
from functools import partial

import numpy as np
import pytest
import reference as ref
from faults import PATIENCE
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    CELLS,
    EVERYTHING,
    as_data,
    make_network,
    named,
    predict,
    problem,
    random_sequences,
    value_and_gradient,
)
from numba.core import config
from numpy.testing import assert_allclose, assert_array_equal

import skrnn.network.shards
import skrnn.training.objective
from skrnn._core.threads import ShardPool
from skrnn.kernels.denormals import MACHINE
from skrnn.losses import BaseLoss, SquaredError
from skrnn.network.arena import LINE, Arena, padded
from skrnn.network.inference import PREDICTION_ROWS
from skrnn.network.layout import Layout
from skrnn.network.shards import ThreadExecutor
from skrnn.training.objective import MAX_SHARDS, Objective

problem = partial(problem, hidden=(9, 5))
quick = settings(max_examples=25, deadline=None, database=None)
each_cell = pytest.mark.parametrize("cell", CELLS)
plain_and_all = pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="too slow in NumPy")


class SumOfRaw(BaseLoss):
    """sum_i w_i raw_i y_i: the gradient of the raw predictions is what the test says, in y."""

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        slope = y * weight[:, None]
        d_raw[: len(y), :K] = slope
        return float((raw[: len(y), :K] * slope).sum())


@pytest.fixture
def many_threads(monkeypatch):
    """Batches of any size are worth waking threads."""
    monkeypatch.setattr(skrnn.network.shards, "WORK_PER_THREAD", 1.0)


def weighted_sum_of_parts(network, theta, sequences, target, n):
    """Value and gradient from those of parts of n sequences."""
    total, size = 0.0, len(sequences)
    for k in range(0, size, n):
        part = np.arange(k, min(k + n, size))
        value, gradient = value_and_gradient(network, theta, sequences, target, indices=part)
        total = total + np.append(gradient, value) * (len(part) / size)
    return total[-1], total[:-1]


# ----------------------------------------------------------------------- what predictions and gradients depend on
SMALL = [("elman", "float32"), ("gru", "float64")]  # a subset, as every cell and dtype takes seconds to compile


@pytest.mark.parametrize(
    ("cell", "dtype"),
    [
        pytest.param(cell, dtype, marks=[pytest.mark.small] if (cell, dtype) in SMALL else [])
        for cell in CELLS
        for dtype in ("float32", "float64")
    ],
)
@plain_and_all
def test_batch_mates_never_change_a_prediction(cell, dtype, options):
    """The same bits alone, in batches of any size and in any order."""
    rng = np.random.default_rng(1)
    lengths = rng.integers(1, 12, PREDICTION_ROWS + 11).tolist()
    dtype = np.dtype(dtype).type
    network, theta, sequences, _ = problem(cell, lengths, dtype=dtype, **options)
    together = predict(network, theta, sequences)
    for x, expected in zip(sequences, together, strict=True):
        assert_array_equal(predict(network, theta, [x])[0], expected)
    for n in (2, 3, 8, 13, PREDICTION_ROWS, len(sequences)):
        some = rng.permutation(len(sequences))[:n]
        assert_array_equal(predict(network, theta, [sequences[i] for i in some]), together[some])
    longer = [*sequences, *random_sequences(rng, [200], 3, dtype)]
    assert_array_equal(predict(network, theta, longer)[:-1], together)


@each_cell
@plain_and_all
@pytest.mark.usefixtures("many_threads")
def test_predictions_do_not_depend_on_threads(cell, options):
    network, theta, sequences, _ = problem(cell, [3, 7, 1, 4] * PREDICTION_ROWS, dtype=np.float32, **options)
    expected = predict(network, theta, sequences)
    for n_threads in (2, 3, 8):
        assert_array_equal(predict(network, theta, sequences, n_threads), expected)


@each_cell
@each_dtype
@plain_and_all
@pytest.mark.usefixtures("many_threads")
def test_gradient_bits_do_not_depend_on_threads(cell, dtype, options):
    lengths = np.random.default_rng(2).integers(1, 20, 150).tolist()
    network, theta, sequences, target = problem(cell, lengths, dtype=dtype, **options)
    expected = value_and_gradient(network, theta, sequences, target, alpha=0.1)
    for n_threads in (1, 2, 3, 8, 8, 8):
        value, gradient = value_and_gradient(network, theta, sequences, target, alpha=0.1, n_threads=n_threads)
        assert value == expected[0]
        assert_array_equal(gradient, expected[1])


@pytest.mark.usefixtures("many_threads")
def test_gradients_of_shards_are_added_in_their_order(monkeypatch):
    """Whichever is done first: here the later ones."""
    network, theta, sequences, target = problem("gru", [5] * 100, dtype=np.float32)
    expected = value_and_gradient(network, theta, sequences, target)

    def backwards(pool, task, n_tasks, n_threads):
        for i in reversed(range(n_tasks)):
            task(i, 0)

    monkeypatch.setattr(ShardPool, "run", backwards)
    value, gradient = value_and_gradient(network, theta, sequences, target)
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])
    value, gradient_of_parts = weighted_sum_of_parts(network, theta, sequences, target, network.shard_rows(100))
    assert_allclose(gradient, gradient_of_parts, rtol=1e-4, atol=1e-6)


@each_cell
def test_threads_take_part(cell, many_threads, monkeypatch):
    """Otherwise the tests above say little."""
    network, theta, sequences, target = problem(cell, [20] * 128, hidden=(32,))
    workers = set()
    run = ShardPool.run

    def run_watched(pool, task, n_tasks, n_threads):
        def watched(i, worker):
            workers.add(worker)
            task(i, worker)

        run(pool, watched, n_tasks, n_threads)

    monkeypatch.setattr(ShardPool, "run", run_watched)
    with ThreadExecutor(4) as executor:
        objective = Objective(network, as_data(sequences, target), SquaredError(), 0.0, executor, 128)
        give_up = time.monotonic() + PATIENCE  # on a busy machine the first thread may be done before another wakes
        while len(workers) < 2 and time.monotonic() < give_up:
            objective.value_and_gradient(theta, np.arange(128))
    assert len(workers) > 1
    assert workers <= set(range(4))


@each_cell
@plain_and_all
def test_order_of_a_batch_changes_rounding_only(cell, options):
    network, theta, sequences, target = problem(cell, [3, 7, 1, 4, 4, 9, 2] * 12, **options)
    expected = value_and_gradient(network, theta, sequences, target)
    order = np.random.default_rng(3).permutation(len(sequences))
    value, gradient = value_and_gradient(network, theta, sequences, target, indices=order)
    assert_allclose(value, expected[0], rtol=1e-13)
    assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-13)


@each_cell
@plain_and_all
def test_batches_of_some_sequences(cell, options):
    """Smaller batches than the largest, that use the same buffers one after the other."""
    lengths = np.random.default_rng(4).integers(1, 9, 40).tolist()
    network, theta, sequences, target = problem(cell, lengths, **options)
    rng = np.random.default_rng(5)
    with ThreadExecutor(1) as executor:
        objective = Objective(network, as_data(sequences, target), SquaredError(), 0.0, executor, 20)
        for n in (20, 1, 13, 7, 20):
            batch = rng.permutation(40)[:n]
            value, gradient = objective.value_and_gradient(theta, batch)
            alone = [sequences[i] for i in batch]
            expected = value_and_gradient(network, theta, alone, target[batch])
            assert_allclose(value, expected[0], rtol=1e-13)
            assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-14)


@compiled_only
@each_cell
def test_batch_of_more_shards_than_are_held(cell):
    n = MAX_SHARDS * 32 + 50
    network, theta, sequences, target = problem(cell, [1, 2] * (n // 2), D=1, hidden=[2], K=1)
    expected = weighted_sum_of_parts(network, theta, sequences, target, 300)
    for n_threads in (1, 3):
        value, gradient = value_and_gradient(network, theta, sequences, target, n_threads=n_threads)
        assert_allclose(value, expected[0], rtol=1e-12)
        assert_allclose(gradient, expected[1], rtol=1e-10, atol=1e-14)


@each_cell
def test_groups_of_shards(cell, monkeypatch):
    network, theta, sequences, target = problem(cell, [4, 1, 6] * 50)
    expected = value_and_gradient(network, theta, sequences, target)
    for most in (1, 2, 3):
        monkeypatch.setattr(skrnn.training.objective, "MAX_SHARDS", most)
        value, gradient = value_and_gradient(network, theta, sequences, target)
        assert_allclose(value, expected[0], rtol=1e-15)
        assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-14)


@each_cell
@plain_and_all
def test_sequences_of_weight_zero_contribute_nothing(cell, options):
    network, theta, sequences, target = problem(cell, [4, 1, 6, 3, 8], **options)
    weight = np.array([0.5, 0, 2, 0, 1])
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=weight, alpha=0.1)
    kept = [0, 2, 4]
    expected = value_and_gradient(
        network, theta, [sequences[i] for i in kept], target[kept], weight=weight[kept], alpha=0.1
    )
    assert_allclose(value, expected[0], rtol=1e-14)
    assert_allclose(gradient, expected[1], rtol=1e-12, atol=1e-15)
    other_target = target.copy()
    other_target[[1, 3]] += 100
    again = value_and_gradient(network, theta, sequences, other_target, weight=weight, alpha=0.1)
    assert again[0] == value
    assert_array_equal(again[1], gradient)


def test_batch_without_weight_is_the_penalty():
    network, theta, sequences, target = problem("lstm", [4, 1])
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=[0, 0], alpha=0.5)
    expected = ref.penalty(named(network, theta), 0.5)
    assert_allclose(value, expected[0])
    assert_allclose(gradient, network.layout.flatten(expected[1], np.float64))


@each_cell
def test_integer_weights_repeat_sequences(cell):
    network, theta, sequences, target = problem(cell, [4, 1, 6])
    count = np.array([2, 1, 3])
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=count)
    repeated = np.repeat(np.arange(3), count)
    expected = value_and_gradient(network, theta, [sequences[i] for i in repeated], target[repeated])
    assert_allclose(value, expected[0], rtol=1e-13)
    assert_allclose(gradient, expected[1], rtol=1e-11, atol=1e-14)


@each_cell
def test_gradient_of_the_penalty_equals_central_differences(cell):
    network, theta, sequences, target = problem(cell, [2, 1], D=2, hidden=[3, 2], K=1)

    data, everything = as_data(sequences, target), np.arange(2)
    with ThreadExecutor(1) as executor:
        objectives = [Objective(network, data, SquaredError(), alpha, executor, 2) for alpha in (3.0, 0.0)]

        def penalty(theta):
            return np.subtract(*(objective.value_and_gradient(theta, everything)[0] for objective in objectives))

        gradient, without = (objective.value_and_gradient(theta, everything)[1] for objective in objectives)
        expected = ref.central_difference(penalty, theta)
    assert_allclose(gradient - without, expected, rtol=1e-6, atol=1e-7)
    for name, part in named(network, gradient - without).items():
        assert name.endswith((".b", ".b_h", ".b_y", ".w_h", ".w_A", ".w_dt", ".P")) == (not part.any())


@pytest.mark.parametrize("alpha", [1, 0.5, np.float32(0.5), np.float64(0.5)], ids=lambda a: type(a).__name__)
@each_dtype
def test_gradient_has_the_dtype_of_the_network(alpha, dtype):
    """Whatever kind of number alpha is: grids of parameters are often NumPy's."""
    network, theta, sequences, target = problem("gru", [2, 1], dtype=dtype)
    assert value_and_gradient(network, theta, sequences, target, alpha=alpha)[1].dtype == dtype


# --------------------------------------------------------------------------------------------- extreme numbers
@each_cell
@each_dtype
@plain_and_all
def test_saturated_pre_activations_are_finite(cell, dtype, options):
    rng = np.random.default_rng(6)
    network, theta, sequences, target = problem(cell, [5, 1, 8], dtype=dtype, **options)
    for name, view in named(network, theta).items():
        if name.endswith((".b", ".b_h", ".b_y")):
            view[...] = 1e4 * rng.choice([-1, 1], view.shape)
    raw = predict(network, theta, sequences)
    assert np.isfinite(raw).all()
    value, gradient = value_and_gradient(network, theta, sequences, target)
    assert np.isfinite(value)
    assert np.isfinite(gradient).all()


@each_cell
@each_dtype
@plain_and_all
def test_nan_in_any_weight_reaches_the_loss(cell, dtype, options):
    """The kernels must not be compiled with flags that let NaN vanish."""
    rng = np.random.default_rng(7)
    network, theta, sequences, target = problem(cell, [5, 1, 8], hidden=(19, 5), dtype=dtype, **options)
    ends = network.layout.views(np.arange(network.layout.size)).values()
    places = {i for view in ends for i in (view.flat[0], view.flat[-1])} | set(rng.integers(0, network.layout.size, 20))
    data, everything = as_data(sequences, target), np.arange(len(sequences))
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, SquaredError(), 0.0, executor, len(sequences))
        for i in places:
            damaged = theta.copy()
            damaged[i] = np.nan
            value, gradient = objective.value_and_gradient(damaged, everything)
            assert np.isnan(predict(network, damaged, sequences)).any()
            assert np.isnan(value)
            assert np.isnan(gradient).any()


@each_cell
@plain_and_all
def test_nan_in_one_sequence_stays_there(cell, options):
    network, theta, sequences, _ = problem(cell, [5, 3, 8, 8, 2], dtype=np.float32, **options)
    expected = predict(network, theta, sequences)
    for i, x in enumerate(sequences):
        damaged = [s.copy() for s in sequences]
        damaged[i][len(x) // 2, 1] = np.nan
        raw = predict(network, theta, damaged)
        assert np.isnan(raw[i]).all()
        assert_array_equal(np.delete(raw, i, axis=0), np.delete(expected, i, axis=0))


@each_cell
@each_dtype
@plain_and_all
def test_nothing_is_left_of_an_overflow(cell, dtype, options):
    """A line search may step to weights whose values are not finite, and come back, with other shards."""
    network, theta, sequences, target = problem(cell, [8] * 6 + [5, 1, 8, 3, 3, 6], dtype=dtype, **options)
    long, ragged = np.arange(6), np.arange(6, 12)
    with ThreadExecutor(1) as executor:
        objective = Objective(network, as_data(sequences, target), SquaredError(), 0.0, executor, 6)
        expected = objective.value_and_gradient(theta, ragged)
        value, _ = objective.value_and_gradient(np.full_like(theta, np.nan), long)
        assert np.isnan(value)
        again = objective.value_and_gradient(theta, ragged)
    assert again[0] == expected[0]
    assert_array_equal(again[1], expected[1])


def vanishing(dtype, first):
    """An Elman network at rest: a gradient that is `first` at the last step and shrinks by 4 % per step before it."""
    network = make_network("elman", 1, [32], 1, dtype)
    theta = np.zeros(network.layout.size, dtype)
    weights = named(network, theta)
    weights["layers.0.forward.W_h"][...] = 0.96 * np.eye(32)
    weights["readout.W"][...] = first
    return network, theta, [np.zeros((500, 1), dtype)] * 8, np.ones((8, 1))


@pytest.mark.skipif(config.DISABLE_JIT or MACHINE is None, reason="NumPy does not flush denormals")
@each_dtype
def test_vanishing_gradients_are_not_slow(dtype):
    tiny = np.finfo(dtype).tiny
    with ThreadExecutor(1) as executor:
        objectives, best = [], {}
        for first in (1.0, tiny * 1e3):
            network, theta, sequences, target = vanishing(dtype, first)
            loss = SumOfRaw()
            objectives.append((first, theta, Objective(network, as_data(sequences, target), loss, 0.0, executor, 8)))
        for _ in range(5):
            for first, theta, objective in objectives:
                start = time.process_time()
                _, gradient = objective.value_and_gradient(theta, np.arange(8))
                best[first] = min(best.get(first, np.inf), time.process_time() - start)
    assert gradient[gradient != 0].size
    assert (np.abs(gradient[gradient != 0]) >= tiny).all()
    assert best[tiny * 1e3] < 3 * best[1.0]


@pytest.mark.parametrize("n_threads", [1, 2])
@each_dtype
def test_floating_point_mode_is_restored(dtype, n_threads):
    denormal = np.full(40, np.finfo(dtype).smallest_subnormal, dtype)
    network, theta, sequences, target = problem("lstm", [9, 3] * 20, dtype=dtype)
    value_and_gradient(network, theta, sequences, target, n_threads=n_threads)
    predict(network, theta, sequences, n_threads)
    assert (denormal * dtype(1) == denormal).all()
    assert (denormal + denormal > denormal).all()
    assert (np.full(40, np.finfo(dtype).tiny, dtype) / dtype(4) > 0).all()


# -------------------------------------------------------------------------------------------- layout and memory
@given(shapes=st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=2).map(tuple), min_size=1))
@quick
def test_layout_round_trips(shapes):
    named_shapes = {f"part.{'W' if len(shape) == 2 else 'b'}_{k}": shape for k, shape in enumerate(shapes)}
    layout = Layout(named_shapes)
    theta = np.random.default_rng(0).normal(size=layout.size)
    views = layout.views(theta)
    assert {name: view.shape for name, view in views.items()} == named_shapes
    assert_array_equal(np.concatenate([view.ravel() for view in views.values()]), theta)
    assert all(np.shares_memory(view, theta) for view in views.values())
    assert_array_equal(layout.flatten(views, np.float64), theta)
    assert_array_equal(layout.flatten(views, np.float32), theta.astype(np.float32))
    assert_array_equal(layout.is_weight(), np.concatenate([np.full(v.size, v.ndim == 2) for v in views.values()]))


@each_dtype
@given(columns=st.integers(1, 400))
@quick
def test_rows_are_an_odd_number_of_cache_lines(dtype, columns):
    itemsize = np.dtype(dtype).itemsize
    stride = padded(columns, dtype)
    lines, rest = divmod(stride * itemsize, LINE)
    assert rest == 0
    assert lines % 2 == 1
    assert columns <= stride < columns + 2 * LINE // itemsize


@each_dtype
@given(shapes=st.lists(st.tuples(st.integers(0, 7), st.integers(1, 50)), min_size=1, max_size=8))
@quick
def test_arena(dtype, shapes):
    arena = Arena({f"{k % 2}.{k}": shape for k, shape in enumerate(shapes)}, dtype)
    assert LINE == 64
    for k, (rows, columns) in enumerate(shapes):
        array = arena.group(str(k % 2))[str(k)]
        assert array is arena.arrays[f"{k % 2}.{k}"]
        assert array.dtype == dtype
        assert array.ctypes.data % LINE == 0
        assert array.flags.c_contiguous
        assert array.shape == (max(rows, 1), padded(columns, dtype))
        assert not array.any()
        array[...] = k + 1
    for k, array in enumerate(arena.arrays.values()):
        assert (array == k + 1).all()
    assert arena.memory.size == sum(array.size for array in arena.arrays.values())
    assert arena.memory.sum(dtype=float) == sum(array.sum(dtype=float) for array in arena.arrays.values())
