"""What a worker runs shards of batches with, and the sequences that it has in memory for them."""

import copy
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..network.data import StreamedData
from ..network.network import Network
from ..network.shards import Crew, ThreadExecutor
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ._ranges import Rows

ENTRY_BYTES = 300  # of a sequence in a `SequenceCache`, beside its values


class Recipe(NamedTuple):
    """What shards go through: see `BackPropagation`, whose data are without the values of sequences.

    encoder : `InputEncoder`; data : `HeldData`; n_held : see `Network`; n_shards : most at a time; n_bytes : most of
    sequences that are not at work.
    """

    structure: object
    n_held: tuple | None
    loss: object
    room: object
    mode: object
    reads_own: bool
    n_shards: int
    encoder: object
    data: object
    n_bytes: int


class Shards(NamedTuple):
    """Shards of a batch for one worker: numbers as in `Batch`, and a `ShardTask` for each.

    drawn_by : an `Augmenter` that changes the sequences, with its seed and epoch, or None; ahead : the sequences of
    shards that will probably follow, an array for each.
    """

    total: float
    own_share: int | None
    drawn_by: tuple | None
    tasks: list
    ahead: list

    @property
    def sequences(self):
        """Those of all shards, in their order."""
        return np.concatenate([task.sequences for task in self.tasks])


def parameters_for(recipe, theta, packed):
    """What workers need of parameters: less than what is packed, unless that says which rows of tables are there."""
    return (theta if recipe.n_held is None else packed.memory).copy()


class HeldData(StreamedData):
    """The `data` of a fit, of which only some sequences have values: those that were last given to `hold`."""

    def __init__(self, data):
        self._set(None, data.offsets, data.dtype)
        self.target, self.row_weight, self.weight = data.target, data.row_weight, data.weight
        self.target_offsets, self.outputs, self._places = data.target_offsets, data.outputs, None

    def hold(self, sequences, values, begins):
        """Take the encoded `values` of some sequences, which begin there, in place of others."""
        if self._places is None:
            self._places = np.zeros(len(self.lengths), np.int64)
        self._held, self._places[sequences] = values, begins

    def read(self, stretch):
        """Values, and where in them each part of a sequence begins that is in `stretch`."""
        return self._held, self._places[stretch.sequences] + stretch.first_steps


class SequenceCache:
    """Encoded sequences that were needed lately: the oldest go where all would take more than `max_bytes`."""

    def __init__(self, max_bytes):
        self._found, self._left = {}, max_bytes

    def get(self, numbers):
        """The sequences with these numbers, in a list; None in place of those that are not here."""
        return [self._found.get(k) for k in numbers.tolist()]

    def put(self, numbers, sequences):
        """Keep sequences with these numbers."""
        for k, values in zip(numbers.tolist(), sequences, strict=True):
            if k not in self._found:
                self._found[k] = values
                self._left -= values.nbytes + ENTRY_BYTES
        while self._left < 0:
            self._left += self._found.pop(next(iter(self._found))).nbytes + ENTRY_BYTES


