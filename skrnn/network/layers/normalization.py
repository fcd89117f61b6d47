"""Layer normalisation: the units of a step by their own mean and variance."""

from ...kernels.normalization import normalize, normalize_backward
from ...kernels.program import Instruction
from .layer import Layer


class Normalization(Layer):
    """Layer normalisation over `n_units` columns, in place on the rows of all steps."""

    def __init__(self, n_units):
        self.n_units = n_units
        self.shapes = {"gain": (n_units,), "shift": (n_units,)}

    def initialize(self, weights, rng, scheme):
        weights["gain"][...] = 1

    def packed_shapes(self):
        """Gain and shift, a row each."""
        return {"affine": (2, self.n_units)}

    def packing(self, weights, packed):
        for row, name in enumerate(self.shapes):
            yield weights[name], packed["affine"][row, : self.n_units]

    def gradient_shapes(self):
        """The gradient of ``affine`` of `packed_shapes`."""
        return {"d_affine": (2, self.n_units)}

    def unpacking(self, packed_gradient, gradients):
        for row, name in enumerate(self.shapes):
            yield packed_gradient["d_affine"][row, : self.n_units], gradients[name]

    def buffer_shapes(self, n_steps, n_sequences, training):
        """Arrays for a shard of so many steps: what `backward` needs, and none for prediction."""
        return {"x_hat": (n_steps, self.n_units), "inverse_sigma": (1, n_steps)} if training else {}

    def forward(self, packed, buffers, Y, n_rows):
        """Instructions that normalise the first `n_rows` rows of Y."""
        keep = "x_hat" in buffers
        kept = (buffers["x_hat"], buffers["inverse_sigma"]) if keep else (Y, Y)  # not touched unless `keep`
        what = Y, n_rows, self.n_units, packed["affine"], *kept, keep
        yield Instruction("norm: forward", normalize, what)

    def backward(self, packed, buffers, dY, n_rows, gradient):
        """Instructions that turn the gradient of the output in dY into that of the input, and fill `gradient`."""
        kept = buffers["x_hat"], buffers["inverse_sigma"]
        what = dY, n_rows, self.n_units, packed["affine"], *kept, gradient["d_affine"]
        yield Instruction("norm: back", normalize_backward, what)
