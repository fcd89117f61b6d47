"""Labels without alignment: against sums over all paths, plain forward and backward sums, PyTorch, and differences."""

import itertools

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, logsumexp

from skrnn.kernels import ctc
from skrnn.kernels.batches import N_COUNTS, plan_steps
from skrnn.network.codes import padded
from skrnn.network.paths import alignment, best_paths, log_probabilities, most_probable

TOLERANCE = {np.float32: 2e-6, np.float64: 1e-11}
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
TINY = [(1, 2), (2, 3), (4, 3), (5, 2), (3, 4)]  # steps, symbols


def spelled(path, blank):
    return tuple(k for k, _ in itertools.groupby(path) if k != blank)


def all_paths(raw):
    """For all labels that some path spells: log of the sum over their paths, and the best of these."""
    log_p, blank = log_softmax(raw, axis=1), raw.shape[1] - 1
    sums, best = {}, {}
    for path in itertools.product(range(blank + 1), repeat=len(raw)):
        labels, value = spelled(path, blank), log_p[np.arange(len(raw)), path].sum()
        sums[labels] = np.logaddexp(sums.get(labels, -np.inf), value)
        best[labels] = max(best.get(labels, (-np.inf, path)), (value, path), key=lambda both: both[0])
    return sums, {labels: path for labels, (_, path) in best.items()}


def forward_backward(raw, labels):
    """-log p of labels and its slopes, by the sums of Graves et al. (2006), in logarithms."""
    log_p, blank = log_softmax(raw.astype(float), axis=1), raw.shape[1] - 1
    states = [blank, *itertools.chain.from_iterable((k, blank) for k in labels)]
    T, S = len(raw), len(states)

    def sums(log_p, states):
        alpha = np.full((T, S), -np.inf)
        alpha[0, :2] = log_p[0, states[:2]]
        for t, s in itertools.product(range(1, T), range(S)):
            skips = s > 1 and states[s] not in (blank, states[s - 2])
            before = alpha[t - 1, max(0, s - 1 - skips) : s + 1]
            alpha[t, s] = logsumexp(before) + log_p[t, states[s]]
        return alpha

    alpha, beta = sums(log_p, states), sums(log_p[::-1], states[::-1])[::-1, ::-1]
    total = logsumexp(alpha[-1, -2:])
    slopes = np.exp(log_p)
    for t, s in itertools.product(range(T), range(S)):
        slopes[t, states[s]] -= np.exp(alpha[t, s] + beta[t, s] - log_p[t, states[s]] - total)
    return -total, slopes


def loss_of_shard(raws, labels, weights=None, dtype=np.float64):
    """Loss, and the slopes of each sequence; longest first. All around what counts is NaN."""
    lengths, K = np.array([len(raw) for raw in raws]), raws[0].shape[1]
    starts = np.empty(lengths[0] + 2, np.int64)
    call(plan_steps, lengths, starts, np.zeros(N_COUNTS, np.int64))
    rows = [starts[1 : T + 1] - starts[1] + n for n, T in enumerate(lengths)]
    raw = np.full((lengths.sum() + 2, K + 3), np.nan, dtype)
    for row, given in zip(rows, raws, strict=True):
        raw[row, :K] = given
    numbers = np.random.default_rng(0).permutation(len(raws))  # of the sequences among all targets
    targets, of_all = padded([labels[n] for n in np.argsort(numbers)]).astype(dtype), np.ones(len(raws))
    of_all[numbers] = 1.0 if weights is None else weights
    scratch = ctc.Scratch.of(lengths[0] + 1, targets.shape[1], K)
    for array in scratch:
        array[...] = -7 if array.dtype == np.int64 else np.nan
    d_raw = np.full_like(raw, np.nan)
    what = starts, numbers, targets, of_all, 2.0, tuple(scratch), d_raw
    value = call(ctc.loss, raw, K, *what, returns=np.float64)
    assert np.isnan(d_raw[lengths.sum() :]).all()
    assert np.isnan(d_raw[:, K:]).all()
    return 2 * value, [2 * d_raw[row, :K] for row in rows]


