"""Convolution over time, in front of the recurrent layers."""

from ..kernels.convolution import BACKWARD, FORWARD, gather_windows
from ._part import Part


class Convolution(Part):
    """The engine's side of a `Conv` that reads `n_inputs` channels.

    Parameters
    ----------
    conv : Conv
    n_inputs : int
        Channels of the values.
    """

    def __init__(self, conv, n_inputs):
        self.n_inputs, self.n_units = n_inputs, conv.n_channels
        self.width, self.stride, self.activation = conv.width, conv.stride, conv.activation
        self.n_rows = conv.width * n_inputs + 1
        self.shapes = {"W": (self.n_rows - 1, self.n_units), "b": (self.n_units,)}

    def initialize(self, weights, rng, scheme):
        weights["W"][...] = scheme.inputs(rng, self.n_rows - 1, self.n_units)

    def packed_shapes(self):
        """W, and b as its last row."""
        return {"W": (self.n_rows, self.n_units)}

    def packing(self, weights, packed):
        yield from zip((weights["W"], weights["b"]), self._parts(packed["W"]), strict=True)

    def gradient_shapes(self):
        """The gradient of ``W`` of `packed_shapes`."""
        return {"dW": (self.n_rows, self.n_units)}

    def unpacking(self, packed_gradient, gradients):
        yield from zip(self._parts(packed_gradient["dW"]), (gradients["W"], gradients["b"]), strict=True)

    def _parts(self, packed):
        return packed[: self.n_rows - 1, : self.n_units], packed[self.n_rows - 1, : self.n_units]

    def buffer_shapes(self, n_steps, n_sequences, training):
        """Arrays for a shard of so many steps after the convolution."""
        return {"X": (n_steps, self.n_rows)}

    def forward(self, packed, buffers, values, begins, lengths, starts, Y):
        """Fill the rows of Y.

        values : C-contiguous, (all steps, n_inputs); begins, lengths : where the sequences of the shard lie in it;
        starts : of their new lengths, see `Conv.n_steps`.
        """
        X, W = buffers["X"], packed["W"]
        windows = values.reshape(1, -1), self.n_inputs, begins, lengths, self.width, self.stride
        gather_windows(*windows, starts, X)
        FORWARD[self.activation](X, starts[-1] - starts[1], self.n_rows, W, self.n_units, Y)

    def backward(self, packed, buffers, starts, Y, dY, gradient):
        """Turn the gradient of Y in dY into that of the pre-activations, and fill `gradient`."""
        n_rows = starts[-1] - starts[1]
        BACKWARD[self.activation](buffers["X"], n_rows, self.n_rows, self.n_units, Y, dY, gradient["dW"])
