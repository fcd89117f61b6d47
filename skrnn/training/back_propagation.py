"""Forward and back through a shard, for its loss and gradient."""

from typing import NamedTuple

import numpy as np

from .._core.cached import cached_property
from ..kernels import ctc, minibatches
from ..kernels.batches import N_SEQUENCES, SHARD, plan_rows, store_rows
from ..kernels.minibatches import gather_targets, keep_loss
from ..kernels.program import Instruction, Number, Program, View
from ..losses import BaseLoss
from ..network.arena import MovingArena
from ..network.codes import LabelSequenceLoss
from ..network.memory import TRAINING, room_of_training
from ..network.plan import Keys, Mode, Stretch
from ..network.programs import ShardPrograms
from ..network.shards import ShardResult, ShardTask


class Batch(NamedTuple):
    """What the shards of a batch have in common.

    packed : Arena of the parameters; gradients : Gradients, a row for each shard of a group; losses : theirs;
    numbers : see `kernels.minibatches`; keys : Keys of random masks; own_share : chance, in units of 2^-32, that a step
    of a decoder reads what it has put out itself, None where it never does.
    """

    packed: object
    gradients: object
    losses: np.ndarray
    numbers: np.ndarray
    keys: Keys
    own_share: np.ndarray | None = None

    @classmethod
    def of(cls, network, n_shards, reads_own=False):
        """Memory for groups of `n_shards` shards."""
        keys = Keys(5 * network.n_levels + 1)
        numbers, losses = np.zeros(minibatches.N_NUMBERS), np.zeros(n_shards)
        packed, gradients = network.memory.allocate_packed(), network.memory.allocate_gradients(n_shards)
        return cls(packed, gradients, losses, numbers, keys, np.zeros(1, np.int64) if reads_own else None)


class TrainingPrograms(ShardPrograms):
    """Programs of a shard that has targets, forward and back.

    Parameters
    ----------
    network, data, loss : Network, Data, BaseLoss
    batch : Batch
    memory : ThreadMemory
    mode : Mode
    gradient : MovingArena
    """

    def __init__(self, network, data, loss, batch, memory, mode, gradient):
        super().__init__(network.stack, network.head, batch.packed, memory, mode, batch.keys, gradient)
        self.n_outputs, self.data, self._loss, self._batch = network.n_outputs, data, loss, batch
        self._value = np.zeros(1)

    @cached_property
    def read_out(self):
        """Raw predictions from pooled outputs; those of a decoder that also reads its own outputs, in a second run."""
        instructions = list(self.head.read_out(self.shard))
        if self.shard.mode.noisy and self._batch.own_share is not None:
            instructions += self.head.steps_again(self.shard, Number(self._batch.own_share))
            instructions += self.head.read_out(self.shard)
        return Program(instructions)

    @cached_property
    def loss(self):
        """From raw predictions and targets to the loss of the shard and the gradients of raw predictions."""
        value = Number(self._value)
        of = self._loss_of_sequences if isinstance(self._loss, LabelSequenceLoss) else self._loss_of_rows
        keep = Instruction("keep loss", keep_loss, (value, self.plan.count(SHARD), self._batch.losses))
        return Program([*of(value), keep])

    def _loss_of_rows(self, value):
        """Instructions for a loss of the rows of raw predictions, each of which has a target."""
        arrays, plan, pooling = self.shard.buffers.group("pooled"), self.head.plan(self.shard), self.head.pooling
        n, n_most = pooling.n_rows(plan), arrays["raw"].shape[0]
        y = View.first(np.zeros((n_most, self.data.target.shape[1]), arrays["raw"].dtype), n)
        weight = View.first(np.zeros(n_most, arrays["raw"].dtype), n)
        rows = plan.sequences
        if pooling.keeps_steps:
            rows = View.first(np.zeros(n_most, np.int64), n)
            yield Instruction("rows of targets", plan_rows, (plan.starts, plan.target_begins, rows))
        total = Number(self._batch.numbers, minibatches.TOTAL)
        what = rows, self.data.target, self.data.row_weight, total, y, weight
        yield Instruction("targets", gather_targets, what)
        yield from self.head.add_targets(self.shard, y)
        kernel, arguments = self._loss_call(arrays["raw"], self.n_outputs, y, weight, arrays["d_raw"])
        yield Instruction("loss", kernel, arguments, value)
        yield from self.head.backward_targets(self.shard, y)

    def _loss_of_sequences(self, value):
        """Instructions for a loss of the raw predictions of all steps of a sequence, which has one row of targets."""
        arrays, plan, data, K = self.shard.buffers.group("pooled"), self.plan, self.data, self.n_outputs
        n_steps = min(arrays["raw"].shape[0], int(data.lengths.max()))
        scratch = tuple(ctc.Scratch.of(n_steps, data.target.shape[1], K))
        weights, total = np.ascontiguousarray(data.weight, np.float64), Number(self._batch.numbers, minibatches.TOTAL)
        what = plan.starts, plan.sequences, data.target, weights, total, scratch
        yield Instruction("loss", ctc.loss, (arrays["raw"], K, *what, arrays["d_raw"]), value)

    def _loss_call(self, *arguments):
        """The kernel of the loss, or its method if it is the user's own."""
        if type(self._loss).value_and_gradient is BaseLoss.value_and_gradient:
            return self._loss.kernel_call(*arguments)
        return self._loss.value_and_gradient, arguments

    def read_out_and_back(self):
        """Run from pooled outputs to the loss, and back to their gradients; returns the loss."""
        for program in (self.read_out, self.loss, self.backward_read_out):
            program.run()
        return self._batch.losses[self.plan.counts[SHARD]]

    def whole(self, bounds, sorted_rows):
        """All of a shard, which is taken from a batch."""
        take = Program(self.plan.take(bounds, sorted_rows, self.data))
        stages = self.forward, self.pool, self.read_out, self.loss, self.backward_read_out, self.backward
        return Program.joined(take, *stages)


