"""Targets of steps: which y contains them, packing them into one array, and splitting it by sequence."""

import itertools

import numpy as np

from ._array import SequenceArray
from ._containers import items_of
from ._convert import named_columns, packed_column
from ._layout import offsets_of, place
from ._steps import (
    Sequence,
    check_columns,
    check_not_empty,
    count,
    is_missing,
    is_sequence,
    is_text,
    refuse_masked,
    sequence_steps,
)


def has_steps(y, offsets):
    """Whether y has a target for each step, which is if it has one row per sequence that is as long as the sequence.

    A matrix, which is a 2-D array or a frame whose cells are not sequences, always has a row of targets per sequence.
    This function is the only place that decides this.

    Parameters
    ----------
    y : object
        Targets in any form.

    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Start of each sequence of X.

    Returns
    -------
    bool
        False if each sequence has one target, or a row of them.

    Raises
    ------
    ValueError
        If rows of different lengths are not as long as the sequences of X, or an array of three dimensions is
        ambiguous.
    """
    y = items_of(y, "y")
    rows = rows_in(y, "y")
    if rows is None:
        return False
    shape = getattr(y, "shape", ())
    lengths = row_lengths(rows, "y")
    is_alike = np.array_equal(lengths, np.diff(offsets))
    if len(shape) == 3 and not (is_alike and shape[2] == 1):
        raise TwoReadingsError(
            f"y has shape {tuple(shape)}, which may be targets of steps or of whole sequences. If each sequence has "
            f'{shape[1]} times {shape[2]} targets, write targets="sequence", or y.reshape(len(y), -1). If each step '
            f'has {count(shape[2], "target")}, write targets="step", or list(y): the sequences are then as long in y '
            "as in X."
        )
    if not is_alike and len(set(lengths)) != 1:
        check_same_lengths(offsets_of(lengths), offsets, "y", "X")
    return is_alike


class TwoReadingsError(ValueError):
    """The targets may be those of steps or of sequences."""


def rows_in(y, name):
    """List the rows of a container of rows, one for each sequence; None if it is flat, or a matrix.

    A `SequenceArray` is given back.
    """
    y = _only_column(items_of(y, name), name)
    if isinstance(y, SequenceArray):
        return y
    n_dimensions = len(getattr(y, "shape", (None,)))
    if n_dimensions > 2:
        return list(np.asarray(y))
    is_of_cells = getattr(getattr(y, "dtype", None), "kind", "O") == "O" and not hasattr(y, "columns")
    if n_dimensions != 1 or not is_of_cells or not np.iterable(y):
        return None
    rows = list(y)
    return rows if is_sequence(_first(rows)) else None


def _only_column(y, name):
    """The column of a frame or object array that has no other, if it holds sequences, packed if it is; else `y`."""
    if isinstance(y, SequenceArray) or not hasattr(y, "shape") or len(y.shape) > 2:
        return y
    columns = [column for _, column in named_columns(y)]
    packed = [packed_column(column) for column in columns]
    sequential = [packed[j] is not None or is_sequence(_first(column)) for j, column in enumerate(columns)]
    if len(columns) > 1 and any(sequential):
        _refuse_type(y, name)
    if sequential != [True]:
        return y
    return columns[0] if packed[0] is None else packed[0]


def _first(cells):
    """The first cell that is not missing, or None."""
    return next((cell for cell in cells if not is_missing(cell)), None)


def row_lengths(rows, name):
    """Lengths of rows; raises if one is none."""
    if isinstance(rows, SequenceArray):
        return rows.lengths
    for i, row in enumerate(rows):
        if not is_sequence(row):
            sequence_steps(row, f"sequence {i} of {name}")  # raises
    return np.array([len(row.values if isinstance(row, Sequence) else row) for row in rows])


def stacked(rows, name):
    """One row for each sequence, all equally long, as an array of two or three dimensions in the narrowest type."""
    cells = [_target_steps(row, f"sequence {i} of {name}") for i, row in enumerate(rows)]
    for i, cell in enumerate(cells):
        _check_kinds(cell, cells[0], i, name)
    array = np.stack(cells)
    return array[:, :, 0] if array.ndim == 3 and array.shape[2] == 1 else array


