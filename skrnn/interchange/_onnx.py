"""The operators RNN, GRU and LSTM of ONNX."""

import os

import numpy as np

from .. import cells
from ._graph import Graph
from ._layers import DIRECTIONS, RecurrentLayers, check_layers, from_two_biases, reorder, same_cell, to_two_biases

GATES = {"RNN": "h", "GRU": "zrg", "LSTM": "iofg"}  # order of the gates' rows; g is the candidate, h or c in ONNX
PEEPHOLES, OUR_PEEPHOLES = "iof", "ifo"
ACTIVATIONS = {"GRU": ["sigmoid", "tanh"], "LSTM": ["sigmoid", "tanh", "tanh"]}
KNOWN = {"activations", "direction", "hidden_size", "input_forget", "layout", "linear_before_reset"}
REFUSED = {
    "clip": "skrnn does not clip pre-activations",
    "activation_alpha": "activations of skrnn have no parameters",
    "activation_beta": "activations of skrnn have no parameters",
}
OPSET, IR_VERSION = 17, 8  # of what is written: old enough for runtimes since 2022


def _import_onnx():
    try:
        import onnx  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'onnx could not be imported ({error}): pip install "skrnn[onnx]"') from error
    return onnx


def from_onnx(model):
    """Convert the recurrent layers of an ONNX model.

    Other nodes before and after the recurrent nodes are ignored. Each recurrent node must read all states of the
    previous one, with only nodes that rearrange axes between them. The following features raise an error that names
    them: ``clip``, activations other than the default (an ``RNN`` may have ``Relu``), ``activation_alpha``,
    ``activation_beta``, ``input_forget``, constant nonzero initial states, and constant ``sequence_lens``. Initial
    states and lengths that are inputs of the model are arguments of `RecurrentLayers.run`.

    Parameters
    ----------
    model : onnx.ModelProto, str or os.PathLike
        Model, or path of its file.

    Returns
    -------
    RecurrentLayers
        Layers with the cell `Elman`, `GRU` or `LSTM`. The ``linear_before_reset`` of a GRU becomes
        ``GRU(reset="after")`` if it is 1, and ``GRU(reset="before")`` if it is 0; peepholes become
        ``LSTM(peepholes=True)``.
    """
    onnx = _import_onnx()
    if isinstance(model, str | os.PathLike):
        model = onnx.load(model)
    if not isinstance(model, onnx.ModelProto):
        raise ValueError(f"model is a {type(model).__name__}; pass a path or an onnx.ModelProto.")
    graph = Graph(onnx, model.graph, set(GATES))
    found, weights = [], {}
    for k, node in enumerate(graph.recurrent):
        options = _options(onnx, node)
        if k:
            graph.check_link(graph.recurrent[k - 1], _options(onnx, graph.recurrent[k - 1]), node, options)
        graph.check_states(node)
        cell, directions = _weights(graph, node, options)
        found.append((graph.label(node), cell))
        for direction, named in directions.items():
            weights |= {f"layers.{k}.{direction}.{name}": w for name, w in named.items()}
    return RecurrentLayers(same_cell([cell for _, cell in found], lambda k: found[k][0]), weights)


def _options(onnx, node):
    """Attributes of a node with their defaults; those that the layers here do not have are refused."""
    label = Graph.label(node)
    given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
    for name, value in given.items():
        if name in REFUSED and (name == "clip" or len(value)):
            raise ValueError(f"{label}: {name}={value} is not supported, since {REFUSED[name]}.")
        if name not in KNOWN | REFUSED.keys():
            raise ValueError(f"{label}: the attribute {name!r} is not known; save the model with a later opset.")
    if given.get("input_forget", 0):
        raise ValueError(f"{label}: input_forget=1 (coupled gates) is not supported.")
    direction = given.get("direction", b"forward").decode().lower()
    directions = {"forward": DIRECTIONS[:1], "reverse": DIRECTIONS[1:], "bidirectional": DIRECTIONS}
    if direction not in directions:
        raise ValueError(f"{label}: direction={direction!r} is none of forward, reverse, bidirectional.")
    if given.get("layout", 0) not in (0, 1):
        raise ValueError(f"{label}: layout={given['layout']} is neither 0 nor 1.")
    activations = [name.decode() for name in given.get("activations", [])]
    return {
        "directions": directions[direction],
        "activation": _activation(label, node.op_type, activations, len(directions[direction])),
        "hidden_size": given.get("hidden_size"),
        "layout": given.get("layout", 0),
        "linear_before_reset": given.get("linear_before_reset", 0),
    }


def _activation(label, op, given, n_directions):
    """Activation of an RNN, None for the others; refuses what the cells here do not have."""
    names = [name.lower() for name in given]
    if op == "RNN":
        allowed = {name: [name] * n_directions for name in ("tanh", "relu")}
        text = "Tanh or Relu, the same in both directions"
    else:
        allowed = {None: ACTIVATIONS[op] * n_directions}
        text = f"the default, {', '.join(name.title() for name in ACTIVATIONS[op])} for each direction"
    for activation, expected in allowed.items():
        if not names or names == expected:
            return activation
    raise ValueError(f"{label}: activations={given} is not supported, only {text}.")


