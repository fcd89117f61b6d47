"""Running a decoder: over sequences that are given, and step by step over what it puts out itself."""

from typing import NamedTuple

import numpy as np

from ..kernels.batches import store_rows
from ..kernels.outputs import log_softmax_rows
from ..kernels.program import Instruction, Program
from ..kernels.rows import copy_rows
from .arena import NO_GROUP, Arena
from .memory import room_of_prediction
from .plan import Mode, Outputs, Shard, Stretch
from .programs import ShardPrograms
from .shards import FORWARD_SHARE, Crew, ShardTask, worthwhile_workers

ROWS = 32  # sequences, or hypotheses of them, that go through the decoder together


class Read(NamedTuple):
    """What a decoder makes of given sequences: raw predictions (rows, K), or attention, (n_out, n_in) of each."""

    raw: np.ndarray
    attention: list | None


def read_outputs(predictor, indices=None, *, wants_attention=False):
    """Run the decoder over the sequences ``predictor.data.outputs``.

    Parameters
    ----------
    predictor : Predictor
    indices : ndarray, default=None
        Which sequences, in this order; None: all.
    wants_attention : bool, default=False

    Returns
    -------
    Read
    """
    network, data = predictor.network, predictor.data
    indices = np.arange(len(data.lengths)) if indices is None else indices
    lengths = data.outputs.lengths[indices]
    begins = np.cumsum(lengths) - lengths
    read = Read(np.empty((int(lengths.sum()), network.n_outputs), network.dtype), [None] * len(indices))
    mode = Mode(n_out_steps=int(lengths.max()))

    def worker(packed, room):
        return _Reader(predictor, packed, room, mode, (indices, begins, read, wants_attention))

    _run(predictor, indices, mode, ROWS, worker)
    return read


def _run(predictor, indices, mode, n_rows, make_worker):
    """Run shards of the sequences `indices`, `n_rows` at most, with workers over the same packed weights."""
    network, data, executor = predictor.network, predictor.data, predictor.executor
    lengths = data.lengths[indices]
    n_workers = min(executor.n_workers, worthwhile_workers(predictor.theta, lengths, FORWARD_SHARE))
    sizes = min(n_rows, len(indices)), n_workers, predictor.max_bytes, mode, data.step_bytes
    room, n_workers = room_of_prediction(network, lengths, *sizes)
    packed = network.memory.allocate_packed()
    shards = room.shards(np.argsort(-lengths, kind="stable"), lengths, in_segments=False)
    workers = [make_worker(packed, room) for _ in range(min(n_workers, len(shards)))]
    crew = Crew(lambda theta: network.pack(theta, packed), workers)
    theta = np.ascontiguousarray(predictor.theta, network.dtype)
    executor.run(crew, theta, [ShardTask(shard) for shard in shards], len(workers))


class _Reader:
    """A worker that runs the decoder over given sequences; its tasks name them by their places in `indices`."""

    def __init__(self, predictor, packed, room, mode, results):
        network, self.data, self.results = predictor.network, predictor.data, results
        self.memory = network.memory.allocate_thread(room.n_steps, room.n_sequences, mode)
        self.programs = ShardPrograms(network.stack, network.head, packed, self.memory, mode)

    def run(self, task):
        """Take the shard of a task forward."""
        indices, begins, read, wants_attention = self.results
        programs, outputs, places = self.programs, self.memory.outputs, task.sequences
        programs.run_forward(self.data, Stretch.whole(self.data, indices[places]))
        programs.pool.run()
        programs.read_out.run()
        starts, sources = outputs.plan.starts.resolve(), outputs.sources.resolve()
        raw = self.memory.buffers.group("pooled")["raw"]
        store_rows(raw, 0, read.raw.shape[1], starts, begins[places[sources]], read.raw)
        if wants_attention:
            for m, n in enumerate(sources.tolist()):
                read.attention[places[n]] = self._attention(n, int(outputs.plan.lengths.resolve()[m]))

    def _attention(self, n, n_out):
        """Weights (n_out, n_in) of the sequence with number n in the shard."""
        starts = self.memory.plan.starts.resolve()
        n_in = int((np.diff(starts[1:]) > n).sum())
        alpha = self.memory.buffers.group("attention")["alpha"]
        return alpha[:n_out, starts[1 : n_in + 1] - starts[1] + n].astype(np.float64)


