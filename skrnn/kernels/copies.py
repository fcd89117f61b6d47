"""Copying many small matrices at a time: between the parameter vector and the packed matrices of the products."""

import numpy as np

from ._jit import kernel, stage

BLOCK = 4096  # numbers that are compared before the result is looked at, which compares a vector at a time


@kernel
def copy_all(source, target, table):
    """Copy the matrices in `table`, a row each as `copy_table` makes it, between two flat arrays."""
    for k in range(table.shape[0]):
        n_rows, n_columns = table[k, 0], table[k, 1]
        from_0, from_row, from_column = table[k, 2], table[k, 3], table[k, 4]
        to_0, to_row, to_column = table[k, 5], table[k, 6], table[k, 7]
        if from_column == 1 and to_column == 1:
            for i in range(n_rows):
                # Slices, because an index that might be negative keeps LLVM from moving a vector at a time.
                from_i = source[from_0 + i * from_row : from_0 + i * from_row + n_columns]
                to_i = target[to_0 + i * to_row : to_0 + i * to_row + n_columns]
                for j in range(n_columns):
                    to_i[j] = from_i[j]
        else:
            for i in range(n_rows):
                for j in range(n_columns):
                    target[to_0 + i * to_row + j * to_column] = source[from_0 + i * from_row + j * from_column]


@stage
def copy_if_new(source, known, target, table):
    """`copy_all`, unless `source` has the bits of `known`, from which the last copy was made; then `known` has them.

    Views of integers, because NaN differs from itself, and 0 does not from -0.
    """
    bits, known_bits = source.view(np.int32), known.view(np.int32)
    for first in range(0, bits.shape[0], BLOCK):
        difference = 0
        for k in range(first, min(first + BLOCK, bits.shape[0])):
            difference |= bits[k] ^ known_bits[k]
        if difference != 0:
            for k in range(first, bits.shape[0]):
                known_bits[k] = bits[k]
            copy_all(source, target, table)
            return


def copy_table(pairs, source, target):
    """Table for `copy_all`: of (source view, target view) pairs of equal shape, views of the two flat arrays."""
    rows = []
    for from_view, to_view in pairs:
        places = [*_place(np.atleast_2d(from_view), source), *_place(np.atleast_2d(to_view), target)]
        rows.append([*np.atleast_2d(from_view).shape, *places])
    return np.array(rows, np.int64)


def _place(view, flat):
    offset = (view.ctypes.data - flat.ctypes.data) // flat.itemsize
    return offset, view.strides[0] // flat.itemsize, view.strides[1] // flat.itemsize
