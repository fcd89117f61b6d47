"""A stack of recurrent layers: a cell and named weights; reordering of gates and biases."""

import re

import numpy as np

from ..cells import BaseCell, get_cell
from ..cells._base import Sizes

DIRECTIONS = ("forward", "backward")
NAME = re.compile(r"layers\.(\d+)\.(forward|backward)\.(\w+)")


class RecurrentLayers:
    """Recurrent layers of one cell, with their weights; all conversions use them.

    Parameters
    ----------
    cell : BaseCell
        The cell of all layers, for example ``LSTM()``.
    weights : dict of str to array-like
        Names are ``"layers.{l}.{direction}.{weight}"`` for each layer l from 0, with direction ``"forward"``,
        ``"backward"``, or both in all layers. The documentation of the cell lists the weights, their shapes and the
        order of gates. Arrays are copied, as float32 if all are float32 or float16, else as float64.

    Attributes
    ----------
    cell : BaseCell
        The cell.
    weights : dict of str to ndarray
        The weights, with the same names as in ``weights_`` of an estimator.
    directions : tuple of str
        ``("forward",)``, ``("backward",)`` or both.
    n_inputs : int
        Number of inputs of the first layer.
    hidden_layer_sizes : tuple of int
        Number of units of each layer (in each direction), starting from the input.

    See Also
    --------
    from_torch, from_keras, from_onnx, from_estimator : Functions that return this object.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.cells import Elman
    >>> from skrnn.interchange import RecurrentLayers
    >>> weights = {"W_x": [[1.0, -1.0]], "W_h": [[0.5, 0.0], [0.0, 0.5]], "b": [0.0, 0.0]}
    >>> layers = RecurrentLayers(Elman("relu"), {f"layers.0.forward.{k}": w for k, w in weights.items()})
    >>> outputs, h, c = layers.run([np.array([[2.0], [-3.0]])])
    >>> outputs[0]
    array([[2., 0.],
           [0., 3.]])
    """

    def __init__(self, cell, weights):
        if not isinstance(cell, BaseCell):
            raise ValueError(f"cell is {cell!r}; it must be an instance of a cell, for example skrnn.cells.LSTM().")
        self.cell = get_cell(cell)
        self.weights = _as_arrays(weights)
        self.directions, n_layers = _structure(self.weights)
        sizes = [_check_layer(self.cell, self.weights, "layers.0", self.directions, None)]
        for layer in range(1, n_layers):
            n_below = sizes[-1] * len(self.directions)
            sizes.append(_check_layer(self.cell, self.weights, f"layers.{layer}", self.directions, n_below))
        self.hidden_layer_sizes = tuple(sizes)
        self.n_inputs = self.weights[f"layers.0.{self.directions[0]}.W_x"].shape[0]

    def __repr__(self):
        return (
            f"RecurrentLayers({self.cell!r}, n_inputs={self.n_inputs}, hidden_layer_sizes={self.hidden_layer_sizes}, "
            f"directions={self.directions})"
        )

    @property
    def n_layers(self):
        """Number of layers."""
        return len(self.hidden_layer_sizes)

    @property
    def bidirectional(self):
        """Whether each layer runs in both directions."""
        return len(self.directions) == 2

    @property
    def dtype(self):
        """Dtype of the weights and of the computations of `run`: float32 or float64."""
        return next(iter(self.weights.values())).dtype

    def of(self, layer, direction):
        """Get the weights of one layer in one direction.

        Parameters
        ----------
        layer : int
            Number of the layer, from 0.
        direction : {"forward", "backward"}
            The direction.

        Returns
        -------
        dict of str to ndarray
            Weights by their names in the cell, for example ``"W_x"``.
        """
        start = f"layers.{layer}.{direction}."
        return {name.removeprefix(start): w for name, w in self.weights.items() if name.startswith(start)}

    def run(self, sequences, initial_h=None, initial_c=None):
        """Compute the outputs of the layers for sequences.

        Parameters
        ----------
        sequences : list of array-like of shape (n_steps, n_inputs)
            Sequences of one step or more, of any lengths.
        initial_h : array-like of shape (n_layers * n_directions, n_sequences, n_units), default=None
            States before the first step of each direction, ordered by layer and direction. If None, zeros.
        initial_c : array-like of shape (n_layers * n_directions, n_sequences, n_units), default=None
            The same for the second state of an LSTM.

        Returns
        -------
        outputs : list of ndarray of shape (n_steps, n_units * n_directions)
            States of the top layer at each step, the forward direction first.
        h : ndarray of shape (n_layers * n_directions, n_sequences, n_units)
            State after the last step of each direction, which for the backward direction is step 0. For layers of
            different sizes, a list of one array (n_directions, n_sequences, n_units) per layer.
        c : ndarray of shape (n_layers * n_directions, n_sequences, n_units) or None
            The same for the second state of an LSTM.
        """
        from ..network.inference import run_recurrent_layers  # noqa: PLC0415 (brings the compiler)

        sequences = [self._check_sequence(k, x) for k, x in enumerate(sequences)]
        if not sequences:
            raise ValueError("There is no sequence to run; pass a list of at least one.")
        initial_h = self._check_initial("initial_h", initial_h, len(sequences))
        initial_c = self._check_initial("initial_c", initial_c, len(sequences))
        weights = self.weights
        if self.directions == ("backward",):
            # Layers that all run backward are forward ones on reversed sequences.
            weights = {name.replace(".backward.", ".forward."): w for name, w in weights.items()}
            sequences = [np.ascontiguousarray(x[::-1]) for x in sequences]
        if len(set(self.hidden_layer_sizes)) == 1:
            outputs, h, c = run_recurrent_layers(self.cell, weights, sequences, initial_h, initial_c)
        else:
            outputs, states = sequences, []
            for k in range(self.n_layers):
                start = f"layers.{k}."
                layer = {n.replace(start, "layers.0."): w for n, w in weights.items() if n.startswith(start)}
                outputs, *state = run_recurrent_layers(self.cell, layer, outputs)
                states.append(state)
            h, c = ([state[k] for state in states] if states[0][k] is not None else None for k in (0, 1))
        if self.directions == ("backward",):
            outputs = [np.ascontiguousarray(y[::-1]) for y in outputs]
        return outputs, h, c

    def _check_sequence(self, k, x):
        x = np.ascontiguousarray(x, self.dtype)
        if x.ndim != 2 or x.shape[1] != self.n_inputs or not len(x):
            raise ValueError(
                f"Sequence {k} has shape {x.shape}, expected (n_steps, {self.n_inputs}) with at least one step."
            )
        if not np.isfinite(x).all():
            raise ValueError(f"Sequence {k} has NaN or infinity; remove or replace them.")
        return x

    def _check_initial(self, name, state, n_sequences):
        if state is None:
            return None
        if name == "initial_c" and not self.cell.states:
            raise ValueError(f"{self.cell!r} has no second state; leave initial_c out.")
        if len(set(self.hidden_layer_sizes)) > 1:
            raise ValueError(f"{name} needs layers of one size, these have {self.hidden_layer_sizes}; leave it out.")
        state = np.ascontiguousarray(state, self.dtype)
        shape = self.n_layers * len(self.directions), n_sequences, self.hidden_layer_sizes[0]
        if state.shape != shape:
            raise ValueError(
                f"{name} has shape {state.shape}, expected {shape}: (layers times directions, sequences, units)."
            )
        return state


