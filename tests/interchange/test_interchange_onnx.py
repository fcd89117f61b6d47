"""Models of ONNX: written, run by ONNX Runtime and read back; exported by PyTorch; and what is refused."""

import warnings
from itertools import pairwise

import numpy as np
import pytest
from other_libraries import BOTH, assert_close, assert_same_layers, random_layers, random_sequences

from skrnn.cells import GRU, LSTM, Elman
from skrnn.interchange import from_onnx, from_torch, to_onnx

onnx = pytest.importorskip("onnx")
helper, numpy_helper = onnx.helper, onnx.numpy_helper
SHARED = [Elman(), Elman("relu"), GRU(), GRU(reset="before"), LSTM(), LSTM(peepholes=True)]


def padded(sequences, dtype=np.float32):
    X = np.zeros((max(map(len, sequences)), len(sequences), sequences[0].shape[1]), dtype)
    for n, x in enumerate(sequences):
        X[: len(x), n] = x
    return X, np.array([len(x) for x in sequences], np.int32)


def run_onnx(model, feed):
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, feed), strict=True))


@pytest.mark.parametrize("directions", [("forward",), ("backward",), BOTH])
@pytest.mark.parametrize("sizes", [(4,), (4, 5)])
@pytest.mark.parametrize("cell", SHARED, ids=repr)
def test_onnx_runtime_runs_what_is_written(cell, sizes, directions):
    layers = random_layers(cell, sizes=sizes, directions=directions, dtype=np.float32)
    model = to_onnx(layers)
    onnx.checker.check_model(model, full_check=True)
    assert_same_layers(layers, from_onnx(model))
    sequences = random_sequences(dtype=np.float32)
    X, lengths = padded(sequences)
    results = run_onnx(model, {"X": X, "sequence_lens": lengths})
    outputs, h, c = layers.run(sequences)
    assert_close(outputs, [results["Y"][:T, n] for n, T in enumerate(lengths)], 2e-6)
    assert not any(results["Y"][T:, n].any() for n, T in enumerate(lengths))
    n_layers = len(sizes)
    assert_close([h] if n_layers == 1 else h, [results[f"Y_h.{k}"] for k in range(n_layers)], 2e-6)
    if c is not None:
        assert_close([c] if n_layers == 1 else c, [results[f"Y_c.{k}"] for k in range(n_layers)], 2e-6)


@pytest.mark.parametrize("cell", SHARED, ids=repr)
def test_float64_and_files(cell, tmp_path):
    layers = random_layers(cell)
    onnx.save(to_onnx(layers), tmp_path / "model.onnx")
    for path in (tmp_path / "model.onnx", str(tmp_path / "model.onnx")):
        assert_same_layers(layers, from_onnx(path))


def test_onnx_has_no_such_operator():
    with pytest.raises(ValueError, match=r"ONNX has no operator for Elman\(activation='identity'\)"):
        to_onnx(random_layers(Elman("identity")))


@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("options", [{}, {"batch_first": True}, {"bidirectional": True}])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_models_that_torch_exports(kind, options, dynamic, tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "model.onnx"
    module = getattr(torch.nn, kind)(3, 4, 2, **options)
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(0, 0.6)
    axes = {"x": {0: "a", 1: "b"}} if dynamic else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, (torch.zeros(5, 2, 3),), path, dynamo=False, input_names=["x"], dynamic_axes=axes)
    layers = from_onnx(path)
    expected = from_torch(module)
    assert repr(layers) == repr(expected)
    for name, w in layers.weights.items():
        np.testing.assert_allclose(w, expected.weights[name], rtol=1e-6)


