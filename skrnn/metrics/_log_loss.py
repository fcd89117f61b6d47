"""Negative log-likelihood of a time step."""

import numpy as np

from ..sequences._layout import place
from ..sequences._ragged import check_same_lengths, ragged_values, step_weights
from ..sequences._steps import count

SUM_TOLERANCE = 1e-3  # probabilities in float32 sum to 1 within some 1e-6


def step_log_loss(y_true, y_proba, *, labels=None, sample_weight=None):
    """Negative log-likelihood per time step, in nats: the mean over the steps of all sequences.

    For classes, a step contributes ``-log p`` of its class. For labels, which are 0-1 rows such as the notes of a
    piano, it contributes the sum over all labels of ``-log p`` of what is (1) or is not (0) there. This is the figure
    of polyphonic music: every frame has the same weight, so long pieces count more than short ones.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True class of each time step, or 0-1 row of labels, of shape (n_steps,) or (n_steps, n_labels).

    y_proba : like `y_true`
        Probabilities, for the same steps, as ``predict_proba`` returns them: (n_steps, n_classes), or the probability
        that each label is 1, (n_steps, n_labels). For two classes, (n_steps,) is the probability of the second one.

    labels : array-like of shape (n_classes,), default=None
        The class of each column of `y_proba`, like ``classes_`` of a classifier. If None, the classes of `y_true`,
        sorted. Has no meaning for 0-1 rows.

    sample_weight : array-like of shape (n_sequences,) or ragged like `y_true`, default=None
        Weight of each sequence, for all its steps, or of each step.

    Returns
    -------
    float
        At least 0. Probabilities of 0 count as the smallest distance from 1 of their dtype, so it is finite.

    Raises
    ------
    ValueError
        If lengths differ, a probability is not between 0 and 1, those of a step do not sum to 1, or a class has no
        column. The message names the first such sequence.

    See Also
    --------
    step_accuracy_score : Share of time steps with the correct label.
    sklearn.metrics.log_loss : The same for one class per sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_log_loss
    >>> y_true, y_proba = [["a", "b"], ["a"]], [[[0.5, 0.5], [0.5, 0.5]], [[1.0, 0.0]]]
    >>> round(step_log_loss(y_true, y_proba), 3)  # two thirds of log 2
    0.462
    >>> notes, p = [[[1, 0, 0], [1, 0, 1]]], [[[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]]]
    >>> round(step_log_loss(notes, p), 3)  # 3 log 2
    2.079
    """
    true, offsets = ragged_values(y_true, "y_true")
    proba, found = ragged_values(y_proba, "y_proba")
    check_same_lengths(found, offsets, "y_proba", "y_true")
    _check(proba, (proba >= 0) & (proba <= 1), offsets, "are probabilities, from 0 to 1")
    weight = step_weights(sample_weight, offsets)
    if weight is not None and not weight.any():
        raise ValueError("sample_weight is 0 for all steps: at least one must count.")
    losses = _losses_of_labels if true.ndim == 2 else _losses_of_classes
    return float(np.average(losses(true, proba, labels, offsets), weights=weight)) + 0.0  # not -0.0


def _losses_of_labels(true, proba, labels, offsets):
    if labels is not None and len(labels) != true.shape[1]:
        raise ValueError(f"labels has {count(len(labels), 'label')}, but y_true has rows of {true.shape[1]}.")
    if proba.shape != true.shape:
        columns = 1 if proba.ndim == 1 else proba.shape[1]
        raise ValueError(f"y_true has {true.shape[1]} labels per step, but y_proba has {count(columns, 'column')}.")
    if true.dtype.kind not in "biuf":
        raise ValueError("y_true must hold 0-1 rows, or one class per step.")
    _check(true, (true == 0) | (true == 1), offsets, "with several labels per step are 0 or 1", "y_true")
    return -np.log(_clipped(np.where(true == 1, proba, 1 - proba))).sum(axis=1)


def _losses_of_classes(true, proba, labels, offsets):
    classes = np.unique(true) if labels is None else np.asarray(labels)
    if proba.ndim == 1:
        is_only = labels is not None and len(classes) == 1
        proba = np.column_stack([proba] if is_only else [1 - proba, proba])
    if classes.shape != (proba.shape[1],):
        source, advice = ("y_true", ": pass labels=estimator.classes_") if labels is None else ("labels", "")
        n_columns = count(proba.shape[1], "column")
        raise ValueError(f"{source} has {count(len(classes), 'label')}, but y_proba has {n_columns}{advice}.")
    sums = proba.sum(axis=1, dtype=np.float64)
    _check(sums, abs(sums - 1) <= SUM_TOLERANCE, offsets, "sum to 1 in each step")
    order = np.argsort(classes)
    at = np.searchsorted(classes, true, sorter=order).clip(max=len(classes) - 1)
    column = order[at]
    is_known = classes[column] == true
    if not is_known.all():
        step = int(is_known.argmin())
        i, at = place(offsets, step)
        raise ValueError(f"y_true holds {true[step].item()!r} in sequence {i}, step {at}, which is not in labels.")
    return -np.log(_clipped(proba[np.arange(len(true)), column]))


def _clipped(p):
    return np.maximum(p.astype(np.float64), np.finfo(p.dtype if p.dtype.kind == "f" else np.float64).eps)


def _check(values, is_valid, offsets, what, name="y_proba"):
    """Raise if not all are valid, and say where."""
    if is_valid.all():
        return
    row = int(is_valid.reshape(len(values), -1).all(axis=1).argmin())
    i, step = place(offsets, row)
    found = values[row] if values.ndim == 1 else values[row][~is_valid[row]][0]
    raise ValueError(f"entries of {name} {what}; sequence {i}, step {step} has {found:.6g}.")
