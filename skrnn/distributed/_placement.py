"""Which worker keeps which part of X, also after some are lost."""

import time

import numpy as np

from ..sequences._layout import offsets_of
from ._delivery import Delivery
from ._ranges import Places


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
        """Bring `Parts` to workers; returns a `Kept` for each."""
        self._partitions = partitions
        kept = await self._bring(range(len(partitions)))
        return [kept[k] for k in range(len(partitions))]

    async def _bring(self, numbers):
        return await Delivery(self._pool, self._partitions, numbers).run()

    def have(self, kept, dtype, n_channels):
        """Say what the parts have in common, once that is known; returns `places`."""
        firsts = offsets_of([int(one.lengths.sum()) for one in kept])
        self.places = Places(firsts, [one.owner for one in kept], n_channels, np.dtype(dtype))
        return self.places

    def note_lost(self, owner):
        """Note that a worker has not the parts that it should have."""
        self._lost.add(owner)

    async def recover(self, patience):
        """Bring parts that are lost to other workers, in which the `Patience` is not tried."""
        owners, workers = list(self.places.owners), self._pool.threads
        lost = [k for k, owner in enumerate(owners) if owner not in workers or owner in self._lost]
        self._lost = set()
        if lost and workers:
            begun = time.monotonic()
            for k, one in (await self._bring(lost)).items():
                owners[k] = one.owner
            self.places = self.places._replace(owners=owners)
            patience.leave_out(time.monotonic() - begun)
