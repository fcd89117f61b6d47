"""One sequence: what may be one, its steps as an array, and the opaque cell that holds it."""

from collections.abc import Mapping, Set
from collections.abc import Sequence as OrderedItems

import numpy as np

from ._names import checked_names, str_names

ITEM_SHAPE = "a sequence is an array of shape (n_steps, n_channels) or (n_steps,)."
CHANNELS_FIRST = "for the other order, use SequenceArray.from_channels_first(X)."
MISSING = "It is missing: drop such rows, for example with dropna()."
FRAMES = "Make a frame of each dictionary of channels: [pandas.DataFrame(x) for x in X]."
VECTORS = (
    "convert them to numbers, for example with DictVectorizer of scikit-learn, fitted on the steps of all sequences."
)
SPLIT = "Split texts into characters or words: [list(text) for text in X] or [text.split() for text in X]."


class Sequence:
    """One sequence as an opaque scalar: a cell of an object array or data frame.

    NumPy must treat it as a scalar, or it would unpack the cell into the array that contains it. It therefore has no
    ``__len__``, ``__getitem__`` or ``__array__``; ``values`` contains the steps.

    Parameters
    ----------
    values : array-like of shape (n_steps, n_channels) or (n_steps,)
        The time steps: numbers, or tokens (str).

    channel_names : list of str of shape (n_channels,), default=None
        Names of the channels. If None, the columns of a frame.

    Attributes
    ----------
    values : ndarray of shape (n_steps, n_channels)
        The time steps: float32, float64 or str.

    channel_names : tuple of str, or None
        Names of the channels, if they have names. ``==`` ignores them.

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

    __slots__ = ("channel_names", "values")

    def __init__(self, values, channel_names=None):
        steps = sequence_steps(values, "a Sequence")
        self.values = steps.reshape(-1, 1) if steps.ndim == 1 else steps
        if channel_names is None:
            self.channel_names = str_names(column_names(values) or ())
        else:
            self.channel_names = checked_names(channel_names, self.values.shape[1])

    def __setstate__(self, state):
        self.channel_names = None  # pickles that were made before there were names have none
        for name, value in state[1].items():
            setattr(self, name, value)

    # scikit-learn looks for NaN with ``X != X`` on object arrays: the answer must be a plain
    # bool, and a cell must equal itself whatever it holds.
    def __eq__(self, other):
        if self is other:
            return True
        if not isinstance(other, Sequence):
            return False
        return same_values(self.values, other.values)

    def __hash__(self):
        # Equal cells may differ in dtype and in the sign of zero, neither of which changes the hash of a number.
        ends = [*self.values[:1].ravel().tolist(), *self.values[-1:].ravel().tolist()]
        return hash((self.values.shape, *("NaN" if value != value else value for value in ends)))

    def __float__(self):
        # What users read who give sequences to an estimator that takes tables.
        raise TypeError(
            "a Sequence is not a number: use RNNClassifier or RNNRegressor, or make a table of the sequences first, "
            "for example with a SequenceTransformer."
        )

    def __repr__(self):
        n_steps, n_channels = self.values.shape
        return f"Sequence({count(n_steps, 'step')}, {count(n_channels, 'channel')})"


def is_sequence(cell):
    """Whether `cell` can be a sequence: a `Sequence`, a list or another ordered container, an array that is not 0-D."""
    if isinstance(cell, (Sequence, list, tuple)):
        return True
    if hasattr(cell, "__array__"):
        return len(getattr(cell, "shape", ())) > 0
    return isinstance(cell, OrderedItems) and not isinstance(cell, (str, bytes, bytearray, memoryview))


def column_names(item):
    """List the names of the columns of a frame or Arrow table, or of the channels of a cell; None for what has none."""
    if isinstance(item, Sequence):
        return None if item.channel_names is None else list(item.channel_names)
    names = getattr(item, "columns", None)
    if names is None:
        return None
    return list(names if hasattr(item, "iloc") else getattr(item, "column_names", names))


def common_names(items, what):
    """Return the names of the channels of all items, None if they have none or one has none; see `check_columns`."""
    named = check_columns(items, what)
    return str_names(named[0][1]) if named and len(named) == len(items) else None


def check_columns(items, what):
    """Raise if frames differ in their columns, whose order is that of the channels; `what` is one item.

    Returns the number and the columns of each frame.
    """
    named = [(i, names) for i, names in enumerate(map(column_names, items)) if names is not None]
    for i, names in named:
        first, expected = named[0]
        if names != expected:
            raise ValueError(
                f"{what.format(i)} has the columns {names}, {what.format(first)} has {expected}: frames need the same "
                f"columns in the same order, as by [frame[{expected}] for frame in frames]."
            )
    return named


def time_column(item):
    """Return the name of the first column of a frame that holds times or durations; None if there is none."""
    names = column_names(item)
    if names is None:
        return None
    for name, dtype in zip(names, getattr(item, "dtypes", []), strict=False):  # an Arrow table has no dtypes
        if getattr(dtype, "kind", "O") in "mM" or (hasattr(dtype, "is_temporal") and dtype.is_temporal()):
            return name
    return None


def is_missing(cell):
    """Whether `cell` is None, NaN or what pandas uses besides."""
    return cell is None or type(cell).__name__ in ("NAType", "NaTType") or (isinstance(cell, float) and cell != cell)


def refuse_times(item, what):
    """Raise if a frame has a column of times, which polars would convert to numbers that depend on the unit."""
    times = time_column(item)
    if times is not None:
        raise ValueError(
            f"the column {times!r} of {what} holds times, which are not numbers: drop it, or replace it by numbers, "
            "such as the hours since the previous step."
        )


def real_array(values, what):
    """Return `values` in native float32 (if it was float32) or float64; refuse all but numbers."""
    refuse_masked(values, what)
    dtype = values.dtype
    if dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {what} has dtype {dtype}.")
    if dtype.kind not in "biuf":
        advice = " Make a frame of it, whose columns are the channels: pandas.DataFrame(x)." if dtype.names else ""
        raise ValueError(f"{what} must hold real numbers, got dtype {dtype}.{advice}")
    return np.asarray(values, dtype=np.float32 if dtype.type is np.float32 else np.float64)


def step_array(data, what):
    """Return nested lists, or an array of any kind, as `real_array` does, or as an array of str."""
    try:
        if isinstance(data, (list, tuple)) and data and isinstance(data[0], np.ma.MaskedArray):
            data = np.ma.stack(data)  # asanyarray would drop the masks
        array = np.asanyarray(data)
        if array.dtype.kind in "OT":
            # The cells of a data frame are often arrays of arrays; tolist lets NumPy join them.
            data = array.tolist()
            array = np.array(data)
        tokens = _tokens(data, array)
        if tokens is None and array.dtype.kind == "O":
            array = _floats(array)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:  # the last one is of PyTorch
        raise ValueError(f"{what} is not an array of real numbers: {error}") from error
    if tokens is None:
        return real_array(array, what)
    _check_tokens(tokens, what)
    return np.asarray(array if array.dtype.kind == "U" else tokens, dtype=str)


def _floats(array):
    """Return an object array as float64; what is missing becomes NaN."""
    try:
        return array.astype(np.float64)
    except TypeError:  # float() takes no NA of pandas
        missing = np.array([is_missing(cell) for cell in array.flat]).reshape(array.shape)
        return np.where(missing, np.nan, array).astype(np.float64)


def _tokens(data, array):
    """Return the leaves of `data`, which NumPy made `array` of, if there is a str among them."""
    if array.dtype.kind not in "OU":
        return None
    if data is array:
        return array
    leaves = np.array(data, dtype=object)
    return leaves if any(isinstance(leaf, str) for leaf in leaves.flat) else None


def _check_tokens(tokens, what):
    """Raise if anything but str stands among them, which NumPy would turn into str without a word."""
    refuse_masked(tokens, what)
    if tokens.dtype.kind == "U":
        return
    leaves = tokens.ravel().tolist()
    try:
        if "\0" not in "".join(leaves):
            return
    except TypeError:
        pass
    for i, token in enumerate(leaves):
        step = i // (tokens.size // len(tokens))
        if not isinstance(token, str):
            raise ValueError(
                f"{what}, step {step} holds {token!r} of type {type(token).__name__} beside tokens (str): a sequence "
                f"holds only numbers or only tokens. The first token is {_first_text(leaves)!r}."
            )
        if token.endswith("\0"):
            raise ValueError(f"{what}, step {step}: the token {token!r} ends with NUL, which NumPy arrays cannot hold.")


def _first_text(leaves):
    return next(leaf for leaf in leaves if isinstance(leaf, str))


def is_text(values):
    """Whether `values` holds tokens."""
    return values.dtype.kind == "U"


def are_finite(values):
    """Whether all numbers are finite; to count is quicker than ``all``, which matters for a few."""
    return np.count_nonzero(np.isfinite(values)) == values.size


def same_values(a, b):
    """Whether two arrays of steps are equal; NaN equals NaN."""
    return is_text(a) == is_text(b) and np.array_equal(a, b, equal_nan=not is_text(a))


def sequence_steps(item, what):
    """Return the steps of one sequence as a 1-D or 2-D array of float32, float64 or str."""
    if isinstance(item, Sequence):
        return item.values
    if not is_sequence(item) and not isinstance(item, np.ndarray):
        refuse_missing(item, what)
        advice = f" {SPLIT}" if isinstance(item, str) else f" {FRAMES}" if isinstance(item, Mapping) else ""
        raise ValueError(f"{what} is of type {type(item).__name__}; {ITEM_SHAPE}{advice}")
    _refuse_dicts(item, what)
    refuse_times(item, what)
    steps = step_array(item, what)
    if steps.ndim not in (1, 2):
        raise ValueError(f"{what} has shape {steps.shape}; {ITEM_SHAPE}")
    return steps


def refuse_missing(item, what):
    """Raise if something missing stands in the place of a sequence."""
    if is_missing(item):
        raise ValueError(f"{what} is {item!r}; {ITEM_SHAPE} {MISSING}")


def _refuse_dicts(item, what):
    """Raise if the steps of a sequence are dictionaries of features."""
    is_of_objects = isinstance(item, OrderedItems) or getattr(getattr(item, "dtype", None), "kind", None) == "O"
    first = next(iter(item), None) if is_of_objects else None
    if isinstance(first, Mapping):
        raise ValueError(f"the steps of {what} are of type {type(first).__name__}; {VECTORS}")


def refuse_masked(values, what):
    """Raise if `values` hides entries behind a mask, which NumPy would silently drop."""
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        raise ValueError(f"{what} is a masked array with masked entries: fill or remove them.")


def check_container(given, what):
    """Raise if `given` is nothing that has a row for each sequence, in an order."""
    unordered = isinstance(given, (str, bytes, Mapping, Set)) and not hasattr(given, "shape")
    is_array = hasattr(given, "__array__") or hasattr(given, "shape")
    has_items = is_array or (hasattr(given, "__len__") and hasattr(given, "__getitem__"))
    if unordered or np.isscalar(given) or isinstance(given, type) or not has_items:
        found = "None" if given is None else f"of type {type(given).__name__}"
    elif getattr(given, "shape", None) == ():
        found = "an array without dimensions"
    else:
        return
    advice = ""
    if isinstance(given, Mapping):
        advice = f" If each value is one, pass list({what}.values())."
    elif hasattr(given, "__iter__") and not (unordered or has_items):
        advice = f" If it is an iterator, pass list({what})."
    raise ValueError(f"{what} is {found}; it must be an array, a list or a frame with a row for each sequence.{advice}")


def check_not_empty(shape):
    """Raise as scikit-learn does if there is no sample."""
    if shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required.")


def count(n, noun):
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
