"""Sequences that are drawn anew in each epoch: against NumPy's interpolation, and what they may depend on."""

import numpy as np
import pytest

from skrnn.augmentation import Augmentation
from skrnn.kernels.augmentation import augment
from skrnn.network.data import Data
from skrnn.training.augmented import N_SPEEDS, Augmenter

pytestmark = pytest.mark.small


def sequences(lengths, C, rng, dtype=np.float64):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return Data(rng.normal(size=(offsets[-1], C)).astype(dtype), offsets)


def slow(x, speeds, window, factors, with_changes):
    """One sequence by NumPy: positions by the trapezoidal rule on the midpoints of steps, values by np.interp."""
    T, C = len(x), len(factors)
    if T == 1:
        return x * np.tile(factors, 2)[: x.shape[1]]
    middles = (np.arange(1, T) - 0.5) / (T - 1)
    gone = np.concatenate([[0], np.cumsum(np.interp(middles, np.linspace(0, 1, len(speeds)), speeds))])
    tau = (window[0] + (window[1] - window[0]) * gone / gone[-1]) * (T - 1)
    read = np.column_stack([np.interp(tau, np.arange(T), column) for column in x.T])
    read[:, :C] *= factors
    if with_changes:
        read[:, C:] *= factors * np.diff(tau, prepend=tau[0])[:, np.newaxis]
    return read


@pytest.mark.parametrize("with_changes", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernel_equals_interpolation_by_numpy(with_changes, dtype):
    rng = np.random.default_rng(0)
    lengths, C = [1, 2, 3, 17, 40], 3
    data = sequences(lengths, C * (1 + with_changes), rng, dtype)
    rows = np.array([4, 0, 1, 3])
    speeds, factors = rng.uniform(0.25, 4, (4, N_SPEEDS)), rng.uniform(0.5, 2, (4, C))
    windows = np.sort(rng.uniform(0, 1, (4, 2)), axis=1)
    out = data.values.copy()
    augment(data.values, data.begins, data.lengths, rows, speeds, windows, factors, out)
    for n, row in enumerate(rows):
        part = slice(data.offsets[row], data.offsets[row + 1])
        expected = slow(data.values[part].astype(float), speeds[n], windows[n], factors[n], with_changes)
        np.testing.assert_allclose(out[part], expected, atol=1e-12 if dtype == np.float64 else 1e-5)
    untouched = slice(data.offsets[2], data.offsets[3])
    np.testing.assert_array_equal(out[untouched], data.values[untouched])


def test_changes_of_a_straight_line_are_as_large_as_its_speed():
    """Behind a line come its changes per step, so that both tell the same of the sequence that is read."""
    T = 30
    data = Data(np.column_stack([np.arange(T, dtype=float), np.r_[0, np.ones(T - 1)]]), np.array([0, T]))
    augmenter = Augmenter(Augmentation(time_warp=3, crop=0.5), 1)
    changed = data.to_vary()
    data.vary(changed, np.array([0]), augmenter, 7, 0)
    line, changes = changed.values.T
    assert (changes[2:] > 0).all()
    assert changes[0] == 0
    np.testing.assert_allclose(np.diff(line)[1:], changes[2:], atol=1e-12)
    assert changes[2:].max() / changes[2:].min() > 1.2


@pytest.mark.parametrize(
    "how", [Augmentation(time_warp=1), Augmentation(time_warp=1, crop=1.0, scale=1)], ids=["defaults", "all"]
)
def test_nothing_changes_without_a_change(how):
    data = sequences([5, 1, 8], 2, np.random.default_rng(1))
    augmenter = Augmenter(how, 2)
    changed = data.to_vary()
    changed.values[:] = 7
    data.vary(changed, np.arange(3), augmenter, 3, 2)
    np.testing.assert_allclose(changed.values, data.values, atol=1e-12)


def test_draws_are_within_their_bounds_and_use_them():
    speeds, windows, factors = Augmenter(Augmentation(4.0, 0.6, 1.5), 3).drawn(np.arange(2000), 5, 1)
    assert speeds.shape == (2000, N_SPEEDS)
    assert factors.shape == (2000, 3)
    shares = windows[:, 1] - windows[:, 0]
    for drawn, low, high in ((speeds, 0.25, 4), (factors, 1 / 1.5, 1.5), (shares, 0.6, 1)):
        assert low * (1 - 1e-12) <= drawn.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < drawn.max() <= high * (1 + 1e-12)
    assert windows.min() >= 0
    assert windows.max() <= 1
    np.testing.assert_allclose(np.log(speeds).mean(), 0, atol=0.05)


def test_draws_depend_on_seed_epoch_and_sequence_alone():
    augmenter = Augmenter(Augmentation(2.0, 0.5, 2.0), 2)
    of_all = augmenter.drawn(np.arange(10), 1, 4)
    of_some = augmenter.drawn(np.array([7, 2]), 1, 4)
    for all_of_them, some in zip(of_all, of_some, strict=True):
        np.testing.assert_array_equal(all_of_them[[7, 2]], some)
    for other in (augmenter.drawn(np.arange(10), 1, 5), augmenter.drawn(np.arange(10), 2, 4)):
        assert all((a != b).any() for a, b in zip(of_all, other, strict=True))


def test_given_values_stay_as_they_are():
    data = sequences([6, 4], 1, np.random.default_rng(2))
    before = data.values.copy()
    augmenter = Augmenter(Augmentation(), 1)
    changed = data.to_vary()
    data.vary(changed, np.array([1]), augmenter, 0, 0)
    np.testing.assert_array_equal(data.values, before)
    np.testing.assert_array_equal(changed.values[:6], before[:6])
    assert (changed.values[6:] != before[6:]).any()
    assert changed.offsets is data.offsets
