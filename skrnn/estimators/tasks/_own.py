"""What a `SequenceTransformer` is trained for.

Each objective gives a target, and a task, which encodes the target and scores predictions of it: an estimator or
another object with the methods ``_encode_target``, ``_strata`` and ``_validation_score``, and ``n_outputs_``.
"""

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import type_of_target

from ...losses import MultinomialLogLoss
from ...network.encoding import mean_and_scale, number_channels
from ...sequences._vocabulary import encode_tokens
from .._classifier import RNNClassifier
from .._regressor import RNNRegressor
from .._validation import channel_roles
from ._own_targets import KnownSquaredError, has_next, next_numbers, next_values, resample
from ._read import Target, given_target, row_weights


class OwnNumbers:
    """The task of predicting values of `channels` of X itself, (n_rows, ..., n_channels), NaN where missing."""

    def __init__(self, channels, standardize):
        self.channels, self.standardize = channels, standardize

    def _strata(self, y):
        return None

    def _encode_target(self, y, sample_weight, trained):
        values = y.reshape(-1, y.shape[-1])
        weight = np.repeat(sample_weight * trained, len(values) // len(y))
        n_channels = len(self.channels)
        self.mean_, self.scale_ = np.zeros(n_channels), np.ones(n_channels)
        if self.standardize:
            self.mean_, self.scale_ = mean_and_scale(values, weight, self.channels, "standardize_target")
        self.n_outputs_ = y[0].size
        target = ((y - self.mean_) / self.scale_).reshape(len(y), -1)
        return KnownSquaredError(), target, sample_weight * ~np.isnan(target).all(axis=1)

    def _validation_score(self, raw, target, sample_weight):
        known = ~np.isnan(target)
        weight = np.broadcast_to(sample_weight[:, np.newaxis], target.shape)
        return r2_score(target[known], raw[known], sample_weight=weight[known])


class NextCode:
    """The task of predicting the next token or category, among the codes that the inputs of `estimator` have."""

    def __init__(self, estimator):
        self.estimator = estimator

    def _strata(self, y):
        return None

    def _encode_target(self, y, sample_weight, trained):
        (known,) = self.estimator.inputs_.categories.values()
        self.n_outputs_ = 1 + len(known)
        return MultinomialLogLoss(), encode_tokens(y, known)[:, np.newaxis].astype(np.float64), sample_weight

    def _validation_score(self, raw, target, sample_weight):
        return accuracy_score(target[:, 0], raw.argmax(axis=1), sample_weight=sample_weight)


def forecast(estimator, sequences, y, sample_weight):
    """The next step: its numbers, or where X has none, its token or category."""
    _check_no_future(estimator)
    offsets, step_exists = sequences.offsets, has_next(sequences.offsets)
    _, sequence_weight = row_weights(sample_weight, offsets, False)
    weight = np.repeat(sequence_weight, sequences.lengths) * step_exists
    if not weight.any():
        raise ValueError(
            'objective="forecast" needs a sequence of two steps or more to learn from, with a weight above 0; all have '
            "one (a table: n_features=1)."
        )
    categorical, time_channel = channel_roles(estimator, sequences)
    channels = number_channels(sequences.n_channels, categorical, time_channel)
    if len(channels):
        rows = next_numbers(sequences, channels, time_channel)
        return OwnNumbers(channels, estimator.standardize_target), Target(rows, weight, sequence_weight, True)
    if len(categorical) > 1:
        raise ValueError(
            f'objective="forecast" predicts the next token or category, but each step of X has {len(categorical)}: use '
            "another objective, or one channel."
        )
    return NextCode(estimator), Target(next_values(sequences), weight, sequence_weight, True)


def reconstruct(estimator, sequences, y, sample_weight):
    """The sequence itself, resampled to so many points."""
    _, weight = row_weights(sample_weight, sequences.offsets, False)
    categorical, _ = channel_roles(estimator, sequences)
    channels = number_channels(sequences.n_channels, categorical, None)
    if not len(channels):
        raise ValueError(
            'objective="reconstruct" interpolates between steps, but X holds tokens or categories only: use '
            'objective="forecast", which predicts the next one.'
        )
    _check_memory(estimator, len(sequences), len(channels))
    target = Target(resample(sequences, channels, estimator.n_points), weight, weight, False)
    return OwnNumbers(channels, estimator.standardize_target), target


def supervised(estimator, sequences, y, sample_weight):
    """What is passed: classes or labels, else numbers."""
    target = given_target(estimator, sequences, y, sample_weight)
    is_of_classes = type_of_target(target.rows, input_name="y") in ("binary", "multiclass", "multilabel-indicator")
    if is_of_classes:
        return RNNClassifier(), target
    return RNNRegressor(standardize_target=estimator.standardize_target), target


OBJECTIVES = {"forecast": forecast, "reconstruct": reconstruct, "supervised": supervised}


def _check_memory(estimator, n_sequences, n_channels):
    """Refuse reconstructions that would take too much memory, as targets or in the readout, before they are made."""
    from ...network.memory import WEIGHT_COPIES, refuse_size  # noqa: PLC0415 (brings the compiler)

    n_targets = int(estimator.n_points) * n_channels
    n_weights = n_targets * (1 + estimator._layer_sizes()[-1])
    n_bytes = max(8 * n_sequences * n_targets, WEIGHT_COPIES * np.dtype(estimator.dtype).itemsize * n_weights)
    if n_bytes > estimator._max_bytes:
        what = f"reconstructions at n_points={estimator.n_points}"
        refuse_size(what, n_bytes, estimator._max_bytes, "take fewer points, sequences or units")


def _check_no_future(estimator):
    """Refuse networks that would read the answer."""
    if estimator.bidirectional != "auto" and estimator.bidirectional:
        raise ValueError(
            'objective="forecast" predicts the next step, which a network of both directions reads: set '
            "bidirectional=False, or use another objective."
        )
    if estimator.convolution is not None and estimator.convolution.width > 1:
        raise ValueError(
            f'objective="forecast" predicts the next step, which {estimator.convolution!r} reads together with the '
            "present one: leave out the convolution, or use another objective."
        )
