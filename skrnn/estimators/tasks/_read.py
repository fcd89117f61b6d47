"""Targets and weights as rows: one for each sequence, or one for each step of all sequences."""

from numbers import Number

import numpy as np
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import _check_sample_weight

from ...sequences._containers import items_of
from ...sequences._layout import place
from ...sequences._ragged import (
    check_same_lengths,
    has_steps,
    is_ragged,
    ragged_values,
    row_lengths,
    rows_in,
    stacked,
    step_weights,
)
from ...sequences._steps import check_container, is_missing, refuse_masked
from ...sequences._validate import check_as_many
from ._task import Target, Task

UNITS = "sequence", "step"  # what may have a target of its own


class SuppliedTask(Task):
    """A task whose target users pass as y.

    Where a fit is resumed, ``resumed(fitted, request)`` takes the place of `learn`. Its fitted tasks refuse rows of
    other targets by ``check_width(rows)``, and have the methods that `BaseSupervised._predict` calls by name.

    Parameters
    ----------
    owner : str
        Name of the estimator, for errors.
    targets : {"auto", "sequence", "step"}, default="auto"
        What has a target of its own; "auto" leaves it to y.
    """

    def __init__(self, owner, targets="auto"):
        self.owner, self.targets = owner, targets

    def read(self, sequences, y, sample_weight, roles=None, per_step=None, seen="fit saw"):
        """The `Target` in y. per_step: whether steps have targets, where that is known, since `seen`."""
        refuse_no_target(y, self.owner)
        y = items_of(y, "y")
        check_container(y, "y")
        check_as_many(sequences, y)
        offsets, (per_step, reason) = sequences.offsets, self._reading(per_step, seen)
        if per_step is None:
            per_step = has_steps(y, offsets)
        rows = rows_of_steps(y, reason, offsets) if per_step else rows_of_sequences(y, reason)
        return Target(rows, *row_weights(sample_weight, offsets, per_step), per_step)

    def _reading(self, per_step, seen):
        """Whether y is to be read as targets of steps, None if y itself tells, and what says so."""
        asked = self.targets
        if per_step is None:
            return (None, "") if asked == "auto" else (asked == "step", f'targets="{asked}"')
        saw = one_target_for_each(per_step)
        if asked not in ("auto", UNITS[per_step]):
            raise ValueError(
                f'targets="{asked}", but the network that is to go on learning was fitted to {saw}: set it back, or '
                "start anew with fit and warm_start=False."
            )
        return per_step, f"{seen} {saw}"


def refuse_no_target(y, owner):
    """Refuse a fit without a target; owner: name of the estimator."""
    if y is None:
        raise ValueError(f"{owner} requires y to be passed, but the target y is None.")


def one_target_for_each(per_step):
    """What has targets, in words."""
    return f"one target for each {UNITS[per_step]}"


def rows_of_steps(y, reason, offsets):
    """Targets of all steps, one below the other; `reason`: what says that they are, if it is not y itself."""
    values, found = ragged_values(given_steps(y, reason))
    check_same_lengths(found, offsets, "y", "X")
    return values


def given_steps(y, reason):
    """A y that must have targets of steps, a matrix as an array; refuses one target for each sequence."""
    if rows_in(y, "y") is not None:
        return y
    if len(getattr(y, "shape", ())) < 2:
        raise ValueError(f"y has one target for each sequence, but {reason}.")
    return np.asarray(y)


def rows_of_sequences(y, reason=""):
    """One target, or row of targets, for each sequence; `reason`: what says that these are no steps."""
    y = items_of(y, "y")
    if isinstance(y, np.ndarray) and y.dtype.kind != "O":
        return complete(y, "y")
    rows = rows_in(y, "y")
    if rows is None:
        return complete(y, "y")
    lengths = row_lengths(rows, "y")
    differs = lengths != lengths[0]
    if differs.any():
        i = int(differs.argmax())
        raise ValueError(
            f"y has a target for each step, but {reason}: the rows have {lengths[0]} targets for sequence 0 and "
            f"{lengths[i]} for sequence {i}."
        )
    return complete(stacked(rows, "y"), "y")


def row_weights(sample_weight, offsets, per_step):
    """Weight of each target, and of each sequence: where steps have weights, the mean of those above 0."""
    lengths, sample_weight = np.diff(offsets), items_of(sample_weight, "sample_weight")
    if sample_weight is None:
        return np.ones(lengths.sum() if per_step else len(lengths)), np.ones(len(lengths))
    if is_ragged(sample_weight):
        if not per_step:
            raise ValueError("sample_weight has a weight for each step, but there is one target for each sequence.")
        weight = step_weights(sample_weight, offsets).astype(np.float64)
        _check_step_weights(weight, offsets)
        check_sum(weight)
        counts = np.add.reduceat(weight > 0, offsets[:-1], dtype=np.int64)
        return weight, np.add.reduceat(weight, offsets[:-1]) / np.maximum(counts, 1)
    if not isinstance(sample_weight, Number):
        sample_weight = _sequence_weights(sample_weight)
    weight = _check_sample_weight(sample_weight, lengths, dtype=np.float64, ensure_non_negative=True)
    check_sum(weight, lengths)
    return np.repeat(weight, lengths) if per_step else weight, weight


def _sequence_weights(sample_weight):
    """Weights of sequences as numbers of at least 0; errors name the sequence."""
    weight = as_numbers(complete(sample_weight, "sample_weight"), "sample_weight")
    if (weight < 0).any():
        i = int((weight < 0).argmax())
        raise ValueError(f"Negative values in sample_weight: sequence {i} has {weight[i]}.")
    return weight


