"""Rows of all steps that lie in parts: which part has them, and how they are put together."""

from typing import NamedTuple

import numpy as np

from ..sequences._layout import offsets_of


class Rows(NamedTuple):
    """Ranges of rows, each of which lies within one part: from `begins` to before `ends`."""

    begins: np.ndarray
    ends: np.ndarray

    @property
    def offsets(self):
        """Where each range begins if they stand one after the other."""
        return offsets_of(self.ends - self.begins)

    def take(self, which):
        """Some of the ranges."""
        return Rows(self.begins[which], self.ends[which])


class Places(NamedTuple):
    """Where the rows of all steps are: first rows of the parts, and the end of the last; the worker of each part."""

    firsts: np.ndarray
    owners: list
    n_channels: int
    dtype: np.dtype

    def between(self, begin, end):
        """The `Rows` from `begin` to before `end`."""
        inner = self.firsts[(self.firsts > begin) & (self.firsts < end)]
        bounds = np.unique([begin, *inner, end]).astype(np.int64)
        return Rows(bounds[:-1], bounds[1:])

    def parts_of(self, rows):
        """For each range the number of the part that has it."""
        return np.searchsorted(self.firsts, rows.begins, side="right") - 1

    def by_owner(self, rows):
        """For each worker the numbers of the ranges that it has."""
        parts, groups = self.parts_of(rows), {}
        for k in np.unique(parts).tolist():
            groups.setdefault(self.owners[k], []).append(np.flatnonzero(parts == k))
        return {owner: np.sort(np.concatenate(which)) for owner, which in groups.items()}


def put(values, which, offsets, out):
    """Copy ranges that stand one after the other in `values` to their places in `out`: range k to ``offsets[k]``."""
    begin = 0
    for k in which.tolist():
        n = int(offsets[k + 1] - offsets[k])
        out[offsets[k] : offsets[k] + n] = values[begin : begin + n]
        begin += n
