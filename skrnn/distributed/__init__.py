"""Training on a cluster of Dask: ``pip install "skrnn[dask]"``."""

from ._fit import fit

__all__ = ["fit"]
