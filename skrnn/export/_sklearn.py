"""Estimators of scikit-learn as nodes, by skl2onnx."""

import numpy as np
from sklearn.base import is_classifier

from ._graph import ML_DOMAIN

ML_OPSET = 3  # the newest that skl2onnx and all of its converters know
WITHOUT_FLOAT64 = {"Imputer", "SVMClassifier", "SVMRegressor"}  # operators that ONNX Runtime has for float32 only
# Options of skl2onnx, of which classifiers have some or none: that outputs are arrays, and not probabilities. The third
# is the default, and given because skl2onnx adds "zipmap" to a pipeline without options, which LinearSVC has not.
OF_CLASSIFIERS = {"zipmap": False}, {"raw_scores": True}, {"nocl": False}, None


def splice(graph, estimator, rows, n_columns, dtype):
    """Write an estimator of scikit-learn; returns pairs of (name, dtype, shape behind the axis of rows) and a value."""
    onnx, (model, dtype) = graph.onnx, _converted(graph, estimator, n_columns, dtype)
    prefix = f"{graph.name('part')}_"
    model = onnx.compose.add_prefix(model, prefix)
    for opset in model.opset_import:
        graph.domains[opset.domain] = max(graph.domains.get(opset.domain, 0), opset.version)
    graph.domains[""] = graph.opset
    graph.rename(rows if dtype is np.str_ else graph.cast(rows, dtype), model.graph.input[0].name)
    graph.nodes.extend(model.graph.node)
    graph.add_constants(model.graph.initializer)
    return [(_described(onnx, value, prefix), value.name) for value in model.graph.output]


def _described(onnx, value, prefix):
    """Name, dtype and shape of an output, without the axis of rows."""
    tensor = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    shape = [size.dim_value or f"{value.name}_{k}" for k, size in enumerate(tensor.shape.dim)]
    return value.name.removeprefix(prefix), np.dtype(np.str_) if dtype.kind == "O" else dtype, shape[1:]


def _converted(graph, estimator, n_columns, dtype):
    """The model that skl2onnx makes of an estimator, and the dtype of its rows: float32 if there is none of float64."""
    first = None
    for each in [dtype] if dtype is np.str_ else [dtype, np.float32]:
        for options in OF_CLASSIFIERS if is_classifier(estimator) else (None,):
            try:
                return _convert(graph, estimator, n_columns, each, options), each
            except Exception as error:  # of many types
                first = first or error
    names = " with ".join(type(step).__name__ for step in getattr(estimator, "named_steps", {"": estimator}).values())
    version = import_skl2onnx().__version__
    raise ValueError(
        f"skl2onnx {version} cannot convert {names}: {first!s:.300}. Export the SequenceTransformer alone, and apply "
        "the rest to its features, or take another estimator."
    ) from first


def _convert(graph, estimator, n_columns, dtype, options):
    skl2onnx = import_skl2onnx()
    types = skl2onnx.common.data_types
    kinds = {np.str_: types.StringTensorType, np.float32: types.FloatTensorType, np.float64: types.DoubleTensorType}
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    model = skl2onnx.convert_sklearn(
        estimator,
        initial_types=[("rows", kinds[dtype]([None, n_columns]))],
        target_opset={"": graph.opset, ML_DOMAIN: ML_OPSET},
        options=options and {id(last): options},
    )
    graph.onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
    wrong = sorted({node.op_type for node in model.graph.node} & WITHOUT_FLOAT64) if dtype is np.float64 else []
    if wrong:
        raise ValueError(f"ONNX Runtime has no {wrong[0]} of float64")
    return model


def import_skl2onnx():
    """The package, which only pipelines need."""
    try:
        import skl2onnx  # noqa: PLC0415 (an extra)
        import skl2onnx.common.data_types  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"skl2onnx, which converts estimators of scikit-learn, could not be imported ({error}): pip install "
            '"skrnn[export]"'
        ) from error
    return skl2onnx
