"""Packed sequences piece by piece, in views, for what must not copy all of them at a time."""

import numpy as np

from ._layout import place

CHUNK_BYTES = 2**23


def chunks(sequences, *, whole):
    """Yield the sequences as views of a few megabytes each, each knowing of which sequence and step its first row is.

    whole : whether a sequence must not be spread over several; then a view has at least one sequence, however long.
    """
    values, offsets = sequences.values, sequences.offsets
    n_rows = max(1, CHUNK_BYTES // max(1, values.shape[1] * values.itemsize))
    if len(values) <= n_rows and sequences._far is None:
        yield sequences
        return
    begin = 0
    while begin < len(values):
        i = int(np.searchsorted(offsets, begin, side="right")) - 1
        end = min(begin + n_rows, len(values))
        if whole:
            last = int(np.searchsorted(offsets, end, side="right")) - 1
            end = int(offsets[max(last, i + 1)])
        j = int(np.searchsorted(offsets, end))
        chunk = type(sequences)(values[begin:end], offsets[i : j + 1].clip(begin, end) - begin)
        chunk._origin = place(offsets, begin, sequences._origin)
        yield chunk
        begin = end
