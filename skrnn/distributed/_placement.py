"""Which worker keeps which part of X: parts are brought there, and once more if they are lost."""

import asyncio
import time
from concurrent.futures import CancelledError

from ..sequences._layout import offsets_of
from ._worker import Places


class Placement:
    """Parts of X on workers.

    Parameters
    ----------
    pool : WorkerPool

    Attributes
    ----------
    places : Places or None
        What workers are told of the parts; None before `have`.
    """

    def __init__(self, pool):
        self._pool, self.places, self._lost = pool, None, set()

    async def place(self, partitions):
        """Bring partitions to workers; returns a `Kept` for each.

        partitions : `Parts`
        """
        self._partitions = partitions
        return await self._place(range(len(partitions)))

    def have(self, kept, dtype, n_channels):
        """Say what the parts have in common, once that is known."""
        firsts = offsets_of([int(one.lengths.sum()) for one in kept])
        self.places = Places(firsts, [one.owner for one in kept], n_channels, dtype)

    def note_lost(self, owner):
        """Note that a worker has not the parts that it should have."""
        self._lost.add(owner)

    async def recover(self):
        """Bring parts that are lost to other workers; whether there were some."""
        owners, workers = list(self.places.owners), self._pool.threads
        lost = [k for k, owner in enumerate(owners) if owner not in workers or owner in self._lost]
        self._lost = set()
        if not (lost and workers):
            return False
        for k, one in zip(lost, await self._place(lost), strict=True):
            owners[k] = one.owner
        self.places = self.places._replace(owners=owners)
        return True

    async def _place(self, numbers):
        """Bring the parts with these numbers to workers, so few at a time that these do not hold many in memory."""
        since, left, kept = time.monotonic(), list(numbers), {}
        while left:
            n_threads = sum(self._pool.threads.values())
            found = await self._bring(left[: 2 * n_threads]) if n_threads else {}
            kept |= found
            left = left[len(found) :]
            since = time.monotonic() if found else since
            if left and not found:
                await self._pool.pause()
                self._pool.check_patience(since)
        return [kept[k] for k in numbers]

    async def _bring(self, numbers):
        """A `Kept` for each of some parts, brought by tasks to the workers that are there; less, if these are lost."""
        client, workers, futures, kept = self._pool.client, sorted(self._pool.threads), [], {}
        try:
            futures = await self._partitions.keep(client, self._pool.name, numbers, workers)
            for k, future in zip(numbers, futures, strict=True):  # in this order: of several errors the first is raised
                kept[k] = await self._brought(k, future, workers)
        except BaseException as error:
            await client.cancel(futures, asynchronous=True)
            if not isinstance(error, LostWorkersError | CancelledError):
                raise
        return kept

    async def _brought(self, number, future, workers):
        """What a task says of a part; LostWorkersError if it is known that all its workers are gone."""
        waiting = asyncio.ensure_future(_result(future))
        while await self._pool.wait([waiting]):
            if self._pool.threads.keys().isdisjoint(workers):
                waiting.cancel()
                raise LostWorkersError
        try:
            return waiting.result()
        except Exception as error:
            error.add_note(f"This happened when partition {number} of X was read.")
            raise


class LostWorkersError(Exception):
    """All workers are gone that tasks were for."""


async def _result(future):
    return await future