def ragged_array(y):
    """Convert targets of steps to an object array with one array per sequence.

    All splitters and searches of scikit-learn and `cross_val_predict` accept this container. (NumPy itself would create
    a 2-D array if all sequences are equally long.)

    Parameters
    ----------
    y : {list of arrays or lists, object array, Series, frame of one column, SequenceArray, array (n_sequences, T)}
        Numbers or strings: one per time step, or a row of numbers per time step.

    Returns
    -------
    ndarray of object of shape (n_sequences,)
        One array of shape (n_steps,) or (n_steps, n_outputs) per sequence.

    Raises
    ------
    ValueError
        If a sequence of y is invalid. The message names the sequence.

    Examples
    --------
    >>> from skrnn.sequences import ragged_array
    >>> y = ragged_array([["O", "B-city"], ["O", "O"]])
    >>> y.shape
    (2,)
    >>> y[0]
    array(['O', 'B-city'], dtype='<U6')
    """
    return split_steps(*ragged_values(y))


def split_steps(values, offsets):
    """Object array of shape (n,) of one view of `values` per sequence."""
    cells = np.empty(len(offsets) - 1, dtype=object)
    for i, (begin, end) in enumerate(itertools.pairwise(offsets.tolist())):
        cells[i] = values[begin:end]
    return cells


def ragged_values(y, name="y"):
    """Pack per-step targets.

    Parameters
    ----------
    y : {list of arrays or lists, object array, Series, frame of one column, SequenceArray, array (n_sequences, T)}
        Numbers or strings, for each time step one, or a row of numbers; a container of rows of any kind, or a matrix.
        Integers stay integers, except in a `SequenceArray`.

    name : str, default="y"
        What the error messages call the targets.

    Returns
    -------
    values : ndarray of shape (n_steps_total,) or (n_steps_total, n_outputs)
        The targets of all sequences, one below the other; a single output is 1-D.

    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Where each sequence starts.

    Raises
    ------
    ValueError
        If a sequence is no array or has no step, if numbers are not finite, or if sequences differ in what they
        hold; the message names the first such sequence.
    """
    values, offsets = _pack(y, name)
    check_not_empty((len(offsets) - 1,))
    empty = offsets[1:] == offsets[:-1]
    if empty.any():
        raise ValueError(f"sequence {int(empty.argmax())} of {name} has no time step.")
    _check_finite(values, offsets, name)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim > 1 and is_text(values):
        raise ValueError(f"{name} has {values.shape[1]} strings per time step: as targets, strings are one per step.")
    return values, offsets


def check_same_lengths(offsets, reference, name, reference_name):
    """Raise if two packed batches differ in the number of sequences or in a length; the first one is named."""
    if len(offsets) != len(reference):
        found, expected = count(len(offsets) - 1, "sequence"), len(reference) - 1
        raise ValueError(f"{name} has {found}, but {reference_name} has {expected}.")
    lengths, expected = np.diff(offsets), np.diff(reference)
    differs = lengths != expected
    if differs.any():
        i = int(differs.argmax())
        raise ValueError(
            f"sequence {i} has {count(lengths[i], 'step')} in {name}, but {expected[i]} in {reference_name}: both need "
            "one entry per time step."
        )


def step_weights(sample_weight, offsets, reference="y"):
    """Weights of all steps, packed, from one weight per sequence or from ragged ones; None stays None.

    `reference` is what error messages call the sequences whose offsets are given.
    """
    if sample_weight is None:
        return None
    if is_ragged(sample_weight):
        weights, found = ragged_values(sample_weight, "sample_weight")
        check_same_lengths(found, offsets, "sample_weight", reference)
        if weights.ndim != 1 or weights.dtype.kind not in "biuf":
            raise ValueError("sample_weight must hold one number per sequence, or one per time step.")
        return weights
    return np.repeat(sequence_weights(sample_weight, len(offsets) - 1), np.diff(offsets))


