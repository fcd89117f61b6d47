"""The result of a fit: a value that forecasts whatever series it is given."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ._design import Design, design_of
from ._errors import Errors
from ._model import MOST_WINDOWS, Model, cutoffs, fit_model, held_out_errors
from ._samples import histories_of, samples_at


class Wanted(NamedTuple):
    """What a forecaster is asked for.

    one_step : whether the model forecasts a step at a time.
    window : int or "auto"; season : list of int or None.
    n_held : steps at the end of each series that models do not learn from.
    squared : whether squared errors are judged, else absolute ones.
    """

    horizon: int
    one_step: bool
    window: object
    season: object
    n_held: int
    squared: bool


@dataclass(frozen=True)
class Fitted:
    """What forecasts are made with.

    Series are a `Panel`; covariates are the rows (T + horizon, k) of each, NaN where nothing can be known.
    """

    model: Model
    design: Design
    errors: Errors

    @property
    def horizon(self):
        """Steps of a forecast."""
        return self.errors.relative.shape[1]

    def forecast(self, panel, covariates):
        """(n_series, horizon)."""
        return self.model.ahead(self._samples(panel, covariates), self.design, self.horizon)

    def quantiles(self, panel, covariates, levels):
        """(n_levels, n_series, horizon)."""
        samples = self._samples(panel, covariates)
        forecast = self.model.ahead(samples, self.design, self.horizon)
        return np.stack([forecast + samples.roughness * self.errors.quantile(level) for level in levels])

    def paths(self, panel, covariates, seed, n_paths):
        """(n_series, n_paths, horizon)."""
        samples = self._samples(panel, covariates)
        drawn = self.errors.paths(seed, len(panel), n_paths)
        forecast = self.model.ahead(samples, self.design, self.horizon)
        return forecast[:, np.newaxis] + samples.roughness[:, np.newaxis] * drawn

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


def fit_to(panel, covariates, is_known, wanted, network_for, rng):
    """A `Fitted`.

    is_known : (k,), which covariates are known in advance.
    network_for : ``network_for(n_windows)`` gives an unfitted regressor for so many windows.
    """
    n_held, n_ahead = wanted.n_held, 1 if wanted.one_step else wanted.horizon
    design = design_of(panel.until(n_held), n_ahead, wanted.window, wanted.season, is_known)
    histories = histories_of(panel, covariates, design)
    network = network_for(min(len(cutoffs(panel.lengths, design, n_held, False)[0]), MOST_WINDOWS))
    model, line = fit_model(histories, panel.lengths, design, n_held, network, wanted.squared, rng)
    errors, held = held_out_errors(model, histories, panel.lengths, design, n_held, wanted.horizon, rng)
    return Fitted(replace(model, line=line), design, Errors(errors / held.roughness))
