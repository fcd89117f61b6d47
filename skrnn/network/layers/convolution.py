"""Convolution over time, in front of the recurrent layers."""

from ...kernels.convolution import BACKWARD, FORWARD, gather_windows
from ...kernels.program import Instruction
from .layer import Front


class Convolution(Front):
    """The engine's side of a `Conv` that reads `n_inputs` channels.

    Parameters
    ----------
    conv : Conv
    n_inputs : int
        Channels of the values.
    """

    def __init__(self, conv, n_inputs):
        self.n_inputs, self.n_outputs = n_inputs, conv.n_channels
        self.width, self.stride, self.activation = conv.width, conv.stride, conv.activation
        self.n_rows = conv.width * n_inputs + 1
        self.shapes = {"W": (self.n_rows - 1, self.n_outputs), "b": (self.n_outputs,)}

    def initialize(self, weights, rng, scheme):
        weights["W"][...] = scheme.inputs(rng, self.n_rows - 1, self.n_outputs)

    def packed_shapes(self):
        """W, and b as its last row."""
        return {"W": (self.n_rows, self.n_outputs)}

    def packing(self, weights, packed):
        yield from zip((weights["W"], weights["b"]), self._matrices(packed["W"]), strict=True)

    def gradient_shapes(self):
        """The gradient of ``W`` of `packed_shapes`."""
        return {"dW": (self.n_rows, self.n_outputs)}

    def unpacking(self, packed_gradient, gradients):
        yield from zip(self._matrices(packed_gradient["dW"]), (gradients["W"], gradients["b"]), strict=True)

    def _matrices(self, packed):
        return packed[: self.n_rows - 1, : self.n_outputs], packed[self.n_rows - 1, : self.n_outputs]

    def buffer_shapes(self, n_steps, n_sequences, training):
        """Arrays for a shard of so many steps after the convolution."""
        return {"X": (n_steps, self.n_rows), **super().buffer_shapes(n_steps, n_sequences, training)}

    def forward(self, packed, buffers, X, rows, plan):
        """Instructions that fill the rows of ``Y`` from the values."""
        windows, where = buffers["X"], (plan.begins, plan.lengths, self.width, self.stride, plan.starts)
        yield Instruction("convolution: windows", gather_windows, (plan.numbers, self.n_inputs, *where, windows))
        yield from self.forward_from_windows(packed, buffers, plan)

    def forward_from_windows(self, packed, buffers, plan):
        """Instructions that fill the rows of ``Y`` from the windows in ``X``, which end with a 1."""
        what = buffers["X"], plan.n_live, self.n_rows, packed["W"], self.n_outputs, buffers["Y"]
        yield Instruction("convolution: product", FORWARD[self.activation], what)

    def backward(self, packed, buffers, plan, gradient, dX):
        """Instructions that turn ``dY`` into the gradient of the pre-activations, and fill `gradient`."""
        X, Y, dY = (buffers[name] for name in ("X", "Y", "dY"))
        what = X, plan.n_live, self.n_rows, self.n_outputs, Y, dY, gradient["dW"]
        yield Instruction("convolution: back", BACKWARD[self.activation], what)
