"""How parts of X come to workers: tasks of Dask read them from their source, a few at a time."""

import asyncio
import math
from collections import Counter, deque
from concurrent.futures import CancelledError
from typing import NamedTuple

from ._parts import LostWorkersError
from ._patience import MORE_MEMORY, RESUME, Patience

LOSSES = 3  # of the workers of a part, after which one more is taken for its fault, as by Dask


class Coming(NamedTuple):
    """A part under way: the future of its `Kept`, a task of asyncio that waits for it, and where it may come to.

    That task is never cancelled, as Dask gathers results for several at once.
    """

    future: object
    outcome: asyncio.Task
    workers: frozenset


class Delivery:
    """Parts on their way to workers, at most two for each thread, so that these do not hold many in memory.

    Parameters
    ----------
    pool : WorkerPool
    partitions : Parts
    numbers : iterable of int
        Of the parts to bring, rising.
    """

    def __init__(self, pool, partitions, numbers):
        self._pool, self._partitions = pool, partitions
        self._left, self._coming, self._kept, self._errors = deque(numbers), {}, {}, {}
        self._losses, self._patience = Counter(), Patience(pool)

    async def run(self):
        """Bring all; returns a `Kept` for each, by its number."""
        try:
            while self._left or self._coming:
                await self._send()
                has_come = await self._take()
                self._check_errors()
                if not has_come:
                    await self._look_after()
        finally:
            await self._take_back(list(self._coming))
        return self._kept

    async def _send(self):
        """Have parts brought to workers that take tasks, about as many as threads: each time takes milliseconds."""
        if not self._left or len(self._coming) > sum(self._pool.threads.values()):
            return
        workers = await self._pool.running()
        n = 2 * sum(workers.values()) - len(self._coming)
        numbers = [self._left.popleft() for _ in range(min(n, len(self._left)))]
        if not numbers:
            return
        try:
            futures = await self._partitions.keep(self._pool.client, self._pool.name, numbers, sorted(workers))
        except LostWorkersError:
            self._put_back(numbers)
            return
        for number, future in zip(numbers, futures, strict=True):
            self._coming[number] = Coming(future, asyncio.ensure_future(_outcome(future)), frozenset(workers))

    async def _take(self):
        """Wait for parts, and take those that have come; whether there is one."""
        if self._coming:
            await self._pool.wait([one.outcome for one in self._coming.values()], asyncio.FIRST_COMPLETED)
        ended = {number: one.outcome.result() for number, one in self._coming.items() if one.outcome.done()}
        lost = [number for number, (_, error) in ended.items() if isinstance(error, CancelledError)]
        for number in ended.keys() - lost:
            del self._coming[number]
            self._kept[number], error = ended[number]
            if error is not None:
                error.add_note(f"This happened when partition {number} of X was read.")
                self._errors[number] = error
                self._left = deque(k for k in self._left if k < number)
        if lost:  # what they were made of is gone
            await self._take_back(lost)
            await self._pool.pause()
        if len(lost) == len(ended):
            return False
        self._patience.reset()
        return True

    def _check_errors(self):
        """Raise the error of the first part that has one, when all parts before have come."""
        first = min(self._errors, default=None)
        if first is not None and first < min([*self._coming, *self._left], default=math.inf):
            raise self._errors[first]

    async def _look_after(self):
        """Send once more what is lost or stuck; an error if nothing has gone on for long."""
        lost = [k for k, one in self._coming.items() if one.workers.isdisjoint(self._pool.threads)]
        if not self._coming:
            await self._pool.pause()
        elif lost:
            self._count_losses(lost)
            await self._take_back(lost)
        elif await self._pool.goes_on([one.future.key for one in self._coming.values()]):
            self._patience.reset()
        elif await self._pool.running():  # Dask leaves tasks with a worker that it has paused
            await self._take_back(list(self._coming))
        first = min([*self._coming, *self._left])
        await self._patience.check(
            f"Partition {first} of X has not come to a worker",
            "Tasks of X may ask for resources, or for workers, that are not there.",
        )

    def _count_losses(self, numbers):
        self._losses.update(numbers)
        often = [str(number) for number in numbers if self._losses[number] > LOSSES]
        if often:
            raise RuntimeError(
                f"Workers were lost {LOSSES + 1} times while these partitions of X were read: {', '.join(often)}. They "
                f"may have been short of memory. {MORE_MEMORY} {RESUME}"
            )

    async def _take_back(self, numbers):
        """Cancel the tasks of some parts, which are to be sent once more."""
        futures = [self._coming.pop(number).future for number in numbers]
        self._put_back(numbers)
        if futures and self._pool.client.status == "running":
            await self._pool.client.cancel(futures, asynchronous=True)

    def _put_back(self, numbers):
        self._left = deque(sorted([*numbers, *self._left]))


async def _outcome(future):
    """The result of a future, or None and its error."""
    try:
        return await future, None
    except Exception as error:
        return None, error
