"""Frames of Dask and Parquet files, in long format or with a sequence in each row."""

import os
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from ..sequences import Sequence, SequenceArray, SequenceDtype, SequenceExtensionArray
from ..sequences._arrow import import_pyarrow
from ..sequences._convert import packed_column
from ._form import Form
from ._results import columns_of

OBJECTS = np.dtype(object)


def is_frame(X):
    """Whether X is a frame or Series of Dask."""
    return type(X).__module__.startswith("dask.dataframe") and hasattr(X, "to_delayed")


def read_parquet(path, *, is_long):
    """A Dask frame, whose partitions are files, or their row groups where a row is a sequence."""
    import_pyarrow()
    dd = _dask_frames()
    path = list(map(os.fspath, path)) if isinstance(path, (list, tuple)) else path
    if is_long:
        return dd.read_parquet(path, split_row_groups=False)
    # Lists of Arrow are packed without a look at single cells, and pandas would not read those that it has written.
    X = dd.read_parquet(path, split_row_groups=True, dtype_backend="pyarrow")
    return X if any(_is_list(dtype) for dtype in X.dtypes) else dd.read_parquet(path, split_row_groups=True)


def _dask_frames():
    """The module, which then knows what a column of the dtype "sequence" may hold."""
    import dask.dataframe as dd  # noqa: PLC0415 (an extra)
    from dask.dataframe.extensions import make_array_nonempty, make_scalar  # noqa: PLC0415

    make_array_nonempty.register(SequenceDtype, _two_sequences)
    make_scalar.register(Sequence, _itself)
    return dd


def _two_sequences(dtype):
    return SequenceExtensionArray(SequenceArray(np.ones((2, 1)), [0, 1, 2]))


def _itself(cell):
    return cell


@dataclass(frozen=True)
class _Frames(Form):
    """What both kinds of frames have in common."""

    dtypes: dict
    keeps_divisions: bool

    def parts(self, X):
        return X.to_delayed()

    def checked(self, part, before):
        found = _dtypes(part)
        if len(part) and found != self.dtypes:
            raise ValueError(f"it has the columns {_listed(found)}; X has {_listed(self.dtypes)}.")
        return part

    def given_back(self, rows, index, estimator, method):
        return columns_of(rows, index, estimator, method)

    def joined(self, X, graph, name, keys, meta):
        divisions = X.divisions if self.keeps_divisions else (None,) * (len(keys) + 1)
        return _dask_frames().from_graph(graph, meta, tuple(divisions), keys, "map-sequences")


def _dtypes(frame):
    return dict(frame.dtypes) if frame.ndim == 2 else {frame.name: frame.dtype}


def _listed(dtypes):
    return ", ".join(f"{name!r} ({dtype})" for name, dtype in dtypes.items())


def _check_columns(there, argument, names):
    """Refuse names of columns that are not there; argument : the parameter that they were given for."""
    for name in names:
        if name not in there:
            raise ValueError(f"{argument}: X has no column {name!r}, it has {', '.join(map(repr, there))}.")


def _with_names(columns, *others):
    names = [columns] if isinstance(columns, str) else list(columns)
    return [name for name in others if name is not None and name not in names] + names


@dataclass(frozen=True)
class WideFrame(_Frames):
    """A sequence in each row. `none`, `one` : partitions of no row and of one, whose sequences have to be filled in."""

    none: object
    one: object

    @classmethod
    def of(cls, X, columns):
        _dask_frames()
        if columns is not None:
            if X.ndim == 1:
                raise ValueError(f"columns={columns!r} is for frames, but X is a Series.")
            _check_columns(list(X.columns), "columns", _with_names(columns))
            X = X[_with_names(columns)]
        return X, cls(_dtypes(X._meta), X.known_divisions, X._meta, X._meta_nonempty.iloc[:1])

    def sample(self, estimator):
        if self.one.ndim == 1:
            return _of_ones(self.none, self.one, _n_channels(estimator))
        n_channels = _n_channels(estimator) if self.one.shape[1] == 1 else 1
        return self.one.apply(lambda column: _of_ones(self.none[column.name], column, n_channels))

    def read(self, part):
        return part, part.index


