"""Weights of 8 bits."""

import numpy as np

LARGEST_CODE = 127  # weights are whole numbers from -127 to 127, times the scale of their row


class Weights:
    """Named weights of a network, as they are or rounded to 8 bits.

    Parameters
    ----------
    named : dict of str to ndarray
    quantize : bool

    Attributes
    ----------
    arrays : dict of str to ndarray
        The weights that the C file has.
    scales : dict of str to ndarray
        Scales of the rows of those that are rounded.
    """

    def __init__(self, named, quantize):
        self.arrays, self.scales = dict(named), {}
        for name, array in named.items() if quantize else ():
            if _is_matrix(name):
                self.arrays[name], self.scales[name] = rounded(array)

    def of(self, prefix):
        """Weights and scales of a layer, by their own names."""
        first = len(prefix) + 1
        parts = ({k[first:]: v for k, v in d.items() if k.startswith(f"{prefix}.")} for d in (self.arrays, self.scales))
        return tuple(parts)


def _is_matrix(name):
    """Whether a weight is one of a product, or a table of vectors; biases and weights of single units stay floats."""
    layer, _, own = name.rpartition(".")
    return own.startswith("W") or layer == "embedding"


def rounded(W):
    """The nearest matrix whose rows are multiples, -127 to 127, of scales, and these scales."""
    largest = np.abs(W).max(axis=1)
    scale = np.maximum(largest / LARGEST_CODE, np.finfo(W.dtype).tiny).astype(W.dtype)
    codes = np.clip(np.rint(W / scale[:, np.newaxis]), -LARGEST_CODE, LARGEST_CODE)
    return (codes * scale[:, np.newaxis]).astype(W.dtype), scale
