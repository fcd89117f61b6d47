"""Copying between the parameter vector and packed matrices: only what is new."""

import numpy as np
import pytest
from kernels import call
from numpy.testing import assert_array_equal

from skrnn.kernels.copies import BLOCK, copy_if_new, copy_table

pytestmark = pytest.mark.small


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 7, BLOCK // 2, BLOCK + 3])
def test_what_is_new_is_copied(n, dtype):
    source = np.random.default_rng(0).normal(size=n).astype(dtype)
    known, target = source.copy(), np.zeros(n, dtype)
    table = copy_table([(source, target)], source, target)

    def check(is_new):
        target[:] = 7
        call(copy_if_new, source, known, target, table)
        assert_array_equal(target, source if is_new else np.full(n, 7))
        assert known.tobytes() == source.tobytes()

    check(False)
    for place in {0, n // 2, n - 1}:
        for value in (0.0, -0.0, np.nan):
            source[place] = value
            check(True)
            check(False)
