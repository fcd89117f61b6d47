"""The model of a forecaster: repeated values, and shares of a line and of a network in what these miss."""

from dataclasses import dataclass

import numpy as np

from ._heads import Number, head_of
from ._linear import Line, Ridge, best_penalty
from ._samples import for_lines, for_networks
from ._windows import cutoffs, thinned, windows_at

SHARES = np.arange(11) / 10


@dataclass(frozen=True)
class Model:
    """A fitted model; forecasts are the repeated values plus shares of the corrections of its parts.

    network: a fitted regressor; head: what its predictions mean.
    shares: of the line and of the network, at least 0, with a sum of at most 1.
    """

    line: Line
    network: object
    shares: tuple
    head: Number
    is_of_counts = False

    @property
    def has_head(self):
        """Whether the network tells how far off it may be."""
        return type(self.head) is not Number

    def forecast(self, samples, design):
        """(n, horizon) from `Samples`."""
        parts = self._parts(samples, design) if self.shares[1] else None
        return self._forecast(samples, design, parts)

    def outlook(self, samples, design):
        """The distribution of what follows; see `_outlook`."""
        parts = self._parts(samples, design)
        return self.head.outlook(self._forecast(samples, design, parts), parts, samples)

    def _parts(self, samples, design):
        return self.head.parts(self.network, for_networks(samples, design))

    def _forecast(self, samples, design, parts):
        a, b = self.shares
        corrections = np.zeros((len(samples), design.horizon))
        if a:
            corrections += a * self.line(for_lines(samples, design))
        if b:
            corrections += b * parts[0]
        return samples.simple(design) + samples.scale * corrections


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
    head = head_of(network.loss)
    networks = head.parts(network, for_networks(held, design))[0]
    choices = [(a, b) for a in SHARES for b in SHARES if a + b <= 1 + 1e-9]
    shares = min(choices, key=lambda s: error(held_missed - s[0] * lines - s[1] * networks))
    both = Ridge(np.concatenate([features, later]), np.concatenate([missed, held_missed]))
    return Model(line, network, tuple(map(float, shares)), head), both.line(penalty)
