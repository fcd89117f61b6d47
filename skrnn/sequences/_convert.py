"""Conversion of X to a ``SequenceArray``, and to the layout that kernels accept."""

from collections.abc import Mapping
from functools import partial

import numpy as np

from ._array import SequenceArray
from ._arrow import list_column
from ._chunks import Scan
from ._containers import items_of, refuse_pairs
from ._layout import place
from ._names import joined_names
from ._steps import (
    SPLIT,
    Sequence,
    check_not_empty,
    is_missing,
    is_sequence,
    is_text,
    real_array,
    refuse_masked,
    refuse_missing,
    sequence_steps,
    step_array,
)


def as_sequence_array(X):
    """Pack `X` if it contains sequences; leave all other input to the validation of scikit-learn.

    Parameters
    ----------
    X : object
        It contains sequences if it is

        - a `SequenceArray`, which is returned unchanged;
        - a 3-D array (n_sequences, n_steps, n_channels); trailing steps in which every channel is NaN are padding.
          `SequenceArray.from_channels_first` converts (n_sequences, n_channels, n_steps), as in aeon and sktime;
        - a list or tuple of arrays, nested lists or `Sequence` cells of shape
          (n_steps, n_channels) or (n_steps,); but flat rows of numbers of equal length are a table;
        - a deque, values of a dict, a PyTorch data set, or another container with a length and items, of such items;
        - a packed sequence or nested tensor of PyTorch, or an array of Awkward Array;
        - a Series or an object array of such cells;
        - a data frame (pandas, polars) or an object array of several columns, some with such
          cells or with columns of lists (polars, Arrow): the sequences of a row must be equally long and become
          channels; its numbers are static covariates, and are repeated at each step. The name of a column with one
          channel becomes the name of the channel, unless the sequences have a name.

        The steps are numbers or tokens (str). NaN is accepted.

    Returns
    -------
    SequenceArray or None
        None if `X` is a table of numbers or an unknown object.

    Raises
    ------
    ValueError
        If `X` contains an invalid sequence, such as a text that is not split into tokens. The message names the first
        one.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.sequences import as_sequence_array
    >>> as_sequence_array([np.zeros((3, 2)), np.ones((5, 2))])
    SequenceArray(2 sequences, 3 to 5 steps, 2 channels, float64)
    >>> as_sequence_array([[1, 2, 3], [4]])
    SequenceArray(2 sequences, 1 to 3 steps, 1 channel, float64)
    >>> as_sequence_array([[1, 2, 3], [4, 5, 6]]) is None
    True
    >>> as_sequence_array([list("abc"), list("def")])
    SequenceArray(2 sequences, 3 steps, 1 channel, str)
    """
    if isinstance(X, SequenceArray):
        return X
    X = items_of(X, "X")
    refuse_masked(X, "X")
    if isinstance(X, (list, tuple)):
        sequences = _from_items(X)
    elif hasattr(X, "__array__") and getattr(X, "ndim", 0) > 2:
        sequences = _from_padded(X)
    else:
        _refuse_texts(X)
        sequences = _from_columns(named_columns(X), has_names=hasattr(X, "columns"))
    if sequences is not None:
        check_steps(sequences)
    return sequences


def check_sequences(sequences, dtype, *, name="X", allow_nan=False):
    """Check that all sequences are valid, and convert the arrays to the layout of the kernels.

    Parameters
    ----------
    sequences : SequenceArray
        The sequences to check; not modified.

    dtype : {numpy.float32, numpy.float64}
        The floating point type of the computation.

    name : str, default="X"
        Name of the data in error messages.

    allow_nan : bool, default=False
        Whether to allow NaN, for missing values.

    Returns
    -------
    SequenceArray
        The same sequences, with `values` of `dtype` and `offsets` of int64, both C-contiguous, aligned, writeable and
        in native byte order. Arrays that already fulfil this are not copied.

    Raises
    ------
    ValueError
        If there is no sequence or channel, a sequence has no step, or a value is a token (str), NaN (unless allowed),
        infinite or too large for `dtype`. The message names the place.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.sequences import SequenceArray, check_sequences
    >>> X = SequenceArray.from_list([[1.0, 2.0], [3.0, np.nan, 5.0]])
    >>> check_sequences(X[:1], np.float32)
    SequenceArray(1 sequence, 2 steps, 1 channel, float32)
    >>> check_sequences(X, np.float32)
    Traceback (most recent call last):
        ...
    ValueError: Input X contains NaN: sequence 1, step 1, channel 0.
    """
    check_values(sequences, dtype, name=name, allow_nan=allow_nan)
    # One layout, because Numba compiles its kernels again for each new one. Whether an array
    # owns its memory is not part of the type, so views are not copied.
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.require(sequences.values, dtype, ["C", "A", "W"])
    return sequences._with(values, np.require(sequences.offsets, np.int64, ["C", "A", "W"]))


