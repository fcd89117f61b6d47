"""Pipelines: what stands before a recurrent network and behind it, as nodes."""

from typing import NamedTuple

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils.validation import check_is_fitted

from ..estimators._classifier import RNNClassifier
from ..estimators._regressor import RNNRegressor
from ..estimators._transformer import SequenceTransformer
from ..preprocessing import PerStep, TokenEncoder
from ._graph import ML_DOMAIN
from ._networks import NetworkWriter
from ._targets import Output

NETWORKS = (RNNClassifier, RNNRegressor, SequenceTransformer)
WITHOUT_FORM = {
    "CTCClassifier": "its search for the most probable labelling has no form in ONNX",
    "EarlyClassifier": "how long it reads depends on its own predictions, sequence by sequence",
    "RNNForecaster": "it reads series with dates, which ONNX has not; export the RNNRegressor of windows in its place",
    "SequenceGenerator": "what it puts out is drawn at random",
    "SequenceOutlierDetector": "its scores come from forecasts of windows that it cuts itself",
    "SlidingWindow": "it cuts a table into windows, of another number than its rows: pass windows to the model",
}

WITHOUT_FLOAT64 = {"Imputer"}  # operators that ONNX Runtime has for float32 only


class Parts(NamedTuple):
    """A pipeline: writers of what is done to steps, the network, and an estimator of scikit-learn behind it or None."""

    before: list
    network: NetworkWriter
    behind: object

    @property
    def input_shape(self):
        """Of X behind the axes of sequences and steps."""
        return list(self.before[0].shape) if self.before else self.network.input_shape

    def input_dtype(self, wanted):
        """Of X; `wanted` : the dtype of numbers that users want, or None."""
        if self.before and self.before[0].is_text:
            return np.dtype(np.str_)
        dtype = self.network.input_dtype
        if dtype.kind == "U":
            return dtype
        if wanted == "float32" and dtype == np.float64 != self.network.dtype:
            raise ValueError(
                'Time stamps, or codes of categories above 2 ** 24, would be rounded: leave out dtype="float32".'
            )
        return np.dtype(wanted or dtype)

    def sequences(self, graph, X, lengths):
        """`Output`s of all sequences, from X and lengths."""
        for each in self.before:
            X = each.write(graph, X)
        return self._behind(graph, self.network.sequences(graph, X, lengths))

    def step(self, graph, X, states):
        """`Output`s after a step X, and the states after it."""
        for each in self.before:
            X = each.write(graph, X)
        outputs, after = self.network.step(graph, X, states)
        return self._behind(graph, outputs), after

    def _behind(self, graph, outputs):
        return outputs if self.behind is None else list(write_behind(graph, self.behind, outputs[0]))


def parts_of(estimator):
    """The `Parts` of an estimator or a pipeline; refuses, by name, what has no form in ONNX."""
    steps = [_unwrapped(each) for each in _steps(estimator)]
    check_is_fitted(estimator)
    where = next((k for k, each in enumerate(steps) if isinstance(each, NETWORKS)), None)
    if where is None:
        _refuse(next((each for each in steps if type(each).__name__ in WITHOUT_FORM), estimator))
    before = [writer_before(each) for each in steps[:where]]
    behind = make_pipeline(*steps[where + 1 :]) if steps[where + 1 :] else None
    return Parts(before, NetworkWriter(steps[where]), behind)


def _steps(estimator):
    """The estimators of a pipeline, one after the other; of a search, those that were best."""
    estimator = _unwrapped(estimator)
    if not isinstance(estimator, Pipeline):
        return [estimator]
    steps = [each for _, each in estimator.steps if each is not None and each != "passthrough"]
    return [inner for each in steps for inner in _steps(each)]


def _unwrapped(estimator):
    """What an estimator stands for that does no arithmetic of its own."""
    if isinstance(estimator, FrozenEstimator):
        return _unwrapped(estimator.estimator)
    if isinstance(estimator, GridSearchCV | RandomizedSearchCV):
        check_is_fitted(estimator)
        return _unwrapped(estimator.best_estimator_)
    return estimator


def _refuse(estimator):
    name = type(estimator).__name__
    if name in WITHOUT_FORM:
        raise ValueError(f"{name} cannot be exported to ONNX, since {WITHOUT_FORM[name]}.")
    raise ValueError(
        f"{name} cannot be exported to ONNX: to_onnx takes a fitted RNNClassifier, RNNRegressor or "
        "SequenceTransformer, or a Pipeline of them with PerStep or TokenEncoder before, and estimators behind that "
        "skl2onnx knows."
    )


# -------------------------------------------------------------------------------------------------------- before
def writer_before(estimator):
    """What writes a step of a pipeline before the network."""
    if isinstance(estimator, TokenEncoder):
        return TokenWriter(estimator)
    if isinstance(estimator, PerStep):
        return RowWriter(estimator)
    if type(estimator).__name__ in WITHOUT_FORM:
        _refuse(estimator)
    raise ValueError(
        f"{type(estimator).__name__} stands before the network, and ONNX can only express what acts on single steps "
        "there: wrap it in PerStep, or apply it to X before the model."
    )


