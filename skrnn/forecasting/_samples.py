"""Windows of the past, as linear models and networks read them, and what is to be forecast from them."""

from dataclasses import dataclass, fields, replace

import numpy as np

from ._covariates import calendar_of
from ._repeats import own_lag, repeated


@dataclass(frozen=True)
class History:
    """A series ready to be cut.

    observed: (T,), NaN where a value is missing.
    filled: (T,), each missing value replaced by the last one before it, so that nothing of later times is used.
    beside: (T + horizon, k) covariates, filled in the same way.
    calendar: (T + horizon, m).
    lag: the last values, so many, repeated are the simple forecast.
    scale: mean absolute value.
    roughness: mean absolute error of repeating the values of a lag ago.
    """

    observed: np.ndarray
    filled: np.ndarray
    beside: np.ndarray
    calendar: np.ndarray
    lag: int
    scale: float
    roughness: float


def filled(values):
    """Values (T, ...) with each NaN replaced by the last value before it, at the start by the first one."""
    missing = np.isnan(values)
    if not missing.any():
        return values
    flat = values.reshape(len(values), -1).copy()
    for column in flat.T:
        known = np.flatnonzero(~np.isnan(column))
        if len(known):
            places = np.searchsorted(known, np.arange(len(column)), side="right") - 1
            column[:] = column[known[np.maximum(places, 0)]]
        else:
            column[:] = 0.0
    return flat.reshape(values.shape)


def histories_of(panel, covariates, design):
    """A `History` of each series."""
    found = []
    for i, observed in enumerate(panel.values):
        own = filled(observed)
        scale = float(np.abs(own).mean()) or 1.0
        lag = own_lag(own, scale, design.horizon, design.lag, design.lags)
        steps = np.abs(own[lag:] - own[:-lag]) if lag < len(own) else np.zeros(1)
        beside, ahead = filled(covariates[i]), len(covariates[i]) - len(own)
        calendar = calendar_of(panel, i, ahead, design.cycles)
        found.append(History(observed, own, beside, calendar, lag, scale, float(steps.mean()) or scale))
    return found


@dataclass(frozen=True)
class Samples:
    """Windows, a row for each.

    read: (n, n_read), the last values, unscaled; the window is their end.
    missing: (n, window), whether a value was filled in.
    beside: (n, window + ahead, k) covariates.
    calendar: (n, window + ahead, m).
    lag, scale, roughness: (n, 1).
    """

    read: np.ndarray
    missing: np.ndarray
    beside: np.ndarray
    calendar: np.ndarray
    lag: np.ndarray
    scale: np.ndarray
    roughness: np.ndarray

    def __len__(self):
        return len(self.read)

    def rows(self, which):
        """Some of them, also more than once."""
        return Samples(*(getattr(self, each.name)[which] for each in fields(self)))

    def simple(self, design):
        """(n, horizon): the last values, repeated."""
        return repeated(self.read, design.horizon, self.lag)


def samples_at(histories, design, series, ends, ahead):
    """The windows that end before step ``ends[j]`` of ``series[j]``, and what is known of `ahead` steps behind.

    `series` rises.
    """
    parts = []
    for i in np.unique(series):
        one, own = histories[i], ends[series == i][:, np.newaxis]
        window = own - design.window + np.arange(design.window)
        around = own - design.window + np.arange(design.window + ahead)
        read = one.filled[own - design.n_read + np.arange(design.n_read)]
        beside, calendar = (known[np.minimum(around, len(known) - 1)] for known in (one.beside, one.calendar))
        missing, lag, scale = np.isnan(one.observed[window]), np.full(own.shape, one.lag), np.full(own.shape, one.scale)
        parts.append((read, missing, beside, calendar, lag, scale, _roughness(one, read)))
    return Samples(*(np.concatenate(of_all) for of_all in zip(*parts, strict=True)))


def _roughness(one, read):
    """(n, 1): half of it is that of the whole series, half that of the window."""
    recent = np.full(len(read), one.roughness)
    if read.shape[1] > one.lag:
        recent = np.abs(read[:, one.lag :] - read[:, : -one.lag]).mean(axis=1)
    return (0.5 * (recent + one.roughness))[:, np.newaxis]


def targets_at(histories, series, ends, horizon):
    """(n, horizon) values that follow, NaN where they are missing."""
    steps = ends[:, np.newaxis] + np.arange(horizon)
    found = np.empty(steps.shape)
    for i in np.unique(series):
        found[series == i] = histories[i].observed[steps[series == i]]
    return found


def known_targets(target):
    """Which rows are known by half or more, and these with the gaps interpolated."""
    known = ~np.isnan(target)
    keep = known.mean(axis=1) >= 0.5
    target = target[keep]
    for row, own in zip(target, known[keep], strict=True):
        if not own.all():
            row[~own] = np.interp(np.flatnonzero(~own), np.flatnonzero(own), row[own])
    return keep, target


def for_networks(samples, design):
    """Sequences (n, n_segments, channels): each step is a segment of the window."""
    n_segments = design.window // design.segment
    n_steps = n_segments * design.segment
    window = samples.read[:, samples.read.shape[1] - n_steps :]
    level = window.mean(axis=1, keepdims=True)
    channels = [((window - level) / samples.scale)[:, :, np.newaxis]]
    begin = design.window - n_steps
    if samples.beside.shape[2]:
        channels.append(samples.beside[:, begin : design.window])
        later = samples.beside[:, begin + design.horizon : design.window + design.horizon]
        channels.append(later[:, :, design.is_known])
    if design.has_gaps:
        channels.append(samples.missing[:, begin:, np.newaxis].astype(np.float64))
    stacked = np.concatenate(channels, axis=2).reshape(len(window), n_segments, -1)
    if len(design.lags) > 1:  # what the network is to correct
        simple = (samples.simple(design) - level) / samples.scale
        stacked = np.concatenate([stacked, np.repeat(simple[:, np.newaxis], n_segments, axis=1)], axis=2)
    last_of_segments = samples.calendar[:, begin + design.segment - 1 : design.window : design.segment]
    return np.concatenate([stacked, last_of_segments], axis=2)


def for_lines(samples, design):
    """Rows (n, n_features) of a linear model: the window, relative to its last value, and what stands beside it."""
    last = samples.read[:, -1:]
    parts = [(samples.read[:, samples.read.shape[1] - design.window :] - last) / samples.scale]
    if design.lag > design.window or len(design.lags) > 1:
        parts.append((samples.simple(design) - last) / samples.scale)
    beside, w = samples.beside, design.window
    parts.append(beside[:, w - 1])
    parts.append(beside[:, w : w + design.horizon, design.is_known].reshape(len(last), -1))
    parts.append(samples.calendar[:, w - 1])
    return np.concatenate(parts, axis=1)


def followed(samples, values):
    """The samples one step later, when `values` (n,) were seen."""
    rolled = np.concatenate([samples.read[:, 1:], values[:, np.newaxis]], axis=1)
    missing = np.concatenate([samples.missing[:, 1:], np.zeros((len(samples), 1), dtype=bool)], axis=1)
    return replace(
        samples,
        read=rolled,
        missing=missing,
        beside=samples.beside[:, 1:],
        calendar=samples.calendar[:, 1:],
    )
