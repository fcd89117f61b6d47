"""What comes next, as a distribution: tokens and the end of a sequence, 0-1 notes, or numbers."""

from dataclasses import dataclass, replace

import numpy as np

from ..._core.parameters import LARGEST
from ...losses import BinomialLogLoss, MultinomialLogLoss
from ...network.moments import mean_and_scale
from ...sequences._layout import place
from ...sequences._steps import is_text
from ...sequences._vocabulary import NOTHING
from .._description import refuse_other_model
from ._mixture import MixtureOfGaussians
from ._notes import CoupledLogLoss
from ._numbers import is_vector
from ._read import check_sum, row_weights
from ._task import FittedTask, Target, Task

TOKENS, NOTES, NUMBERS = CONTENTS = "tokens", "notes", "numbers"
COUPLING_UNITS = 96  # by which dependent notes depend on each other
END = "\0\2"  # stands among the tokens to come where a sequence ends


@dataclass(frozen=True)
class Next(FittedTask):
    """Base: the next step, of a content that has a log-likelihood."""

    per_step = True

    def log_likelihood(self, raw, y, begins):
        """Of the rows of an encoded target y in the units of X under raw predictions, (n_rows,) float64.

        begins : which rows are first steps of sequences.
        """
        raise NotImplementedError

    def validation_score(self, raw_prediction, y, weight):
        """Mean log-likelihood of a step."""
        raw, weight = np.ascontiguousarray(raw_prediction), weight.astype(raw_prediction.dtype)
        value = self.loss.value_and_gradient(raw, raw.shape[1], y, weight, np.empty_like(raw))
        return -value / weight.sum(dtype=np.float64)

    def encode_known(self, rows, sequences):
        """`encode`; refuses steps of moved `sequences` that have no likelihood."""
        return self.encode(rows)

    def attributes(self):
        return {"content_": self.content, "has_end_": self.has_end}


