"""Ragged batches to test with, and how they are compared."""

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skrnn.sequences import SequenceArray

quick = settings(max_examples=40, deadline=None, database=None)


def ragged(lengths, n_channels=2, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_channels)).astype(dtype) for length in lengths]


def objects(items):
    cells = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        cells[i] = item
    return cells


def assert_same(array, items):
    assert isinstance(array, SequenceArray)
    assert len(array) == len(items)
    for got, expected in zip(array, items, strict=True):
        expected = np.asarray(expected)
        assert_array_equal(got, expected if expected.ndim == 2 else expected[:, np.newaxis])


@st.composite
def ragged_lists(draw, min_length=1, min_size=1):
    lengths = draw(st.lists(st.integers(min_length, 6), min_size=min_size, max_size=9))
    n_channels = draw(st.integers(1, 3))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    return ragged(lengths, n_channels, dtype, seed=draw(st.integers(0, 9)))
