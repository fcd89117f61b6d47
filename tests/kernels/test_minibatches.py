"""The kernels of a mini-batch, beside NumPy: who is in it, its shards, targets, gradients, the end of an update."""

import math
from itertools import pairwise

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.kernels import batches, driver, minibatches
from skrnn.kernels.minibatches import N_EPOCH_WORDS, N_NUMBERS
from skrnn.network.memory import Room

pytestmark = pytest.mark.small
GUARD = -77
DTYPES = [np.float32, np.float64]
each_seed = pytest.mark.parametrize("seed", range(20))
each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def random_batch(seed):
    """Lengths of sequences, some equal; the order of an epoch; the first and the number of those in a batch."""
    rng = np.random.default_rng(seed)
    n, longest = rng.integers(1, 60), rng.integers(1, 30)
    lengths, order = rng.integers(1, longest + 1, size=n), rng.permutation(n)
    first = rng.integers(0, n)
    return rng, lengths, order, first, rng.integers(1, n - first + 1)


@each_seed
def test_sequences_are_sorted_as_a_stable_sort_does(seed):
    _, lengths, order, first, n = random_batch(seed)
    counts, found = np.full(lengths.max() + 3, GUARD), np.full(n + 2, GUARD)
    call(minibatches.sort_by_length, order, first, n, lengths, counts, found)
    batch = order[first : first + n]
    assert_array_equal(found[:n], batch[np.argsort(-lengths[batch], kind="stable")])
    assert_array_equal(found[n:], [GUARD] * 2)
    assert counts[-2] == GUARD or lengths[batch].max() == lengths.max()
    assert counts[-1] == GUARD


@pytest.mark.parametrize("in_segments", [False, True])
@pytest.mark.parametrize("seed", range(60))
def test_shards_are_those_that_python_cuts(seed, in_segments):
    """Of `Room.shards`: so many sequences, and so many steps unless shards go through in segments."""
    rng = np.random.default_rng(seed)
    lengths = -np.sort(-rng.integers(1, rng.integers(2, 40), size=rng.integers(1, 80)))
    rows = rng.permutation(len(lengths))
    of_rows = np.empty_like(lengths)
    of_rows[rows] = lengths
    n_sequences = rng.integers(1, 20)
    n_steps = rng.integers(lengths[0], lengths[0] * n_sequences + 2)  # the longest sequence always fits
    bounds = np.full(len(rows) + 2, GUARD)
    what = rows, len(rows), of_rows, n_sequences, 0 if in_segments else n_steps, bounds
    n_shards = call(minibatches.cut_shards, *what, returns=np.int64)
    found = [rows[begin:end] for begin, end in pairwise(bounds[: n_shards + 1])]
    expected = Room(n_sequences, n_steps, 0).shards(rows, of_rows, in_segments)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)
    assert (bounds[n_shards + 1 :] == GUARD).all()


def test_a_sequence_that_is_longer_than_a_shard_is_one():
    bounds = np.zeros(5, np.int64)
    what = np.arange(4), 4, np.array([9, 9, 3, 3]), 4, 6, bounds
    assert call(minibatches.cut_shards, *what, returns=np.int64) == 3
    assert_array_equal(bounds[:4], [0, 1, 2, 4])


