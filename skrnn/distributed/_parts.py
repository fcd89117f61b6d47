"""X, y and weights in parts that workers read, each of which becomes a `Kept`."""

import os
from glob import glob
from itertools import chain
from typing import NamedTuple

import numpy as np
from dask import delayed
from dask.delayed import Delayed
from dask.utils import natural_sort_key
from distributed import Future, get_worker

from ..sequences import SequenceArray, as_sequence_array
from ..sequences._containers import items_of
from ..sequences._validate import pack
from ._dask import check_chunks
from ._fleet import Kept

BLOCK_BYTES = 2**26  # of sequences of this process that go to a worker together
NO_ROWS = np.zeros((0, 0))
ENDINGS = ".parquet", ".arrow", ".feather"


class Parts:
    """Parts of X, and of y and weights if these are in parts, too.

    Parameters
    ----------
    X, y, weight : lists
        Delayed, futures, or `SequenceArray` of this process; None in place of the list where the others are whole.
    """

    def __init__(self, X, y=None, weight=None):
        nothing = [None] * len(X)
        self._parts = list(zip(X, y or nothing, weight or nothing, strict=True))

    def __len__(self):
        return len(self._parts)

    async def keep(self, client, name, numbers, workers):
        """Futures of a `Kept` for each of the parts with these numbers, which go to `workers`."""
        tasks = []
        for k in numbers:
            X, y, weight = self._parts[k]
            if isinstance(X, SequenceArray):
                to = [workers[k % len(workers)]]
                X = await client.scatter(X, workers=to, hash=False, asynchronous=True)
            tasks.append(delayed(keep, pure=False)(name, k, X, y, weight))
        return client.compute(tasks, workers=workers)


def keep(name, number, X, y, weight):
    """Bring a part to the worker that this runs on; returns a `Kept`."""
    try:
        n_rows, sequences, n_columns, example = _read(X)
        for given, what in ((y, "y"), (weight, "sample_weight")):
            if given is not None and len(given) != n_rows:
                raise ValueError(f"{what} has {len(given)} rows there, X has {n_rows} sequences.")
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Partition {number}: {error}") from error
    worker = get_worker()
    values = NO_ROWS if sequences is None else sequences.values
    owner = worker.plugins[name].keep(number, values)
    if sequences is None:
        return Kept(owner, np.zeros(0, np.int64), None, None, None, y, weight, None, None)
    what = sequences.lengths, values.dtype, sequences.n_channels, sequences.channel_names
    return Kept(owner, *what, y, weight, example, n_columns)


def _read(part):
    """Number of sequences of a part; the sequences; the columns of a table; the first sequence as it is given.

    There are no sequences, None, in a part without rows.
    """
    if not hasattr(part, "__len__"):
        part = list(part)
    if len(part) == 0:
        return 0, None, None, None
    sequences = as_sequence_array(items_of(part, "X"))
    n_columns = None
    if sequences is None:
        sequences = pack(part)
        n_columns = int(sequences.lengths[0])
    return len(sequences), sequences, n_columns, first_of(part)


def first_of(X):
    """The first sequence of X, in the form of X."""
    X = items_of(X, "X")
    return X.iloc[:1] if hasattr(X, "iloc") else X[:1]


class Read(NamedTuple):
    """Parts of X; y and weights as they were given, None where they are in parts; X, if it was not given in parts."""

    parts: Parts
    y: object
    weight: object
    whole: object = None


def parts_of(X, y, weight, columns=None):
    """X in parts; refuses parts of y and weights that are not like those of X; see `fit`."""
    if _is_file(X):
        return _parts_of_files(X, y, weight, columns)
    if columns is not None:
        raise ValueError(f"columns={columns!r} is for files; of a frame, pass X[columns].")
    of_X, of_y, of_weight = (_delayed(given, name) for given, name in ((X, "X"), (y, "y"), (weight, "sample_weight")))
    if of_X is None:
        for parts, name in ((of_y, "y"), (of_weight, "sample_weight")):
            if parts is not None:
                raise ValueError(f"{name} is in partitions, but X is not: pass {name}.compute(), or X in partitions.")
        return Read(Parts(_blocks(pack(X))), y, weight, X)
    for parts, name in ((of_y, "y"), (of_weight, "sample_weight")):
        if parts is not None and len(parts) != len(of_X):
            raise ValueError(f"{name} has {len(parts)} partitions, X has {len(of_X)}: they must go together.")
    return Read(Parts(of_X, of_y, of_weight), None if of_y else y, None if of_weight else weight)


def _blocks(sequences):
    """Sequences of this process in parts."""
    n = len(sequences)
    size = max(1, int(n * BLOCK_BYTES / max(1, sequences.values.nbytes)))
    return [sequences[begin : begin + size] for begin in range(0, n, size)]


