"""Losses of several numbers for each target: kernels against SciPy and plain loops, differences, links, estimators."""

import pickle

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import digamma, gammaln
from sklearn.base import clone

from skrnn import RNNRegressor, Seq2SeqRegressor
from skrnn.inspection import attribute
from skrnn.kernels import distributions as kernels
from skrnn.losses import (
    DISTRIBUTION_LOSSES,
    DistributionLoss,
    NegativeBinomial,
    Normal,
    Quantile,
    Quantiles,
    StudentT,
    _distributions,
)

pytestmark = pytest.mark.small
DTYPES = [np.float32, np.float64]
LOSSES = {
    "quantiles": Quantiles(),
    "two": Quantiles((0.2, 0.9)),
    "one": Quantiles((0.3,)),
    "nine": Quantiles(np.arange(1, 10) / 10),
    "normal": Normal(),
    "student_t": StudentT(),
    "negative_binomial": NegativeBinomial(),
    "exposed": NegativeBinomial(exposure=True),
}
ALL = pytest.mark.parametrize("name", LOSSES)


def softplus(s):
    return np.logaddexp(s, 0)


def draw(name, N=6, D=3, seed=0, dtype=np.float64):
    """Raw predictions, target and weights."""
    rng, loss = np.random.default_rng(seed), LOSSES[name]
    y = rng.normal(size=(N, D))
    if isinstance(loss, NegativeBinomial):
        y = rng.poisson(3, size=(N, D)).astype(float)
        y = np.concatenate([y, rng.uniform(0.2, 5, size=(N, D))], axis=1) if loss.exposure else y
    raw = 2 * rng.normal(size=(N, loss.n_raw(y.shape[1])))
    return raw.astype(dtype), y.astype(dtype), rng.uniform(0.5, 2, N).astype(dtype)


def slow(name, raw, y):
    """The loss of each row by SciPy, or number by number."""
    loss, D = LOSSES[name], y.shape[1]
    if isinstance(loss, Quantiles):
        levels, total = list(loss.quantiles), np.zeros(len(y))
        for n, d in np.ndindex(y.shape):
            own, middle = [raw[n, k * D + d] for k in range(len(levels))], len(levels) // 2
            for k, level in enumerate(levels):
                value = own[middle]
                value += sum(softplus(own[j]) for j in range(middle + 1, k + 1))
                value -= sum(softplus(own[j]) for j in range(k, middle))
                total[n] += max(level * (y[n, d] - value), (level - 1) * (y[n, d] - value))
        return total
    if isinstance(loss, NegativeBinomial):
        y, exposure = np.split(y, 2, axis=1) if loss.exposure else (y, 1.0)
        t, s = np.split(raw, 2, axis=1)
        mean, r = exposure * (1e-6 + softplus(t)), 1 / (1e-4 + softplus(s))
        return -stats.nbinom.logpmf(y, r, r / (r + mean)).sum(axis=1)
    if name == "normal":
        return -stats.norm.logpdf(y, raw[:, :D], 1e-3 + softplus(raw[:, D:])).sum(axis=1)
    location, s, f = np.split(raw, 3, axis=1)
    return -stats.t.logpdf(y, 2 + softplus(f), location, 1e-3 + softplus(s)).sum(axis=1)


def run(loss, raw, y, weight):
    """With guards around what may be written."""
    N, K = raw.shape
    wide, d_raw = np.full((N + 1, K + 2), np.nan, raw.dtype), np.full((N + 1, K + 2), -77, raw.dtype)
    wide[:N, :K] = raw
    value = loss.value_and_gradient(wide, K, y, weight, d_raw)
    assert (d_raw[N:] == -77).all()
    assert (d_raw[:, K:] == -77).all()
    return value, d_raw[:N, :K]


# --------------------------------------------------------------------------------------------------------- kernels
@ALL
@pytest.mark.parametrize(("N", "D"), [(1, 1), (6, 3), (3, 17)])
def test_equals_a_slow_version(name, N, D):
    raw, y, weight = draw(name, N, D)
    assert run(LOSSES[name], raw, y, weight)[0] == pytest.approx(weight @ slow(name, raw, y), rel=1e-11)


@ALL
def test_gradient_equals_central_differences(name):
    raw, y, weight = draw(name)
    _, d_raw = run(LOSSES[name], raw, y, weight)
    numeric = ref.central_difference(lambda r: run(LOSSES[name], r, y, weight)[0], raw)
    assert_allclose(d_raw, numeric, rtol=2e-6, atol=1e-7)