def _as_arrays(weights):
    """Copies of the named arrays, all of one type, float32 or float64."""
    arrays = {name: np.asarray(w) for name, w in weights.items()}
    for name, w in arrays.items():
        if w.dtype.kind not in "fiu":
            raise ValueError(f"Weight {name!r} has type {w.dtype}; convert it to float32 or float64.")
        if not np.isfinite(w).all():
            raise ValueError(f"Weight {name!r} has NaN or infinity; weights must be finite.")
    dtype = np.float32 if all(w.dtype in (np.float16, np.float32) for w in arrays.values()) else np.float64
    return {name: np.array(w, dtype, order="C") for name, w in arrays.items()}


def _structure(weights):
    """Directions and number of layers that the names of the weights speak of."""
    found = {}
    for name in weights:
        match = NAME.fullmatch(name)
        if not match:
            raise ValueError(
                f"Unknown weight {name!r}: names are 'layers.{{l}}.forward.{{weight}}' and "
                "'layers.{l}.backward.{weight}'. Leave other weights out."
            )
        found.setdefault(int(match[1]), set()).add(match[2])
    if not found:
        raise ValueError("There are no weights; pass those of at least one layer, 'layers.0.forward.W_x' and so on.")
    for layer in range(len(found)):
        if layer not in found:
            raise ValueError(f"Layer {layer} has no weights, but layer {max(found)} has; number layers from 0.")
        if found[layer] != found[0]:
            raise ValueError(
                f"Layer 0 has directions {sorted(found[0])}, layer {layer} has {sorted(found[layer])}; "
                "give all layers the same directions."
            )
    return tuple(d for d in DIRECTIONS if d in found[0]), len(found)


