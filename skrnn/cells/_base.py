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
    """Base of all cells: two elementwise functions, and the names of their inputs and outputs.

    A cell only contains hyper-parameters. The package computes matrix products, time loop, batches, padding and
    threads; a cell defines the operations between the products, which are the same for all units of a layer. Class
    attributes:

    gates : tuple of str
        Gates in the order of their columns in the public ``W_x``, ``W_h`` and ``b``.
    columns : tuple of (gate, feeds)
        Pre-activations that a step receives, each with its summands: `BOTH`, `INPUT`, `STATE`, `STATE_WITHOUT_BIAS` or
        `BIAS`. The columns fed by the state must be neighbours, and so must those fed by the input.
    states : tuple of str, default=()
        Names of further states besides h.
    vectors : dict of str to int, default={}
        Weights of single units, such as peepholes: name, and number per unit.
    saves_h : bool, default=False
        Whether `forward` only saves the new h, as ``(h,)``, which is then not stored twice.
    carries_state : bool, default=False
        Whether h_t depends elementwise on h_(t-1), as zoneout requires.
    initial_bias : dict of gate to float, default={}
        Initial biases other than 0.
    remembers : dict of gate to {1, -1}, default={}
        Gates that keep the past when open (1) or closed (-1), for the initial biases of `Chrono`.

    Functions, compiled with `skrnn.cells.kernel`, on registers of units (all tuples except h and dh):

    ``forward(a, s, h, p) -> saved, s, h``
        Input: pre-activations, states and h of the previous step, `vectors`. Output: the values that `backward` needs
        (as many as pre-activations), the new states and h.
    ``backward(saved, s_before, h_before, p, ds, dh) -> da, ds_before, dh_before, dp``
        Input: gradients of the new states and h. Output: gradients of the pre-activations, of the previous step, and of
        `vectors` in this step. dh_before is only the direct part: the time loop adds the gradient through the products.

    A cell with a product that needs the value of a gate (a GRU with the reset before the product) has an inner stage:

    inner : tuple of gate, default=()
        Gates of the inner stage, the first of `columns`.
    fed_by_inner : gate
        The last of `columns`, to which the product of u, the result of the inner stage, is added.
    n_shared : int, default=0
        Number of inner gates, counted from the last, that the outer stage reads, too: `forward` receives them before
        the others, and `backward` returns the part of their gradients from the outer stage.

    ``inner_forward(a, h) -> saved, u``
        Input: pre-activations of the inner gates, and h. Output: the gates and u.
    ``inner_backward(saved, h_before, shared, du) -> da, dh_before``
        Input: gradients of shared gates and u. Output: gradients of the inner pre-activations, and the direct part of
        that of h.
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
        """Get the functions of the cell by their names in the time loop.

        Returns
        -------
        dict of str to callable or None
            ``forward``, ``backward``, and those of the inner stage, with the prefix ``cell_``.
        """
        return {
            "cell_forward": self.forward,
            "cell_backward": self.backward,
            "cell_inner_forward": self.inner_forward,
            "cell_inner_backward": self.inner_backward,
        }

    # --------------------------------------------------------------------------------------------- names and shapes
    def shapes(self, sizes):
        """Get names and shapes of the weights of one layer, in the order of the parameter vector.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        dict of str to tuple of int
            ``W_x``, ``W_h``, ``b``, and further weights of the cell.
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
        """Compute the number of units from the columns of the public ``W_x``.

        Parameters
        ----------
        W_x : ndarray of shape (n_inputs, n_columns)
            Input weights of a layer.

        Returns
        -------
        int
            Number of units of the layer.
        """
        return W_x.shape[1] // len(self.public_columns(Sizes(1, 1, 1), "W_x"))

    def public_columns(self, sizes, name):
        """Get the columns of each gate in a public weight.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.
        name : str
            Name of the weight.

        Returns
        -------
        dict of str to slice
            Columns of each gate that the weight contains.
        """
        widths = {piece.gate: piece.columns.stop - piece.columns.start for piece in self.pieces(sizes, name)}
        columns, start = {}, 0
        for gate in self.gates:
            if gate in widths:
                columns[gate] = slice(start, start + widths[gate])
                start += widths[gate]
        return columns

    def pieces(self, sizes, *names):
        """Generate the places of weights in the packed matrices.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.
        *names : str
            Names of the weights; all weights if there are none.

        Yields
        ------
        Piece
            Part of a weight that belongs to one gate.
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
        """Generate the places of the parts of public weights.

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
        """Get the number of pre-activations of a step.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        int
            Number of columns of the packed matrix.
        """
        return [columns.stop for columns in self._columns(sizes)][-1]

    def blocks(self, sizes):
        """Get the parts of the packed matrix that are not zero.

        The packed matrix stacks W_h, one row of biases and W_x, for rows ``[h, 1, x]``.

        Parameters
        ----------
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        ndarray of shape (n_blocks, 4)
            Bounds of rows and columns, r0, r1, c0, c1, of each part.
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
        """Get the columns of pre-activations that depend on the state h, or on the input x.

        Parameters
        ----------
        source : {"h", "x"}
            Which of the two.
        sizes : Sizes
            Sizes of the layer.

        Returns
        -------
        tuple of int
            First column, and the column after the last one; equal if there is none.
        """
        ends = _FIRST if source == "h" else _LAST
        fed = [c for (_, feeds), c in zip(self.columns, self._columns(sizes), strict=True) if ends[feeds] == source]
        return (fed[0].start, fed[-1].stop) if fed else (0, 0)

    # ---------------------------------------------------------------------------------------------- initial weights
    def initial_vectors(self, rng, name, shape, n_steps, is_last):
        """Get initial values of one of `vectors`, by default zeros.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of random numbers.
        name : str
            Name in `vectors`.
        shape : tuple of int
            Shape of the values.
        n_steps : int
            Number of steps of the longest training sequence.
        is_last : bool
            Whether the network only uses the state after the last step.

        Returns
        -------
        ndarray of `shape`
            Initial values.
        """
        return np.zeros(shape)

    def bounds(self, n_steps):
        """Get bounds of weights, which are enforced after each update.

        Parameters
        ----------
        n_steps : int
            Number of steps of the longest training sequence.

        Returns
        -------
        dict of str to float
            Maximum absolute value of each weight that has a bound.
        """
        return {}
