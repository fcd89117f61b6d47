"""Copying, adding and clearing rows, and the states before the first step, beside NumPy."""

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_array_equal

from skrnn.kernels.rows import add_to_rows, clear_rows, copy_rows, fill_rows, mask_rows, scatter_rows, start_states

pytestmark = pytest.mark.small
GUARD = -77.0
CASES = [(dtype, seed) for dtype in (np.float32, np.float64) for seed in range(12)]
each_case = pytest.mark.parametrize(("dtype", "seed"), CASES)


def case(dtype, seed):
    """Rows first .. last - 1 and a width within arrays that are wider; NaN and infinity among the numbers."""
    rng = np.random.default_rng(seed)
    n, width, gap = rng.integers(1, 9), (1 if seed == 0 else rng.integers(1, 70)), rng.integers(0, 5)
    first, last = sorted(rng.integers(0, n + 1, size=2))
    source, target = (rng.normal(size=(n, width + gap)).astype(dtype) for _ in range(2))
    source[rng.random(source.shape) < 0.05] = rng.choice([np.nan, np.inf, -0.0])
    return rng, source, target, slice(first, last), width


@each_case
@pytest.mark.parametrize("kernel", [copy_rows, add_to_rows, mask_rows])
def test_rows(kernel, dtype, seed):
    rng, source, target, rows, width = case(dtype, seed)
    expected, column = target.copy(), rng.integers(0, source.shape[1] - width + 1)
    with np.errstate(invalid="ignore"):
        if kernel is copy_rows:
            expected[rows, :width] = source[rows, column : column + width]
            call(kernel, source, column, rows.start, rows.stop, width, target)
        elif kernel is add_to_rows:
            expected[rows, :width] += source[rows, :width]
            call(kernel, source, rows.start, rows.stop, width, target)
        else:
            expected[rows, :width] *= source[rows, :width]
            call(kernel, target, source, rows.start, rows.stop, width)
    assert_array_equal(target, expected)
    assert_array_equal(np.signbit(target[target == 0]), np.signbit(expected[expected == 0]))


@each_case
def test_scattered_rows(dtype, seed):
    rng, source, target, rows, width = case(dtype, seed)
    expected, column = target.copy(), rng.integers(0, source.shape[1] - width + 1)
    places = rng.permutation(len(target))[: rows.stop - rows.start]
    expected[places, column : column + width] = source[: len(places), :width]
    call(scatter_rows, source, width, places, column, target)
    assert_array_equal(target, expected)


@each_case
def test_whole_rows(dtype, seed):
    _, _, target, rows, _ = case(dtype, seed)
    for value in (0, 2.5, np.nan):
        expected = target.copy()
        expected[rows] = value
        if value == 0:
            call(clear_rows, target, rows.start, rows.stop)
        else:
            call(fill_rows, target, rows.start, rows.stop, value)
        assert_array_equal(target, expected)


@each_case
@pytest.mark.parametrize("noisy", [False, True])
def test_states_before_the_first_step(noisy, dtype, seed):
    """h, through its mask if there is one, which R then has without; and the other states."""
    rng = np.random.default_rng(seed)
    n, H, n_states = rng.integers(1, 7), rng.integers(1, 9), rng.integers(0, 3)
    given = rng.normal(size=(n + 1, H * (1 + n_states) + 3)).astype(dtype)
    M = rng.integers(0, 2, size=(n, H + 2)).astype(dtype) * dtype(1.25)
    Z, S, R = (np.full((n + 1, H * max(1, n_states) + 4), GUARD, dtype) for _ in range(3))
    expected = [array.copy() for array in (Z, S, R)]
    expected[0][:n, :H] = given[:n, :H] * M[:, :H] if noisy else given[:n, :H]
    expected[1][:n, : H * n_states] = given[:n, H : H * (1 + n_states)]
    if noisy:
        expected[2][:n, :H] = given[:n, :H]
    call(start_states, given, n, H, n_states, M, noisy, Z, S, R)
    for found, wanted in zip((Z, S, R), expected, strict=True):
        assert_array_equal(found, wanted)
