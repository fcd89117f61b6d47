"""Targets that are a sequence of labels for each sequence of X, of its own length."""

import numpy as np
from sklearn.utils.multiclass import type_of_target

from ...sequences import SequenceArray
from ...sequences._containers import items_of
from ...sequences._layout import offsets_of, place
from ...sequences._ragged import rows_in
from ...sequences._steps import check_container
from ._read import complete, distinct, kind_of


def read_label_sequences(y, name="y"):
    """The labels of all sequences in y, one after the other, and where those of each begin; a sequence may have none.

    Parameters
    ----------
    y : list of lists or arrays, object array, Series, SequenceArray, or array (n_sequences, n_labels)
        Labels of any type, as those of a classifier.
    name : str, default="y"
        What errors call it.

    Returns
    -------
    labels : ndarray of shape (n_labels_total,)
    offsets : ndarray of int64 of shape (n_sequences + 1,)

    Raises
    ------
    ValueError
        If a sequence is none, or holds what is no label; the message names it.
    """
    if y is None:
        raise ValueError(f"{name} is None: pass a sequence of labels for each sequence of X.")
    y = items_of(y, name)
    check_container(y, name)
    rows = _rows(y, name)
    read = [_labels(row, i, name) for i, row in enumerate(rows)]
    lengths = np.array([len(labels) for labels in read])
    return _joined([labels for labels in read if len(labels)], name), offsets_of(lengths)


def _rows(y, name):
    """One row of labels for each sequence."""
    if isinstance(y, SequenceArray):
        return y.to_list()
    if len(getattr(y, "shape", ())) == 2 and not hasattr(y, "columns"):
        return list(np.asarray(y))
    rows = list(y) if isinstance(y, (list, tuple)) else rows_in(y, name)
    if rows is None:
        raise ValueError(f"{name} must hold a sequence of labels for each sequence of X; got {type(y).__name__}.")
    return rows


def _labels(row, i, name):
    """The labels of sequence i as an array."""
    if isinstance(row, (str, bytes)) or not (np.iterable(row) and hasattr(row, "__len__")):
        advice = ": write list(text) for its characters, or text.split() for its words" if isinstance(row, str) else ""
        raise ValueError(f"sequence {i} of {name} is {row!r:.50}, but must be a list or array of labels{advice}.")
    if len(row) == 0:
        return np.empty(0, dtype=object)
    labels = complete(row, f"sequence {i} of {name}", row="label")
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ValueError(f"sequence {i} of {name} has shape {labels.shape}, but labels are one for each step of it.")
    return labels


def _joined(arrays, name):
    """Labels of all sequences; refuses texts beside numbers, which NumPy would make one kind of, and real numbers."""
    if not arrays:
        return np.empty(0, dtype=np.int64)
    first = kind_of(arrays[0])
    for i, labels in enumerate(arrays):
        if kind_of(labels) != first:
            raise ValueError(
                f"{name} holds {first} for one sequence, but {kind_of(labels)} like {labels[:1].tolist()[0]!r} for {i}."
            )
    joined = np.concatenate(arrays)
    if type_of_target(joined[:, np.newaxis], input_name=name).startswith("continuous"):
        raise ValueError(f"{name} holds real numbers like {joined[joined % 1 != 0][0]}, which are no labels.")
    return joined


def codes_of_sequences(labels, offsets, classes, name="y"):
    """Number of the class of each label; refuses labels that are none of them, with the first place of one."""
    known = np.isin(labels, classes)
    if len(labels) and kind_of(labels) != kind_of(classes):
        known[:] = False
    if not known.all():
        i, step = place(offsets, int(known.argmin()))
        unknown = distinct(labels[~known], name)[0].tolist()
        raise ValueError(
            f"{name} holds labels that fit has not seen, {unknown[:10]}: the first is label {step} of sequence {i}. "
            f"Known are {classes[:20].tolist()}{' and others' if len(classes) > 20 else ''}."
        )
    return np.searchsorted(classes, labels)
