"""Values that were last seen some time ago decay to the mean, as fast as is learned."""

import numpy as np

from ...kernels.fronts import copy_channels, decay_backward, decay_forward
from ...kernels.program import Instruction
from .layer import Front


class Decay(Front):
    """The decay of inputs of a GRU-D; it reads what an `InputEncoder` with ``missing="decay"`` makes.

    A variable that was not measured at a step is what it was when last seen, times exp(-max(0, w d + b)), d the time
    since; as the variables are standardised, that is a decay to their mean. Indicators of what was measured follow,
    and then what is not its concern.

    Parameters
    ----------
    n_inputs : int
        Columns: three for each variable, and others.
    n_others : int
        How many of them, the last ones, pass through.
    """

    def __init__(self, n_inputs, n_others):
        self.n_variables = (n_inputs - n_others) // 3
        self.others = np.arange(n_inputs - n_others, n_inputs)
        self.n_outputs = 2 * self.n_variables + n_others
        self.shapes = {"w": (self.n_variables,), "b": (self.n_variables,)}

    def initialize(self, weights, rng, scheme):
        weights["w"][...] = rng.uniform(0, 1, self.n_variables)

    def packed_shapes(self):
        """[w; b]."""
        return {"p": (2, self.n_variables)}

    def packing(self, weights, packed):
        for k, name in enumerate("wb"):
            yield weights[name], packed["p"][k, : self.n_variables]

    def gradient_shapes(self):
        """The gradient of [w; b]."""
        return {"dp": (2, self.n_variables)}

    def unpacking(self, packed_gradient, gradients):
        for k, name in enumerate("wb"):
            yield packed_gradient["dp"][k, : self.n_variables], gradients[name]

    def buffer_shapes(self, n_steps, n_sequences, training):
        """The inputs in live rows, and what all fronts have."""
        return {"X": (n_steps, 3 * self.n_variables), **super().buffer_shapes(n_steps, n_sequences, training)}

    def forward(self, packed, buffers, X, rows, plan):
        what = X, rows, plan.n_live, self.n_variables, packed["p"], buffers["X"], buffers["Y"]
        yield Instruction("decay: forward", decay_forward, what)
        others = X, rows, plan.n_live, self.others, buffers["Y"], 2 * self.n_variables
        yield Instruction("decay: other channels", copy_channels, others)

    def backward(self, packed, buffers, plan, gradient, dX):
        what = buffers["X"], plan.n_live, self.n_variables, packed["p"], buffers["dY"], gradient["dp"]
        yield Instruction("decay: back", decay_backward, what)
