"""Sequences whose values workers keep, for code that reads values in pieces, and the data of a fit on them."""

import copy
from itertools import islice

import numpy as np

from ..network.data import SHARES, StreamedData
from ..network.plan import Stretch
from ..network.shards import ShardResult, ThreadExecutor
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ._programs import HeldData, Recipe, Shards, parameters_for
from ._ranges import Rows, put


class FarValues:
    """Stands for the array of all steps: slices of rows are fetched when they are read.

    Parameters
    ----------
    fleet : Fleet
    places : Places
    """

    ndim = 2

    def __init__(self, fleet, places):
        self._fleet, self._places, self.dtype = fleet, places, places.dtype
        self.shape, self.itemsize = (int(places.firsts[-1]), places.n_channels), self.dtype.itemsize

    def __len__(self):
        return self.shape[0]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def __getitem__(self, key):
        if isinstance(key, tuple):
            return self[key[0]][:, *key[1:]]
        begin, end, step = key.indices(len(self))
        return self.read(self._places.between(begin, max(begin, end)))[::step]

    def read(self, rows):
        """The values of ranges of rows, one after the other."""
        return self._fleet.rows(rows)

    def map(self, function, pieces):
        """Yield what a function says of each `Piece`, in their order; those who keep the rows call it."""
        pieces = iter(pieces)
        while some := list(islice(pieces, self._fleet.n_pieces)):
            yield from self._fleet.map(function, some)


def far_sequences(fleet, kept):
    """A `SequenceArray` of the parts that workers keep, in their order."""
    filled = [one for one in kept if len(one.lengths)]
    places = fleet.have(kept, np.result_type(*(one.dtype for one in filled)), filled[0].n_channels)
    sequences = SequenceArray.__new__(SequenceArray)
    sequences.values = FarValues(fleet, places)
    sequences.offsets = offsets_of(np.concatenate([one.lengths for one in kept]))
    sequences._far = FarData
    sequences._channel_names = filled[0].names
    sequences.fleet = fleet
    return sequences


class FarData(StreamedData):
    """Sequences that are encoded when they are read, the first part of which workers keep.

    Parameters
    ----------
    parts, offsets, encoder, dtype, target, weight, target_offsets
        See `StreamedData`.
    max_bytes : int
        Of which sequences that are kept at hand may take a part.
    """

    bytes_to_vary = 0  # workers change the sequences of their shards
    drawn_by = None  # an `Augmenter` that changes sequences on their way to shards, with its seed and epoch
    _at_hand = None

    def __init__(self, parts, offsets, encoder, dtype, target, weight, max_bytes, target_offsets=None):
        super().__init__(parts, offsets, encoder, dtype, target, weight, target_offsets)
        self._most, self._recipes = max_bytes // SHARES, []  # the latter is shared with copies

    def executor(self, n_threads):
        """What runs shards: the workers, and for predictions threads of this process."""
        return FleetExecutor(n_threads)

    @property
    def fleet(self):
        """The workers."""
        return self._parts[0].fleet

    def recipe(self, worker):
        """What workers are told of shards that go through the like of `worker`, a `BackPropagation`; one value."""
        n_shards, reads_own = len(worker.batch.losses), worker.batch.own_share is not None
        network = worker.network
        what = network.structure, network.n_held, worker.loss, worker.room, worker.mode, reads_own, n_shards
        for recipe in self._recipes:
            if all(a is b or a == b for a, b in zip(recipe, what, strict=False)):
                return recipe
        self._recipes.append(Recipe(*what, self._encoder, HeldData(self), self._most))
        return self._recipes[-1]

    def to_vary(self):
        """See `Data.to_vary`."""
        return copy.copy(self)

    def vary(self, copied, rows, augmenter, seed, epoch):
        """See `Data.vary`; the same numbers are drawn where the sequences go through the network."""
        copied.drawn_by = augmenter, seed, epoch

    def keep_at_hand(self, indices):
        """Fetch sequences once, if there is memory for them."""
        if self._at_hand is None and int(self.lengths[indices].sum()) * self.step_bytes <= self._most:
            values, begins = self.read(Stretch.whole(self, indices))
            places = np.full(len(self.lengths), -1)
            places[indices] = begins
            self._at_hand = values, places

    def read(self, stretch):
        """See `StreamedData.read`; the rows that workers have are fetched at once."""
        sequences, n_far = stretch.sequences, len(self._parts[0])
        if self._at_hand is not None and (self._at_hand[1][sequences] >= 0).all():
            values, places = self._at_hand
            return values, places[sequences] + stretch.first_steps
        if (sequences >= n_far).all():
            return super().read(stretch)
        before = np.minimum(stretch.first_steps, self._encoder.most_steps_before)
        begins = self.offsets[sequences] + stretch.first_steps
        gathered, offsets = self._gathered(Rows(begins - before, begins + stretch.lengths), sequences < n_far)
        return self._encoder.encode(SequenceArray(gathered, offsets), self.dtype), offsets[:-1] + before

    def _gathered(self, rows, is_far):
        """Values of ranges of rows, one after the other, some of which workers have; and where each begins."""
        offsets = rows.offsets
        fetched = self._parts[0].values.read(rows.take(is_far))
        if is_far.all():
            return fetched, offsets
        near, first = self._parts[1].values, self._parts[0].offsets[-1]
        out = np.empty((int(offsets[-1]), near.shape[1]), np.result_type(fetched, near))
        put(fetched, np.flatnonzero(is_far), offsets, out)
        for k in np.flatnonzero(~is_far).tolist():
            out[offsets[k] : offsets[k + 1]] = near[rows.begins[k] - first : rows.ends[k] - first]
        return out, offsets


class FleetExecutor(ThreadExecutor):
    """Runs shards of training on workers, those of predictions on threads of this process."""

    def run(self, crew, theta, tasks, n_workers, ahead=()):
        """See `Executor`."""
        from ..training.back_propagation import BackPropagation  # noqa: PLC0415 (brings the compiler)

        first = crew.workers[0]
        if not isinstance(first, BackPropagation):
            return super().run(crew, theta, tasks, n_workers)
        from ..kernels.minibatches import TOTAL  # noqa: PLC0415

        batch, data, room = first.batch, first.data, first.room
        ahead = room.shards(data.by_length(np.array(ahead, np.int64)), data.lengths, first.network.in_segments)
        own_share = None if batch.own_share is None else int(batch.own_share[0])
        shards = Shards(float(batch.numbers[TOTAL]), own_share, data.drawn_by, tasks, ahead[: len(batch.losses)])
        recipe = data.recipe(first)
        results = data.fleet.run(recipe, parameters_for(recipe, theta, batch.packed), shards)
        for row, (_, gradient, _) in zip(batch.gradients.rows, results, strict=False):
            row[:] = gradient
        return [ShardResult(loss, carry) for loss, _, carry in results]
