"""One or several series, as `make_windows` takes them: their steps, channels, times, and targets for each step."""

from dataclasses import dataclass, replace

import numpy as np

from ..sequences import SequenceArray, as_sequence_array
from ..sequences._layout import offsets_of
from ..sequences._ragged import check_same_lengths, ragged_values
from ..sequences._steps import check_container, column_names
from ._times import times_of


@dataclass(frozen=True)
class SeriesList:
    """Series, each in the order of time.

    arrays: (T, C) of each.
    names: those of the channels, or their numbers.
    times: an index of pandas for each, which may begin before the array does, or None.
    single: whether one series was given, not in a list.
    """

    arrays: list
    names: list
    times: list | None
    single: bool

    @property
    def lengths(self):
        return [len(array) for array in self.arrays]

    def columns(self, wanted, what):
        """Numbers of the channels `wanted`; all if that is None."""
        if wanted is None:
            return list(range(len(self.names)))
        wanted = [wanted] if np.ndim(wanted) == 0 else list(wanted)
        if not wanted:
            raise ValueError(f"{what} is empty: name at least one channel, or pass None.")
        for name in wanted:
            if isinstance(name, (bool, np.bool_)) or name not in self.names:  # a mask is no list of numbers
                raise ValueError(f"{what} {name!r} is not a channel of the series: choose from {self.names}.")
        return [self.names.index(name) for name in wanted]

    def stamps(self):
        """The times of all steps, one series below the other; None if there are none."""
        if self.times is None:
            return None
        from ..sequences._times import stamps_of  # noqa: PLC0415 (brings pandas)

        pairs = zip(self.times, self.lengths, strict=True)
        return np.concatenate([stamps_of(times[len(times) - n :]) for times, n in pairs])

    def last(self, n_steps):
        """The last `n_steps` of each series."""
        return replace(self, arrays=[array[len(array) - n_steps :] for array in self.arrays])

    def after(self, past, n_steps):
        """These series, each with the last `n_steps` of a past one before it."""
        if len(past.arrays) != len(self.arrays):
            raise ValueError(f"context has {len(past.arrays)} series for {len(self.arrays)}: give one for each.")
        if past.names != self.names:
            raise ValueError(f"context has channels {past.names}, series have {self.names}: they must be the same.")
        for i, n in enumerate(past.lengths):
            if n < n_steps:
                raise ValueError(f"context {i} has {n} steps: it needs at least {n_steps}, which the windows read.")
        times = _shared([self.times, past.times], ["series", "context"])
        if times is not None:
            times = [_appended(i, *pair) for i, pair in enumerate(zip(past.times, self.times, strict=True))]
        pairs = zip(past.arrays, self.arrays, strict=True)
        arrays = [np.concatenate([before[len(before) - n_steps :], own]) for before, own in pairs]
        return replace(self, arrays=arrays, times=times)


def read_series(series, what):
    """List one or several series; `what` is what messages call them."""
    if isinstance(series, (list, tuple)) and len(series) and not np.isscalar(series[0]):
        items, single = series, False
    else:
        sequences = as_sequence_array(series)
        items, single = ([series], True) if sequences is None else (np.asarray(sequences)[:, 0], False)
    labels = [f"{what} {i}" for i in range(len(items))]
    times = _shared([times_of(item, label) for item, label in zip(items, labels, strict=True)], labels)
    names = list(map(column_names, items))
    for i in range(len(items)):
        if names[i] != names[0]:
            raise ValueError(f"{what} {i} has columns {names[i]}, {what} 0 has {names[0]}: they must be the same.")
    packed = SequenceArray.from_list(items)
    names = list(range(packed.n_channels)) if names[0] is None else names[0]
    return SeriesList(packed.to_list(), names, times, single)


def _shared(times, labels):
    """The times of all, if all have some of one kind; None if none has, or those of some only number rows."""
    if all(t is None for t in times):
        return None
    from ..sequences._times import kind_of  # noqa: PLC0415 (brings pandas)

    kinds = [None if t is None else kind_of(t[0] if isinstance(t, list) else t) for t in times]
    if set(kinds) <= {None, "numbers"} and None in kinds:
        return None
    for label, kind in zip(labels, kinds, strict=True):
        if kind != kinds[0]:
            raise ValueError(
                f"only one of {labels[0]} and {label} has time stamps: all series must have them, or none."
                if None in (kind, kinds[0])
                else f"the times of {labels[0]} are {kinds[0]}, those of {label} {kind}: they must be of one kind."
            )
    return times


def _appended(i, earlier, later):
    """Times of a series with those of its context before them."""
    if len(later) and not earlier[-1] < later[0]:
        raise ValueError(f"context {i} ends at {earlier[-1]}, but series {i} begins at {later[0]}: it must be later.")
    return earlier.append(later)


def read_targets(own, y):
    """Targets of all steps of all series (n_steps_total,) or (n_steps_total, n_targets), one series below the other."""
    y = [y] if own.single and not isinstance(y, SequenceArray) else y
    check_container(y, "y")
    items = list(y)
    for i, item in enumerate(items):
        if np.ndim(item) == 0 and not hasattr(item, "values"):  # a `Sequence` has values
            raise ValueError(
                f"y has {item!r} for series {i}: it needs a target for each step. For one target per series, use "
                "y[windows.series]."
            )
    values, offsets = ragged_values(y)
    check_same_lengths(offsets, offsets_of(own.lengths), "y", "series")
    for i, item in enumerate(items):
        times = times_of(item, f"y {i}")
        if times is not None and own.times is not None and not times.equals(own.times[i]):
            k = int((times != own.times[i]).argmax())
            raise ValueError(f"y {i} has time {times[k]} at step {k}, series {i} has {own.times[i][k]}: align them.")
    return values
