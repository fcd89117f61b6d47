"""From raw predictions to what a method of a stream returns."""

from collections.abc import Callable
from functools import partial
from operator import getitem
from typing import Any, NamedTuple

import numpy as np


class Link(NamedTuple):
    """A kernel that makes numbers of raw predictions.

    Attributes
    ----------
    kernel : callable
        Takes raw predictions (n, K), the constants, and the array (n, n_columns) that it fills.
    constants : tuple
    shape : tuple of int
        Of the numbers of a row; their product is n_columns.
    dtype : dtype, default=None
        Of the numbers; None: that of raw predictions.
    finish : callable, default=None
        What makes predictions of the numbers, of all rows or of one; None: they are the predictions.
    """

    kernel: Any
    constants: tuple = ()
    shape: tuple = ()
    dtype: Any = None
    finish: Callable | None = None


class Decoder(NamedTuple):
    """What makes predictions of raw predictions, or of features.

    Attributes
    ----------
    function : callable
        Takes rows, and gives an array of predictions that is new.
    link : Link, default=None
        What does the same to the bit, as a part of the program of a step.
    """

    function: Callable
    link: Link | None = None

    def __call__(self, rows):
        return self.function(rows)

    def prepare(self, rows):
        """For rows that stay where they are: instructions, and what then gives predictions of all, and of the first."""
        if self.link is None:
            return [], partial(self.function, rows), lambda: self.function(rows)[0]
        from ..kernels.program import Instruction  # noqa: PLC0415 (brings the compiler)

        kernel, constants, shape, dtype, finish = self.link
        n, n_columns = len(rows), int(np.prod(shape))
        numbers = np.empty((n, n_columns), dtype or rows.dtype)
        instructions, shaped = [Instruction("link", kernel, (rows, *constants, numbers))], numbers.reshape(n, *shape)
        if finish is not None:
            return instructions, lambda: finish(shaped), lambda: finish(shaped[0])
        return instructions, shaped.copy, shaped[0].copy if shape else partial(getitem, shaped, 0)
