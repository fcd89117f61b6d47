"""Packed sequences piece by piece, for what must not copy all of them at a time, or must not have them here at all."""

from typing import NamedTuple

import numpy as np

from ._layout import place

CHUNK_BYTES = 2**23


class Piece(NamedTuple):
    """Some rows of packed sequences, without their values.

    begin, end : the rows; offsets : of their sequences, from `begin` on; origin : sequence and step of the first row;
    n_again : how many of the first rows the piece before has, too; weight : of the sequences or of the rows, or None;
    container : class of the sequences.
    """

    begin: int
    end: int
    offsets: np.ndarray
    origin: tuple
    n_again: int
    weight: np.ndarray | None
    container: type

    def chunk(self, values):
        """The sequences whose values these are, knowing of which sequence and step the first row is."""
        chunk = self.container(values, self.offsets)
        chunk._origin, chunk._n_again = self.origin, self.n_again
        return chunk

    def apply(self, function, values):
        """What the function says of the chunk with these values, and of the weights of its rows if there are any."""
        given = [] if self.weight is None else [_of_rows(self.weight, self.offsets)]
        return function(self.chunk(values), *given)


class Scan(NamedTuple):
    """A look at all sequences, once: a function is called for each piece.

    sequences : SequenceArray; weight : array with a row for each sequence or step, weights mostly; or None.
    """

    sequences: object
    weight: np.ndarray | None = None

    def map(self, function, *, whole=False, n_before=0):
        """Yield the results of ``function(chunk)``, or ``function(chunk, weight_of_rows)``, in the order of the pieces.

        Pieces do not depend on where values are. Where other processes keep them, these call the function, side by
        side, so it must be one that can be pickled.

        whole : whether a sequence must not be spread over several pieces; then a piece has at least one, however long.
        n_before : how many rows a piece has again that stand before it in its first sequence, as far as there are any.
        """
        sequences, weight = self
        if _is_one_piece(sequences):
            yield function(sequences, *([] if weight is None else [_of_rows(weight, sequences.offsets)]))
            return
        pieces = _pieces(sequences, weight, whole, n_before)
        if sequences._far is not None:
            yield from sequences.values.map(function, pieces)
            return
        for piece in pieces:
            yield piece.apply(function, sequences.values[piece.begin : piece.end])


def itself(chunk):
    """The chunk, for what needs the sequences here; a view, unless other processes keep their values."""
    return chunk


def _is_one_piece(sequences):
    return len(sequences.values) <= _n_rows(sequences.values) and sequences._far is None


def _n_rows(values):
    """Rows of a piece."""
    return max(1, CHUNK_BYTES // max(1, values.shape[1] * values.itemsize))


def _pieces(sequences, weight, whole, n_before):
    """The `Piece` of each chunk."""
    offsets, n_rows, end = sequences.offsets, _n_rows(sequences.values), 0
    of_rows = weight is not None and len(weight) == offsets[-1]
    while end < offsets[-1]:
        i = int(np.searchsorted(offsets, end, side="right")) - 1
        begin, again = max(end - n_before, int(offsets[i])), end
        end = min(end + n_rows, int(offsets[-1]))
        if whole:
            last = int(np.searchsorted(offsets, end, side="right")) - 1
            end = int(offsets[max(last, i + 1)])
        j = int(np.searchsorted(offsets, end))
        part = None if weight is None else weight[begin:end] if of_rows else weight[i:j]
        of_piece = offsets[i : j + 1].clip(begin, end) - begin
        origin = place(offsets, begin, sequences._origin)
        yield Piece(begin, end, of_piece, origin, again - begin, part, type(sequences))


def _of_rows(weight, offsets):
    """Weight of each row, by those of rows or of sequences."""
    return weight if len(weight) == offsets[-1] else np.repeat(weight, np.diff(offsets))
