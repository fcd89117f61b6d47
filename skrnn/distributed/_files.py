"""Parquet and Arrow files in parts: the files that a path stands for, and how a worker reads a part of one."""

import os
from glob import glob

from ..sequences import SequenceArray

ENDINGS = ".parquet", ".arrow", ".feather"
READ_BYTES = 2**23  # of a row group that are read at a time, as it is in the file
BUFFER_BYTES = 2**20


class FilePart:
    """Columns of a row group of a Parquet file, or of a record batch of an Arrow file.

    Parameters
    ----------
    path : str
    number : int
        Of the row group or batch in its file.
    columns : list of str or str
        Names; of a single column as str a vector is read.
    """

    def __init__(self, path, number, columns):
        self._path, self._number, self._columns = path, number, columns
        self._names = [columns] if isinstance(columns, str) else columns

    def read(self):
        """A vector, or a frame."""
        if self._path.endswith(".parquet"):
            table = _opened(self._path).read_row_group(self._number, columns=self._names)
        else:
            table = _pyarrow().Table.from_batches([_opened(self._path).get_batch(self._number)]).select(self._names)
        return table.column(0).to_pandas() if isinstance(self._columns, str) else table.to_pandas()

    def pieces(self):
        """Yield X piece by piece: sequences of a single column of lists, else one frame.

        Lists of numbers in Parquet are decoded a few megabytes at a time: all of a row group would take several times
        its size. Numbers have one dtype in all pieces; texts, of which the longest one tells how wide they are, do not.
        """
        opened = _opened(self._path)
        kind = _schema(opened).field(self._names[0]).type
        if len(self._names) > 1 or "list" not in str(kind):
            yield self.read()
            return
        if not self._path.endswith(".parquet"):
            columns = [opened.get_batch(self._number).column(self._names[0])]
        else:
            of_group = opened.metadata.row_group(self._number)
            n_rows = of_group.num_rows
            if _holds_numbers(kind):
                n_rows = n_rows * READ_BYTES // max(of_group.total_byte_size, 1)
            how = {"row_groups": [self._number], "columns": self._names, "use_threads": False}
            columns = (batch.column(0) for batch in opened.iter_batches(max(1, n_rows), **how))
        for column in columns:
            if len(column):
                yield SequenceArray.from_arrow(column)


def _holds_numbers(kind):
    """Whether an Arrow type is one of lists of numbers, perhaps of lists of lists."""
    types = _pyarrow().types
    while hasattr(kind, "value_type") and not types.is_dictionary(kind):
        kind = kind.value_type
    return types.is_floating(kind) or types.is_integer(kind)


def is_file(X):
    """Whether X is a path, or a list of paths."""
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and all(isinstance(one, os.PathLike) or _is_path(one) for one in X)
    return isinstance(X, (str, os.PathLike))


def _is_path(text):
    return isinstance(text, str) and text.endswith(ENDINGS)


def files_of(X):
    """The files that a path, a folder, a pattern with ``*``, or a list of these stands for, in the order of Dask."""
    patterns = [os.fspath(one) for one in (X if isinstance(X, (list, tuple)) else [X])]
    return [path for pattern in patterns for path in _files_of_one(pattern)]


def _files_of_one(pattern):
    from dask.utils import natural_sort_key  # noqa: PLC0415 (an extra)

    is_folder = os.path.isdir(pattern)
    found = [name for name in glob(os.path.join(pattern, "*") if is_folder else pattern) if _is_path(name)]
    if not found:
        where = f"the folder {pattern!r}" if is_folder else repr(pattern)
        raise FileNotFoundError(f"X: there is no file {', '.join(ENDINGS)} at {where}.")
    return sorted(found, key=natural_sort_key)


def parts_of_files(X, y, weight, columns):
    """For X, y and weights a `FilePart` of each row group or record batch; None for y and weights that are None.

    y, weight : names of columns, or None; columns : those of X, None for all others.
    """
    names = {"y": y, "sample_weight": weight}
    paths = files_of(X)
    if columns is None:
        columns = [name for name in _schema(_opened(paths[0])).names if name not in (y, weight)]
    columns = [columns] if isinstance(columns, str) else list(columns)
    needed = [*(("columns", name) for name in columns), *((key, name) for key, name in names.items() if name)]
    places = []
    for path in paths:
        opened = _opened(path)
        _check_columns(path, _schema(opened).names, needed)
        places += [(path, k) for k in range(_n_parts(opened))]
    wanted = columns, y, weight
    return [None if one is None else [FilePart(*place, one) for place in places] for one in wanted]


def _check_columns(path, there, names):
    """Refuse names that are no columns of a file."""
    for argument, name in names:
        if name not in there:
            raise ValueError(f"{argument}: the file {path} has no column {name!r}, it has {', '.join(there)}.")


def _pyarrow():
    from ..sequences._arrow import import_pyarrow  # noqa: PLC0415 (an extra)

    return import_pyarrow()


def _opened(path):
    pa = _pyarrow()
    try:
        if path.endswith(".parquet"):
            import pyarrow.parquet  # noqa: PLC0415

            return pyarrow.parquet.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
        return pa.ipc.open_file(pa.memory_map(path))
    except pa.ArrowInvalid as error:
        raise ValueError(f"{path} cannot be read: {error}") from error


def _schema(opened):
    return opened.schema_arrow if hasattr(opened, "schema_arrow") else opened.schema


def _n_parts(opened):
    return opened.num_row_groups if hasattr(opened, "num_row_groups") else opened.num_record_batches
