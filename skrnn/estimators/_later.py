"""Which steps are held out because they come later, and the pieces of the others that a network is trained on."""

from dataclasses import dataclass

import numpy as np

from ..sequences import SequenceArray

# So many that the last of them are held out, whole; of fewer the last steps of each, if they are not short.
ENOUGH_SEQUENCES = 20
FEWEST_SEQUENCES, FEWEST_STEPS = 4, 10  # to hold out some of them, or the last steps of one
PIECES, SHORTEST, LONGEST = 32, 32, 256  # how many pieces there should be, and steps that each may have


@dataclass(frozen=True)
class Source:
    """Sequences of which some steps are held out, as thresholds come from what was not trained on.

    is_later : ndarray of shape (n_steps,), which steps are held out
    of_sequences : whether these are whole sequences
    """

    sequences: SequenceArray
    is_later: np.ndarray
    of_sequences: bool

    @property
    def n_trained(self):
        """Steps of each sequence that are trained on, which are its first ones."""
        return np.add.reduceat(~self.is_later, self.sequences.offsets[:-1], dtype=np.intp)


def divided(sequences, fraction):
    """The `Source` with this fraction held out: the last sequences, or where there are few, the last steps of each."""
    offsets, lengths, n = sequences.offsets, sequences.lengths, len(sequences)
    rows = np.arange(offsets[-1])
    if n >= ENOUGH_SEQUENCES or (n >= FEWEST_SEQUENCES and lengths.max() < FEWEST_STEPS):
        return Source(sequences, rows >= offsets[n - max(1, int(fraction * n))], True)
    if lengths.max() < FEWEST_STEPS:
        raise ValueError(
            f"X has too little to hold out: it needs {FEWEST_SEQUENCES} sequences, or one of {FEWEST_STEPS} steps. It "
            f"has n_samples={n} sequences, and sequence {lengths.argmax()}, the longest, has {lengths.max()} steps (a "
            "table has a sequence in each row). Pass a single stream of shape (n_steps, n_channels) as [X]."
        )
    n_held_out = np.clip((fraction * lengths).astype(np.intp), 1, lengths - 2)
    first = offsets[1:] - np.where(lengths < FEWEST_STEPS, 0, n_held_out)
    return Source(sequences, rows >= np.repeat(first, lengths), False)


def pieces(lengths):
    """Parts of about equal length, not too long, of sequences of these lengths: start, length, sequence."""
    longest = int(np.clip(lengths.sum() // PIECES, SHORTEST, LONGEST))
    n_parts = -(-lengths // longest)
    source, number = _numbered(n_parts)
    of, n_parts = lengths[source], n_parts[source]
    starts = number * of // n_parts
    return starts, (number + 1) * of // n_parts - starts, source


def windows(lengths, n_steps):
    """Windows that overlap by half, the last at the end; of shorter sequences the whole: start, length, sequence."""
    stride, more = n_steps // 2, np.maximum(lengths - n_steps, 0)
    source, number = _numbered(np.where(lengths > 0, 1 + -(-more // stride), 0))
    return np.minimum(number * stride, more[source]), np.minimum(lengths, n_steps)[source], source


def _numbered(counts):
    """For so many parts of each sequence, its sequence and its number among them."""
    source = np.repeat(np.arange(len(counts)), counts)
    return source, np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)
