"""Pipelines: what stands before a recurrent network and behind it, as nodes."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.base import is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.svm import SVC, NuSVC
from sklearn.utils.validation import check_is_fitted

from ..estimators._classifier import RNNClassifier
from ..estimators._ctc import CTCClassifier
from ..estimators._regressor import RNNRegressor
from ..estimators._seq2seq_classifier import Seq2SeqClassifier
from ..estimators._seq2seq_regressor import Seq2SeqRegressor
from ..estimators._transformer import SequenceTransformer
from ..preprocessing import PerStep, TokenEncoder
from ._decoders import DecoderWriter
from ._graph import ML_DOMAIN, check_strings
from ._networks import NetworkWriter
from ._paths import PathWriter
from ._sklearn import splice
from ._targets import Output

NETWORKS = dict.fromkeys((RNNClassifier, RNNRegressor, SequenceTransformer), NetworkWriter)
NETWORKS |= dict.fromkeys((Seq2SeqClassifier, Seq2SeqRegressor), DecoderWriter) | {CTCClassifier: PathWriter}
WITHOUT_FORM = {
    "EarlyClassifier": "how long it reads depends on its own predictions, sequence by sequence",
    "RNNForecaster": "it reads series with dates, which ONNX has not; export the RNNRegressor of windows in its place",
    "SequenceGenerator": "what it puts out is drawn at random",
    "SequenceOutlierDetector": "its scores come from forecasts of windows that it cuts itself",
    "SlidingWindow": "it cuts a table into windows, of another number than its rows: pass windows to the model",
}


class Parts(NamedTuple):
    """A pipeline: writers of what is done to steps, the network, and estimators of scikit-learn behind it."""

    before: list
    network: NetworkWriter
    behind: list

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
        return list(write_behind(graph, self.behind, outputs[0])) if self.behind else outputs


def parts_of(estimator):
    """The `Parts` of an estimator or a pipeline; refuses, by name, what has no form in ONNX."""
    steps = [_unwrapped(each) for each in _steps(estimator)]
    where = next((k for k, each in enumerate(steps) if isinstance(each, tuple(NETWORKS))), None)
    if where is None:
        _refuse(next((each for each in steps if type(each).__name__ in WITHOUT_FORM), estimator))
    check_is_fitted(estimator)
    before = [writer_before(each) for each in steps[:where]]
    write = next(writer for kind, writer in NETWORKS.items() if isinstance(steps[where], kind))
    return Parts(before, write(steps[where]), steps[where + 1 :])


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
    known = ", ".join(each.__name__ for each in NETWORKS)
    if isinstance(estimator, type):
        name = f"The class {estimator.__name__}"
    raise ValueError(
        f"{name} cannot be exported to ONNX: to_onnx takes a fitted {known}, or a "
        "Pipeline with PerStep or TokenEncoder before one of them, and what skl2onnx knows behind it."
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
        check_strings(self.vocabulary, "TokenEncoder with the token")

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
def write_behind(graph, estimators, features):
    """`Output`s of estimators of scikit-learn, from the `Output` of a `SequenceTransformer`."""
    rows, n, last = graph.cast(features.value, np.float64), features.shape[0], estimators[-1]
    # skl2onnx knows more estimators alone than in pipelines.
    estimator = make_pipeline(*estimators) if len(estimators) > 1 else last
    found = splice(graph, estimator, rows, n, np.float64)
    if is_regressor(last):
        names = ["predictions"]
    elif hasattr(last, "predict"):  # a classifier, clusterer, outlier detector or mixture
        names = ["labels", "probabilities" if hasattr(last, "predict_proba") else "scores"]
    else:
        names = ["features"] if len(found) == 1 else [name for (name, _, _), _ in found]
    for name, ((_, dtype, shape), value) in zip(names, found, strict=True):
        if dtype.kind == "f":  # some operators put out another type than skl2onnx declares
            value = graph.cast(value, dtype)
        if name in ("labels", "predictions"):  # whose shapes skl2onnx does not always declare
            shape = _shape_of_row(estimator.predict, features)
            value = graph.node("Reshape", value, [-1, *shape])
        elif name == "scores" and hasattr(last, "decision_function"):
            declared, shape = shape, _shape_of_row(estimator.decision_function, features)
            if declared and not shape:  # of two classes there may be two columns; SVMs turn the sign of the second
                column = 0 if isinstance(last, SVC | NuSVC) else -1
                value = graph.node("Gather", value, np.int64(column), axis=1)
        elif name == "scores":  # distances, which skl2onnx takes as roots of what may be a little less than 0
            nothing = graph.reduce("ReduceSum", graph.node("Mul", rows, np.float64(0)), -1, keepdims=True)  # or NaN
            value = graph.node("Where", graph.node("IsNaN", value), graph.cast(nothing, dtype), value)
        yield Output(name, value, dtype, shape)


def _shape_of_row(method, features):
    """What a method gives for a row of features, as a list of sizes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names that columns do not have here
        return list(np.shape(method(np.zeros((1, *features.shape), features.dtype)))[1:])
