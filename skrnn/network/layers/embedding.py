"""Channels that hold codes become vectors that are learned."""

import numpy as np

from ...kernels.fronts import add_up, copy_channels, look_up, spread_channels, translate
from ...kernels.program import Instruction
from .layer import Front

# Up to so many codes their vectors start with variance 1, like standardised channels. The more there are, the rarer is
# each, and the vector of a rare word stays near where it starts, where a large one is noise: with variance 1 for all,
# part-of-speech tags and types of questions were 4 to 9 points worse on held-out sentences.
N_FREQUENT = 100


def initial_deviation(n_codes):
    """Standard deviation of the vectors of `n_codes` codes before training."""
    return min(1.0, np.sqrt(N_FREQUENT / n_codes))


class Embedding(Front):
    """A table for each channel of codes; other channels pass through, and come first.

    Weights are called by the number of the channel. Code 0, which stands for all values that have no code of their
    own, starts at 0: where no training sequence has it, it stays there, and adds nothing to what the network reads.

    Parameters
    ----------
    embeddings : tuple of (int, int, int)
        Number of the channel, number of codes, and numbers that stand for a code.
    n_inputs : int
        Columns that are read.
    shift : int, default=0
        How many columns to the left of their numbers the channels of codes are.
    n_held : tuple of int, default=None
        Rows of each table that there is room for, if only those that a batch reads are held. Which row a code has there
        stands in packed form, in ``slots_{channel}``.
    """

    def __init__(self, embeddings, n_inputs, shift=0, n_held=None):
        coded = np.array([channel - shift for channel, _, _ in embeddings], np.int64)
        self.n_coded, self.n_plain = len(coded), n_inputs - len(coded)
        self.plain, self.coded = np.setdiff1d(np.arange(n_inputs), coded), coded
        self.n_outputs = self.n_plain + sum(n_dims for _, _, n_dims in embeddings)
        self.shapes = {str(channel): (n_codes, n_dims) for channel, n_codes, n_dims in embeddings}
        self.slots = {}
        if n_held is not None:
            self.slots = {f"slots_{name}": (1, n_codes) for name, (n_codes, _) in self.shapes.items()}
            held = zip(self.shapes.items(), n_held, strict=True)
            self.shapes = {name: (n, n_dims) for (name, (_, n_dims)), n in held}

    def initialize(self, weights, rng, scheme):
        for table in weights.values():
            table[...] = rng.uniform(-1, 1, table.shape) * np.sqrt(3) * initial_deviation(len(table))
            table[0] = 0

    def packed_shapes(self):
        """The tables, and where in them the codes are."""
        return self.shapes | self.slots

    def packing(self, weights, packed):
        for name, (n_codes, n_dims) in self.shapes.items():
            yield weights[name], packed[name][:n_codes, :n_dims]

    def gradient_shapes(self):
        """Those of the tables."""
        return dict(self.shapes)

    def unpacking(self, packed_gradient, gradients):
        for name, (n_codes, n_dims) in self.shapes.items():
            yield packed_gradient[name][:n_codes, :n_dims], gradients[name]

    def buffer_shapes(self, n_steps, n_sequences, training):
        """The codes of each live row, and what all fronts have."""
        return {"codes": (n_steps, self.n_coded), **super().buffer_shapes(n_steps, n_sequences, training)}

    def forward(self, packed, buffers, X, rows, plan):
        Y, codes, n_rows = buffers["Y"], buffers["codes"], plan.n_live
        yield Instruction("embedding: plain channels", copy_channels, (X, rows, n_rows, self.plain, Y, 0))
        yield Instruction("embedding: codes", copy_channels, (X, rows, n_rows, self.coded, codes, 0))
        for k, name in enumerate(self.slots):
            yield Instruction(f"embedding: {name}", translate, (codes, k, n_rows, packed[name]))
        for k, (name, n_dims, column) in enumerate(self._columns()):
            what = codes, k, n_rows, packed[name], n_dims, Y, column
            yield Instruction(f"embedding.{name}: look up", look_up, what)

    def backward(self, packed, buffers, plan, gradient, dX):
        if dX is not None:
            what = buffers["dY"], plan.n_live, self.plain, dX
            yield Instruction("embedding: back to plain channels", spread_channels, what)
        for k, (name, n_dims, column) in enumerate(self._columns()):
            what = buffers["codes"], k, plan.n_live, buffers["dY"], column, n_dims, gradient[name]
            yield Instruction(f"embedding.{name}: add up", add_up, what)

    def _columns(self):
        """For each table its name, its width and its first column of Y."""
        column = self.n_plain
        for name, (_, n_dims) in self.shapes.items():
            yield name, n_dims, column
            column += n_dims
