"""Per-step targets: from what users pass as ragged y to one packed array, and back to one array per sequence."""

import numpy as np

from ._array import SequenceArray
from ._convert import named_columns
from ._layout import offsets_of, place
from ._steps import (
    Sequence,
    check_columns,
    check_not_empty,
    count,
    is_sequence,
    is_text,
    refuse_masked,
    sequence_steps,
)


def ragged_array(y):
    """Put per-step targets into an object array, one array per sequence.

    This is the container that scikit-learn's splitters, searches and `cross_val_predict` take for sure; NumPy itself
    makes a 2-D array of sequences that happen to be equally long.

    Parameters
    ----------
    y : {list of arrays or lists, object array, Series, frame of one column, SequenceArray, array (n_sequences, T)}
        Numbers or strings, for each time step one, or a row of numbers.

    Returns
    -------
    ndarray of object of shape (n_sequences,)
        For each sequence an array of shape (n_steps,) or (n_steps, n_outputs).

    Raises
    ------
    ValueError
        If a sequence of y cannot be used; the message says which.

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
    for i in range(len(cells)):
        cells[i] = values[offsets[i] : offsets[i + 1]]
    return cells


def ragged_values(y, name="y"):
    """Pack per-step targets.

    Parameters
    ----------
    y : {list of arrays or lists, object array, Series, frame of one column, SequenceArray, array (n_sequences, T)}
        Numbers or strings, for each time step one, or a row of numbers. A Series is one of pandas, with arrays, lists
        or `Sequence` cells, or one of polars with lists. Integers stay integers, except in a `SequenceArray`.

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
    if isinstance(y, SequenceArray):
        values, offsets = y.values, y.offsets
    else:
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
    if is_ragged(sample_weight):
        raise ValueError(
            "sample_weight must hold one number per sequence; weights of single steps have no meaning here."
        )
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
    """Whether weights are given for time steps: judged by the first of them."""
    if isinstance(sample_weight, SequenceArray):
        return True
    return np.iterable(sample_weight) and is_sequence(next(iter(sample_weight), None))


def _pack(y, name):
    refuse_masked(y, name)
    y = _only_column(y, name) if hasattr(y, "columns") else y
    if not np.iterable(y):
        _refuse_type(y, name)
    if isinstance(y, np.ndarray) and y.dtype.kind in "biufU" and y.ndim in (2, 3):
        n, n_steps = y.shape[:2]
        return y.reshape(n * n_steps, *y.shape[2:]), offsets_of([n_steps] * n)
    items = list(y)
    check_columns(items, f"sequence {{}} of {name}")
    cells = [_target_steps(item, f"sequence {i} of {name}") for i, item in enumerate(items)]
    check_not_empty((len(cells),))
    for i, cell in enumerate(cells):
        _check_alike(cell, cells[0], i, name)
    return np.concatenate(cells), offsets_of([len(cell) for cell in cells])


def _only_column(frame, name):
    """The column of a frame that has no other, if it holds sequences."""
    columns = [column for _, column in named_columns(frame)]
    if len(columns) != 1 or not is_sequence(next(iter(columns[0]), None)):
        _refuse_type(frame, name)
    return columns[0]


def _refuse_type(y, name):
    found = f"type {type(y).__name__}" + (f" and shape {y.shape}" if hasattr(y, "columns") else "")
    raise ValueError(
        f"{name} is of {found}; per-step targets are one array or list per sequence, in a frame those of one column."
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


def _check_alike(cell, first, i, name):
    if is_text(cell) != is_text(first):
        kinds = ["strings" if is_text(steps) else "numbers" for steps in (cell, first)]
        raise ValueError(f"sequence {i} of {name} holds {kinds[0]}, sequence 0 holds {kinds[1]}.")
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
