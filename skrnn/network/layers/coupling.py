"""What raw predictions of a row get from the targets before them."""

import numpy as np

from ...kernels.coupling import N_ROWS, couple, couple_backward
from ...kernels.program import Instruction
from .layer import Layer


class Coupling(Layer):
    """``raw[k] += sigmoid(c + sum_{i<k} y[i] W[i]) . V[k]``, where c are the raw predictions behind the first ones.

    Parameters
    ----------
    n_targets, n_hidden : int
        Raw predictions that have a target, and numbers c.
    """

    def __init__(self, n_targets, n_hidden):
        self.n_targets, self.n_hidden = n_targets, n_hidden
        self.shapes = dict.fromkeys(("W", "V"), (n_targets, n_hidden))

    def initialize(self, weights, rng, scheme):
        """Random W; V of 0, so that training starts from independent predictions."""
        weights["W"][...] = scheme.inputs(rng, self.n_targets, self.n_hidden)

    def packed_shapes(self):
        """The weights."""
        return dict(self.shapes)

    def packing(self, weights, packed):
        for name in self.shapes:
            yield weights[name], packed[name][: self.n_targets, : self.n_hidden]

    def gradient_shapes(self):
        """Those of the weights."""
        return dict(self.shapes)

    def unpacking(self, packed_gradient, gradients):
        for name in self.shapes:
            yield packed_gradient[name][: self.n_targets, : self.n_hidden], gradients[name]

    def forward(self, packed, y, raw, n_rows):
        """Instructions that add to the raw predictions what the targets y make of them."""
        what = raw, y, n_rows, self.n_targets, self.n_hidden, packed["W"], packed["V"], self._room(raw)
        yield Instruction("coupling: forward", couple, what)

    def backward(self, packed, y, raw, d_raw, gradient, n_rows):
        """Instructions that fill the gradients of c, behind those of the raw predictions in `d_raw`, and `gradient`."""
        what = raw, y, n_rows, self.n_targets, self.n_hidden, packed["W"], packed["V"], self._room(raw)
        yield Instruction("coupling: back", couple_backward, (*what, d_raw, gradient["W"], gradient["V"]))

    def _room(self, raw):
        return np.zeros((N_ROWS, self.n_hidden), raw.dtype)
