"""What predictions of one kind work in, kept for the next one: packed weights, buffers, and programs.

A compiled driver takes a prediction for one mini-batch of which nothing is to be gathered, judged or updated. What
differs from prediction to prediction stands in the words of the workspace.
"""

import weakref
from collections import deque
from typing import NamedTuple

import numpy as np

from .._core.cached import cached_property
from ..kernels import driver, minibatches
from ..kernels.batches import SHARD, TARGET_BEGINS, follow_rows
from ..kernels.copies import copy_if_new
from ..kernels.program import IS_COMPILED, Instruction, Number, Program, View, place_of
from .arena import aligned
from .drive import Drive
from .memory import LARGEST_SPARE
from .programs import ShardPrograms

# Words behind those of an epoch: address and size of the parameters, if they may be new; sequences; how many of them,
# and how many steps (0: any number), a shard may have; address and rows of the result; sizes and addresses of vectors.
(THETA, N_THETA, N, SHARD_ROWS, SHARD_STEPS, OUT, N_OUT, CAPACITY, LONGEST, VECTORS) = range(
    minibatches.N_EPOCH_WORDS, minibatches.N_EPOCH_WORDS + 10
)
# Vectors of a number for each sequence: 0, 1, ...; its steps; the rows of the values and of the result where it begins;
# the sequences, longest first; bounds of shards among these. And one for each length, to sort them.
ORDER, LENGTHS, BEGINS, ROWS, SORTED, BOUNDS, COUNTS = range(7)
N_WORDS = VECTORS + 7


class Sequences(NamedTuple):
    """Where the sequences of a prediction lie, as `Plan.take` wants to know."""

    lengths: View
    begins: View


class PredictionPrograms(ShardPrograms):
    """The programs of one thread of a workspace.

    Parameters
    ----------
    network : Network
    memory : ThreadMemory
    workspace : Workspace
    """

    def __init__(self, network, memory, workspace):
        super().__init__(network.stack, network.head, workspace.packed, memory, workspace.kind.mode)
        self._during, self._after = workspace.kind.instructions(self, self.plan.target_begins, workspace.out)
        self._vectors = workspace.vectors

    @cached_property
    def during(self):
        """What is done with a segment that has come through the stack."""
        return Program(self._during)

    @cached_property
    def after(self):
        """What is done behind the last segment."""
        return Program(self._after)

    @cached_property
    def whole(self):
        """All of a shard, which is taken from the sequences of the workspace."""
        plan, vectors = self.plan, self._vectors
        sequences = Sequences(vectors[LENGTHS], vectors[BEGINS])
        rows = vectors[ROWS], plan.sequences, plan.target_begins
        take = [
            *plan.take(vectors[BOUNDS], vectors[SORTED], sequences),
            Instruction("rows of results", follow_rows, rows),
        ]
        return Program.joined(Program(take), self.forward, self.during, self.after)

    def set_rows(self, rows):
        """Say in which rows of the result the sequences, or those that are left of them, begin."""
        self.plan.of_sequences[TARGET_BEGINS, : len(rows)] = rows


