"""Losses: kernels against the oracle and central differences, links, best constants."""

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, log_softmax, softmax
from sklearn.base import clone

from skrnn.losses import (
    REGRESSION_LOSSES,
    AbsoluteError,
    BaseLoss,
    BinomialLogLoss,
    Huber,
    MultinomialLogLoss,
    Poisson,
    Quantile,
    SquaredError,
)

pytestmark = pytest.mark.small
GUARD = -77.0
DTYPES = [np.float32, np.float64]
quick = settings(max_examples=5 if config.DISABLE_JIT else 30, deadline=None, database=None)
shapes = {"N": st.integers(1, 10), "K": st.integers(1, 40), "seed": st.integers(0, 2**32 - 1)}


def multinomial(raw, y):
    return ref.log_loss_multinomial(raw, y[:, 0].astype(int))


LOSSES = {
    "squared_error": (SquaredError(), ref.squared_error),
    "absolute_error": (AbsoluteError(), ref.absolute_error),
    "huber": (Huber(), ref.huber),
    "huber_0.5": (Huber(delta=0.5), partial(ref.huber, delta=0.5)),
    "quantile": (Quantile(), ref.quantile),
    "quantile_0.9": (Quantile(quantile=0.9), partial(ref.quantile, quantile=0.9)),
    "poisson": (Poisson(), ref.poisson),
    "binomial": (BinomialLogLoss(), ref.log_loss_multilabel),
    "multinomial": (MultinomialLogLoss(), multinomial),
}
SMOOTH = {"squared_error", "huber", "huber_0.5", "poisson", "binomial", "multinomial"}
ALL = pytest.mark.parametrize("name", LOSSES)


def draw_target(rng, name, N, K, dtype=np.float64):
    if name == "binomial":
        y = rng.integers(0, 2, (N, K))
    elif name == "multinomial":
        y = rng.integers(0, K, (N, 1))
    elif name == "poisson":
        y = rng.poisson(2, (N, K))
    else:
        y = rng.normal(size=(N, K))
    return y.astype(dtype)


def draw(name, N, K, seed, dtype=np.float64, scale=2.0):
    """Raw predictions with guards around them, target, weights."""
    rng = np.random.default_rng(seed)
    raw = np.full((N + 2, K + 3), np.nan, dtype)
    raw[:N, :K] = scale * rng.normal(size=(N, K))
    return raw, draw_target(rng, name, N, K, dtype), rng.uniform(0, 2, N).astype(dtype)


def run(loss, raw, K, y, weight):
    d_raw = np.full_like(raw, GUARD)
    value = loss.value_and_gradient(raw, K, y, weight, d_raw)
    assert isinstance(value, float)
    assert (d_raw[len(y) :] == GUARD).all()
    assert (d_raw[:, K:] == GUARD).all()
    return value, d_raw[: len(y), :K]


def value_at(loss, raw, y, weight):
    return run(loss, np.ascontiguousarray(raw), raw.shape[1], y, weight)[0]


def best_constant_cost(loss, c, y, weight):
    c = np.broadcast_to(c, (len(y), len(c)))
    return value_at(loss, c, y, weight)


# --------------------------------------------------------------------------------------------------------- kernels
@ALL
@given(**shapes)
@quick
def test_equals_the_oracle(name, N, K, seed):
    loss, oracle = LOSSES[name]
    raw, y, weight = draw(name, N, K, seed)
    value, d_raw = run(loss, raw, K, y, weight)
    expected, slope = oracle(raw[:N, :K], y)
    assert_allclose(value, weight @ expected, rtol=1e-13, atol=1e-13)
    assert_allclose(d_raw, weight[:, None] * slope, rtol=1e-13, atol=1e-13)


