"""Optimizers: update rules against the oracle, norms, L-BFGS."""

import sys
from functools import partial

import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from numba.core import config
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import rosen, rosen_der
from sklearn.base import clone

from skrnn.optimizers import LBFGS, OPTIMIZERS, SGD, Adam, AdamW, BaseOptimizer, RMSprop, clip_by_norm, get_optimizer

pytestmark = pytest.mark.small
DTYPES = [np.float32, np.float64]
GUARD = -77.0
quick = settings(max_examples=5 if config.DISABLE_JIT else 30, deadline=None, database=None)


def without_t(rule):
    return lambda theta, g, *state, t, lr, **kwargs: rule(theta, g, *state, lr, **kwargs)


def oracle_adamw(theta, g, m, v, t, lr, decay_mask, weight_decay=0.01, **kwargs):
    return ref.adamw(theta, g, m, v, t, lr, weight_decay, decay_mask, **kwargs)


# Optimizer and its oracle (theta, g, *state, t=, lr=) -> theta, *state.
RULES = {
    "sgd": (SGD(), without_t(ref.sgd)),
    "sgd_plain": (SGD(momentum=0.5, nesterov=False), partial(without_t(ref.sgd), momentum=0.5, nesterov=False)),
    "sgd_no_momentum": (SGD(momentum=0), partial(without_t(ref.sgd), momentum=0)),
    "rmsprop": (RMSprop(), without_t(ref.rmsprop)),
    "rmsprop_other": (RMSprop(rho=0.5, epsilon=1e-3), partial(without_t(ref.rmsprop), rho=0.5, eps=1e-3)),
    "adam": (Adam(), ref.adam),
    "adam_other": (Adam(0.5, 0.7, 1e-3), partial(ref.adam, beta_1=0.5, beta_2=0.7, eps=1e-3)),
    "adamw": (AdamW(), oracle_adamw),
    "adamw_other": (
        AdamW(0.5, 0.7, 1e-3, 0.3),
        partial(oracle_adamw, beta_1=0.5, beta_2=0.7, eps=1e-3, weight_decay=0.3),
    ),
}
ALL = pytest.mark.parametrize("name", RULES)


def step_both(name, P, seed, dtype, n_steps=12):
    """Parameters and state after some steps, of the optimizer and of the oracle."""
    optimizer, oracle = RULES[name]
    rng = np.random.default_rng(seed)
    mask = rng.random(P) < 0.5
    memory = np.full(P + 8, GUARD, dtype)
    theta = memory[3 : 3 + P]
    theta[:] = rng.normal(size=P)
    state = optimizer.start(theta)
    expected = [theta.astype(float), *(s.astype(float) for s in state)]
    extra = {"decay_mask": mask} if name.startswith("adamw") else {}
    for t in range(1, n_steps + 1):
        g, rate = rng.normal(size=P).astype(dtype), 0.1 / t
        optimizer.step(theta, g, state, t, rate, mask)
        expected = oracle(expected[0], g.astype(float), *expected[1:], t=t, lr=rate, **extra)
    assert (memory[:3] == GUARD).all()
    assert (memory[3 + P :] == GUARD).all()
    return [theta, *state], expected


@ALL
@given(P=st.integers(1, 70), seed=st.integers(0, 2**32 - 1))
@quick
def test_equals_the_oracle(name, P, seed):
    got, expected = step_both(name, P, seed, np.float64)
    for a, b in zip(got, expected, strict=True):
        assert_allclose(a, b, rtol=1e-11, atol=1e-13)


@ALL
def test_single_precision(name):
    got, expected = step_both(name, 1000, 0, np.float32)
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=2e-5, atol=2e-6)


@ALL
def test_start(name):
    optimizer, _ = RULES[name]
    for dtype in DTYPES:
        state = optimizer.start(np.ones(5, dtype))
        assert len(state) == optimizer.n_slots
        assert len({id(s) for s in state}) == len(state)
        for s in state:
            assert s.dtype == dtype
            assert_array_equal(s, np.zeros(5))