def check_sum(weight, count=1):
    """Refuse weights, each of which counts so many times, whose sum is not a number."""
    with np.errstate(over="ignore"):
        if not np.isfinite((weight * count).sum()):
            raise ValueError("The weights of the sequences are too large, their sum overflows: scale them down.")


def _check_step_weights(weight, offsets):
    if not weight.any():
        raise ValueError("sample_weight: the weights of all steps are zero.")
    if (weight < 0).any():
        row = int((weight < 0).argmax())
        i, step = place(offsets, row)
        raise ValueError(f"sample_weight must not be negative: sequence {i}, step {step} has {weight[row]}.")


def complete(given, name, row="sequence"):
    """One row for each sequence as an array, in the narrowest type; refuses what is missing, infinite or of two kinds.

    `name` and `row` are what errors call the argument and an entry of it. NumPy would make a class "nan" or "1" of NaN
    or 1 among strings, and no number of integers and None.
    """
    given = items_of(given, name)
    check_container(given, name)
    refuse_masked(given, name)
    if hasattr(given, "toarray"):
        raise TypeError(f"{name} is sparse, which is not supported: pass {name}.toarray().")
    array = _as_array(given, name)
    if array.dtype.kind == "U" and isinstance(given, (list, tuple)):
        check_cells(np.array(given, dtype=object), name, row)
    if array.dtype.kind == "O":
        check_cells(array, name, row)
        narrow = np.array(array.tolist())
        array = narrow if narrow.dtype.kind in "biuf" and narrow.shape == array.shape else array
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}.")
    if array.dtype.kind in "fmM":
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if not finite.all():
            i = int(finite.argmin())
            found = "infinity" if array.dtype.kind == "f" and np.isinf(array[i]).any() else "NaN"
            raise ValueError(f"Input {name} contains {found}: {row} {i}.")
    return array


def _as_array(given, name):
    """An array of one row for each sequence; refuses rows of different lengths."""
    try:
        return np.asarray(given)
    except RuntimeError as error:  # of PyTorch, about gradients
        raise ValueError(f"{name} is not an array: {error}") from error
    except ValueError:  # of NumPy, about inhomogeneous shapes
        sizes = [np.size(row) for row in given]
        i = next(i for i, size in enumerate(sizes) if size != sizes[0])
        raise ValueError(
            f"{name} must have the same number of targets for each sequence, but has {sizes[0]} for sequence 0 and "
            f"{sizes[i]} for sequence {i}."
        ) from None


def check_cells(cells, name, row_name):
    """Refuse missing values, and texts beside others, in an array of objects."""
    texts = np.zeros(len(cells), bool)
    for i, row in enumerate(cells):
        values = np.ravel(row).tolist() if cells.ndim > 1 else [row]
        if any(map(is_missing, values)):
            raise ValueError(f"Input {name} contains NaN, None or NA: {row_name} {i}.")
        texts[i] = any(isinstance(value, str) for value in values)
    if texts.any() and not texts.all():
        i, j = int(texts.argmin()), int(texts.argmax())
        raise ValueError(f"{name} holds {cells[i]!r} for {row_name} {i}, but the text {cells[j]!r} for {row_name} {j}.")


def distinct(labels, name):
    """The classes among labels, in their order, and the number of that of each; refuses what has no order."""
    try:
        return np.unique(labels, return_inverse=True)
    except TypeError as error:
        raise ValueError(f"{name} holds classes of several types, which have no order: {error}.") from None


def given_classes(classes):
    """The distinct classes that an argument `classes` lists; refuses what no y could hold."""
    classes = items_of(classes, "classes")
    check_container(classes, "classes")
    array = complete(classes, "classes", row="entry") if len(classes) else np.empty(0)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"classes must list each class, in one dimension; got an array of shape {array.shape}.")
    if type_of_target(array, input_name="classes") not in ("binary", "multiclass"):
        raise ValueError(f"classes must be labels, not real numbers; got {array[:10].tolist()}.")
    return distinct(array, "classes")[0]


def refuse_other_classes(classes, request):
    """Refuse a request that lists other classes than those of the calls before."""
    known = classes.tolist()
    given = None if request.classes is None else given_classes(request.classes).tolist()
    if given not in (None, known):
        raise ValueError(
            f"classes={given} are not those of the calls before, {known}: leave them out, or start anew with a clone."
        )


def are_classes(value):
    """Whether a value is an array (n,) of distinct labels in their order, as an attribute in a file must be."""
    return isinstance(value, np.ndarray) and value.ndim == 1 and np.array_equal(np.unique(value), value)


def codes_of(labels, classes):
    """Number of the class of each label; refuses labels that are none of them."""
    are_times = labels.dtype.kind in "mM", classes.dtype.kind in "mM"  # NumPy compares 1 with a day
    try:
        codes = np.searchsorted(classes, labels).clip(0, len(classes) - 1)
        known = np.broadcast_to(classes[codes] == labels, labels.shape) & (are_times[0] == are_times[1])
    except TypeError:  # of types that cannot be compared
        known = np.zeros(labels.shape, bool)
    if not known.all():
        unknown = distinct(labels[~known], "y")[0].tolist()
        raise ValueError(f"y holds classes that fit has not seen: {unknown[:10]}; known are {classes.tolist()}.")
    return codes


def kind_of(rows):
    """What targets hold: of two kinds in one array NumPy would make one kind."""
    if rows.dtype.kind in "mM":
        return {"m": "durations", "M": "times"}[rows.dtype.kind]
    return "texts" if isinstance(rows.flat[0], str) else "numbers"


def as_numbers(array, name):
    """An array as float64; refuses times, and texts that are no numbers."""
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} must hold real numbers, got dtype {array.dtype}.")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name} must hold real numbers: {error}") from None
