"""How much runs side by side: threads of this process, and jobs of joblib's backends."""

import sys

from joblib import cpu_count, effective_n_jobs
from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel, delayed


def n_threads_of(n_jobs):
    """The number of threads of this process that `n_jobs` stands for.

    Within a job of joblib or a task of Dask, whose neighbours have the other processors, None and negative numbers are
    one thread. Backends of a cluster count the processors of other machines, on which these threads cannot run.
    """
    backend, in_context = get_active_backend()
    is_job = (backend.nesting_level or 0) > 0 or _is_task_of_dask()
    if n_jobs is None:
        n_jobs = backend.default_n_jobs if in_context is None else in_context
    if n_jobs == 1 or (is_job and n_jobs < 0):
        return 1
    here = n_jobs if n_jobs > 0 else max(cpu_count() + 1 + n_jobs, 1)
    return min(here, effective_n_jobs(n_jobs))


def _is_task_of_dask():
    distributed = sys.modules.get("distributed")
    try:
        return distributed is not None and bool(distributed.get_worker())
    except ValueError:  # there is no worker
        return False


def side_by_side(function, arguments):
    """The results of `function` for each of some tuples of arguments, in order.

    In a ``joblib.parallel_config`` context they are jobs of its backend, otherwise one follows the other.
    """
    arguments = list(arguments)
    if len(arguments) == 1:  # which may have all threads
        return [function(*arguments[0])]
    return Parallel()(delayed(function)(*each) for each in arguments)
