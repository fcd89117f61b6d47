"""The contract of a recurrent cell."""

import numpy as np
from sklearn.base import BaseEstimator

# What feeds a column block of pre-activations. Each has its bias: `b` where the input takes part, `b_h` elsewhere.
BOTH, INPUT, STATE = "input and state", "input", "state"


class BaseCell(BaseEstimator):
    """Base of all cells: two element-wise functions, and the names of what goes in and out.

    A cell holds hyper-parameters only. The matrix products, the time loop, batches, padding and threads are the
    package's; a cell says what happens between the products, for all units of a layer alike. Its class attributes:

    gates : tuple of str
        Gates in the order in which their columns stand in the public ``W_x``, ``W_h`` and ``b``.
    columns : tuple of (gate, feeds)
        Pre-activations that a step receives, each with what feeds it: `BOTH`, `INPUT` or `STATE`. Those fed by the
        state, and those fed by the input, must be neighbours.
    states : tuple of str, default=()
        Names of the states that the cell carries besides h.
    initial_bias : dict of gate to float, default={}
        Biases that do not start at 0.

    and its two functions, compiled with `skrnn._jit.kernel`, over registers of units (all arguments but h are tuples):

    ``forward(a, s, h) -> saved, s, h``
        From pre-activations, states and h of the step before to what `backward` needs (as many as pre-activations) and
        the new states and h.
    ``backward(saved, s_before, s, h_before, h, ds, dh) -> da, ds_before, dh_before``
        From the gradients of the new states and h to those of the pre-activations and of the step before. dh_before
        is the direct part only: what flows back through the products is added by the time loop.
    """

    states = ()
    initial_bias = {}
    _parameter_constraints = {}

    def shapes(self, n_inputs, n_hidden):
        """Give names and shapes of the weights of one layer, in the order in which they lie in the parameter vector.

        Parameters
        ----------
        n_inputs, n_hidden : int
            Channels that the layer reads, and its units.

        Returns
        -------
        dict of str to tuple of int
            ``W_x``, ``W_h``, ``b``, and ``b_h`` where a column is fed by the state alone.
        """
        G = len(self.gates)
        shapes = {
            "W_x": (n_inputs, G * n_hidden),
            "W_h": (n_hidden, G * n_hidden),
            "b": (G * n_hidden,),
        }
        n_state_only = sum(feeds == STATE for _, feeds in self.columns)
        if n_state_only:
            shapes["b_h"] = (n_state_only * n_hidden,)
        return shapes

    def blocks(self, n_inputs, n_hidden):
        """Find the parts of the packed matrix that are not zero.

        The packed matrix stacks W_h, one row of biases and W_x, for rows ``[h, 1, x]``.

        Parameters
        ----------
        n_inputs, n_hidden : int
            Channels that the layer reads, and its units.

        Returns
        -------
        ndarray of shape (n_blocks, 4)
            Rows and columns r0, r1, c0, c1 of each part.
        """
        H = n_hidden
        rows = {BOTH: (0, H + 1 + n_inputs), INPUT: (H, H + 1 + n_inputs), STATE: (0, H + 1)}
        blocks = []
        for k, (_, feeds) in enumerate(self.columns):
            if blocks and tuple(blocks[-1][:2]) == rows[feeds]:
                blocks[-1][3] += H
            else:
                blocks.append([*rows[feeds], k * H, (k + 1) * H])
        return np.array(blocks)

    def fed_by(self, feeds, n_hidden):
        """Find the columns of the pre-activations that the input, or the state, takes part in.

        Parameters
        ----------
        feeds : {INPUT, STATE}
            Which of the two.
        n_hidden : int
            Units of the layer.

        Returns
        -------
        tuple of int
            First column, and the one after the last.
        """
        fed = [k for k, (_, f) in enumerate(self.columns) if f in (feeds, BOTH)]
        return fed[0] * n_hidden, (fed[-1] + 1) * n_hidden

    def places(self, n_hidden):
        """Tell where the public weights stand in the packed matrix that stacks W_h, biases and W_x.

        Parameters
        ----------
        n_hidden : int
            Units of the layer.

        Yields
        ------
        tuple
            Name of a weight, slice of its last axis, slice of the packed rows, slice of the packed columns.
        """
        H, n_state_only = n_hidden, 0
        for k, (gate, feeds) in enumerate(self.columns):
            packed = slice(k * H, (k + 1) * H)
            public = slice(self.gates.index(gate) * H, (self.gates.index(gate) + 1) * H)
            if feeds != INPUT:
                yield "W_h", public, slice(0, H), packed
            if feeds == STATE:
                yield "b_h", slice(n_state_only * H, (n_state_only + 1) * H), slice(H, H + 1), packed
                n_state_only += 1
            else:
                yield "W_x", public, slice(H + 1, None), packed
                yield "b", public, slice(H, H + 1), packed
