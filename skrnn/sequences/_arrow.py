"""Packed sequences as Arrow lists and back; polars columns go the same way."""

import json

import numpy as np

from ._layout import offsets_of, place
from ._names import checked_names
from ._steps import ITEM_SHAPE, is_text, refuse_missing, step_array

NAMES = b"skrnn.channel_names"  # metadata of the field of steps, which Arrow and Parquet files keep


def import_pyarrow():
    try:
        import pyarrow.compute  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'pyarrow could not be imported ({error}): pip install "skrnn[arrow]"') from error
    return pyarrow


def import_polars():
    try:
        import polars  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'polars could not be imported ({error}): pip install "skrnn[polars]"') from error
    return polars


def to_arrow(values, offsets, names=None, missing=None):
    """Return a large list array; the sequences `missing` are null."""
    pa = import_pyarrow()
    n_channels = values.shape[1]
    if n_channels == 0:
        raise ValueError("the sequences have no channel, an Arrow array cannot hold them.")
    steps = pa.array(values.ravel(), type=pa.large_string() if is_text(values) else None)
    if n_channels > 1:
        steps = pa.FixedSizeListArray.from_arrays(steps, n_channels)
    mask = None if missing is None or not missing.any() else pa.array(missing)
    field = pa.field("item", steps.type, metadata=None if names is None else {NAMES: json.dumps(names)})
    return pa.LargeListArray.from_arrays(pa.array(offsets), steps, type=pa.large_list(field), mask=mask)


def from_arrow(array, *, allow_missing=False):
    """Return values, offsets and names of the channels of an Arrow array of lists.

    Null becomes a sequence without steps if allowed.
    """
    pa = import_pyarrow()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks == 1 else array.combine_chunks()  # which copies a single one, too
    if not isinstance(array, pa.Array) or not _is_list(array.type):
        raise ValueError(f"an Arrow array of lists is expected, got {getattr(array, 'type', type(array).__name__)}.")
    if array.null_count and not allow_missing:
        i = np.flatnonzero(array.is_null().to_numpy(zero_copy_only=False))[0]
        refuse_missing(None, f"sequence {i}")
    offsets = offsets_of(_lengths(array))
    steps, n_channels = array.flatten(), 1
    if _is_list(steps.type):
        n_channels = _n_channels(steps, offsets)
        steps = steps.flatten()
    if pa.types.is_nested(steps.type):
        raise ValueError(f"the Arrow array holds {array.type}; {ITEM_SHAPE}")
    if pa.types.is_dictionary(steps.type):
        steps = steps.dictionary_decode()
    values = steps.to_numpy(zero_copy_only=False)
    if steps.null_count and any(isinstance(token, str) for token in values):
        row = steps.is_null().index(True).as_py() // n_channels
        raise ValueError("sequence {}, step {}: the token is missing.".format(*place(offsets, row)))
    values = step_array(values, "the Arrow array").reshape(-1, n_channels)
    return values, offsets, _names(array.type.value_field, n_channels)


def _names(field, n_channels):
    """Return the names that `to_arrow` has written; None if there are none, or none that fit."""
    try:
        return checked_names(json.loads((field.metadata or {})[NAMES]), n_channels)
    except (KeyError, ValueError):
        return None


def list_column(column):
    """Return a polars or pandas column of lists as an Arrow array; None if it is no such column."""
    if hasattr(column, "to_arrow") and type(column.dtype).__name__ in ("List", "Array"):
        import_pyarrow()
        return column.to_arrow()
    if hasattr(column.dtype, "pyarrow_dtype") and _is_list(column.dtype.pyarrow_dtype):
        return import_pyarrow().array(column.array)
    return None


def _is_list(arrow_type):
    types = import_pyarrow().types
    return types.is_list(arrow_type) or types.is_large_list(arrow_type) or types.is_fixed_size_list(arrow_type)


def _lengths(array):
    return import_pyarrow().compute.list_value_length(array).fill_null(0).to_numpy()


def _n_channels(steps, offsets):
    """Return the common length of the lists that stand for steps."""
    n_channels = steps.type.list_size if hasattr(steps.type, "list_size") else -1
    if steps.null_count:
        i, step = place(offsets, steps.is_null().index(True).as_py())
        raise ValueError(f"sequence {i}, step {step} is missing; if only its numbers are, each of them should be.")
    if n_channels >= 0 or len(steps) == 0:
        return max(n_channels, 1)
    lengths = _lengths(steps)
    differs = lengths != lengths[0]
    if differs.any():
        row = differs.argmax()
        i, step = place(offsets, row)
        raise ValueError(
            f"sequence {i}, step {step} has {lengths[row]} channels, step 0 of sequence 0 has {lengths[0]}: all steps "
            "need the same channels."
        )
    return int(lengths[0])
