"""``SequenceArray``, a packed batch of sequences of unequal length, and its opaque cell."""

import itertools
import numbers

import numpy as np

ITEM_SHAPE = "a sequence is an array of shape (n_steps, n_channels) or (n_steps,)."


class Sequence:
    """One sequence as an opaque scalar: the cell of object arrays and data frames.

    NumPy must see a scalar here, or it would unpack the cell into the array that holds it.
    Hence no ``__len__``, no ``__getitem__`` and no ``__array__``; the numbers are in ``values``.

    Parameters
    ----------
    values : array-like of shape (n_steps, n_channels) or (n_steps,)
        The time steps.

    Attributes
    ----------
    values : ndarray of shape (n_steps, n_channels)
        The time steps, float32 or float64.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.sequences import Sequence
    >>> cell = Sequence([[1, 2], [3, 4], [5, 6]])
    >>> cell
    Sequence(3 steps, 2 channels)
    >>> cell == Sequence(np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
    True
    """

    __slots__ = ("values",)

    def __init__(self, values):
        steps = sequence_steps(values, "a Sequence")
        self.values = steps.reshape(-1, 1) if steps.ndim == 1 else steps

    # scikit-learn looks for NaN with ``X != X`` on object arrays: the answer must be a plain
    # bool, and a cell must equal itself whatever it holds.
    def __eq__(self, other):
        if self is other:
            return True
        if not isinstance(other, Sequence):
            return False
        return np.array_equal(self.values, other.values, equal_nan=True)

    def __hash__(self):
        # Equal cells may differ in dtype and in the sign of zero, so only the shape is hashed.
        return hash(self.values.shape)

    def __repr__(self):
        n_steps, n_channels = self.values.shape
        return f"Sequence({_count(n_steps, 'step')}, {_count(n_channels, 'channel')})"


