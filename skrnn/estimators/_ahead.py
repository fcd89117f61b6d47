"""Targets that stand in the input one step later, where a network that reads ahead finds them."""

import numpy as np

from .._core.warn import warn_user

PROBE = 64  # steps that are compared before all are: on nearly all data these settle it


def warn_if_answer_is_read(structure, sequences, targets):
    """Warn if targets of steps are a channel of the next step, and the network that is to predict them reads it."""
    conv = structure.convolution
    if not structure.bidirectional and (conv is None or conv.width == 1):
        return
    values = sequences.values
    targets = np.asarray(targets[: len(values)]).reshape(len(values), -1)
    if (targets.dtype.kind == "U") != (values.dtype.kind == "U") or targets.dtype.kind not in "biufU":
        return
    if sequences.lengths[0] > 1 and not any(_is_next(values[:PROBE], targets[:PROBE], sequences.offsets)):
        return
    channels = np.flatnonzero(_is_next(values, targets, sequences.offsets))
    if not len(channels):
        return
    what, instead = "both directions", "bidirectional=False"
    if not structure.bidirectional:
        what, instead = f"a convolution of width {conv.width}", "convolution=None"
    warn_user(
        f"The targets are channel {channels[0]} of X at the next step, which a network with {what} reads: it learns to "
        "copy them, and predicts nothing where the next step is not known yet. "
        f"Set {instead} to predict what comes next."
    )


def _is_next(values, targets, offsets):
    """For each channel whether a target is its value at the next step, as far as there is one, but not at the same.

    A target that never changes there is read from no channel.
    """
    has = np.ones(len(values), bool)
    has[offsets[1 : np.searchsorted(offsets, len(values), side="right")] - 1] = False
    has = has[:-1]
    if values.dtype.kind == targets.dtype.kind == "f":  # of one source, but perhaps not of one precision
        narrow = min(values.dtype, targets.dtype, key=lambda dtype: dtype.itemsize)
        with np.errstate(over="ignore"):
            values, targets = values.astype(narrow, copy=False), targets.astype(narrow, copy=False)
    is_next = np.zeros(values.shape[1], bool)
    for target in targets.T:
        left, here, after = target[:-1][has], values[:-1][has].T, values[1:][has].T
        is_next |= (left == after).all(axis=1) & (left != here).any(axis=1) & (left != left[:1]).any()
    return is_next
