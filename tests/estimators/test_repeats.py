"""How often the targets of a sequence say the same: of the targets of a sample, and of the steps of a sequence."""

import numpy as np
import pytest

from skrnn import RNNRegressor
from skrnn.estimators import _neighbours
from skrnn.estimators._neighbours import Neighbours
from skrnn.estimators._repeats import repeats_of_targets
from skrnn.network.data import Data
from skrnn.sequences._layout import offsets_of

RNG = np.random.default_rng(0)


def data_of(X, y, per_step=False, weight=None):
    """`Data` of sequences and their targets."""
    y = np.concatenate(y) if per_step else np.asarray(y)
    offsets = offsets_of(np.array([len(x) for x in X]))
    return Data(np.concatenate(X).astype(float), offsets, y.reshape(len(y), -1), weight)


# -------------------------------------------------------------------------------------------- targets of a sample
def targets_of(covariance, n=800):
    """Normal targets; nothing is read but them."""
    y = RNG.multivariate_normal(np.zeros(len(covariance)), covariance, size=n, method="cholesky")
    return data_of(list(np.zeros((n, 1, 1))), y)


@pytest.mark.parametrize("n", [20, 800])
def test_independent_targets_and_copies(n):
    y = RNG.normal(size=(n, 6))
    X, all_rows = list(np.zeros((n, 1, 1))), np.arange(n)
    assert repeats_of_targets(Neighbours(data_of(X, y), all_rows, 0)) < (1.4 if n > 100 else 2.0)
    assert repeats_of_targets(Neighbours(data_of(X, np.repeat(y[:, :1], 6, axis=1)), all_rows, 0)) == pytest.approx(
        6, rel=0.06
    )
    pairs = data_of(X, np.repeat(y[:, :3], 2, axis=1))
    assert repeats_of_targets(Neighbours(pairs, all_rows, 0)) == pytest.approx(2, rel=0.1 if n > 100 else 0.6)


def test_against_eigenvalues():
    covariance = 0.9 ** np.abs(np.subtract.outer(np.arange(12), np.arange(12))) * np.linspace(0.5, 2, 12)
    covariance = (covariance + covariance.T) / 2 + np.eye(12)
    e = np.linalg.eigvalsh(covariance)
    found = repeats_of_targets(Neighbours(targets_of(covariance), np.arange(800), 0))
    assert found == pytest.approx(12 * np.square(e).sum() / e.sum() ** 2, rel=0.1)


def test_weights_of_targets_that_say_the_same():
    y = RNG.normal(size=(400, 3))
    y[:200] = y[:200, :1]  # the first half says the same three times
    weight = np.repeat([1.0, 0.0], 200)
    data = data_of(list(np.zeros((400, 1, 1))), y, weight=weight)
    assert repeats_of_targets(Neighbours(data, np.arange(400), 0)) == pytest.approx(3, rel=0.06)
    assert (
        repeats_of_targets(Neighbours(data_of(list(np.zeros((400, 1, 1))), y, weight=weight[::-1]), np.arange(400), 0))
        < 1.2
    )


@pytest.mark.parametrize("constant", [0.0, 0.1, 12345.678])
def test_targets_that_never_change_are_not_counted(constant):
    y = RNG.normal(size=(200, 6))
    for n_varying in (1, 3):
        y[:, n_varying:] = constant
        assert repeats_of_targets(Neighbours(data_of(list(np.zeros((200, 1, 1))), y), np.arange(200), 0)) < 1.2


@pytest.mark.parametrize("n", [2, 3, 6, 12])
def test_few_samples_of_unrelated_targets_say_little_twice(n):
    """Two samples differ along one line whatever their targets are: that says nothing."""
    X = list(np.zeros((n, 1, 1)))
    found = [repeats_of_targets(Neighbours(data_of(X, RNG.normal(size=(n, 24))), np.arange(n), 0)) for _ in range(40)]
    assert np.median(found) < 1.5
    assert n > 2 or max(found) == 1.0


def test_targets_of_steps_that_say_the_same():
    steps = RNG.normal(size=(50, 10, 1))
    data = data_of(list(steps), list(np.repeat(steps, 4, axis=2).reshape(50, 10, 4)), per_step=True)
    assert repeats_of_targets(Neighbours(data, np.arange(50), 0)) == pytest.approx(4, rel=0.06)


