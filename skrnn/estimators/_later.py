"""Which steps are held out because they come later, and the pieces of the others that a network is trained on."""

import numpy as np

from ..sequences import SequenceArray
from ..sequences._layout import offsets_of

ENOUGH_SEQUENCES = 20  # that the last of them are held out, whole; of fewer the last steps
FEWEST_STEPS = 8  # of a sequence that is to be divided
PIECES, SHORTEST, LONGEST = 32, 32, 256  # how many pieces there should be, and steps that each has


def later_steps(sequences, fraction):
    """Which steps are later ones, (n_steps,) bool, and whether they are those of whole sequences."""
    lengths, n = sequences.lengths, len(sequences)
    if n >= ENOUGH_SEQUENCES:
        first = n - max(1, int(fraction * n))
        return np.arange(len(sequences.values)) >= sequences.offsets[first], True
    short = lengths < FEWEST_STEPS
    if short.all():
        i = int(lengths.argmax())
        raise ValueError(
            f"X has too few steps: the last of them are held out, so of {n} sequences (fewer than {ENOUGH_SEQUENCES}) "
            f"one needs {FEWEST_STEPS} at least, but sequence {i}, the longest, has {lengths[i]} (a table: one row is "
            "a sequence, n_samples is their number and n_features their length; for a single stream of shape "
            "(n_steps, n_channels) pass [X])."
        )
    n_trained = np.where(short, lengths, lengths - np.maximum(1, (fraction * lengths).astype(np.intp)))
    step = np.arange(len(sequences.values)) - np.repeat(sequences.offsets[:-1], lengths)
    return step >= np.repeat(n_trained, lengths), False


def pieces(sequences, is_later):
    """Rows of the steps that are not later, and where each of the pieces begins into which they are cut."""
    lengths = np.add.reduceat(~is_later, sequences.offsets[:-1], dtype=np.intp)
    lengths = lengths[lengths > 0]
    longest = int(np.clip(lengths.sum() // PIECES, SHORTEST, LONGEST))
    n_parts = -(-lengths // longest)
    number = np.arange(n_parts.sum()) - np.repeat(np.cumsum(n_parts) - n_parts, n_parts)
    of, n_parts = np.repeat(lengths, n_parts), np.repeat(n_parts, n_parts)
    cut = (number + 1) * of // n_parts - number * of // n_parts
    return np.flatnonzero(~is_later), offsets_of(cut)


def cut(sequences, rows, offsets):
    """The pieces as sequences."""
    return SequenceArray(sequences.values[rows], offsets, sequences.channel_names)
