"""Series as users have them: read into plain arrays, and forecasts given back in the same form."""

from dataclasses import dataclass, replace

import numpy as np

from ..sequences import SequenceArray
from ..sequences._steps import check_container
from ._index import check_index, continued, joined, same_kind


@dataclass(frozen=True)
class Panel:
    """Series of numbers, each in the order of time.

    values: (T,) of each, float64; NaN where a value is missing.
    names: of the series: columns, or the name of a Series; their numbers where they have none.
    indexes: of pandas, for each; None where there is none.
    form: "series", "frame", "array" (one series) or "list", as what it was given and forecasts are given back.
    """

    values: list
    names: list
    indexes: list
    form: str

    def __len__(self):
        return len(self.values)

    @property
    def lengths(self):
        return np.array([len(values) for values in self.values])

    def label(self, i):
        """What messages call a series."""
        return f"series {i}" if self.form in ("array", "list") or self.names[i] is None else f"series {self.names[i]!r}"

    def until(self, n_left_out):
        """These series without their last steps; `n_left_out` is a number, or one for each."""
        ends = self.lengths - n_left_out
        values = [values[:end] for values, end in zip(self.values, ends, strict=True)]
        indexes = [index if index is None else index[:end] for index, end in zip(self.indexes, ends, strict=True)]
        return replace(self, values=values, indexes=indexes)

    def last(self, n_steps):
        """The last steps of each series."""
        return replace(
            self,
            values=[values[-n_steps:] for values in self.values],
            indexes=[index if index is None else index[-n_steps:] for index in self.indexes],
        )

    def followed_by(self, later):
        """These series with later values of the same series behind them."""
        if later.names != self.names:
            raise ValueError(f"the new values are of the series {later.names}, those of fit were {self.names}.")
        indexes = []
        for i, (index, other) in enumerate(zip(self.indexes, later.indexes, strict=True)):
            if (index is None) != (other is None):
                raise ValueError(f"{self.label(i)} has an index of times in only one of fit and update.")
            if index is not None and len(other):
                due = continued(index, len(other), self.label(i))
                if not other.equals(due):
                    raise ValueError(
                        f"the new values of {self.label(i)} must follow its end {index[-1]} without a gap: the first "
                        f"is of {other[0]}, expected {due[0]}, and {len(other)} steps up to {due[-1]}."
                    )
                index = joined(index, due)
            indexes.append(index)
        values = [np.concatenate(pair) for pair in zip(self.values, later.values, strict=True)]
        return replace(self, values=values, indexes=indexes)

    def future(self, n_steps):
        """The index of the steps behind each series, or None."""
        return [
            index if index is None else continued(index, n_steps, self.label(i)) for i, index in enumerate(self.indexes)
        ]

    def given_back(self, rows):
        """Values of future steps (n_series, n_steps), in the form in which the series were given."""
        if self.form in ("array", "list"):
            return rows[0] if self.form == "array" else rows
        import pandas as pd  # noqa: PLC0415 (is loaded only for who passes its objects)

        index = self.future(rows.shape[1])[0]
        if index is None:
            index = pd.RangeIndex(len(self.values[0]), len(self.values[0]) + rows.shape[1])
        if self.form == "series":
            return pd.Series(rows[0], index=index, name=self.names[0])
        return pd.DataFrame(rows.T, index=index, columns=self.names)


def read_panel(y, what="y"):
    """Read one or many series.

    A Series or a sequence of numbers is one series, a frame has one in each column, and a list, a `SequenceArray` or an
    array (n_series, n_steps, 1) holds one in each item.
    """
    if hasattr(y, "columns"):
        return _of_frame(y, what)
    if hasattr(y, "to_numpy") and hasattr(y, "index"):
        index = check_index(y, what)
        return _checked(Panel([_numbers(y.to_numpy(), what)], [y.name], [index], "series"), what)
    check_container(y, what)
    if isinstance(y, (list, tuple)) and len(y) and not np.isscalar(y[0]) and np.ndim(y[0]) > 0:
        return _of_items(list(y), what)
    if isinstance(y, SequenceArray):
        return _of_items(y.to_list(), what)
    values = np.asarray(y)
    if values.ndim == 3:
        return _of_items(list(values), what)
    if values.ndim == 2 and values.shape[1] != 1:
        raise ValueError(
            f"{what} is an array {values.shape}, which can be read in two ways: pass a list of its rows, "
            "list(y), if each row is a series, or a pandas frame, pd.DataFrame(y), if each column is one."
        )
    return _checked(Panel([_numbers(values, what)], [0], [None], "array"), what)


def with_values(panel):
    """The same panel; ValueError if a series is all missing."""
    for i, values in enumerate(panel.values):
        if np.isnan(values).all():
            raise ValueError(f"{panel.label(i)} has no value: all its {len(values)} steps are NaN. Leave it out.")
    return panel


def _of_frame(y, what):
    if len(set(y.columns)) < len(y.columns):
        raise ValueError(f"{what} has columns of equal names, {list(y.columns)}: each is a series, and needs its own.")
    index = check_index(y, what)
    values = [_numbers(y[name].to_numpy(), f"column {name!r} of {what}") for name in y.columns]
    return _checked(Panel(values, list(y.columns), [index] * len(values), "frame"), what)


def _of_items(items, what):
    labels = [f"series {i} of {what}" for i in range(len(items))]
    indexes = [check_index(item, label) for item, label in zip(items, labels, strict=True)]
    same_kind(indexes, labels)
    values = [_numbers(np.asarray(item), label) for item, label in zip(items, labels, strict=True)]
    return _checked(Panel(values, list(range(len(items))), indexes, "list"), what)


def _numbers(values, what):
    """A series as numbers (T,)."""
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(
            f"{what} has the shape {values.shape}: a series has one number at each step. Pass further channels as X."
        )
    if values.dtype.kind not in "biuf":
        try:
            values = values.astype(np.float64)
        except (TypeError, ValueError):
            raise ValueError(f"{what} must be numbers, got {values.dtype}, such as {values[0]!r}.") from None
    return values.astype(np.float64)


def _checked(panel, what):
    """Refuse series without a step, and infinite values."""
    if not len(panel):
        raise ValueError(f"{what} has no series.")
    for i, values in enumerate(panel.values):
        if not len(values):
            raise ValueError(f"{panel.label(i)} is empty.")
        if np.isinf(values).any():
            step = int(np.isinf(values).argmax())
            raise ValueError(f"{panel.label(i)} is infinite at step {step}: set it to NaN if it is not known.")
    return panel
