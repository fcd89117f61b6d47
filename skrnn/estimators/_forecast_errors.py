"""Errors of forecasts of the next step: a linear one, and a network that is trained on what that leaves."""

import numpy as np

from ..preprocessing._cut import cut
from ._lags import Steps, forecasts, learn_weights
from ._later import pieces
from .tasks._prepared import PreparedTask


def prepared(source, judged):
    """The linear forecasts, and the task and the sequences that the network is trained on."""
    sequences, is_later = source.sequences, source.is_later
    if source.n_trained.max() < 2:
        raise ValueError(
            'objective="forecast" predicts the next step, so a sequence needs two steps or more; all that are trained '
            "on have one (a table: n_features=1). A single stream of shape (n_steps, n_channels) is passed as [X]."
        )
    steps = Steps(judged.standardized(sequences), sequences.offsets)
    weights = learn_weights(steps, is_later)
    left = steps.values - forecasts(steps, weights)
    left[is_later] = np.nan
    left[:, judged.constant] = np.nan
    starts, lengths, of = pieces(source.n_trained)
    starts += sequences.offsets[of]
    target = cut(_ahead(left, steps.first), starts, lengths).values
    task = PreparedTask(target, True, judged.attributes | {"lag_weights_": weights}, source)
    return task, cut(judged.unmoved(sequences).values, starts, lengths, sequences.channel_names)


def learn_share(detector, judged, source):
    """The share of what the network predicts that leaves least of each channel in the steps that are later."""
    steps, linear, predicted = _forecasts(detector, judged, source.sequences)
    left = np.where(source.is_later[:, np.newaxis], steps.values - linear, np.nan)
    known = ~np.isnan(left)
    left, predicted = np.where(known, left, 0.0), np.where(known, predicted, 0.0)
    squares = (predicted**2).sum(axis=0)
    share = np.clip((left * predicted).sum(axis=0) / np.where(squares > 0, squares, 1.0), 0.0, 1.0)
    return np.where(judged.constant, 0.0, share)


def errors(detector, judged, sequences):
    """Errors (n_steps, C) in standard deviations of the channels, NaN where nothing is known or was forecast."""
    steps, linear, predicted = _forecasts(detector, judged, sequences)
    return steps.values - (linear + detector.network_share_ * predicted)


def _forecasts(detector, judged, sequences):
    """The standardised `Steps`, their linear forecasts, and what the network predicts that these leave."""
    steps = Steps(judged.standardized(sequences), sequences.offsets)
    raw = detector._raw(judged.unmoved(sequences)) * detector.target_scale_ + detector.target_mean_
    return steps, forecasts(steps, detector.lag_weights_), _behind(raw, steps.first)


def _ahead(values, first):
    """For each row the next one of its sequence, NaN where there is none."""
    ahead = np.full(values.shape, np.nan)
    rows = np.flatnonzero(np.arange(len(values)) > first)
    ahead[rows - 1] = values[rows]
    return ahead


def _behind(values, first):
    """For each row the one before of its sequence, 0 where there is none."""
    behind = np.zeros(values.shape)
    rows = np.flatnonzero(np.arange(len(values)) > first)
    behind[rows] = values[rows - 1]
    return behind
