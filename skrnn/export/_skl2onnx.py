"""Converters for skl2onnx, so that it converts pipelines with recurrent networks in them."""

import numpy as np
from skl2onnx import update_registered_converter
from skl2onnx.common import data_types

from ._graph import Graph

KINDS = {
    "b": data_types.BooleanTensorType,
    "i": data_types.Int64TensorType,
    "U": data_types.StringTensorType,
    np.dtype(np.float32): data_types.FloatTensorType,
    np.dtype(np.float64): data_types.DoubleTensorType,
}


def register():
    """Let skl2onnx know the estimators of this package."""
    from ..estimators._classifier import RNNClassifier  # noqa: PLC0415 (brings what only exports need)
    from ..estimators._regressor import RNNRegressor  # noqa: PLC0415
    from ..estimators._transformer import SequenceTransformer  # noqa: PLC0415
    from ..preprocessing import PerStep, TokenEncoder  # noqa: PLC0415

    options = {"zipmap": [True, False, "columns"]}  # outputs are arrays in any case
    for model in (RNNClassifier, RNNRegressor, SequenceTransformer):
        name = f"Skrnn{model.__name__}"
        has_classes = model is RNNClassifier
        update_registered_converter(
            model,
            name,
            _infer_network,
            _convert_network,
            parser=_parse_network,
            options=options if has_classes else None,
        )
    for model in (PerStep, TokenEncoder):
        update_registered_converter(model, f"Skrnn{model.__name__}", _infer_steps, _convert_steps, parser=_parse_steps)


# ------------------------------------------------------------------------------------------------------- networks
def _parse_network(scope, model, inputs, custom_parsers=None):
    operator = _declared(scope, model, inputs)
    for name in _output_names(model):
        operator.outputs.append(scope.declare_local_variable(name, data_types.FloatTensorType()))
    return operator.outputs


def _output_names(model):
    if hasattr(model, "predict_proba"):
        return ["label", "probabilities"]
    return ["variable"]


def _infer_network(operator):
    writer = _network_of(operator)
    outputs = writer.sequences(Graph(operator.target_opset, writer.dtype), "X", "lengths")
    axes = [None, None] if writer.per_step else [None]
    for variable, output in zip(operator.outputs, outputs, strict=True):
        kind = KINDS.get(output.dtype) or KINDS[output.dtype.kind]
        variable.set_type(kind([*axes, *output.shape]))


def _convert_network(scope, operator, container):
    writer = _network_of(operator)
    graph = _graph(scope, container, writer.dtype)
    X = operator.inputs[0].full_name
    outputs = writer.sequences(graph, X, _lengths(graph, operator))
    for variable, output in zip(operator.outputs, outputs, strict=True):
        graph.rename(output.value, variable.full_name)
    _add(graph, container)


def _network_of(operator):
    from ._networks import NetworkWriter  # noqa: PLC0415 (brings the compiler)

    return NetworkWriter(operator.raw_operator)


def _lengths(graph, operator):
    """Lengths, if they are an input; else those of whole rows of X."""
    if len(operator.inputs) > 1:
        return operator.inputs[1].full_name
    X = operator.inputs[0].full_name
    return graph.node("Expand", graph.size(X, 1), graph.size(X, 0))


# ---------------------------------------------------------------------------------------------------------- steps
def _parse_steps(scope, model, inputs, custom_parsers=None):
    operator = _declared(scope, model, inputs)
    operator.outputs.append(scope.declare_local_variable("steps", data_types.DoubleTensorType()))
    if len(inputs) > 1:
        operator.outputs.append(scope.declare_local_variable("lengths", data_types.Int64TensorType()))
    return operator.outputs


def _infer_steps(operator):
    operator.outputs[0].set_type(data_types.DoubleTensorType([None, None, None]))
    if len(operator.outputs) > 1:
        operator.outputs[1].set_type(data_types.Int64TensorType([None]))


def _convert_steps(scope, operator, container):
    from ._pipelines import writer_before  # noqa: PLC0415 (brings the compiler)

    graph = _graph(scope, container, np.float64)
    X, *lengths = operator.inputs
    made = writer_before(operator.raw_operator).write(graph, X.full_name)
    graph.rename(made, operator.outputs[0].full_name)
    for given, passed_on in zip(lengths, operator.outputs[1:], strict=True):
        graph.rename(given.full_name, passed_on.full_name)
    _add(graph, container)


# ----------------------------------------------------------------------------------------------------------- both
def _declared(scope, model, inputs):
    if len(inputs) > 2:
        raise ValueError(
            f"{type(model).__name__} reads X and lengths, in this order, but there are {len(inputs)} inputs: "
            f"{[each.raw_name for each in inputs]}."
        )
    operator = scope.declare_local_operator(f"Skrnn{type(model).__name__}", model)
    operator.inputs = list(inputs)
    return operator


def _graph(scope, container, dtype):
    """A graph whose names are new in the scope."""
    graph = Graph(container.target_opset, dtype)
    graph.name = scope.get_unique_variable_name
    return graph


def _add(graph, container):
    """Hand the nodes over."""
    container.nodes.extend(graph.nodes)
    container.initializers.extend(graph.constants)
    container.node_domain_version_pair_sets.update(graph.domains.items())