@ALL
def test_gradient_is_not_changed_and_nan_is_seen(name):
    optimizer, _ = RULES[name]
    theta, gradient = np.ones(20, np.float32), np.ones(20, np.float32)
    gradient[3] = np.nan
    kept = gradient.copy()
    optimizer.step(theta, gradient, optimizer.start(theta), 1, 0.1)
    assert_array_equal(gradient, kept)
    assert_array_equal(np.isnan(theta), np.isnan(kept))


def test_first_step_of_adam_has_the_size_of_the_learning_rate():
    theta, gradient = np.zeros(5), np.array([1e-3, -1.0, 7.0, -1e4, 0.0])
    Adam().step(theta, gradient, Adam().start(theta), 1, 0.01)
    assert_allclose(theta, -0.01 * np.sign(gradient), rtol=1e-4)


def test_masks_of_any_kind_decay_alike():
    mask, results = np.arange(40) % 3 > 0, []
    for given_mask in (mask, mask.astype(np.float32), mask.astype(np.float64), mask.astype(int)):
        theta = np.ones(40, np.float32)
        AdamW(weight_decay=0.5).step(theta, np.zeros(40, np.float32), AdamW().start(theta), 1, 0.5, given_mask)
        results.append(theta)
    assert_array_equal(results[0], np.where(mask, 0.75, 1))
    for result in results[1:]:
        assert_array_equal(result, results[0])


def test_decay_without_mask_is_everywhere():
    theta = np.ones(40)
    AdamW(weight_decay=0.5).step(theta, np.zeros(40), AdamW().start(theta), 1, 0.5)
    assert_array_equal(theta, 0.75)


@pytest.mark.skipif(config.DISABLE_JIT, reason="the mode of the CPU is set by compiled code")
@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
def test_averages_of_dead_gradients_become_zero(name):
    optimizer, _ = RULES[name]
    theta = np.ones(40, np.float32)
    state, nothing = optimizer.start(theta), np.zeros_like(theta)
    state[0][:] = 1e-36
    for t in range(1, 200):
        optimizer.step(theta, nothing, state, t, 1e-3)
    assert_array_equal(state[0], 0)
    assert np.float32(1e-38) / np.float32(10) > 0  # the mode of this thread is as before


# ------------------------------------------------------------------------------------------------------------- norm
@pytest.mark.parametrize("dtype", DTYPES)
@given(P=st.integers(1, 100), seed=st.integers(0, 2**32 - 1), limit=st.sampled_from([0.1, 1.0, 5.0, 100.0, np.inf]))
@quick
def test_clip_by_norm(dtype, P, seed, limit):
    memory = np.full(P + 8, GUARD, dtype)
    gradient = memory[3 : 3 + P]
    gradient[:] = np.random.default_rng(seed).normal(size=P)
    before = gradient.astype(float)
    norm = clip_by_norm(gradient, limit)
    assert isinstance(norm, float)
    assert_allclose(norm, np.sqrt((before**2).sum()), rtol=1e-14)
    assert_allclose(gradient, ref.clip_by_global_norm(before, limit), rtol=4 * np.finfo(dtype).eps)
    assert (memory[:3] == GUARD).all()
    assert (memory[3 + P :] == GUARD).all()
    if norm <= limit:
        assert_array_equal(gradient, before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 17, 39])
def test_norm_of_what_is_not_finite(dtype, bad, place):
    gradient = np.ones(40, dtype)
    gradient[place] = bad
    kept = gradient.copy()
    assert not np.isfinite(clip_by_norm(gradient, 1.0))
    assert_array_equal(gradient, kept)


def test_exploded_gradients_are_clipped():
    gradient = np.full(100, 3e38, np.float32)
    assert_allclose(clip_by_norm(gradient, 1.0), float(np.float32(3e38)) * 10, rtol=1e-14)
    assert_allclose(gradient, 0.1, rtol=1e-3)


