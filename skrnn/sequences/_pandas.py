"""The pandas dtype ``"sequence"``: columns of sequences, packed."""

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray, ExtensionDtype, register_extension_dtype
from pandas.api.indexers import check_array_indexer

from . import _arrow
from ._array import SequenceArray
from ._names import str_names
from ._steps import Sequence, column_names, is_missing, is_sequence, sequence_steps


@register_extension_dtype
class SequenceDtype(ExtensionDtype):
    """The dtype ``"sequence"`` of pandas columns.

    The name is available in pandas after ``import skrnn``.

    Examples
    --------
    >>> import pandas as pd
    >>> import skrnn
    >>> pd.Series([[1.0, 2.0], None, [3.0]], dtype="sequence")
    0    Sequence(2 steps, 1 channel)
    1                            None
    2     Sequence(1 step, 1 channel)
    dtype: sequence
    """

    name = "sequence"
    type = Sequence
    kind = "O"
    # Not NaN or NA: scikit-learn looks for missing cells with ``X != X``, which must be a plain bool.
    na_value = None

    @classmethod
    def construct_array_type(cls):
        """Return the array type of this dtype.

        Returns
        -------
        type
            `SequenceExtensionArray`.
        """
        return SequenceExtensionArray

    def __repr__(self):
        return "SequenceDtype()"

    def __from_arrow__(self, array):
        return SequenceExtensionArray(SequenceArray(*_arrow.from_arrow(array, allow_missing=True)))


