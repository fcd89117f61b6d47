"""Estimators of this package with the interface of other libraries, which are imported when an adapter is."""

__all__ = ["SktimeForecaster"]


def __getattr__(name):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from ._sktime import SktimeForecaster  # noqa: PLC0415 (its base class is one of sktime)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] != "sktime":
            raise
        raise ImportError(f'{name} needs sktime, which is not installed: pip install "skrnn[sktime]".') from error
    return SktimeForecaster


def __dir__():
    return sorted({*globals(), *__all__})
