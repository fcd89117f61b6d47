"""Dask, which is an extra."""


def import_dask():
    """Return the module ``dask``."""
    try:
        import dask  # noqa: PLC0415 (an extra)
    except ImportError as error:
        raise ImportError(f'Dask could not be imported ({error}): pip install "skrnn[dask]"') from error
    return dask
