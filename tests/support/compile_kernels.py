"""Compile what most tests need: ``python -m compile_kernels K N`` compiles share K of N, for the disk cache."""

import sys
from itertools import product

import numpy as np
from networks import CELLS, EVERYTHING, problem, value_and_gradient

SETTINGS = list(product((np.float32, np.float64), CELLS))


def main(k, n):
    for dtype, cell in SETTINGS[int(k) :: int(n)]:
        for options in ({}, EVERYTHING, noise(CELLS[cell])):
            value_and_gradient(*problem(cell, dtype=dtype, **options), seed=0)


def noise(cell):
    """Options with which the time loop of a cell is compiled once more: with noise, if it has a kind of it."""
    if cell.carries_state:
        return {"zoneout": 0.1}
    has_product = cell.inner or any("state" in feeds for _, feeds in cell.columns)
    return {"recurrent_dropout": 0.2} if has_product else {}


if __name__ == "__main__":
    main(*sys.argv[1:])