def _n_channels(estimator):
    """The number of channels that an estimator, or the first step of a pipeline, was fitted on."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    return getattr(estimator, "n_channels_", 1)


def _of_ones(none, one, n_channels):
    """A column of one cell: a sequence of ones, if its dtype is one of sequences; else as it is in `one`."""
    packed = packed_column(none)
    if packed is not None:
        ones = np.ones((1, packed.n_channels), packed.values.dtype)
        return SequenceArray(ones, [0, 1], packed.channel_names).to_series(one.index, one.name)
    if _is_list(one.dtype):
        kind = _without_categories(one.dtype.pyarrow_dtype)
        return pd.Series([_one(kind, n_channels)], one.index, pd.ArrowDtype(kind), one.name)
    return pd.Series([np.ones((1, n_channels))], one.index, name=one.name) if one.dtype == OBJECTS else one


def _is_list(dtype):
    return isinstance(dtype, pd.ArrowDtype) and hasattr(dtype.pyarrow_dtype, "value_type")


def _without_categories(arrow_type):
    """A type of lists whose items are as they are, where they are numbers of categories."""
    pa = import_pyarrow()
    if pa.types.is_dictionary(arrow_type):
        return arrow_type.value_type
    items = _without_categories(arrow_type.value_type) if hasattr(arrow_type, "value_type") else None
    if items is None or items == arrow_type.value_type:
        return arrow_type  # which may know names of channels
    return pa.list_(items, getattr(arrow_type, "list_size", -1))


def _one(arrow_type, n_channels, depth=0):
    """A list of this type with one step, of ones."""
    if hasattr(arrow_type, "value_type"):
        n = getattr(arrow_type, "list_size", n_channels if depth else 1)
        return [_one(arrow_type.value_type, n_channels, depth + 1)] * n
    return "1" if "string" in str(arrow_type) else 1


@dataclass(frozen=True)
class LongFrame(_Frames):
    """A time step in each row. `options` : of `SequenceArray.from_long`."""

    one: object
    options: dict

    @classmethod
    def of(cls, X, instance, time, columns, sort):
        _dask_frames()
        if X.ndim == 1:
            raise ValueError("X is a Series; a frame in long format has columns of ids and of channels.")
        index, there = X.index.name, list(X.columns)
        _check_columns([*there, index], "instance", [instance])
        _check_columns([*there, index], "time", [] if time is None else [time])
        if columns is not None:
            _check_columns(there, "columns", _with_names(columns))
            X = X[_with_names(columns, *(name for name in (instance, time) if name != index))]
        by_ids = X.known_divisions and X.index.name == instance
        options = {"instance": instance, "time": time, "columns": columns, "sort": sort}
        return X, cls(_dtypes(X._meta), by_ids, X._meta_nonempty.iloc[:1], options)

    def sample(self, estimator):
        return self.one

    def before(self, name, parts):
        if self.keeps_divisions:
            return super().before(name, parts)
        ids, wanted, tasks = partial(_ids, self.options["instance"]), [None], {}
        for k, part in enumerate(parts[:-1]):
            tasks[f"ids-{name}", k] = ids, part, wanted[-1]
            wanted.append((f"ids-{name}", k))
        return wanted, tasks

    def checked(self, part, before):
        part = super().checked(part, before)
        if before is not None:
            again = before.intersection(_ids(self.options["instance"], part))
            if len(again):
                raise ValueError(
                    f"sequence {again[0]} has rows in the partition before, too. A partition must not cut a sequence: "
                    f"bring its rows together, for example by X.set_index({self.options['instance']!r})."
                )
        return part

    def read(self, part):
        return SequenceArray.from_long(part, **self.options)


def _ids(instance, part, before=None):
    """Ids of the sequences of a partition; of the one before, if it has no row."""
    if not len(part):
        return pd.Index([]) if before is None else before
    return pd.Index((part[instance] if instance in part.columns else part.index).unique())
