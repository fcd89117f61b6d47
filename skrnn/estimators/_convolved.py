"""Whether "auto" puts a convolution in front of a network, for which few long series are too much to read."""

import numpy as np

from ..convolution import Conv
from ._augmented import FEW_CONVOLVED, are_few

LONG = 100  # steps, in the median
MOST_STEPS = 80  # that a convolution leaves, in the median


def convolution_of(parameters, structure, has_epochs, lengths):
    """What "auto" puts in front of a network of `structure` for sequences of numbers of these lengths, or None.

    Each sequence has one target. Only networks of both directions have one, where changes and warps are left to
    "auto", too: without warps in time, a network behind a convolution learns few sequences by heart.
    """
    is_left_to_it = parameters.differences == parameters.augmentation == "auto"
    n_steps, few = np.median(lengths), are_few(lengths, structure.n_inputs, FEW_CONVOLVED)
    if not (structure.bidirectional and is_left_to_it and has_epochs and n_steps >= LONG and few):
        return None
    stride = 4
    while n_steps > stride * MOST_STEPS:
        stride *= 2
    return Conv(32, 2 * stride + 1, stride)
