"""Targets and weights as rows: one for each sequence, or one for each step of all sequences."""

from typing import NamedTuple

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight

from ..sequences import SequenceArray
from ..sequences._layout import place
from ..sequences._ragged import check_same_lengths, is_ragged, ragged_values, step_weights
from ..sequences._steps import is_sequence


class Target(NamedTuple):
    """What to learn: a row for each sequence, or with `per_step` one for each of all steps, and their weights."""

    rows: object
    weight: np.ndarray
    sequence_weight: np.ndarray
    per_step: bool


def given_target(estimator, sequences, y, sample_weight):
    """The target in the y of `fit`, as users pass it."""
    if y is None:
        raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None.")
    check_consistent_length(sequences, y)
    offsets = sequences.offsets
    per_step = is_per_step(y, offsets)
    rows = rows_of_steps(y, offsets) if per_step else one_target_each(y)
    return Target(rows, *row_weights(sample_weight, offsets, per_step), per_step)


def is_per_step(y, offsets):
    """Whether y has a target for each step: it is ragged, or a list or object array of arrays, or has three dimensions.

    A list of equally long rows of numbers, like a matrix, has several targets for each sequence.
    """
    if isinstance(y, SequenceArray):
        return True
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        return y.ndim == 3
    if hasattr(y, "columns"):
        return _holds_sequences(y)
    if getattr(y, "ndim", 1) != 1 or not hasattr(y, "__iter__"):
        return False
    if not is_sequence(next(iter(y), None)):
        return False
    if not isinstance(y, (list, tuple)):
        return True
    lengths = [len(row) if is_sequence(row) else -1 for row in y]
    if len(set(lengths)) > 1:
        return True
    holds_steps = isinstance(y[0], np.ndarray) or isinstance(next(iter(y[0]), None), (str, list, tuple, np.ndarray))
    return holds_steps and np.array_equal(lengths, np.diff(offsets))


def rows_of_steps(y, offsets):
    """Targets of all steps, one below the other."""
    values, found = ragged_values(y)
    check_same_lengths(found, offsets, "y", "X")
    return values


def row_weights(sample_weight, offsets, per_step):
    """Weight of each target, and of each sequence: where steps have weights, their mean."""
    lengths = np.diff(offsets)
    if sample_weight is None:
        return np.ones(lengths.sum() if per_step else len(lengths)), np.ones(len(lengths))
    if is_ragged(sample_weight):
        if not per_step:
            raise ValueError("sample_weight has a weight for each step, but there is one target for each sequence.")
        weight = step_weights(sample_weight, offsets).astype(np.float64)
        _check_step_weights(weight, offsets)
        return weight, np.add.reduceat(weight, offsets[:-1]) / lengths
    weight = _check_sample_weight(sample_weight, lengths, dtype=np.float64, ensure_non_negative=True)
    return np.repeat(weight, lengths) if per_step else weight, weight


def _check_step_weights(weight, offsets):
    if not weight.any():
        raise ValueError("sample_weight: the weights of all steps are zero.")
    if (weight < 0).any():
        row = int((weight < 0).argmax())
        i, step = place(offsets, row)
        raise ValueError(f"sample_weight must not be negative: sequence {i}, step {step} has {weight[row]}.")


def _holds_sequences(frame):
    if 0 in frame.shape:
        return False
    return is_sequence(frame.iloc[0, 0] if hasattr(frame, "iloc") else frame[0, 0])


def refuse_steps(y, sample_weight):
    """Refuse targets and weights of steps where there is one target for each sequence."""
    none = np.zeros(1, np.intp)
    for array, name in ((y, "y"), (sample_weight, "sample_weight")):
        if array is not None and is_per_step(array, none):
            raise ValueError(f"{name} has a row for each step, but fit saw one target for each sequence.")


def one_target_each(y):
    """Refuse a y whose rows have different lengths."""
    if isinstance(y, (list, tuple)) and len({np.size(row) for row in y}) > 1:
        i = next(i for i, row in enumerate(y) if np.size(row) != np.size(y[0]))
        raise ValueError(
            f"y must have the same number of targets for each sequence, but has {np.size(y[0])} for sequence 0 and "
            f"{np.size(y[i])} for sequence {i}."
        )
    return y
