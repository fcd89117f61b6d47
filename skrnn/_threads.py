"""The package's own threads: each takes the next shard until none is left.

No Numba threading layer: those kill forked or threaded programs. Threads live as long as the pool, that is as one fit
or predict, so nothing is left behind and nothing is shared between estimators.
"""

import itertools
from concurrent.futures import ThreadPoolExecutor, wait


class ShardPool:
    """Runs numbered tasks on `n_threads` threads, the caller's among them.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads):
        self.n_threads = n_threads
        self._executor = ThreadPoolExecutor(n_threads - 1) if n_threads > 1 else None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def run(self, task, n_tasks, n_threads):
        """Call ``task(i, worker)`` for i in 0 .. n_tasks - 1; `worker` numbers the thread. Returns when all are done.

        No more than `n_threads` take part, for tasks too short to be worth waking the others.
        """
        numbers = itertools.count()

        def work(worker):
            for i in iter(numbers.__next__, None):
                if i >= n_tasks:
                    return
                task(i, worker)

        others = []
        if self._executor is not None:
            others = [self._executor.submit(work, w) for w in range(1, min(self.n_threads, n_threads, n_tasks))]
        try:
            work(0)
        finally:
            started = [other for other in others if not other.cancel()]  # who has not started has nothing left to do
            wait(started)
            for other in started:
                other.result()