@ALL
def test_single_precision(name):
    raw, y, weight = draw(name, dtype=np.float32)
    value, d_raw = run(LOSSES[name], raw, y, weight)
    assert d_raw.dtype == np.float32
    exact, slopes = run(LOSSES[name], raw.astype(float), y.astype(float), weight.astype(float))
    assert value == pytest.approx(exact, rel=1e-6)
    assert_allclose(d_raw, slopes, rtol=1e-5, atol=1e-6)


@ALL
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_raw_predictions_are_finite(name, dtype):
    raw, y, weight = draw(name, dtype=dtype)
    value, d_raw = run(LOSSES[name], 1e4 * np.sign(raw), y, weight)
    assert np.isfinite(value)
    assert np.isfinite(d_raw).all()


@ALL
def test_nan_is_seen_and_rows_stand_alone(name):
    raw, y, weight = draw(name)
    _, together = run(LOSSES[name], raw, y, weight)
    for n in range(len(raw)):
        assert_array_equal(run(LOSSES[name], raw[[n]], y[[n]], weight[[n]])[1][0], together[n])
    for k in range(raw.shape[1]):
        other = raw.copy()
        other[2, k] = np.nan
        assert np.isnan(run(LOSSES[name], other, y, weight)[0])


def test_special_functions():
    x = np.concatenate([10.0 ** np.arange(-8, 9), np.linspace(0.1, 30, 77)])
    assert_allclose([kernels._log_gamma(v) for v in x], gammaln(x), rtol=1e-13, atol=1e-13)
    assert_allclose([kernels._digamma(v) for v in x], digamma(x), rtol=1e-13, atol=1e-13)


def test_counts_stay_exact_with_hardly_any_dispersion():
    raw, y = np.array([[50.0, -100.0]]), np.array([[60.0]])
    value, d_raw = run(NegativeBinomial(), raw, y, np.ones(1))
    assert value == pytest.approx(-stats.poisson.logpmf(60, 50), rel=1e-3)
    assert abs(d_raw[0, 1]) < 1e-30
    mean, dispersion = NegativeBinomial().parts(np.full((1, 2), -1e4))
    assert mean > 0
    assert dispersion > 0


def test_floors_are_those_of_the_kernels():
    for name in ("SMALLEST_SCALE", "SMALLEST_MEAN", "SMALLEST_DISPERSION", "FEWEST_DEGREES", "MOST_DEGREES"):
        assert getattr(_distributions, name) == getattr(kernels, name)


