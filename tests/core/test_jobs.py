"""How many threads n_jobs stands for, alone, in contexts of joblib and within its jobs; the same bits everywhere."""

import numpy as np
import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config
from jobs_alike import QUICK, WORK

from skrnn import RNNForecaster
from skrnn._core.jobs import n_threads_of, side_by_side

ALL = cpu_count()


@pytest.fixture(params=["threading", "loky"])
def context(request):
    return {"backend": request.param, "n_jobs": 2}


def test_number_of_threads(context):
    assert [n_threads_of(n) for n in (None, 1, 3, -1)] == [1, 1, 3, ALL]
    with parallel_config(**context):
        assert [n_threads_of(n) for n in (None, 1, 3, -1)] == [2, 1, 3, ALL]
    with parallel_config(backend="sequential"):
        assert [n_threads_of(n) for n in (None, 1, 3, -1)] == [1, 1, 1, 1]


def test_within_jobs_one_thread_unless_told(context):
    with parallel_config(**context):
        found = Parallel()(delayed(lambda: [n_threads_of(n) for n in (None, 1, 3, -1, -2)])() for _ in range(3))
    assert found == [[1, 1, 3, 1, 1]] * 3


def test_side_by_side(context):
    assert side_by_side(pow, [(2, 3)]) == [8]
    assert side_by_side(divmod, []) == []
    pairs = [(k, 3) for k in range(7)]
    with parallel_config(**context):
        assert side_by_side(divmod, pairs) == [divmod(*pair) for pair in pairs]
        with pytest.raises(ZeroDivisionError):
            side_by_side(divmod, [(1, 1), (1, 0)])


# ---------------------------------------------------------------------------------------------------- the same bits
@pytest.fixture(scope="module")
def alone():
    return {work: work() for work in WORK}


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_same_bits(work, context, alone):
    with parallel_config(**context):
        found = work()
    np.testing.assert_array_equal(found, alone[work], strict=True)


def test_an_error_in_a_job_says_what_it_says_alone(context):
    with parallel_config(**context), pytest.raises(ValueError, match=r"series 0 has [12] steps to learn from"):
        RNNForecaster(3, **QUICK).backtest([np.arange(8.0)], n_windows=2)
