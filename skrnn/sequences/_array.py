"""``SequenceArray``, a packed batch of sequences of unequal length."""

import itertools
import numbers

import numpy as np

from ._containers import items_of
from ._display import html_table
from ._exchange import Exchange
from ._layout import checked_lengths, checked_offsets, gather, offsets_of, row_key, valid_lengths
from ._names import checked_names
from ._steps import (
    CHANNELS_FIRST,
    Sequence,
    check_not_empty,
    common_names,
    count,
    is_text,
    real_array,
    same_values,
    sequence_steps,
    step_array,
)


class SequenceArray(Exchange):
    """Sequences of unequal length, packed into one array of all steps.

    Sequence ``i`` is ``values[offsets[i]:offsets[i + 1]]``. For scikit-learn, the container is a matrix with one
    column, whose rows it can index, split and shuffle. `from_list` packs a list of sequences, `from_padded` a 3-D
    array.

    Parameters
    ----------
    values : array-like of shape (n_steps_total, n_channels) or (n_steps_total,)
        The time steps of all sequences, one below the other: numbers or tokens (str). float32, float64 and str are not
        copied; other real dtypes are converted to float64.

    offsets : array-like of int of shape (n_sequences + 1,)
        Start of each sequence: from 0 to ``n_steps_total``.

    channel_names : list of str of shape (n_channels,), default=None
        Names of the channels, which estimators remember and check.

    Attributes
    ----------
    values : ndarray of shape (n_steps_total, n_channels)
        The time steps.

    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Start of each sequence.

    lengths : ndarray of int64 of shape (n_sequences,)
        Number of time steps of each sequence.

    n_channels : int
        Number of channels.

    channel_names : tuple of str, or None
        Names of the channels, if they have names. ``==`` ignores them.

    shape : tuple
        ``(n_sequences, 1)``.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.sequences import SequenceArray
    >>> X = SequenceArray(np.arange(12).reshape(6, 2), [0, 1, 3, 6])
    >>> X
    SequenceArray(3 sequences, 1 to 3 steps, 2 channels, float64)
    >>> X[1]
    array([[2., 3.],
           [4., 5.]])
    >>> X[[2, 0]].lengths
    array([3, 1])
    >>> SequenceArray.from_list([["the", "cat"], ["a", "big", "dog"]])
    SequenceArray(2 sequences, 2 to 3 steps, 1 channel, str)
    """

    # There is no ``dtype``: scikit-learn would read "object" from it and convert to float64.
    ndim = 2
    _origin = 0, 0  # sequence and step of the first row, in what this may be a part of: see `_chunks`
    _n_again = 0  # how many of the first rows the part before has, too
    _far = None  # what makes the data of a network, where other processes keep the values: see `skrnn.distributed`
    __hash__ = None
    __array_ufunc__ = None  # so that ``array == sequences`` asks `__eq__`
    _channel_names = None  # where there are none, so that pickles and hashes are those of before there were names

    def __init__(self, values, offsets=None, channel_names=None):
        if offsets is None:
            raise TypeError(
                "SequenceArray(values, offsets) needs offsets. To pack a list of sequences, use "
                "SequenceArray.from_list(X); to pack a 3-D array, SequenceArray.from_padded(X)."
            )
        steps = step_array(values, "values")
        values = steps if is_text(steps) else real_array(np.asanyarray(values), "values")
        if values.ndim not in (1, 2):
            raise ValueError(f"values must be a 1-D or 2-D array, got shape {values.shape}.")
        if values.ndim == 1:
            values = values.reshape(-1, 1)
        self.values = values
        self.offsets = checked_offsets(offsets, len(values))
        if channel_names is not None:
            self._channel_names = checked_names(channel_names, values.shape[1])

    @property
    def channel_names(self):
        return self._channel_names

    @property
    def shape(self):
        return (len(self), 1)

    @property
    def lengths(self):
        return np.diff(self.offsets)

    @property
    def n_channels(self):
        return self.values.shape[1]

    def __len__(self):
        return len(self.offsets) - 1

    def __iter__(self):
        bounds = self.offsets.tolist()
        return (self.values[a:b] for a, b in itertools.pairwise(bounds))

    def __getitem__(self, key):
        rows = row_key(key)
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                offsets = self.offsets[start : max(start, stop) + 1]
                return self._with(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
        if isinstance(rows, numbers.Integral) and not isinstance(rows, bool):
            if not -len(self) <= rows < len(self):
                raise IndexError(f"index {rows} is out of bounds for {len(self)} sequences.")
            index = int(rows) % len(self)
        else:
            index = np.arange(len(self))[rows]
        if np.ndim(index) == 0:
            return self.values[self.offsets[index] : self.offsets[index + 1]]
        if index.ndim > 1:
            raise IndexError("sequences are selected by an integer, a slice or a 1-D index.")
        return self._with(*gather(self.values, self.offsets, index))

    def _with(self, values, offsets):
        """Return other steps of the same channels."""
        sequences = type(self)(values, offsets)
        if self._channel_names is not None:
            sequences._channel_names = self._channel_names
        return sequences

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("a SequenceArray cannot become an array without a copy.")
        cells = np.empty(self.shape, dtype=object)
        cells[:, 0] = [Sequence(steps, self.channel_names) for steps in self]
        return cells if dtype is None else cells.astype(dtype, copy=False)

    def __eq__(self, other):
        return (
            isinstance(other, SequenceArray)
            and np.array_equal(self.offsets, other.offsets)
            and same_values(self.values, other.values)
        )

    def __repr__(self):
        parts = [count(len(self), "sequence")]
        if len(self):
            shortest, longest = self.lengths.min(), self.lengths.max()
            span = "" if shortest == longest else f"{shortest} to "
            parts.append(span + count(longest, "step"))
        parts += [count(self.n_channels, "channel"), "str" if is_text(self.values) else str(self.values.dtype)]
        return f"SequenceArray({', '.join(parts)})"

    def _repr_html_(self):
        return html_table(self, repr(self))

    def copy(self):
        """Copy the sequences.

        Returns
        -------
        SequenceArray
            A copy of the sequences.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[1, 2], [3]])
        >>> Z = X.copy()
        >>> Z.values[:] = 0
        >>> X[1]
        array([[3.]])
        """
        return self._with(self.values.copy(), self.offsets.copy())

    @classmethod
    def from_list(cls, sequences):
        """Pack a list of sequences.

        Parameters
        ----------
        sequences : iterable of array-like of shape (n_steps, n_channels) or (n_steps,)
            Arrays, frames, nested lists or `Sequence` cells, of numbers or tokens (str), all with the same channels.

        Returns
        -------
        SequenceArray
            The packed sequences. The channels have names if all items have names, such as columns of frames.

        Raises
        ------
        ValueError
            If a sequence is invalid, or differs from the first one in its channels, or the names or order of its
            columns. The message names the sequence.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_list([np.zeros((3, 2)), np.ones((5, 2))])
        SequenceArray(2 sequences, 3 to 5 steps, 2 channels, float64)
        """
        items = list(items_of(sequences, "sequences"))
        names = common_names(items, "sequence {}")
        arrays = [sequence_steps(item, f"sequence {i}") for i, item in enumerate(items)]
        check_not_empty((len(arrays),))
        if any(map(is_text, arrays)):
            arrays = _one_kind(arrays)
        if len({array.shape[1:] for array in arrays}) > 1:
            _refuse_other_channels(arrays)
        return cls(np.concatenate(arrays), offsets_of([len(array) for array in arrays]), names)

    @classmethod
    def from_padded(cls, X, lengths=None):
        """Pack a 3-D array, without its padding.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels)
            The sequences, padded at the end. The values of the padding are ignored.

        lengths : array-like of int of shape (n_sequences,), default=None
            Number of valid steps of each sequence; 0 is allowed. If None, trailing steps
            in which every channel is NaN are padding.

        Returns
        -------
        SequenceArray
            The packed sequences. They may share memory with `X`.

        See Also
        --------
        from_channels_first : The same for arrays (n_sequences, n_channels, n_steps), as in aeon and sktime.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn.sequences import SequenceArray
        >>> X = np.array([[[1.0], [2.0]], [[3.0], [np.nan]]])
        >>> SequenceArray.from_padded(X).lengths
        array([2, 1])
        >>> SequenceArray.from_padded(X, lengths=[1, 1]).to_list()
        [array([[1.]]), array([[3.]])]
        """
        X = real_array(np.asanyarray(X), "X")
        if X.ndim != 3:
            raise ValueError(f"a padded batch has 3 dimensions, got shape {X.shape}.")
        lengths = valid_lengths(X) if lengths is None else checked_lengths(lengths, X)
        n, n_steps, n_channels = X.shape
        if np.all(lengths == n_steps):
            values = X.reshape(n * n_steps, n_channels)
        else:
            values = X[np.arange(n_steps) < lengths[:, np.newaxis]]
        return cls(values, offsets_of(lengths))

    @classmethod
    def from_channels_first(cls, X, lengths=None):
        """Pack sequences whose channels come before their steps, as in aeon and sktime.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_channels, n_steps), or list of array-like of shape (n_channels, n_steps)
            The sequences: an array, padded at the end, or a list of arrays of any lengths.

        lengths : array-like of int of shape (n_sequences,), default=None
            Number of valid steps of each sequence; 0 is allowed. If None, trailing steps of an array in which every
            channel is NaN are padding.

        Returns
        -------
        SequenceArray
            The packed sequences.

        Raises
        ------
        ValueError
            If `X` has other dimensions, or a sequence is invalid. The message names the sequence.

        See Also
        --------
        from_padded : The same for arrays (n_sequences, n_steps, n_channels).
        from_long : For frames with one row per step, like "pd-multiindex" of sktime.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_channels_first(np.zeros((20, 3, 50)))
        SequenceArray(20 sequences, 50 steps, 3 channels, float64)
        >>> SequenceArray.from_channels_first([np.zeros((3, 50)), np.zeros((3, 70))])
        SequenceArray(2 sequences, 50 to 70 steps, 3 channels, float64)
        """
        if lengths is None and getattr(X, "ndim", 1) == 1:
            arrays = [sequence_steps(item, f"sequence {i}") for i, item in enumerate(X)]
            for i, array in enumerate(arrays):
                if array.ndim != 2:
                    raise ValueError(f"sequence {i} has shape {array.shape}, expected (n_channels, n_steps).")
            return cls.from_list([array.T for array in arrays])
        X = np.asanyarray(X)
        if X.ndim != 3:
            raise ValueError(f"X has shape {X.shape}, expected (n_sequences, n_channels, n_steps).")
        return cls.from_padded(np.swapaxes(X, 1, 2), lengths)

    @classmethod
    def concatenate(cls, arrays):
        """Concatenate the sequences of several containers.

        Parameters
        ----------
        arrays : iterable of SequenceArray
            Containers with the same number of channels, and the same names if they have names.

        Returns
        -------
        SequenceArray
            All sequences, in order. The channels have names if those of all containers have names.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[1, 2], [3]])
        >>> SequenceArray.concatenate([X, X[:1]]).lengths
        array([2, 1, 2])
        """
        arrays = list(arrays)
        check_not_empty((len(arrays),))
        for i, array in enumerate(arrays):
            if not isinstance(array, SequenceArray):
                raise TypeError(f"item {i} is of type {type(array).__name__}, not SequenceArray.")
            found, expected = array.n_channels, arrays[0].n_channels
            if found != expected:
                raise ValueError(f"item {i} has {count(found, 'channel')}, item 0 has {expected}.")
            if is_text(array.values) != is_text(arrays[0].values):
                raise ValueError(f"item {i} and item 0 differ: one holds tokens (str), the other numbers.")
        names = _same_names([array.channel_names for array in arrays])
        lengths = np.concatenate([array.lengths for array in arrays])
        return cls(np.concatenate([array.values for array in arrays]), offsets_of(lengths), names)

    def to_list(self):
        """List the sequences.

        Returns
        -------
        list of ndarray of shape (n_steps, n_channels)
            One view per sequence.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_list([[1, 2], [3]]).to_list()
        [array([[1.],
               [2.]]), array([[3.]])]
        """
        return list(self)

    def to_padded(self, fill_value=None):
        """Unpack into a 3-D array.

        Parameters
        ----------
        fill_value : float or str, default=None
            Value of the padding. If None, NaN, or "" for tokens.

        Returns
        -------
        ndarray of shape (n_sequences, n_steps_longest, n_channels)
            The sequences, padded at the end.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_list([[1, 2], [3]]).to_padded(fill_value=0)[:, :, 0]
        array([[1., 2.],
               [3., 0.]])
        """
        dtype = self.values.dtype
        if fill_value is None:
            fill_value = "" if is_text(self.values) else np.nan
        if is_text(self.values):
            if not isinstance(fill_value, str):
                raise ValueError(f"fill_value must be a str, as the tokens are, got {fill_value!r}.")
            dtype = np.result_type(dtype, np.asarray(fill_value).dtype)
        longest = self.lengths.max(initial=0)
        padded = np.full((len(self), longest, self.n_channels), fill_value, dtype)
        padded[np.arange(longest) < self.lengths[:, np.newaxis]] = self.values
        return padded


def _same_names(names):
    """Return the names that all items have, None if one has none; raise if two differ."""
    named = [i for i in range(len(names)) if names[i] is not None]
    for i in named:
        if names[i] != names[named[0]]:
            raise ValueError(
                f"item {i} has the channels {list(names[i])}, item {named[0]} has {list(names[named[0]])}: they must "
                "be the same, in the same order."
            )
    return names[0] if len(named) == len(names) else None


def _one_kind(arrays):
    """Return the arrays, all of numbers or all of tokens; raise, naming the first sequence of another kind."""
    # An empty list has no kind.
    first = next((array for array in arrays if array.shape != (0,)), arrays[0])
    for i, array in enumerate(arrays):
        if array.shape != (0,) and is_text(array) != is_text(first):
            kind = "tokens (str)" if is_text(first) else "real numbers"
            raise ValueError(
                f"sequence {i} must hold {kind}, got dtype {array.dtype}: sequences before it hold {kind}."
            )
    return [first.ravel()[:0] if array.shape == (0,) else array for array in arrays]


def _refuse_other_channels(arrays):
    """Name the first sequence that does not have the channels of sequence 0."""
    first = arrays[0]
    for i, array in enumerate(arrays):
        # An empty list has no channels to compare: its emptiness is the fault to report.
        if array.shape == (0,):
            raise ValueError(f"sequence {i} has no time step.")
        if array.ndim != first.ndim:
            raise ValueError(
                f"sequence {i} has shape {array.shape}, sequence 0 has shape {first.shape}: "
                "sequences are all one-dimensional or all two-dimensional."
            )
        if array.shape[1:] != first.shape[1:]:
            channels_first = len(array) == len(first) > 1
            raise ValueError(
                f"sequence {i} has {count(array.shape[1], 'channel')}, sequence 0 has "
                f"{first.shape[1]}: all sequences need the same channels."
                + (f" Their shapes are (n_steps, n_channels); {CHANNELS_FIRST}" if channels_first else "")
            )
