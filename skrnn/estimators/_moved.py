"""Sequences moved down by one step, so that a network reads at each step what stood at the step before."""

import numpy as np

from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from ..sequences._steps import is_text
from ..sequences._vocabulary import NOTHING


class Moved(SequenceArray):
    """Sequences of one step more than those that were given, the first of which is blank; perhaps cut into streams.

    A row of `values` is what is read, and the row behind it what is to come; behind the last one of a given sequence
    nothing comes but its end. Streams are parts of a given sequence, cut after it was moved: the first row of a later
    one is the true step before.

    Attributes
    ----------
    source : ndarray of shape (n_streams,)
        The number of the given sequence that each is a part of.
    last_rows : ndarray of shape (n_given,)
        The last row of each given sequence.
    """

    source = last_rows = None

    @classmethod
    def of(cls, sequences, longest=None):
        """Move `sequences`, and cut them into streams of at most `longest` rows; None: of any length."""
        n, given = len(sequences), sequences.offsets
        offsets = given + np.arange(n + 1)
        values = np.empty((offsets[-1], sequences.n_channels), _dtype_with_blank(sequences.values.dtype))
        is_step = np.ones(len(values), bool)
        is_step[offsets[:-1]] = False
        values[is_step] = sequences.values
        values[offsets[:-1]] = NOTHING if is_text(values) else np.nan
        lengths, source = np.diff(offsets), np.arange(n)
        if longest is not None:
            lengths, source = _cut(lengths, longest)
        moved = cls(values, offsets_of(lengths))
        moved.source, moved.last_rows = source, offsets[1:] - 1
        return moved

    def steps_to_come(self):
        """For each row of `values` the one behind it, (n_rows, n_channels); the last rows stay what they are."""
        rows = np.arange(1, len(self.values) + 1)
        rows[self.last_rows] -= 1
        return self.values[rows]


def _dtype_with_blank(dtype):
    """The dtype of steps, with room for what stands in front of the first."""
    return np.result_type(dtype, np.array(NOTHING).dtype) if dtype.kind == "U" else dtype


def _cut(lengths, longest):
    """Lengths of parts, about equal for each sequence, and which sequence each is a part of."""
    n_parts = -(-lengths // longest)
    source = np.repeat(np.arange(len(lengths)), n_parts)
    number = np.arange(len(source)) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    lengths, n_parts = lengths[source], n_parts[source]
    return (number + 1) * lengths // n_parts - number * lengths // n_parts, source
