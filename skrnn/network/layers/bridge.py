"""From the final states of a level of an encoder to the states that a level of a decoder starts from."""

from ...kernels.program import Instruction
from ...kernels.rows import scatter_rows
from .layer import Layer
from .readout import Readout


class Bridge(Layer):
    """The states as they are where they are as many, from a single direction; else an affine map of all of them.

    States are rows of [h, others], those of two directions side by side.

    Parameters
    ----------
    source, target : Level
        Of the encoder and of the decoder.
    """

    def __init__(self, source, target):
        self.source, self.name, self.target_name = source, f"bridge.{source.number}", target.name_of("forward")
        self.target = target.directions["forward"]
        self.n_inputs = sum(layer.n_carried for layer in source.directions.values())
        self.n_outputs = self.target.n_carried
        is_same = len(source.directions) == 1 and self.n_inputs == self.n_outputs
        self.map = None if is_same else Readout(self.n_inputs, self.n_outputs, self.name)
        self.shapes = {} if is_same else self.map.shapes

    def initialize(self, weights, rng, scheme):
        if self.map:
            self.map.initialize(weights, rng, scheme)

    def packed_shapes(self):
        return self.map.packed_shapes() if self.map else {}

    def packing(self, weights, packed):
        return self.map.packing(weights, packed) if self.map else []

    def gradient_shapes(self):
        return self.map.gradient_shapes() if self.map else {}

    def unpacking(self, packed_gradient, gradients):
        return self.map.unpacking(packed_gradient, gradients) if self.map else []

    def buffer_shapes(self, n_sequences, training):
        """Arrays for a shard: final states with a 1 behind them, mapped ones, gradients; first those of the target."""
        shapes = {"E": (n_sequences, self.n_inputs + 1), "B": (n_sequences, self.n_outputs)}
        if training:
            shapes |= {"first": (n_sequences, self.n_outputs), "dB": (n_sequences, self.n_outputs)}
            shapes["dE"] = n_sequences, self.n_inputs
        return shapes

    def prepare(self, buffers):
        """Set what all shards leave as it is."""
        buffers["E"][:, self.n_inputs] = 1

    def states(self, buffers):
        """The array of the states for the decoder, in the order of the encoder's sequences."""
        return buffers.group(self.name)["B" if self.map else "E"]

    def forward(self, shard):
        """Instructions that find these states."""
        arrays = shard.buffers.group(self.name)
        for layer, group, column in self._directions(shard.buffers):
            yield from self._named(layer.final(group, arrays["E"], shard.plan, column))
        if self.map:
            n_rows = shard.plan.n_sequences
            yield from self.map.forward(shard.packed.group(self.name), arrays["E"], arrays["B"], n_rows)

    def hand_over(self, shard):
        """Instructions that bring them to the decoder."""
        outputs = shard.outputs
        what = self.states(shard.buffers), self.n_outputs, outputs.places, 0, outputs.given.arrays[self.target_name]
        yield Instruction(f"{self.name}: hand over", scatter_rows, what)

    def backward(self, shard):
        """Instructions for the way back of both, from what the decoder has left to what the encoder starts from."""
        arrays, outputs, plan = shard.buffers.group(self.name), shard.outputs, shard.plan
        group = shard.buffers.group(self.target_name)
        yield from self._named(self.target.initial_slopes(group, outputs.plan, arrays["first"]))
        dE = arrays["dB" if self.map else "dE"]
        what = arrays["first"], self.n_outputs, outputs.sources, 0, dE
        yield Instruction(f"{self.name}: hand back", scatter_rows, what)
        if self.map:
            groups = shard.packed.group(self.name), arrays["E"], dE, arrays["dE"], shard.gradient.group(self.name)
            yield from self.map.backward(*groups, plan.n_sequences)
        for layer, group, column in self._directions(shard.buffers):
            yield from self._named(layer.final_slopes(group, plan, arrays["dE"], column))

    def _directions(self, buffers):
        """The layer, its buffers and its first column, for each direction."""
        column = 0
        for name, layer in self.source.directions.items():
            yield layer, buffers.group(self.source.name_of(name)), column
            column += layer.n_carried

    def _named(self, instructions):
        return (each._replace(name=f"{self.name}: {each.name}") for each in instructions)
