"""A head: from the outputs of the top level of a stack to raw predictions."""

from ..kernels.batches import last_states
from ..kernels.masks import draw_dropout, threshold_of
from ..kernels.program import Instruction
from ..kernels.rows import clear_rows, copy_rows
from .arena import prefixed
from .layers.coupling import Coupling
from .layers.pooling import get_pooling
from .layers.readout import Readout


def head_of(structure, stack):
    """The head that a structure describes."""
    if not structure.n_outputs or structure.puts_out_predictions:
        return Head(structure, stack)
    return CoupledHead(structure, stack) if structure.coupled else ReadoutHead(structure, stack)


class Head:
    """Raw predictions are the pooled outputs: of a network whose top level puts out predictions, or that has none.

    Those of a shard are the first rows of ``buffers.group("pooled")["raw"]``, one for each sequence, or for each live
    row where the pooling keeps the steps.

    Parameters
    ----------
    structure : Structure
    stack : Stack

    Attributes
    ----------
    layers : dict of str to Layer
        What has weights, by the first part of the weights' names.
    pooling : Pooling
    readout : Readout or None
    n_levels : int
        Levels of recurrent layers of its own.
    """

    readout, n_levels = None, 0

    def __init__(self, structure, stack):
        self.top, self.n_top_units, self.n_outputs = stack.levels[-1], stack.n_top_units, structure.n_outputs
        self.dropout, self.number = structure.dropout, len(stack.levels)
        n_backward = self.n_top_units // 2 if structure.bidirectional else 0
        self.pooling = get_pooling(structure.pooling, self.n_top_units, n_backward)
        self.layers = {"pooling": self.pooling} if self.pooling.shapes else {}

    def start_at(self, raw, weights):
        """Set the biases among the named `weights`, so that raw predictions start near `raw`."""
        if self.n_outputs:
            weights[f"layers.{self.top.number}.forward.b_y"][...] = raw

    def buffer_shapes(self, n_steps, n_sequences, mode):
        """Arrays for a shard."""
        H, K, N = self.n_top_units, self.n_outputs, n_sequences
        P = n_steps if self.pooling.keeps_steps else N
        shapes = {"pooled.h": (P, H + 1), "pooled.raw": (P, K)}
        if mode.training:
            shapes |= {"pooled.dh": (P, H), "pooled.d_raw": (P, K)}
        if mode.training and self.dropout:
            shapes["pooled.M"] = N, H
        return shapes | prefixed([("pooling", self.pooling.buffer_shapes(n_steps, N, mode.training))])

    def make_outputs(self, n_sequences, mode):
        """What a decoder has in hand, if there is one."""

    def plan(self, shard):
        """The plan of the rows of raw predictions."""
        return shard.plan

    def prepare(self, buffers):
        """Set what all shards leave as it is."""
        buffers.group("pooled")["h"][:, self.n_top_units] = 1  # for the biases of the readout

    def pool(self, shard):
        """Instructions that pool the outputs of the top level; of a segment, into what those before it have left."""
        buffers, plan = shard.buffers, shard.plan
        pooled = buffers.group("pooled")["h"]
        if self.top.keeps_outputs:
            groups = shard.packed.group("pooling"), buffers.group("pooling")
            yield from self.pooling.forward(*groups, self.top.outputs(buffers), plan, pooled)
        else:
            for states, H, column in self.top.final_outputs(buffers):
                yield Instruction("pooling: last states", last_states, (states, plan.starts, H, pooled, column))

    def kept_shapes(self, n_sequences):
        """Arrays that `pool_so_far` keeps from step to step."""
        return self.pooling.kept_shapes(n_sequences) if self.top.keeps_outputs else {}

    def pool_so_far(self, shard, kept):
        """Instructions that pool the outputs of all steps so far; the shard holds the last one of each sequence."""
        if not self.top.keeps_outputs:
            yield from self.pool(shard)
            return
        buffers, plan = shard.buffers, shard.plan
        groups = shard.packed.group("pooling"), buffers.group("pooling"), kept
        yield from self.pooling.so_far(*groups, self.top.outputs(buffers), plan, buffers.group("pooled")["h"])

    def read_out(self, shard):
        """Instructions for raw predictions of the sequences of the plan, from their pooled outputs."""
        arrays, n_rows = shard.buffers.group("pooled"), self.pooling.n_rows(shard.plan)
        yield Instruction("readout: copy", copy_rows, (arrays["h"], 0, 0, n_rows, self.n_outputs, arrays["raw"]))

    def add_targets(self, shard, y):
        """Instructions that bring in what raw predictions depend on of the targets y of their row: nothing."""
        return ()

    def backward_targets(self, shard, y):
        """Instructions for the way back of `add_targets`, from ``d_raw`` to the gradients of weights."""
        return ()

    def backward_read_out(self, shard):
        """Instructions for the way back of `read_out`, from ``d_raw`` to the gradients of pooled outputs."""
        arrays, n_rows = shard.buffers.group("pooled"), self.pooling.n_rows(shard.plan)
        what = arrays["d_raw"], 0, 0, n_rows, self.n_top_units, arrays["dh"]
        yield Instruction("readout: copy back", copy_rows, what)

    def backward_pool(self, shard):
        """Instructions for the way back of `pool`, into the gradients of the outputs of the top level."""
        buffers, plan, arrays = shard.buffers, shard.plan, shard.buffers.group("pooled")
        if self.top.keeps_outputs:
            groups = shard.packed.group("pooling"), buffers.group("pooling")
            what = self.top.outputs(buffers), arrays["dh"], self.top.output_gradients(buffers)
            yield from self.pooling.backward(*groups, plan, *what, shard.gradient.group("pooling"))
        elif shard.mode.keeps_outputs:
            yield Instruction("clear dY", clear_rows, (self.top.output_gradients(buffers), 0, plan.n_live))

    def d_last(self, buffers):
        """The gradients of the outputs after the last steps, if no others are kept, else None."""
        return None if self.top.keeps_outputs else buffers.group("pooled")["dh"]


