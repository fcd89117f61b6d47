"""Training and prediction on the workers of a Dask cluster: ``pip install "skrnn[dask]"``."""

from ._fit import fit
from ._map import map_sequences

__all__ = ["fit", "map_sequences"]
