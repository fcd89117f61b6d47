"""Networks on the workers of a Dask cluster; needs the extra ``dask``."""

from ._fit import fit

__all__ = ["fit"]
