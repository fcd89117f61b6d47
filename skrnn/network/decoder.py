"""A decoder as a head: it starts from the states that the encoder has reached, and puts out sequences of its own.

Its steps read what stands before them in these sequences: in training and for scores what is given there, else what was
put out before (see `decoding`). Its rows are live rows of its own plan, `Outputs`.
"""

import numpy as np

from ..kernels.outputs import know_all, mix_labels, mix_numbers
from ..kernels.program import Instruction
from ..kernels.rows import clear_rows
from .arena import prefixed
from .head import ReadoutHead
from .layers.attention import Attention
from .layers.bridge import Bridge
from .layers.pooling import get_pooling
from .plan import Outputs
from .stack import Stack

MIXED = 1  # what a mask is for, beside dropout; part of its key


class Decoder(ReadoutHead):
    """Raw predictions for each step of the sequences that a decoder reads.

    Parameters
    ----------
    structure : Structure
        Of the network, whose `decoder` describes this.
    encoder : Stack

    Attributes
    ----------
    stack : Stack
        Of the decoder.
    bridges : list of Bridge
    attention : Attention or None
    """

    def __init__(self, structure, encoder):
        self.encoder, n_below = encoder, len(encoder.levels)
        self.stack = Stack(structure.decoder, prefix="decoder.", n_below=n_below)
        super().__init__(structure.decoder, self.stack)
        self.n_levels = len(self.stack.levels)
        self.number = n_below + self.n_levels
        self.pooling = get_pooling("unaligned", self.n_top_units)
        levels = zip(encoder.levels, self.stack.levels, strict=True)
        self.bridges = [Bridge(source, target) for source, target in levels]
        self.attention = None
        if structure.attention is not None:
            self.attention = Attention(structure.attention, self.n_top_units, encoder.n_top_units)
        self.layers = {bridge.name: bridge for bridge in self.bridges if bridge.shapes}
        self.layers |= self.stack.layers | ({"attention": self.attention} if self.attention else {})
        self.layers["readout"] = self.readout

    # ------------------------------------------------------------------------------------------------------- memory
    def make_outputs(self, n_sequences, mode):
        """What the decoder has in hand, for shards of so many sequences."""
        return Outputs(self.stack, n_sequences * mode.n_out_steps, n_sequences)

    def plan(self, shard):
        return shard.outputs.plan

    def buffer_shapes(self, n_steps, n_sequences, mode):
        shapes = prefixed((bridge.name, bridge.buffer_shapes(n_sequences, mode.training)) for bridge in self.bridges)
        if self.attention:
            shapes |= prefixed([("source", self.attention.source_shapes(n_steps, mode.training))])
        return shapes | self.step_shapes(n_sequences, n_steps, mode)

    def step_shapes(self, n_sequences, n_source_steps, mode):
        """Arrays for the steps of so many sequences of the decoder, ``mode.n_out_steps`` of each."""
        n_rows = n_sequences * mode.n_out_steps
        shapes = self.stack.buffer_shapes(n_rows, n_sequences, mode) | super().buffer_shapes(n_rows, n_sequences, mode)
        if self.attention:
            sizes = n_rows, mode.n_out_steps, n_source_steps, mode.training
            shapes |= prefixed([("attention", self.attention.buffer_shapes(*sizes))])
        return shapes

    def prepare(self, buffers):
        for bridge in self.bridges:
            bridge.prepare(buffers.group(bridge.name))
        self.prepare_steps(buffers)

    def prepare_steps(self, buffers):
        """Set what all shards leave as it is, among the arrays of `step_shapes`."""
        super().prepare(buffers)
        if self.attention:
            self.attention.prepare(buffers.group("attention"))

    # ------------------------------------------------------------------------------------------------------ a shard
    def pool(self, shard):
        """Instructions that run the decoder over the sequences that it reads, from the states of the encoder."""
        yield from shard.outputs.take(shard.plan)
        yield from self.read(shard)
        for bridge in self.bridges:
            yield from bridge.hand_over(shard)
        yield from self.steps(shard)

    def read(self, shard):
        """Instructions that bring what the encoder has found into the form that the decoder reads."""
        for bridge in self.bridges:
            yield from bridge.forward(shard)
        if self.attention:
            E, source = self._source(shard.buffers)
            yield from self.attention.keys(shard.packed.group("attention"), source, E, shard.plan.n_live)

    def steps_again(self, shard, threshold):
        """Instructions for `steps` once more, where the decoder reads by chance what it has put out the first time.

        threshold : `Number`, of the chance in units of 2^-32
        """
        plan, raw = shard.outputs.plan, shard.buffers.group("pooled")["raw"]
        n_columns = self.stack.structure.n_inputs
        mixed = np.zeros((len(raw), n_columns), raw.dtype)
        what = *shard.keys.of(self.number, MIXED), plan.sequences, threshold, raw, self.n_outputs
        kernel = mix_labels if self.stack.structure.embeddings else mix_numbers
        yield Instruction("mix inputs", kernel, (*what, plan.starts, plan.target_begins, plan.values, mixed))
        inner = self._inner(shard)
        yield from self._steps(shard, inner._replace(plan=inner.plan.reading(mixed)))

    def steps(self, shard):
        """Instructions for the steps of the decoder, from the states that are given, up to what the readout reads."""
        yield from self._steps(shard, self._inner(shard))

    def _steps(self, shard, inner):
        buffers, outputs = shard.buffers, shard.outputs
        yield from self.stack.forward(inner, outputs.given)
        Y = self.top.outputs(buffers)
        if self.attention:
            (E, source), arrays = self._source(buffers), buffers.group("attention")
            groups = shard.packed.group("attention"), arrays, source, E, shard.plan.starts
            yield from self.attention.forward(*groups, outputs, Y, arrays["Y"])
            Y = arrays["Y"]
        yield from self.pooling.forward({}, {}, Y, outputs.plan, buffers.group("pooled")["h"])

    def backward_pool(self, shard):
        buffers, outputs, plan = shard.buffers, shard.outputs, shard.plan
        inner, dh, dY = self._inner(shard), buffers.group("pooled")["dh"], self.top.output_gradients(buffers)
        top = self.encoder.levels[-1]
        if self.attention:
            (E, source), arrays = self._source(buffers), buffers.group("attention")
            groups = shard.packed.group("attention"), arrays, source, shard.gradient.group("attention")
            what = E, top.output_gradients(buffers), plan, outputs, arrays["Y"], dh, dY
            yield from self.attention.backward(groups, *what)
        else:
            yield from self.pooling.backward({}, {}, outputs.plan, None, dh, dY, None)
            if top.keeps_outputs or shard.mode.keeps_outputs:
                yield Instruction("clear dY", clear_rows, (top.output_gradients(buffers), 0, plan.n_live))
        yield from self.stack.backward(inner, None)
        for bridge in self.bridges:
            yield from bridge.backward(shard)
        yield Instruction("final slopes are known", know_all, (plan.counts,))

    def d_last(self, buffers):
        return None

    def _inner(self, shard):
        """The shard as the stack of the decoder sees it."""
        return shard._replace(plan=shard.outputs.plan, outputs=None)

    def _source(self, buffers):
        """Outputs of the encoder, and the buffers of what attention makes of them."""
        return self.encoder.levels[-1].outputs(buffers), buffers.group("source")
