"""Sequences whose values workers keep, for code that reads values in pieces, and the data of a fit on them."""

import numpy as np

from ..network.data import StreamedData
from ..network.shards import ShardResult, ThreadExecutor
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ._ranges import Rows
from ._worker import HeldData, Recipe, Shards


class FarValues:
    """Stands for the array of all steps: slices of rows are fetched when they are read.

    Parameters
    ----------
    fleet : Fleet
    firsts : ndarray
        First row of each part, and the end of the last.
    n_channels : int
    dtype : dtype
    """

    ndim = 2

    def __init__(self, fleet, firsts, n_channels, dtype):
        self._fleet, self._firsts, self.dtype = fleet, firsts, np.dtype(dtype)
        self.shape, self.itemsize = (int(firsts[-1]), n_channels), self.dtype.itemsize

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def __getitem__(self, key):
        if isinstance(key, tuple):
            return self[key[0]][:, *key[1:]]
        begin, end, step = key.indices(len(self))
        inner = self._firsts[(self._firsts > begin) & (self._firsts < end)]
        bounds = np.unique([begin, *inner, max(begin, end)]).astype(np.int64)
        return self.read(Rows(bounds[:-1], bounds[1:]))[::step]

    def read(self, rows):
        """The values of ranges of rows, one after the other."""
        return self._fleet.rows(rows)


def far_sequences(fleet, kept):
    """A `SequenceArray` of the parts that workers keep, in their order."""
    filled = [one for one in kept if len(one.lengths)]
    dtype, n_channels = np.result_type(*(one.dtype for one in filled)), filled[0].n_channels
    fleet.have(kept, dtype, n_channels)
    sequences = SequenceArray.__new__(SequenceArray)
    firsts = offsets_of([int(one.lengths.sum()) for one in kept])
    sequences.values = FarValues(fleet, firsts, n_channels, dtype)
    sequences.offsets = offsets_of(np.concatenate([one.lengths for one in kept]))
    sequences._far = FarData
    sequences._channel_names = filled[0].names
    sequences.fleet = fleet
    return sequences


class FarData(StreamedData):
    """Sequences that are encoded when they are read, the first part of which workers keep."""

    _recipe = None

    def executor(self, n_threads):
        """What runs shards: the workers, and for predictions threads of this process."""
        return FleetExecutor(n_threads, self)

    @property
    def fleet(self):
        """The workers."""
        return self._parts[0].fleet

    def recipe(self, worker):
        """What workers are told of shards that go through the like of `worker`, a `BackPropagation`; one value."""
        n_shards, reads_own = len(worker.batch.losses), worker.batch.own_share is not None
        network = worker.network
        what = network.structure, network.n_held, worker.loss, worker.room, worker.mode, reads_own, n_shards
        if self._recipe is None or not all(a is b or a == b for a, b in zip(self._recipe[:-2], what, strict=True)):
            self._recipe = Recipe(*what, self._encoder, HeldData(self))
        return self._recipe

    def read(self, stretch):
        """See `StreamedData.read`; the rows that workers have are fetched at once."""
        n_far = len(self._parts[0])
        if (stretch.sequences >= n_far).all():
            return super().read(stretch)
        sequences = stretch.sequences
        near = sequences >= n_far
        begins, ends = self.offsets[sequences], self.offsets[sequences + 1]
        if self._encoder.sees_one_step:
            begins = begins + stretch.first_steps
            ends = begins + stretch.lengths
        gathered, first = [], self._parts[0].offsets[-1]
        far = self._parts[0].values.read(Rows(begins[~near], ends[~near]))
        place = 0
        for begin, end, is_near in zip(begins.tolist(), ends.tolist(), near.tolist(), strict=True):
            if is_near:
                gathered.append(self._parts[1].values[begin - first : end - first])
            else:
                gathered.append(far[place : place + end - begin])
                place += end - begin
        offsets = offsets_of(ends - begins)
        encoded = self._encoder.encode(SequenceArray(np.concatenate(gathered), offsets), self.dtype)
        return encoded, offsets[:-1] + (0 if self._encoder.sees_one_step else stretch.first_steps)


class FleetExecutor(ThreadExecutor):
    """Runs shards of training on workers, those of predictions on threads of this process.

    Parameters
    ----------
    n_threads : int
    data : FarData
    """

    def __init__(self, n_threads, data):
        super().__init__(n_threads)
        self._data = data

    def run(self, crew, theta, tasks, n_workers):
        """See `Executor`."""
        from ..training.back_propagation import BackPropagation  # noqa: PLC0415 (brings the compiler)

        first = crew.workers[0]
        if not isinstance(first, BackPropagation):
            return super().run(crew, theta, tasks, n_workers)
        from ..kernels.minibatches import TOTAL  # noqa: PLC0415

        crew.pack(theta)
        batch, results = first.batch, [None] * len(tasks)

        def visit(number, loss, gradient, carry):
            batch.gradients.rows[number] = gradient
            results[number] = ShardResult(loss, carry)

        own_share = None if batch.own_share is None else int(batch.own_share[0])
        shards = Shards(batch.packed.memory.copy(), float(batch.numbers[TOTAL]), own_share, tasks)
        self._data.fleet.run(self._data.recipe(first), shards, visit)
        return results
