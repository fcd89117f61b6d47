"""The model of a forecaster: repeated values, and shares of a line and of a network in what these miss."""

from dataclasses import dataclass, replace

import numpy as np

from ._linear import Line, Ridge, best_penalty
from ._samples import followed, for_lines, for_networks, known_targets, samples_at, targets_at

SHARES = np.arange(11) / 10
MOST_WINDOWS = 30_000


@dataclass(frozen=True)
class Model:
    """A fitted model; forecasts are the repeated values plus shares of the corrections of its parts.

    network: a fitted regressor.
    shares: of the line and of the network, at least 0, with a sum of at most 1.
    """

    line: Line
    network: object
    shares: tuple

    def forecast(self, samples, design):
        """(n, horizon) from `Samples`."""
        a, b = self.shares
        corrections = np.zeros((len(samples), design.horizon))
        if a:
            corrections += a * self.line(for_lines(samples, design))
        if b:
            corrections += b * _by_network(self.network, samples, design)
        return samples.simple(design) + samples.scale * corrections

    def ahead(self, samples, design, n_steps):
        """(n, n_steps) from `Samples` that reach as far ahead: at once, or each forecast is read as a value."""
        if n_steps == design.horizon:
            return self.forecast(samples, design)
        found = np.empty((len(samples), n_steps))
        for k in range(n_steps):
            found[:, k] = self.forecast(samples, design)[:, 0]
            samples = followed(samples, found[:, k])
        return found


def _by_network(network, samples, design):
    found = network.predict(for_networks(samples, design)).astype(np.float64)
    return found.reshape(len(samples), design.horizon)


def cutoffs(lengths, design, n_held, held):
    """Where windows end, for training or in the held-out end of each series: numbers of series, and steps known."""
    series, ends = [], []
    for i, n in enumerate(lengths):
        first, last = design.n_read, n - n_held - design.horizon
        if held:
            first, last = max(n - n_held, design.n_read), n - design.horizon
        own = np.arange(first, last + 1)
        series.append(np.full(len(own), i))
        ends.append(own)
    return np.concatenate(series), np.concatenate(ends)


def thinned(series, ends, rng):
    """At most so many of the windows, drawn without replacement."""
    if len(series) <= MOST_WINDOWS:
        return series, ends
    kept = np.sort(rng.choice(len(series), MOST_WINDOWS, replace=False))
    return series[kept], ends[kept]


def windows_at(histories, design, series, ends, horizon):
    """Samples, and the values of so many steps that follow; windows of which most of these is missing are left out."""
    keep, target = known_targets(targets_at(histories, series, ends, horizon))
    if not keep.any():
        raise ValueError("of all windows more than half of the values to forecast are missing: fill them, or resample.")
    return samples_at(histories, design, series[keep], ends[keep], horizon), target


def corrections_at(histories, design, series, ends):
    """Samples, and what the simple forecast misses there, scaled."""
    samples, target = windows_at(histories, design, series, ends, design.horizon)
    return samples, (target - samples.simple(design)) / samples.scale


def fit_model(histories, lengths, design, n_held, network, squared, rng):
    """Train on windows before the held-out ends, and choose penalty and shares on those within.

    network: an unfitted regressor. squared: whether squared errors are judged, else absolute ones.
    Returns the `Model`, which has not seen the held-out ends, and a line that has.
    """
    error = (lambda e: float(np.square(e).mean())) if squared else (lambda e: float(np.abs(e).mean()))
    samples, missed = corrections_at(histories, design, *thinned(*cutoffs(lengths, design, n_held, False), rng))
    held, held_missed = corrections_at(histories, design, *thinned(*cutoffs(lengths, design, n_held, True), rng))
    features, later = for_lines(samples, design), for_lines(held, design)
    penalty = best_penalty(features, missed, later, held_missed, error)
    line = Ridge(features, missed).line(penalty)
    lines = line(later)
    network.fit(for_networks(samples, design), missed)
    networks = _by_network(network, held, design)
    choices = [(a, b) for a in SHARES for b in SHARES if a + b <= 1 + 1e-9]
    shares = min(choices, key=lambda s: error(held_missed - s[0] * lines - s[1] * networks))
    both = Ridge(np.concatenate([features, later]), np.concatenate([missed, held_missed]))
    return Model(line, network, tuple(map(float, shares))), both.line(penalty)


def held_out_errors(model, histories, lengths, design, n_held, horizon, rng):
    """Errors of forecasts of so many steps within the held-out ends, and the samples that they were made from."""
    series, ends = thinned(*cutoffs(lengths, replace(design, horizon=horizon), n_held, True), rng)
    samples, target = windows_at(histories, design, series, ends, horizon)
    return target - model.ahead(samples, design, horizon), samples