# ------------------------------------------------------------------------------- what stands between the nodes
def chain(*between, second="LSTM", output="Y", second_options=None, n_directions=2, units=4, layout=0):
    """Two nodes; `between` are operators with their attributes or further inputs, from `output` to the second node."""
    rng = np.random.default_rng(0)
    direction = {"direction": "bidirectional" if n_directions == 2 else "forward", "hidden_size": units}
    options = direction | ({"layout": layout} if layout else {})
    tensors, nodes, name = [], [], output

    def weights(op, k, n_inputs):
        G = {"LSTM": 4, "GRU": 3, "RNN": 1}[op]
        for letter, size in (("W", n_inputs), ("R", units)):
            w = rng.normal(size=(n_directions, G * units, size)).astype(np.float32)
            tensors.append(numpy_helper.from_array(w, f"{letter}{k}"))
        return [f"W{k}", f"R{k}"]

    nodes.append(helper.make_node("LSTM", ["X", *weights("LSTM", 0, 3)], ["Y", "Y_h", "Y_c"], "first", **options))
    for k, (op, extra) in enumerate(between):
        inputs = [name]
        if isinstance(extra, list):
            tensors.append(numpy_helper.from_array(np.array(extra, np.int64), f"extra{k}"))
            inputs, extra = [name, f"extra{k}"], {}
        name = f"between{k}"
        nodes.append(helper.make_node(op, inputs, [name], f"step{k}", **extra))
    options = options | (second_options or {})
    nodes.append(
        helper.make_node(second, [name, *weights(second, 1, units * n_directions)], ["Z"], "second", **options)
    )
    value = helper.make_tensor_value_info("X", onnx.TensorProto.FLOAT, [None] * 3)
    graph = helper.make_graph(nodes, "chain", [value], [helper.make_empty_tensor_value_info("Z")], tensors)
    return helper.make_model(graph)


TURN, JOIN = ("Transpose", {"perm": [0, 2, 1, 3]}), ("Reshape", [0, 0, -1])
BATCH_FIRST = ("Transpose", {"perm": [1, 0, 2]})


@pytest.mark.parametrize(
    ("between", "options"),
    [
        ((TURN, JOIN), {}),
        ((TURN, JOIN, ("Identity", {}), ("Dropout", {})), {}),
        ((TURN, JOIN, BATCH_FIRST, BATCH_FIRST), {}),
        ((TURN, JOIN, BATCH_FIRST), {"second_options": {"layout": 1}}),
        ((JOIN,), {"layout": 1}),
        ((("Squeeze", [1]),), {"n_directions": 1}),
        ((("Squeeze", [-3]),), {"n_directions": 1}),
        ((("Squeeze", {"axes": [1]}),), {"n_directions": 1}),
        ((("Squeeze", [2]),), {"n_directions": 1, "layout": 1}),
        ((TURN, JOIN), {"n_directions": 1}),
        ((JOIN,), {"n_directions": 1}),
    ],
)
def test_nodes_that_follow_each_other(between, options):
    layers = from_onnx(chain(*between, **options))
    assert layers.n_layers == 2
    assert layers.bidirectional == (options.get("n_directions", 2) == 2)


@pytest.mark.parametrize(
    ("between", "options", "message"),
    [
        ((JOIN,), {}, "with axes in another order than steps, sequences, directions and units"),
        ((TURN, JOIN, BATCH_FIRST), {}, "with axes in another order"),
        ((TURN, JOIN), {"second_options": {"layout": 1}}, "with axes in another order"),
        ((("Transpose", {"perm": [0, 2, 3, 1]}), JOIN), {}, "with axes in another order"),
        ((("Transpose", {}), JOIN), {}, "with axes in another order"),
        ((("Squeeze", [1]),), {}, "with axes in another order"),
        ((("Squeeze", [0]),), {"n_directions": 1}, "with axes in another order"),
        (
            (("Relu", {}), TURN, JOIN),
            {},
            "LSTM node 'second' reads Relu node 'step0', not the states of LSTM node 'first'",
        ),
        ((TURN, JOIN), {"output": "X"}, "LSTM node 'second' reads the input 'X', not the states"),
        ((TURN, JOIN), {"output": "Y_h"}, "reads the last state of LSTM node 'first', not all of its states"),
        ((TURN, JOIN), {"second": "GRU"}, r"LSTM node 'first' is LSTM\(\), GRU node 'second' is GRU\(reset='before'\)"),
    ],
)
def test_nodes_that_are_not_a_stack(between, options, message):
    with pytest.raises(ValueError, match=message):
        from_onnx(chain(*between, **options))


