"""Packing and indexing take about as long as copying the numbers; the bounds are ten times what was measured."""

import time

import numpy as np
import pytest
from ragged import ragged

from skrnn.sequences import SequenceArray, as_sequence_array


def shortest(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


@pytest.mark.parametrize("lengths", [np.full(10_000, 100), np.arange(10_000) % 100 + 50], ids=["equal", "ragged"])
def test_ten_thousand_sequences(lengths):
    items = ragged(lengths, n_channels=8, dtype=np.float32)
    X = SequenceArray.from_list(items)
    order = np.random.default_rng(0).permutation(len(X))
    assert shortest(lambda: as_sequence_array(items)) < 0.25
    assert shortest(lambda: X[order]) < 0.1
    assert shortest(lambda: as_sequence_array(X.to_series())) < 0.05
