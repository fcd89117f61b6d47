"""Sequences in the form that the network reads, with their targets and weights."""

import copy

import numpy as np

from .._core.cached import cached_property
from ..kernels.augmentation import augment
from ..sequences import SequenceArray
from ..sequences._layout import offsets_of
from .shards import ThreadExecutor

MAX_BYTES = 2**30  # of encoded sequences, buffers and gradients, where nothing else is said
SHARES = 4  # into how many parts that is cut: one may be taken by encoded sequences, one by the buffers of a shard


class Data:
    """Sequences in the form that the network reads, with their targets and weights.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
        Steps of all sequences, in the dtype of the network.
    offsets : ndarray of shape (n_sequences + 1,)
        Where each sequence starts in `values`.
    target : ndarray of shape (n_rows, n_targets), default=None
        A row for each sequence, or for each step.
    weight : ndarray of shape (n_rows,), default=None
        Weights of these rows; None: 1.
    target_offsets : ndarray of shape (n_sequences + 1,), default=None
        Where the rows of each sequence begin, if sequences have rows of their own number.

    Attributes
    ----------
    weight : ndarray of shape (n_sequences,)
        Weights of the sequences: of one whose steps have targets, the sum of theirs.
    row_weight : ndarray of shape (n_rows,)
    step_bytes : int
        What encoding takes while it reads, for each step of a shard.
    largest : float
        Largest absolute value among the numbers that the network reads.
    outputs : Data or None
        What a decoder reads, a sequence of its own for each sequence.
    """

    step_bytes, outputs = 0, None

    @staticmethod
    def executor(n_threads):
        """What runs shards, as an `Executor` for a ``with`` statement: threads of this process."""
        return ThreadExecutor(n_threads)

    def __init__(self, values, offsets, target=None, weight=None, target_offsets=None):
        self._set(values, offsets, values.dtype)
        self.set_target(target, weight, target_offsets)

    def _set(self, values, offsets, dtype):
        self.values, self.offsets, self.begins = values, offsets, offsets[:-1]
        self.lengths = offsets[1:] - self.begins  # in a third of the time of np.diff
        self.dtype = np.dtype(dtype)

    @staticmethod
    def of(sequences, encoder, dtype, target=None, weight=None, max_bytes=MAX_BYTES, target_offsets=None):
        """Sequences as `encoder` encodes them: all at once, or if that would take too much memory when they are read.

        Parameters
        ----------
        sequences : SequenceArray or sequence of SequenceArray
            Several stand one after the other, without being copied together.
        encoder : InputEncoder
        dtype : dtype
            Of the network.
        target, weight : ndarray, default=None
            See `Data`.
        max_bytes : int, default=2**30
            Memory for all of a training or prediction, of which the encoded sequences may take a quarter.
        target_offsets : ndarray, default=None
            See `Data`.

        Returns
        -------
        Data
        """
        parts = [sequences] if isinstance(sequences, SequenceArray) else list(sequences)
        offsets = parts[0].offsets if len(parts) == 1 else offsets_of(np.concatenate([part.lengths for part in parts]))
        dtype = np.dtype(dtype)
        if parts[0]._far is not None:
            return parts[0]._far(parts, offsets, encoder, dtype, target, weight, max_bytes, target_offsets)
        if SHARES * int(offsets[-1]) * encoder.n_columns * dtype.itemsize > max_bytes:
            return StreamedData(parts, offsets, encoder, dtype, target, weight, target_offsets)
        encoded = [encoder.encode(part, dtype) for part in parts]
        values = encoded[0] if len(parts) == 1 else np.concatenate(encoded)
        return Data(values, offsets, target, weight, target_offsets)

    def keep_at_hand(self, indices):
        """Know that the sequences `indices` are read again and again."""

    @property
    def bytes_to_vary(self):
        """What the copy takes that `to_vary` makes."""
        return self.values.nbytes

    def to_vary(self):
        """A copy whose sequences `vary` changes; all else is shared."""
        copied = copy.copy(self)
        copied.values = self.values.copy()
        return copied

    def vary(self, copied, rows, augmenter, seed, epoch):
        """Set the sequences `rows` of a copy to those that an `Augmenter` draws for an epoch."""
        drawn = augmenter.drawn(rows, seed, epoch)
        augment(self.values, self.begins, self.lengths, rows, *drawn, copied.values)

    @cached_property
    def largest(self):
        return float(max(self.values.max(), -self.values.min()))

    def set_target(self, target, weight=None, offsets=None):
        """Give the sequences or their steps targets, or None, and weights."""
        self.target = self.row_weight = self.weight = self.target_offsets = None
        if target is None:
            return
        self.target = np.ascontiguousarray(target, self.dtype)
        self.row_weight = self.weight = np.ones(len(target)) if weight is None else weight
        if offsets is None and len(target) > len(self.lengths):
            offsets = self.offsets
        if offsets is not None:
            self.target_offsets = offsets
            self.weight = np.add.reduceat(self.row_weight, offsets[:-1])

    @property
    def n_out_steps(self):
        """Steps of the longest sequence that a decoder reads; 0 if there is none."""
        return 0 if self.outputs is None else int(self.outputs.lengths.max())

    def read(self, stretch):
        """Values, and where in them each part of a sequence begins that is in `stretch`."""
        return self.values, stretch.begins

    def target_rows(self, indices):
        """Rows of the targets of the sequences `indices`, in their order."""
        if self.target_offsets is None:
            return indices
        begins = self.target_offsets[indices]
        return _ranges(begins, self.target_offsets[indices + 1] - begins)

    def weight_of_steps(self, stretch):
        """Weight of all steps of a `stretch`."""
        return self.row_weight[_ranges(stretch.begins, stretch.lengths)].sum()

    def mean_targets(self, indices):
        """Mean number of targets that have a weight in the sequences `indices`, which have one each or more.

        A sequence counts by the mean weight of its targets, so that weights are copies here too.
        """
        if self.target_offsets is None:
            return 1.0
        counts = np.add.reduceat(self.row_weight > 0, self.target_offsets[:-1], dtype=np.int64)[indices]
        return self.weight[indices].sum() / (self.weight[indices] / counts).sum()

    def by_length(self, indices):
        """The sequences `indices`, longest first."""
        return indices[np.argsort(-self.lengths[indices], kind="stable")]

    def longest(self, indices):
        """Steps of the longest of the sequences `indices` that have a weight."""
        return self.lengths[indices[self.weight[indices] > 0]].max()