# ----------------------------------------------------------------------------------------------- links and constants
def test_quantiles_never_cross():
    rng = np.random.default_rng(0)
    for levels in ((0.5,), (0.1, 0.9), (0.1, 0.5, 0.9), np.arange(1, 20) / 20):
        loss = Quantiles(levels)
        for spread in (0.1, 3, 100):
            raw = spread * rng.normal(size=(200, loss.n_raw(4)))
            found = np.stack(loss.parts(raw))
            assert (np.diff(found, axis=0) >= 0).all()
            assert_array_equal(loss.predict(raw), found[len(levels) // 2])


def test_parts_are_in_the_unit_of_the_target():
    raw, centre, scale = np.random.default_rng(0).normal(size=(5, 6)), np.array([3.0, -1]), np.array([10.0, 0.1])
    for (mean, deviation), (m, s) in [(Normal().parts(raw[:, :4], centre, scale), Normal().parts(raw[:, :4]))]:
        assert_allclose(mean, m * scale + centre)
        assert_allclose(deviation, s * scale)
    assert_array_equal(StudentT().parts(raw, centre, scale)[2], StudentT().parts(raw)[2])
    for own, plain in zip(Quantiles().parts(raw, centre, scale), Quantiles().parts(raw), strict=True):
        assert_allclose(own, plain * scale + centre)


def test_training_starts_from_the_best_constant():
    rng = np.random.default_rng(0)
    y, weight = np.stack([rng.normal(5, 2, 4000), rng.exponential(size=4000)], axis=1), rng.integers(0, 3, 4000)
    for levels in ((0.1, 0.5, 0.9), (0.25, 0.75), (0.4,)):
        found = Quantiles(levels).parts(Quantiles(levels).initial_raw(y, weight)[np.newaxis])
        for own, level in zip(found, levels, strict=True):
            assert_allclose(own[0], Quantile(level).initial_raw(y, weight), rtol=1e-9)
    mean, deviation = Normal().parts(Normal().initial_raw(y, weight)[np.newaxis])
    assert_allclose(mean[0], np.average(y, axis=0, weights=weight))
    assert_allclose(deviation[0] ** 2, np.average((y - mean) ** 2, axis=0, weights=weight))
    heavy = StudentT().initial_raw(3 + rng.standard_t(4, size=(4000, 1)), np.ones(4000))
    assert_allclose(StudentT().parts(heavy[np.newaxis])[:2], np.array([[[3.0]], [[1.0]]]), atol=0.1)
    counts = rng.negative_binomial(2, 2 / (2 + 6.0), size=(20000, 1)).astype(float)  # mean 6, dispersion 1/2
    raw = NegativeBinomial().initial_raw(counts, np.ones(20000))
    assert_allclose(NegativeBinomial().parts(raw[np.newaxis]), np.array([[[6.0]], [[0.5]]]), rtol=0.06)
    exposed = np.concatenate([counts, np.full_like(counts, 3.0)], axis=1)
    raw = NegativeBinomial(exposure=True).initial_raw(exposed, np.ones(20000))
    assert_allclose(NegativeBinomial().parts(raw[np.newaxis]), np.array([[[2.0]], [[0.5]]]), rtol=0.06)


@pytest.mark.parametrize("loss", [Quantiles(), Normal(), StudentT(), NegativeBinomial()])
def test_targets_that_are_all_equal(loss):
    raw = loss.initial_raw(np.zeros((5, 2)), np.ones(5), loss.n_raw(2))
    assert np.isfinite(raw).all()
    value, d_raw = run(loss, np.tile(raw, (5, 1)), np.zeros((5, 2)), np.ones(5))
    assert np.isfinite(value)
    assert np.isfinite(d_raw).all()


# ------------------------------------------------------------------------------------------------------- estimators
def test_registry():
    assert list(DISTRIBUTION_LOSSES) == ["quantiles", "normal", "student_t", "negative_binomial"]
    for cls, n in zip(DISTRIBUTION_LOSSES.values(), (3, 2, 3, 2), strict=True):
        assert isinstance(clone(cls()), DistributionLoss)
        assert cls().n_raw(7) == 7 * n
    assert NegativeBinomial(exposure=True).n_raw(8) == 8


@pytest.mark.parametrize(
    "quantiles", [0.5, "0.5", (), (0, 0.5), (0.5, 1.0), (0.9, 0.1), (0.5, 0.5), ("a",), (True,), (np.nan,), None]
)
def test_levels_that_are_none(quantiles):
    with pytest.raises(ValueError, match="quantiles must be rising numbers between 0 and 1, both excluded"):
        RNNRegressor(loss=Quantiles(quantiles)).fit(np.ones((4, 2, 1)), np.arange(4.0))


@pytest.mark.parametrize("name", DISTRIBUTION_LOSSES)
def test_networks_learn_and_are_restored(name):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3, 1))
    centre = 4 + X[:, -1]
    y = rng.poisson(np.exp(0.3 * centre)) if name == "negative_binomial" else centre + 0.1 * rng.normal(size=(200, 1))
    loss = DISTRIBUTION_LOSSES[name]()
    reg = RNNRegressor(8, "elman", bidirectional=False, loss=loss, max_iter=30, random_state=0)
    reg.fit(X, np.hstack([y, y]))
    assert reg.score(X, np.hstack([y, y])) > (0.1 if name == "negative_binomial" else 0.9)
    assert reg.predict(X).shape == (200, 2)
    assert_array_equal(pickle.loads(pickle.dumps(reg)).predict(X), reg.predict(X))


def test_what_is_refused():
    X = np.ones((4, 2, 1))
    for y in ([0, 1, -1, 2], [0, 1, 0.5, 2]):
        with pytest.raises(ValueError, match=r"needs counts, 0, 1, 2, ...; got (-1|0.5)"):
            RNNRegressor(loss=NegativeBinomial()).fit(X, y)
    with pytest.raises(ValueError, match="3 columns: expected as many exposures as counts"):
        RNNRegressor(loss=NegativeBinomial(exposure=True)).fit(X, np.ones((4, 3)))
    with pytest.raises(ValueError, match="Exposures must be positive"):
        RNNRegressor(loss=NegativeBinomial(exposure=True)).fit(X, np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"loss=Normal\(\) predicts several numbers for each target"):
        Seq2SeqRegressor(loss=Normal()).fit(X, [np.ones((2, 1))] * 4)
    reg = RNNRegressor(4, loss=Quantiles(), max_iter=2).fit(np.arange(18.0).reshape(9, 2, 1), np.arange(9.0))
    with pytest.raises(ValueError, match=r"loss=Quantiles\(\) predicts several numbers for each target"):
        attribute(reg, X)
