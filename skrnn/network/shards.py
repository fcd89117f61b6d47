"""Shards of a batch as tasks, and what runs them: threads."""

from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from .._core.threads import ShardPool
from .carry import Carry

# Parameters times steps of a batch, forward and back, that pay for a thread: to wake it takes 20 to 50 microseconds, to
# start it first, as each prediction does, 130. Forward alone is a third of the work.
WORK_PER_THREAD = 3e6
FORWARD_SHARE = 0.3


class ShardTask(NamedTuple):
    """Sequences that go through the network together, longest first.

    number : place in the sum; begin, end : which of their steps, end None: all; n_tail : through how many of the last
    steps the gradient flows back, None: all; seed : what noise is drawn from, None for none; carry : the states to
    start from, None for 0; wants_carry : whether the states behind the last step are wanted.
    """

    sequences: np.ndarray
    number: int = 0
    begin: int = 0
    end: int | None = None
    n_tail: int | None = None
    seed: int | None = None
    carry: Carry | None = None
    wants_carry: bool = False


class ShardResult(NamedTuple):
    """What came of a task but arrays that workers have written in place: its part of the loss, and its last states."""

    loss: float = 0.0
    carry: Carry | None = None


class Worker(Protocol):
    """Runs one task after the other, in memory of its own."""

    def run(self, task: ShardTask) -> ShardResult: ...


class Crew(NamedTuple):
    """Workers over the same packed weights; ``pack(theta)`` brings parameters there."""

    pack: Callable
    workers: list


class Executor(Protocol):
    """Runs tasks, `n_workers` at a time at most."""

    n_workers: int

    def run(self, crew: Crew, theta: np.ndarray, tasks: list, n_workers: int, ahead: np.ndarray) -> list:
        """The results of tasks at theta, in the order of the tasks; the first ones may be added up to one.

        ahead : sequences that will probably be asked for next
        """


class ThreadExecutor:
    """Runs tasks on threads of this process; to be used in a ``with`` statement.

    Parameters
    ----------
    n_workers : int
        May be set to less for some time, where other executors want threads, too.
    """

    def __init__(self, n_workers):
        self.n_workers, self._pool = n_workers, ShardPool(n_workers)

    def __enter__(self):
        self._pool.__enter__()
        return self

    def __exit__(self, *exception):
        self._pool.__exit__(*exception)

    def run(self, crew, theta, tasks, n_workers, ahead=()):
        """See `Executor`."""
        crew.pack(theta)
        results = [None] * len(tasks)

        def run(i, worker):
            results[i] = crew.workers[worker].run(tasks[i])

        self._pool.run(run, len(tasks), n_workers)
        return results

    def together(self, work, n_workers):
        """Call ``work(number, worker)`` for the numbers below `n_workers`, each in a thread if there is one."""
        self._pool.run(work, n_workers, n_workers)


def worthwhile_workers(theta, lengths, share=1.0):
    """Workers for which sequences of these lengths are work enough; share: of their work that is done."""
    return workers_for(share * theta.size * int(lengths.sum()))


def workers_for(work):
    """Workers for which so many parameters times steps are enough."""
    return 1 + int(work / WORK_PER_THREAD)