def check_values(sequences, dtype, *, name="X", allow_nan=False):
    """Check like `check_sequences`, without copying more than a few megabytes at a time."""
    check_steps(sequences)
    if sequences.n_channels == 0:
        raise ValueError(f"the sequences of {name} have no channel.")
    if is_text(sequences.values):
        raise ValueError(f"{name} holds tokens (str), numbers are needed: encode them first, with a TokenEncoder.")
    for _ in Scan(sequences).map(partial(_check_chunk, dtype, name, allow_nan)):
        pass


def _check_chunk(dtype, name, allow_nan, chunk):
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.asarray(chunk.values, dtype)
        # A sum is several times faster than a mask; if it overflows, the mask decides.
        suspicious = not np.isfinite(values.sum())
    if suspicious:
        _refuse_non_finite(chunk, values, name, allow_nan)


def check_steps(sequences):
    """Refuse no sequence at all, and sequences without a step."""
    check_not_empty(sequences.shape)
    empty = sequences.lengths == 0
    if empty.any():
        raise ValueError(f"sequence {int(empty.argmax())} has no time step.")


def _refuse_non_finite(sequences, values, name, allow_nan):
    """Raise, naming the first entry of `values` that is not finite, if there is one."""
    finite = np.isfinite(values)
    if allow_nan:
        finite |= np.isnan(sequences.values)
    if finite.all():
        return
    row, channel = divmod(int(finite.argmin()), sequences.n_channels)
    where = "sequence {}, step {}, channel {}.".format(*place(sequences.offsets, row, sequences._origin), channel)
    original = sequences.values[row, channel]
    if np.isnan(original):
        raise ValueError(f"Input {name} contains NaN: {where}")
    if np.isinf(original):
        raise ValueError(f"Input {name} contains infinity: {where}")
    raise ValueError(f"Input {name} contains {original:g}, which is too large for {values.dtype}: {where}")


def _from_padded(X):
    if X.ndim > 3:
        raise ValueError(
            f"Found array with dim {X.ndim}: a batch of sequences has 3 dimensions, (n_sequences, n_steps, n_channels)."
        )
    check_not_empty(X.shape)
    of_objects = getattr(getattr(X, "dtype", None), "kind", None) == "O"
    steps = _objects_as_numbers(X) if of_objects else step_array(X, "X")
    if is_text(steps):
        raise ValueError(f"X must hold real numbers, got dtype {steps.dtype}. If its rows hold tokens, pass list(X).")
    sequences = SequenceArray.from_padded(steps)
    if X.shape[1] and not sequences.lengths.all():
        raise ValueError(
            f"sequence {int(sequences.lengths.argmin())} has no time step: all its steps are NaN, which is padding. If "
            "they are missing values, give the lengths: SequenceArray.from_padded(X, lengths)."
        )
    return sequences


def _objects_as_numbers(X):
    """Numbers of a 3-D array of objects; errors name the sequence."""
    names = [f"sequence {i}" for i in range(len(X))]
    return np.stack([real_array(step_array(x, name), name) for x, name in zip(X, names, strict=True)])


def _from_items(items):
    check_not_empty((len(items),))
    _refuse_text(items[0])
    refuse_pairs(items, items, "X")
    if all(map(is_missing, items)):
        refuse_missing(items[0], "sequence 0")
    if not any(map(is_sequence, items)) or _is_table(items):
        return None
    return SequenceArray.from_list(items)


def _refuse_texts(X):
    """Raise if a Series or a 1-D array holds texts that are not split, or nothing that is not missing."""
    if len(getattr(X, "shape", ())) == 1 and X.shape[0] and getattr(getattr(X, "dtype", None), "kind", "O") in "OUT":
        first = next((cell for cell in X if not is_missing(cell)), None)
        refuse_missing(first, "sequence 0")
        _refuse_text(first)


def _refuse_text(cell):
    if isinstance(cell, str):
        raise ValueError(f"X holds texts, the first is {cell[:20]!r}; a sequence is a list of tokens. {SPLIT}")


def _is_table(items):
    if not all(map(_is_row, items)) or len({len(item) for item in items}) > 1:
        return False
    if any(isinstance(next(iter(item), None), (str, Mapping)) for item in items):
        return False
    for i, item in enumerate(items):
        refuse_masked(item, f"row {i}")
    return True


def _is_row(item):
    """Whether `item` is flat: a 1-D array or list of scalars."""
    if isinstance(item, Sequence) or not is_sequence(item) or len(getattr(item, "shape", ())) > 1:
        return False
    if getattr(getattr(item, "dtype", None), "names", None):  # a structured array
        return False
    return not is_sequence(next(iter(item), None))


