"""Threads that take the next shard until none is left; and a lock that keeps BLAS from using its own threads.

Numba's threading layers are not used, because they kill forked or threaded programs. Threads live as long as the pool,
which is one fit or predict, so nothing is left behind and nothing is shared between estimators.
"""

import functools
import itertools
import os
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread
from typing import NamedTuple


class _Call(NamedTuple):
    """A thread's part in a run; `outcome` gets its error, or None, before `ended` gets a word of it."""

    work: Callable
    worker: int
    claim: Lock
    ended: SimpleQueue
    outcome: list


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
            if thread.is_alive():  # Ctrl-C may have come before it was started
                thread.join()
        self._calls, self._threads = SimpleQueue(), []  # it may be entered again

    def run(self, task, n_tasks, n_threads):
        """Call ``task(i, worker)`` for i in 0 .. n_tasks - 1; `worker` numbers the thread. Returns when all are done.

        No more than `n_threads` take part, for tasks too short to be worth waking the others.
        """
        numbers = iter(range(n_tasks))

        def work(worker):
            for i in numbers:
                task(i, worker)

        # Whoever acquires a call's claim first has it: a thread, to run it, or the caller, who has done all in the
        # meantime and need not wait until that thread is awake.
        calls = [_Call(work, w, Lock(), SimpleQueue(), []) for w in range(1, min(self.n_threads, n_threads, n_tasks))]
        try:
            self._start(len(calls))
            for call in calls:
                self._calls.put(call)
            work(0)
        finally:
            for _ in numbers:  # after an error here, nobody begins another task
                pass
            _wait_for([call for call in calls if not call.claim.acquire(blocking=False)])
        for error in itertools.chain.from_iterable(call.outcome for call in calls):
            if error is not None:
                raise error

    def _start(self, n_others):
        while len(self._threads) < n_others:
            thread = Thread(target=self._serve, daemon=True)
            self._threads.append(thread)  # first, so that it is told of the end if Ctrl-C comes while it is started
            thread.start()

    def _serve(self):
        for call in iter(self._calls.get, None):
            if not call.claim.acquire(blocking=False):
                continue
            try:
                call.work(call.worker)
                call.outcome.append(None)
            except BaseException as error:
                call.outcome.append(error)
            call.ended.put(None)


def _wait_for(calls):
    """Wait until calls have ended, after Ctrl-C too, as they write to memory that others go on with."""
    interrupt = None
    while True:
        try:
            for call in calls:
                while not call.outcome:
                    call.ended.get()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


@functools.cache
def _blas_libraries():
    """They are looked for once, which takes milliseconds."""
    import scipy.linalg  # noqa: F401, PLC0415 (what is not loaded yet would not be found)
    from threadpoolctl import ThreadpoolController  # noqa: PLC0415

    return ThreadpoolController()


class _OneBlasThread:
    """Within it, linear algebra of NumPy and SciPy runs in one thread: its bits depend on their number.

    The number is one for the whole process, so the last to leave restores it.
    """

    def __init__(self):
        self._lock, self._n_users, self._limits = Lock(), 0, None

    def __enter__(self):
        controller = _blas_libraries()
        with self._lock:
            if self._n_users == 0:
                self._limits = controller.limit(limits=1, user_api="blas")
            self._n_users += 1

    def __exit__(self, *exception):
        with self._lock:
            self._n_users -= 1
            if self._n_users == 0:
                self._limits.restore_original_limits()


one_blas_thread = _OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.__init__)
