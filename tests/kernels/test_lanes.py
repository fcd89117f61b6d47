"""Vector lanes: every operation against NumPy, for every number of active lanes, and what lies beside them."""

import operator
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit
from numba.core import config
from numpy.testing import assert_array_equal, assert_array_max_ulp

from skrnn.kernels import lanes as ln
from skrnn.kernels.lanes import (
    copy_sign,
    fast_divide,
    first_lanes,
    if_positive,
    lanes,
    load,
    load_each,
    max_lanes,
    maximum,
    minimum,
    square_root,
    store,
    store_each,
    sum_lanes,
    sum_of_squares,
    where_positive,
    zeros_like,
)

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.small
DTYPES = [np.float32, np.float64]
GUARD = -77.0  # stands wherever nothing may be written
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -1.5]

# Not from the disk cache, which does not notice when a test changes.
compiled = njit(error_model="numpy", _nrt=False)


@pytest.fixture(params=DTYPES)
def dtype(request):
    return request.param


def lengths(dtype):
    return range(1, lanes(dtype) + 1)


def tree_sum(a):
    """Sum of the two halves, of the halves of that, ...: the order that is promised."""
    a = np.concatenate([a, np.zeros(-len(a) % (ln.VECTOR_BYTES // a.dtype.itemsize), a.dtype)])
    while len(a) > 1:
        a = a[: len(a) // 2] + a[len(a) // 2 :]
    return a[0]


@compiled
def arithmetic(x, out, m):
    a, b, c = load(x, 0, 0, m), load(x, 1, 0, m), load(x, 2, 0, m)
    store(out, 0, 0, m, a + b)
    store(out, 1, 0, m, a - b)
    store(out, 2, 0, m, a * b)
    store(out, 3, 0, m, a / b)
    store(out, 4, 0, m, -c)
    store(out, 5, 0, m, abs(c))
    store(out, 6, 0, m, maximum(c, b))
    store(out, 7, 0, m, minimum(c, b))
    store(out, 8, 0, m, copy_sign(a, c))
    store(out, 9, 0, m, where_positive(c, b))
    store(out, 10, 0, m, if_positive(c, a, b))
    store(out, 11, 0, m, zeros_like(c))
    store(out, 12, 0, m, square_root(abs(c)))


ARITHMETIC = [
    lambda a, b, c: a + b,
    lambda a, b, c: a - b,
    lambda a, b, c: a * b,
    lambda a, b, c: a / b,
    lambda a, b, c: -c,
    lambda a, b, c: abs(c),
    lambda a, b, c: np.maximum(c, b),
    lambda a, b, c: np.minimum(c, b),
    lambda a, b, c: np.copysign(a, c),
    lambda a, b, c: np.where(c > 0, b, 0),
    lambda a, b, c: np.where(c > 0, a, b),
    lambda a, b, c: 0 * a,
    lambda a, b, c: np.sqrt(abs(c)),
]


@compiled
def with_numbers(x, out, m, number):
    a = load(x, 0, 0, m)
    store(out, 0, 0, m, a + 0.1)
    store(out, 1, 0, m, 0.1 - a)
    store(out, 2, 0, m, 3 * a)
    store(out, 3, 0, m, number / a)
    store(out, 4, 0, m, maximum(a, number))
    store(out, 5, 0, m, if_positive(a, 1, number))
    store(out, 6, 0, m, if_positive(a, 0.1, a))


WITH_NUMBERS = [
    lambda a, number: a + 0.1,
    lambda a, number: 0.1 - a,
    lambda a, number: 3 * a,
    lambda a, number: number / a,
    lambda a, number: np.maximum(a, number),
    lambda a, number: np.where(a > 0, a.dtype.type(1), number),
    lambda a, number: np.where(a > 0, a.dtype.type(0.1), a),
]


@compiled
def quotient(x, out, m):
    store(out, 0, 0, m, fast_divide(load(x, 0, 0, m), load(x, 1, 0, m)))


@compiled
def reductions(x, results, m, active):
    a = load(x, 0, 0, m)
    results[0] = sum_lanes(first_lanes(a, active, 0.0))
    results[1] = sum_of_squares(first_lanes(a, active, 0))
    results[2] = max_lanes(first_lanes(a, active, -np.inf))


@compiled
def copy_part(source, target, row, column, active):
    store(target, row, column, active, load(source, row, column, active))


@compiled
def loaded_sum(x, column, active):
    return sum_lanes(load(x, 0, column, active))


@compiled
def double(x, n, K):
    count = ln.VECTOR_BYTES // x.itemsize
    for k in range(0, K, count):
        store(x, n, k, K - k, load(x, n, k, K - k) * 2)


@compiled
def rotate_three(x, H):
    count = ln.VECTOR_BYTES // x.itemsize
    for j in range(0, H, count):
        a = load_each(x, 1, j, H - j, H, 3)
        store_each(x, 1, j, H - j, H, (a[2], a[0], a[1]))


def operands(rng, dtype):
    """Ordinary numbers twice, and a row that cycles through special ones from a random start."""
    count = lanes(dtype)
    x = np.empty((3, count), dtype)
    x[:2] = rng.normal(size=(2, count))
    x[2] = np.resize(np.roll(SPECIAL, rng.integers(7)), count)
    return x


def test_operations_on_lanes(dtype):
    rng = np.random.default_rng(0)
    for m in lengths(dtype):
        x = operands(rng, dtype)
        out = np.full((len(ARITHMETIC), lanes(dtype)), GUARD, dtype)
        arithmetic(x, out, m)
        for row, expected in zip(out, ARITHMETIC, strict=True):
            assert_array_equal(row[:m], expected(*x[:, :m]))
        assert (out[:, m:] == GUARD).all()


def test_signs_of_zero_and_nan_are_kept(dtype):
    x = np.zeros((3, lanes(dtype)), dtype)
    x[1], x[2] = 1, -0.0
    out = np.empty((len(ARITHMETIC), lanes(dtype)), dtype)
    arithmetic(x, out, 2)
    assert not np.signbit(out[4]).all()
    assert np.signbit(out[8, :2]).all()
    x[2] = np.nan
    arithmetic(x, out, 2)
    assert np.isnan(out[[4, 5, 6, 7, 12], :2]).all()
    assert_array_equal(out[9, :2], 0)
    assert_array_equal(out[10, :2], 1)


def test_numbers_take_the_dtype_of_the_lanes(dtype):
    rng = np.random.default_rng(1)
    for m in lengths(dtype):
        x, number = operands(rng, dtype), 1 / 3
        out = np.full((len(WITH_NUMBERS), lanes(dtype)), GUARD, dtype)
        with_numbers(x, out, m, number)
        for row, expected in zip(out, WITH_NUMBERS, strict=True):
            assert_array_equal(row[:m], expected(x[0, :m], dtype(number)))
        assert (out[:, m:] == GUARD).all()


def test_fast_divide_within_two_ulp(dtype):
    rng = np.random.default_rng(2)
    count, out = lanes(dtype), np.empty((1, lanes(dtype)), dtype)
    for _ in range(200):
        x = (rng.normal(size=(2, count)) * 10.0 ** rng.uniform(-15, 15, (2, count))).astype(dtype)
        quotient(x, out, count)
        assert_array_max_ulp(out[0], x[0] / x[1], maxulp=2)


def test_reductions(dtype):
    rng = np.random.default_rng(3)
    results = np.empty(3)
    for m in lengths(dtype):
        x = (rng.normal(size=(1, lanes(dtype))) * 10.0 ** rng.uniform(-3, 3)).astype(dtype)
        for active in (m, max(m - 2, 1), m + 5):
            a = x[0, : min(m, active)]
            if active > m:
                a = np.append(a, np.zeros(lanes(dtype) - m, dtype))[: lanes(dtype)]
            reductions(x, results, m, active)
            assert results[0] == tree_sum(a)
            assert results[1] == tree_sum(a.astype(np.float64) ** 2)
            assert results[2] == x[0, : min(m, active)].max() or active > m


@pytest.mark.parametrize("place", [0, 1, -1])
def test_reductions_of_nan_and_infinity(dtype, place):
    x, results = np.ones((1, lanes(dtype)), dtype), np.empty(3)
    x[0, place] = np.nan
    reductions(x, results, lanes(dtype), lanes(dtype))
    assert np.isnan(results).all()
    x[0, place] = np.inf
    reductions(x, results, lanes(dtype), lanes(dtype))
    assert np.isposinf(results).all()


def test_squares_are_summed_in_double_precision(dtype):
    x, results = np.zeros((1, lanes(dtype)), dtype), np.empty(3)
    x[0, :2] = 1e30
    reductions(x, results, 2, 2)
    assert results[1] == 2 * float(dtype(1e30)) ** 2
    x[0, :2] = 1e-30
    reductions(x, results, 2, 2)
    assert results[1] == 2 * float(dtype(1e-30)) ** 2


def test_load_and_store_touch_active_lanes_only(dtype):
    count = lanes(dtype)
    source = np.arange(3 * (count + 9), dtype=dtype).reshape(3, -1)
    for column in (0, 1, 4):
        for active in range(-2, count + 4):
            target = np.full_like(source, GUARD)
            copy_part(source, target, 1, column, active)
            expected = np.full_like(source, GUARD)
            covered = slice(column, column + min(max(active, 0), count))
            expected[1, covered] = source[1, covered]
            assert_array_equal(target, expected)


def test_lanes_that_are_off_load_as_zero(dtype):
    count = lanes(dtype)
    x = np.full((1, 2 * count), np.nan, dtype)
    x[0, 1] = 2
    assert loaded_sum(x, 1, 1) == 2
    assert loaded_sum(x, 0, 0) == 0
    assert loaded_sum(x, 0, -1) == 0


def test_work_in_place_is_done_once(dtype):
    for K in range(1, 41):
        x = np.full((3, K + 2), GUARD, dtype)
        x[1, :K] = np.arange(K)
        double(x, 1, K)
        assert_array_equal(x[1, :K], 2 * np.arange(K))
        assert (x[[0, 2]] == GUARD).all()
        assert (x[1, K:] == GUARD).all()


def test_groups_of_lanes(dtype):
    for H in range(1, 41):
        x = np.full((3, 3 * H + 2), GUARD, dtype)
        x[1, : 3 * H] = np.arange(3 * H)
        rotate_three(x, H)
        assert_array_equal(x[1, : 3 * H].reshape(3, H), np.arange(3 * H).reshape(3, H)[[2, 0, 1]])
        assert (x[[0, 2]] == GUARD).all()
        assert (x[1, 3 * H :] == GUARD).all()


@pytest.mark.skipif(config.DISABLE_JIT, reason="types are checked when compiling")
def test_operations_reject_what_is_not_lanes(dtype):
    @compiled
    def wrong(x):
        return operator.add(load(x, 0, 0, 1), x)

    with pytest.raises(Exception, match=r"No implementation|Invalid use"):
        wrong(np.zeros((1, 1), dtype))


OTHER_CODE = """
import numba

before = numba.njit(lambda x: -x + abs(x))
before(1.0)
from skrnn.kernels import activations

after = numba.njit(lambda x: -x * abs(x))
assert after(2.0) == -4.0
"""


@pytest.mark.skipif(config.DISABLE_JIT, reason="there is no compiler that could be disturbed")
def test_other_programs_keep_their_numbers():
    """What lanes mean to the compiler changes nothing for numbers, even if the compiler was in use before."""
    subprocess.run([sys.executable, "-W", "error", "-c", OTHER_CODE], cwd=ROOT, check=True)
