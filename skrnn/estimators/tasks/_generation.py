"""What comes next, as a distribution: tokens and the end of a sequence, 0-1 notes, or numbers."""

from dataclasses import dataclass, replace

import numpy as np

from ...losses import BinomialLogLoss, MultinomialLogLoss
from ...network.encoding import mean_and_scale
from ...sequences._vocabulary import NOTHING
from ._mixture import MixtureOfGaussians
from ._read import check_sum, row_weights
from ._task import FittedTask, Target, Task

TOKENS, NOTES, NUMBERS = CONTENTS = "tokens", "notes", "numbers"
END = "\0\2"  # stands among the tokens to come where a sequence ends


@dataclass(frozen=True)
class Next(FittedTask):
    """Base: the next step, of a content that has a log-likelihood."""

    per_step = True

    def log_likelihood(self, raw, y):
        """Of the rows of an encoded target y under raw predictions, (n_rows,) float64."""
        ones, d_raw, y = np.ones(1, raw.dtype), np.empty((1, raw.shape[1]), raw.dtype), y.astype(raw.dtype)
        value = self.loss.value_and_gradient
        return -np.array([value(raw[n : n + 1], raw.shape[1], y[n : n + 1], ones, d_raw) for n in range(len(y))])

    def validation_score(self, raw_prediction, y, weight):
        """Mean log-likelihood of a step."""
        raw, weight = np.ascontiguousarray(raw_prediction), weight.astype(raw_prediction.dtype)
        value = self.loss.value_and_gradient(raw, raw.shape[1], y, weight, np.empty_like(raw))
        return -value / weight.sum(dtype=np.float64)

    def attributes(self):
        return {"content_": self.content, "has_end_": self.has_end}


@dataclass(frozen=True)
class NextToken(Next):
    """One of the `known` tokens, a dict of their codes 1, 2, ...; or with `has_end` the end; or one that is unknown.

    A class is the code less 1; behind those of tokens come the end, and tokens without a code of their own.
    """

    known: dict
    has_end: bool
    has_unknown: bool
    loss = MultinomialLogLoss()
    content = TOKENS

    @property
    def n_outputs(self):
        """Classes."""
        return len(self.known) + self.has_end + self.has_unknown

    @property
    def end(self):
        """The class of the end, None if there is none."""
        return len(self.known) if self.has_end else None

    def encode(self, rows):
        """Classes (n, 1); -1 for what has none."""
        special = {NOTHING: -1, END: len(self.known) if self.has_end else -1}
        other = self.n_outputs - 1 if self.has_unknown else -1
        classes = {token: code - 1 for token, code in self.known.items()} | special
        return np.array([classes.get(token, other) for token in rows.tolist()], np.float64)[:, np.newaxis]

    def log_likelihood(self, raw, y):
        raw = raw.astype(np.float64)
        top = raw.max(axis=1)
        rest = np.log(np.exp(raw - top[:, np.newaxis]).sum(axis=1))
        return raw[np.arange(len(raw)), y[:, 0].astype(np.intp)] - top - rest

    def attributes(self):
        return super().attributes() | {"has_unknown_": self.has_unknown}


@dataclass(frozen=True)
class NextNotes(Next):
    """0-1 notes, each of which may be on."""

    n_outputs: int
    loss = BinomialLogLoss()
    content, has_end = NOTES, False

    def encode(self, rows):
        return np.where(np.isnan(rows), 0, rows).astype(np.float64)

    def log_likelihood(self, raw, y):
        raw = raw.astype(np.float64)
        return (y * raw - np.maximum(raw, 0) - np.log1p(np.exp(-np.abs(raw)))).sum(axis=1)


@dataclass(frozen=True)
class NextNumbers(Next):
    """Numbers, whose distribution is a mixture of `n_components` Gaussians.

    mean, scale : of the channels, where they are standardised.
    """

    n_outputs: int
    n_components: int
    standardizes: bool
    mean: np.ndarray
    scale: np.ndarray
    content, has_end, is_of_X = NUMBERS, False, True

    @property
    def loss(self):
        """Minus the log-density of standardised numbers."""
        return MixtureOfGaussians(self.n_components)

    def encode(self, rows):
        """In the units of X; see `standardized`."""
        return rows.astype(np.float64)

    def standardized(self, y, weight, trained):
        """The task with means and scales, and the encoded target y in their units."""
        mean, scale = self.mean, self.scale
        if self.standardizes:
            mean, scale = mean_and_scale(y, weight * trained, np.arange(self.n_outputs), "standardize")
        return replace(self, mean=mean, scale=scale), (y - mean) / scale

    def log_likelihood(self, raw, y):
        y = (y - self.mean) / self.scale
        return self.loss.log_density(raw.astype(np.float64), y) - np.log(self.scale).sum()

    def attributes(self):
        of_target = {"target_mean_": self.mean, "target_scale_": self.scale, "n_components_": self.n_components}
        return super().attributes() | of_target


class GenerationTask(Task):
    """The next step of moved sequences.

    Parameters
    ----------
    content : {"tokens", "notes", "numbers"}
    has_end : bool
        Whether the end of a sequence is to be predicted.
    n_components : int
    standardize : bool
    min_count : int
    """

    fewest_held_out = 1  # as a log-likelihood needs no second one

    def __init__(self, content, has_end, n_components, standardize, min_count):
        self.content, self.has_end, self.n_components = content, has_end, n_components
        self.standardize, self.min_count = standardize, min_count

    def read(self, sequences, y, sample_weight, roles, per_step=None, seen=None):
        """The `Target` of sequences that were moved; sample_weight: of those that were given."""
        n_given = len(sequences.last_rows)
        _, given_weight = row_weights(sample_weight, np.arange(n_given + 1), False)
        weight = given_weight[sequences.source]
        of_rows, rows = np.repeat(weight, sequences.lengths), sequences.steps_to_come()
        if self.content == TOKENS:
            rows = rows[:, 0].copy()
            rows[sequences.last_rows] = END if self.has_end else NOTHING
        if not self.has_end:
            of_rows[sequences.last_rows] = 0
        check_sum(of_rows)
        return Target(rows, of_rows, weight, True)

    def learn(self, target, trained, columns, request):
        if self.content == TOKENS:
            (known,) = columns.categories.values()
            return NextToken(known, self.has_end, self.min_count > 1)
        n = target.rows.shape[1]
        if self.content == NOTES:
            return NextNotes(n)
        return NextNumbers(n, self.n_components, self.standardize, np.zeros(n), np.ones(n))

    def resumed(self, fitted, request):
        """The task that was fitted before."""
        return fitted

    def weighted(self, fitted, y, weight, trained):
        """Tokens that have no class count for nothing."""
        return weight if self.content != TOKENS else weight * (y[:, 0] >= 0)
