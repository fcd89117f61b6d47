"""Copying, scattering, adding and clearing the rows ``first .. last - 1`` of matrices."""

from ._jit import VECTOR_BYTES, stage
from .lanes import load, store


@stage
def clear_rows(array, first, last):
    """Set rows to 0."""
    for n in range(first, last):
        for j in range(array.shape[1]):
            array[n, j] = 0


@stage
def fill_rows(array, first, last, value):
    """Set rows to a value."""
    for n in range(first, last):
        for j in range(array.shape[1]):
            array[n, j] = value


@stage
def copy_rows(source, column, first, last, width, target):
    """target[n, :width] = source[n, column : column + width]."""
    lanes = VECTOR_BYTES // target.itemsize
    for n in range(first, last):
        for j in range(0, width, lanes):
            store(target, n, j, width - j, load(source, n, column + j, width - j))


@stage
def scatter_rows(source, width, rows, column, target):
    """target[rows[n], column : column + width] = source[n, :width]."""
    lanes = VECTOR_BYTES // target.itemsize
    for n in range(rows.shape[0]):
        for j in range(0, width, lanes):
            store(target, rows[n], column + j, width - j, load(source, n, j, width - j))


@stage
def add_to_rows(source, first, last, width, target):
    """target[n, :width] += source[n, :width]."""
    lanes = VECTOR_BYTES // target.itemsize
    for n in range(first, last):
        for j in range(0, width, lanes):
            store(target, n, j, width - j, load(target, n, j, width - j) + load(source, n, j, width - j))


@stage
def mask_rows(target, M, first, last, width):
    """target[n, :width] *= M[n, :width]."""
    lanes = VECTOR_BYTES // target.itemsize
    for n in range(first, last):
        for j in range(0, width, lanes):
            store(target, n, j, width - j, load(target, n, j, width - j) * load(M, n, j, width - j))


@stage
def start_states(given, n_sequences, H, n_states, M, noisy, Z, S, R):
    """Set the states before the first step to rows of [h, others].

    If `noisy`, R holds h, and Z the product of it with the mask M.
    """
    for n in range(n_sequences):
        for j in range(H):
            h = given[n, j]
            Z[n, j] = h * M[n, j] if noisy else h
            if noisy:
                R[n, j] = h
        for j in range(H * n_states):
            S[n, j] = given[n, H + j]
