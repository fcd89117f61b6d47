"""The contract of a recurrent cell."""

from typing import NamedTuple

import numpy as np

from .._core.parameters import PlainEstimator

# What feeds a column of pre-activations, of the state h, the constant 1 (the bias) and the input x, which lie side by
# side in this order.
BOTH = "state, bias and input"
INPUT = "bias and input"
STATE = "state and bias"
STATE_WITHOUT_BIAS = "state"
BIAS = "bias"
_FIRST = {BOTH: "h", INPUT: "1", STATE: "h", STATE_WITHOUT_BIAS: "h", BIAS: "1"}
_LAST = {BOTH: "x", INPUT: "x", STATE: "1", STATE_WITHOUT_BIAS: "h", BIAS: "1"}


class Sizes(NamedTuple):
    """Sizes of a layer: channels that it reads, units of its inner stage, units of its state.

    The two numbers of units differ only in cells whose state is not what they compute first (Jordan).
    """

    n_inputs: int
    n_hidden: int
    n_state: int


class Piece(NamedTuple):
    """A named weight, or a part of one, and where it stands in a packed matrix."""

    name: str
    gate: str
    matrix: str
    rows: slice
    columns: slice


class BaseCell(PlainEstimator):
    """Base of all cells: two element-wise functions, and the names of what goes in and out.

    A cell holds hyper-parameters only. The matrix products, the time loop, batches, padding and threads are the
    package's; a cell says what happens between the products, for all units of a layer alike. Its class attributes:

    gates : tuple of str
        Gates in the order in which their columns stand in the public ``W_x``, ``W_h`` and ``b``.
    columns : tuple of (gate, feeds)
        Pre-activations that a step receives, each with what feeds it: `BOTH`, `INPUT`, `STATE`, `STATE_WITHOUT_BIAS`
        or `BIAS`. Those fed by the state, and those fed by the input, must be neighbours.
    states : tuple of str, default=()
        Names of the states that the cell carries besides h.
    vectors : dict of str to int, default={}
        Weights that act on single units, like peepholes: name, and number for each unit.
    saves_h : bool, default=False
        Whether `forward` saves nothing but the new h, as ``(h,)``; then it is not stored twice.
    carries_state : bool, default=False
        Whether h_t has an element-wise path from h_(t-1), as zoneout needs.
    initial_bias : dict of gate to float, default={}
        Biases that do not start at 0.
    remembers : dict of gate to {1, -1}, default={}
        Gates that hold on to the past when open (1) or closed (-1), for the initial biases of `Chrono`.

    and its two functions, compiled with `skrnn.cells.kernel`, over registers of units (tuples, but for h and dh):

    ``forward(a, s, h, p) -> saved, s, h``
        From pre-activations, states and h of the step before, and `vectors`, to what `backward` needs (as many as
        pre-activations) and the new states and h.
    ``backward(saved, s_before, h_before, p, ds, dh) -> da, ds_before, dh_before, dp``
        From the gradients of the new states and h to those of the pre-activations, of the step before, and of this
        step's use of `vectors`. dh_before is the direct part only: what flows back through the products is added by
        the time loop.

    A cell one of whose products needs the result of a gate (a GRU that resets before the product) has an inner stage:

    inner : tuple of gate, default=()
        Gates of the inner stage, the first of `columns`.
    fed_by_inner : gate
        The last of `columns`: the product of u, the result of the inner stage, is added to it.
    n_shared : int, default=0
        How many of the last inner gates the outer stage reads too: `forward` gets them before the others, and
        `backward` gives their gradients as far as they come from the outer stage.

    ``inner_forward(a, h) -> saved, u``
        From the pre-activations of the inner gates to the gates and u.
    ``inner_backward(saved, h_before, shared, du) -> da, dh_before``
        From the gradients of shared gates and u to those of the inner pre-activations and, directly, of h.
    """

    states = ()
    vectors = {}
    inner = ()
    fed_by_inner = None
    n_shared = 0
    inner_forward = inner_backward = None
    saves_h = False
    carries_state = False
    initial_bias = {}
    remembers = {}
    is_output = False  # whether the state is an output of the network: see Jordan
    _inner_names = ("W_h", "b")  # of the weights between u and the column that it feeds, and of that column's bias
    _parameter_constraints = {}

    def equations(self):
        """Give the functions of the cell, by the names that the time loop has for them.

        Returns
        -------
        dict of str to callable or None
            ``forward``, ``backward``, and those of the inner stage, with ``cell_`` before them.
        """
        names = ("forward", "backward", "inner_forward", "inner_backward")
        return {f"cell_{name}": getattr(self, name) for name in names}

    # --------------------------------------------------------------------------------------------- names and shapes
    def shapes(self, sizes):
        """Give names and shapes of the weights of one layer, in the order in which they lie in the parameter vector.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        dict of str to tuple of int
            ``W_x``, ``W_h``, ``b``, and what else the cell has.
        """
        rows = {"W_x": sizes.n_inputs, "W_h": sizes.n_state, "W_y": sizes.n_hidden}
        shapes = {}
        for name in ("W_x", "W_h", "b", "b_h", "W_y", "b_y"):
            widths = [s.stop - s.start for s in self.public_columns(sizes, name).values()]
            if widths:
                shapes[name] = (rows[name], sum(widths)) if name in rows else (sum(widths),)
        for name, number in self.vectors.items():
            shapes[name] = (number, sizes.n_state) if number > 1 else (sizes.n_state,)
        return shapes

    def count_units(self, W_x):
        """Find the number of units from the columns of the public ``W_x``.

        Parameters
        ----------
        W_x : ndarray of shape (n_inputs, n_columns)
            Input weights of a layer.

        Returns
        -------
        int
            Units of the layer.
        """
        return W_x.shape[1] // len(self.public_columns(Sizes(1, 1, 1), "W_x"))

    def public_columns(self, sizes, name):
        """Find the columns of a public weight that belong to each gate.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.
        name : str
            Name of the weight.

        Returns
        -------
        dict of str to slice
            Columns of each gate that the weight has a part for.
        """
        widths = {piece.gate: piece.columns.stop - piece.columns.start for piece in self.pieces(sizes, name)}
        columns, start = {}, 0
        for gate in self.gates:
            if gate in widths:
                columns[gate] = slice(start, start + widths[gate])
                start += widths[gate]
        return columns

    def pieces(self, sizes, *names):
        """Tell which weights stand where in the packed matrices.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.
        *names : str
            Names of the weights; all if there are none.

        Yields
        ------
        Piece
            The part of a weight that belongs to a gate.
        """
        H = sizes.n_state
        with_bias = set()
        for (gate, feeds), columns in zip(self.columns, self._columns(sizes), strict=True):
            is_fed = gate == self.fed_by_inner
            pieces = []
            if _LAST[feeds] == "x":
                pieces.append(Piece("W_x", gate, "W", slice(H + 1, H + 1 + sizes.n_inputs), columns))
            if _FIRST[feeds] == "h":
                pieces.append(Piece("W_h", gate, "W", slice(0, H), columns))
            if feeds != STATE_WITHOUT_BIAS:
                bias = self._inner_names[1] if is_fed else "b_h" if gate in with_bias else "b"
                pieces.append(Piece(bias, gate, "W", slice(H, H + 1), columns))
                with_bias.add(gate)
            if is_fed:
                pieces.append(Piece(self._inner_names[0], gate, "W_u", slice(0, sizes.n_hidden), slice(0, H)))
            yield from (piece for piece in pieces if not names or piece.name in names)

    def public_pieces(self, sizes):
        """Tell which part of which public weight stands where.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Yields
        ------
        tuple
            Columns of the public weight, and the `Piece`.
        """
        for piece in self.pieces(sizes):
            yield self.public_columns(sizes, piece.name)[piece.gate], piece

    # ------------------------------------------------------------------------------------------------ packed matrix
    def _columns(self, sizes):
        """Packed columns of each entry of `columns`."""
        start = 0
        for k in range(len(self.columns)):
            width = sizes.n_hidden if k < len(self.inner) else sizes.n_state
            yield slice(start, start + width)
            start += width

    def n_columns(self, sizes):
        """Count the pre-activations of a step.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        int
            Columns of the packed matrix.
        """
        return [columns.stop for columns in self._columns(sizes)][-1]

    def blocks(self, sizes):
        """Find the parts of the packed matrix that are not zero.

        The packed matrix stacks W_h, one row of biases and W_x, for rows ``[h, 1, x]``.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        ndarray of shape (n_blocks, 4)
            Rows and columns r0, r1, c0, c1 of each part.
        """
        D, _, H = sizes
        first, last = {"h": 0, "1": H}, {"h": H, "1": H + 1, "x": H + 1 + D}
        blocks = []
        for (_, feeds), columns in zip(self.columns, self._columns(sizes), strict=True):
            rows = [first[_FIRST[feeds]], last[_LAST[feeds]]]
            if blocks and blocks[-1][:2] == rows:
                blocks[-1][3] = columns.stop
            else:
                blocks.append([*rows, columns.start, columns.stop])
        return np.array(blocks)

    def fed_by(self, source, sizes):
        """Find the columns of the pre-activations that the state h, or the input x, takes part in.

        Parameters
        ----------
        source : {"h", "x"}
            Which of the two.
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        tuple of int
            First column, and the one after the last; equal if there is none.
        """
        ends = _FIRST if source == "h" else _LAST
        fed = [c for (_, feeds), c in zip(self.columns, self._columns(sizes), strict=True) if ends[feeds] == source]
        return (fed[0].start, fed[-1].stop) if fed else (0, 0)

    # ---------------------------------------------------------------------------------------------- initial weights
    def initial_vectors(self, rng, name, shape, n_steps, is_last):
        """Give initial values of one of `vectors`; zeros unless a cell says otherwise.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.
        name : str
            Which of `vectors`.
        shape : tuple of int
            Its shape.
        n_steps : int
            Steps of the longest training sequence.
        is_last : bool
            Whether nothing but the state after the last step is made use of.

        Returns
        -------
        ndarray of `shape`
            Initial values.
        """
        return np.zeros(shape)

    def bounds(self, n_steps):
        """Give bounds that hold after every update.

        Parameters
        ----------
        n_steps : int
            Steps of the longest training sequence.

        Returns
        -------
        dict of str to float
            Largest absolute value for each weight that has one.
        """
        return {}