class ReadoutHead(Head):
    """Raw predictions are affine in the pooled outputs."""

    def __init__(self, structure, stack):
        super().__init__(structure, stack)
        self.readout = self.layers["readout"] = Readout(self.n_top_units, self.n_outputs)

    def start_at(self, raw, weights):
        weights["readout.b"][...] = raw

    def read_out(self, shard):
        arrays, plan = shard.buffers.group("pooled"), self.plan(shard)
        if self.dropout and shard.mode.noisy:
            key, M = shard.keys.of(self.number), arrays["M"]
            what = *key, plan.sequences, threshold_of(self.dropout), 1 / (1 - self.dropout), self.n_top_units, M
            yield Instruction("readout: dropout mask", draw_dropout, what)
            yield from self.pooling.mask(arrays["h"], M, plan)
        weights = shard.packed.group("readout")
        yield from self.readout.forward(weights, arrays["h"], arrays["raw"], self.pooling.n_rows(plan))

    def backward_read_out(self, shard):
        arrays, plan = shard.buffers.group("pooled"), self.plan(shard)
        groups = shard.packed.group("readout"), arrays["h"], arrays["d_raw"], arrays["dh"]
        yield from self.readout.backward(*groups, shard.gradient.group("readout"), self.pooling.n_rows(plan))
        if self.dropout and shard.mode.noisy:
            yield from self.pooling.mask(arrays["dh"], arrays["M"], plan)


class CoupledHead(ReadoutHead):
    """Raw predictions depend on the targets before them in their row.

    What they get from these is added where the targets are known: in training, or by `network.coupled`.
    """

    def __init__(self, structure, stack):
        super().__init__(structure, stack)
        coupling = Coupling(structure.n_outputs - structure.coupled, structure.coupled)
        self.coupling = self.layers["coupling"] = coupling

    def add_targets(self, shard, y):
        raw, n_rows = shard.buffers.group("pooled")["raw"], self.pooling.n_rows(shard.plan)
        return self.coupling.forward(shard.packed.group("coupling"), y, raw, n_rows)

    def backward_targets(self, shard, y):
        arrays, n_rows = shard.buffers.group("pooled"), self.pooling.n_rows(shard.plan)
        groups = shard.packed.group("coupling"), y, arrays["raw"], arrays["d_raw"]
        return self.coupling.backward(*groups, shard.gradient.group("coupling"), n_rows)
