"""True and predicted sequences of labels, each of a length of its own, also of none."""

from numbers import Number

import numpy as np

from ..sequences._containers import items_of
from ..sequences._ragged import rows_in
from ..sequences._steps import (
    ITEM_SHAPE,
    Sequence,
    check_not_empty,
    count,
    is_missing,
    is_sequence,
    refuse_masked,
    sequence_steps,
)


def label_rows(y_true, y_pred):
    """Return the true and the predicted labels, each a list with a list of labels for every sequence."""
    true, pred = _read_rows(y_true, "y_true"), _read_rows(y_pred, "y_pred")
    if len(true) != len(pred):
        raise ValueError(f"y_pred has {count(len(pred), 'sequence')}, but y_true has {len(true)}.")
    kinds = [sorted({kind for row in rows for kind in map(_kind, row)}) for rows in (true, pred)]
    if all(kinds) and not set(kinds[0]) & set(kinds[1]):
        raise ValueError(f"y_true holds {' and '.join(kinds[0])}, but y_pred holds {' and '.join(kinds[1])}.")
    return true, pred


def label_list(row, what):
    """Return the labels of one sequence as a list; what is a row of several numbers becomes a tuple."""
    if not is_sequence(row):
        sequence_steps(row, what)  # raises
    if isinstance(row, Sequence):
        row = row.values
    refuse_masked(row, what)
    array = row if isinstance(row, np.ndarray) else _array_of(row)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    labels = array.tolist() if array.ndim == 1 else list(map(tuple, array.tolist()))
    if array.ndim > 2 or any(is_missing(label) for label in labels):
        _refuse(array, labels, what)
    return labels


def _read_rows(y, name):
    refuse_masked(y, name)
    y = items_of(y, name)
    rows = rows_in(y, name)
    if rows is None:
        if hasattr(y, "columns") or not np.iterable(y):
            raise ValueError(f"{name} is of type {type(y).__name__}; it must hold a list or array for each sequence.")
        rows = np.asarray(y) if len(getattr(y, "shape", ())) == 2 else list(y)
    check_not_empty((len(rows),))
    return [label_list(row, f"sequence {i} of {name}") for i, row in enumerate(rows)]


def _array_of(row):
    """An array of the labels as they are: NumPy itself would turn 1 beside "a" into a text."""
    if not isinstance(row, (list, tuple)):
        return np.asarray(row)
    array = np.empty(len(row), dtype=object)
    array[:] = row if not any(map(is_sequence, row)) else [tuple(np.ravel(label).tolist()) for label in row]
    return array


def _refuse(array, labels, what):
    if array.ndim > 2:
        raise ValueError(f"{what} has shape {array.shape}; {ITEM_SHAPE}")
    step = next(step for step, label in enumerate(labels) if is_missing(label))
    raise ValueError(f"{what}, step {step} is {labels[step]!r}: a label is missing. Remove it, or name it.")


def _kind(label):
    if isinstance(label, str):
        return "strings"
    if isinstance(label, tuple):
        return f"rows of {count(len(label), 'value')}"
    return "numbers" if isinstance(label, Number) else f"labels of type {type(label).__name__}"
