"""Sequences cut out of a long array of steps."""

import numpy as np

from ..sequences import SequenceArray
from ..sequences._layout import offsets_of


def cut(values, starts, lengths, channel_names=None):
    """Sequence i is ``values[starts[i]:starts[i] + lengths[i]]``; they may overlap."""
    offsets = offsets_of(lengths)
    rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
    return SequenceArray(values[rows], offsets, channel_names)
