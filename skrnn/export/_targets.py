"""From raw predictions to what `predict` and `predict_proba` give, as nodes."""

from typing import NamedTuple

import numpy as np

from ..estimators.tasks._classes import Classes, Labels
from ..estimators.tasks._numbers import Numbers
from ..losses import BaseLoss, Normal, Poisson, Quantiles, StudentT
from ._graph import check_strings

BLOCKS = {Normal: lambda loss: 0, StudentT: lambda loss: 0, Quantiles: lambda loss: len(loss.quantiles) // 2}


class Output(NamedTuple):
    """An output of a model: name, value, dtype, and its shape behind the axes of sequences and steps."""

    name: str
    value: str
    dtype: np.dtype
    shape: list


def write_outputs(graph, task, raw, axis):
    """The outputs that a fitted task makes of raw predictions, whose columns are along the last axis, number `axis`."""
    return WAYS[type(task)](graph, task, raw, axis)


def check_task(name, task):
    """Refuse, by the name of the estimator, what has no form in ONNX."""
    if isinstance(task, Classes):
        label_array(name, task.classes)
    if isinstance(task, Numbers) and not (_is_poisson(task.loss) or _has_plain_link(task.loss)):
        raise ValueError(
            f"{name} cannot be exported, since its loss {task.loss!r} turns raw predictions into predictions by a "
            "function of its own, of which no form in ONNX is known: fit with a loss whose predict returns them as "
            "they are."
        )


def label_array(name, classes):
    """Class labels as an array of int64, bool, float64 or str (object); refuses others."""
    kind = classes.dtype.kind
    if kind in "US" or kind == "O":
        labels = classes.tolist()
        odd = next((label for label in labels if not isinstance(label, str)), None)
        if odd is None:
            check_strings(labels, f"{name} with the class label")
            return np.array(labels, dtype=object)
        what = f"{odd!r} of {type(odd).__name__}"
    elif kind in "biuf" and (kind != "u" or classes.max() <= np.iinfo(np.int64).max):
        return classes.astype({"b": np.bool_, "f": np.float64}.get(kind, np.int64))
    else:
        what = f"{classes[0]!r} of {classes.dtype}"
    raise ValueError(
        f"{name} cannot be exported with the class label {what}: ONNX has labels of int (64 bits), float, bool and "
        "str. Encode y before fit, for example with sklearn.preprocessing.LabelEncoder, and decode what the model puts "
        "out."
    )


def _has_plain_link(loss):
    return type(loss) in BLOCKS or type(loss).predict is BaseLoss.predict


def _is_poisson(loss):
    return type(loss).predict is Poisson.predict


def _classes(graph, task, raw, axis):
    labels = label_array("", task.classes)
    if task.n_outputs == 1:
        both = graph.node("Concat", graph.node("Neg", raw), raw, axis=axis)
        is_second = graph.node("Greater", graph.node("Squeeze", raw, [axis]), graph.dtype.type(0))
        code, probabilities = graph.cast(is_second, np.int64), graph.node("Sigmoid", both)
    else:
        code, probabilities = graph.node("ArgMax", raw, axis=axis, keepdims=0), graph.node("Softmax", raw, axis=axis)
    names = graph.node("Gather", labels, code, axis=0)
    kind = np.dtype(np.str_) if labels.dtype == object else labels.dtype
    yield Output("labels", names, kind, [])
    yield Output("probabilities", probabilities, graph.dtype, [len(labels)])


def _labels(graph, task, raw, axis):
    are_true = graph.cast(graph.node("Greater", raw, graph.dtype.type(0)), np.int64)
    yield Output("labels", are_true, np.dtype(np.int64), [task.n_outputs])
    yield Output("probabilities", graph.node("Sigmoid", raw), graph.dtype, [task.n_outputs])


def _numbers(graph, task, raw, axis):
    if type(task.loss) in BLOCKS:  # of several raw predictions for each target, `predict` gives a block
        first = BLOCKS[type(task.loss)](task.loss) * task.n_outputs
        raw = graph.slice(raw, first, first + task.n_outputs, axis)
    y = scaled(graph, task, linked(graph, task.loss, raw), axis)
    yield Output("predictions", y, np.dtype(np.float64), list(task.shape))


def linked(graph, loss, raw):
    """What a loss predicts of raw predictions."""
    if not _is_poisson(loss):
        return raw
    dtype = graph.dtype.type
    return graph.node("Exp", graph.node("Min", raw, np.nextafter(np.log(np.finfo(dtype).max), dtype(0))))


def scaled(graph, task, predicted, axis):
    """Predictions in the unit and shape of the target, from those of a loss, whose columns are along the last axis."""
    y = graph.node("Mul", graph.cast(predicted, np.float64), task.scale)
    y = graph.node("Add", y, task.mean)
    if not task.shape:
        return graph.node("Squeeze", y, [axis])
    return graph.node("Reshape", y, [0] * axis + list(task.shape)) if len(task.shape) > 1 else y


WAYS = {Classes: _classes, Labels: _labels, Numbers: _numbers}
