"""The contract of tasks."""

from typing import NamedTuple

import numpy as np

from ._scaling import best_constant


class Target(NamedTuple):
    """What to learn: a row for each sequence, or with `per_step` one for each of all steps, and their weights.

    offsets : where the rows of each sequence begin, if sequences have rows of their own number; else None.
    """

    rows: object
    weight: np.ndarray
    sequence_weight: np.ndarray
    per_step: bool
    offsets: np.ndarray | None = None

    def of_rows(self, of_sequences, lengths):
        """What each row has, from what each sequence has; lengths : steps of the sequences."""
        if self.offsets is not None:
            return np.repeat(of_sequences, np.diff(self.offsets))
        return np.repeat(of_sequences, lengths) if self.per_step else of_sequences


class EncodedTarget(NamedTuple):
    """A target as the loss reads it, (n_rows, k), weights of its rows in the loss, and which rows are trained on.

    offsets : see `Target`.
    """

    y: np.ndarray
    weight: np.ndarray
    trained: np.ndarray
    offsets: np.ndarray | None = None

    @property
    def counted(self):
        """The same with 0 in rows without a weight, which may hold anything, also what would overflow."""
        if self.weight.all():
            return self
        return self._replace(y=np.where(self.weight[:, np.newaxis] > 0, self.y, 0.0))


class Roles(NamedTuple):
    """Roles of channels: those of codes, and the one of time stamps or None."""

    categorical: list
    time_channel: int | None


class Task:
    """What a network is to be trained for; parameters only.

    `read` makes rows of what users pass, `learn` finds what later calls need to know of them, a `FittedTask`.

    Attributes
    ----------
    fewest_held_out : int
        Sequences that a score of early stopping needs.
    """

    fewest_held_out = 2

    def check(self, parameters):
        """Refuse parameters of an estimator that do not go together with the task."""

    def read(self, sequences, y, sample_weight, roles):
        """The `Target` of the sequences."""
        raise NotImplementedError

    def for_target(self, target):
        """The task that a target asks for, where there are several."""
        return self

    def strata(self, target):
        """Labels that the validation part holds in the same shares, or None."""

    def learn(self, target, trained, columns, request):
        """The `FittedTask` of a target, of which the rows `trained` are trained on."""
        raise NotImplementedError

    def weighted(self, fitted, y, weight, trained):
        """The weights of the rows of an encoded target y in the loss."""
        return weight

    def check_trained(self, fitted, y, weight, trained):
        """Refuse rows to train on from which nothing can be learned."""


class FittedTask:
    """What was learned of a target: how it is encoded, its loss, and what raw predictions mean.

    Attributes
    ----------
    loss : BaseLoss
    n_outputs : int
        Numbers that are predicted for a row.
    per_step : bool
        Whether a row is a step, not a sequence.
    is_of_X : bool
        Whether the target is numbers of X itself, whose means and scales are yet to be learned: see `standardized`.
    no_skill : float or None
        Score of a network that has learned nothing yet, if early stopping is not to stop there.
    """

    is_of_X, no_skill = False, None

    def encode(self, rows):
        """Rows of a target as the loss reads them, (n, k); refuses what is unlike those that were learned from."""
        raise NotImplementedError

    def structure(self, structure, parameters):
        """The structure of the network for the task, from one that reads the sequences and has a readout."""
        return structure

    def raw_prediction(self, target, n_raw, dtype):
        """The raw prediction (n_raw,) to start from, for an `EncodedTarget`."""
        return best_constant(self.loss, target, n_raw, dtype)

    def attach(self, data):
        """Give the `Data` of a fit what the network reads besides sequences and targets."""

    def score_held_out(self, predictor, rows):
        """Score of the network on held-out sequences, those numbered `rows`, higher is better."""
        data, raw = predictor.data, predictor.predict_raw(rows)
        if not np.isfinite(raw).all():
            return -np.inf
        target_rows = data.target_rows(rows)
        return self.validation_score(raw, data.target[target_rows], data.row_weight[target_rows])

    def validation_score(self, raw_prediction, y, weight):
        """Score of raw predictions against an encoded target, higher is better."""
        raise NotImplementedError

    def attributes(self):
        """The public attributes that describe the target, by name."""
        return {}


class NoTask(FittedTask):
    """The task of a network that is not trained."""

    loss, n_outputs, per_step = None, 0, False
