"""Activations: accuracy over the whole range of each dtype, limits, special values, tails."""

import numpy as np
import pytest
from numba import njit
from numba.core import config
from numpy.testing import assert_array_equal

from skrnn.kernels import activations as act
from skrnn.kernels.lanes import VECTOR_BYTES, load, store

DTYPES = [np.float32, np.float64]
GUARD = -77.0
N_NUMBERS = 2_000 if config.DISABLE_JIT else 100_000

# Not from the disk cache, which does not notice when a test changes.
compiled = njit(error_model="numpy", _nrt=False)


pytestmark = pytest.mark.small


def over_rows(function):
    """A kernel that applies `function` to the first K columns of every row of x."""

    @compiled
    def apply(x, K, out):
        lanes = VECTOR_BYTES // x.itemsize
        for n in range(x.shape[0]):
            for k in range(0, K, lanes):
                store(out, n, k, K - k, function(load(x, n, k, K - k)))

    return apply


FUNCTIONS = {name: over_rows(getattr(act, name)) for name in ("tanh", "sigmoid", "exp", "relu", "log1p_unit")}
EXACT = {
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "exp": np.exp,
    "relu": lambda x: np.maximum(x, 0),
    "log1p_unit": np.log1p,
}
log_sum_exp = act.log_sum_exp


def evaluate(name, x):
    """`name` of a 1-D array."""
    out = np.empty_like(x)[np.newaxis]
    FUNCTIONS[name](x[np.newaxis], x.size, out)
    return out[0]


def numbers(dtype, low, high, n=N_NUMBERS):
    """Sorted numbers of [low, high]: evenly spaced ones, and some of every exponent."""
    rng = np.random.default_rng(0)
    bits = np.uint32 if dtype == np.float32 else np.uint64
    any_exponent = rng.integers(0, np.iinfo(bits).max, n, dtype=bits, endpoint=True).view(dtype)
    any_exponent = any_exponent[np.isfinite(any_exponent)]
    x = np.concatenate([any_exponent, np.linspace(max(low, -800), min(high, 800), n), np.linspace(-20, 20, n), [0]])
    return np.unique(x[(x >= low) & (x <= high)].astype(dtype))


def exp_range(dtype):
    return (act.EXP_MIN_32, act.EXP_MAX_32) if dtype == np.float32 else (act.EXP_MIN_64, act.EXP_MAX_64)


def ulps(got, exact, at=None):
    """Errors in units of the spacing of numbers at the exact value, or at `at`."""
    spacing = np.spacing(np.abs(exact if at is None else at).astype(got.dtype))
    return np.abs((got - exact) / spacing)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp", "log1p_unit"])
def test_accuracy(name, dtype):
    low, high = {"exp": exp_range(dtype), "log1p_unit": (0, 1)}.get(name, (-np.inf, np.inf))
    x = numbers(dtype, low, high)
    with np.errstate(over="ignore"):  # in the exact sigmoid of numbers far from 0
        exact = EXACT[name](x.astype(np.longdouble))
    at = np.ones(1) if name == "sigmoid" else None
    assert ulps(evaluate(name, x), exact, at).max() <= act.MAX_ULP[name][np.dtype(dtype).name]


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu_is_exact(dtype):
    x = numbers(dtype, -np.inf, np.inf)
    assert_array_equal(evaluate("relu", x), np.maximum(x, 0))


@pytest.mark.parametrize("dtype", DTYPES)
def test_bounds(dtype):
    x = np.concatenate([numbers(dtype, -np.inf, np.inf), np.array([np.inf, -np.inf], dtype)])
    assert np.abs(evaluate("tanh", x)).max() <= 1
    assert (evaluate("tanh", x) * np.sign(x) >= 0).all()
    sigmoid = evaluate("sigmoid", x)
    assert sigmoid.min() >= 0
    assert sigmoid.max() <= 1
    exp = evaluate("exp", x)
    assert exp.min() >= np.finfo(dtype).tiny
    assert np.isfinite(exp).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["tanh", "sigmoid", "exp"])
def test_falls_by_no_more_than_rounding(name, dtype):
    y = evaluate(name, numbers(dtype, -np.inf, np.inf))
    at = np.ones(1) if name == "sigmoid" else y[1:]
    assert ulps(np.minimum(np.diff(y), 0), np.zeros_like(at), at).max() <= act.MAX_ULP[name][np.dtype(dtype).name]


@pytest.mark.parametrize("dtype", DTYPES)
def test_odd_and_symmetric(dtype):
    x = numbers(dtype, 0, np.inf)
    assert_array_equal(evaluate("tanh", -x), -evaluate("tanh", x))


@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    limit = evaluate("tanh", np.array([100.0], dtype))[0]  # the float32 form ends a few ulp below 1
    assert_array_equal(evaluate("tanh", x), np.array([0, 0, limit, -limit, np.nan], dtype))
    assert_array_equal(evaluate("sigmoid", x), np.array([0.5, 0.5, 0.5 + limit / 2, 0.5 - limit / 2, np.nan], dtype))
    assert_array_equal(evaluate("relu", x), np.array([0, 0, np.inf, 0, np.nan], dtype))
    exp = evaluate("exp", x)
    assert_array_equal(exp[[0, 1, 4]], np.array([1, 1, np.nan], dtype))
    low, high = exp_range(dtype)
    assert_array_equal(exp[[2, 3]], evaluate("exp", np.array([high, low], dtype)))
    assert_array_equal(evaluate("log1p_unit", x[[0, 4]]), x[[0, 4]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_tails_leave_neighbours(name, dtype):
    rng = np.random.default_rng(1)
    for K in range(1, 41):
        x = np.full((3, K + 3), np.nan, dtype)
        x[:, :K] = rng.uniform(0, 1, (3, K))
        out = np.full_like(x, GUARD)
        FUNCTIONS[name](x, K, out)
        assert_array_equal(out[:, :K].ravel(), evaluate(name, x[:, :K].ravel()))
        assert (out[:, K:] == GUARD).all()
        FUNCTIONS[name](x, K, x)
        assert_array_equal(x[:, :K], out[:, :K])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.0, 1.0, 30.0, 1e4])
def test_log_sum_exp(dtype, scale):
    rng = np.random.default_rng(2)
    for K in range(1, 41):
        x = np.full((2, K + 3), np.nan, dtype)
        x[1, :K] = scale * rng.uniform(-1, 1, K)
        top, rest = log_sum_exp(x, 1, K)
        assert top == x[1, :K].max()
        exact = np.log(np.exp((x[1, :K] - top).astype(np.longdouble)).sum())
        # x - top is rounded too; that error of the argument is not the function's.
        tolerance = act.MAX_ULP["log_sum_exp"][np.dtype(dtype).name] * np.finfo(dtype).eps
        assert abs(rest - exact) <= tolerance


def test_log_sum_exp_of_nan():
    x = np.zeros((1, 20))
    for k in (0, 7, 19):
        x[:] = 0
        x[0, k] = np.nan
        assert np.isnan(log_sum_exp(x, 0, 20)[1])
