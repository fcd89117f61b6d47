"""X, y and weights in parts that workers read, each of which becomes a `Kept`."""

from itertools import chain
from typing import NamedTuple

import numpy as np
from dask import delayed
from dask.delayed import Delayed
from dask.optimization import cull
from dask.utils import ensure_dict
from distributed import Future, get_worker

from ..sequences import SequenceArray, as_sequence_array
from ..sequences._containers import items_of
from ..sequences._steps import check_container
from ..sequences._validate import pack
from ._dask import check_chunks
from ._files import FilePart, is_file, parts_of_files

BLOCK_BYTES = 2**26  # of sequences of this process that go to a worker together
SEND = 5.0  # seconds in which a worker must begin to take such sequences


class LostWorkersError(Exception):
    """Workers are gone, or take nothing."""


class Kept(NamedTuple):
    """What a task says of a part that it has put on a worker.

    owner : address of the worker; lengths : of its sequences; dtype, n_channels, names : of their values; y, weight :
    what goes with it, if that is in parts, too; example : its first sequence in the form of X; n_columns : of a table.
    """

    owner: str
    lengths: np.ndarray
    dtype: np.dtype
    n_channels: int
    names: tuple | None
    y: object
    weight: object
    example: object
    n_columns: int | None


class Parts:
    """Parts of X, and of y and weights if these are in parts, too.

    Parameters
    ----------
    X, y, weight : lists
        Delayed, futures, `FilePart`, or `SequenceArray` of this process; None in place of the list where the others are
        whole.
    """

    def __init__(self, X, y=None, weight=None):
        nothing = [None] * len(X)
        self._parts = list(zip(X, y or nothing, weight or nothing, strict=True))

    def __len__(self):
        return len(self._parts)

    async def keep(self, client, name, numbers, workers):
        """Futures of a `Kept` for each of the parts with these numbers, which go to `workers`.

        LostWorkersError: sequences of this process cannot be sent, because a worker is gone or takes nothing now.
        """
        tasks = []
        for k in numbers:
            X, y, weight = self._parts[k]
            _check_there(k, X, y, weight)
            if isinstance(X, SequenceArray):
                X = await _sent(client, X, workers[k % len(workers)])
            tasks.append(delayed(keep, pure=False)(name, k, X, y, weight))
        return client.compute(tasks, workers=workers)


def _check_there(number, *given):
    """Refuse futures whose data are gone: tasks with them would not begin."""
    for one in given:
        if isinstance(one, Future) and one.cancelled():
            raise ValueError(
                f"Partition {number}: the future {one.key!r} is cancelled, or its data went with a worker. Delayed "
                "objects are computed once more."
            )


async def _sent(client, X, worker):
    """A future of X on a worker."""
    try:
        return await client.scatter(X, workers=[worker], hash=False, timeout=SEND, asynchronous=True)
    except (KeyError, OSError) as error:  # it is not known any more, or Dask has paused it
        raise LostWorkersError from error


def keep(name, number, X, y, weight):
    """Bring a part to the worker that this runs on; returns a `Kept`.

    X, y, weight : the part, or where it is in a file; None for y and weights that are whole.
    """
    read = []
    try:
        owner = get_worker().plugins[name].keep(number, _values_of(X, read))
        y, weight = (given.read() if isinstance(given, FilePart) else given for given in (y, weight))
        n_rows = sum(len(one.lengths) for one in read)
        for given, what in ((y, "y"), (weight, "sample_weight")):
            if given is not None:
                check_container(given, what)
                if len(given) != n_rows:
                    raise ValueError(f"{what} has {len(given)} rows there, X has {n_rows} sequences.")
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"Partition {number}: {error}") from error
    if not read:
        return Kept(owner, np.zeros(0, np.int64), None, None, None, y, weight, None, None)
    lengths = np.concatenate([one.lengths for one in read])
    return read[0]._replace(owner=owner, lengths=lengths, y=y, weight=weight)


def _values_of(X, read):
    """Yield the values of a part, piece by piece; for each a `Kept` goes to `read`, which says what else is there."""
    n_before = 0
    try:
        for piece in X.pieces() if isinstance(X, FilePart) else [X]:
            n_rows, sequences, n_columns, example = _read(piece)
            if sequences is None:
                continue
            values, n_channels = sequences.values, sequences.n_channels
            if read and n_channels != read[0].n_channels:
                raise ValueError(f"sequence 0 has {n_channels} channels, those before have {read[0].n_channels}.")
            what = sequences.lengths, values.dtype, n_channels, sequences.channel_names
            read.append(Kept(None, *what, None, None, None if read else example, n_columns))
            n_before += n_rows
            yield values
    except ValueError as error:
        if n_before == 0:
            raise
        raise ValueError(f"counted from its sequence {n_before} on: {error}") from error