# ------------------------------------------------------------------------------------------- what is refused
def model_of(cell=None):
    return to_onnx(random_layers(cell or LSTM(), sizes=(4,), directions=("forward",), dtype=np.float32))


def set_attribute(model, name, value):
    node = model.graph.node[0]
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])
    return model


@pytest.mark.parametrize(
    ("cell", "name", "value", "message"),
    [
        (LSTM(), "clip", 3.0, "LSTM node 'layer.0': clip=3.0 is not supported"),
        (LSTM(), "clip", 0.0, "clip=0.0 is not supported"),
        (LSTM(), "input_forget", 1, r"input_forget=1 \(coupled gates\) is not supported"),
        (
            LSTM(),
            "activations",
            ["Sigmoid", "Tanh", "Relu"],
            r"activations=\['Sigmoid', 'Tanh', 'Relu'\] is not support",
        ),
        (LSTM(), "activations", ["Sigmoid", "Tanh"], "only the default, Sigmoid, Tanh, Tanh for each direction"),
        (GRU(), "activations", ["HardSigmoid", "Tanh"], "only the default, Sigmoid, Tanh for each direction"),
        (Elman(), "activations", ["Affine"], r"activations=\['Affine'\] is not supported, only Tanh or Relu"),
        (Elman(), "activation_alpha", [0.5], r"activation_alpha=\[0.5\] is not supported"),
        (GRU(), "activation_beta", [0.5, 0.1], r"activation_beta=\[.*\] is not supported"),
        (LSTM(), "direction", "sideways", "direction='sideways' is none of forward, reverse, bidirectional"),
        (LSTM(), "direction", "bidirectional", r"W has shape \(1, 16, 3\), expected \(2, 16, 3\) for 2 directions"),
        (LSTM(), "hidden_size", 5, r"W has shape \(1, 16, 3\), expected \(1, 20, 3\) .* the model is not valid"),
        (LSTM(), "layout", 2, "layout=2 is neither 0 nor 1"),
        (LSTM(), "output_sequence", 1, "the attribute 'output_sequence' is not known"),
    ],
)
def test_attributes_that_are_refused(cell, name, value, message):
    with pytest.raises(ValueError, match=message):
        from_onnx(set_attribute(model_of(cell), name, value))


@pytest.mark.parametrize(
    ("cell", "name", "value"),
    [
        (LSTM(), "activations", ["sigmoid", "TANH", "Tanh"]),
        (GRU(), "activations", ["Sigmoid", "Tanh"]),
        (Elman(), "activations", ["Tanh"]),
        (LSTM(), "input_forget", 0),
        (LSTM(), "layout", 1),
    ],
)
def test_attributes_that_say_the_default(cell, name, value):
    assert_same_layers(from_onnx(model_of(cell)), from_onnx(set_attribute(model_of(cell), name, value)))


def with_input(model, number, name, *tensors, nodes=()):
    """The model with another input of its recurrent node."""
    node = model.graph.node[0]
    node.input.extend([""] * (number + 1 - len(node.input)))
    node.input[number] = name
    model.graph.initializer.extend(tensors)
    others = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *others])
    return model


def tensor(name, value):
    return numpy_helper.from_array(np.array(value, np.float32), name)


