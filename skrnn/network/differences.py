"""Changes from step to step: their scale, and whether a network is better off if it reads them, too.

A smooth series says little by each value that the value before has not said. Standardised, its changes are as large as
its values, and show where it bends. The changes of a series of noise are noise of twice the variance.
"""

from functools import partial
from typing import NamedTuple

import numpy as np

from .moments import kernel_of, laid_out, moments, summed

SMOOTH = 0.25  # change of a step, in standard deviations of the values; chosen by experiment, see docs/defaults.rst


class Changes(NamedTuple):
    """Of standardised channels the root mean square of their changes, and the sum of its products with the last ones.

    Both are 0 for a channel that never changes, or by no more than rounding.
    """

    size: np.ndarray
    products: np.ndarray


def are_smooth(scan, channels):
    """Whether most of the channels that change are smooth.

    A channel is smooth if it changes little from step to step, and if its changes tend to go on as they were: those of
    noise go back and forth, however far apart the levels of sequences are.

    scan : `Scan` of sequences and weights; of steps with weight 0 nothing is looked at. channels : their numbers
    """
    try:
        mean, scale = moments(lambda function: scan.map(partial(_of_values, function)), channels)
    except ValueError:  # their variance overflows
        return False
    changes = _changes(scan, mean, scale)
    votes = ((changes.size < SMOOTH) & (changes.products > 0))[changes.size > 0]
    return bool(2 * votes.sum() > len(votes))


def _of_values(function, chunk, weight):
    return function(chunk.values, weight)


def difference_scale(scan, mean, scale):
    """Root mean square of the changes of standardised channels; 1 for those that do not change.

    scan : `Scan` of sequences and weights
    """
    size = _changes(scan, mean, scale).size
    return np.where(size > 0, size, 1.0)


def _changes(scan, mean, scale):
    """The `Changes` of channels with these means and scales."""
    totals, squares, products, eps = zip(*scan.map(partial(_sums_of_changes, scale), n_before=2), strict=True)
    total = summed(totals)
    with np.errstate(over="ignore", invalid="ignore"):
        size, products = np.sqrt(summed(squares) / np.where(total > 0, total, 1.0)), summed(products)
        is_rounding = size <= 10 * eps[0] * (np.abs(mean) / scale + 1)
    return Changes(np.where(is_rounding, 0.0, size), np.where(is_rounding, 0.0, products))


def _sums_of_changes(scale, chunk, weight):
    """Of a piece that has two steps of the piece before again: weight, squares and products of changes; precision."""
    values, weight, offsets, n = laid_out(chunk.values), laid_out(weight), chunk.offsets, chunk._n_again
    n_before, total, nothing = np.zeros(1, np.int64), np.zeros(1), np.zeros(1)
    before, change, squares, lost, products, lost_products, *others = np.zeros((10, values.shape[1]))
    add = kernel_of("add_changes")
    add(values[:n], np.array([0, n]), weight[:n], scale, n_before, before, change, nothing, *others)
    offsets = laid_out(offsets.clip(n) - n)
    add(values[n:], offsets, weight[n:], scale, n_before, before, change, total, squares, lost, products, lost_products)
    return total, squares, products, np.finfo(values.dtype).eps