class SequenceArray:
    """Sequences of unequal length, packed: the steps of all of them, one below the other.

    Sequence ``i`` is ``values[offsets[i]:offsets[i + 1]]``. To scikit-learn the container is
    a matrix with one column, whose rows it indexes, splits and shuffles.

    Parameters
    ----------
    values : array-like of shape (n_steps_total, n_channels) or (n_steps_total,)
        The time steps of all sequences. float32 and float64 are kept, and not copied;
        other real dtypes become float64.

    offsets : array-like of int of shape (n_sequences + 1,)
        Where each sequence starts; begins with 0, ends with ``n_steps_total``.

    Attributes
    ----------
    values : ndarray of shape (n_steps_total, n_channels)
        The time steps.

    offsets : ndarray of int64 of shape (n_sequences + 1,)
        Where each sequence starts.

    lengths : ndarray of int64 of shape (n_sequences,)
        Number of time steps of each sequence.

    n_channels : int
        Width of a time step.

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
    """

    # There is no ``dtype``: scikit-learn would read "object" from it and convert to float64.
    ndim = 2
    __hash__ = None
    __array_ufunc__ = None  # so that ``array == sequences`` asks `__eq__`

    def __init__(self, values, offsets):
        values = real_array(np.asanyarray(values), "values")
        if values.ndim not in (1, 2):
            raise ValueError(f"values must be a 1-D or 2-D array, got shape {values.shape}.")
        if values.ndim == 1:
            values = values.reshape(-1, 1)
        self.values = values
        self.offsets = _checked_offsets(offsets, len(values))

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
        rows = _row_key(key)
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                offsets = self.offsets[start : max(start, stop) + 1]
                return type(self)(self.values[offsets[0] : offsets[-1]], offsets - offsets[0])
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
        return type(self)(*_gather(self.values, self.offsets, index))

    def __array__(self, dtype=None, copy=None):
        if copy is False:
            raise ValueError("a SequenceArray cannot become an array without a copy.")
        cells = np.empty(self.shape, dtype=object)
        cells[:, 0] = [Sequence(steps) for steps in self]
        return cells if dtype is None else cells.astype(dtype, copy=False)

    def __eq__(self, other):
        return (
            isinstance(other, SequenceArray)
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.values, other.values, equal_nan=True)
        )

    def __repr__(self):
        parts = [_count(len(self), "sequence")]
        if len(self):
            shortest, longest = self.lengths.min(), self.lengths.max()
            span = "" if shortest == longest else f"{shortest} to "
            parts.append(span + _count(longest, "step"))
        parts += [_count(self.n_channels, "channel"), str(self.values.dtype)]
        return f"SequenceArray({', '.join(parts)})"

    def copy(self):
        """Copy the sequences.

        Returns
        -------
        SequenceArray
            The same sequences, in memory of their own.

        Examples
        --------
        >>> from skrnn.sequences import SequenceArray
        >>> X = SequenceArray.from_list([[1, 2], [3]])
        >>> Z = X.copy()
        >>> Z.values[:] = 0
        >>> X[1]
        array([[3.]])
        """
        return type(self)(self.values.copy(), self.offsets.copy())

    @classmethod
    def from_list(cls, sequences):
        """Pack a list of sequences.

        Parameters
        ----------
        sequences : iterable of array-like of shape (n_steps, n_channels) or (n_steps,)
            Arrays, nested lists or `Sequence` cells; all with the same channels.

        Returns
        -------
        SequenceArray
            The packed sequences.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn.sequences import SequenceArray
        >>> SequenceArray.from_list([np.zeros((3, 2)), np.ones((5, 2))])
        SequenceArray(2 sequences, 3 to 5 steps, 2 channels, float64)
        """
        arrays = [sequence_steps(item, f"sequence {i}") for i, item in enumerate(sequences)]
        check_not_empty((len(arrays),))
        if len({array.shape[1:] for array in arrays}) > 1:
            _refuse_other_channels(arrays)
        return cls(np.concatenate(arrays), _offsets_of([len(array) for array in arrays]))

    @classmethod
    def from_padded(cls, X, lengths=None):
        """Pack a 3-D array, without its padding.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels)
            The sequences, padded at the end. What the padding holds does not matter.

        lengths : array-like of int of shape (n_sequences,), default=None
            Number of valid steps of each sequence; zero is allowed. If None, the trailing
            steps in which every channel is NaN are padding.

        Returns
        -------
        SequenceArray
            The packed sequences; may share memory with `X`.

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
        lengths = _valid_lengths(X) if lengths is None else _checked_lengths(lengths, X)
        n, n_steps, n_channels = X.shape
        if np.all(lengths == n_steps):
            values = X.reshape(n * n_steps, n_channels)
        else:
            values = X[np.arange(n_steps) < lengths[:, np.newaxis]]
        return cls(values, _offsets_of(lengths))

    @classmethod
    def concatenate(cls, arrays):
        """Put the sequences of several containers one after the other.

        Parameters
        ----------
        arrays : iterable of SequenceArray
            Containers with the same number of channels.

        Returns
        -------
        SequenceArray
            All their sequences, in order.

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
                raise ValueError(f"item {i} has {_count(found, 'channel')}, item 0 has {expected}.")
        lengths = np.concatenate([array.lengths for array in arrays])
        return cls(np.concatenate([array.values for array in arrays]), _offsets_of(lengths))

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

    def to_padded(self, fill_value=np.nan):
        """Unpack into a 3-D array.

        Parameters
        ----------
        fill_value : float, default=nan
            What the steps behind the end of a sequence hold.

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
        longest = self.lengths.max(initial=0)
        padded = np.full((len(self), longest, self.n_channels), fill_value, self.values.dtype)
        padded[np.arange(longest) < self.lengths[:, np.newaxis]] = self.values
        return padded


def is_sequence(cell):
    """Whether `cell` can be a sequence: a `Sequence`, a list, or an array that is not 0-D."""
    if isinstance(cell, (Sequence, list, tuple)):
        return True
    return hasattr(cell, "__array__") and len(getattr(cell, "shape", ())) > 0


def real_array(values, what):
    """Return `values` in native float32 (if it was float32) or float64; refuse all but numbers."""
    refuse_masked(values, what)
    dtype = values.dtype
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {what} has dtype {dtype}.")
    if dtype.kind not in "biuf":
        raise ValueError(f"{what} must hold real numbers, got dtype {dtype}.")
    return np.asarray(values, dtype=np.float32 if dtype.type is np.float32 else np.float64)


def parsed_array(data, what):
    """Like `real_array`, for nested lists and arrays of objects too."""
    try:
        if isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ma.MaskedArray):
            data = np.ma.stack(data)  # asanyarray would drop the masks
        array = np.asanyarray(data)
        if array.dtype.kind == "O":
            # The cells of a data frame are often arrays of arrays; tolist lets NumPy join them.
            array = np.array(array.tolist())
        if array.dtype.kind == "O":
            array = array.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} is not an array of real numbers: {error}") from error
    return real_array(array, what)


def sequence_steps(item, what):
    """Return the steps of one sequence as a 1-D or 2-D array of float32 or float64."""
    if isinstance(item, Sequence):
        return item.values
    if not is_sequence(item) and not isinstance(item, np.ndarray):
        found = "None" if item is None else f"of type {type(item).__name__}"
        raise ValueError(f"{what} is {found}; {ITEM_SHAPE}")
    steps = parsed_array(item, what)
    if steps.ndim not in (1, 2):
        raise ValueError(f"{what} has shape {steps.shape}; {ITEM_SHAPE}")
    return steps


def refuse_masked(values, what):
    """Raise if `values` hides entries behind a mask, which NumPy would silently drop."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{what} is a masked array with masked entries: fill or remove them.")