@dataclass(frozen=True)
class NextToken(Next):
    """One of the `known` tokens, a dict of their codes 1, 2, ...; or with `has_end` the end; or one that is unknown.

    A class is the code less 1; behind those of tokens come the end, and tokens without a code of their own. No sequence
    is empty: as a first step the end has no probability.
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

    def encode_known(self, rows, sequences):
        y, last_rows = self.encode(rows), sequences.last_rows
        unknown = y[:, 0] < 0
        if not self.has_end:
            unknown[last_rows] = False
        if unknown.any():
            row = int(unknown.argmax())
            i, step = place(sequences.offsets, row)
            raise ValueError(
                f"X: sequence {i}, step {step} is the token {str(rows[row])!r}, which no training sequence has: its "
                "probability is 0. Leave it out, or fit with min_count=2, which learns rare tokens together."
            )
        return np.maximum(y, 0)

    def log_likelihood(self, raw, y, begins):
        raw = raw.astype(np.float64)
        if self.has_end:
            raw[begins, self.end] = -np.inf
        return self.loss.log_predict(raw)[np.arange(len(raw)), y[:, 0].astype(np.intp)]

    def attributes(self):
        return super().attributes() | {"has_unknown_": self.has_unknown}


@dataclass(frozen=True)
class NextNotes(Next):
    """0-1 notes, each of which may be on; with `n_hidden` units each depends on those before it in its step."""

    n_outputs: int
    n_hidden: int
    content, has_end = NOTES, False

    @property
    def loss(self):
        """Of the notes, some hidden units behind them."""
        return CoupledLogLoss(self.n_hidden) if self.n_hidden else BinomialLogLoss()

    def structure(self, structure, parameters):
        return replace(structure, coupled=self.n_hidden)

    def score_held_out(self, predictor, rows):
        if not self.n_hidden:
            return super().score_held_out(predictor, rows)
        from ...network.coupled import add_targets  # noqa: PLC0415 (brings the compiler)

        data, raw = predictor.data, predictor.predict_raw(rows)
        target_rows = data.target_rows(rows)
        y = data.target[target_rows]
        add_targets(predictor.network, predictor.theta, raw, y)
        return self.validation_score(raw, y, data.row_weight[target_rows]) if np.isfinite(raw).all() else -np.inf

    def encode(self, rows):
        return rows.astype(np.float64)

    def log_likelihood(self, raw, y, begins):
        raw, y = raw[:, : self.n_outputs].astype(np.float64), y.astype(np.float64)
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

    def log_likelihood(self, raw, y, begins):
        y = (y - self.mean) / self.scale
        return self.loss.log_density(raw.astype(np.float64), y) - np.log(self.scale).sum()

    def attributes(self):
        of_target = {"target_mean_": self.mean, "target_scale_": self.scale, "n_components_": self.n_components}
        return super().attributes() | of_target


def check_notes(sequences):
    """Refuse what is neither 0 nor 1."""
    wrong = ~np.isin(sequences.values, (0, 1))
    if wrong.any():
        row, channel = np.argwhere(wrong)[0].tolist()
        i, step = place(sequences.offsets, row)
        raise ValueError(
            f"The notes of X must be 0 or 1, as those of training; sequence {i}, step {step}, channel {channel} has "
            f"{sequences.values[row, channel]}."
        )


def check_tokens(sequences):
    """Refuse what stands for the end of a sequence."""
    is_end = sequences.values[:, 0] == END
    if is_end.any():
        i, step = place(sequences.offsets, int(is_end.argmax()))
        raise ValueError(f"X: sequence {i}, step {step} is {END!r}, which stands for the end: use another token.")


def content_of(sequences):
    """What sequences hold."""
    values = sequences.values
    return TOKENS if is_text(values) else NOTES if np.isin(values, (0, 1)).all() else NUMBERS


def restored(attributes):
    """The fitted task that public attributes describe."""
    if attributes.content_ == TOKENS:
        (known,) = attributes.inputs_.categories.values()
        return NextToken(known, attributes.has_end_, attributes.has_unknown_)
    if attributes.content_ == NOTES:
        return NextNotes(attributes.n_outputs_, int(attributes.structure_.coupled))
    of_target = attributes.target_mean_, attributes.target_scale_
    return NextNumbers(attributes.n_outputs_, attributes.n_components_, False, *of_target)


def check_restored(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    inputs, n_channels = attributes.inputs_, attributes.n_channels_
    require("content_", lambda v: v in CONTENTS and (v == TOKENS) is inputs.is_text)
    require("has_end_", lambda v: v in ((False, True) if attributes.content_ == TOKENS else (False,)))
    needed = {TOKENS: ("has_unknown_",), NOTES: (), NUMBERS: ("n_components_", "target_mean_", "target_scale_")}
    for name in needed[attributes.content_]:
        if not hasattr(attributes, name):
            raise ValueError(f"{name} is missing")
    if attributes.content_ == TOKENS:
        require("n_channels_", lambda n: n == 1)
        require("has_unknown_", lambda v: isinstance(v, (bool, np.bool_)))
    else:
        require("n_outputs_", lambda n: n == n_channels)
    if attributes.content_ == NUMBERS:
        require("n_components_", lambda v: isinstance(v, (int, np.integer)) and 1 <= v <= LARGEST)
        require("target_mean_", lambda v: is_vector(v) and len(v) == n_channels)
        require("target_scale_", lambda v: is_vector(v) and len(v) == n_channels and (v > 0).all())
    task = restored(attributes)
    require("n_outputs_", lambda n: n == task.n_outputs)
    return task


class GenerationTask(Task):
    """The next step of moved sequences.

    Parameters
    ----------
    content : {"tokens", "notes", "numbers"}
    has_end : bool
        Whether the end of a sequence is to be predicted.
    dependent : bool, default=False
        Whether a note is to depend on the lower ones of its step.
    n_components : int, default=1
        Gaussians that the distribution of numbers is a mixture of.
    standardize : bool, default=True
    min_count : int, default=1
    """

    fewest_held_out = 1  # as a log-likelihood needs no second one

    def __init__(self, content, has_end, *, dependent=False, n_components=1, standardize=True, min_count=1):
        self.content, self.has_end, self.dependent = content, has_end, dependent
        self.n_components, self.standardize, self.min_count = n_components, standardize, min_count

    def check_sequences(self, parts):
        """Refuse sequences, not moved yet, that hold what the task is not for."""
        if self.dependent and self.content != NOTES:
            raise ValueError(f'notes="dependent" is for 0-1 notes, but X holds {self.content}: leave it out.')
        if self.content == TOKENS and parts[0].n_channels > 1:
            raise ValueError(
                f"Each step of X has {parts[0].n_channels} tokens, but the next one is to be predicted: pass one for "
                "each step."
            )
        check = {TOKENS: check_tokens, NOTES: check_notes}.get(self.content)
        for sequences in parts if check else ():
            check(sequences)

    def read(self, sequences, y=None, sample_weight=None, roles=None, per_step=None, seen=None):
        """The `Target` of sequences that were moved; sample_weight: of those that were given."""
        _, given_weight = row_weights(sample_weight, np.arange(len(sequences.last_rows) + 1), False)
        weight, rows = given_weight[sequences.source], sequences.steps_to_come()
        if self.content == TOKENS:
            rows = rows[:, 0].copy()
            rows[sequences.last_rows] = END if self.has_end else NOTHING
        of_rows = np.repeat(weight, sequences.lengths)
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
            return NextNotes(n, COUPLING_UNITS if self.dependent else 0)
        return NextNumbers(n, self.n_components, self.standardize, np.zeros(n), np.ones(n))

    def resumed(self, fitted, request):
        """The task that was fitted before, whose means and scales stay; refuses another distribution."""
        if self.content == NOTES:
            then, now = ("dependent" if one else "independent" for one in (fitted.n_hidden, self.dependent))
            refuse_other_model({"notes": then}, {"notes": now})
        if self.content != NUMBERS:
            return fitted
        refuse_other_model({"n_components": fitted.n_components}, {"n_components": self.n_components})
        return replace(fitted, standardizes=False)

    def weighted(self, fitted, y, weight, trained):
        """Tokens that have no class count for nothing."""
        return weight if self.content != TOKENS else weight * (y[:, 0] >= 0)