class BackPropagation:
    """A worker that takes shards forward and back, in the memory of one thread.

    Parameters
    ----------
    network : Network
    data : Data
    loss : BaseLoss
    batch : Batch
    room : Room
    mode : Mode
    """

    def __init__(self, network, data, loss, batch, room, mode=TRAINING):
        self.network, self.data, self.loss, self.batch = network, data, loss, batch
        self.room, self.mode = room, mode
        self.memory = network.memory.allocate_thread(room.n_steps, room.n_sequences, mode)
        what = network, data, loss, batch, self.memory
        gradient = MovingArena(batch.gradients)
        self._programs = [TrainingPrograms(*what, mode._replace(noisy=noisy), gradient) for noisy in (False, True)]

    def programs(self, noisy):
        """The programs of its shards, with random masks or without."""
        return self._programs[noisy]

    def run(self, task, visit=None):
        """Loss and last states of a task; its gradient goes to row ``task.number`` of the batch.

        visit : is called as ``visit(segment)`` on the way back behind each segment.
        """
        programs, steps = self.programs(task.seed is not None), self.network.head.pooling.keeps_steps
        stretch, initial = self._begin(task, programs)
        segments, carries = stretch.cut(self.room.n_steps), [initial]
        programs.plan.counts[SHARD] = task.number
        for k, segment in enumerate(segments):
            programs.run_forward(self.data, segment, carries[k])
            if not steps:
                programs.pool.run()
            if k + 1 < len(segments) or task.wants_carry:
                carries.append(programs.carry(len(segment.sequences)).first(segment.n_on))
        value = 0.0 if steps else self._read_out_and_back(programs, stretch, segments[-1])
        gradient, total = self.batch.gradients.rows[task.number], None
        for k in reversed(range(len(segments))):
            if k + 1 < len(segments):  # it is not what the buffers hold from the way there
                total = gradient.copy() if total is None else np.add(total, gradient, out=total)
                gradient[:] = 0  # that of the readout comes once
                n_known = len(segments[k + 1].sequences)
                programs.run_forward(self.data, segments[k], carries[k], n_known)
            if steps:
                programs.pool.run()
                value += programs.read_out_and_back()
            programs.backward.run()
            if visit:
                visit(segments[k])
        if total is not None:
            np.add(total, gradient, out=gradient)
        return ShardResult(value, carries[-1] if task.wants_carry else None)

    def _begin(self, task, programs):
        """The steps that the gradient flows back through, and the states from which they start."""
        stretch = Stretch.whole(self.data, task.sequences)
        if task.n_tail is not None:
            return self._skip(stretch, task.n_tail, programs)
        return stretch if task.end is None else stretch.between(task.begin, task.end), task.carry

    def _skip(self, stretch, n_tail, programs):
        """The last steps of a stretch, `n_tail` of each sequence, and the states from which they start."""
        heads, tails = stretch.heads_and_tails(n_tail)
        if heads is None:
            return tails, None
        carry, initial = None, None
        for segment in heads.cut(self.room.n_steps):
            programs.run_forward(self.data, segment, carry)
            final = programs.carry(len(segment.sequences))
            initial = (initial or final.zeros_like(len(tails.sequences))).update(final)
            carry = final.first(segment.n_on)
        return tails, initial

    @staticmethod
    def _read_out_and_back(programs, stretch, segment):
        """Loss of the sequences of a shard, whose last `segment` does not have all of them, and back."""
        programs.plan.counts[N_SEQUENCES] = len(stretch.sequences)
        value = programs.read_out_and_back()
        programs.plan.counts[N_SEQUENCES] = len(segment.sequences)
        return value


def bytes_of_loss(loss, data, n_outputs):
    """Bytes that a worker takes for a loss."""
    if not isinstance(loss, LabelSequenceLoss):
        return 0
    return ctc.scratch_bytes(int(data.lengths.max()), data.target.shape[1], n_outputs)


def gradient_norms(predictor, loss):
    """Norms of dL/dh_t, one array (n_steps, n_levels) for each sequence, L its own loss."""
    network, data, max_bytes = predictor.network, predictor.data, predictor.max_bytes
    offsets, n_levels = np.cumsum([0, *network.n_steps(data.lengths)]), len(network.stack.levels)
    norms = np.empty((offsets[-1], n_levels), network.dtype)
    batch = Batch.of(network, 1)
    batch.numbers[minibatches.TOTAL] = 1.0
    network.pack(predictor.theta, batch.packed)
    mode = Mode(training=True, keeps_outputs=True, weight_gradient=False)
    room = room_of_training(network, data.lengths, network.shard_rows(len(data.lengths)), max_bytes, mode)
    worker = BackPropagation(network, data, loss, batch, room, mode)

    def visit(segment):
        starts = worker.memory.plan.starts.resolve()
        n_live = starts[-1] - starts[1]
        of_segment = np.empty((n_live, n_levels), network.dtype)
        for k, level in enumerate(network.stack.levels):
            dh = level.output_gradients(worker.memory.buffers)[:n_live, : level.n_outputs]
            of_segment[:, k] = np.linalg.norm(dh.astype(np.float64), axis=1)
        store_rows(of_segment, 0, n_levels, starts, offsets[segment.sequences] + segment.first_steps, norms)

    for shard in room.shards(data.by_length(np.arange(len(data.lengths))), data.lengths, network.in_segments):
        worker.run(ShardTask(shard), visit)
    return np.split(norms, offsets[1:-1])
