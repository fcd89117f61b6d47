"""Means and standard deviations of channels, and what is standardised by them."""

import functools
import math
from typing import NamedTuple

import numpy as np

# Where squares may underflow, a spread is measured once more, on values magnified by a power of 2, without rounding.
TINY_SCALE, TINY_MEAN, MAGNIFICATION = 1e-140, 1e-120, 2.0**600


class Sums(NamedTuple):
    """Of the columns of a piece: weight, mean, weighted sum, squares about the mean; precision of the values."""

    total: np.ndarray
    mean: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    eps: float


def mean_and_scale(values, weight, channels, switch):
    """Mean and standard deviation of columns over weighted rows; NaN counts for nothing.

    switch : the parameter that errors advise to set to False.
    """
    return moments(lambda function: [function(values, weight)], channels, switch)


def moments(scan, channels, switch="standardize"):
    """`mean_and_scale` of values in pieces, by one look at each.

    scan : ``scan(function)`` gives ``function(values, weight)`` for each piece; perhaps another process calls it.
    """
    mean, scale, eps = _mean_and_deviation(scan(_sums_of_piece))
    tiny = (scale < TINY_SCALE) & (np.abs(mean) < TINY_MEAN) & (eps < np.finfo(np.float32).eps)
    if tiny.any():  # whose squares may be too small to be numbers
        magnified_mean, magnified_scale, _ = _mean_and_deviation(scan(functools.partial(_sums_of_tiny, tiny)))
        mean[tiny] = magnified_mean / MAGNIFICATION
        found = np.maximum(magnified_scale / MAGNIFICATION, np.finfo(float).smallest_subnormal)
        scale[tiny] = np.where(magnified_scale > 0, found, 0.0)
    wrong = ~(np.isfinite(mean) & np.isfinite(scale))
    if wrong.any():
        raise ValueError(
            f"Input X: the values of channel {channels[wrong.argmax()]} are too large, their variance overflows; "
            f"rescale them or set {switch}=False."
        )
    # A channel that is constant but for rounding must not be blown up.
    return mean, np.where(scale <= 10 * eps * np.abs(mean), 1.0, scale)


def _mean_and_deviation(pieces):
    """Weighted mean and standard deviation of columns, and the precision of the values, by the `Sums` of pieces.

    Squares about the mean of all are those about the mean of the piece, and its weight times the square of the distance
    of both: the piece need not be looked at again when the mean is known.
    """
    pieces = list(pieces)
    total = summed([piece.total for piece in pieces])
    weight = np.where(total > 0, total, 1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = summed([piece.sums for piece in pieces]) / weight
        variance = summed([piece.squares + piece.total * np.square(piece.mean - mean) for piece in pieces]) / weight
    return mean, np.sqrt(variance), pieces[-1].eps


def _sums_of_piece(values, weight):
    total, lost, sums, lost_squares, squares = np.zeros((5, values.shape[1]))
    with np.errstate(over="ignore", invalid="ignore"):
        kernel_of("add_values")(laid_out(values), laid_out(weight), total, lost, sums)
        mean = sums / np.where(total > 0, total, 1.0)
        kernel_of("add_squares")(laid_out(values), laid_out(weight), mean, lost_squares, squares)
    return Sums(total, mean, sums, squares, np.finfo(values.dtype).eps)


def _sums_of_tiny(tiny, values, weight):
    return _sums_of_piece(values[:, tiny] * MAGNIFICATION, weight)


def summed(rows):
    """The sum of the rows, as if rounded once; NaN where it overflows."""
    return np.array([_sum(column) for column in np.transpose(rows).tolist()])


def _sum(numbers):
    try:
        return math.fsum(numbers)
    except (OverflowError, ValueError):
        return np.nan


def put_standardized(values, mean, scale, out):
    """out = (values - mean) / scale."""
    kernel_of("standardize")(laid_out(values), laid_out(mean), laid_out(scale), out)


@functools.cache
def kernel_of(name):
    """A kernel that does not warn of overflow: what is too large is refused when all is measured or encoded."""
    from ..kernels import statistics  # noqa: PLC0415 (brings the compiler)

    kernel = getattr(statistics, name)
    return kernel if hasattr(kernel, "py_func") else np.errstate(over="ignore", invalid="ignore")(kernel)


def laid_out(array):
    """The array in the one layout that kernels are compiled for."""
    if type(array) is np.ndarray and array.flags.carray:
        return array
    return np.require(array, requirements=["C", "A", "W"])