@ALL
@given(**shapes)
@quick
def test_single_precision(name, N, K, seed):
    loss, oracle = LOSSES[name]
    raw, y, weight = draw(name, N, K, seed, np.float32)
    value, d_raw = run(loss, raw, K, y, weight)
    assert d_raw.dtype == np.float32
    expected, slope = oracle(raw[:N, :K].astype(float), y.astype(float))
    assert_allclose(value, weight.astype(float) @ expected, rtol=1e-6, atol=1e-6 * K)
    assert_allclose(d_raw, weight[:, None] * slope, rtol=2e-6, atol=2e-6)


@ALL
def test_gradient_equals_central_differences(name):
    loss, _ = LOSSES[name]
    raw, y, weight = draw(name, 5, 3, 0)
    raw = raw[:5, :3].copy()
    _, d_raw = run(loss, raw, 3, y, weight)
    numeric = ref.central_difference(lambda r: value_at(loss, r, y, weight), raw)
    assert_allclose(d_raw, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["absolute_error", "huber", "quantile", "quantile_0.9", "squared_error"])
def test_no_slope_at_ties(name):
    y = np.random.default_rng(0).normal(size=(4, 20))
    value, d_raw = run(LOSSES[name][0], y.copy(), 20, y, np.ones(4))
    assert value == 0
    assert_array_equal(d_raw, 0)


@ALL
@pytest.mark.parametrize("dtype", DTYPES)
def test_large_raw_predictions_are_finite(name, dtype):
    loss, _ = LOSSES[name]
    for K in (1, 3, 20):
        raw, y, weight = draw(name, 6, K, 1, dtype)
        raw[:6, :K] = 1e4 * np.sign(raw[:6, :K])
        value, d_raw = run(loss, raw, K, y, np.minimum(weight, 1))
        assert np.isfinite(value)
        assert np.isfinite(d_raw).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_poisson_goes_on_along_its_tangent(dtype):
    raw, y, weight = np.array([[59.0, 60, 61, 70]], dtype).T, np.zeros((4, 1), dtype), np.ones(4, dtype)
    values = [value_at(Poisson(), raw[n : n + 1], y[:1], weight[:1]) for n in range(4)]
    assert_allclose(values, np.exp(60) * np.array([np.exp(-1), 1, 2, 11]), rtol=1e-5)
    _, d_raw = run(Poisson(), raw, 1, y, weight)
    assert_allclose(d_raw[:, 0], np.exp(60) * np.array([np.exp(-1), 1, 1, 1]), rtol=1e-5)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["binomial", "multinomial"])
def test_log_loss_of_confident_errors_is_linear(name, dtype):
    raw = np.array([[1e4, -1e4]], dtype)
    y = np.array([[1, 0]] if name == "binomial" else [[0]], dtype)
    assert value_at(LOSSES[name][0], raw, y, np.ones(1, dtype)) <= 1e-30
    assert value_at(LOSSES[name][0], -raw, y, np.ones(1, dtype)) == 2e4


@pytest.mark.parametrize("dtype", DTYPES)
def test_log_loss_keeps_the_digits_of_small_values(dtype):
    raw, tolerance = np.array([[20.0], [-20.0]], dtype), 20 * np.finfo(dtype).eps
    value, d_raw = run(BinomialLogLoss(), raw, 1, np.array([[1], [0]], dtype), np.ones(2, dtype))
    assert_allclose(value, 2 * np.log1p(np.exp(-20.0)), rtol=tolerance)
    assert_allclose(d_raw[:, 0], [-expit(-20.0), expit(-20.0)], rtol=tolerance)


def test_log_loss_of_a_probability():
    raw, y = np.linspace(-3, 3, 7)[:, None], np.full((7, 1), 0.3)
    value, d_raw = run(BinomialLogLoss(), raw, 1, y, np.ones(7))
    p = expit(raw)
    assert_allclose(value, -(y * np.log(p) + (1 - y) * np.log(1 - p)).sum(), rtol=1e-14)
    assert_allclose(d_raw, p - y, atol=1e-15)


@ALL
def test_nan_is_seen(name):
    loss, _ = LOSSES[name]
    for k in (0, 16, 19):
        raw, y, weight = draw(name, 3, 20, 2)
        raw[1, k] = np.nan
        assert np.isnan(run(loss, raw, 20, y, weight)[0])


