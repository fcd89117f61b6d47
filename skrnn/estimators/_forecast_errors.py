"""Errors of forecasts: a linear one from the last steps, and a network that is trained on what it leaves."""

from dataclasses import dataclass

import numpy as np

from ..network.encoding import mean_and_scale, number_channels
from ..sequences import SequenceArray
from ._lags import Steps, forecasts, learn_weights
from ._later import cut, later_steps, pieces
from .tasks._remainders import RemainderTask


@dataclass(frozen=True)
class Source:
    """The sequences that a fit is given, and which steps are held out, perhaps those of whole sequences."""

    sequences: SequenceArray
    is_later: np.ndarray
    of_sequences: bool


class Channels:
    """The channels that are judged, in standard deviations of the steps that were trained on.

    which : ndarray of int; mean, scale : of each, 0 where it never changed
    """

    def __init__(self, which, mean, scale):
        self.which, self.mean, self.scale = which, mean, scale
        self.constant = scale == 0

    @classmethod
    def learn(cls, sequences, roles, is_later):
        which = judged(sequences.n_channels, roles.categorical, roles.time_channel)
        if not len(which):
            raise ValueError("X has no channel of numbers to forecast, only categories, tokens or times.")
        values = sequences.values[~is_later][:, which].astype(np.float64)
        _refuse_empty(values, which, sequences.channel_names)
        mean, scale = mean_and_scale(values, np.ones(len(values)), which, "standardize")
        lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        constant = (lowest == highest) | ((scale == 1) & (highest - lowest < 1e-9 * np.abs(mean)))
        return cls(which, np.where(constant, lowest, mean), np.where(constant, 0.0, scale))

    def steps(self, sequences):
        """The standardised `Steps` of sequences; 0 in channels that never changed in training."""
        values = sequences.values[:, self.which].astype(np.float64)
        values = (values - self.mean) / np.where(self.constant, 1.0, self.scale)
        values[:, self.constant] *= 0.0  # NaN stays
        return Steps(values, sequences.offsets)

    def moved(self, sequences):
        """Which values (n_steps, C) differ from a channel's only one in training; NaN does not."""
        values = sequences.values[:, self.which]
        differs = np.abs(values - self.mean) > 1e-6 * np.abs(self.mean)
        return differs & self.constant

    def without_moves(self, sequences):
        """The sequences as if channels that never changed in training never did."""
        if not self.constant.any():
            return sequences
        values = sequences.values.copy()
        values[:, self.which[self.constant]] = self.mean[self.constant]
        return SequenceArray(values, sequences.offsets, sequences.channel_names)


def judged(n_channels, categorical, time_channel):
    """The channels of numbers but that of time stamps."""
    numbers = number_channels(n_channels, categorical, None)
    return numbers[numbers != (-1 if time_channel is None else time_channel)]


def _refuse_empty(values, which, names):
    empty = np.isnan(values).all(axis=0)
    if empty.any():
        c = int(which[empty.argmax()])
        name = f" ({names[c]!r})" if names is not None else ""
        raise ValueError(
            f"Input X: channel {c}{name} is NaN at all steps that are trained on, so nothing can be learned of it: "
            "leave it out."
        )


def usable_horizons(horizons, lengths):
    """Those that at least half of the steps have a target for, in sequences of these lengths; 1 in any case."""
    n_targets = {h: np.maximum(lengths - h, 0).sum() for h in horizons}
    return np.array([h for h in horizons if h == 1 or 2 * n_targets[h] >= lengths.sum()] or [1], np.int64)


def forecast_task(sequences, roles, horizons, fraction):
    """The `RemainderTask` of forecasts, and the pieces that it is trained on."""
    is_later, of_sequences = later_steps(sequences, fraction)
    rows, offsets = pieces(sequences, is_later)
    trained = np.add.reduceat(~is_later, sequences.offsets[:-1], dtype=np.intp)
    if trained.max() < 2:
        raise ValueError(
            'objective="forecast" predicts the next step, so a sequence needs two steps or more; all have one (a '
            "table: n_features=1). A single stream of shape (n_steps, n_channels) is passed as [X]."
        )
    horizons = usable_horizons(horizons, trained[trained > 1])
    channels = Channels.learn(sequences, roles, is_later)
    if channels.constant.all():
        raise ValueError("X never changes in any channel of the steps that are trained on: there is nothing to learn.")
    steps = channels.steps(sequences)
    weights = learn_weights(steps, is_later, horizons)
    left = remainders(steps, forecasts(steps, weights), horizons)
    for k, horizon in enumerate(horizons):
        behind = np.minimum(np.arange(len(left)) + horizon, steps.end - 1)
        left[is_later[behind], k] = np.nan
    left[:, :, channels.constant] = np.nan
    learned = {
        "horizons_": horizons,
        "channel_mean_": channels.mean,
        "channel_scale_": channels.scale,
        "lag_weights_": weights,
    }
    task = RemainderTask(left[rows].reshape(len(rows), -1), learned, Source(sequences, is_later, of_sequences))
    return task, cut(channels.without_moves(sequences), rows, offsets)


def remainders(steps, made, horizons):
    """What forecasts (n_steps, H, C) leave at each step, NaN where the sequence ends before."""
    left = np.full(made.shape, np.nan)
    for k, horizon in enumerate(horizons):
        rows = steps.with_target(horizon)
        left[rows, k] = steps.ahead(rows, horizon) - made[rows, k]
    return left


def at_targets(left, steps, horizons):
    """The same as errors of the steps that were forecast, NaN at steps that none was made for."""
    errors = np.full(left.shape, np.nan)
    for k, horizon in enumerate(horizons):
        rows = steps.with_target(horizon)
        errors[rows + horizon, k] = left[rows, k]
    return errors


def best_share(left, predicted):
    """For each column the factor between 0 and 1 by which predictions of what is left leave least; 0 if unknown."""
    known = ~np.isnan(left)
    predicted = np.where(known, predicted, 0.0)
    products, squares = (predicted * np.where(known, left, 0.0)).sum(axis=0), (predicted**2).sum(axis=0)
    return np.clip(products / np.where(squares > 0, squares, 1.0), 0.0, 1.0)
