"""Recurrent layers of Keras 3."""

import numpy as np

from .. import cells
from ._layers import RecurrentLayers, check_layers, from_two_biases, refuse_backward_only, same_cell, to_two_biases

GATES = {"SimpleRNN": "h", "GRU": "zrg", "LSTM": "ifgo"}  # order of the gates' columns; g is the candidate
ACTIVATIONS = {"tanh": "tanh", "relu": "relu", "identity": "linear"}  # of Elman -> name in Keras


def _import_keras():
    try:
        import keras  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(
            f'Keras could not be imported ({error}): pip install "skrnn[keras]", and set the environment variable '
            "KERAS_BACKEND to a backend that is installed, for example torch."
        ) from error
    return keras


def from_keras(layer):
    """Convert recurrent layers of Keras 3.

    Dropout, ``stateful``, ``return_sequences`` and similar settings of training or of a call are ignored.

    Parameters
    ----------
    layer : keras.layers.LSTM, GRU, SimpleRNN, Bidirectional, or list of these
        Built layers. Activations other than the defaults of Keras, ``go_backwards``, and directions that are not
        concatenated raise an error. A ``SimpleRNN`` may also have the activation ``"relu"`` or ``"linear"``.

    Returns
    -------
    RecurrentLayers
        Layers with the cell `Elman`, `GRU` or `LSTM`. A `GRU` with ``reset_after=False`` becomes
        ``GRU(reset="before")``.
    """
    keras = _import_keras()
    stack = layer if isinstance(layer, list | tuple) else [layer]
    found, weights = [], {}
    for k, wrapper in enumerate(stack):
        for direction, one in _directions(keras, wrapper).items():
            cell, kind = _cell(keras, one)
            found.append((f"layer {k} ({one.name})", cell))
            named = from_two_biases(cell, GATES[kind], *_arrays(keras, one))
            weights |= {f"layers.{k}.{direction}.{name}": w for name, w in named.items()}
    if not found:
        raise ValueError("There is no layer; pass a recurrent layer of Keras or a list of them.")
    return RecurrentLayers(same_cell([cell for _, cell in found], lambda k: found[k][0]), weights)


def _directions(keras, layer):
    """Layers of the directions of one layer."""
    if isinstance(layer, keras.layers.Bidirectional):
        if layer.merge_mode != "concat":
            raise ValueError(f"Layer {layer.name}: merge_mode={layer.merge_mode!r} is not supported, only 'concat'.")
        both = {"forward": layer.forward_layer, "backward": layer.backward_layer}
    else:
        both = {"forward": layer}
    kinds = keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN
    for direction, one in both.items():
        if not isinstance(one, kinds):
            raise ValueError(
                f"layer is a {type(one).__name__}; it must be an LSTM, GRU, SimpleRNN or Bidirectional of keras.layers."
            )
        if one.go_backwards != (direction == "backward"):
            raise ValueError(
                f"Layer {one.name}: go_backwards={one.go_backwards} is not supported for a {direction} direction, "
                "since Keras leaves its outputs reversed; reverse the sequences instead, or use Bidirectional."
            )
        if not one.built:
            raise ValueError(f"Layer {one.name} has no weights yet; call its build method or the layer itself first.")
    return both


def _cell(keras, layer):
    """Our cell and the kind of a layer of Keras."""
    kind = next(kind for kind in GATES if isinstance(layer, getattr(keras.layers, kind)))
    known = ACTIVATIONS if kind == "SimpleRNN" else {"tanh": "tanh"}
    known = {getattr(keras.activations, name): ours for ours, name in known.items()}
    if layer.activation not in known:
        names = ", ".join(repr(function.__name__) for function in known)
        raise ValueError(f"Layer {layer.name}: activation={_name(layer.activation)} is not supported, only {names}.")
    if kind != "SimpleRNN" and layer.recurrent_activation is not keras.activations.sigmoid:
        name = _name(layer.recurrent_activation)
        raise ValueError(f"Layer {layer.name}: recurrent_activation={name} is not supported, only 'sigmoid'.")
    if kind == "SimpleRNN":
        return cells.Elman(known[layer.activation]), kind
    if kind == "GRU":
        return cells.GRU("after" if layer.reset_after else "before"), kind
    return cells.LSTM(), kind


def _name(function):
    return repr(getattr(function, "__name__", function))


def _arrays(keras, layer):
    """W_x, W_h and the two biases of a layer of Keras."""

    def array(variable):
        w = keras.ops.convert_to_numpy(variable.value)
        return w if w.dtype == np.float64 else w.astype(np.float32)

    cell = layer.cell
    W_x, W_h = array(cell.kernel), array(cell.recurrent_kernel)
    b = np.zeros((2, W_x.shape[1]), W_x.dtype)
    if layer.use_bias:
        given = array(cell.bias)
        b[: given.ndim] = given  # one row, or two with reset_after
    return W_x, W_h, *b


def to_keras(layers):
    """Convert to recurrent layers of Keras 3.

    Parameters
    ----------
    layers : RecurrentLayers
        Layers with the cell `Elman`, `GRU` or ``LSTM()``.

    Returns
    -------
    list of keras.layers.Layer
        One built layer per layer, with ``return_sequences=True``; wrapped in `Bidirectional` for both directions.
    """
    keras = _import_keras()
    check_layers(layers)
    refuse_backward_only(layers, "Keras")
    kind, options = _kind(layers.cell)
    options |= {"return_sequences": True, "dtype": str(layers.dtype)}
    options |= {"kernel_initializer": "zeros", "recurrent_initializer": "zeros"}
    made, n_inputs = [], layers.n_inputs
    for k, n_hidden in enumerate(layers.hidden_layer_sizes):
        layer = getattr(keras.layers, kind)(n_hidden, **options)
        layer = keras.layers.Bidirectional(layer, dtype=str(layers.dtype)) if layers.bidirectional else layer
        layer.build((None, None, n_inputs))
        for direction, one in _directions(keras, layer).items():
            W_x, W_h, *b = to_two_biases(layers.cell, GATES[kind], layers.of(k, direction))
            one.cell.kernel.assign(W_x)
            one.cell.recurrent_kernel.assign(W_h)
            one.cell.bias.assign(np.stack(b) if kind == "GRU" and layers.cell.reset == "after" else b[0])
        made.append(layer)
        n_inputs = n_hidden * len(layers.directions)
    return made


def _kind(cell):
    """Class of Keras and its options for a cell."""
    if type(cell) is cells.Elman:
        return "SimpleRNN", {"activation": ACTIVATIONS[cell.activation]}
    if type(cell) is cells.GRU:
        return "GRU", {"reset_after": cell.reset == "after"}
    if type(cell) is cells.LSTM and not cell.peepholes:
        return "LSTM", {}
    raise ValueError(f"Keras has no layer for {cell!r}, only for Elman, GRU and LSTM(peepholes=False).")
