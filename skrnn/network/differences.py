"""Changes from step to step: their scale, and whether a network is better off if it reads them, too.

A smooth series says little by each value that the value before has not said. Standardised, its changes are as large as
its values, and show where it bends. The changes of a series of noise are noise of twice the variance.
"""

from typing import NamedTuple

import numpy as np

from .moments import kernel_of, laid_out, moments

SMOOTH = 0.25  # change of a step, in standard deviations of the values; chosen by experiment, see docs/defaults.rst


class Changes(NamedTuple):
    """Of standardised channels the root mean square of their changes, and the sum of its products with the last ones.

    Both are 0 for a channel that never changes, or by no more than rounding.
    """

    size: np.ndarray
    products: np.ndarray


def are_smooth(parts, channels):
    """Whether most of the channels that change are smooth.

    A channel is smooth if it changes little from step to step, and if its changes tend to go on as they were: those of
    noise go back and forth, however far apart the levels of sequences are.

    parts : ``parts()`` gives an iterable of SequenceArray and weights of their rows; of those with weight 0 nothing is
    looked at. channels : their numbers
    """
    try:
        mean, scale = moments(lambda: ((chunk.values, weight) for chunk, weight in parts()), channels)
    except ValueError:  # their variance overflows
        return False
    changes = _changes(parts(), mean, scale)
    votes = ((changes.size < SMOOTH) & (changes.products > 0))[changes.size > 0]
    return bool(2 * votes.sum() > len(votes))


def difference_scale(parts, mean, scale):
    """Root mean square of the changes of standardised channels; 1 for those that do not change.

    parts : iterable of SequenceArray and weights of their rows
    """
    size = _changes(parts, mean, scale).size
    return np.where(size > 0, size, 1.0)


def _changes(parts, mean, scale):
    """The `Changes` of channels with these means and scales."""
    n_before, total = np.zeros(1, np.int64), np.zeros(1)
    before, change, squares, lost, products, lost_products = np.zeros((6, len(mean)))
    for chunk, weight in parts:
        if chunk._origin[1] == 0:
            n_before[0] = 0
        what = laid_out(chunk.values), laid_out(chunk.offsets), laid_out(weight), scale, n_before, before, change
        kernel_of("add_changes")(*what, total, squares, lost, products, lost_products)
    size = np.sqrt(squares / (total if total > 0 else 1.0))
    is_rounding = size <= 10 * np.finfo(chunk.values.dtype).eps * (np.abs(mean) / scale + 1)
    return Changes(np.where(is_rounding, 0.0, size), np.where(is_rounding, 0.0, products))