@ALL
def test_rows_do_not_depend_on_each_other(name):
    loss, _ = LOSSES[name]
    raw, y, weight = draw(name, 7, 19, 3, np.float32)
    _, together = run(loss, raw, 19, y, weight)
    for n in range(7):
        _, alone = run(loss, raw[n : n + 1], 19, y[n : n + 1], weight[n : n + 1])
        assert_array_equal(alone[0], together[n])


def test_buffers_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="at least 3 rows and 2 columns"):
        SquaredError().value_and_gradient(np.zeros((2, 2)), 2, np.zeros((3, 2)), np.ones(3), np.zeros((3, 2)))
    with pytest.raises(ValueError, match="at least 3 rows and 2 columns"):
        SquaredError().value_and_gradient(np.zeros((3, 2)), 2, np.zeros((3, 2)), np.ones(3), np.zeros((3, 1)))


# --------------------------------------------------------------------------------------------- links, best constants
@pytest.mark.parametrize("dtype", DTYPES)
def test_predict(dtype):
    raw = np.array([[0.0, 1.0, -2.0], [1e4, -1e4, 3.0]], dtype)
    for loss in (SquaredError(), AbsoluteError(), Huber(), Quantile()):
        assert_array_equal(loss.predict(raw), raw)
    tiny = 2 * np.finfo(dtype).tiny  # exponentials are held there
    assert_allclose(BinomialLogLoss().predict(raw), expit(raw), rtol=1e-6, atol=tiny)
    assert_allclose(MultinomialLogLoss().predict(raw), np.exp(log_softmax(raw, axis=1)), rtol=1e-6, atol=tiny)
    assert_allclose(Poisson().predict(raw)[0], np.exp(raw[0]))
    assert np.isfinite(Poisson().predict(raw)).all()
    for loss, _ in LOSSES.values():
        assert loss.predict(raw).dtype == dtype


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 3), (40, 3), (7, 20), (2, 300)])
def test_probabilities_are_those_of_scipy(shape, dtype):
    """Of any layout, with the same bits."""
    raw = 20 * np.random.default_rng(0).normal(size=shape).astype(dtype)
    for array in (raw, np.asfortranarray(raw), raw[:, ::-1], raw * 1e30):
        found, expected = MultinomialLogLoss().predict(array), softmax(array.astype(float), axis=1)
        assert found.dtype == dtype
        assert_array_equal(found, MultinomialLogLoss().predict(np.ascontiguousarray(array)))
        eps, tiny = np.finfo(dtype).eps, 2 * np.finfo(dtype).tiny  # exponentials are held there
        assert_allclose(found, expected, rtol=100 * eps, atol=tiny)


@ALL
@given(N=st.integers(1, 30), K=st.integers(1, 4), seed=st.integers(0, 1000))
@quick
def test_initial_raw_is_the_best_constant(name, N, K, seed):
    loss, _ = LOSSES[name]
    rng = np.random.default_rng(seed)
    y = draw_target(rng, name, N, K)
    if name not in ("binomial", "multinomial"):
        y = np.round(2 * y) / 2  # with ties
    weight = rng.integers(0, 3, N).astype(float)
    weight[0] = 1
    c = loss.initial_raw(y, weight, K)
    assert c.shape == (K,)
    assert c.dtype == np.float64
    assert np.isfinite(c).all()
    cost = best_constant_cost(loss, c, y, weight)
    for step in (1e-3, -1e-3, 0.3, -0.3):
        for k in range(K):
            other = c.copy()
            other[k] += step
            assert cost <= best_constant_cost(loss, other, y, weight) + 1e-6


