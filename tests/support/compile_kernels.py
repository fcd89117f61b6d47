"""Compile what most tests need: ``python -m compile_kernels K N`` compiles share K of N, for the disk cache."""

import sys
from itertools import product

import numpy as np
from networks import CELLS, EVERYTHING, problem, value_and_gradient

SETTINGS = list(product((np.float32, np.float64), CELLS))


def main(k, n):
    for dtype, cell in SETTINGS[int(k) :: int(n)]:
        for options in ({}, EVERYTHING):
            value_and_gradient(*problem(cell, dtype=dtype, **options))


if __name__ == "__main__":
    main(*sys.argv[1:])
