"""Counts: the network forecasts how many times what is usual there, not what repeated values miss."""

from dataclasses import dataclass, replace

import numpy as np

from ._outlook import Counts
from ._samples import for_networks
from ._windows import cutoffs, thinned, windows_at


@dataclass(frozen=True)
class CountModel:
    """A fitted network whose predictions are means, in units of what is usual, and dispersions.

    Neither repeated values nor a line are added: both may be negative.
    """

    network: object
    line, shares, has_head, is_of_counts = None, (0.0, 1.0), True, True

    def forecast(self, samples, design):
        """(n, horizon), means."""
        return self.outlook(samples, design).centre

    def outlook(self, samples, design):
        """The distribution of what follows."""
        mean, dispersion = self.network._predict(_sequences(samples, design), "parts")
        return Counts(usual(samples, design) * mean, dispersion)


def usual(samples, design):
    """(n, horizon): the mean of the values at the same place in the cycle, drawn towards the mean of the window.

    That is drawn towards the mean of the series, as if one more value had been seen: so nothing is 0, however many are.
    """
    level = _level(samples, design)
    found = np.tile(level, design.horizon)
    for lag in np.unique(samples.lag[samples.lag > 1]):
        own, n_cycles = samples.lag[:, 0] == lag, samples.read.shape[1] // lag
        cycles = samples.read[own, samples.read.shape[1] - n_cycles * lag :].reshape(-1, n_cycles, lag)
        found[own] = ((cycles.sum(axis=1) + level[own]) / (n_cycles + 1))[:, np.arange(design.horizon) % lag]
    return found


def _level(samples, design):
    window = samples.read[:, samples.read.shape[1] - design.window :]
    return (window.sum(axis=1, keepdims=True) + samples.scale) / (design.window + 1)


def _sequences(samples, design):
    return for_networks(replace(samples, scale=_level(samples, design)), design)


def fit_count_model(histories, lengths, design, n_held, network, rng):
    """Train on windows before the held-out ends."""
    series, ends = thinned(*cutoffs(lengths, design, n_held, False), rng)
    samples, target = windows_at(histories, design, series, ends, design.horizon)
    network.fit(_sequences(samples, design), np.concatenate([np.rint(target), usual(samples, design)], axis=1))
    return CountModel(network)


def check_counts(panel):
    """Refuse series that are not 0, 1, 2, ..."""
    for i, values in enumerate(panel.values):
        wrong = np.flatnonzero((values < 0) | (np.isfinite(values) & (values != np.rint(values))))
        if len(wrong):
            raise ValueError(
                f"{panel.label(i)} is {values[wrong[0]]:g} at step {wrong[0]}: distribution='negative_binomial' is "
                "for counts, 0, 1, 2, ... For other numbers use 'normal' or 'student_t', or quantiles."
            )
