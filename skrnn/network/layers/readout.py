"""Affine readout: from one vector per sequence to its raw predictions."""

from ...kernels.gemm import product, product_t
from ...kernels.program import Instruction
from .layer import Layer


class Readout(Layer):
    """``raw = pooled W + b``; the vectors come with a last column of 1, and W is packed with b as its last row.

    Parameters
    ----------
    n_inputs, n_outputs : int
    name : str, default="readout"
        Of its instructions.
    """

    def __init__(self, n_inputs, n_outputs, name="readout"):
        self.n_inputs, self.n_outputs, self._name = n_inputs, n_outputs, name
        self.shapes = {"W": (n_inputs, n_outputs), "b": (n_outputs,)}

    def initialize(self, weights, rng, scheme):
        weights["W"][...] = scheme.inputs(rng, self.n_inputs, self.n_outputs)

    def packed_shapes(self):
        """[W; b], and W transposed for the way back."""
        return {"W": (self.n_inputs + 1, self.n_outputs), "W_T": (self.n_outputs, self.n_inputs)}

    def packing(self, weights, packed):
        H, K = self.n_inputs, self.n_outputs
        yield weights["W"], packed["W"][:H, :K]
        yield weights["b"], packed["W"][H, :K]
        yield weights["W"].T, packed["W_T"][:K, :H]

    def gradient_shapes(self):
        """The gradient of [W; b]."""
        return {"dW": (self.n_inputs + 1, self.n_outputs)}

    def unpacking(self, packed_gradient, gradients):
        H, K = self.n_inputs, self.n_outputs
        yield packed_gradient["dW"][:H, :K], gradients["W"]
        yield packed_gradient["dW"][H, :K], gradients["b"]

    def forward(self, packed, pooled, raw, n_rows):
        """Instructions that fill `raw`."""
        what = (raw, 0), (pooled, 0), (packed["W"], 0), n_rows, self.n_outputs, self.n_inputs + 1, False
        yield Instruction(f"{self._name}: product", product, what)

    def backward(self, packed, pooled, d_raw, d_pooled, gradient, n_rows):
        """Instructions that fill `d_pooled` and the gradient."""
        H, K = self.n_inputs, self.n_outputs
        what = (gradient["dW"], 0), (pooled, 0), (d_raw, 0), H + 1, K, n_rows, False
        yield Instruction(f"{self._name}: gradient", product_t, what)
        what = (d_pooled, 0), (d_raw, 0), (packed["W_T"], 0), n_rows, H, K, False
        yield Instruction(f"{self._name}: back", product, what)