class SequenceExtensionArray(ExtensionArray):
    """A pandas column of sequences: a `SequenceArray` with the interface of a pandas extension array.

    A cell is a `Sequence`, or None if it is missing; a sequence without steps is missing. All cells have the same
    channels, and contain either numbers or tokens. Sequences have no order, so sorting by such a column raises an
    error.

    Parameters
    ----------
    sequences : SequenceArray
        The sequences. They are not copied.

    Attributes
    ----------
    sequences : SequenceArray
        The sequences. Those without steps are missing cells.

    Examples
    --------
    >>> from skrnn.sequences import SequenceArray, SequenceExtensionArray
    >>> array = SequenceExtensionArray(SequenceArray.from_list([[1.0, 2.0], [3.0]]))
    >>> array[1]
    Sequence(1 step, 1 channel)
    >>> array.take([1, -1], allow_fill=True)
    <SequenceExtensionArray>
    [Sequence(1 step, 1 channel), None]
    Length: 2, dtype: sequence
    """

    __hash__ = None

    def __init__(self, sequences):
        if not isinstance(sequences, SequenceArray):
            raise TypeError(f"sequences must be a SequenceArray, got {type(sequences).__name__}.")
        self.sequences = sequences

    @classmethod
    def _from_sequence(cls, scalars, *, dtype=None, copy=False):
        if isinstance(scalars, SequenceExtensionArray):
            scalars = scalars.sequences
        if isinstance(scalars, SequenceArray):
            return cls(scalars.copy() if copy else scalars)
        return cls(_pack(list(scalars)))

    @classmethod
    def _from_factorized(cls, values, original):
        return cls._from_sequence(values)

    @classmethod
    def _concat_same_type(cls, to_concat):
        return cls(_concatenate([array.sequences for array in to_concat]))

    @property
    def dtype(self):
        """The dtype, `SequenceDtype`."""
        return SequenceDtype()

    @property
    def nbytes(self):
        """Memory of the steps and offsets in bytes."""
        return self.sequences.values.nbytes + self.sequences.offsets.nbytes

    def __len__(self):
        return len(self.sequences)

    def __getitem__(self, item):
        item = check_array_indexer(self, item)
        if isinstance(item, tuple):
            item = next((part for part in item if part is not Ellipsis), slice(None))
        if isinstance(item, (int, np.integer)) and not -len(self) <= item < len(self):
            raise IndexError(f"index {item} is out of bounds for axis 0 with size {len(self)}")
        found = self.sequences[item]
        if not isinstance(found, SequenceArray):
            return Sequence(found, self.sequences.channel_names) if len(found) else None
        part = type(self)(found)
        if isinstance(item, slice):
            part._readonly = getattr(self, "_readonly", False)
        return part

    def __setitem__(self, key, value):
        if getattr(self, "_readonly", False):
            raise ValueError("Cannot modify read-only array")
        rows = np.arange(len(self))[check_array_indexer(self, key)]
        scalar = isinstance(value, Sequence) or is_missing(value) or np.ndim(rows) == 0
        new = _pack([value]) if scalar else self._from_sequence(value).sequences
        source = np.arange(len(self))
        source[rows] = len(self) + (0 if scalar else np.arange(len(new)))
        # Lengths change, so that the steps have to be packed anew.
        self.sequences = _concatenate([self.sequences, new])[source]

    def __contains__(self, item):
        return bool(self.isna().any()) if item is None else bool((self == item).any())

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("a SequenceExtensionArray cannot become an array without a copy.")
        cells = np.empty(len(self), dtype=object)
        cells[:] = list(self)
        return cells if dtype is None else cells.astype(dtype, copy=False)

    def __arrow_array__(self, type=None):
        sequences = self.sequences
        array = _arrow.to_arrow(sequences.values, sequences.offsets, sequences.channel_names, self.isna())
        return array if type is None else array.cast(type)

    def __eq__(self, other):
        if isinstance(other, (pd.Series, pd.Index, pd.DataFrame)):
            return NotImplemented
        others = [other] * len(self) if isinstance(other, Sequence) or not is_sequence(other) else list(other)
        if len(others) != len(self):
            raise ValueError(f"Lengths must match to compare: {len(self)} and {len(others)}.")
        return np.array([a is not None and a == b for a, b in zip(self, others, strict=True)], dtype=bool)

    def __ne__(self, other):
        equal = self.__eq__(other)
        return equal if equal is NotImplemented else ~equal

    def isna(self):
        """Return which cells are missing.

        Returns
        -------
        ndarray of bool of shape (n_sequences,)
            Whether the sequence has no steps.
        """
        return self.sequences.lengths == 0

    def copy(self):
        """Copy the array.

        Returns
        -------
        SequenceExtensionArray
            A copy of the cells.
        """
        return type(self)(self.sequences.copy())

    def take(self, indices, *, allow_fill=False, fill_value=None):
        """Take cells by position.

        Parameters
        ----------
        indices : array-like of int
            Positions.

        allow_fill : bool, default=False
            Whether -1 is replaced by `fill_value`; otherwise negative positions count from the end.

        fill_value : Sequence, default=None
            The cell that replaces -1. If None, a missing cell.

        Returns
        -------
        SequenceExtensionArray
            The cells.
        """
        indices = np.asarray(indices, dtype=np.intp)
        if not allow_fill:
            if len(self) == 0 and len(indices):
                raise IndexError("cannot do a non-empty take from an empty axes.")
            return type(self)(self.sequences[indices])
        if (indices < -1).any():
            raise ValueError("with allow_fill, positions are not below -1.")
        if (indices >= len(self)).any():
            raise IndexError("out of bounds value in 'indices'.")
        # The cell to fill in stands last, where -1 finds it.
        return type(self)(_concatenate([self.sequences, _pack([fill_value])])[indices])


def _pack(cells):
    """Pack cells, some perhaps missing."""
    present = [not is_missing(cell) for cell in cells]
    if not any(present):
        return SequenceArray(np.zeros((0, 1)), np.zeros(len(cells) + 1, dtype=np.int64))
    first = present.index(True)
    nothing = sequence_steps(cells[first], f"sequence {first}")[:0]
    names = str_names(column_names(cells[first]) or ())
    if names:
        nothing = Sequence(nothing, names)
    return SequenceArray.from_list([cell if found else nothing for cell, found in zip(cells, present, strict=True)])


def _concatenate(parts):
    """Like `SequenceArray.concatenate`; parts in which everything is missing fit to all others."""
    like = next((part for part in parts if len(part.values)), parts[0])
    parts = [part if len(part.values) else like._with(like.values[:0], part.offsets) for part in parts]
    return SequenceArray.concatenate(parts)
