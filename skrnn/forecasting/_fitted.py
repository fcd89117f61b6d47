"""The result of a fit: a value that forecasts whatever series it is given."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ._counts import CountModel, fit_count_model
from ._design import Design, design_of
from ._errors import Errors
from ._model import Model, fit_model
from ._samples import histories_of, samples_at
from ._walks import ahead, outlook, walked
from ._windows import MOST_WINDOWS, cutoffs, thinned, windows_at

MOST_WALKED = 100  # held-out windows from which paths are walked, step by step


class Wanted(NamedTuple):
    """What a forecaster is asked for.

    one_step : whether the model forecasts a step at a time.
    window : int or "auto"; season : list of int or None.
    n_held : steps at the end of each series that models do not learn from.
    squared : whether squared errors are judged, else absolute ones.
    counts : whether the network learns counts.
    """

    horizon: int
    one_step: bool
    window: object
    season: object
    n_held: int
    squared: bool
    counts: bool


@dataclass(frozen=True)
class Fitted:
    """What forecasts are made with.

    Series are a `Panel`; covariates are the rows (T + horizon, k) of each, NaN where nothing can be known.

    errors: of forecasts of held-out windows.
    steps: of their first steps, where the network has a head and forecasts a step at a time; else None.
    """

    model: Model | CountModel
    design: Design
    errors: Errors
    steps: Errors | None = None

    @property
    def horizon(self):
        """Steps of a forecast."""
        return self.errors.relative.shape[1]

    def forecast(self, panel, covariates):
        """(n_series, horizon)."""
        return ahead(self.model, self._samples(panel, covariates), self.design, self.horizon)

    def quantiles(self, panel, covariates, levels):
        """(n_series, n_levels, horizon)."""
        scores = np.stack([self.errors.quantile(level) for level in levels])
        outlook = self._outlook(self._samples(panel, covariates))
        return outlook.widened(scores[np.newaxis], self.errors.widening)

    def paths(self, panel, covariates, seed, n_paths):
        """(n_series, n_paths, horizon)."""
        samples = self._samples(panel, covariates)
        if self.steps is not None:
            draws = seed, np.arange(len(panel))
            return walked(self.model, self.steps, samples, self.design, (self.horizon, n_paths), draws)
        return self._outlook(samples).at(self.errors.paths(seed, len(panel), n_paths))

    def at_cutoffs(self, panel, covariates, n_known):
        """Forecasts of series that end after `n_known` steps of each; nothing behind is read but what is known."""
        rows = [self._known(*each) for each in zip(covariates, n_known, strict=True)]
        return self.forecast(panel.until(panel.lengths - n_known), rows)

    def _known(self, rows, n):
        """The first n rows, and of the horizon behind them the columns that are known in advance."""
        rows = rows[: n + self.horizon]
        short = np.full((n + self.horizon - len(rows), rows.shape[1]), np.nan)
        rows = np.concatenate([rows, short])
        return np.where(self.design.is_known | (np.arange(len(rows)) < n)[:, np.newaxis], rows, np.nan)

    def _samples(self, panel, covariates):
        """The windows at the end of the series."""
        histories = histories_of(panel, covariates, self.design)
        return samples_at(histories, self.design, np.arange(len(panel)), panel.lengths, self.horizon)

    def _outlook(self, samples):
        return outlook(self.model, self.steps, samples, self.design, self.horizon)


def fit_to(panel, covariates, is_known, wanted, network_for, rng):
    """A `Fitted`.

    is_known : (k,), which covariates are known in advance.
    network_for : ``network_for(n_windows)`` gives an unfitted regressor for so many windows.
    """
    n_held, n_ahead = wanted.n_held, 1 if wanted.one_step else wanted.horizon
    design = design_of(panel.until(n_held), n_ahead, wanted.window, wanted.season, is_known)
    histories, lengths = histories_of(panel, covariates, design), panel.lengths
    network = network_for(min(len(cutoffs(lengths, design, n_held, False)[0]), MOST_WINDOWS))
    if wanted.counts:
        model, line = fit_count_model(histories, lengths, design, n_held, network, rng), None
    else:
        model, line = fit_model(histories, lengths, design, n_held, network, wanted.squared, rng)
    held = _HeldOut(model, histories, lengths, design, n_held)
    steps = None
    if model.has_head and n_ahead < wanted.horizon:
        steps = held.errors(None, 1, MOST_WINDOWS, rng)
    errors = held.errors(steps, wanted.horizon, MOST_WINDOWS if steps is None else MOST_WALKED, rng)
    return Fitted(model if line is None else replace(model, line=line), design, errors, steps)


class _HeldOut(NamedTuple):
    """What is held out, and a model that has not seen it."""

    model: Model | CountModel
    histories: list
    lengths: np.ndarray
    design: Design
    n_held: int

    def errors(self, steps, horizon, most, rng):
        """`Errors` of forecasts of so many steps, of at most so many windows."""
        series, ends = cutoffs(self.lengths, replace(self.design, horizon=horizon), self.n_held, True)
        series, ends = thinned(series, ends, rng, most)
        samples, target = windows_at(self.histories, self.design, series, ends, horizon)
        return Errors(outlook(self.model, steps, samples, self.design, horizon).scores(target))