class Workspace:
    """What a prediction works in.

    Parameters
    ----------
    network : Network
    kind : Raw, States, Weights or Pooled
        What is wanted of sequences: see `results`.
    room : Room
        Of each thread.

    Attributes
    ----------
    packed : Arena
    out : View
        The result.
    vectors : list of View
    threads : list of PredictionPrograms
    n_bytes : int
        Of memory, about.
    """

    def __init__(self, network, kind, room):
        self.kind, self.room, self.threads = kind, room, []
        self.packed, self._fixed = network.memory.allocate_packed(), _nothing
        self._words = words = aligned(N_WORDS, np.int64)
        words[[driver.LEFT, driver.BUDGET, driver.HAS_WEIGHT]] = 1
        self.out = View(Number(words, OUT), (Number(words, N_OUT), kind.n_columns(network)), network.dtype)
        sizes = [Number(words, LONGEST if k == COUNTS else CAPACITY) for k in range(N_WORDS - VECTORS)]
        self.vectors = [View(Number(words, VECTORS + k), (n,), np.dtype(np.int64)) for k, n in enumerate(sizes)]
        self.pack = Program([self._pack(network)])
        self._driver = self._for_driver() if IS_COMPILED else None
        self._table, self._counts = np.zeros((COUNTS, 0), np.int64), np.zeros(0, np.int64)
        self._make_room(1, 0)

    # ------------------------------------------------------------------------------------------------------ programs
    def _pack(self, network):
        words, self._known = self._words, np.zeros(network.size, network.dtype)
        theta = View(Number(words, THETA), (Number(words, N_THETA),), network.dtype)
        table = network.pack_table(self._known, self.packed)
        return Instruction("pack", copy_if_new, (theta, self._known, self.packed.memory, table))

    def _for_driver(self):
        """The programs of the leader: shards are cut, and handed out at once; nothing comes after."""
        words, vectors, n = self._words, self.vectors, Number(self._words, N)
        order, lengths, rows, bounds = (vectors[k] for k in (ORDER, LENGTHS, SORTED, BOUNDS))
        sort = Instruction("sort", minibatches.sort_by_length, (order, 0, n, lengths, vectors[COUNTS], rows))
        what = rows, n, lengths, Number(words, SHARD_ROWS), Number(words, SHARD_STEPS), bounds
        cut = Instruction("cut shards", minibatches.cut_shards, what, Number(words, minibatches.N_BATCH_SHARDS))
        group = Instruction("next group", minibatches.next_group, (words, bounds, bounds))
        programs = {driver.BATCH: Program.joined(self.pack, Program([sort, cut])), driver.GROUP: Program([group])}
        programs |= dict.fromkeys((driver.GATHER, driver.JUDGE, driver.UPDATE), Program([]))
        return Drive(words, programs)

    def add_threads(self, network, n_threads):
        """Make memory and programs for so many threads, where there are fewer."""
        if len(self.threads) >= n_threads:
            return
        while len(self.threads) < n_threads:
            memory = network.memory.allocate_thread(self.room.n_steps, self.room.n_sequences, self.kind.mode)
            self.threads.append(PredictionPrograms(network, memory, self))
            if IS_COMPILED:
                places = [each.plan.count(SHARD) for each in self.threads]
                self._driver.set_workers([each.whole for each in self.threads], places)
        self._count_bytes()

    # ---------------------------------------------------------------------------------------------------- a prediction
    def set_theta(self, theta):
        """Say with which parameters; they are packed if their numbers are new.

        They are looked at, unless they are the array of the last time and nobody could write to it.
        """
        words, is_fixed = self._words, theta.flags.owndata and not theta.flags.writeable
        if is_fixed and self._fixed() is theta:
            words[N_THETA] = 0
            return
        if words[THETA] == 0:  # what is known must not look like the first that come
            np.invert(theta.view(np.uint8), out=self._known.view(np.uint8))
        words[THETA], words[N_THETA] = place_of(theta), len(theta)
        self._fixed = weakref.ref(theta) if is_fixed else _nothing

    def set_out(self, out):
        """Say where the result goes; it has to live as long as the prediction."""
        self._words[OUT], self._words[N_OUT] = place_of(out), len(out)

    def set_sequences(self, lengths, begins, rows, longest):
        """Say which sequences: their steps, the rows of the values and of the result where they begin.

        rows : None for 0, 1, ...; longest : the longest of the lengths
        """
        words, n = self._words, len(lengths)
        if n >= self._table.shape[1] or longest + 2 > len(self._counts):
            self._make_room(n, longest)
        table = self._table
        words[N], table[LENGTHS, :n], table[BEGINS, :n] = n, lengths, begins
        words[VECTORS + ROWS] = self._places[ORDER if rows is None else ROWS]
        if rows is not None:
            table[ROWS, :n] = rows

    def _make_room(self, n, longest):
        """Room for more sequences, or longer ones."""
        capacity, longest = max(self._table.shape[1], 2 * n), max(len(self._counts), 2 * longest + 4)
        self._table, self._counts = np.zeros((COUNTS, capacity), np.int64), np.zeros(longest, np.int64)
        self._table[ORDER] = np.arange(capacity)
        self._words[CAPACITY], self._words[LONGEST] = capacity, longest
        self._places = [place_of(row) for row in (*self._table, self._counts)]
        self._words[VECTORS:] = self._places
        self._count_bytes()

    def _count_bytes(self):
        """Bytes of all that is large."""
        buffers = sum(each.memory.buffers.memory.nbytes for each in self.threads)
        self.n_bytes = self.packed.memory.nbytes + self._table.nbytes + self._counts.nbytes + buffers

    def run(self, values, n_rows, keep_to_room, executor, n_workers):
        """Run the compiled driver over the steps of all sequences, whose `values` have to live as long.

        n_rows : most sequences of a shard; keep_to_room : whether it has to have fewer where their steps are too many.
        """
        words = self._words
        for each in self.threads[:n_workers]:
            each.plan.set_values(values)
        words[SHARD_ROWS], words[SHARD_STEPS] = n_rows, self.room.n_steps if keep_to_room else 0
        words[minibatches.N_HANDED_OUT] = 0
        self._driver.run(executor, n_workers)


def _nothing():
    """A reference to no array."""


def spare_workspace(network, kind, n_sequences, n_steps):
    """A workspace that predictions have left, with room for shards of so many sequences and steps, or None.

    Small ones are kept: for a single sequence, new memory costs more than its use. They are to be given back after use;
    one in which an error was raised is not.
    """
    try:
        workspace = network.memory.spare[kind].pop()
    except (KeyError, IndexError):
        return None
    room = workspace.room
    return workspace if room.n_sequences >= n_sequences and room.n_steps >= n_steps else None


def give_back(network, workspace):
    """Keep a workspace for predictions to come, unless it is large."""
    if workspace.n_bytes <= LARGEST_SPARE:
        network.memory.spare.setdefault(workspace.kind, deque(maxlen=2)).append(workspace)  # its methods are atomic
