"""Arrays for kernels: aligned to cache lines, row strides that do not collide in the cache."""

import numpy as np

from ..kernels.batches import SHARD, place_arrays
from ..kernels.program import Instruction, Number, View

LINE = 64  # bytes


def padded(n_columns, dtype):
    """Row stride in elements: an odd number of cache lines, so that the rows of a panel spread over all cache sets."""
    itemsize = np.dtype(dtype).itemsize
    return (-(-n_columns * itemsize // LINE) | 1) * LINE // itemsize


def arena_bytes(shapes, dtype):
    """Bytes that an `Arena` of these shapes takes, however many."""
    itemsize = np.dtype(dtype).itemsize
    return itemsize * sum(max(int(rows), 1) * padded(int(columns), dtype) for rows, columns in shapes.values())


def prefixed(shapes_of_groups):
    """Shapes by full names, from pairs of a prefix and shapes by the rest of their names."""
    return {f"{prefix}.{name}": shape for prefix, shapes in shapes_of_groups for name, shape in shapes.items()}


def aligned(size, dtype, zeros=True):
    """A vector that begins with a cache line."""
    itemsize = np.dtype(dtype).itemsize
    memory = (np.zeros if zeros else np.empty)(size + LINE // itemsize, dtype)
    start = -(memory.ctypes.data // itemsize) % (LINE // itemsize)
    return memory[start : start + size]


class Group(dict):
    """Arrays of an arena that belong together, by name; `spare` is any array of the arena."""

    def __init__(self, spare=None):
        super().__init__()
        self._spare, self._tuples = spare, {}

    def of(self, fields):
        """The arrays that a kernel makes the NamedTuple `fields` from, as a plain tuple, made once.

        For one that there is not stands `spare`: the kernel does not touch it, but needs its type.
        """
        if fields not in self._tuples:
            self._tuples[fields] = tuple(self.get(name, self._spare) for name in fields._fields)
        return self._tuples[fields]


NO_GROUP = Group()  # of names that an arena has no arrays for


class Arena:
    """One allocation that many arrays are cut from: large enough for huge pages, without which the products of larger
    layers wait for address translation.

    Parameters
    ----------
    shapes : dict of str to (n_rows, n_columns)
        Matrices to make; each gets a padded row stride.
    dtype : dtype
    zeros : bool, default=True
        Whether they must be 0 at first; else they hold anything, and nobody waits for pages that are not used.
    memory : ndarray, default=None
        Where they are to lie, if not in new memory.

    Attributes
    ----------
    arrays : dict of str to ndarray of shape (n_rows, row stride)
    memory : ndarray of shape (n,)
        All of them, end to end.
    """

    def __init__(self, shapes, dtype, zeros=True, memory=None):
        strides = {name: padded(columns, dtype) for name, (_, columns) in shapes.items()}
        sizes = {name: max(rows, 1) * strides[name] for name, (rows, _) in shapes.items()}
        self.memory, position = aligned(sum(sizes.values()), dtype, zeros) if memory is None else memory, 0
        self.arrays = {}
        for name, size in sizes.items():
            self.arrays[name] = self.memory[position : position + size].reshape(-1, strides[name])
            position += size
        self._groups = _grouped(self.arrays)

    def group(self, prefix):
        """The arrays whose names start with ``"{prefix}."``, by the rest of their names; there may be none."""
        return self._groups.get(prefix, NO_GROUP)


def _grouped(arrays):
    groups, spare = {}, next(iter(arrays.values()), None)
    for name, array in arrays.items():
        prefix, _, rest = name.rpartition(".")
        groups.setdefault(prefix, Group(spare))[rest] = array
    return groups


class Gradients:
    """Gradients in packed form, a row for each shard of a group.

    Parameters
    ----------
    shapes : dict of str to (n_rows, n_columns)
    dtype : dtype
    n_rows : int

    Attributes
    ----------
    rows : ndarray of shape (n_rows, n)
        All arrays of a shard, end to end.
    first : Arena
        The arrays in row 0.
    """

    def __init__(self, shapes, dtype, n_rows):
        size = arena_bytes(shapes, dtype) // np.dtype(dtype).itemsize
        self.rows = aligned(n_rows * size, dtype).reshape(n_rows, size)
        self.first = Arena(shapes, dtype, memory=self.rows[0])


class MovingArena:
    """The arrays of one row of `Gradients` after the other, as one thread fills them.

    Parameters
    ----------
    gradients : Gradients
    """

    def __init__(self, gradients):
        self.gradients, arrays = gradients, gradients.first.arrays
        base = gradients.rows.ctypes.data
        self._addresses = np.zeros(len(arrays), np.int64)
        self._offsets = np.array([array.ctypes.data - base for array in arrays.values()], np.int64)
        self._groups = _grouped(
            {
                name: View(Number(self._addresses, k), array.shape, array.dtype, gradients)
                for k, (name, array) in enumerate(arrays.items())
            }
        )

    def group(self, prefix):
        """See `Arena.group`."""
        return self._groups.get(prefix, NO_GROUP)

    def place(self, counts):
        """Instructions that move it to the row of the shard that a plan with these `counts` has in hand."""
        rows = self.gradients.rows
        what = self._addresses, self._offsets, rows.ctypes.data, rows.strides[0], Number(counts, SHARD)
        yield Instruction("place gradient", place_arrays, what)
