"""Covariates: columns beside the series, known in advance or only up to now, and what the calendar tells."""

from dataclasses import dataclass

import numpy as np

from ._index import check_index

DAY, YEAR = 86400.0, 365.25 * 86400.0  # seconds
CYCLES = {"hour of day": DAY, "day of week": 7 * DAY, "day of year": YEAR}
FEWEST_CYCLES, FEWEST_STEPS = 2, 2  # in a series, and steps in a cycle, without which it cannot be learned


@dataclass(frozen=True)
class Covariates:
    """What is known beside the series: for each (T + ahead, k), behind its end NaN where nothing can be known.

    values: list of (T + ahead, k), float64.
    is_known: (k,), whether a column is known in advance.
    """

    values: list
    is_known: np.ndarray

    def __getitem__(self, i):
        return self.values[i]


def read_covariates(X, names, panel, ahead=0, seen=None, *, beyond=False):
    """Columns of X for the steps of the series and those of the horizon.

    Parameters
    ----------
    X : frame, array (n_steps, k), list of them (one for each series), or None
    names : list
        Columns that are known up to now only; the others are known in advance.
    panel : Panel
    ahead : int
        Steps behind each series that columns known in advance must cover; 0 in `fit`.
    seen : list or None
        Columns of `fit`; None in `fit`.
    beyond : bool
        Whether all steps of the panel are to be forecast, so that only columns known in advance are needed.

    Returns
    -------
    values : list of ndarray (T + ahead, k)
    columns : list
    """
    if X is None:
        _refuse_no_covariates(names, seen, beyond)
        return [np.full((n + ahead, len(seen or [])), np.nan) for n in panel.lengths], list(seen or [])
    tables = _tables(X, panel)
    columns = _columns(tables[0])
    for i, table in enumerate(tables):
        if _columns(table) != columns:
            raise ValueError(f"X of {panel.label(i)} has columns {_columns(table)}, X of the first {columns}.")
    _refuse_other_columns(columns, names, seen, ahead or beyond)
    wanted = columns if seen is None else seen
    rows = [_rows(table, columns, wanted, names, panel, i, ahead, beyond) for i, table in enumerate(tables)]
    return rows, wanted


def _refuse_no_covariates(names, seen, beyond):
    """Refuse that there is no X, where there are columns to read."""
    if seen is None and names:
        raise ValueError(f"past_covariates names {names}, columns of X, but there is no X: pass it, or leave them out.")
    needed = [name for name in seen or [] if not (beyond and name in names)]
    if needed:
        steps = "steps to forecast" if beyond else "steps of y, and what is known in advance for those to forecast"
        raise ValueError(f"fit saw the covariates {seen}: pass X with {needed} for the {steps}.")


def _tables(X, panel):
    """A table for each series."""
    if isinstance(X, (list, tuple)):
        if len(X) != len(panel):
            raise ValueError(f"X has {len(X)} tables for {len(panel)} series: give one for each.")
        return list(X)
    if hasattr(X, "columns") or np.ndim(X) <= 2:
        return [X] * len(panel)
    return list(np.asarray(X))


def _columns(table):
    if hasattr(table, "columns"):
        return list(table.columns)
    return list(range(1 if np.ndim(table) == 1 else np.shape(table)[1]))


def _refuse_other_columns(columns, names, seen, forecasts):
    for name in names:
        if name not in (columns if seen is None else seen):
            raise ValueError(f"past_covariates names {name!r}, which is not a column of X: choose from {columns}.")
    if seen is None:
        return
    missing = [name for name in seen if name not in columns and not (forecasts and name in names)]
    if missing:
        raise ValueError(
            f"X lacks the column {missing[0]!r}, which fit saw. If it cannot be known for the steps to forecast, name "
            f"it in fit's estimator, past_covariates=[{missing[0]!r}]."
        )


def _rows(table, columns, wanted, names, panel, i, ahead, beyond):
    """(T + ahead, k) of one series; the columns of `names` need not reach behind its end."""
    n, label = panel.lengths[i], panel.label(i)
    index, array = check_index(table, f"X of {label}"), _as_numbers(table, label)
    what = "the steps to forecast" if beyond else "the series" + f" and the {ahead} steps to forecast" * (ahead > 0)
    if index is not None and panel.indexes[i] is not None:
        only_past = set(columns) <= set(names)
        array = _aligned(array, index, panel, i, ahead * (not only_past), what)
    elif len(array) != n + ahead and not (set(columns) <= set(names) and len(array) == n):
        raise ValueError(f"X of {label} has {len(array)} rows: expected {n + ahead}, one for each of {what}.")
    rows = np.full((n + ahead, len(wanted)), np.nan)
    for k, name in enumerate(wanted):
        if name in columns and not (beyond and name in names):
            rows[: len(array), k] = array[:, columns.index(name)]
        if name in names:
            rows[n:, k] = np.nan
    return rows


def _as_numbers(table, label):
    array = table.to_numpy() if hasattr(table, "to_numpy") else np.asarray(table)
    array = array[:, np.newaxis] if array.ndim == 1 else array
    if array.ndim != 2:
        raise ValueError(f"X of {label} has {array.ndim} dimensions: expected (n_steps, n_covariates).")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"X of {label} has columns that are no numbers: encode them, for example by pd.get_dummies(X)."
        ) from None


def _aligned(array, index, panel, i, ahead, what):
    """Rows at the times of the series and of `ahead` steps behind."""
    due = panel.indexes[i]
    due = due.append(panel.future(ahead)[i]) if ahead else due
    places = index.get_indexer(due)
    if (places < 0).any():
        raise ValueError(
            f"X of {panel.label(i)} has no row for {due[int((places < 0).argmax())]}: it must cover {what}, "
            f"from {due[0]} to {due[-1]}."
        )
    return array[places]


def cycles_of(panel):
    """Cycles of the calendar that the series show at least twice: names of `CYCLES`."""
    if any(index is None or not hasattr(index, "day_of_week") for index in panel.indexes):
        return []
    found = []
    seconds = [_seconds(index) for index in panel.indexes]
    step = np.median([np.median(np.diff(times)) for times in seconds if len(times) > 1] or [np.inf])
    length = max(times[-1] - times[0] for times in seconds)
    for name, cycle in CYCLES.items():
        if cycle >= FEWEST_STEPS * step and length >= FEWEST_CYCLES * cycle:
            found.append(name)
    return found


def calendar_of(panel, i, ahead, cycles):
    """(T + ahead, 2 len(cycles)): sine and cosine of where each step stands in each cycle."""
    index = panel.indexes[i]
    if not cycles or index is None:
        return np.zeros((panel.lengths[i] + ahead, 2 * len(cycles)))
    index = index.append(panel.future(ahead)[i]) if ahead else index
    times = _seconds(index)[:, np.newaxis]
    angles = 2 * np.pi * times / np.array([CYCLES[name] for name in cycles])
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


def _seconds(index):
    """Times by the clock on the wall, in seconds since 1970-01-05, a Monday."""
    index = index.to_timestamp() if hasattr(index, "to_timestamp") else index
    index = index.tz_localize(None) if index.tz is not None else index
    return (index.to_numpy() - np.datetime64("1970-01-05")) / np.timedelta64(1, "s")