def _ranges(begins, lengths):
    """The numbers ``begins[n] .. begins[n] + lengths[n] - 1``, one range after the other."""
    ends = np.cumsum(lengths)
    return np.arange(lengths.sum()) + np.repeat(begins - ends + lengths, lengths)


class StreamedData(Data):
    """Sequences that are encoded each time when they are read; what comes out is the same as of `Data`.

    Parameters
    ----------
    parts : list of SequenceArray
        The sequences; on disk perhaps, as memory-mapped values, of which no copy is made.
    offsets : ndarray
        Where each of all sequences starts.
    encoder : InputEncoder
    dtype : dtype
    target, weight : ndarray
        See `Data`.

    Raises
    ------
    ValueError
        If a sequence cannot be encoded. They are looked at once, so that no error comes later.
    """

    def __init__(self, parts, offsets, encoder, dtype, target, weight, target_offsets=None):
        self._parts, self._encoder, self._firsts = parts, encoder, np.cumsum([0, *map(len, parts)])
        self.largest = max(encoder.check(part, dtype) for part in parts)
        self._set(None, offsets, dtype)
        self.set_target(target, weight, target_offsets)
        # The rows that were gathered, those encoded in float64 with indicators and times, and the result.
        given = max(part.values.itemsize * part.n_channels for part in parts)
        self.step_bytes = 2 * given + encoder.n_columns * (self.dtype.itemsize + (0 if encoder.sees_one_step else 40))

    @property
    def bytes_to_vary(self):
        """What a copy would take, for which there is no memory."""
        return int(self.offsets[-1]) * self._encoder.n_columns * self.dtype.itemsize

    def read(self, stretch):
        """Encode the steps of a `stretch`; returns them, and where each sequence begins."""
        n_parts, gathered, before = len(self._parts), [], np.zeros(len(stretch.sequences), np.int64)
        which = np.searchsorted(self._firsts, stretch.sequences, side="right") - 1 if n_parts > 1 else before
        for n, (number, k) in enumerate(zip(stretch.sequences, which, strict=True)):
            part, first = self._parts[k], int(stretch.first_steps[n])
            begin = int(part.offsets[number - self._firsts[k]]) + first
            before[n] = self._encoder.n_steps_before(part.values, begin, first)
            gathered.append(part.values[begin - before[n] : begin + int(stretch.lengths[n])])
        offsets = offsets_of(before + stretch.lengths)
        encoded = self._encoder.encode(SequenceArray(np.concatenate(gathered), offsets), self.dtype)
        return encoded, offsets[:-1] + before
