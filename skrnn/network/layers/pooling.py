"""From the steps of a sequence to one vector. `POOLINGS` gives the ways by name."""

from typing import NamedTuple

import numpy as np

from ...kernels import pooling as kernels
from .layer import Layer


class Segment(NamedTuple):
    """Which steps of its sequences a shard holds.

    first_steps : the first step, for each sequence; n_on : how many sequences, the first ones, go on behind the last;
    n_steps : steps of each sequence as a whole.
    """

    first_steps: np.ndarray
    n_on: int
    n_steps: np.ndarray


class Pooling(Layer):
    """Base: from the rows of all steps, `n_units` columns, to one row of as many columns per sequence.

    Parameters
    ----------
    n_units : int
        Columns of the layer below, both directions together.
    n_backward : int, default=0
        How many of them, the last ones, belong to the direction that runs backward in time.

    Attributes
    ----------
    keeps_steps : bool
        Whether there is a row for each live row instead.
    in_segments : bool
        Whether the steps of a sequence may come in several segments, one after the other.
    """

    keeps_steps, in_segments = False, True

    def __init__(self, n_units, n_backward=0):
        self.n_units, self.n_backward = n_units, n_backward

    def buffer_shapes(self, n_steps, n_sequences, training):
        """Arrays for a shard of so many steps and sequences."""
        return {}

    def n_rows(self, starts):
        """Rows of `pooled` for a shard."""
        return starts[1]

    def mask(self, pooled, M, starts):
        """Multiply the rows of each sequence n by row n of M."""
        N, H = starts[1], self.n_units
        pooled[:N, :H] *= M[:N, :H]

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        """Fill ``pooled[n, :n_units]`` from the rows Y of the shard, or go on from the segment before."""
        raise NotImplementedError

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        """Overwrite all rows of dY with the gradient of Y, and `gradient` with those of the weights."""
        raise NotImplementedError


class Last(Pooling):
    """The state of each direction after its own last step, which for the backward one is the first step."""

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        kernels.last_forward(Y, starts, segment.n_on, self.n_units, self.n_backward, pooled)

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        kernels.last_backward(starts, segment.n_on, self.n_units, self.n_backward, d_pooled, dY)


class Mean(Pooling):
    """The mean over the steps of each sequence."""

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        kernels.mean_forward(Y, starts, segment.first_steps, segment.n_on, self.n_units, pooled)

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        kernels.mean_backward(starts, segment.n_steps, self.n_units, d_pooled, dY)


class Max(Pooling):
    """The largest value of each unit over the steps of each sequence; the gradient goes to the first of equal ones."""

    def buffer_shapes(self, n_steps, n_sequences, training):
        return {"argmax": (n_sequences, self.n_units)}

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        kernels.max_forward(Y, starts, segment.first_steps, self.n_units, pooled, buffers["argmax"])

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        kernels.max_backward(starts, segment.first_steps, self.n_units, buffers["argmax"], d_pooled, dY)


class Attention(Pooling):
    """Additive attention: a mean with weights that each sequence finds for its steps.

    The weights of the last shard stand in column 0 of the buffer ``alpha``, in the rows of their steps.
    """

    in_segments = False  # weights sum to 1 over all steps of a sequence

    def __init__(self, n_units, n_backward=0):
        super().__init__(n_units, n_backward)
        self.shapes = {"W": (n_units, n_units), "b": (n_units,), "v": (n_units,)}

    def initialize(self, weights, rng, scheme):
        weights["W"][...] = scheme.inputs(rng, self.n_units, self.n_units)
        weights["v"][...] = scheme.inputs(rng, self.n_units, 1)[:, 0]

    def packed_shapes(self):
        H = self.n_units
        return {"W": (H, H), "W_T": (H, H), "b": (1, H), "v": (1, H)}

    def packing(self, weights, packed):
        H = self.n_units
        yield weights["W"], packed["W"][:H, :H]
        yield weights["W"].T, packed["W_T"][:H, :H]
        yield weights["b"], packed["b"][0, :H]
        yield weights["v"], packed["v"][0, :H]

    def gradient_shapes(self):
        H = self.n_units
        return {"dW": (H, H), "db": (1, H), "dv": (1, H)}

    def unpacking(self, packed_gradient, gradients):
        H = self.n_units
        yield packed_gradient["dW"][:H, :H], gradients["W"]
        yield packed_gradient["db"][0, :H], gradients["b"]
        yield packed_gradient["dv"][0, :H], gradients["v"]

    def buffer_shapes(self, n_steps, n_sequences, training):
        return {
            "U": (n_steps if training else min(n_steps, kernels.BLOCK), self.n_units),
            "scores": (1, n_steps),
            "sums": (2, n_sequences),
            "alpha": (n_steps, 1),
        }

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        arrays, weights = buffers.of(kernels.AttentionArrays), packed.of(kernels.AttentionWeights)
        kernels.attention_forward(arrays, weights, Y, starts, self.n_units, pooled)

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        arrays, weights = buffers.of(kernels.AttentionArrays), packed.of(kernels.AttentionWeights)
        slopes = gradient.of(kernels.AttentionGradient)
        kernels.attention_backward(arrays, weights, slopes, Y, starts, self.n_units, d_pooled, dY)


class Steps(Pooling):
    """No pooling: each step has its own row."""

    keeps_steps = True

    def n_rows(self, starts):
        return starts[-1] - starts[1]

    def mask(self, pooled, M, starts):
        kernels.mask_steps(pooled, M, starts, self.n_units)

    def forward(self, packed, buffers, Y, starts, pooled, segment):
        n_rows, H = self.n_rows(starts), self.n_units
        pooled[:n_rows, :H] = Y[:n_rows, :H]

    def backward(self, packed, buffers, Y, starts, pooled, d_pooled, dY, gradient, segment):
        n_rows, H = self.n_rows(starts), self.n_units
        dY[:n_rows, :H] = d_pooled[:n_rows, :H]


POOLINGS = {"last": Last, "mean": Mean, "max": Max, "attention": Attention}


def get_pooling(name, n_units, n_backward=0):
    """The pooling of that name, or "steps", for `n_units` columns; the last `n_backward` run backward in time."""
    return {**POOLINGS, "steps": Steps}[name](n_units, n_backward)
