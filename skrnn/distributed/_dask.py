"""Dask, which is an extra, and what is asked of its arrays."""


def import_dask():
    """Return the module ``dask``."""
    try:
        import dask  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'Dask could not be imported ({error}): pip install "skrnn[dask]"') from error
    return dask


def import_distributed():
    """Return the module ``distributed``."""
    try:
        import distributed  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'distributed could not be imported ({error}): pip install "skrnn[dask]"') from error
    return distributed


def check_chunks(X, name="X"):
    """Refuse a ``dask.array`` whose chunks cut sequences."""
    for axis in range(1, X.ndim):
        if X.numblocks[axis] > 1:
            whole = dict.fromkeys(range(1, X.ndim), -1)
            raise ValueError(f"{name} is chunked along axis {axis}, which cuts sequences: use {name}.rechunk({whole}).")
