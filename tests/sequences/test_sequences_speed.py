"""Packing and indexing take a few times as long as copying; the bounds are six times what was measured, or more."""

import time

import numpy as np
import pytest
from ragged import ragged

from skrnn.sequences import SequenceArray, as_sequence_array


def shortest(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        times.append(time.process_time() - start)
    return min(times)


@pytest.mark.parametrize("lengths", [np.full(10_000, 100), np.arange(10_000) % 100 + 50], ids=["equal", "ragged"])
def test_ten_thousand_sequences(lengths):
    items = ragged(lengths, n_channels=8, dtype=np.float32)
    X = SequenceArray.from_list(items)
    order = np.random.default_rng(0).permutation(len(X))
    copying = shortest(lambda: np.concatenate(items))
    assert shortest(lambda: as_sequence_array(items)) < 30 * copying
    assert shortest(lambda: X[order]) < 10 * copying
    assert shortest(lambda: as_sequence_array(X.to_series())) < copying / 2
