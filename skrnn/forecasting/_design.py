"""What a forecaster reads of the past: decided once, from the training series."""

from dataclasses import dataclass

import numpy as np

from ._covariates import cycles_of
from ._repeats import MOST_SEGMENTS, find_lag, segment_of

SHORTEST_WINDOW, HORIZONS, SEGMENTS, FEWEST_SEGMENTS = 24, 4, 8, 2
SHARE = 3  # of the shortest series, which a window does not exceed


@dataclass(frozen=True)
class Design:
    """What a forecast reads.

    horizon: steps that the model forecasts at once.
    window: steps of the past.
    lag: the last `lag` values, repeated, are the simple forecast; models learn what it misses.
    lags: among which a series may have one of its own.
    segment: steps that the network reads at once.
    is_known: (k,), which covariates are known in advance.
    cycles: of the calendar.
    has_gaps: whether values are missing, which the network is told then.
    """

    horizon: int
    window: int
    lag: int
    lags: tuple
    segment: int
    is_known: np.ndarray
    cycles: tuple
    has_gaps: bool

    @property
    def n_read(self):
        """Steps of the past that a forecast needs."""
        return max(self.window, self.lag, *self.lags)


def design_of(panel, horizon, window, season, is_known):
    """Choose a `Design` for these series, which models will be trained on.

    window: int or "auto"; season: list of int or None.
    """
    shortest = int(panel.lengths.min())
    longest = max(1, shortest // SHARE)
    series = [(values, _scale(values)) for values in panel.values]
    for s in season or []:
        if s > shortest - horizon:
            i = int(panel.lengths.argmin())
            raise ValueError(f"{panel.label(i)} has {shortest} steps to learn from: a season of {s} needs more.")
    lag = find_lag(series, horizon, season, max(longest, max(season)) if season else longest)
    segment = segment_of(series, horizon, season, lag)
    if window == "auto":
        wanted = max(SHORTEST_WINDOW, HORIZONS * horizon, SEGMENTS * segment, lag if lag <= longest else 1)
        window = min(wanted, longest)
        window -= window % segment if window >= FEWEST_SEGMENTS * segment else 0
    segment = segment if window >= FEWEST_SEGMENTS * segment else 1
    segment = max(segment, -(-window // MOST_SEGMENTS))
    lags = (
        (1, *range(segment, min(window, max(lag, segment)) + 1, segment)) if segment > 1 and len(panel) > 1 else (lag,)
    )
    has_gaps = any(np.isnan(values).any() for values in panel.values)
    design = Design(horizon, window, lag, lags, segment, is_known, tuple(cycles_of(panel)), has_gaps)
    _refuse_short(panel, design)
    return design


def _refuse_short(panel, design):
    i, needed = int(panel.lengths.argmin()), design.n_read + design.horizon
    if panel.lengths[i] < needed:
        raise ValueError(
            f"{panel.label(i)} has {panel.lengths[i]} steps to learn from: a window of {design.n_read} and a horizon "
            f"of {design.horizon} need {needed}. Make window or horizon smaller, or leave the series out."
        )


def _scale(values):
    return float(np.nanmean(np.abs(values))) or 1.0
