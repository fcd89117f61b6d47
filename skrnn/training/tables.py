"""Tables of codes in training: a batch works with the rows that it reads, and all others wait.

The work of an update is to depend on the batch, not on how many codes there are. So mini-batches train a network of few
rows. Before each batch these become the rows that it reads: those of the batch before go back to where all rows are,
and those that are taken make up for the updates that they have missed (see `training.missed`). At the end of
an epoch all rows do, so that whoever looks finds them as if they had never waited, bit for bit but for what has faded.
"""

import numpy as np

from ..kernels import tables as kernels
from ..kernels.program import Instruction, Number, Program, View
from ..network.data import StreamedData
from ..network.plan import Stretch
from .missed import keep_calls, make_up_call

COLLECTED, BEFORE, HELD = range(3)  # counts of codes: found; with rows before the last update; with rows in hand
WORTHWHILE = 4  # times as many numbers in all tables as in the rows of a batch pay for moving rows about


def rows_of_batches(structure, lengths, batch_size):
    """For each table the most rows that a batch may read, of sequences of these lengths; None: better hold all rows."""
    if not structure.embeddings:
        return None
    n = min(batch_size, len(lengths))
    n_steps = int(np.partition(lengths, -n)[-n:].sum())
    n_held = tuple(min(n_steps, n_codes) for _, n_codes, _ in structure.embeddings)
    n_numbers = sum(n_codes * n_dims for _, n_codes, n_dims in structure.embeddings)
    n_moved = sum(n * n_dims for n, (*_, n_dims) in zip(n_held, structure.embeddings, strict=True))
    return n_held if n_numbers >= WORTHWHILE * n_moved else None


class Table:
    """One table: all of its rows, and those that a batch holds.

    Parameters
    ----------
    channel : int
        Of the codes.
    whole, held : list of ndarray
        Rows of parameters, then of each array that the optimizer remembers.
    slots : ndarray
        Where each code is among the rows that are held.
    """

    def __init__(self, channel, whole, held, slots):
        self.channel, self.whole, self.held, self.slots = channel, whole, held, slots
        self.last, self.everything = np.zeros(len(whole[0]), np.int64), np.arange(len(whole[0]))
        self._codes, self.counts = np.zeros(len(held[0]), np.int64), np.zeros(3, np.int64)
        self._kept, self._n_kept, self._before = np.zeros(len(held[0]), np.int64), np.zeros(1, np.int64), held[0].copy()
        # Whenever Ctrl-C comes, the counts say what stands where.
        self.codes = View.first(self._codes, Number(self.counts, COLLECTED))
        self._held_codes = View.first(self._codes, Number(self.counts, HELD))

    def put_back(self, now):
        """Instructions that put the rows back after `now` updates."""
        for held, whole in zip(self.held, self.whole, strict=True):
            yield Instruction(f"table {self.channel}: put back", kernels.put_rows, (held, self._held_codes, whole))
        what = self._held_codes, self.last, now, self.counts
        yield Instruction(f"table {self.channel}: let wait", kernels.let_wait, what)

    def collect(self, rows, begins, lengths, values):
        """What finds the codes of sequences."""
        return rows, begins, lengths, values, self.channel, self.slots, self._codes, self.counts

    def take(self):
        """Instructions that take the rows of these codes."""
        for whole, held in zip(self.whole, self.held, strict=True):
            yield Instruction(f"table {self.channel}: take", kernels.take_rows, (whole, self.codes, held))
        yield Instruction(f"table {self.channel}: taken", kernels.say_taken, (self.counts, HELD))

    def take_before(self):
        """Instructions that remember the parameters in these rows, which are those before the last update."""
        what = self.whole[0], self.codes, self._before
        yield Instruction(f"table {self.channel}: take before", kernels.take_rows, what)
        yield Instruction(f"table {self.channel}: taken before", kernels.say_taken, (self.counts, BEFORE))

    def make_up(self, optimizer, codes, now, scales):
        """Instructions that make up for missed updates of rows."""
        call = make_up_call(optimizer, self.whole, self.last, codes, now, scales)
        yield Instruction(f"table {self.channel}: make up", *call)

    def keep(self):
        """Instructions that remember which rows are held."""
        yield Instruction(
            f"table {self.channel}: keep", kernels.keep_codes, (self._held_codes, self._kept, self._n_kept)
        )

    def rows_before(self):
        """The rows in hand, and their parameters before the last update."""
        n = self.counts[BEFORE]
        return self._codes[:n].copy(), self._before[:n]

    def put_kept(self, held, whole):
        """Put rows back to where they were when `keep` remembered them."""
        n = self._n_kept[0]
        whole[self._kept[:n]] = held[:n]


