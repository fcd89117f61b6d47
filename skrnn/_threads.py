"""The package's own threads: each takes the next shard until none is left.

No Numba threading layer: those kill forked or threaded programs. Threads live as long as the pool, that is as one fit
or predict, so nothing is left behind and nothing is shared between estimators.
"""

import itertools
from queue import SimpleQueue
from threading import Lock, Thread


class ShardPool:
    """Runs numbered tasks on `n_threads` threads, the caller's among them; to be used in a ``with`` statement.

    Parameters
    ----------
    n_threads : int
    """

    def __init__(self, n_threads):
        self.n_threads = n_threads
        # Simple queues hand over in a third of the time that an executor with its futures takes.
        self._calls, self._threads = SimpleQueue(), []

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        for _ in self._threads:
            self._calls.put(None)
        for thread in self._threads:
            thread.join()

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

        # Whoever acquires a call's claim first has it: a thread, to run it, or the caller, who has done all in the
        # meantime and need not wait until that thread is awake.
        calls = [(work, w, Lock(), SimpleQueue()) for w in range(1, min(self.n_threads, n_threads, n_tasks))]
        self._start(len(calls))
        for call in calls:
            self._calls.put(call)
        try:
            work(0)
        finally:
            errors = [result.get() for _, _, claim, result in calls if not claim.acquire(blocking=False)]
        for error in filter(None, errors):
            raise error

    def _start(self, n_others):
        while len(self._threads) < n_others:
            thread = Thread(target=self._serve, daemon=True)
            thread.start()
            self._threads.append(thread)

    def _serve(self):
        for work, worker, claim, result in iter(self._calls.get, None):
            if not claim.acquire(blocking=False):
                continue
            try:
                work(worker)
                result.put(None)
            except BaseException as error:
                result.put(error)
