"""What estimators give for n sequences, as arrays of n rows and as columns of frames."""

import numpy as np

from ..sequences import SequenceArray
from ..sequences._arrow import to_arrow
from ..sequences._layout import offsets_of

OF_CLASSES = ("predict_proba", "predict_log_proba", "decision_function")


def rows_of(result, n, method):
    """The result as it is if it is a frame, else as an array of n rows: numbers, labels, or cells that are arrays."""
    if isinstance(result, (SequenceArray, list, tuple)):
        result = _cells(result)
    elif not hasattr(result, "iloc"):
        result = np.asarray(result)
    if result.ndim == 0 or len(result) != n:
        found = f"an array of shape {result.shape}" if result.ndim == 0 or n == 1 else f"{len(result)} rows"
        raise ValueError(f"{method} gives {found} for {n} sequences; a row for each sequence is needed.")
    return result


def _cells(items):
    cells = np.empty(len(items), dtype=object)
    for i, item in enumerate(items):
        cells[i] = np.asarray(item)
    return cells


def columns_of(rows, index, estimator, method):
    """The rows as a Series or frame of pandas with this index."""
    import pandas as pd  # noqa: PLC0415 (slow to load)

    if hasattr(rows, "iloc"):
        return rows.set_axis(index)
    if rows.ndim > 2 or (rows.dtype == object and len(rows) and isinstance(rows.flat[0], np.ndarray)):
        return pd.Series(_lists(rows), index=index, name=method)
    if rows.ndim == 1:
        return pd.Series(rows, index=index, name=method)
    return pd.DataFrame(rows, index=index, columns=_names(estimator, method, rows.shape[1]))


def _lists(cells):
    """Cells (n_steps,) or (n_steps, k) as an array of pandas whose dtype is one of Arrow."""
    import pandas as pd  # noqa: PLC0415

    values = np.concatenate(list(cells))
    offsets = offsets_of([len(cell) for cell in cells])
    return pd.arrays.ArrowExtensionArray(to_arrow(values.reshape(len(values), -1), offsets))


def _names(estimator, method, n):
    """Names of n columns, as Parquet wants them."""
    names = []
    if method in OF_CLASSES:
        names = getattr(estimator, "classes_", [])
    elif method == "predict":
        names = getattr(estimator, "target_names_", [])
    elif method == "transform" and hasattr(estimator, "get_feature_names_out"):
        names = estimator.get_feature_names_out()
    return [str(name) for name in names] if len(names) == n else [f"{method}_{k}" for k in range(n)]