def some_shard(seed, n=5, longest=12, K=4, scale=1.0):
    rng = np.random.default_rng(seed)
    lengths = np.sort(rng.integers(1, longest + 1, n))[::-1]
    raws = [scale * rng.normal(size=(T, K)) for T in lengths]
    labels = [rng.integers(K - 1, size=rng.integers(0, max(1, T // 2 + 1))) for T in lengths]
    return raws, labels


@pytest.mark.small
@pytest.mark.parametrize(("T", "K"), TINY[:3])
def test_sums_over_all_paths(T, K):
    """Also of the best path; and what no path spells has probability 0."""
    raw = 2 * np.random.default_rng(T).normal(size=(T, K))
    sums, best = all_paths(raw)
    targets = padded([*sums, (0, 0, 0, 1, 0, 1)])
    begins, lengths = np.zeros(len(targets), np.int64), np.full(len(targets), T)
    assert_allclose(log_probabilities(raw, begins, lengths, targets), [*sums.values(), -np.inf], rtol=1e-12, atol=1e-13)
    for steps, path in zip(alignment(raw, begins, lengths, targets), best.values(), strict=False):
        first = [t for t in range(T) if path[t] < K - 1 and (t == 0 or path[t] != path[t - 1])]
        assert steps.tolist() == first
    assert logsumexp([*sums.values()]) == pytest.approx(0, abs=1e-12)


@each_dtype
@pytest.mark.parametrize("seed", range(5))
def test_loss_and_slopes_of_shards(seed, dtype):
    raws, labels = some_shard(seed, n=1 + seed, K=2 + 5 * seed, scale=3.0)
    weights = np.random.default_rng(seed).uniform(0.5, 2, len(raws))
    value, slopes = loss_of_shard([raw.astype(dtype) for raw in raws], labels, weights, dtype)
    expected = [forward_backward(raw.astype(dtype), row) for raw, row in zip(raws, labels, strict=True)]
    assert_allclose(value, weights @ [loss for loss, _ in expected], rtol=1e-6 if dtype == np.float32 else 1e-12)
    for slope, (_, right), weight in zip(slopes, expected, weights, strict=True):
        assert_allclose(slope, weight * right, atol=4 * TOLERANCE[dtype])


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_equals_pytorch(scale):
    torch = pytest.importorskip("torch")
    for seed in range(10):
        raws, labels = some_shard(seed, scale=scale)
        value, slopes = loss_of_shard(raws, labels)
        total = 0.0
        for raw, row, slope in zip(raws, labels, slopes, strict=True):
            x = torch.tensor(raw, requires_grad=True)
            sizes = torch.tensor([len(raw)]), torch.tensor([len(row)])
            log_p, target = torch.log_softmax(x, 1)[:, None], torch.tensor(row[np.newaxis])
            of_row = torch.nn.functional.ctc_loss(log_p, target, *sizes, blank=raw.shape[1] - 1, reduction="sum")
            of_row.backward()
            total += of_row.item()
            assert_allclose(slope, x.grad.numpy(), atol=1e-10)
        assert_allclose(value, total, rtol=1e-10)


def test_slopes_are_central_differences():
    raws, labels = some_shard(3)
    _, slopes = loss_of_shard(raws, labels)
    rng, step = np.random.default_rng(1), 1e-5
    along = [rng.normal(size=raw.shape) for raw in raws]
    values = [
        loss_of_shard([raw + sign * step * a for raw, a in zip(raws, along, strict=True)], labels)[0]
        for sign in (-1, 1)
    ]
    slope = sum((a * b).sum() for a, b in zip(along, slopes, strict=True))
    assert_allclose((values[1] - values[0]) / (2 * step), slope, rtol=1e-8)


@pytest.mark.small
@each_dtype
def test_a_sure_network_has_the_slopes_of_what_it_is_sure_of(dtype):
    """No difference of infinities, and no sum of 0, however small the probability of the labels is."""
    for scale in (50, 1e3, 1e5):
        raw = np.zeros((6, 3), dtype)
        raw[np.arange(6), [0, 2, 1, 1, 2, 0]] = scale
        value, (right, wrong) = loss_of_shard([raw, raw], [[0, 1, 0], [1, 1]], dtype=dtype)
        assert np.abs(right).max() < 1e-12
        expected, slopes = forward_backward(raw, [1, 1])
        assert_allclose(value, expected, rtol=1e-6)
        assert_allclose(wrong, slopes, atol=1e-6)


@pytest.mark.small
@each_dtype
def test_empty_targets(dtype):
    """Blanks only: the loss is that of a classifier."""
    raw = np.random.default_rng(0).normal(size=(7, 3)).astype(dtype)
    value, (slopes,) = loss_of_shard([raw], [[]], dtype=dtype)
    log_p = log_softmax(raw.astype(float), axis=1)
    assert_allclose(value, -log_p[:, 2].sum(), rtol=1e-6)
    assert_allclose(slopes, np.exp(log_p) - [0, 0, 1], atol=TOLERANCE[dtype])


@pytest.mark.small
def test_labels_without_a_path_and_sequences_without_a_weight():
    raws = [np.zeros((3, 3)), np.ones((2, 3))]
    value, slopes = loss_of_shard(raws, [[0, 1], [1, 1]])
    assert value == np.inf
    assert_array_equal(slopes[1], 0)
    value, slopes = loss_of_shard(raws, [[0, 1], [1, 1]], [1.0, 0.0])
    assert_allclose(value, forward_backward(raws[0], [0, 1])[0])
    assert_array_equal(slopes[1], 0)
    assert np.abs(slopes[0]).min() > 0


@pytest.mark.small
@each_dtype
def test_nan_reaches_its_sequence_only(dtype):
    raws, labels = some_shard(4, n=3, longest=9)
    raws[1][0, 1] = np.nan
    with np.errstate(over="ignore", invalid="ignore"):  # of kernels that run in NumPy
        value, slopes = loss_of_shard([raw.astype(dtype) for raw in raws], labels, dtype=dtype)
    assert np.isnan(value)
    assert np.isnan(slopes[1]).all()
    assert np.isfinite(np.concatenate([slopes[0], slopes[2]])).all()


@each_dtype
def test_no_bit_depends_on_the_other_sequences(dtype):
    raws, labels = some_shard(5, n=6, longest=30)
    raws = [raw.astype(dtype) for raw in raws]
    _, slopes = loss_of_shard(raws, labels, dtype=dtype)
    for raw, row, slope in zip(raws, labels, slopes, strict=True):
        assert_array_equal(loss_of_shard([raw], [row], dtype=dtype)[1][0], slope)


def test_thousands_of_steps():
    """Where all probabilities are equal the sum is a number of paths: of one label, the places of its run."""
    T, K = 5000, 3
    raw = np.zeros((T, K), np.float32)
    value, (slopes,) = loss_of_shard([raw], [[1]], dtype=np.float32)
    assert_allclose(value, T * np.log(K) - np.log(T * (T + 1) / 2), rtol=1e-12)
    assert_allclose(slopes.sum(axis=1), 0, atol=1e-6)
    # A path is in its label at step t if the run begins before and ends behind.
    t = np.arange(T)
    assert_allclose(slopes[:, 1], 1 / K - 2 * (t + 1) * (T - t) / (T * (T + 1)), atol=1e-6)


# ------------------------------------------------------------------------------------------------------------- search
@pytest.mark.parametrize(("T", "K"), TINY)
def test_a_beam_without_bound_finds_all(T, K):
    raw = 1.5 * np.random.default_rng(T + 1).normal(size=(T, K))
    sums, _ = all_paths(raw)
    (found,) = most_probable(raw, np.zeros(1, np.int64), np.array([T]), width=400)
    assert len(found) == len(sums)
    assert_allclose([log_p for _, log_p in found], sorted(sums.values(), reverse=True), atol=1e-12)
    for labels, log_p in found:
        assert_allclose(log_p, sums[tuple(labels.tolist())], atol=1e-12)


@pytest.mark.parametrize("width", [1, 2, 7])
def test_a_beam_is_never_worse_than_the_best_path(width):
    rng = np.random.default_rng(width)
    lengths = rng.integers(1, 40, 60)
    raw = 1.5 * rng.normal(size=(lengths.sum(), 4)).astype(np.float32)
    begins = np.cumsum(lengths) - lengths
    paths = best_paths(raw, begins)
    of_paths = log_probabilities(raw, begins, lengths, padded(paths))
    found = most_probable(raw, begins, lengths, width)
    assert all(of_sequence[0][1] >= other for of_sequence, other in zip(found, of_paths, strict=True))
    first = padded([of_sequence[0][0] for of_sequence in found])
    scores = log_probabilities(raw, begins, lengths, first)
    assert_array_equal(scores, [of_sequence[0][1] for of_sequence in found])
    assert any(of_sequence[0][1] > other for of_sequence, other in zip(found, of_paths, strict=True)) or width == 1


@pytest.mark.small
def test_best_paths_merge_neighbours_of_one_sequence_only():
    symbols = [0, 0, 2, 0, 1, 1, 1, 2, 2, 2]  # 2 is the blank
    raw = np.eye(3)[symbols]
    paths = best_paths(raw, np.array([0, 5, 7, 9]))
    assert [path.tolist() for path in paths] == [[0, 0, 1], [1], [], []]


@pytest.mark.small
def test_ties_are_broken_by_order():
    """Of four equal prefixes the empty one and the first two stay; the empty one is as good as what is longer."""
    (found,) = most_probable(np.zeros((2, 4)), np.zeros(1, np.int64), np.array([2]), width=3)
    assert [labels.tolist() for labels, _ in found] == [[0], [1], []]