def check_not_empty(shape):
    """Raise as scikit-learn does if there is no sample."""
    if shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.")


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
            raise ValueError(
                f"sequence {i} has {_count(array.shape[1], 'channel')}, sequence 0 has "
                f"{first.shape[1]}: all sequences need the same channels."
            )


def _offsets_of(lengths):
    offsets = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def _checked_offsets(offsets, n_steps_total):
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


def _checked_lengths(lengths, X):
    lengths = np.asarray(lengths)
    n, n_steps = X.shape[:2]
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        found = f"shape {lengths.shape} and dtype {lengths.dtype}"
        raise ValueError(f"lengths must be {_count(n, 'integer')}, got {found}.")
    wrong = (lengths < 0) | (lengths > n_steps)
    if wrong.any():
        i = int(wrong.argmax())
        raise ValueError(f"lengths[{i}] is {lengths[i]}, which is not between 0 and {n_steps}.")
    return lengths.astype(np.int64)


def _valid_lengths(X):
    """Count the steps of each sequence before its trailing all-NaN ones."""
    lengths = np.full(len(X), X.shape[1])
    if X.size == 0:
        return lengths
    padded = np.flatnonzero(np.isnan(X[:, -1]).all(axis=1))
    trailing = np.logical_and.accumulate(np.isnan(X[padded, ::-1]).all(axis=2), axis=1)
    lengths[padded] -= trailing.sum(axis=1)
    return lengths


def _row_key(key):
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


def _gather(values, offsets, index):
    """Return the values and offsets of the sequences `index`: one take, no loop over sequences."""
    lengths = np.diff(offsets)
    # Rows are moved in blocks of the greatest common length: sequences of one length, the
    # common case, are copied whole and at the speed of memory.
    block = (int(np.gcd.reduce(lengths)) or 1) if values.flags.c_contiguous else 1
    n_blocks = lengths[index] // block
    new_offsets = _offsets_of(n_blocks)
    source = np.repeat(offsets[index] // block - new_offsets[:-1], n_blocks)
    source += np.arange(len(source))
    n_channels = values.shape[1]
    taken = values.reshape(len(values) // block, block * n_channels).take(source, axis=0)
    return taken.reshape(len(source) * block, n_channels), new_offsets * block


def _count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
