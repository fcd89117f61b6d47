"""Models of one recurrent ONNX node, what our layers make of them, and the comparison with what is expected."""

import numpy as np
import pytest

from skrnn.interchange import from_onnx

onnx = pytest.importorskip("onnx")  # of the extra `oracle`: who imports this module is skipped, too
helper, numpy_helper = onnx.helper, onnx.numpy_helper

INPUTS = "X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"


def node_model(op, weights, attributes, dtype=np.float32):
    """A model of one node; weights are initializers, all other inputs of the operator inputs."""
    dims = {"X": 3, "sequence_lens": 1, "initial_h": 3, "initial_c": 3}
    names = [n for n in INPUTS if (n in weights or n in dims) and (op == "LSTM" or n not in ("initial_c", "P"))]
    attributes = {"hidden_size": weights["R"].shape[-1]} | attributes
    inputs = [n if n in names else "" for n in (INPUTS if op == "LSTM" else INPUTS[:6])]
    node = helper.make_node(op, inputs, ["Y", "Y_h", "Y_c"][: 3 if op == "LSTM" else 2], name="node", **attributes)
    number = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    types = {n: onnx.TensorProto.INT32 if n == "sequence_lens" else number for n in names if n in dims}
    values = [helper.make_tensor_value_info(n, t, [None] * dims[n]) for n, t in types.items()]
    outputs = [helper.make_tensor_value_info(n, number, None) for n in node.output]
    tensors = [numpy_helper.from_array(w.astype(dtype), n) for n, w in weights.items()]
    graph = helper.make_graph([node], "one node", values, outputs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def run_as_node(layers, X, lengths=None, initial_h=None, initial_c=None):
    """Y, Y_h and Y_c of ONNX, from layers of one node: 0 after the end of a sequence, and for sequences of length 0."""
    T, N, _ = X.shape
    D, H = len(layers.directions), layers.hidden_layer_sizes[0]
    lengths = [T] * N if lengths is None else list(lengths)
    Y, states = np.zeros((T, D, N, H)), [np.zeros((D, N, H)), np.zeros((D, N, H)) if layers.cell.states else None]
    runs = np.flatnonzero(lengths)
    if len(runs):
        initial = [None if s is None else s[:, runs] for s in (initial_h, initial_c)]
        outputs, *last = layers.run([X[: lengths[n], n] for n in runs], *initial)
        for n, y in zip(runs, outputs, strict=True):
            Y[: lengths[n], :, n] = y.reshape(-1, D, H)
        for state, value in zip(states, last, strict=True):
            if state is not None:
                state[:, runs] = value
    return Y, *states


def check_case(case, dtype=np.float64, atol=2e-6):
    """Import the node of a case of `onnx_vectors`, run it, and compare with the published outputs."""
    layers = from_onnx(node_model(case.op, case.weights, case.attributes, dtype))
    results = run_as_node(layers, case.X, case.lengths, case.initial_h, case.initial_c)
    for result, expected in zip(results, (case.Y, case.Y_h, case.Y_c), strict=True):
        if expected is not None:
            np.testing.assert_allclose(result, expected, rtol=1e-6, atol=atol)
