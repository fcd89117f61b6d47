"""How long to train and how strong the penalty is, where these are "auto": what the data are decides."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier, RNNRegressor
from skrnn.estimators._amount import Amount, n_epochs_of, penalty_of
from skrnn.estimators._noise import MOST_SAMPLES, WINDOW, share_of_noise
from skrnn.losses import Normal
from skrnn.network.data import Data
from skrnn.sequences._layout import offsets_of

RNG = np.random.default_rng(0)
WAVE = np.sin(0.2 * np.arange(400))
WINDOWS, NEXT = np.array([WAVE[k : k + 12, np.newaxis] for k in range(380)]), WAVE[12:392]
QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}


class Auto:
    """Parameters that are all "auto"."""

    max_iter = alpha = "auto"


def epochs(n_sequences, n_targets=1.0, n_codes=0, batch_size=64):
    return n_epochs_of(Auto, Amount(n_sequences, n_targets, n_codes), batch_size)


def data_of(X, y, per_step=False, weight=None, dtype=np.float64):
    """`Data` of sequences and their targets."""
    y = np.concatenate(y) if per_step else np.asarray(y)
    offsets = offsets_of(np.array([len(x) for x in X]))
    return Data(np.concatenate(X).astype(dtype), offsets, y.reshape(len(y), -1), weight)


# ------------------------------------------------------------------------------------------------------- how long
def test_epochs_make_1500_updates_within_bounds():
    assert epochs(64 * 50) == 30
    assert (epochs(64), epochs(10**6)) == (200, 20)


def test_many_targets_of_a_sequence_take_fewer_epochs():
    found = [epochs(16 * 5, n_targets, batch_size=16) for n_targets in (1, 16, 200)]
    assert found == [200, 100, 53]
    assert epochs(10**6, 16) == 20


def test_words_take_few_epochs_and_letters_do_not():
    assert (epochs(64 * 86, n_codes=60), epochs(64 * 86, n_codes=8000)) == (20, 5)
    assert (epochs(200, n_codes=8000, batch_size=16), epochs(64 * 10, n_codes=8000)) == (16, 20)
    assert (epochs(64 * 70, 11.0, n_codes=1000), epochs(64 * 70, 11.0, n_codes=999)) == (10, 20)


def test_a_number_of_epochs_is_that_number():
    class Given:
        max_iter = 7

    assert n_epochs_of(Given, Amount(10**6, 1.0), 64) == 7


def test_fits_count_labelled_steps():
    X = [RNG.normal(size=(16, 1)) for _ in range(8)]
    of_steps = RNNClassifier(2, random_state=0).fit(X, [np.arange(16) % 2] * 8)
    assert (of_steps.n_iter_, RNNClassifier(2, random_state=0).fit(X, np.arange(8) % 2).n_iter_) == (100, 200)


# ------------------------------------------------------------------------------------------------------ the noise
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_of_the_noise_is_found(share):
    x = RNG.uniform(-1, 1, size=900)
    X, noise = x.reshape(-1, 1, 1), RNG.normal(size=900)
    y = np.sqrt(1 - share) * x / x.std() + np.sqrt(share) * noise / noise.std()
    found = share_of_noise(data_of(list(X), y), np.arange(900), 1)
    assert abs(found - share) < 0.2 * share + 0.02
    rolled = share_of_noise(data_of(list(X), y), np.arange(900)[::-1].copy(), 1)
    assert abs(found - rolled) <= 0.02  # of equal distances another neighbour may be the nearest


def test_what_is_determined_has_no_noise_and_what_is_noise_is_all_noise():
    assert share_of_noise(data_of(list(WINDOWS), NEXT), np.arange(380), 1) < 1e-3
    noise = data_of(list(RNG.normal(size=(300, 12, 3))), RNG.normal(size=300))
    assert share_of_noise(noise, np.arange(300), 3) > 0.8


def test_against_every_pair_of_samples():
    X = [RNG.normal(size=(n, 2)) for n in RNG.integers(1, 14, size=60)]
    y = RNG.normal(size=(60, 2))
    rows = np.flatnonzero(RNG.random(60) < 0.7)
    windows = np.array([x[np.maximum(np.arange(-WINDOW, 0) + len(x), 0)].ravel() for x in X])[rows]
    distances = np.square(windows[:, np.newaxis] - windows).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    y_of, y_near = y[rows], y[rows][distances.argmin(axis=1)]
    expected = min(1.0, (0.5 * np.square(y_of - y_near).mean(axis=0) / y_of.var(axis=0)).mean())
    assert share_of_noise(data_of(X, y), rows, 2) == float(f"{expected:.2g}")


def test_steps_with_targets_are_samples_and_those_without_weight_are_not():
    wave = [np.sin(0.3 * (np.arange(60) + k))[:, np.newaxis] for k in range(5)]
    y = [np.append(x[1:, 0], 0.0) for x in wave]
    weight = np.ones(300)
    weight[59::60] = 0  # of the last steps, whose next one is not known
    y = [np.where(np.arange(60) == 59, 1e6, values) for values in y]
    data = data_of(wave, y, per_step=True, weight=weight)
    assert share_of_noise(data, np.arange(5), 1) < 0.01


@pytest.mark.parametrize("y", [np.ones(50), np.arange(1.0)])
def test_where_nothing_can_be_said_all_may_be_noise(y):
    X = list(RNG.normal(size=(len(y), 5, 1)))
    assert share_of_noise(data_of(X, y), np.arange(len(y)), 1) == 1.0


def test_many_samples_and_channels_are_thinned_out():
    n = 3 * MOST_SAMPLES
    x = np.sort(RNG.uniform(size=n))
    assert share_of_noise(data_of(list(x.reshape(-1, 1, 1)), x), np.arange(n), 1) < 0.01
    wide = data_of(list(np.repeat(x[:800], 100).reshape(800, 1, 100)), x[:800])
    assert share_of_noise(wide, np.arange(800), 100) < 0.01


# ---------------------------------------------------------------------------------------------------- the penalty
def test_the_penalty_falls_with_the_noise():
    assert penalty_of(Auto, lambda: 1.0) == penalty_of(Auto, lambda: 0.2) == 3e-3
    assert penalty_of(Auto, lambda: 0.015) == pytest.approx(3e-4)

    class Given:
        alpha = 0.5

    assert penalty_of(Given, lambda: pytest.fail("it is not asked for")) == 0.5


def test_a_regressor_of_noise_has_the_strongest_penalty():
    X, y = RNG.normal(size=(60, 5, 2)), RNG.normal(size=60)
    auto, strong = (RNNRegressor(**QUICK, alpha=alpha).fit(X, y) for alpha in ("auto", 3e-3))
    for name, weight in auto.weights_.items():
        assert_array_equal(weight, strong.weights_[name])


def test_a_regressor_without_noise_has_next_to_none():
    def distance(alpha):
        found, free = (RNNRegressor(**QUICK, alpha=a, differences=False).fit(WINDOWS, NEXT) for a in (alpha, 0.0))
        return max(np.abs(found.weights_[name] - weight).max() for name, weight in free.weights_.items())

    assert distance("auto") < 0.1 * distance(3e-3)


@pytest.mark.parametrize("options", [{"loss": Normal()}, {"missing": "mask"}])
def test_other_losses_and_inputs_have_the_strongest_penalty(options):
    quick = QUICK | {"differences": False} | options
    auto, strong = (RNNRegressor(**quick, alpha=alpha).fit(WINDOWS, NEXT) for alpha in ("auto", 3e-3))
    for name, weight in auto.weights_.items():
        assert_array_equal(weight, strong.weights_[name])


def test_partial_fit_has_the_strongest_penalty():
    auto, strong = (RNNRegressor(4, random_state=0, alpha=alpha).partial_fit(WINDOWS, NEXT) for alpha in ("auto", 3e-3))
    for name, weight in auto.weights_.items():
        assert_array_equal(weight, strong.weights_[name])
