"""The operators RNN, GRU and LSTM of ONNX through `from_onnx`: the tests of ONNX, and the numbers of ONNX Runtime."""

from importlib import import_module

import numpy as np
import pytest
from onnx_models import check_case, node_model, onnx, run_as_node
from onnx_vectors import CASES, REFUSED

from skrnn.interchange import from_onnx

OPERATORS = ("RNN", "GRU", "LSTM")


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", CASES)
def test_published_numbers_of_onnx_runtime(name, dtype):
    check_case(CASES[name], dtype)


@pytest.mark.parametrize("name", REFUSED)
def test_what_layers_do_not_have_is_refused_by_name(name):
    op, weights, attributes, message = REFUSED[name]
    n_directions = 2 if attributes.get("direction") == "bidirectional" else 1
    weights = {k: np.concatenate([w] * n_directions) for k, w in weights.items()}
    model = node_model(op, weights, attributes)
    with pytest.raises(ValueError, match=rf"{op} node 'node': {message}=.* is not supported|{message}=1"):
        from_onnx(model)


def operator_tests():
    """Of their own modules only: ONNX would make those of all operators, which takes ten seconds."""
    from onnx.backend.test.case import node

    for operator in OPERATORS:
        import_module(f"{node.__name__}.{operator.lower()}")
    tests = (t for t in node._NodeTestCases if t.model is not None)
    return {t.name: t for t in tests if {n.op_type for n in t.model.graph.node} & set(OPERATORS)}


NODE_TESTS = operator_tests()


def with_weights(model, inputs):
    """The model with the values of its inputs W, R, B and P as initializers; and the values of the others."""
    result = onnx.ModelProto()
    result.CopyFrom(model)
    (node,) = model.graph.node
    values = dict(zip((value.name for value in model.graph.input), inputs, strict=True))
    named = {k: node.input[k] for k in range(len(node.input)) if node.input[k]}
    weights = {named[k] for k in (1, 2, 3, 7) if k in named}
    result.graph.initializer.extend(onnx.numpy_helper.from_array(values[name], name) for name in weights)
    kept = [value for value in result.graph.input if value.name not in weights]
    del result.graph.input[:]
    result.graph.input.extend(kept)
    return result, {k: values[name] for k, name in named.items() if name not in weights}


@pytest.mark.parametrize("name", NODE_TESTS)
def test_operator_tests_of_onnx(name):
    test = NODE_TESTS[name]
    (inputs, outputs), (node,) = test.data_sets[0], test.model.graph.node
    model, values = with_weights(test.model, inputs)
    batchwise = any(a.name == "layout" and a.i for a in node.attribute)
    turn = (lambda a: np.swapaxes(a, 0, 1)) if batchwise else (lambda a: a)
    states = [turn(values[k]) if k in values else None for k in (5, 6)]
    Y, *last = run_as_node(from_onnx(model), turn(values[0]), values.get(4), *states)
    results = [np.moveaxis(Y, 2, 0) if batchwise else Y, *(turn(s) for s in last if s is not None)]
    given = [result for result, output in zip(results, node.output, strict=False) if output]
    for result, expected in zip(given, outputs, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-6)


def test_all_operator_tests_are_here():
    assert len(NODE_TESTS) >= 12
    assert {name.split("_")[1 + ("simple" in name)] for name in NODE_TESTS} == {"rnn", "gru", "lstm"}