@pytest.mark.parametrize("name", sorted(SMOOTH))
def test_slope_at_the_best_constant_is_zero(name):
    loss, _ = LOSSES[name]
    _, y, weight = draw(name, 200, 3, 4)
    c = np.broadcast_to(loss.initial_raw(y, weight), (200, 3)).copy()
    _, d_raw = run(loss, c, 3, y, weight)
    assert_allclose(d_raw.sum(axis=0), 0, atol=1e-10)


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "multinomial"])
def test_weights_of_initial_raw_repeat_samples(name):
    loss, _ = LOSSES[name]
    rng = np.random.default_rng(5)
    y, count = draw_target(rng, name, 30, 2), rng.integers(0, 4, 30)
    repeated = np.repeat(y, count, axis=0)
    assert_allclose(loss.initial_raw(y, count), loss.initial_raw(repeated, np.ones(len(repeated))), atol=1e-12)


def test_known_best_constants():
    y = np.array([[1.0, 0.0], [2.0, 0.0], [3.0, 1.0], [10.0, 1.0]])
    weight = np.ones(4)
    assert_allclose(SquaredError().initial_raw(y, weight), [4, 0.5])
    assert_allclose(AbsoluteError().initial_raw(y, weight), np.median(y, axis=0))
    assert_allclose(Quantile(0.8).initial_raw(y, weight), [10, 1])
    assert_allclose(Poisson().initial_raw(y, weight), np.log([4, 0.5]))
    assert_allclose(Poisson().initial_raw(y * 1e-200, weight), np.log([4e-200, 0.5e-200]))
    assert_allclose(BinomialLogLoss().initial_raw(y[:, 1:], np.array([1, 1, 1, 3.0])), [np.log(2)])
    assert_allclose(MultinomialLogLoss().initial_raw(y[:, 1:], np.array([1, 1, 1, 3.0])), np.log([1 / 3, 2 / 3]))


def test_initial_raw_of_what_never_occurs_is_finite():
    nothing, weight = np.zeros((5, 1)), np.ones(5)
    assert -40 < Poisson().initial_raw(nothing, weight)[0] < -15
    assert -40 < BinomialLogLoss().initial_raw(nothing, weight)[0] < -15
    assert 15 < BinomialLogLoss().initial_raw(nothing + 1, weight)[0] < 40
    absent = MultinomialLogLoss().initial_raw(nothing, weight, 3)
    assert absent.shape == (3,)
    assert absent[0] == 0
    assert (absent[1:] < -15).all()
    assert np.isfinite(absent).all()


# ------------------------------------------------------------------------------------------------------- the classes
def test_registry():
    assert list(REGRESSION_LOSSES) == ["squared_error", "absolute_error", "huber", "poisson", "quantile"]
    for loss in [*(c() for c in REGRESSION_LOSSES.values()), BinomialLogLoss(), MultinomialLogLoss()]:
        assert isinstance(loss, BaseLoss)
        assert type(clone(loss)) is type(loss)
        assert clone(loss).get_params() == loss.get_params()
        assert loss.n_raw(7) == 7
        location = isinstance(loss, SquaredError | AbsoluteError | Huber | Quantile)
        assert loss.scales_target == location
    assert Huber().get_params() == {"delta": 1.35}
    assert Quantile().get_params() == {"quantile": 0.5}


def test_parameters_of_numpy_types():
    raw, y, weight = draw("huber", 3, 5, 6, np.float32)
    expected = run(Huber(0.5), raw, 5, y, weight)
    for delta in (np.float64(0.5), np.float32(0.5)):
        value, d_raw = run(Huber(delta), raw, 5, y, weight)
        assert value == expected[0]
        assert_array_equal(d_raw, expected[1])
    assert run(Huber(1), raw, 5, y, weight)[0] == run(Huber(1.0), raw, 5, y, weight)[0]


@pytest.mark.parametrize("module", ["losses", "optimizers", "initializers"])
def test_the_compiler_is_imported_late(module):
    package = Path(__file__).parent.parent / "skrnn"
    program = (
        "import sys, types; package = types.ModuleType('skrnn'); package.__path__ = [sys.argv[1]];"
        f"sys.modules['skrnn'] = package; import skrnn.{module}; assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program, str(package)], check=True)
