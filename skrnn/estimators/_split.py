"""The sequences to train on, and those to hold out for early stopping."""

import copy
from typing import NamedTuple

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, train_test_split
from sklearn.utils import check_consistent_length

from .._core.output import say
from .tasks._read import complete


class Split(NamedTuple):
    """Numbers of sequences, sorted: those to train on, and those held out; sequences of X_val stand behind X."""

    rows: np.ndarray
    held_out: np.ndarray

    def trains_on(self, n_sequences):
        """Whether each of all sequences is trained on; a splitter may leave some out of both."""
        return np.isin(np.arange(n_sequences), self.rows)


def check_groups(parameters, n_sequences, request):
    """Refuse groups that nothing would look at."""
    if request.groups is None:
        return
    if request.validation is not None:
        raise ValueError("groups say what is held out of X, but X_val is held out in its place: leave out one of them.")
    if parameters.early_stopping is False:
        raise ValueError("groups say what early_stopping holds out: set early_stopping=True, or leave them out.")
    if parameters.validation_split == "last":
        raise ValueError('validation_split="last" may cut through a group: use "random", or a splitter of groups.')
    groups = complete(request.groups, "groups")
    check_consistent_length(np.empty(n_sequences), groups)
    if groups.ndim != 1:
        raise ValueError(f"groups must have one entry for each sequence; got an array of shape {groups.shape}.")


def split_sequences(parameters, task, target, request, seed):
    """The `Split` of the sequences of a target."""
    rows, groups = np.arange(len(target.sequence_weight)), request.groups
    stops = parameters.early_stopping is True or (parameters.early_stopping == "auto" and groups is not None)
    if not stops or request.one_epoch:
        return Split(rows, rows[:0])
    strata = None if target.per_step else task.strata(target)
    try:
        trained, held_out = _split(parameters, rows, strata, groups, seed)
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={parameters.validation_fraction} of {len(rows)} sequences cannot be held out for "
            f"early_stopping: {error}"
        ) from error
    if len(held_out) < 2 or not len(trained):
        raise ValueError(
            f"The validation part has {len(held_out)} sequences and the training part {len(trained)}: change "
            "validation_fraction or validation_split, or set early_stopping=False."
        )
    if parameters.verbose and parameters.early_stopping == "auto":
        say(f"Early stopping is on, since groups are passed: {len(held_out)} of {len(rows)} sequences are held out.")
    return Split(np.sort(trained), np.sort(held_out))


def _split(parameters, rows, strata, groups, seed):
    split, fraction = parameters.validation_split, parameters.validation_fraction
    if split == "last":
        n_held_out = int(np.ceil(fraction * len(rows)))
        return rows[: len(rows) - n_held_out], rows[len(rows) - n_held_out :]
    if split == "random" and groups is None:
        return train_test_split(rows, test_size=fraction, random_state=seed, stratify=strata)
    if split == "random":
        split = GroupShuffleSplit(1, test_size=fraction, random_state=seed)
    elif getattr(split, "random_state", seed) is None:  # what goes on with this fit must hold out the same
        split = copy.copy(split)
        split.random_state = seed
    y = np.zeros(len(rows)) if strata is None else strata
    both = next(iter(split.split(np.zeros((len(rows), 1)), y, groups)), None)
    if both is None:
        raise ValueError(f"validation_split={split!r} gives no part.")
    return both