@each_seed
def test_an_epoch_is_worked_off_batch_by_batch_and_group_by_group(seed):
    """All sequences once, in the order of the epoch; groups that have room; nobody where there is no weight."""
    rng, lengths, order, _, _ = random_batch(seed)
    order = order[: rng.integers(1, len(order) + 1)]
    size, n_sequences, n_group = rng.integers(1, len(lengths) + 9), rng.integers(1, 9), rng.integers(1, 5)
    weights = rng.uniform(size=len(lengths)) * (rng.random(len(lengths)) < 0.6)
    words, numbers = np.full(N_EPOCH_WORDS, GUARD), np.full(N_NUMBERS, float(GUARD))
    words[[minibatches.N_ORDER, minibatches.FIRST, minibatches.N_BATCHES]] = len(order), 0, 0
    counts, rows = np.zeros(lengths.max() + 1, np.int64), np.zeros(len(lengths), np.int64)
    bounds, group_bounds = np.zeros(len(lengths) + 1, np.int64), np.zeros(n_group + 1, np.int64)
    for n_batches, first in enumerate(range(0, len(order), size), start=1):
        batch = order[first : first + size]
        what = order, size, lengths, weights, n_sequences, 0, counts, rows, bounds
        call(minibatches.next_batch, words, numbers, *what)
        assert words[minibatches.N_BATCHES] == n_batches
        assert words[driver.LEFT] == len(order) - first - len(batch)
        assert words[driver.HAS_WEIGHT] == (weights[batch] > 0).any()
        assert numbers[minibatches.TOTAL] == np.cumsum(weights[batch])[-1]
        handed_out, groups = [], 0
        while True:
            call(minibatches.next_group, words, bounds, group_bounds)
            if words[driver.N_SHARDS] == 0:
                break
            assert words[driver.N_SHARDS] <= n_group
            groups += 1
            for s in range(words[driver.N_SHARDS]):
                shard = rows[group_bounds[s] : group_bounds[s + 1]]
                assert 1 <= len(shard) <= n_sequences
                handed_out += shard.tolist()
        by_length = batch[np.argsort(-lengths[batch], kind="stable")].tolist()
        assert handed_out == (by_length if words[driver.HAS_WEIGHT] else [])
        assert groups == (-(-len(batch) // (n_sequences * n_group)) if words[driver.HAS_WEIGHT] else 0)
    assert words[driver.LEFT] == 0


@each_dtype
@each_seed
def test_targets(dtype, seed):
    rng = np.random.default_rng(seed)
    n, K = rng.integers(1, 9, size=2)
    target, weights = rng.normal(size=(12, K)).astype(dtype), rng.uniform(size=12)
    rows, y, weight = rng.integers(0, 12, size=n), np.full((n, K), GUARD, dtype), np.full(n, GUARD, dtype)
    call(minibatches.gather_targets, rows, target, weights, weights.sum(), y, weight)
    assert_array_equal(y, target[rows])
    assert_array_equal(weight, (weights[rows] / weights.sum()).astype(dtype))


@each_dtype
@each_seed
def test_gradients_begin_with_the_penalty_and_shards_are_added_in_their_order(dtype, seed):
    rng = np.random.default_rng(seed)
    P, n, n_shards = rng.integers(1, 70), rng.integers(1, 90), rng.integers(1, 6)
    theta, pull = rng.normal(size=P).astype(dtype), (0.1 * rng.integers(0, 2, size=P)).astype(dtype)
    gradient, numbers = np.full(P, GUARD, dtype), np.full(N_NUMBERS, float(GUARD))
    call(minibatches.start_gradient, theta, pull, gradient, numbers)
    assert_array_equal(gradient, pull * theta)
    penalty = 0.5 * (pull * theta.astype(float) ** 2).sum()
    assert_allclose(numbers[minibatches.VALUE], penalty, rtol=1e-5)
    rows, losses = rng.normal(size=(n_shards + 1, n)).astype(dtype), rng.normal(size=n_shards + 1)
    rows[0, rng.random(n) < 0.1] = np.inf
    expected, others = rows[0].copy(), rows[1:].copy()
    for row in rows[1:n_shards]:
        expected += row
    before = numbers[minibatches.VALUE]
    call(minibatches.sum_shards, rows, n_shards, losses, numbers)
    assert_array_equal(rows[0], expected)
    assert_array_equal(rows[1:], others)
    assert numbers[minibatches.VALUE] == before + np.cumsum(losses[:n_shards])[-1]
    total = gradient.copy()
    call(minibatches.add_vector, gradient, total)
    assert_array_equal(total, 2 * gradient)
    call(minibatches.keep_loss, 2.5, n_shards, losses)
    assert losses[n_shards] == 2.5
    assert set(np.delete(numbers, minibatches.VALUE)) == {GUARD}


@pytest.mark.parametrize("value", [1.0, np.nan, np.inf, -np.inf, 1e308])
@pytest.mark.parametrize("norm", [1.0, np.nan, np.inf])
def test_what_is_not_finite_ends_training(value, norm):
    words, numbers = np.zeros(N_EPOCH_WORDS, np.int64), np.zeros(N_NUMBERS)
    numbers[[minibatches.VALUE, minibatches.NORM]] = value, norm
    with np.errstate(invalid="ignore"):  # as in training
        call(minibatches.judge, words, numbers)
    assert words[driver.IS_OVER] == (not (math.isfinite(value) and math.isfinite(norm)))
    assert np.flatnonzero(words).tolist() == [driver.IS_OVER] * words[driver.IS_OVER]


@each_dtype
def test_an_update_begins(dtype):
    """What is known to be good is remembered; counts, the rate of the batch, the norm, the loss of all targets."""
    theta, safe = np.arange(5, dtype=dtype), np.full(5, GUARD, dtype)
    words, numbers = np.zeros(N_EPOCH_WORDS, np.int64), np.zeros(N_NUMBERS)
    words[[minibatches.N_UPDATES, minibatches.N_BATCHES, minibatches.N_NORMS]] = 40, 3, 1
    numbers[[minibatches.VALUE, minibatches.TOTAL, minibatches.NORM, minibatches.LOSS]] = 2, 0.25, 7, 10
    norms = np.full(4, float(GUARD))
    call(minibatches.begin_update, words, numbers, np.array([0.1, 0.2, 0.3, 0.4]), norms, theta, safe)
    assert_array_equal(safe, theta)
    assert_array_equal(norms, [GUARD, 7, GUARD, GUARD])
    expected = (41, 3, 2)
    assert_array_equal(words[[minibatches.N_UPDATES, minibatches.N_BATCHES, minibatches.N_NORMS]], expected)
    assert numbers[minibatches.RATE] == 0.3
    assert numbers[minibatches.LOSS] == 10.5


@each_dtype
@each_seed
def test_parameters_are_brought_between_bounds(dtype, seed):
    rng = np.random.default_rng(seed)
    theta, limit = rng.normal(size=rng.integers(1, 50)).astype(dtype), float(rng.uniform(0, 2))
    theta[rng.random(len(theta)) < 0.2] = rng.choice([np.nan, np.inf, -np.inf])
    begin, end = np.sort(rng.integers(0, len(theta) + 1, size=2))
    expected = theta.copy()
    expected[begin:end] = np.clip(theta[begin:end], dtype(-limit), dtype(limit))
    call(minibatches.clip_values, theta, begin, end, float(dtype(limit)))
    assert_array_equal(theta, expected)


# ------------------------------------------------------------------------------------------------ plans of a shard
@each_seed
def test_a_plan_takes_a_shard_of_the_batch(seed):
    rng = np.random.default_rng(seed)
    n, n_shards = rng.integers(1, 30), rng.integers(1, 5)
    bounds = np.sort(rng.integers(0, n + 1, size=n_shards + 1))
    rows, lengths, begins = rng.permutation(n), rng.integers(1, 9, size=n), rng.integers(0, 99, size=n)
    counts, of_sequences = np.full(batches.N_COUNTS, GUARD), np.full((batches.N_OF_SEQUENCES, n), GUARD)
    for s in range(n_shards):
        of_sequences[:], counts[batches.SHARD] = GUARD, s
        call(batches.take_shard, counts, bounds, rows, lengths, begins, of_sequences)
        shard = rows[bounds[s] : bounds[s + 1]]
        assert counts[batches.N_SEQUENCES] == len(shard)
        expected = np.full_like(of_sequences, GUARD)
        expected[batches.SEQUENCES, : len(shard)] = shard
        expected[[[batches.BEGINS], [batches.TARGET_BEGINS]], : len(shard)] = begins[shard]
        expected[[[batches.LENGTHS], [batches.WHOLE_LENGTHS]], : len(shard)] = lengths[shard]
        assert_array_equal(of_sequences, expected)
    assert set(np.delete(counts, [batches.SHARD, batches.N_SEQUENCES])) == {GUARD}


@each_seed
def test_where_the_steps_lie(seed):
    """Steps of all sequences, one step of all after the other; their rows; each mirrored; those that a stride keeps."""
    rng = np.random.default_rng(seed)
    lengths = -np.sort(-rng.integers(1, 9, size=rng.integers(1, 12)))
    n_steps, n_live, n = lengths[0], lengths.sum(), len(lengths)
    starts, counts = np.full(n_steps + 4, GUARD), np.full(batches.N_COUNTS, GUARD)
    call(batches.plan_steps, lengths, starts, counts)
    expected = [0, *np.cumsum([n, *((lengths > t).sum() for t in range(n_steps))])]
    assert_array_equal(starts, [*expected, GUARD, GUARD])
    assert counts[batches.N_STARTS] == n_steps + 2
    assert counts[batches.N_LIVE] == n_live
    assert set(np.delete(counts, [batches.N_STARTS, batches.N_LIVE])) == {GUARD}
    live = [(t, i) for t in range(n_steps) for i in range(n) if t < lengths[i]]  # step and sequence of each row
    starts, begins = starts[:-2], rng.integers(0, 99, size=n)
    rows, mirror, out = (np.full(n_live + 1, GUARD) for _ in range(3))
    call(batches.plan_rows, starts, begins, rows)
    assert_array_equal(rows, [*(begins[i] + t for t, i in live), GUARD])
    call(batches.plan_mirror, starts, lengths, mirror)
    assert_array_equal(mirror, [*(live.index((lengths[i] - 1 - t, i)) for t, i in live), GUARD])
    call(batches.follow_rows, rows, mirror[:-1], out)
    assert_array_equal(out, [*rows[mirror[:-1]], GUARD])
    stride = int(rng.integers(1, 5))
    steps = np.full(n, GUARD)
    call(batches.count_steps, lengths, stride, steps)
    assert_array_equal(steps, [len(range(0, length, stride)) for length in lengths])


def test_addresses_of_the_arrays_in_a_row():
    addresses = np.full(3, GUARD)
    call(batches.place_arrays, addresses, np.array([0, 64, 192]), 10_000, 256, 3)
    assert_array_equal(addresses, [10_768, 10_832, 10_960])
