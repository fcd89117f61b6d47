"""Which candidates train how long."""

from itertools import pairwise

import numpy as np
import pytest

from skrnn.model_selection._rungs import Rung, best_of, n_going_on, rungs_of


@pytest.mark.parametrize("fewest", [1, 2, 7])
@pytest.mark.parametrize("n_most", [7, 20, 81, 200])
@pytest.mark.parametrize("factor", [1.1, 1.5, 2, 3, 4, np.float32(2.5), 10, 1000])
def test_rungs_become_narrower_and_later(factor, n_most, fewest):
    for n_candidates in range(1, 130):
        rungs = rungs_of(n_candidates, factor, fewest, n_most)
        sizes, epochs = [rung.n_candidates for rung in rungs], [rung.n_epochs(n_most) for rung in rungs]
        assert sizes[0] == n_candidates
        assert all(after == min(np.ceil(before / factor), before - 1) for before, after in pairwise(sizes))
        assert sizes[-1] >= 1
        assert epochs[-1] == n_most
        assert fewest <= epochs[0]
        assert epochs == sorted(epochs)
        assert len(rungs) == 1 or sizes[-2] > factor
        assert [rung.number for rung in rungs] == list(range(len(rungs)))
        # where there are epochs enough, as many rungs as it takes
        assert sizes[-1] <= factor or n_most < fewest * factor ** len(rungs)


def test_an_example():
    rungs = rungs_of(64, 3, 1, 81)
    assert [(rung.n_candidates, rung.n_epochs(81)) for rung in rungs] == [(64, 3), (22, 9), (8, 27), (3, 81)]
    assert [rung.n_epochs(100) for rung in rungs] == [4, 12, 34, 100]
    assert [rung.n_epochs(2) for rung in rungs] == [1, 1, 1, 2]
    assert [(rung.n_candidates, rung.n_epochs(9)) for rung in rungs_of(64, 3, 1, 9)] == [(64, 1), (22, 3), (8, 9)]


def test_no_factor_trains_all_to_the_end():
    assert rungs_of(16, None, 1, 20) == [Rung(0, 16, 1.0, 1)]


def test_the_first_of_equal_scores_and_numbers_before_what_is_none():
    assert best_of(np.array([0.1, 0.9, np.nan, 0.9, 0.5]), 1).tolist() == [1]
    assert best_of(np.array([0.1, 0.9, np.nan, 0.9, 0.5]), 3).tolist() == [1, 3, 4]
    assert best_of(np.array([np.nan, -np.inf, 0.0]), 2).tolist() == [0, 2]
    assert best_of(np.full(5, np.nan), 2).tolist() == [0, 1]
    assert n_going_on(2, 1.01) == 1
