"""What steppers do at each step beside the kernels of their network, beside NumPy."""

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_array_equal

from skrnn.kernels.program import Instruction, Program
from skrnn.kernels.stepping import append_step, copy_some, count_step, fill_windows, standardize_step

pytestmark = pytest.mark.small
RNG = np.random.default_rng(0)


def test_a_step_that_is_not_finite_stops_its_program():
    values, out, steps = RNG.normal(size=(2, 3)), np.empty((2, 3), np.float32), np.zeros(2, np.int64)
    mean, scale = RNG.normal(size=3), RNG.uniform(1, 2, 3)
    instructions = Instruction("standardize", standardize_step, (values, mean, scale, out))
    program = Program([instructions, Instruction("count", count_step, (steps,))])
    program.run()
    assert_array_equal(out, ((values - mean) / scale).astype(np.float32))
    assert_array_equal(steps, 1)
    for wrong in (np.nan, np.inf, -np.inf, 1e300):
        values[1, 2] = wrong
        with pytest.raises(FloatingPointError, match="not finite"), np.errstate(over="ignore"):
            program.run()
        assert_array_equal(steps, 1)


@pytest.mark.parametrize("D", [1, 3])
@pytest.mark.parametrize("width", [1, 2, 5])
@pytest.mark.parametrize("stride", [1, 2])
def test_windows(D, width, stride):
    """The last steps of sequences that have had 0, 1, ... of them, and what positions read of all of them."""
    n, left, right = 9, (width - 1) // 2, width // 2
    X, steps, n_steps = RNG.normal(size=(n, n, D)), np.zeros((n, width * D)), np.arange(n)
    for t in range(n):
        before = steps.copy()
        call(append_step, np.ascontiguousarray(X[:, t]), D, steps)
        steps[n_steps <= t] = before[n_steps <= t]
    around = np.zeros((n, n + 2 * width, D))
    for k in range(n):
        around[k, width : width + k] = X[k, :k]
        assert_array_equal(steps[k].reshape(width, D), around[k, k : width + k])
    windows, is_due = np.full((n, width * D + 2), 7.0), np.zeros(n, np.int64)
    for needed in (0, right):
        positions = np.maximum(-(-(n_steps - 1 - right) // stride), 0)  # the first that still reach the last step
        call(fill_windows, steps, D, n_steps, positions, stride, (left, right, needed), windows, is_due)
        assert_array_equal(is_due, positions * stride + needed < n_steps)
        for k in np.flatnonzero(is_due):
            first = width + positions[k] * stride - left
            assert_array_equal(windows[k, : width * D].reshape(width, D), around[k, first : first + width])
    assert_array_equal(windows[:, width * D :], 7.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_copies_of_some(dtype):
    """A matrix with a row for each sequence, and one with a column for each."""
    source, target = (RNG.integers(-9, 9, 50).astype(dtype) for _ in range(2))
    flags, expected = np.array([1, 0, 2, 1]), target.copy()
    table = np.array([[3, 5, 6, 1], [30, 4, 1, 5]])
    for n in (0, 3):
        expected[3 + 6 * n : 8 + 6 * n] = source[3 + 6 * n : 8 + 6 * n]
        expected[30 + n : 50 : 5] = source[30 + n : 50 : 5]
    call(copy_some, source, target, table, flags, 1)
    assert_array_equal(target, expected)
