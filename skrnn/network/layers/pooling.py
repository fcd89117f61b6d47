"""From the steps of a sequence to one vector. `POOLINGS` gives the ways by name."""

from ...kernels import pooling as kernels
from ...kernels.program import Instruction
from ...kernels.rows import copy_rows, mask_rows
from .layer import Layer


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

    def n_rows(self, plan):
        """Rows of `pooled` for a shard."""
        return plan.n_sequences

    def mask(self, pooled, M, plan):
        """Instructions that multiply the rows of each sequence n by row n of M."""
        yield Instruction("pooling: mask", mask_rows, (pooled, M, 0, plan.n_sequences, self.n_units))

    def forward(self, packed, buffers, Y, plan, pooled):
        """Instructions that fill ``pooled[n, :n_units]`` from the rows Y, or go on from the segment before."""
        raise NotImplementedError

    def kept_shapes(self, n_sequences):
        """Arrays that `so_far` keeps from step to step."""
        return {}

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        """Instructions that fill ``pooled[n, :n_units]`` from all steps so far, of which the rows Y are the last.

        The plan is of a step of each sequence; how many came before is in its `segment`.
        """
        raise NotImplementedError

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        """Instructions that overwrite dY with the gradient of Y, and `gradient` with those of the weights."""
        raise NotImplementedError


class Last(Pooling):
    """The state of each direction after its own last step, which for the backward one is the first step."""

    def forward(self, packed, buffers, Y, plan, pooled):
        what = Y, plan.starts, plan.segment.n_on, self.n_units, self.n_backward, pooled
        yield Instruction("pooling: last", kernels.last_forward, what)

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        yield Instruction("pooling: last", copy_rows, (Y, 0, 0, plan.n_sequences, self.n_units, pooled))

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        what = plan.starts, plan.segment.n_on, self.n_units, self.n_backward, d_pooled, dY
        yield Instruction("pooling: last back", kernels.last_backward, what)


class Mean(Pooling):
    """The mean over the steps of each sequence."""

    def forward(self, packed, buffers, Y, plan, pooled):
        what = Y, plan.starts, plan.segment.first_steps, plan.segment.n_on, self.n_units, pooled
        yield Instruction("pooling: mean", kernels.mean_forward, what)

    def kept_shapes(self, n_sequences):
        return {"total": (n_sequences, self.n_units)}

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        what = Y, plan.segment.first_steps, self.n_units, kept["total"], pooled
        yield Instruction("pooling: mean", kernels.mean_so_far, what)

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        what = plan.starts, plan.segment.n_steps, self.n_units, d_pooled, dY
        yield Instruction("pooling: mean back", kernels.mean_backward, what)


class Max(Pooling):
    """The largest value of each unit over the steps of each sequence; the gradient goes to the first of equal ones."""

    def buffer_shapes(self, n_steps, n_sequences, training):
        return {"argmax": (n_sequences, self.n_units)}

    def forward(self, packed, buffers, Y, plan, pooled):
        what = Y, plan.starts, plan.segment.first_steps, self.n_units, pooled, buffers["argmax"]
        yield Instruction("pooling: max", kernels.max_forward, what)

    def kept_shapes(self, n_sequences):
        return {"top": (n_sequences, self.n_units)}

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        what = Y, plan.segment.first_steps, self.n_units, kept["top"], pooled
        yield Instruction("pooling: max", kernels.max_so_far, what)

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        what = plan.starts, plan.segment.first_steps, self.n_units, buffers["argmax"], d_pooled, dY
        yield Instruction("pooling: max back", kernels.max_backward, what)


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
            "sums": (kernels.N_SUMS, n_sequences),
            "alpha": (n_steps, 1),
        }

    def forward(self, packed, buffers, Y, plan, pooled):
        arrays, weights = buffers.of(kernels.AttentionArrays), packed.of(kernels.AttentionWeights)
        what = arrays, weights, Y, plan.starts, self.n_units, pooled
        yield Instruction("pooling: attention", kernels.attention_forward, what)

    def kept_shapes(self, n_sequences):
        return {"sums": (kernels.N_SUMS, n_sequences), "total": (n_sequences, self.n_units)}

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        arrays, weights = buffers.of(kernels.AttentionArrays), packed.of(kernels.AttentionWeights)
        what = arrays, weights, Y, plan.segment.first_steps, self.n_units, kept["sums"], kept["total"], pooled
        yield Instruction("pooling: attention", kernels.attention_so_far, what)

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        arrays, weights = buffers.of(kernels.AttentionArrays), packed.of(kernels.AttentionWeights)
        slopes = gradient.of(kernels.AttentionGradient)
        what = arrays, weights, slopes, Y, plan.starts, self.n_units, d_pooled, dY
        yield Instruction("pooling: attention back", kernels.attention_backward, what)


class Steps(Pooling):
    """No pooling: each step has its own row."""

    keeps_steps = True

    def n_rows(self, plan):
        return plan.n_live

    def mask(self, pooled, M, plan):
        yield Instruction("pooling: mask", kernels.mask_steps, (pooled, M, plan.starts, self.n_units))

    def forward(self, packed, buffers, Y, plan, pooled):
        yield Instruction("pooling: steps", copy_rows, (Y, 0, 0, plan.n_live, self.n_units, pooled))

    def so_far(self, packed, buffers, kept, Y, plan, pooled):
        return self.forward(packed, buffers, Y, plan, pooled)

    def backward(self, packed, buffers, plan, Y, d_pooled, dY, gradient):
        yield Instruction("pooling: steps back", copy_rows, (d_pooled, 0, 0, plan.n_live, self.n_units, dY))


class Unaligned(Steps):
    """No pooling: each step has its own row, but targets are not those of the steps."""

    in_segments = False  # what reads the rows wants all of a sequence


POOLINGS = {"last": Last, "mean": Mean, "max": Max, "attention": Attention}


def get_pooling(name, n_units, n_backward=0):
    """The pooling of that name, "steps" or "unaligned", for `n_units` columns; the last `n_backward` run backward."""
    return {**POOLINGS, "steps": Steps, "unaligned": Unaligned}[name](n_units, n_backward)