def test_initial_states_in_the_model():
    zeros, some = np.zeros((1, 2, 4)), np.full((1, 2, 4), 0.1)
    from_onnx(with_input(model_of(), 5, "h", tensor("h", zeros)))
    with pytest.raises(ValueError, match="initial_h is neither an input of the model nor zero"):
        from_onnx(with_input(model_of(), 5, "h", tensor("h", some)))
    with pytest.raises(ValueError, match="initial_c is neither"):
        from_onnx(with_input(model_of(), 6, "c", tensor("c", some)))
    made = [helper.make_node("Tanh", ["X"], ["h"])]
    with pytest.raises(ValueError, match="initial_h is neither"):
        from_onnx(with_input(model_of(), 5, "h", nodes=made))
    given = with_input(model_of(), 5, "h", nodes=[helper.make_node("Squeeze", ["h0"], ["h"])])
    given.graph.input.append(helper.make_tensor_value_info("h0", onnx.TensorProto.FLOAT, [None] * 4))
    from_onnx(given)
    fill = helper.make_node("ConstantOfShape", ["shape"], ["h"], value=numpy_helper.from_array(np.ones(1, np.float32)))
    with pytest.raises(ValueError, match="initial_h is neither"):
        from_onnx(with_input(model_of(), 5, "h", nodes=[fill]))
    from_onnx(with_input(model_of(), 5, "h", nodes=[helper.make_node("ConstantOfShape", ["shape"], ["h"])]))


def test_lengths_in_the_model():
    lengths = numpy_helper.from_array(np.array([2, 1], np.int32), "lengths")
    with pytest.raises(ValueError, match="constant sequence_lens are not supported"):
        from_onnx(with_input(model_of(), 4, "lengths", lengths))


def test_weights_must_be_constants():
    with pytest.raises(ValueError, match=r"LSTM node 'layer.0': W is an input of the model; it must be a constant"):
        from_onnx(with_input(model_of(), 1, "X"))
    made = [helper.make_node("Relu", ["W.0"], ["W"], "step")]
    with pytest.raises(ValueError, match="W is computed by the model, by Relu node 'step'; it must be a constant"):
        from_onnx(with_input(model_of(), 1, "W", nodes=made))
    with pytest.raises(ValueError, match=r"B has shape \(1, 31\), expected \(1, 32\)"):
        from_onnx(with_input(model_of(), 3, "B", tensor("B", np.ones((1, 31)))))
    with pytest.raises(ValueError, match=r"R has shape \(4,\)"):
        from_onnx(with_input(model_of(), 2, "R", tensor("R", np.ones(4))))
    with pytest.raises(ValueError, match="has no W or no R; it is not a valid model"):
        from_onnx(with_input(model_of(), 2, ""))


def test_weights_in_nodes():
    layers = random_layers(LSTM(), sizes=(4,), directions=("forward",), dtype=np.float32)
    model = to_onnx(layers)
    (W,) = [t for t in model.graph.initializer if t.name == "W.0"]
    nodes = [helper.make_node("Constant", [], ["W1"], value=W), helper.make_node("Identity", ["W1"], ["W2"])]
    assert_same_layers(layers, from_onnx(with_input(model, 1, "W2", nodes=nodes)))


@pytest.mark.parametrize("names", [["a", "b", "a"], ["a", "a"]])
def test_values_made_of_themselves(names):
    nodes = [helper.make_node("Identity", [x], [y]) for x, y in pairwise(names)]
    with pytest.raises(ValueError, match="is used before it is made, or made twice"):
        from_onnx(with_input(model_of(), 1, "a", nodes=nodes))
    twice = [helper.make_node("Identity", ["X"], ["a"]), helper.make_node("Identity", ["a"], ["a"])]
    with pytest.raises(ValueError, match="is used before it is made, or made twice"):
        from_onnx(with_input(model_of(), 1, "a", nodes=twice))


def test_models_without_recurrent_nodes():
    with pytest.raises(ValueError, match="model is a int; pass a path"):
        from_onnx(3)
    model = model_of()
    del model.graph.node[0]
    with pytest.raises(ValueError, match="no RNN, GRU or LSTM node in its main graph; it has Reshape, Transpose"):
        from_onnx(model)
    model = model_of()
    model.graph.node[0].domain = "com.example"
    with pytest.raises(ValueError, match="no RNN, GRU or LSTM node"):
        from_onnx(model)