def generate(predictor, indices, how, continue_from):
    """Run the decoder from the states that the encoder reaches, step by step.

    Parameters
    ----------
    predictor : Predictor
    indices : ndarray or None
        Which sequences, in this order; None: all.
    how : How
    continue_from : callable
        ``continue_from(places, steps)`` is called for each shard, by threads, with the places of its sequences in
        `indices`, longest first, and `Steps` that stand at the beginning.
    """
    indices = np.arange(len(predictor.data.lengths)) if indices is None else indices

    def worker(packed, room):
        steps = Steps(predictor.network, packed, room, how)
        return _Generator(predictor.data, indices, steps, continue_from)

    _run(predictor, indices, Mode(n_out_steps=1), max(1, ROWS // how.width), worker)


class How(NamedTuple):
    """What steps of a decoder are to be: hypotheses of a sequence, at most; numbers that a step reads; whether it gives
    log-probabilities in float64 instead of raw predictions.
    """

    width: int
    n_columns: int
    as_logarithms: bool


class _Generator:
    """A worker that lets the decoder go on from what it has put out."""

    def __init__(self, data, indices, steps, continue_from):
        self.data, self.indices, self.steps, self.continue_from = data, indices, steps, continue_from

    def run(self, task):
        """Run the encoder over the shard of a task, and hand over."""
        self.steps.start(self.data, self.indices[task.sequences])
        self.continue_from(task.sequences, self.steps)


class _Joined:
    """Two arenas as one; a group of both is that of the first."""

    def __init__(self, *arenas):
        self._arenas = arenas

    def group(self, prefix):
        """See `Arena.group`."""
        return next((found for arena in self._arenas if (found := arena.group(prefix))), NO_GROUP)


class Steps:
    """Steps of the decoder for hypotheses of the sequences of a shard, each in a row.

    Parameters
    ----------
    network : Network
    packed : Arena
    room : Room
        Of the encoder.
    how : How
    """

    def __init__(self, network, packed, room, how):
        mode, head, n = Mode(n_out_steps=1), network.head, room.n_sequences * how.width
        self._memory = network.memory.allocate_thread(room.n_steps, room.n_sequences, mode)
        self._programs = ShardPrograms(network.stack, head, packed, self._memory, mode)
        self._read = Program(head.read(self._programs.shard))
        arena = Arena(head.step_shapes(n, room.n_steps, mode), network.dtype)
        head.prepare_steps(arena)
        self._outputs, self._bridges = Outputs(head.stack, n, n), head.bridges
        self._final = Arena(head.stack.border_shapes(n), network.dtype)
        self._values = np.zeros((n, how.n_columns), network.dtype)
        self._out = np.zeros((n, network.n_outputs), np.float64 if how.as_logarithms else network.dtype)
        buffers = _Joined(arena, self._memory.buffers)
        shard = Shard(packed, buffers, self._memory.plan, mode, outputs=self._outputs)
        self._step = Program(self._instructions(head, shard, how.as_logarithms))

    def _instructions(self, head, shard, as_logarithms):
        """A step of all hypotheses."""
        plan, raw, K = shard.outputs.plan, shard.buffers.group("pooled")["raw"], head.n_outputs
        yield from plan.lay_out()
        yield from head.steps(shard)
        yield from head.read_out(shard)
        yield from head.stack.final_states(shard._replace(plan=plan), self._final)
        if as_logarithms:
            yield Instruction("log-probabilities", log_softmax_rows, (raw, plan.n_live, K, self._out))
        else:
            yield Instruction("raw predictions", copy_rows, (raw, 0, 0, plan.n_live, K, self._out))

    def start(self, data, sequences):
        """Run the encoder over sequences of `data`, longest first; there is a row for each."""
        self._programs.run_forward(data, Stretch.whole(data, sequences))
        self._read.run()
        n = len(sequences)
        for bridge in self._bridges:
            states = bridge.states(self._memory.buffers)[:n, : bridge.n_outputs]
            self._final.arrays[bridge.target_name][:n, : bridge.n_outputs] = states
        self._sources = np.arange(n)

    def __call__(self, read, parents):
        """What the decoder puts out when row n goes on from where row ``parents[n]`` of the call before has come to.

        Parameters
        ----------
        read : ndarray of shape (n_rows, n_columns)
            What the step reads.
        parents : ndarray of int of shape (n_rows,)
            In the first call the numbers of the sequences.

        Returns
        -------
        ndarray of shape (n_rows, n_outputs)
            Overwritten by the next call.
        """
        n = len(parents)
        for name, array in self._outputs.given.arrays.items():
            array[:n] = self._final.arrays[name][parents]
        self._sources = self._sources[parents]
        self._values[:n] = read
        self._outputs.set_rows(self._sources, self._values)
        self._step.run()
        return self._out[:n]