def sequence_weights(sample_weight, n_sequences):
    """Check weights that are one number per sequence; None stays None."""
    if sample_weight is None:
        return None
    sample_weight = items_of(sample_weight, "sample_weight")
    if is_ragged(sample_weight):
        raise ValueError("sample_weight must hold one number per sequence; weights of steps are not supported here.")
    weights = np.asarray(sample_weight)
    if weights.shape != (n_sequences,) or weights.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight must hold one number for each of {n_sequences} sequences, got an array of shape "
            f"{weights.shape} and dtype {weights.dtype}."
        )
    finite = np.isfinite(weights)
    if not finite.all():
        i = int(finite.argmin())
        raise ValueError(f"sample_weight of sequence {i} is {weights[i]}, it must be finite.")
    return weights


def is_ragged(sample_weight):
    """Whether there is a row of weights for each sequence, so one for each step."""
    sample_weight = items_of(sample_weight, "sample_weight")
    return len(getattr(sample_weight, "shape", ())) == 2 or rows_in(sample_weight, "sample_weight") is not None


def _pack(y, name):
    refuse_masked(y, name)
    y = items_of(y, name)
    rows = y if _is_array_of_steps(y) else rows_in(y, name)
    if rows is None and (hasattr(y, "columns") or not np.iterable(y)):
        _refuse_type(y, name)
    if rows is None:
        rows = np.asarray(y) if len(getattr(y, "shape", ())) == 2 else list(y)
    if isinstance(rows, SequenceArray):
        return rows.values, rows.offsets
    if _is_array_of_steps(rows):
        n, n_steps = rows.shape[:2]
        return rows.reshape(n * n_steps, *rows.shape[2:]), offsets_of([n_steps] * n)
    check_columns(rows, f"sequence {{}} of {name}")
    cells = [_target_steps(row, f"sequence {i} of {name}") for i, row in enumerate(rows)]
    check_not_empty((len(cells),))
    for i, cell in enumerate(cells):
        _check_alike(cell, cells[0], i, name)
    return np.concatenate(cells), offsets_of([len(cell) for cell in cells])


def _is_array_of_steps(y):
    return isinstance(y, np.ndarray) and y.dtype.kind in "biufU" and y.ndim in (2, 3)


def _refuse_type(y, name):
    found = f"type {type(y).__name__}" + (f" and shape {y.shape}" if hasattr(y, "columns") else "")
    raise ValueError(
        f"{name} is of {found}; targets of steps are one array or list per sequence; a frame must have one column."
    )


def _target_steps(item, what):
    """Like `sequence_steps`, but integers, which may be classes, stay what they are."""
    steps = sequence_steps(item, what)
    if steps.size == 0:
        raise ValueError(f"{what} has no time step.")
    if is_text(steps) or isinstance(item, Sequence):
        return steps
    given = np.asarray(item)
    if given.dtype.kind == "O":
        given = np.array(given.tolist())
    return given if given.dtype.kind in "biu" else steps


def _check_kinds(cell, first, i, name):
    if is_text(cell) != is_text(first):
        kinds = ["strings" if is_text(steps) else "numbers" for steps in (cell, first)]
        raise ValueError(f"sequence {i} of {name} holds {kinds[0]}, sequence 0 holds {kinds[1]}.")


def _check_alike(cell, first, i, name):
    _check_kinds(cell, first, i, name)
    if cell.shape[1:] != first.shape[1:]:
        raise ValueError(
            f"sequence {i} of {name} has shape {cell.shape}, sequence 0 has shape {first.shape}: all need the same "
            "number of targets per step."
        )


def _check_finite(values, offsets, name):
    if values.dtype.kind != "f":
        return
    finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        found = "NaN" if np.isnan(values[row]).any() else "infinity"
        raise ValueError("{} contains {}: sequence {}, step {}.".format(name, found, *place(offsets, row)))
