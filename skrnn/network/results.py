"""What may be wanted of sequences that go through a network, as instructions that bring it to the rows of a result.

Each kind has a `mode`, says whether there is a row for each step instead of one for each sequence (`by_step`) and of
how many columns, and has instructions for a segment that has come through the stack, and for the end of the sequences.
`Raw` and `Pooled`, which streams give, also have instructions for what is known after a single step more.
"""

import copy
from dataclasses import dataclass

import numpy as np

from ..kernels.batches import later_steps, store_rows
from ..kernels.program import Instruction, View
from ..kernels.rows import copy_rows, scatter_rows
from .arena import prefixed
from .layers.pooling import get_pooling
from .plan import Mode


@dataclass(frozen=True)
class Raw:
    """Raw predictions."""

    mode = Mode()

    def by_step(self, network):
        return network.head.pooling.keeps_steps

    def n_columns(self, network):
        return network.head.n_outputs

    def instructions(self, programs, rows, out):
        """Instructions for a segment, and for the end; `rows` of `out` are those where sequences begin."""
        head, shard = programs.head, programs.shard
        pool, read_out = list(head.pool(shard)), list(head.read_out(shard))
        raw, K = shard.buffers.group("pooled")["raw"], head.n_outputs
        if head.pooling.keeps_steps:
            return [*pool, *read_out, _store(raw, K, shard.plan, rows, out)], []
        return pool, [*read_out, Instruction("store", scatter_rows, (raw, K, rows, 0, out))]

    def kept_shapes(self, programs, n_sequences):
        """Matrices that `so_far` keeps from step to step."""
        return programs.head.kept_shapes(n_sequences)

    def so_far(self, programs, kept, out):
        """Instructions for a step of each sequence that has come through the stack; the result is for all so far."""
        head, shard = programs.head, programs.shard
        yield from head.pool_so_far(shard, kept.group(""))
        yield from head.read_out(shard)
        raw = shard.buffers.group("pooled")["raw"]
        yield Instruction("result", copy_rows, (raw, 0, 0, shard.plan.n_sequences, head.n_outputs, out))


@dataclass(frozen=True)
class States:
    """Outputs of the top level."""

    mode = Mode(keeps_outputs=True)

    def by_step(self, network):
        return True

    def n_columns(self, network):
        return network.stack.n_top_units

    def instructions(self, programs, rows, out):
        shard, stack = programs.shard, programs.stack
        outputs = stack.levels[-1].outputs(shard.buffers)
        return [_store(outputs, stack.n_top_units, shard.plan, rows, out)], []


@dataclass(frozen=True)
class Weights:
    """Weights that attention gives to the steps."""

    mode = Mode()

    def by_step(self, network):
        return True

    def n_columns(self, network):
        return 1

    def instructions(self, programs, rows, out):
        shard = programs.shard
        alpha = shard.buffers.group("pooling")["alpha"]
        return [*programs.head.pool(shard), _store(alpha, 1, shard.plan, rows, out)], []


@dataclass(frozen=True)
class Pooled:
    """Outputs of the top level, pooled in several ways, one beside the other.

    Means and maxima leave out the first `washout` steps. What whole sequences of no more steps give means nothing; in
    `so_far`, it is the outputs of the last step.
    """

    poolings: tuple
    washout: int = 0

    mode = Mode(keeps_outputs=True)

    def by_step(self, network):
        return False

    def n_columns(self, network):
        return len(self.poolings) * network.stack.n_top_units

    def instructions(self, programs, rows, out):
        shard, after = programs.shard, []
        Y, H = programs.stack.levels[-1].outputs(shard.buffers), programs.head.pooling.n_units
        n_sequences = shard.plan.of_sequences.shape[1]
        during, plan = self._later(shard.plan, np.iinfo(np.int64).min)
        for k, name in enumerate(self.poolings):
            way, pooled = self._way(name, programs), np.empty((n_sequences, H), Y.dtype)
            shapes = way.buffer_shapes(len(Y), n_sequences, training=False)
            scratch = {name: np.empty(shape, Y.dtype) for name, shape in shapes.items()}
            during += way.forward({}, scratch, Y, plan, pooled)  # goes on from the segment before
            after.append(Instruction("store", scatter_rows, (pooled, H, rows, k * H, out)))
        return during, after

    def kept_shapes(self, programs, n_sequences):
        ways = ((name, self._way(name, programs)) for name in self.poolings)
        return prefixed((name, way.kept_shapes(n_sequences)) for name, way in ways)

    def so_far(self, programs, kept, out):
        shard, H = programs.shard, programs.head.pooling.n_units
        Y, rows = programs.stack.levels[-1].outputs(shard.buffers), np.arange(len(out))
        begin, plan = self._later(shard.plan, 0)
        yield from begin
        for k, name in enumerate(self.poolings):
            pooled, own = np.empty((len(out), H), Y.dtype), kept.group(name)
            yield from self._way(name, programs).so_far({}, {}, own, Y, plan, pooled)
            yield Instruction("result", scatter_rows, (pooled, H, rows, k * H, out))

    def _later(self, plan, least):
        """Instructions for a segment, and the plan whose steps are counted from `washout` on: a pooling begins at 0."""
        if not self.washout:
            return [], plan
        steps, later = np.zeros(plan.of_sequences.shape[1], np.int64), copy.copy(plan)
        first_steps = View.first(steps, plan.n_sequences)
        later.segment = plan.segment._replace(first_steps=first_steps)
        return [
            Instruction("washout", later_steps, (plan.segment.first_steps, self.washout, least, first_steps))
        ], later

    def _way(self, name, programs):
        pooling = programs.head.pooling
        return get_pooling(name, pooling.n_units, pooling.n_backward)


def _store(array, n_columns, plan, rows, out):
    """The instruction that brings live rows to the rows of their sequences."""
    return Instruction("store", store_rows, (array, 0, n_columns, plan.starts, rows, out))


def mean_of(results):
    """The mean of results of several networks, added in their order; that of a single one is the result itself."""
    if len(results) == 1:
        return results[0]
    total = np.zeros(results[0].shape)  # np.mean adds in an order that depends on the number of rows
    for result in results:
        total += result
    return (total / len(results)).astype(results[0].dtype)