def test_norm_of_nothing():
    assert clip_by_norm(np.zeros(0), 1.0) == 0
    assert clip_by_norm(np.zeros(5), 1.0) == 0


# ------------------------------------------------------------------------------------------------------------ L-BFGS
def valley(theta):
    assert theta.dtype == np.float64
    return rosen(theta), rosen_der(theta)


@pytest.mark.parametrize("dtype", DTYPES)
def test_lbfgs_finds_the_minimum(dtype):
    start = np.array([-1.2, 1.0, 0.3], dtype)
    kept = start.copy()
    theta, n_iter, converged, message = LBFGS().minimize(valley, start, max_iter=200, tol=1e-8)
    assert_allclose(theta, 1, rtol=1e-4)
    assert theta.dtype == dtype
    assert theta.flags.owndata
    assert theta.flags.writeable
    assert 5 < n_iter < 100
    assert converged is True
    assert isinstance(message, str)
    assert_array_equal(start, kept)


def test_lbfgs_takes_single_precision_and_reused_buffers():
    buffer = np.empty(3, np.float32)

    def function(theta):
        value, buffer[:] = valley(theta)
        return np.float32(value), buffer

    theta, _, _, _ = LBFGS(memory=5).minimize(function, np.zeros(3, np.float32), max_iter=200, tol=1e-4)
    assert_allclose(theta, 1, rtol=0.05)


def test_lbfgs_stops_at_max_iter_and_calls_back():
    seen = []
    theta, n_iter, converged, message = LBFGS().minimize(
        valley, np.zeros(3), max_iter=4, tol=0, callback=lambda theta: seen.append(theta.copy())
    )
    assert n_iter == len(seen) == 4
    assert converged is False
    assert "ITERATIONS" in message.upper()
    assert_array_equal(seen[-1], theta)
    values = [rosen(x) for x in seen]
    assert values == sorted(values, reverse=True)


def test_lbfgs_can_be_stopped():
    def callback(intermediate_result):  # SciPy would pass something else under this name
        seen.append(intermediate_result.copy())
        if len(seen) == 2:
            raise StopIteration

    seen = []
    theta, n_iter, converged, _ = LBFGS().minimize(valley, np.zeros(3), max_iter=50, tol=0, callback=callback)
    assert n_iter == 2
    assert not converged
    assert_array_equal(seen[-1], theta)


def test_lbfgs_passes_errors_on():
    def function(theta):
        raise FloatingPointError("no")

    with pytest.raises(FloatingPointError, match="no"):
        LBFGS().minimize(function, np.zeros(3), max_iter=50, tol=0)


# ------------------------------------------------------------------------------------------------------- the classes
def test_registry():
    assert {"adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "sgd": SGD, "lbfgs": LBFGS} == OPTIMIZERS
    for name, optimizer in OPTIMIZERS.items():
        instance = get_optimizer(name)
        assert type(instance) is optimizer
        assert isinstance(instance, BaseOptimizer)
        assert get_optimizer(instance) is instance
        assert clone(instance).get_params() == instance.get_params()
        assert instance.stochastic == (name != "lbfgs")
    assert get_optimizer(Adam().set_params(beta_1=0.5)).beta_1 == 0.5


@pytest.mark.skipif(sys.platform == "win32", reason="long double is double")
def test_many_steps_do_not_drift():
    optimizer, theta, exact = Adam(), np.ones(3), np.ones(3, np.longdouble)
    state, memory = optimizer.start(theta), (np.zeros(3, np.longdouble),) * 2
    for t in range(1, 301):
        optimizer.step(theta, 2 * theta, state, t, 1e-2)
        exact, *memory = ref.adam(exact, 2 * exact, *memory, t, 1e-2)
    assert_allclose(theta, exact.astype(float), rtol=1e-9)
