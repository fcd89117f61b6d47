"""How tests call kernels that only other kernels and programs call."""

import numpy as np

from skrnn.kernels.program import Instruction, Number, Program


def call(kernel, *arguments, returns=None):
    """Run a kernel through a program; returns its result if it `returns` a number of this dtype."""
    word = np.zeros(1, returns or np.int64)
    Program([Instruction("call", kernel, arguments, Number(word) if returns else None)]).run()
    return word[0] if returns else None