class Tables:
    """What mini-batches of few rows need around them.

    Parameters
    ----------
    network : Network
        With all rows.
    objective : Objective
        Of the network with few rows; its ``theta`` is what updates change.
    optimizer : BaseOptimizer
    state : TrainingState
    n_updates : int
        Most updates of an epoch.
    now, n_rows : Number
        Updates of this epoch so far; sequences of the batch.

    Attributes
    ----------
    theta : ndarray
        All parameters, at the beginning and end of an epoch.
    slots : list of ndarray
        What the optimizer remembers of ``objective.theta``.
    safe_theta : ndarray
        ``objective.theta`` before the last update.
    rows : ndarray of int64
        Numbers of the sequences of a batch, longest first.
    """

    def __init__(self, network, objective, optimizer, state, n_updates, now, n_rows):
        self._network, self._objective, self._optimizer, self._state = network, objective, optimizer, state
        self.theta, self.safe_theta = state.theta.copy(), objective.theta.copy()
        self.slots, self._n_updates = optimizer.start(objective.theta), now
        self.rows, self._n_rows = np.zeros(len(objective.data.lengths), np.int64), n_rows
        self._scales, self._until = np.zeros((n_updates, 2)), Number(np.zeros(1, np.int64))
        self._before = np.zeros(1, np.int64)  # updates before the last one
        packed = objective.batch.packed.group("embedding")
        whole, held = self._views(network, [self.theta, *state.slots]), self._views(objective.network, self._held)
        self._names = [f"embedding.{name}" for name in network.stack.fronts["embedding"].shapes]
        self._tables = []
        for name in self._names:
            channel = name.rpartition(".")[2]
            arrays = [of[name] for of in whole], [of[name] for of in held], packed[f"slots_{channel}"]
            self._tables.append(Table(int(channel), *arrays))
        self._put_back = Program(self._each(lambda table: table.put_back(now)))
        until, scales = self._until, self._scales
        self._make_up_all = Program(self._each(lambda table: table.make_up(optimizer, table.everything, until, scales)))

    @property
    def _held(self):
        return [self._objective.theta, *self.slots]

    @staticmethod
    def _views(network, vectors):
        return [network.layout.views(vector) for vector in vectors]

    def _each(self, instructions):
        return [instruction for table in self._tables for instruction in instructions(table)]

    # ------------------------------------------------------------------------------------------------ around a batch
    def name(self, sequences):
        """Say which sequences are next."""
        self.rows[: len(sequences)], self._n_rows.value = sequences, len(sequences)

    def choose(self):
        """Instructions that hold the rows of the next batch, in place of those of the one before."""
        data = self._objective.data
        yield from self._each(lambda table: table.put_back(self._n_updates))
        if isinstance(data, StreamedData):
            yield Instruction("codes", self._collect_streamed, ())
        else:
            what = View.first(self.rows, self._n_rows), data.begins, data.lengths, data.values
            for table in self._tables:
                yield Instruction(f"table {table.channel}: codes", kernels.collect_codes, table.collect(*what))
        yield Instruction("tables: before", kernels.subtract_one, (self._n_updates, self._before))
        for table in self._tables:
            yield from table.make_up(self._optimizer, table.codes, Number(self._before), self._scales)
            yield from table.take_before()
            yield from table.make_up(self._optimizer, table.codes, self._n_updates, self._scales)
            yield from table.take()

    def _collect_streamed(self):
        """Find the codes of sequences that are encoded once more for that."""
        data, room, in_segments = self._objective.data, self._objective.room, self._network.in_segments
        for shard in room.shards(self.rows[: self._n_rows.value], data.lengths, in_segments):
            for segment in Stretch.whole(data, shard).cut(room.n_steps):
                values, begins = data.read(segment)
                for table in self._tables:
                    what = np.arange(len(begins)), begins, segment.lengths, values
                    kernels.collect_codes(*table.collect(*what))

    def keep(self, t, rate):
        """Instructions that remember what is held, and the update that is about to come."""
        yield from self._each(Table.keep)
        for call in keep_calls(self._optimizer, t, self._n_updates, rate, self._scales):
            yield Instruction("tables: keep scales", *call)

    # ----------------------------------------------------------------------------------------------- around an epoch
    def begin(self):
        """Begin an epoch: all rows are as they should be."""
        self._copy_others(self._network, [self.theta, *self._state.slots], self._objective.network, self._held)
        for table in self._tables:
            table.last[:] = 0
            table.counts[:] = 0

    def end(self):
        """Bring all rows to where they should be, and ``state.safe_theta`` to before the last update."""
        n, state, few = self._n_updates.value, self._state, self._objective.network
        in_hand = [table.rows_before() for table in self._tables]
        self._put_back.run()
        if n:
            self._make_up_until(n - 1)
            state.safe_theta[:] = self.theta
            safe, held = self._network.layout.views(state.safe_theta), few.layout.views(self.safe_theta)
            for name, table, (codes, rows) in zip(self._names, self._tables, in_hand, strict=True):
                safe[name][codes] = rows
                table.put_kept(held[name], safe[name])
            self._copy_others(few, [self.safe_theta], self._network, [state.safe_theta])
        self._make_up_until(n)
        self._copy_others(few, self._held, self._network, [self.theta, *state.slots])

    def _make_up_until(self, n):
        self._until.value = n
        self._make_up_all.run()

    def _copy_others(self, network, vectors, to_network, to_vectors):
        """Copy all parameters but the tables from one network to the other, and what goes with each."""
        sources, targets = self._views(network, vectors), self._views(to_network, to_vectors)
        for source, target in zip(sources, targets, strict=True):
            for name in target:
                if name not in self._names:
                    target[name][...] = source[name]