@pytest.mark.parametrize("y", [np.ones((30, 2)), np.full((30, 2), 1e200) * RNG.normal(size=(30, 1)), np.ones((1, 2))])
def test_targets_of_which_nothing_can_be_said_say_nothing_twice(y):
    assert repeats_of_targets(Neighbours(data_of(list(np.zeros((len(y), 1, 1))), y), np.arange(len(y)), 0)) == 1.0


# ----------------------------------------------------------------------------------------- targets of the steps
def walks(share, n=60, T=100):
    """Steps that say nothing of a noise with this share of the whole sequence."""
    X = list(RNG.normal(size=(n, T, 1)))
    noise = np.sqrt(share) * RNG.normal(size=(n, 1)) + np.sqrt(1 - share) * RNG.normal(size=(n, T))
    return X, [np.sin(x[:, 0]) + e for x, e in zip(X, noise, strict=True)]


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_noise_of_whole_sequences(share):
    """Neighbours of the steps of a sequence are in others, so half of the variance is that of whole sequences."""
    found = repeats_of_targets(Neighbours(data_of(*walks(share), per_step=True), np.arange(60), 1))
    assert 1 + 0.3 * share * 99 < found < 1 + 1.3 * share * 99


@pytest.mark.parametrize("n_sequences", [1, 2, 60])
def test_independent_noise_of_steps(n_sequences):
    X, y = walks(0.0, n_sequences, 6000 // n_sequences)
    assert repeats_of_targets(Neighbours(data_of(X, y, per_step=True), np.arange(n_sequences), 1)) < 3.0


def test_a_series_that_is_its_own_target_has_independent_noise():
    """The values are alike from step to step, but what the steps before leave open is not."""
    X = [np.cumsum(RNG.normal(size=(101, 1)) * 0.1, axis=0) for _ in range(40)]
    data = data_of([x[:-1] for x in X], [x[1:, 0] for x in X], per_step=True)
    assert repeats_of_targets(Neighbours(data, np.arange(40), 1)) < 4.0


def test_steps_and_targets_multiply():
    X, y = walks(0.4)
    once = repeats_of_targets(Neighbours(data_of(X, y, per_step=True), np.arange(60), 1))
    both = data_of(X, [np.stack([one, one], axis=1) for one in y], per_step=True)
    assert repeats_of_targets(Neighbours(both, np.arange(60), 1)) == pytest.approx(2 * once, rel=0.1)


def test_steps_without_weight_are_none():
    X, y = walks(0.4)
    weight = (np.arange(6000) % 100 < 50).astype(float)
    half = data_of([x[:50] for x in X], [one[:50] for one in y], per_step=True)
    y = [np.where(np.arange(100) < 50, one, 1e9) for one in y]
    found = repeats_of_targets(Neighbours(data_of(X, y, per_step=True, weight=weight), np.arange(60), 1))
    assert found == pytest.approx(repeats_of_targets(Neighbours(half, np.arange(60), 1)), rel=0.1)


def test_weights_of_sequences_count_in_the_noise_of_steps():
    (X, y), (X_free, y_free) = walks(0.4), walks(0.0)
    for first, low, high in ((1.0, 1 + 0.3 * 0.4 * 99, 1 + 1.3 * 0.4 * 99), (1e-6, 1.0, 4.0)):
        weight = np.repeat([first, 1e-6 / first], 6000)
        found = repeats_of_targets(Neighbours(data_of(X + X_free, y + y_free, True, weight), np.arange(120), 1))
        assert low <= found < high


def test_the_noise_of_steps_cannot_be_told_without_numbers():
    assert repeats_of_targets(Neighbours(data_of(*walks(0.4), per_step=True), np.arange(60), 0)) == 1.0


@pytest.mark.parametrize("y", [1.0, 1e170])
def test_steps_of_which_nothing_can_be_said_say_nothing_twice(y):
    X = list(RNG.normal(size=(20, 10, 1)))
    y = [y * np.sign(x[:, 0]) * (y > 1) + y for x in X]
    assert repeats_of_targets(Neighbours(data_of(X, y, per_step=True), np.arange(20), 1)) == 1.0


def test_noise_and_repeats_share_a_comparison(monkeypatch):
    """Where steps have targets, both look at the neighbours by eight steps."""
    compared, compare = [], _neighbours.compare

    def counted(windows, *what):
        compared.append(windows.shape[1])
        compare(windows, *what)

    monkeypatch.setattr(_neighbours, "compare", counted)
    X = list(RNG.normal(size=(20, 40, 1)))
    RNNRegressor(2, max_iter=1, tol=None, random_state=0).fit(X, [x.cumsum() for x in X])
    assert sorted(compared) == [8, 32]