def _check_layer(cell, weights, layer, directions, n_inputs):
    """Check the weights of a layer that reads `n_inputs` channels (None: any number), and tell its size."""
    n_hidden = None
    for direction in directions:
        start = f"{layer}.{direction}."
        named = {name.removeprefix(start): w for name, w in weights.items() if name.startswith(start)}
        known = cell.shapes(Sizes(1, 1, 1))
        for name in named.keys() - known.keys():
            raise ValueError(
                f"Unknown weight '{start}{name}': {cell!r} has {', '.join(known)}. Leave it out or choose another cell."
            )
        if "W_x" not in named or named["W_x"].ndim != 2:
            raise ValueError(f"Weight '{start}W_x' is missing or not a matrix of shape (inputs, columns of all gates).")
        n_inputs = len(named["W_x"]) if n_inputs is None else n_inputs
        n_hidden = cell.count_units(named["W_x"]) if n_hidden is None else n_hidden
        expected = cell.shapes(Sizes(n_inputs, n_hidden, n_hidden))
        order = ", ".join(cell.gates)
        about = f"{cell!r} with {n_inputs} inputs and {n_hidden} units, columns by gate in the order {order}"
        for name, shape in expected.items():
            if name not in named:
                raise ValueError(
                    f"Weight '{start}{name}' is missing: pass an array of shape {shape}, zeros for no bias."
                )
            if named[name].shape != shape or not n_hidden or not n_inputs:
                raise ValueError(
                    f"Weight '{start}{name}' has shape {named[name].shape}, expected {shape} for {about}. Transpose or "
                    "rearrange it, or choose the cell that it belongs to."
                )
    return n_hidden


def reorder(array, given, wanted):
    """Blocks of the last axis, one for each gate in the order `given`, brought into the order `wanted`."""
    blocks = np.split(array, len(given), axis=-1)
    return np.concatenate([blocks[given.index(gate)] for gate in wanted], axis=-1)


def from_two_biases(cell, gates, W_x, W_h, b_input, b_state):
    """Weights of a cell from those of a format that has its columns in the order `gates`, and a bias of each product.

    The two biases are one here, but for columns that the state alone feeds, like those inside the reset of a GRU.
    """
    W_x, W_h, b_input, b_state = (reorder(w, gates, cell.gates) for w in (W_x, W_h, b_input, b_state))
    weights = {"W_x": W_x, "W_h": W_h}
    if "b_h" in cell.shapes(Sizes(1, 1, 1)):
        inside = _candidate(cell, len(W_h))
        weights["b_h"] = b_state[inside].copy()
        b_state[inside] = 0
    return weights | {"b": b_input + b_state}


def to_two_biases(cell, gates, weights):
    """W_x, W_h and a bias of each product, columns in the order `gates`: the way back of `from_two_biases`."""
    b_state = np.zeros_like(weights["b"])
    if "b_h" in weights:
        b_state[_candidate(cell, len(weights["W_h"]))] = weights["b_h"]
    arrays = weights["W_x"], weights["W_h"], weights["b"], b_state
    return tuple(reorder(w, cell.gates, gates) for w in arrays)


def _candidate(cell, n_hidden):
    k = cell.gates.index("g")
    return slice(k * n_hidden, (k + 1) * n_hidden)


def same_cell(cells, where):
    """The one cell of all layers, or an error."""
    for k, cell in enumerate(cells):
        if repr(cell) != repr(cells[0]):
            raise ValueError(
                f"{where(0)} is {cells[0]!r}, {where(k)} is {cell!r}: layers of different cells cannot be one stack; "
                "convert them one by one."
            )
    return cells[0]


def one_size(layers, what):
    """Units of the layers, where a format has one number for all of them."""
    if len(set(layers.hidden_layer_sizes)) > 1:
        raise ValueError(f"{what} has one size for all layers, these have {layers.hidden_layer_sizes}.")
    return layers.hidden_layer_sizes[0]


def check_layers(layers):
    """Refuse what is no `RecurrentLayers`."""
    if not isinstance(layers, RecurrentLayers):
        raise TypeError(
            f"layers must be RecurrentLayers, got {type(layers).__name__}: those of a fitted estimator are "
            "from_estimator(estimator)."
        )


def refuse_backward_only(layers, what):
    """Refuse layers without a forward direction."""
    if layers.directions == ("backward",):
        raise ValueError(f"{what} has no layers that run backward only; reverse the sequences and name them forward.")
