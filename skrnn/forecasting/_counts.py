"""Counts: the network forecasts them in units of their level, not what repeated values miss."""

from dataclasses import dataclass, replace

import numpy as np

from ._outlook import Counts
from ._samples import for_networks
from ._windows import cutoffs, thinned, windows_at


@dataclass(frozen=True)
class CountModel:
    """A fitted network whose predictions are means, in units of the level of the window, and dispersions.

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
        return Counts(level_of(samples, design) * mean, dispersion)


def level_of(samples, design):
    """(n, 1): the mean of the window, drawn towards that of the series as if one more value had been seen.

    So nothing is divided by 0, however many values are 0.
    """
    window = samples.read[:, samples.read.shape[1] - design.window :]
    return (window.sum(axis=1, keepdims=True) + samples.scale) / (design.window + 1)


def _sequences(samples, design):
    return for_networks(replace(samples, scale=level_of(samples, design)), design)


def fit_count_model(histories, lengths, design, n_held, network, rng):
    """Train on windows before the held-out ends."""
    series, ends = thinned(*cutoffs(lengths, design, n_held, False), rng)
    samples, target = windows_at(histories, design, series, ends, design.horizon)
    exposures = np.repeat(level_of(samples, design), design.horizon, axis=1)
    network.fit(_sequences(samples, design), np.concatenate([np.rint(target), exposures], axis=1))
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
