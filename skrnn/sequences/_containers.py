"""Other containers than arrays, lists and frames, such as those of Python's collections and of PyTorch, as lists."""

from collections.abc import Mapping, MappingView, Set
from collections.abc import Sequence as OrderedItems

import numpy as np

from ._steps import is_sequence

ALONE = "pass only the sequences, [item[{1}] for item in {0}]."
OF_DASK = {"dask.bag.core", "dask.delayed", "distributed.client"}  # what is no array or frame
PAIRS = "pass only the sequences, [item[0] for item in {0}], and the targets as y, [item[1] for item in {0}]."


def items_of(given, name):
    """List the items of a container of Python or PyTorch; return arrays, lists and frames unchanged.

    Parameters
    ----------
    given : object
        A deque or another container with ``len`` and ``[i]``, like a data set of PyTorch; values of a dict; a
        ``PackedSequence`` or nested tensor of PyTorch; an array of Awkward Array or Arrow. Other objects are returned
        unchanged.

    name : str
        Name of the container in error messages.

    Returns
    -------
    object
        A list with an item for each sequence, or `given`.

    Raises
    ------
    ValueError
        If the container is a named tuple, contains pairs of a sequence and its target, or is a groupby of pandas, a
        bag or future of Dask, or delayed.
    """
    if type(given) in (list, tuple, np.ndarray, str):
        items = given
    elif type(given).__module__ in OF_DASK:  # which have any attribute
        raise ValueError(
            f"{name} is a {type(given).__name__} of Dask: pass what comes of it, or use skrnn.distributed."
        )
    elif hasattr(given, "batch_sizes") and hasattr(given, "unsorted_indices"):
        items = _of_packed_sequence(given)
    elif hasattr(given, "_fields"):
        raise ValueError(
            f"{name} is a named tuple with the fields {', '.join(given._fields)}: pass the field that holds the "
            f"sequences, or list({name}) if each field is a sequence."
        )
    elif hasattr(given, "ngroups"):  # of pandas; its [i] would be a column
        raise ValueError(f"{name} is a {type(given).__name__}: pass its groups, [group for _, group in {name}].")
    elif getattr(given, "is_nested", False):
        items = list(given.detach().unbind())
    elif type(given).__module__.startswith("awkward."):
        items = given.to_list()
    elif type(given).__module__.startswith("pyarrow."):
        items = _of_arrow(given, name)
    elif _is_other_container(given):
        items = _listed(given, name)
        refuse_pairs(items, given, name, are_tuples=True)
    else:
        items = given
    return items


def _is_other_container(given):
    """Whether nothing is known of a container but its length and items, in an order."""
    if any(hasattr(given, known) for known in ("shape", "columns", "dtype", "__array__")):
        return False
    if isinstance(given, (str, bytes, type, Mapping)) or (
        isinstance(given, Set) and not isinstance(given, MappingView)
    ):
        return False
    return isinstance(given, MappingView) or (hasattr(given, "__len__") and hasattr(given, "__getitem__"))


def _listed(given, name):
    if isinstance(given, (OrderedItems, MappingView)):
        return list(given)
    try:
        return [given[i] for i in range(len(given))]
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{name} is of type {type(given).__name__}, which cannot be indexed from 0 ({error!r}): pass a list with "
            "an array for each sequence."
        ) from error


def _of_packed_sequence(packed):
    """Sequences of a ``PackedSequence``, in which the steps of one time lie together, the longest sequence first."""
    data, sizes = np.asarray(packed.data.detach()), np.asarray(packed.batch_sizes)
    starts = np.cumsum(sizes) - sizes
    by_length = [data[starts[sizes > k] + k] for k in range(sizes[0])]
    order = range(len(by_length)) if packed.unsorted_indices is None else packed.unsorted_indices.tolist()
    return [by_length[k] for k in order]


def _of_arrow(given, name):
    """The cells of an Arrow array, or of the column of lists of a table; a table of numbers is given back."""
    if not hasattr(given, "column_names"):
        return given.to_pylist() if hasattr(given, "to_pylist") else given
    if not any("list" in str(column.type) for column in given.columns):
        return given
    if len(given.columns) > 1:
        raise ValueError(f"{name} is an Arrow table with columns of lists: pass {name}.to_pandas().")
    return given.columns[0].to_pylist()


def refuse_pairs(items, given, name, *, are_tuples=False):
    """Refuse tuples of a sequence and its target, as a data set of PyTorch holds them.

    are_tuples: whether no tuple can be a sequence; otherwise one whose members are all numbers or all rows is.
    """
    first = items[0] if items else None
    if not isinstance(first, tuple) or not any(map(is_sequence, first)):
        return
    n_dimensions = {len(np.shape(member)) if is_sequence(member) else 0 for member in first}
    if are_tuples or len(n_dimensions) > 1 or max(n_dimensions) > 1:
        k = next(k for k, member in enumerate(first) if is_sequence(member))
        advice = ALONE if k else PAIRS
        raise ValueError(
            f"{name} of type {type(given).__name__} holds tuples of {len(first)}: {advice.format(name, k)}"
        )