def named_columns(X):
    """Return the (name, column) pairs of `X`; none if it cannot hold sequences."""
    if isinstance(X, np.ndarray):
        if X.dtype.kind != "O" or X.ndim == 0:
            return []
        return [(None, X)] if X.ndim == 1 else list(enumerate(X.T))
    if hasattr(X, "get_columns"):  # polars
        return list(zip(X.columns, X.get_columns(), strict=True))
    if getattr(X, "ndim", 0) == 2 and hasattr(X, "iloc"):  # pandas
        if not any(dtype.kind == "O" for dtype in X.dtypes):
            return []
        return [(name, X.iloc[:, j]) for j, name in enumerate(X.columns)]
    if hasattr(X, "to_numpy") and hasattr(X, "dtype"):  # a Series of either, or the array in one of pandas
        return [(getattr(X, "name", None), X)]
    return []


def _from_columns(columns, has_names):
    sequential = [_is_sequence_column(column) for _, column in columns]
    if not any(sequential):
        return None
    if len(columns) == 1:
        packed = _packed(columns[0][1])
        names = _channel_names(columns[0][0], packed, has_names)
        return packed if names == packed.channel_names else SequenceArray(packed.values, packed.offsets, names)
    parts = [
        (name, _named(name, _packed if is_sequential else _static, column))
        for (name, column), is_sequential in zip(columns, sequential, strict=True)
    ]
    _refuse_mixture(parts)
    lengths = _common_lengths([part for part in parts if isinstance(part[1], SequenceArray)])
    channels = [
        part.values if isinstance(part, SequenceArray) else np.repeat(part, lengths)[:, np.newaxis] for _, part in parts
    ]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    names = joined_names([_channel_names(name, part, has_names) for name, part in parts])
    return SequenceArray(np.concatenate(channels, axis=1), offsets, names)


def _channel_names(column, part, is_name):
    """Return the names of the channels that a column has become; is_name: whether its own counts."""
    names = getattr(part, "channel_names", None)
    is_one = getattr(part, "n_channels", 1) == 1
    return (column,) if names is None and is_one and is_name and isinstance(column, str) else names


def _refuse_mixture(parts):
    kinds = {is_text(getattr(part, "values", part)): name for name, part in parts}
    if len(kinds) > 1:
        raise ValueError(
            f"column {kinds[True]!r} holds tokens (str), column {kinds[False]!r} numbers: a frame holds only one of "
            "both. Encode the tokens as numbers first, with a TokenEncoder."
        )


def packed_column(column):
    """Return the sequences of a pandas column, or its array, of the dtype "sequence", else None."""
    packed = getattr(getattr(column, "array", column), "sequences", None)
    return packed if isinstance(packed, SequenceArray) else None


def _packed(column):
    """Return the sequences of a column, of one that is packed already without a look at its cells."""
    packed = packed_column(column)
    if packed is not None:
        missing = packed.lengths == 0
        if missing.any():
            sequence_steps(None, f"sequence {missing.argmax()}")  # raises
        return packed
    lists = list_column(column)
    if lists is not None:
        return SequenceArray.from_arrow(lists)
    return SequenceArray.from_list(column)


def _common_lengths(parts):
    """Return the lengths of the sequences, which all columns must agree on."""
    first, lengths = parts[0][0], parts[0][1].lengths
    for name, sequences in parts:
        differs = sequences.lengths != lengths
        if differs.any():
            i = int(differs.argmax())
            raise ValueError(
                f"sequence {i} has {lengths[i]} steps in column {first!r} and "
                f"{sequences.lengths[i]} in column {name!r}: they must be equally long."
            )
    return lengths


def _is_sequence_column(column):
    """Judge by the first cell that is not missing."""
    if getattr(column.dtype, "kind", "O") != "O":
        return False
    if packed_column(column) is not None or list_column(column) is not None:
        return True
    return is_sequence(next((cell for cell in column if not is_missing(cell)), None))


def _static(column):
    """Return the static covariate of each sequence as numbers."""
    values = np.asarray(column)
    if values.dtype.kind in "OUS":
        for i, cell in enumerate(values):
            if isinstance(cell, (str, bytes)) or is_sequence(cell):
                found = type(cell).__name__
                raise ValueError(f"sequence {i} has a {found}, a static covariate must be a number.")
        try:
            values = np.asarray(column, dtype=np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a static covariate must be a number: {error}") from error
    return real_array(values, "a static covariate")


def _named(name, convert, column):
    """Return ``convert(column)``; its errors say which column."""
    try:
        return convert(column)
    except ValueError as error:
        raise ValueError(f"column {name!r}: {error}") from None
