"""The density of a mixture of Gaussians, against SciPy and central differences."""

import numpy as np
import pytest
from scipy.stats import norm

from skrnn.estimators.tasks._mixture import MixtureOfGaussians
from skrnn.kernels.mixtures import SMALLEST_SCALE


def problem(n_components, n_targets):
    rng, loss = np.random.default_rng(0), MixtureOfGaussians(n_components)
    return loss, rng.normal(size=(7, loss.n_raw(n_targets))), rng.normal(size=(7, n_targets)), rng.uniform(1, 2, 7)


@pytest.mark.parametrize(("n_components", "n_targets"), [(1, 1), (3, 2), (2, 4)])
def test_the_loss_is_minus_the_log_density(n_components, n_targets):
    loss, raw, y, weight = problem(n_components, n_targets)
    C, expected = n_components, 0.0
    for r, target, w in zip(raw, y, weight, strict=True):
        shares = np.exp(r[:C]) / np.exp(r[:C]).sum()
        means, scales = (part.reshape(C, n_targets) for part in np.split(r[C:], 2))
        density = norm.pdf(target, means, SMALLEST_SCALE + np.log1p(np.exp(scales))).prod(axis=1)
        expected -= w * np.log(shares @ density)
    value = loss.value_and_gradient(raw, raw.shape[1], y, weight, np.empty_like(raw))
    assert value == pytest.approx(expected, rel=1e-12)
    assert -(weight * loss.log_density(raw, y)).sum() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("n_components", "n_targets"), [(1, 1), (3, 2)])
def test_the_gradient_is_that_of_central_differences(n_components, n_targets):
    loss, raw, y, weight = problem(n_components, n_targets)
    d_raw, K = np.empty_like(raw), raw.shape[1]
    loss.value_and_gradient(raw, K, y, weight, d_raw)
    for place in np.ndindex(raw.shape):
        shift = np.zeros_like(raw)
        shift[place] = 1e-5
        up, down = (loss.value_and_gradient(raw + s * shift, K, y, weight, np.empty_like(raw)) for s in (1, -1))
        assert d_raw[place] == pytest.approx((up - down) / 2e-5, rel=1e-6, abs=1e-8)


def test_far_targets_and_narrow_components_stay_finite():
    loss, y = MixtureOfGaussians(2), np.array([[1e4], [0.0]], np.float32)
    raw = np.array([[800, -800, 0, 0, -100, -100], [-800, 800, 0, 5, -100, 100]], np.float32)
    d_raw = np.empty_like(raw)
    assert np.isfinite(loss.value_and_gradient(raw, 6, y, np.ones(2, np.float32), d_raw))
    assert np.isfinite(d_raw).all()


def test_training_starts_from_the_spread_of_the_targets():
    y = np.random.default_rng(0).normal(5, 2, size=(1000, 1))
    raw = MixtureOfGaussians(1).initial_raw(y, np.ones(1000))
    assert raw[1] == pytest.approx(y.mean())
    assert np.log1p(np.exp(raw[2])) == pytest.approx(y.std())
