"""What predictions of one kind work in, kept for the next one: packed weights, buffers, and programs.

A compiled driver takes a prediction for one mini-batch of which nothing is to be gathered, judged or updated. What
differs from prediction to prediction stands in the words of the workspace.
"""

from collections import deque
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..kernels import driver, minibatches
from ..kernels.batches import SHARD, TARGET_BEGINS, follow_rows
from ..kernels.copies import copy_if_new
from ..kernels.program import IS_COMPILED, Instruction, Number, Program, View
from .arena import aligned
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
    """

    def __init__(self, network, kind, room):
        self.kind, self.room, self.threads = kind, room, []
        self.packed, self._theta, self._known = network.memory.allocate_packed(), None, None
        self._words = words = aligned(N_WORDS, np.int64)
        self._address = words.ctypes.data
        words[[driver.LEFT, driver.BUDGET, driver.HAS_WEIGHT]] = 1
        self.out = View(Number(words, OUT), (Number(words, N_OUT), kind.n_columns(network)), network.dtype)
        sizes = [Number(words, LONGEST if k == COUNTS else CAPACITY) for k in range(N_WORDS - VECTORS)]
        self.vectors = [View(Number(words, VECTORS + k), (n,), np.dtype(np.int64)) for k, n in enumerate(sizes)]
        self.pack = Program([self._pack(network)])
        self._programs = self._for_driver()
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
        if IS_COMPILED:
            for word, program in programs.items():
                words[word] = program.address
        return programs

    def add_threads(self, network, n_threads):
        """Make memory and programs for so many threads, where there are fewer."""
        while len(self.threads) < n_threads:
            memory = network.memory.allocate_thread(self.room.n_steps, self.room.n_sequences, self.kind.mode)
            self.threads.append(PredictionPrograms(network, memory, self))
            if IS_COMPILED:
                pairs = [(each.whole.address, each.plan.count(SHARD).address) for each in self.threads]
                self._workers = np.array(pairs, np.int64)
                self._words[driver.WORKERS] = self._workers.ctypes.data

    @property
    def n_bytes(self):
        """Bytes of all that is large."""
        buffers = sum(each.memory.buffers.memory.nbytes for each in self.threads)
        return self.packed.memory.nbytes + self._table.nbytes + self._counts.nbytes + buffers

    # ---------------------------------------------------------------------------------------------------- a prediction
    def set_theta(self, theta):
        """Say with which parameters; they are packed if their numbers are new.

        They are looked at unless they are the array of the last time and nobody can write to it.
        """
        words = self._words
        if self._theta is None:  # no bit is that of the parameters, so they are new
            np.invert(theta.view(np.uint8), out=self._known.view(np.uint8))
        if theta is self._theta and not theta.flags.writeable:
            words[N_THETA] = 0
        else:
            self._theta = theta
            words[THETA], words[N_THETA] = _address(theta), len(theta)

    def set_out(self, out):
        """Say where the result goes; it has to live as long as the prediction."""
        self._words[OUT], self._words[N_OUT] = _address(out), len(out)

    def set_sequences(self, lengths, begins, rows, longest):
        """Say which sequences: their steps, the rows of the values and of the result where they begin.

        rows : None for 0, 1, ...; longest : the longest of the lengths
        """
        words, n = self._words, len(lengths)
        if n >= words[CAPACITY] or longest + 2 > words[LONGEST]:
            self._make_room(n, longest)
        table = self._table
        words[N], table[LENGTHS, :n], table[BEGINS, :n] = n, lengths, begins
        words[VECTORS + ROWS] = words[VECTORS + ORDER]
        if rows is not None:
            table[ROWS, :n] = rows
            words[VECTORS + ROWS] += ROWS * table.strides[0]

    def _make_room(self, n, longest):
        """Room for more sequences, or longer ones."""
        words = self._words
        capacity, longest = max(int(words[CAPACITY]), 2 * n), max(int(words[LONGEST]), 2 * (longest + 2))
        self._table, self._counts = np.zeros((COUNTS, capacity), np.int64), np.zeros(longest, np.int64)
        self._table[ORDER] = np.arange(capacity)
        words[CAPACITY], words[LONGEST] = self._table.shape[1], len(self._counts)
        for k in range(COUNTS):
            words[VECTORS + k] = self._table[k].ctypes.data
        words[VECTORS + COUNTS] = self._counts.ctypes.data

    def run(self, values, n_rows, most_steps, executor, n_workers):
        """Run the compiled driver over steps of all sequences.

        n_rows, most_steps : how many sequences, and how many of their steps (0: any number), a shard may have.
        """
        words = self._words
        for each in self.threads[:n_workers]:
            each.plan.set_values(values)
        words[SHARD_ROWS], words[SHARD_STEPS] = n_rows, most_steps
        words[minibatches.N_HANDED_OUT] = words[driver.HALT] = 0
        if n_workers == 1:
            driver.lead(self._address)
        else:
            executor.together(self._work, n_workers)
        if words[driver.STATUS]:
            failed = self._programs.get(int(words[driver.STATUS]), self.threads[0].whole)
            failed.explain(int(words[driver.FAILED]))

    def _work(self, number, worker):
        """What a thread does; a method, so that the memory lives as long as the thread is at it."""
        if number == 0:
            driver.lead(self._address)
        else:
            driver.help_out(self._address, number)


def take_workspace(network, kind, room, n_threads):
    """A workspace for a prediction, to be given back after use.

    A small one is kept for the next prediction: for a single sequence, new memory costs more than its use. One in which
    an error was raised is not given back.
    """
    spare = network.memory.spare.setdefault(kind, deque(maxlen=2))  # its methods are atomic
    try:
        workspace = spare.pop()
    except IndexError:
        workspace = None
    if workspace is None or workspace.room.n_sequences < room.n_sequences or workspace.room.n_steps < room.n_steps:
        workspace = Workspace(network, kind, room)
    workspace.add_threads(network, n_threads)
    return workspace


def give_back(network, workspace):
    """Keep a workspace for the next `take_workspace`, unless it is large."""
    if workspace.n_bytes <= LARGEST_SPARE:
        network.memory.spare[workspace.kind].append(workspace)


def _address(array):
    return array.__array_interface__["data"][0]
