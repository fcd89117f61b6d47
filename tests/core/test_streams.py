"""Random numbers that depend on what they are for and on nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skrnn._core.streams import epoch_seed, hashed, shuffled

WORD = 2**64 - 1


def splitmix(*words):
    """`hashed` in integers of any size."""
    x = 0
    for word in words:
        x = ((x ^ word) + 0x9E3779B97F4A7C15) & WORD
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & WORD
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & WORD
        x ^= x >> 31
    return x


@given(st.lists(st.integers(0, WORD), min_size=1, max_size=4))
def test_hash_is_that_of_its_definition(words):
    assert int(hashed(*words)[0]) == splitmix(*words)


@given(st.integers(0, 2**31), st.integers(0, 1000), st.integers(1, 50), st.data())
def test_order_of_a_part_is_that_of_the_whole(seed, epoch, n, data):
    part = np.array(sorted(data.draw(st.sets(st.integers(0, n - 1)))), int)
    whole = shuffled(np.arange(n), seed, epoch)
    assert_array_equal(np.sort(whole), np.arange(n))
    assert_array_equal(shuffled(part, seed, epoch), whole[np.isin(whole, part)])


def test_orders_are_uniform():
    """Each row is as likely in each place: chi-square of 24 places x 24 rows over 20,000 epochs."""
    n, n_epochs = 24, 20_000
    places = np.array([shuffled(np.arange(n), 7, epoch) for epoch in range(n_epochs)])
    counts = np.array([np.bincount(places[:, k], minlength=n) for k in range(n)])
    chi_square = ((counts - n_epochs / n) ** 2).sum() / (n_epochs / n)
    degrees = (n - 1) ** 2
    assert abs(chi_square - degrees) < 5 * np.sqrt(2 * degrees)


def test_seeds_of_epochs_differ():
    seeds = {epoch_seed(seed, epoch) for seed in range(50) for epoch in range(50)}
    assert len(seeds) == 2500
    assert all(0 <= seed < 2**64 for seed in seeds)
