"""Arithmetic of packed sequences: offsets, lengths, and the selection of sequences."""

import numpy as np

from ._steps import count, refuse_masked


def offsets_of(lengths):
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def place(offsets, row, origin=(0, 0)):
    """Return the sequence that a row of the values belongs to, and its step there.

    origin: those of the first row.
    """
    i = int(np.searchsorted(offsets, row, side="right")) - 1
    first, step = origin
    return first + i, int(row - offsets[i]) + (step if i == 0 else 0)


def checked_offsets(offsets, n_steps_total):
    refuse_masked(offsets, "offsets")
    offsets = np.asarray(offsets)
    if offsets.ndim != 1 or offsets.dtype.kind not in "iu" or len(offsets) == 0:
        found = f"shape {offsets.shape} and dtype {offsets.dtype}"
        raise ValueError(f"offsets must be a 1-D array of at least one integer, got {found}.")
    if offsets[0] != 0 or offsets[-1] != n_steps_total:
        raise ValueError(
            f"offsets must run from 0 to {n_steps_total}, the number of steps in values; "
            f"they run from {offsets[0]} to {offsets[-1]}."
        )
    decreasing = offsets[1:] < offsets[:-1]
    if decreasing.any():
        i = int(decreasing.argmax())
        raise ValueError(f"offsets must not decrease, got {offsets[i : i + 2]} for sequence {i}.")
    return np.asarray(offsets, dtype=np.int64)


def checked_lengths(lengths, X):
    refuse_masked(lengths, "lengths")
    lengths = np.asarray(lengths)
    n, n_steps = X.shape[:2]
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        found = f"shape {lengths.shape} and dtype {lengths.dtype}"
        raise ValueError(f"lengths must be {count(n, 'integer')}, got {found}.")
    wrong = (lengths < 0) | (lengths > n_steps)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"lengths[{i}] is {lengths[i]}, which is not between 0 and {n_steps}.")
    return lengths.astype(np.int64)


def valid_lengths(X):
    """Count the steps of each sequence before its trailing all-NaN ones."""
    lengths = np.full(len(X), X.shape[1])
    if X.size == 0:
        return lengths
    padded = np.flatnonzero(np.isnan(X[:, -1]).all(axis=1))
    trailing = np.logical_and.accumulate(np.isnan(X[padded, ::-1]).all(axis=2), axis=1)
    lengths[padded] -= trailing.sum(axis=1)
    return lengths


def row_key(key):
    """Return the part of an index that selects sequences; the other can only select the column."""
    keys = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(keys) - len(dots) > 2 or len(dots) > 1:
        raise IndexError("too many indices: a SequenceArray has 2 dimensions.")
    if dots:
        keys[dots[0] : dots[0] + 1] = [slice(None)] * (3 - len(keys))
    rows, columns = (keys + [slice(None)] * 2)[:2]
    if np.size(np.arange(1)[columns]) != 1:
        raise IndexError("a SequenceArray has a single column, which cannot be left out.")
    return rows


def gather(values, offsets, index):
    """Return the values and offsets of the sequences `index`: one take, no loop over sequences."""
    lengths = np.diff(offsets)
    # Rows are moved in blocks of the greatest common length: sequences of one length, the
    # common case, are copied whole and at the speed of memory.
    block = (int(np.gcd.reduce(lengths)) or 1) if values.flags.c_contiguous else 1
    n_blocks = lengths[index] // block
    new_offsets = offsets_of(n_blocks)
    source = np.repeat(offsets[index] // block - new_offsets[:-1], n_blocks)
    source += np.arange(len(source))
    n_channels = values.shape[1]
    taken = values.reshape(len(values) // block, block * n_channels).take(source, axis=0)
    return taken.reshape(len(source) * block, n_channels), new_offsets * block