class Programs:
    """What a worker runs shards with.

    Parameters
    ----------
    recipe : Recipe
    n_threads : int
    max_bytes : int
        Of sequences that are not at work.

    Attributes
    ----------
    cache : SequenceCache
    """

    def __init__(self, recipe, n_threads, max_bytes):
        from ..kernels.minibatches import N_NUMBERS, sum_shards  # noqa: PLC0415 (only workers run shards)
        from ..kernels.program import Instruction, Number, Program  # noqa: PLC0415
        from ..training.back_propagation import BackPropagation, Batch  # noqa: PLC0415

        self._encoder, self._data = recipe.encoder, copy.copy(recipe.data)  # in one process workers are given the same
        self.cache, self._max_bytes, self._values = SequenceCache(max_bytes), max_bytes, ()
        network = Network(recipe.structure, recipe.n_held)
        self._batch = batch = Batch.of(network, recipe.n_shards, recipe.reads_own)
        what = network, self._data, recipe.loss, batch, recipe.room, recipe.mode
        n_threads = min(n_threads, recipe.n_shards)
        workers = [BackPropagation(*what) for _ in range(n_threads)]
        self._network, self._theta = network, np.zeros(network.size, network.dtype)
        self._crew, self._executor = Crew(self._pack, workers), ThreadExecutor(n_threads)
        self._n_shards, self._numbers = np.zeros(1, np.int64), np.zeros(N_NUMBERS)
        what = batch.gradients.rows, Number(self._n_shards), batch.losses, self._numbers
        self._sum = Program([Instruction("sum shards", sum_shards, what)])  # as `Objective.gather` begins

    def close(self):
        """End the threads."""
        self._executor.__exit__()

    def rows(self, sequences):
        """The rows of sequences."""
        return Rows(self._data.offsets[sequences], self._data.offsets[sequences + 1])

    def cacheable(self, sequences):
        """The first of some sequences, as many as the cache has room for."""
        n_bytes = self._data.lengths[sequences] * self._encoder.n_columns * self._data.dtype.itemsize + ENTRY_BYTES
        return sequences[: np.searchsorted(np.cumsum(n_bytes), self._max_bytes, side="right")]

    def encode(self, values, offsets):
        """Sequences as the network reads them, in a list."""
        encoded = self._encoder.encode(SequenceArray(values, offsets), self._data.dtype)
        return [encoded[begin:end] for begin, end in pairwise(offsets.tolist())]

    def run(self, parameters, shards, sequences):
        """Losses, rows of packed gradients, and last states of shards of these encoded sequences.

        parameters : see `parameters_for`.
        The first shards of a batch have one loss and one row, their sum, if their last states are not wanted.
        """
        from ..kernels.minibatches import TOTAL  # noqa: PLC0415 (brings the compiler)

        batch, numbers = self._batch, shards.sequences
        values, offsets = self._together(sequences), offsets_of([len(one) for one in sequences])
        if shards.drawn_by is not None:
            values = _changed(values, numbers, offsets, *shards.drawn_by)
        self._data.hold(numbers, values, offsets[:-1])
        batch.numbers[TOTAL] = shards.total
        if shards.own_share is not None:
            batch.own_share[0] = shards.own_share
        tasks = [task._replace(number=k) for k, task in enumerate(shards.tasks)]
        if tasks[0].seed is not None:
            batch.keys.draw(tasks[0].seed)
        results = self._executor.run(self._crew, parameters, tasks, len(tasks))
        losses = [float(result.loss) for result in results]
        if [task.number for task in shards.tasks] == list(range(len(tasks))) and not tasks[0].wants_carry:
            return self._summed(losses)
        return losses, batch.gradients.rows[: len(tasks)].copy(), [result.carry for result in results]

    def _together(self, sequences):
        """Values of sequences, one after the other, in the same memory each time: a worker's new memory is slow."""
        n_steps = sum(map(len, sequences))
        if len(self._values) < n_steps:
            self._values = np.empty((n_steps, *sequences[0].shape[1:]), sequences[0].dtype)
        return np.concatenate(sequences, out=self._values[:n_steps])

    def _pack(self, parameters):
        packed = self._batch.packed
        if self._network.n_held is None:
            self._theta[:] = parameters
            self._network.pack(self._theta, packed)
        else:
            packed.memory[:] = parameters

    def _summed(self, losses):
        """The same, of shards that are added up."""
        from ..kernels.minibatches import VALUE  # noqa: PLC0415 (brings the compiler)

        self._batch.losses[: len(losses)], self._n_shards[0], self._numbers[VALUE] = losses, len(losses), 0
        self._sum.run()
        return [float(self._numbers[VALUE])], self._batch.gradients.rows[:1].copy(), [None]


def _changed(values, sequences, offsets, augmenter, seed, epoch):
    """The values of sequences as `Data.vary` changes them."""
    from ..kernels.augmentation import augment  # noqa: PLC0415 (brings the compiler)

    out, places = values.copy(), np.arange(len(sequences))
    augment(values, offsets[:-1], np.diff(offsets), places, *augmenter.drawn(sequences, seed, epoch), out)
    return out
