"""The forms of X that are divided into partitions: how partitions are found, read, and put together again."""

from dataclasses import dataclass

import numpy as np

from ..sequences import SequenceArray
from ..sequences._steps import check_container, is_text
from ._dask import check_chunks
from ._files import is_file
from ._form import Form
from ._frames import LongFrame, WideFrame, is_frame, read_parquet

FORMS = (
    "X must be a dask.array, a Dask frame or bag, a list of delayed SequenceArrays or futures, or a path of a Parquet "
    "file or folder, or a list of paths, got {}. For sequences in memory call the method of the estimator."
)


def form_of(X, *, instance, time, columns, sort):
    """X, opened if it is a file, and its form."""
    if is_file(X):
        X = read_parquet(X, is_long=instance is not None)
    if is_frame(X):
        if instance is None:
            _refuse("needs instance, the name of the ids of a frame in long format", time=time, sort=sort or None)
            return WideFrame.of(X, columns)
        return LongFrame.of(X, instance, time, columns, sort)
    _refuse("is for frames and Parquet files", instance=instance, time=time, columns=columns, sort=sort or None)
    return X, _plain_form(X)


def _refuse(why, **given):
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{name}={value!r} {why}.")


def _plain_form(X):
    import dask.array  # noqa: PLC0415 (an extra)
    import dask.bag  # noqa: PLC0415

    if isinstance(X, dask.array.Array):
        return Blocks.of(X)
    if isinstance(X, dask.bag.Bag):
        return Bag()
    if not isinstance(X, (list, tuple)):
        raise TypeError(FORMS.format(type(X).__name__))
    for k, part in enumerate(X):
        if not hasattr(part, "key"):
            raise TypeError(FORMS.format(f"a {type(X).__name__} with {type(part).__name__} as item {k}"))
    if not len(X):
        raise ValueError("X is an empty list, which has no partition.")
    return Listed()


@dataclass(frozen=True)
class Blocks(Form):
    """Chunks of a dask.array."""

    shape: tuple
    dtype: np.dtype

    @classmethod
    def of(cls, X):
        if X.ndim not in (2, 3):
            raise ValueError(
                f"X has {X.ndim} axes, expected 3, (n_sequences, n_steps, n_channels), or 2, (n_sequences, n_steps)."
            )
        check_chunks(X)
        return cls(tuple(X.shape[1:]), X.dtype)

    def parts(self, X):
        return list(X.to_delayed().ravel())

    def sample(self, estimator):
        return np.ones((1, *(1 if np.isnan(n) else n for n in self.shape)), self.dtype)

    def checked(self, part, before):
        is_alike = all(found == n or np.isnan(n) for found, n in zip(part.shape[1:], self.shape, strict=True))
        if part.ndim != 1 + len(self.shape) or not is_alike or part.dtype != self.dtype:
            raise ValueError(
                f"it has shape {part.shape} and dtype {part.dtype}, expected {('n', *self.shape)} and {self.dtype}."
            )
        return part

    def key(self, name, number, meta):
        return name, number, *[0] * (meta.ndim - 1)

    def joined(self, X, graph, name, keys, meta):
        from dask.array import Array  # noqa: PLC0415

        return Array(graph, name, (X.chunks[0], *((n,) for n in meta.shape[1:])), meta=meta)


class Bag(Form):
    """Items of a bag are sequences."""

    needs_meta = False

    def parts(self, X):
        return X.to_delayed()

    def checked(self, part, before):
        return list(part)

    def nothing(self, part, results_of):
        return []

    def given_back(self, rows, index, estimator, method):
        return list(super().given_back(rows, index, estimator, method))

    def joined(self, X, graph, name, keys, meta):
        from dask.bag import Bag as Joined  # noqa: PLC0415

        return Joined(graph, name, len(keys))


class Listed(Form):
    """A list of delayed `SequenceArray`, or of what else is X for an estimator; or of futures."""

    needs_meta = False

    def parts(self, X):
        from dask.delayed import Delayed, delayed  # noqa: PLC0415

        return [part if isinstance(part, Delayed) else delayed(part) for part in X]

    def checked(self, part, before):
        check_container(part, "it")
        return part

    def nothing(self, part, results_of):
        if not isinstance(part, SequenceArray):
            raise ValueError("it has no sequence.")
        one = np.full((1, part.n_channels), "1" if is_text(part.values) else 1, part.values.dtype)
        return results_of(SequenceArray(one, [0, 1], part.channel_names))[:0]

    def joined(self, X, graph, name, keys, meta):
        from dask.delayed import Delayed  # noqa: PLC0415

        return [Delayed(key, graph, layer=name) for key in keys]