def _read(part):
    """Number of sequences of a part; the sequences; the columns of a table; the first sequence as it is given.

    There are no sequences, None, in a part without rows.
    """
    if hasattr(part, "__iter__") and not hasattr(part, "__len__"):
        part = list(part)
    check_container(part, "X")
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
    if is_file(X):
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


def _parts_of_files(X, y, weight, columns):
    """As `parts_of`; y and weights are names of columns, or whole."""
    names = {"y": y, "sample_weight": weight}
    for name, given in names.items():
        if _delayed(given, name) is not None:
            raise ValueError(f"{name} is in partitions, but X is files: pass the name of a column, or all of {name}.")
    columns_of_files = [given if isinstance(given, str) else None for given in names.values()]
    whole = [None if isinstance(given, str) else given for given in names.values()]
    return Read(Parts(*parts_of_files(X, *columns_of_files, columns)), *whole)


def _blocks(sequences):
    """Sequences of this process in parts."""
    n = len(sequences)
    size = max(1, int(n * BLOCK_BYTES / max(1, sequences.values.nbytes)))
    return [sequences[begin : begin + size] for begin in range(0, n, size)]


def _delayed(given, name):
    """The partitions of a collection of Dask, or a list of delayed or futures; None for anything else."""
    if isinstance(given, (Delayed, Future)):
        raise TypeError(f"{name} is a single {type(given).__name__}: pass a list of its partitions, like [{name}].")
    if hasattr(given, "numblocks"):  # dask.array
        check_chunks(given, name)
        return _alone(given.to_delayed().ravel())
    if hasattr(given, "to_delayed"):
        return _alone(given.to_delayed())
    if isinstance(given, (list, tuple)) and any(isinstance(one, (Delayed, Future)) for one in given):
        for k, one in enumerate(given):
            if not isinstance(one, (Delayed, Future)):
                raise TypeError(
                    f"{name} must hold delayed objects or futures only; item {k} is a {type(one).__name__}."
                )
        return _alone(given)
    return None


def _alone(parts):
    """The same parts, delayed objects with the tasks only that each needs.

    Those of a collection have the tasks of all, which Dask would go through each time that some are sent.
    """
    graphs, alone = {}, []
    for part in parts:
        if isinstance(part, Delayed) and not _annotated(graph := part.dask):
            if id(graph) not in graphs:
                graphs[id(graph)] = graph, ensure_dict(graph)  # the graph, too: another would have its id
            part = Delayed(part.key, cull(graphs[id(graph)][1], [part.key])[0])
        alone.append(part)
    return alone


def _annotated(graph):
    """Whether layers of a graph say more than tasks, like resources or priorities, which a dict would not keep."""
    return any(layer.annotations for layer in getattr(graph, "layers", {}).values())


# --------------------------------------------------------------------------------------------------------------- joined
def joined(parts, name):
    """Targets or weights of all parts in one; `name` : of what they are."""
    for k, part in enumerate(parts):
        check_container(part, f"Partition {k}: {name}")
    there = [(k, part) for k, part in enumerate(parts) if len(part)]
    kinds = [(k, part.dtype) for k, part in there if isinstance(part, np.ndarray) and part.dtype != object]
    for k, dtype in kinds:  # of both NumPy would make text
        if (dtype.kind in "US") != (kinds[0][1].kind in "US"):
            raise ValueError(f"Partition {k} of {name} holds {dtype}, partition {kinds[0][0]} holds {kinds[0][1]}.")
    columns = [(k, list(part.columns)) for k, part in there if hasattr(part, "columns")]
    for k, names in columns:  # pandas would fill what is missing with NaN
        if names != columns[0][1]:
            first, expected = columns[0]
            raise ValueError(f"Partition {k} of {name} has the columns {names}, partition {first} has {expected}.")
    parts = [part for _, part in there]
    if all(isinstance(part, SequenceArray) for part in parts):
        return SequenceArray.concatenate(parts)
    if all(hasattr(part, "iloc") for part in parts):
        import pandas as pd  # noqa: PLC0415 (takes half a second)

        return pd.concat(parts, ignore_index=True)
    if all(isinstance(part, np.ndarray) and part.shape[1:] == parts[0].shape[1:] for part in parts):
        return np.concatenate(parts)
    return list(chain.from_iterable(parts))