def _delayed(given, name):
    """The partitions of a collection of Dask, or a list of delayed or futures; None for anything else."""
    if hasattr(given, "numblocks"):  # dask.array
        check_chunks(given, name)
        return list(given.to_delayed().ravel())
    if hasattr(given, "to_delayed"):
        return list(given.to_delayed())
    if isinstance(given, (list, tuple)) and any(isinstance(one, (Delayed, Future)) for one in given):
        for k, one in enumerate(given):
            if not isinstance(one, (Delayed, Future)):
                raise TypeError(
                    f"{name} must hold delayed objects or futures only; item {k} is a {type(one).__name__}."
                )
        return list(given)
    return None


# ------------------------------------------------------------------------------------------------------------- files
def _is_file(X):
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and all(isinstance(one, os.PathLike) or _is_path(one) for one in X)
    return isinstance(X, (str, os.PathLike))


def _is_path(text):
    return isinstance(text, str) and text.endswith(ENDINGS)


def _paths(pattern):
    """The files that a path, a folder, or a pattern with ``*`` stands for, in the order in which Dask reads them."""
    is_folder = os.path.isdir(pattern)
    found = [name for name in glob(os.path.join(pattern, "*") if is_folder else pattern) if _is_path(name)]
    if not found:
        where = f"the folder {pattern!r}" if is_folder else repr(pattern)
        raise FileNotFoundError(f"X: there is no file {', '.join(ENDINGS)} at {where}.")
    return sorted(found, key=natural_sort_key)


def _check_columns(path, names):
    """Refuse names that are no columns of a file."""
    there = _schema(path).names
    for argument, name in names:
        if name not in there:
            raise ValueError(f"{argument}: the file {path} has no column {name!r}, it has {', '.join(there)}.")


def _parts_of_files(X, y, weight, columns):
    """A part for each row group of Parquet files, or record batch of Arrow files."""
    patterns = [os.fspath(one) for one in (X if isinstance(X, (list, tuple)) else [X])]
    paths = list(chain.from_iterable(map(_paths, patterns)))
    names = {"y": y, "sample_weight": weight}
    for name, value in names.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} of files must be the name of a column, got {type(value).__name__}.")
    if columns is None:
        columns = [name for name in _schema(paths[0]).names if name not in (y, weight)]
    columns = [columns] if isinstance(columns, str) else list(columns)
    needed = [*(("columns", name) for name in columns), *((key, name) for key, name in names.items() if name)]
    for path in paths:
        _check_columns(path, needed)
    pieces = [(path, k) for path in paths for k in range(_n_pieces(path))]
    read = delayed(read_piece, pure=False)
    of_X = [read(*piece, columns) for piece in pieces]
    of_y, of_weight = (None if name is None else [read(*piece, name) for piece in pieces] for name in names.values())
    return Read(Parts(of_X, of_y, of_weight), None, None)


def _opened(path):
    from ..sequences._arrow import import_pyarrow  # noqa: PLC0415 (an extra)

    pa = import_pyarrow()
    if path.endswith(".parquet"):
        import pyarrow.parquet  # noqa: PLC0415

        return pyarrow.parquet.ParquetFile(path)
    return pa.ipc.open_file(pa.memory_map(path))


def _n_pieces(path):
    opened = _opened(path)
    return opened.num_row_groups if path.endswith(".parquet") else opened.num_record_batches


def _schema(path):
    opened = _opened(path)
    return opened.schema_arrow if path.endswith(".parquet") else opened.schema


def read_piece(path, number, columns):
    """Columns of a row group or record batch: sequences of a single column of lists, else a frame; a name: a vector."""
    from ..sequences._arrow import import_pyarrow  # noqa: PLC0415 (an extra)

    pa, opened = import_pyarrow(), _opened(path)
    wanted = [columns] if isinstance(columns, str) else columns
    if path.endswith(".parquet"):
        table = opened.read_row_group(number, columns=wanted)
    else:
        table = pa.Table.from_batches([opened.get_batch(number)]).select(wanted)
    if isinstance(columns, str):
        return table.column(0).to_pandas()
    if len(wanted) == 1 and "list" in str(table.column(0).type):
        return SequenceArray.from_arrow(table.column(0)) if len(table) else []
    return table.to_pandas()


# --------------------------------------------------------------------------------------------------------------- joined
def joined(parts, name):
    """Targets or weights of all parts in one; `name` : of what they are."""
    kinds = [(k, part.dtype) for k, part in enumerate(parts) if len(part) and isinstance(part, np.ndarray)]
    for k, dtype in kinds:  # of both NumPy would make text
        if (dtype.kind in "US") != (kinds[0][1].kind in "US"):
            raise ValueError(f"Partition {k} of {name} holds {dtype}, partition {kinds[0][0]} holds {kinds[0][1]}.")
    parts = [part for part in parts if len(part)]
    if all(isinstance(part, SequenceArray) for part in parts):
        return SequenceArray.concatenate(parts)
    if all(hasattr(part, "iloc") for part in parts):
        import pandas as pd  # noqa: PLC0415 (takes half a second)

        return pd.concat(parts, ignore_index=True)
    if all(isinstance(part, np.ndarray) and part.shape[1:] == parts[0].shape[1:] for part in parts):
        return np.concatenate(parts)
    return list(chain.from_iterable(parts))