class TokenWriter:
    """Writes a `TokenEncoder`: tokens (n, T), or (n,) at a step, to codes with an axis of one channel."""

    shape, is_text = (), True

    def __init__(self, encoder):
        self.vocabulary = encoder.vocabulary_

    def write(self, graph, X):
        """Codes of tokens X."""
        names = {"keys_strings": list(self.vocabulary), "values_int64s": list(self.vocabulary.values())}
        codes = graph.node("LabelEncoder", X, domain=ML_DOMAIN, default_int64=0, **names)
        return graph.node("Unsqueeze", graph.cast(codes, np.float64), [-1])


class RowWriter:
    """Writes a `PerStep`: X (n, T, C), or (n, C) at a step, to what its transformer makes of each row."""

    def __init__(self, per_step):
        self.transformer, self.n_channels = per_step.transformer_, per_step.n_channels_
        categories = getattr(self.transformer, "categories_", [])
        self.is_text = any(each.dtype.kind in "OUS" for each in categories)
        self.shape = (self.n_channels,)

    def write(self, graph, X):
        """Rows of X, transformed."""
        rows = X if self.is_text else graph.cast(X, np.float64)
        rows = graph.node("Reshape", rows, [-1, self.n_channels])
        ((_, made),) = splice(graph, self.transformer, rows, self.n_channels, np.str_ if self.is_text else np.float64)
        axes = graph.slice(graph.node("Shape", X), 0, -1, 0)
        return graph.node("Reshape", graph.cast(made, np.float64), graph.node("Concat", axes, [-1], axis=0))


# -------------------------------------------------------------------------------------------------------- behind
def write_behind(graph, estimator, features):
    """`Output`s of an estimator of scikit-learn, from the `Output` of a `SequenceTransformer`."""
    rows, n = graph.cast(features.value, np.float64), features.shape[0]
    found = splice(graph, estimator, rows, n, np.float64)
    last = estimator[-1]
    if is_classifier(last):
        names = ["labels", "probabilities"]
    elif is_regressor(last):
        names = ["predictions"]
    else:
        names = ["features"] if len(found) == 1 else [name for (name, _, _), _ in found]
    for name, ((_, dtype, shape), value) in zip(names, found, strict=True):
        if dtype.kind == "f":  # some operators put out another type than skl2onnx declares
            value = graph.cast(value, dtype)
        if name == "labels" or (name == "predictions" and shape == [1]):
            value, shape = graph.node("Reshape", value, [-1]), []
        yield Output(name, value, dtype, shape)


def splice(graph, estimator, rows, n_columns, dtype):
    """Write an estimator of scikit-learn, as skl2onnx converts it; pairs of (name, dtype, shape) and a value.

    shape : of the output behind the axis of rows
    """
    onnx = graph.onnx
    model = _converted(graph, estimator, n_columns, dtype)
    if any(node.op_type in WITHOUT_FLOAT64 for node in model.graph.node):
        rows = graph.cast(rows, np.float32)
        model = _converted(graph, estimator, n_columns, np.float32)
    prefix = f"{graph.name('part')}_"
    model = onnx.compose.add_prefix(model, prefix)
    for opset in model.opset_import:
        graph.domains[opset.domain] = max(graph.domains.get(opset.domain, 0), opset.version)
    graph.domains[""] = graph.opset
    graph.rename(rows, model.graph.input[0].name)
    graph.nodes.extend(model.graph.node)
    graph.add_constants(model.graph.initializer)
    return [(_described(onnx, value, prefix), value.name) for value in model.graph.output]


def _converted(graph, estimator, n_columns, dtype):
    """The model that skl2onnx makes of an estimator."""
    skl2onnx = _import_skl2onnx()
    types = skl2onnx.common.data_types
    kinds = {np.str_: types.StringTensorType, np.float32: types.FloatTensorType, np.float64: types.DoubleTensorType}
    try:
        return skl2onnx.convert_sklearn(
            estimator,
            initial_types=[("rows", kinds[dtype]([None, n_columns]))],
            target_opset={"": graph.opset, ML_DOMAIN: 3},
            options={id(estimator): {"zipmap": False}} if is_classifier(estimator) else None,
        )
    except Exception as error:  # of many types
        name = " with ".join(type(each).__name__ for each in _steps(estimator))
        raise ValueError(f"skl2onnx {skl2onnx.__version__} cannot convert {name}: {error!s:.300}") from error


def _described(onnx, value, prefix):
    """Name, dtype and shape of an output, without the axis of rows."""
    tensor = value.type.tensor_type
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    shape = [size.dim_value or f"{value.name}_{k}" for k, size in enumerate(tensor.shape.dim)]
    return value.name.removeprefix(prefix), np.dtype(np.str_) if dtype.kind == "O" else dtype, shape[1:]


def _import_skl2onnx():
    try:
        import skl2onnx  # noqa: PLC0415 (an extra)
        import skl2onnx.common.data_types  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(
            f"skl2onnx, which converts estimators of scikit-learn, could not be imported ({error}): pip install "
            '"skrnn[export]"'
        ) from error
    return skl2onnx
