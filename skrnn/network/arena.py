"""Arrays for kernels: aligned to cache lines, row strides that do not collide in the cache."""

import numpy as np

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

    Attributes
    ----------
    arrays : dict of str to ndarray of shape (n_rows, row stride)
    memory : ndarray of shape (n,)
        All of them, end to end.
    """

    def __init__(self, shapes, dtype, zeros=True):
        itemsize = np.dtype(dtype).itemsize
        strides = {name: padded(columns, dtype) for name, (_, columns) in shapes.items()}
        sizes = {name: max(rows, 1) * strides[name] for name, (rows, _) in shapes.items()}
        memory = (np.zeros if zeros else np.empty)(sum(sizes.values()) + LINE // itemsize, dtype)
        start = position = -(memory.ctypes.data // itemsize) % (LINE // itemsize)
        self.arrays = {}
        for name, size in sizes.items():
            self.arrays[name] = memory[position : position + size].reshape(-1, strides[name])
            position += size
        self.memory = memory[start:position]
        self._groups, spare = {}, next(iter(self.arrays.values()), None)
        for name, array in self.arrays.items():
            prefix, _, rest = name.rpartition(".")
            self._groups.setdefault(prefix, Group(spare))[rest] = array

    def group(self, prefix):
        """The arrays whose names start with ``"{prefix}."``, by the rest of their names; there may be none."""
        return self._groups.get(prefix, NO_GROUP)
