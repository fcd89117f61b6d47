"""Tasks whose target the sequences give themselves, or that leave the choice to y: for features of sequences."""

import dataclasses
from dataclasses import dataclass

import numpy as np
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import type_of_target

from ...losses import MultinomialLogLoss
from ...network.encoding import number_channels
from ...network.moments import mean_and_scale
from ...sequences._vocabulary import encode_tokens
from ._classes import ClassificationTask
from ._numbers import RegressionTask, is_vector
from ._own_targets import KnownSquaredError, has_next, next_numbers, next_values, resample
from ._read import SuppliedTask, row_weights
from ._task import FittedTask, Target, Task


@dataclass(frozen=True)
class OwnNumbers(FittedTask):
    """Numbers of `channels` of X itself, one or several steps of them for each row; NaN is unknown.

    mean, scale : of the channels, where `standardizes`.
    """

    channels: np.ndarray
    n_outputs: int
    per_step: bool
    standardizes: bool
    mean: np.ndarray
    scale: np.ndarray
    loss = KnownSquaredError()
    is_of_X = True

    @classmethod
    def unscaled(cls, target, channels, standardizes):
        """Those of a target, with means and scales yet to be learned."""
        mean, scale = np.zeros(len(channels)), np.ones(len(channels))
        return cls(channels, target.rows[0].size, target.per_step, standardizes, mean, scale)

    def encode(self, rows):
        """In the units and the precision of X; see `standardized`."""
        return rows.reshape(len(rows), -1)

    def standardized(self, y, weight, trained):
        """The task with means and scales, and the encoded target y in their units."""
        values, mean, scale = y.reshape(-1, len(self.channels)), self.mean, self.scale
        if self.standardizes:
            weight = np.repeat(weight * trained, len(values) // len(y))
            mean, scale = mean_and_scale(values, weight, self.channels, "standardize_target")
        return dataclasses.replace(self, mean=mean, scale=scale), ((values - mean) / scale).reshape(y.shape)

    def validation_score(self, raw_prediction, y, weight):
        known = ~np.isnan(y)
        weight = np.broadcast_to(weight[:, np.newaxis], y.shape)
        return r2_score(y[known], raw_prediction[known], sample_weight=weight[known])


class Points(OwnNumbers):
    """Whole sequences at a fixed number of points."""

    def attributes(self):
        return {"reconstruction_mean_": self.mean, "reconstruction_scale_": self.scale}


@dataclass(frozen=True)
class NextCode(FittedTask):
    """The next token or category, among `known`, a dict of their codes 1, 2, ...; code 0 is all others."""

    known: dict
    per_step = True
    loss = MultinomialLogLoss()

    @property
    def n_outputs(self):
        """Codes."""
        return 1 + len(self.known)

    def encode(self, rows):
        return encode_tokens(rows, self.known)[:, np.newaxis].astype(np.float64)

    def validation_score(self, raw_prediction, y, weight):
        return accuracy_score(y[:, 0], raw_prediction.argmax(axis=1), sample_weight=weight)


class OwnNumbersTask(Task):
    """Base of tasks with numbers of X as targets. standardize_target : whether to learn their means and scales."""

    def __init__(self, standardize_target):
        self.standardize_target = standardize_target

    def weighted(self, fitted, y, weight, trained):
        return weight * ~np.isnan(y).all(axis=1)  # codes are always known


class NextStepTask(OwnNumbersTask):
    """At each step the next one: its numbers, or where X has none, its token or category."""

    def check(self, parameters):
        if parameters.bidirectional != "auto" and parameters.bidirectional:
            raise ValueError(
                'objective="forecast" predicts the next step, which a network of both directions reads: set '
                "bidirectional=False, or use another objective."
            )
        if parameters.convolution is not None and parameters.convolution.width > 1:
            raise ValueError(
                f'objective="forecast" predicts the next step, which {parameters.convolution!r} reads together with '
                "the present one: leave out the convolution, or use another objective."
            )

    def read(self, sequences, y, sample_weight, roles):
        offsets, step_exists = sequences.offsets, has_next(sequences.offsets)
        _, sequence_weight = row_weights(sample_weight, offsets, False)
        weight = np.repeat(sequence_weight, sequences.lengths) * step_exists
        if not weight.any():
            raise ValueError(
                'objective="forecast" needs a sequence of two steps or more to learn from, with a weight above 0; all '
                "have one (a table: n_features=1)."
            )
        channels = number_channels(sequences.n_channels, *roles)
        if len(channels):
            rows = next_numbers(sequences, channels, roles.time_channel)
            return Target(rows, weight, sequence_weight, True)
        if len(roles.categorical) > 1:
            raise ValueError(
                f'objective="forecast" predicts the next token or category, but each step of X has '
                f"{len(roles.categorical)}: use another objective, or one channel."
            )
        return Target(next_values(sequences), weight, sequence_weight, True)

    def learn(self, target, trained, columns, request):
        if len(columns.numbers):
            return OwnNumbers.unscaled(target, columns.numbers, self.standardize_target)
        (known,) = columns.categories.values()
        return NextCode(known)


class ReconstructionTask(OwnNumbersTask):
    """From the last state the numbers of the whole sequence, at `n_points` points.

    limit : callable
        ``limit(n_sequences, n_targets)`` refuses targets that would take too much memory.
    """

    def __init__(self, standardize_target, n_points, limit):
        super().__init__(standardize_target)
        self.n_points, self.limit = n_points, limit

    def read(self, sequences, y, sample_weight, roles):
        _, weight = row_weights(sample_weight, sequences.offsets, False)
        channels = self._channels(sequences.n_channels, roles.categorical)
        if not len(channels):
            raise ValueError(
                'objective="reconstruct" interpolates between steps, but X holds tokens or categories only: use '
                'objective="forecast", which predicts the next one.'
            )
        self.limit(len(sequences), self.n_points * len(channels))
        return Target(resample(sequences, channels, self.n_points), weight, weight, False)

    def learn(self, target, trained, columns, request):
        return Points.unscaled(target, self._channels(columns.n_channels, columns.categories), self.standardize_target)

    @staticmethod
    def _channels(n_channels, categorical):
        """Channels of numbers, among which times are numbers like others."""
        return number_channels(n_channels, categorical, None)


class AnySuppliedTask(SuppliedTask):
    """What users pass: classes or labels, else numbers; numbers without a fraction count as classes."""

    def __init__(self, owner, targets, standardize_target):
        super().__init__(owner, targets)
        self.standardize_target = standardize_target

    def for_target(self, target):
        kinds = "binary", "multiclass", "multilabel-indicator"
        if type_of_target(target.rows, input_name="y") in kinds:
            return ClassificationTask("RNNClassifier")
        return RegressionTask("RNNRegressor", standardize_target=self.standardize_target)


def check_restored_points(attributes, n_raw, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    names = [name for name in ("reconstruction_mean_", "reconstruction_scale_") if hasattr(attributes, name)]
    for name in names:
        require(name, lambda v: is_vector(v) and len(v) and n_raw % len(v) == 0)
    if len({len(getattr(attributes, name)) for name in names}) > 1 or len(names) == 1:
        raise ValueError("reconstruction_mean_ and reconstruction_scale_ do not belong together")
