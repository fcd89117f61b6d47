"""Affine readout: from one vector per sequence to its raw predictions."""

from ...kernels.gemm import product, product_t
from .layer import Layer


class Readout(Layer):
    """``raw = pooled W + b``; the vectors come with a last column of 1, and W is packed with b as its last row.

    Parameters
    ----------
    n_inputs, n_outputs : int
    """

    def __init__(self, n_inputs, n_outputs):
        self.n_inputs, self.n_outputs = n_inputs, n_outputs
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

    def forward(self, packed, pooled, raw, n_sequences):
        """Fill `raw`."""
        W = packed["W"]
        H, K = self.n_inputs, self.n_outputs
        product(raw, 0, raw.shape[1], pooled, 0, pooled.shape[1], W, 0, W.shape[1], n_sequences, K, H + 1, False)

    def backward(self, packed, pooled, d_raw, d_pooled, gradient, n_sequences):
        """Fill `d_pooled` and the gradient."""
        W_T, dW = packed["W_T"], gradient["dW"]
        H, K, ldr, ldd = self.n_inputs, self.n_outputs, d_raw.shape[1], d_pooled.shape[1]
        product_t(dW, 0, dW.shape[1], pooled, 0, pooled.shape[1], d_raw, 0, ldr, H + 1, K, n_sequences, False)
        product(d_pooled, 0, ldd, d_raw, 0, ldr, W_T, 0, W_T.shape[1], n_sequences, H, K, False)