def _weights(graph, node, options):
    """The cell of a node, and its weights by direction."""
    op, directions, gates = node.op_type, options["directions"], GATES[node.op_type]
    W, R, B, P = (graph.weight(node, number, name) for number, name in ((1, "W"), (2, "R"), (3, "B"), (7, "P")))
    if W is None or R is None:
        raise ValueError(f"{graph.label(node)} has no W or no R; it is not a valid model.")
    D, G, H = len(directions), len(gates), options["hidden_size"] or (R.shape or (0,))[-1]
    B = np.zeros((D, 2 * G * H), W.dtype) if B is None else B
    shapes = {"W": (D, G * H, *W.shape[2:3]), "R": (D, G * H, H), "B": (D, 2 * G * H), "P": (D, 3 * H)}
    for name, w in (("W", W), ("R", R), ("B", B), ("P", P)):
        if w is not None and (w.shape != shapes[name] or (name == "W" and w.ndim != 3)):
            raise ValueError(
                f"{graph.label(node)}: {name} has shape {w.shape}, expected {shapes[name]} for {D} directions, "
                f"{H} units and {G} gates; the model is not valid."
            )
    if op == "RNN":
        cell = cells.Elman(options["activation"])
    elif op == "GRU":
        cell = cells.GRU("after" if options["linear_before_reset"] else "before")
    else:
        cell = cells.LSTM(peepholes=P is not None)
    named = {}
    for k, direction in enumerate(directions):
        named[direction] = from_two_biases(cell, gates, W[k].T, R[k].T, *np.split(B[k], 2))
        if P is not None:
            named[direction]["P"] = reorder(P[k], PEEPHOLES, OUR_PEEPHOLES).reshape(3, H)
    return cell, named


def to_onnx(layers):
    """Convert recurrent layers to an ONNX model.

    The inputs of the model are ``X`` (steps, sequences, inputs) and ``sequence_lens`` (sequences,) of type int32. Its
    outputs are ``Y`` (steps, sequences, units of all directions), which is 0 after the end of a sequence, and for each
    layer l ``Y_h.{l}`` (directions, sequences, units), and ``Y_c.{l}`` with an LSTM.

    Parameters
    ----------
    layers : RecurrentLayers
        Layers with the cell ``Elman()``, ``Elman("relu")``, `GRU` or `LSTM`.

    Returns
    -------
    onnx.ModelProto
        Model in the dtype of the weights, with initial states of zero. ``onnx.save`` writes it to a file.
    """
    onnx = _import_onnx()
    check_layers(layers)
    helper, tensor = onnx.helper, onnx.numpy_helper.from_array
    kind = _kind(layers.cell)
    number = helper.np_dtype_to_tensor_dtype(layers.dtype)
    n_directions, below = len(layers.directions), "X"
    nodes, constants = [], [tensor(np.array([0, 0, -1], np.int64), "rows")]
    outputs = [("Y", ["T", "N", n_directions * layers.hidden_layer_sizes[-1]])]
    for k, n_hidden in enumerate(layers.hidden_layer_sizes):
        arrays = _arrays(layers, k, kind)
        constants += [tensor(w, f"{name}.{k}") for name, w in arrays.items()]
        inputs = [below, f"W.{k}", f"R.{k}", f"B.{k}", "sequence_lens"]
        inputs += ["", "", f"P.{k}"] if "P" in arrays else []
        states = [f"Y_h.{k}"] + [f"Y_c.{k}"] * len(layers.cell.states)
        outputs += [(name, [n_directions, "N", n_hidden]) for name in states]
        attributes = _attributes(layers, kind) | {"hidden_size": n_hidden}
        nodes.append(helper.make_node(kind, inputs, [f"states.{k}", *states], f"layer.{k}", **attributes))
        # (steps, directions, sequences, units) -> (steps, sequences, directions and units)
        below = "Y" if k == layers.n_layers - 1 else f"output.{k}"
        nodes.append(helper.make_node("Transpose", [f"states.{k}"], [f"turned.{k}"], perm=[0, 2, 1, 3]))
        nodes.append(helper.make_node("Reshape", [f"turned.{k}", "rows"], [below]))
    info = helper.make_tensor_value_info
    inputs = [info("X", number, ["T", "N", layers.n_inputs]), info("sequence_lens", onnx.TensorProto.INT32, ["N"])]
    outputs = [info(name, number, shape) for name, shape in outputs]
    graph = helper.make_graph(nodes, "skrnn", inputs, outputs, constants)
    opset = [helper.make_opsetid("", OPSET)]
    return helper.make_model(graph, producer_name="skrnn", opset_imports=opset, ir_version=IR_VERSION)


def _kind(cell):
    """Operator of a cell."""
    if type(cell) is cells.Elman and cell.activation in ("tanh", "relu"):
        return "RNN"
    for kind in ("GRU", "LSTM"):
        if type(cell) is getattr(cells, kind):
            return kind
    raise ValueError(f"ONNX has no operator for {cell!r}, only for Elman('tanh'), Elman('relu'), GRU and LSTM.")


def _attributes(layers, kind):
    """Attributes of the nodes, all but the size."""
    direction = (
        "bidirectional" if layers.bidirectional else {"forward": "forward", "backward": "reverse"}[layers.directions[0]]
    )
    attributes = {"direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = int(layers.cell.reset == "after")
    if kind == "RNN":
        attributes["activations"] = [layers.cell.activation.title()] * len(layers.directions)
    return attributes


def _arrays(layers, k, kind):
    """W, R, B and with peepholes P of a layer, all directions."""
    arrays = {}
    for direction in layers.directions:
        weights = layers.of(k, direction)
        W_x, W_h, *b = to_two_biases(layers.cell, GATES[kind], weights)
        named = {"W": W_x.T, "R": W_h.T, "B": np.concatenate(b)}
        if "P" in weights:
            named["P"] = reorder(weights["P"].ravel(), OUR_PEEPHOLES, PEEPHOLES)
        for name, w in named.items():
            arrays.setdefault(name, []).append(w)
    return {name: np.stack(parts) for name, parts in arrays.items()}
