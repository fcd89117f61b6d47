"""Shards that go through the network in segments of steps, because their buffers would not fit: results and memory."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, EVERYTHING, as_data, weighted_problem
from numpy.testing import assert_allclose, assert_array_equal

import skrnn.network.shards
from skrnn.convolution import Conv
from skrnn.losses import SquaredError
from skrnn.network.arena import Arena
from skrnn.network.data import MAX_BYTES
from skrnn.network.inference import Predictor
from skrnn.network.memory import Room, find_room
from skrnn.network.plan import Mode, Stretch
from skrnn.network.shards import ThreadExecutor
from skrnn.training.back_propagation import BackPropagation, gradient_norms
from skrnn.training.objective import Objective

NOISE = {"input_dropout": 0.3, "dropout": 0.4, "recurrent_dropout": 0.2}
LENGTHS = [17, 3, 9, 17, 1, 12, 5, 16, 2, 10]
problem = partial(weighted_problem, lengths=LENGTHS, hidden=(9, 5))


def evaluate(network, theta, data, *, seed=None, capacity=None, n_threads=1, **options):
    """Value and gradient on all sequences, with room for `capacity` steps only."""
    everyone = np.arange(len(data.lengths))
    with pytest.MonkeyPatch.context() as patch, ThreadExecutor(n_threads) as executor:
        if capacity is not None:
            patch.setattr(
                "skrnn.training.objective.room_of_training", lambda network, lengths, n, *_, **__: Room(n, capacity, 1)
            )
        objective = Objective(network, data, SquaredError(), 0.1, executor, len(everyone), **options)
        return objective.value_and_gradient(theta, everyone, seed)


def assert_same(found, expected, rtol=1e-10):
    assert_allclose(found[0], expected[0], rtol=rtol)
    assert_allclose(found[1], expected[1], rtol=rtol, atol=rtol * np.abs(expected[1]).max())


def most_steps(data, n_sequences):
    """Steps that so many of the sequences have at most."""
    return int(np.sort(data.lengths)[-n_sequences:].sum())


def needed(network, n_steps, n_sequences):
    return network.memory.buffer_bytes(n_steps, n_sequences, Mode(training=True))


# ------------------------------------------------------------------------------------------------------- gradients
@pytest.mark.parametrize("pooling", ["last", "steps"])
@pytest.mark.parametrize("hidden", [(7,), (9, 5)], ids=["one layer", "two layers"])
@pytest.mark.parametrize("cell", CELLS)
def test_segments_give_the_gradient_of_the_whole(cell, hidden, pooling):
    """With all the noise that goes with the cell, for segments of several and of single steps."""
    noise = dict(NOISE)
    kind = CELLS[cell]
    if not kind.carries_state:
        noise["zoneout"] = 0.0
    else:
        noise["zoneout"] = 0.3
    if kind.is_output and len(hidden) == 1:
        noise["dropout"] = 0.0
    if not (kind.inner or any("state" in feeds for _, feeds in kind.columns)):
        noise["recurrent_dropout"] = 0.0
    for options, seed in (({}, None), (noise, 5)):
        network, theta, data = problem(cell, hidden=hidden, pooling=pooling, **options)
        expected = evaluate(network, theta, data, seed=seed)
        for capacity in (40, 10):
            assert_same(evaluate(network, theta, data, seed=seed, capacity=capacity), expected)


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
@pytest.mark.parametrize("options", [{}, {"layer_norm": True, "residual": True}], ids=["plain", "all around"])
def test_poolings_in_segments(pooling, options):
    network, theta, data = problem("lstm", hidden=(6, 6), pooling=pooling, dropout=0.2, **options)
    expected = evaluate(network, theta, data, seed=3)
    for capacity in (60, 10):
        assert_same(evaluate(network, theta, data, seed=3, capacity=capacity), expected)


@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_fronts_in_segments(pooling):
    """A convolution that sees one step, and vectors of codes that decay."""
    network, theta, data = problem("gru", pooling=pooling, convolution=Conv(4, width=1, activation="tanh"))
    assert_same(evaluate(network, theta, data, capacity=12), evaluate(network, theta, data))
    options = {"pooling": pooling, "decay": True, "embeddings": ((3, 4, 2),)}
    network, theta, data = problem("gru", D=4, **options)
    data.values[:, 1] = data.values[:, 1] > 0
    data.values[:, 2] = np.abs(data.values[:, 2])
    data.values[:, 3] = np.arange(len(data.values)) % 4
    assert_same(evaluate(network, theta, data, capacity=12), evaluate(network, theta, data))


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=20),
    capacity=st.integers(20, 90),
    pooling=st.sampled_from(["last", "steps", "mean"]),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None, database=None)
def test_any_lengths_and_any_room(lengths, capacity, pooling, seed):
    network, theta, data = problem("gru", lengths=lengths, hidden=(4,), pooling=pooling, zoneout=0.2, seed=seed)
    expected = evaluate(network, theta, data, seed=seed)
    assert_same(evaluate(network, theta, data, seed=seed, capacity=capacity), expected, rtol=1e-9)


@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_value_and_states_keep_their_bits(pooling):
    """Only sums over steps are added in another order."""
    network, theta, data = problem("lstm", dtype=np.float32, pooling=pooling)
    value, _ = evaluate(network, theta, data)
    assert_allclose(evaluate(network, theta, data, capacity=16)[0], value, rtol=0 if pooling == "last" else 1e-6)


def test_gradients_at_the_states(monkeypatch):
    network, theta, data = problem("lstm")
    predictor = Predictor(network, theta, data, None)
    expected = gradient_norms(predictor, SquaredError())
    monkeypatch.setattr("skrnn.training.back_propagation.room_of_training", lambda *a, **k: Room(16, 10, 1))
    for found, wanted in zip(gradient_norms(predictor, SquaredError()), expected, strict=True):
        assert_allclose(found, wanted, rtol=1e-10)


@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_a_small_bound_makes_segments(pooling):
    network, theta, data = problem("lstm", lengths=[200, 150] * 8, hidden=(32,), pooling=pooling)
    whole = needed(network, most_steps(data, 16), 16)
    fixed = network.memory.packed_bytes + network.memory.gradient_bytes
    assert_array_equal(evaluate(network, theta, data, max_bytes=4 * whole)[1], evaluate(network, theta, data)[1])
    for part in (1, 4):
        max_bytes = max(4 * whole // part - 1, 2 * fixed)
        found = evaluate(network, theta, data, max_bytes=max_bytes)
        assert not np.array_equal(found[1], evaluate(network, theta, data)[1]), "nothing was cut"
        assert_same(found, evaluate(network, theta, data))


@pytest.mark.parametrize(
    "options",
    [{"bidirectional": True}, {"pooling": "attention"}, {"convolution": Conv(4, width=3)}, EVERYTHING],
    ids=["bidirectional", "attention", "convolution", "everything"],
)
def test_shards_have_fewer_sequences_where_segments_are_impossible(options):
    network, theta, data = problem("gru", lengths=[400, 300, 100] * 4, hidden=(32, 32), **options)
    expected = evaluate(network, theta, data)
    everyone, max_bytes = np.arange(12), 4 * needed(network, 600, 2)
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, SquaredError(), 0.1, executor, 12, max_bytes=max_bytes)
        assert sum(arena.memory.nbytes for arena in buffers_of(objective)) <= max_bytes // 4
        assert_same(objective.value_and_gradient(theta, everyone), expected)
    with (
        ThreadExecutor(1) as executor,
        pytest.raises(MemoryError, match=r"a sequence of 400 steps .* GiB .*truncation"),
    ):
        Objective(network, data, SquaredError(), 0.1, executor, 12, max_bytes=2 * needed(network, 350, 1))


def test_a_single_sequence_may_take_half_of_the_memory():
    network, theta, data = problem("gru", lengths=[400, 30, 30], hidden=(64,), bidirectional=True)
    max_bytes = 3 * needed(network, 400, 1)
    assert_same(evaluate(network, theta, data, max_bytes=max_bytes, n_threads=4), evaluate(network, theta, data))
    with ThreadExecutor(4) as executor:
        objective = Objective(network, data, SquaredError(), 0.1, executor, 3, max_bytes=max_bytes)
        assert sum(arena.memory.nbytes for arena in buffers_of(objective)) <= max_bytes // 2


def buffers_of(objective):
    return [worker.memory.buffers for worker in objective._crew.workers]


# ------------------------------------------------------------------------------------------------- bits and memory
@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_bits_do_not_depend_on_threads(pooling, monkeypatch):
    monkeypatch.setattr(skrnn.network.shards, "WORK_PER_THREAD", 1.0)
    network, theta, data = problem(
        "lstm", lengths=[60, 40] * 40, hidden=(16,), dtype=np.float32, pooling=pooling, zoneout=0.1
    )
    max_bytes = 3 * needed(network, most_steps(data, 16), 16)
    expected = evaluate(network, theta, data, seed=1, max_bytes=max_bytes)
    for n_threads in (2, 3, 8):
        value, gradient = evaluate(network, theta, data, seed=1, max_bytes=max_bytes, n_threads=n_threads)
        assert value == expected[0]
        assert_array_equal(gradient, expected[1])


@given(
    lengths=st.lists(st.integers(1, 400), min_size=1, max_size=60),
    hidden=st.integers(1, 60),
    n_threads=st.integers(1, 40),
    log_bytes=st.floats(16, 24),
)
@settings(max_examples=40, deadline=None, database=None)
def test_everything_together_stays_within_the_bound(lengths, hidden, n_threads, log_bytes):
    network, _, data = problem("lstm", lengths=lengths, hidden=(hidden,))
    allocated, max_bytes = [], int(2**log_bytes)
    allocate = Arena.__init__

    def counted(arena, *arguments, **options):
        allocate(arena, *arguments, **options)
        allocated.append(arena.memory.nbytes)

    with pytest.MonkeyPatch.context() as patch, ThreadExecutor(n_threads) as executor:
        patch.setattr(Arena, "__init__", counted)
        try:
            Objective(network, data, SquaredError(), 0.0, executor, len(lengths), max_bytes=max_bytes)
        except MemoryError:
            assert max_bytes < 8 * (network.memory.packed_bytes + needed(network, max(lengths), 1))
        assert sum(allocated) <= max_bytes


def test_room():
    network, _, _ = problem("lstm")
    whole = needed(network, 500, 5)
    assert find_room(network, np.full(5, 100), 8, whole, Mode(training=True)) == Room(5, 500, whole)
    room = find_room(network, np.full(5, 100), 8, whole - 1, Mode(training=True))
    assert room.n_sequences == 5
    assert room.n_steps < 250
    assert needed(network, room.n_steps, 5) <= whole // 2
    assert find_room(network, np.full(5, 10**12), 8, 10**6, Mode(training=True)) is None


def test_cut():
    data = as_data([np.zeros((T, 1)) for T in (7, 6, 2, 2)])
    stretch = Stretch.whole(data, np.arange(4))
    assert stretch.cut(17) == [stretch]
    parts = stretch.cut(8)
    assert [part.lengths.tolist() for part in parts] == [[2, 2, 2, 2], [4, 4], [1]]
    assert [part.first_steps.tolist() for part in parts] == [[0] * 4, [2, 2], [6]]
    assert [part.n_on for part in parts] == [2, 1, 0]
    assert len(stretch.cut(1)) == 7


def test_one_long_sequence_among_short_ones_takes_the_memory_of_its_steps():
    """Not that of as many steps for all of them."""
    lengths = [10**6] + [5] * 40
    network, _, _ = problem("elman", lengths=[1], hidden=(4,))
    data = as_data([np.zeros((T, 3)) for T in lengths])
    room = find_room(network, data.lengths, 32, 2**40, Mode(training=True))
    assert room.n_steps == 10**6 + 31 * 5
    room = find_room(network, data.lengths, 32, MAX_BYTES // 4, Mode(training=True))
    assert needed(network, room.n_steps, room.n_sequences) <= MAX_BYTES // 4


# ------------------------------------------------------------------------------------------------ too large for that
@pytest.mark.parametrize("n_units", [10**5, 10**6, 10**9, 10**12], ids=str)
def test_too_many_units(n_units):
    """More than there is memory, and than integers of 32 and of 64 bits count."""
    from networks import make_network

    network = make_network("lstm", 3, (n_units,), 2, np.float32)
    with pytest.raises(MemoryError, match=r"GiB .*fewer units"):
        skrnn.network.memory.room_of_training(network, np.array([10]), 8, MAX_BYTES)


def test_too_many_steps():
    network, _, _ = problem("lstm", lengths=[1], hidden=(64,), bidirectional=True)
    for n_steps in (10**7, 2**31, 2**62):
        with pytest.raises(MemoryError, match=rf"a sequence of {n_steps} steps .*raise max_memory to"):
            skrnn.network.memory.room_of_training(network, np.array([3, n_steps, n_steps]), 8, MAX_BYTES)
    network, theta, data = problem("lstm", lengths=[900], hidden=(64,), bidirectional=True)
    with ThreadExecutor(1) as executor, pytest.raises(MemoryError, match=r"a sequence of 900 steps"):
        Predictor(network, theta, data, executor, network.memory.packed_bytes + 10**5).predict_raw()


def test_the_memory_that_an_error_asks_for_is_enough():
    network, theta, data = problem("gru", lengths=[300, 20], hidden=(8, 8), bidirectional=True)
    with pytest.raises(MemoryError) as caught:
        evaluate(network, theta, data, max_bytes=10**6)
    gib = float(str(caught.value).split("raise max_memory to ")[1].split(" GiB")[0])
    evaluate(network, theta, data, max_bytes=int(1.01 * gib * 2**30))  # it is given with three digits


# ------------------------------------------------------------------------------------------------------ predictions
@pytest.mark.parametrize("pooling", ["last", "mean", "max", "steps"])
@pytest.mark.parametrize("cell", ["lstm", "gru_before", "indrnn", "jordan"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_predictions_in_segments_are_the_same_bits(cell, pooling, dtype):
    """And so are the states at all steps, and features made of them."""
    network, theta, data = problem(
        cell, lengths=[900, 300, 5, 1] * 6, hidden=(20, 20), dtype=dtype, pooling=pooling, zoneout=0.0
    )
    some = np.array([5, 0, 7, 21])
    with ThreadExecutor(1) as executor:
        runs = [
            lambda **bound: Predictor(network, theta, data, executor, **bound).predict_raw(),
            lambda **bound: Predictor(network, theta, data, executor, **bound).predict_raw(some),
            lambda **bound: np.concatenate(Predictor(network, theta, data, executor, **bound).hidden_states()),
            lambda **bound: Predictor(network, theta, data, executor, **bound).pooled(["last", "mean", "max"]),
        ]
        max_bytes = network.memory.packed_bytes + 400_000
        assert network.memory.buffer_bytes(most_steps(data, 24), 24, Mode()) > 4 * 400_000
        for run in runs:
            assert_array_equal(run(max_bytes=max_bytes), run())


def test_predictions_of_fewer_sequences_at_a_time_are_the_same_bits():
    network, theta, data = problem("gru", lengths=[300, 200, 5, 1] * 6, hidden=(20, 20), dtype=np.float32, **EVERYTHING)
    max_bytes = network.memory.packed_bytes + network.memory.buffer_bytes(400, 24, Mode())
    with ThreadExecutor(1) as executor:
        expected = Predictor(network, theta, data, executor).predict_raw()
        assert_array_equal(Predictor(network, theta, data, executor, max_bytes).predict_raw(), expected)


def test_memory_of_a_pass_back(monkeypatch):
    """The tape of a long sequence is that of a segment."""
    network, theta, data = problem("lstm", lengths=[20_000], hidden=(32,), dtype=np.float32)
    sizes = []
    run = BackPropagation.run
    monkeypatch.setattr(
        BackPropagation,
        "run",
        lambda self, *a, **k: sizes.append(self.memory.buffers.memory.nbytes) or run(self, *a, **k),
    )
    evaluate(network, theta, data, max_bytes=10 * 2**20)
    assert 0 < max(sizes) < 10 * 2**20 / 4
