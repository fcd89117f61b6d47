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


def rows_between(begin, end, firsts):
    """The `Rows` from `begin` to before `end`, of parts with these first rows."""
    inner = firsts[(firsts > begin) & (firsts < end)]
    bounds = np.unique([begin, *inner, end]).astype(np.int64)
    return Rows(bounds[:-1], bounds[1:])


def by_owner(rows, firsts, owners):
    """For each owner the numbers of the ranges that it has.

    firsts : first row of each part, and the end of the last, rising; owners : of each part
    """
    part = np.searchsorted(firsts, rows.begins, side="right") - 1
    groups = {}
    for k in np.unique(part).tolist():
        groups.setdefault(owners[k], []).append(np.flatnonzero(part == k))
    return {owner: np.sort(np.concatenate(which)) for owner, which in groups.items()}


def put(values, which, offsets, out):
    """Copy ranges that stand one after the other in `values` to their places in `out`: range k to ``offsets[k]``."""
    begin = 0
    for k in which.tolist():
        n = int(offsets[k + 1] - offsets[k])
        out[offsets[k] : offsets[k] + n] = values[begin : begin + n]
        begin += n
