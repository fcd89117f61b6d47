"""Targets that stand in the input one step later, where a network that reads ahead finds them."""

import numpy as np

from .._core.warn import warn_user
from ..sequences import SequenceArray
from ..sequences._chunks import Scan

PROBE = 64  # steps that are compared before all are: on nearly all data these settle it


def warn_if_answer_is_read(structure, sequences, targets):
    """Warn if targets of steps are a channel of the next step, and the network that is to predict them reads it."""
    conv = structure.convolution
    if not structure.bidirectional and (conv is None or conv.width == 1):
        return
    values, offsets = sequences.values, sequences.offsets
    targets = np.asarray(targets[: len(values)]).reshape(len(values), -1)
    if (targets.dtype.kind == "U") != (values.dtype.kind == "U") or targets.dtype.kind not in "biufU":
        return
    probe = SequenceArray(values[:PROBE], np.unique(offsets.clip(0, min(PROBE, len(values)))))
    if sequences.lengths[0] > 1 and not any(_is_next(probe, targets[:PROBE])):
        return
    channels = np.flatnonzero(_is_next(sequences, targets))
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


def _is_next(sequences, targets):
    """For each channel whether a target is its value at the next step, as far as there is one, but not at the same.

    A target that never changes there is read from no channel.
    """
    equal, differs, varies, firsts = zip(*Scan(sequences, targets).map(_compared, n_before=1), strict=True)
    firsts = np.concatenate(firsts)
    varies = np.any(varies, axis=0) | (firsts != firsts[:1]).any(axis=0)
    return (np.all(equal, axis=0) & np.any(differs, axis=0) & varies).any(axis=1)


def _compared(chunk, targets):
    """Of a piece with the last step of the piece before: what `_is_next` asks for each channel and target (C, K).

    Also whether each target varies where there is a next step, and the first one there (1, K), if there is any.
    """
    values = chunk.values
    if values.dtype.kind == targets.dtype.kind == "f":  # of one source, but perhaps not of one precision
        narrow = min(values.dtype, targets.dtype, key=lambda dtype: dtype.itemsize)
        with np.errstate(over="ignore"):
            values, targets = values.astype(narrow, copy=False), targets.astype(narrow, copy=False)
    has = np.ones(len(values) - 1, bool)
    has[chunk.offsets[1:-1] - 1] = False
    left, here, after = targets[:-1][has], values[:-1][has].T, values[1:][has].T
    equal = np.transpose([(of_one == after).all(axis=1) for of_one in left.T])
    differs = np.transpose([(of_one != here).any(axis=1) for of_one in left.T])
    return equal, differs, (left != left[:1]).any(axis=0), left[:1]
