"""How long to train and how strong the penalty is, where these are "auto": what the data are decides."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.estimators import _noise, _start
from skrnn.estimators._amount import Amount, n_epochs_of, penalty_of
from skrnn.estimators._neighbours import MOST_SAMPLES, Neighbours
from skrnn.estimators._noise import share_of_noise
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


def epochs(n_sequences, n_targets=1.0, n_tokens=0, batch_size=64):
    return n_epochs_of(Auto, Amount(n_sequences, n_targets, n_tokens), batch_size)


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
    assert (epochs(64 * 86, n_tokens=60), epochs(64 * 86, n_tokens=8000)) == (20, 5)
    assert (epochs(200, n_tokens=8000, batch_size=16), epochs(64 * 10, n_tokens=8000)) == (16, 20)
    assert (epochs(64 * 70, 11.0, n_tokens=1000), epochs(64 * 70, 11.0, n_tokens=999)) == (10, 20)


def test_a_number_of_epochs_is_that_number():
    class Given:
        max_iter = 7

    assert n_epochs_of(Given, Amount(10**6, 1.0), 64) == 7


def test_fits_count_labelled_steps():
    X = [RNG.normal(size=(16, 1)) for _ in range(8)]
    of_steps = RNNClassifier(2, random_state=0).fit(X, [np.arange(16) % 2] * 8)
    assert (of_steps.n_iter_, RNNClassifier(2, random_state=0).fit(X, np.arange(8) % 2).n_iter_) == (100, 200)


WORDS = [[f"w{k}" for k in row] for row in RNG.permutation(1200).reshape(150, 8)]
SHOPS = [np.array([[float(k)] for k in row]) for row in RNG.permutation(1200).reshape(150, 8)]


@pytest.mark.parametrize(
    ("estimator", "X", "amount"),
    [
        (RNNClassifier(), WORDS, Amount(150, 1.0, 1200)),
        (RNNRegressor(), WORDS, Amount(150, 1.0, 1200)),
        (RNNClassifier(categorical_features=[0]), SHOPS, Amount(150, 1.0, 0)),
        (RNNClassifier(solver="lbfgs"), WORDS, Amount(150)),
        (SequenceTransformer(), WORDS, Amount(150)),
        (SequenceTransformer(objective="supervised"), WORDS, Amount(150)),
    ],
)
@pytest.mark.filterwarnings("ignore:Maximum number")
def test_whose_targets_and_tokens_count(estimator, X, amount, monkeypatch):
    seen, settings_of = [], _start.settings_of
    monkeypatch.setattr(_start, "settings_of", lambda *args: seen.append(args[1]) or settings_of(*args))
    estimator.set_params(hidden_layer_sizes=1, embedding_dim=1, max_iter=1, random_state=0).fit(X, np.arange(150) % 2)
    assert seen == [amount]


# ------------------------------------------------------------------------------------------------------ the noise
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_share_of_the_noise_is_found(share):
    x = RNG.uniform(-1, 1, size=900)
    X, noise = x.reshape(-1, 1, 1), RNG.normal(size=900)
    y = np.sqrt(1 - share) * x / x.std() + np.sqrt(share) * noise / noise.std()
    found = share_of_noise(Neighbours(data_of(list(X), y), np.arange(900), 1))
    assert abs(found - share) < 0.2 * share + 0.02


def test_what_is_determined_has_no_noise_and_what_is_noise_is_all_noise():
    assert share_of_noise(Neighbours(data_of(list(WINDOWS), NEXT), np.arange(380), 1)) < 1e-3
    noise = data_of(list(RNG.normal(size=(300, 12, 3))), RNG.normal(size=300))
    assert share_of_noise(Neighbours(noise, np.arange(300), 3)) > 0.8


@pytest.mark.parametrize("longest", [8, 13, 40])
@pytest.mark.parametrize("kind", ["numbers", "ties"])
def test_against_every_pair_of_samples(kind, longest):
    """Obviously: for each sample the mean over those as near as the nearest, at least so many rows away."""
    lengths = RNG.integers(1, longest + 1, size=90)
    X = [RNG.normal(size=(n, 2)) for n in lengths]
    y, weight = RNG.normal(size=(90, 2)), RNG.integers(0, 3, size=90).astype(float)
    if kind == "ties":
        X = [np.sign(x[:2]) for x in X]
        y = np.round(y)
    rows = np.flatnonzero(RNG.random(90) < 0.9)
    sampled = rows[weight[rows] > 0]
    of_steps = _noise.WINDOWS if longest > _noise.WINDOWS[0] else _noise.WINDOWS[:1]
    shares, n_near = zip(*(share_by_pairs(n, X, y, weight, sampled) for n in of_steps), strict=True)
    assert share_of_noise(Neighbours(data_of(X, y, weight=weight), rows, 2)) == pytest.approx(
        min(shares), rel=0.06
    )  # two digits
    assert (max(n_near) > 1) == (kind == "ties")


def share_by_pairs(n_steps, X, y, weight, sampled):
    """Share of the noise by windows of so many steps, and the largest number of samples that are equally near."""
    windows = np.array([x[np.maximum(np.arange(-n_steps, 0) + len(x), 0)].ravel() for x in X])
    apart = max(len(X[i]) for i in sampled)
    noises, n_near = [], []
    for i in sampled:
        far = [j for j in sampled if abs(i - j) >= apart]
        far = [j for j in far if not ((windows[i] == windows[j]).all() and (y[i] == y[j]).all())]
        distances = np.array([np.square(windows[i] - windows[j]).sum() for j in far])
        near = [j for j, d in zip(far, distances, strict=True) if np.isclose(d, distances.min(), rtol=1e-10, atol=0)]
        noises.append(np.mean([0.5 * np.square(y[i] - y[j]) for j in near], axis=0))
        n_near.append(len(near))
    weight, y = weight[sampled], y[sampled]
    noise, mean = np.average(noises, axis=0, weights=weight), np.average(y, axis=0, weights=weight)
    return min(1.0, (noise / np.average(np.square(y - mean), axis=0, weights=weight)).mean()), max(n_near)


def test_copies_are_no_neighbours():
    X, y = RNG.normal(size=(120, 5, 2)), RNG.normal(size=120)
    twice = data_of(list(np.concatenate([X, X])), np.concatenate([y, y]))
    assert share_of_noise(Neighbours(twice, np.arange(240), 2)) > 0.5


def test_windows_that_overlap_are_no_neighbours():
    """A smooth target that has nothing to do with X is all noise, though neighbours in time have almost equal ones."""
    smooth = [np.convolve(RNG.normal(size=1100), np.hanning(20), "valid") for _ in range(5)]
    X = np.array([np.stack(smooth[:4], axis=1)[k : k + 12] for k in range(900)])
    assert share_of_noise(Neighbours(data_of(list(X), smooth[4][12:912]), np.arange(900), 4)) > 0.15


@pytest.mark.parametrize("scale", [1e170, 1e-170])
def test_numbers_that_have_no_squares_say_nothing(scale):
    X, y = RNG.normal(size=(60, 5, 2)), RNG.normal(size=60)
    assert share_of_noise(Neighbours(data_of(list(X * 1e170), y), np.arange(60), 2)) == 1.0
    assert share_of_noise(Neighbours(data_of(list(X), y * 1e170), np.arange(60), 2)) == 1.0
    model = RNNRegressor(**QUICK, dtype="float64", standardize=False, differences=False, clip_norm=None)
    model.fit(X * min(scale, 1.0), y)


def test_steps_with_targets_are_samples_and_those_without_weight_are_not():
    wave = [np.sin(0.3 * (np.arange(60) + k))[:, np.newaxis] for k in range(5)]
    y = [np.append(x[1:, 0], 0.0) for x in wave]
    weight = np.ones(300)
    weight[59::60] = 0  # of the last steps, whose next one is not known
    y = [np.where(np.arange(60) == 59, 1e6, values) for values in y]
    data = data_of(wave, y, per_step=True, weight=weight)
    assert share_of_noise(Neighbours(data, np.arange(5), 1)) < 0.01


@pytest.mark.parametrize("y", [np.ones(50), np.arange(1.0)])
def test_where_nothing_can_be_said_all_may_be_noise(y):
    X = list(RNG.normal(size=(len(y), 5, 1)))
    assert share_of_noise(Neighbours(data_of(X, y), np.arange(len(y)), 1)) == 1.0


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 12345.678])
def test_targets_that_never_change_say_nothing_of_the_noise(constant):
    X, y = list(RNG.normal(size=(300, 12, 1))), RNG.normal(size=(300, 1))
    for weight in (None, RNG.uniform(0.1, 3, 300)):
        alone = share_of_noise(Neighbours(data_of(X, y, weight=weight), np.arange(300), 1))
        assert alone > 0.5
        beside = np.hstack([y, np.full((300, 3), constant)])
        assert share_of_noise(Neighbours(data_of(X, beside, weight=weight), np.arange(300), 1)) == pytest.approx(
            alone, rel=0.02
        )


def test_many_samples_and_channels_are_thinned_out():
    n = 3 * MOST_SAMPLES
    x = np.sort(RNG.uniform(size=n))
    assert share_of_noise(Neighbours(data_of(list(x.reshape(-1, 1, 1)), x), np.arange(n), 1)) < 0.01
    wide = data_of(list(np.repeat(x[:800], 100).reshape(800, 1, 100)), x[:800])
    assert share_of_noise(Neighbours(wide, np.arange(800), 100)) < 0.01


def test_noise_that_earlier_steps_explain_is_none():
    """The target is what the steps were before the last 8."""
    y, latest = RNG.normal(size=600), 0.1 * RNG.normal(size=(600, 8))
    whole = np.concatenate([np.repeat(y[:, np.newaxis], 6, axis=1), latest], axis=1)[:, :, np.newaxis]
    assert share_of_noise(Neighbours(data_of(list(whole[:, 6:]), y), np.arange(600), 1)) > 0.8
    assert share_of_noise(Neighbours(data_of(list(whole), y), np.arange(600), 1)) < 0.05


# ---------------------------------------------------------------------------------------------------- the penalty
def once():
    return 1.0


def test_the_penalty_falls_with_the_noise_and_grows_with_repeats():
    assert penalty_of(Auto, lambda: 1.0, once) == penalty_of(Auto, lambda: 0.2, once) == 3e-3
    assert penalty_of(Auto, lambda: 0.015, once) == pytest.approx(3e-4)
    assert penalty_of(Auto, lambda: 0.015, lambda: 4.0) == pytest.approx(12e-4)

    class Given:
        alpha = 0.5

    def asked():
        pytest.fail("it is not asked for")

    assert penalty_of(Given, asked, asked) == 0.5


def test_a_target_that_is_written_down_three_times_is_counted_once():
    X, y = RNG.normal(size=(400, 5, 2)), RNG.normal(size=400)
    y = np.stack([y, y, y], axis=1)
    auto, strong = (RNNRegressor(**QUICK, alpha=alpha).fit(X, y) for alpha in ("auto", 9e-3))
    for name, weight in auto.weights_.items():
        assert_array_equal(weight, strong.weights_[name])


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
