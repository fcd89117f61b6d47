"""Where a run of training is, how it is to go, what decides when it stops, and what may look on."""

from dataclasses import asdict, dataclass, field, fields

import numpy as np

from .._core.output import say
from ..network.data import MAX_BYTES
from ..schedules import BaseSchedule, Constant
from .augmented import Augmenter


@dataclass(frozen=True)
class Settings:
    """How to train: see the parameters of the estimators that have these names.

    `clip_norm` is infinite where nothing is clipped; `open_ended` : whether other runs will go on where this one ends;
    `own_share` : of the steps of a decoder, those that read what it has put out itself, in the last epoch.
    `augmenter` : what changes the sequences of each epoch, or None;
    `no_skill` : validation score of a network that has learned nothing yet, or None; no run stops there.
    """

    alpha: float
    batch_size: int
    learning_rate: float
    max_iter: int
    clip_norm: float
    shuffle: bool
    tol: float | None
    n_iter_no_change: int
    n_threads: int
    verbose: bool
    max_bytes: int = MAX_BYTES
    truncation: int | None = None
    schedule: BaseSchedule = field(default_factory=Constant)
    open_ended: bool = False
    own_share: float = 0.0
    augmenter: Augmenter | None = None
    no_skill: float | None = None


@dataclass
class TrainingState:
    """Where a run of training is: all that it needs in order to go on as if it had never stopped.

    theta : parameters after the last epoch; safe_theta : those before the last update, whose loss is known to be
    finite; older_theta, first_theta : those after the epoch before, and at the start; seed : what order and masks are
    drawn from; slots : what the optimizer remembers, None before its first step; n_updates : of this run and earlier
    ones; n_forgotten : how many of these, the first ones, are not in what the optimizer remembers; first_epoch : epochs
    of earlier runs, whose curves stand before those of this one; best_theta : parameters of the best epoch, if these
    are to be the result; best : what was watched there; n_idle : epochs since it improved; validates : whether held-out
    sequences are what is watched; tail_begin, tail_from : epochs before the tail, in which training goes on from the
    best epoch to the end of the schedule, and up to the best; 0 before it begins; ended : whether nothing is left to
    do; problem : text of the warning at the end, or None; notes : what observers remember, in plain values.
    """

    theta: np.ndarray
    seed: int = 0
    safe_theta: np.ndarray | None = None
    older_theta: np.ndarray | None = None
    first_theta: np.ndarray | None = None
    slots: list | None = None
    n_updates: int = 0
    n_forgotten: int = 0
    loss_curve: list = field(default_factory=list)
    validation_scores: list | None = None
    gradient_norms: list = field(default_factory=list)
    first_epoch: int = 0
    best_theta: np.ndarray | None = None
    best: float = -np.inf
    n_idle: int = 0
    validates: bool = False
    tail_begin: int = 0
    tail_from: int = 0
    ended: bool = False
    problem: str | None = None
    notes: dict = field(default_factory=dict)

    @property
    def n_epochs(self):
        """Epochs of this run that are over."""
        return len(self.loss_curve) - self.first_epoch

    def watched(self, first_epoch):
        """After each epoch from `first_epoch` on what is watched, higher is better."""
        if self.validates:
            return self.validation_scores[first_epoch:]
        return [-loss for loss in self.loss_curve[first_epoch:]]

    def begin_tail(self):
        """Let the tail begin with the next epoch, from the parameters of the best."""
        # as the monitor finds it: the first of the best, and nothing that is no number
        self.tail_from = int(np.nanargmax(self.watched(self.first_epoch))) + 1
        self.tail_begin = self.n_epochs
        for theta in (self.theta, self.safe_theta):
            theta[:] = self.best_theta

    def last_epoch(self, max_iter):
        """After how many epochs of this run training ends, if nothing ends it before."""
        return min(self.tail_begin + -(-self.tail_from // 2), max_iter) if self.tail_begin else max_iter

    def factor(self, schedule, share, max_iter, watched):
        """What `schedule` makes of the learning rate after a `share` of the next epoch.

        The tail runs through what the best epoch has left of it, in half as many epochs, and never rises again.
        """
        if not self.tail_begin:
            return schedule.factor((self.n_epochs + share) / max_iter, watched)
        of_tail = (self.n_epochs - self.tail_begin + share) / (self.last_epoch(max_iter) - self.tail_begin)
        progress = (self.tail_from + (max_iter - self.tail_from) * of_tail) / max_iter
        return min(schedule.factor(progress, watched), schedule.factor(self.tail_from / max_iter, watched))

    @property
    def result(self):
        """The parameters that training gives if it ends now."""
        return self.theta if self.best_theta is None else self.best_theta

    def to_plain(self):
        """Give the state as a dict of arrays, lists and numbers, which no later update changes."""
        return asdict(self) | {"gradient_norms": np.array(self.gradient_norms)}

    @classmethod
    def from_plain(cls, plain, network):
        """The state of training a network that `to_plain` described; a ValueError that names an entry if it is none."""
        kinds = {field.name: field.type for field in fields(cls)}
        plain = {"tail_begin": 0, "tail_from": 0} | plain if isinstance(plain, dict) else plain  # of earlier versions
        if not isinstance(plain, dict) or set(plain) != set(kinds):
            raise ValueError(f"the state of training has the entries {sorted(kinds)}; it is {plain!r:.200}")
        norms = plain["gradient_norms"]
        if not (isinstance(norms, np.ndarray) and norms.ndim == 1 and norms.dtype.kind == "f"):
            raise ValueError(f"gradient_norms cannot be {norms!r:.200}")
        plain = plain | {"gradient_norms": norms.tolist()}
        for name, value in plain.items():
            if not _fits(name, value, kinds[name], network):
                raise ValueError(
                    f"{name} is {_shown(value)}, which is no state of a network of {network.size} parameters of "
                    f"{network.dtype}"
                )
        state = cls(**plain)
        scores = state.validation_scores
        if state.first_epoch > len(state.loss_curve) or (scores is not None and len(scores) != len(state.loss_curve)):
            raise ValueError("loss_curve, validation_scores and first_epoch are of different numbers of epochs")
        if state.n_forgotten > state.n_updates:
            raise ValueError("n_forgotten is larger than n_updates")
        if not 0 <= state.tail_from <= state.tail_begin <= state.n_epochs or (state.tail_begin > 0) != (
            state.tail_from > 0
        ):
            raise ValueError("tail_from, tail_begin and loss_curve do not belong together")
        if state.tail_begin and state.best_theta is None:
            raise ValueError("there is a tail, but no best_theta")
        if state.validates and scores is None:
            raise ValueError("validates is True, but there are no validation_scores")
        return state


def _fits(name, value, kind, network):
    """Whether a value can be the entry `name`, of this kind, of the state of training a network."""
    if name == "slots":
        return value is None or (isinstance(value, list) and all(_is_like_theta(slot, network) for slot in value))
    if isinstance(value, np.ndarray):
        return isinstance(value, kind) and _is_like_theta(value, network) and bool(np.isfinite(value).all())
    if isinstance(value, list):
        return isinstance(value, kind) and all(isinstance(item, float) for item in value)
    if kind is int:
        return type(value) is int and 0 <= value < (2**31 if name == "seed" else 2**63)
    return isinstance(value, kind)


def _is_like_theta(array, network):
    return isinstance(array, np.ndarray) and (array.shape, array.dtype) == ((network.size,), network.dtype)


def _shown(value):
    """A value in an error: arrays by their dtype and shape."""
    if isinstance(value, list) and any(isinstance(item, np.ndarray) for item in value):
        return ", ".join(map(_shown, value))
    return f"{value.dtype} of shape {value.shape}" if isinstance(value, np.ndarray) else f"{value!r:.200}"


class Monitor:
    """Enters epochs into the state of a run, and says whether it is time to stop.

    Parameters
    ----------
    state : TrainingState
    tol : float or None
        Improvement that counts; None is 0, and does not stop for a loss that stands still.
    patience : int
        Epochs without one after which training stops.
    validate : callable or None
        ``validate(theta) -> score`` on held-out sequences, higher is better; None watches the training loss.
    verbose : bool or int
        Whether to print a line per epoch.
    no_skill : float or None
        Score of a network that has learned nothing yet; epochs that end with no more do not count as idle.

    Attributes
    ----------
    line : str
        What there is to say of the last epoch.
    """

    def __init__(self, state, tol, patience, validate, verbose, no_skill=None):
        self.state, self.validate, self.verbose, self.no_skill = state, validate, verbose, no_skill
        self.tol, self.patience = tol or 0.0, np.inf if tol is None and not validate else patience
        state.validates = validate is not None
        if validate and state.validation_scores is None:
            state.validation_scores = [np.nan] * state.first_epoch

    def end_epoch(self, loss, theta):
        """Record an epoch; returns whether to stop."""
        state, quantity, note = self.state, -loss, ""
        state.loss_curve.append(loss)
        if self.validate:
            quantity = self.validate(theta)
            state.validation_scores.append(quantity)
            note = f", validation score = {quantity:.4f}"
        elif state.validation_scores is not None:  # of an earlier run
            state.validation_scores.append(np.nan)
        self.line = f"Epoch {len(state.loss_curve)}, loss = {loss:.6f}{note}"
        if self.verbose:
            say(self.line)
        state.n_idle = 0 if quantity > state.best + self.tol else state.n_idle + 1
        if quantity > state.best:
            state.best = quantity
            state.best_theta = theta.copy() if self.validate else None
        if self.validate and self.no_skill is not None and quantity <= self.no_skill:
            state.n_idle = 0
        return state.n_idle >= self.patience


class Observer:
    """What may look on at a run of training; here nobody does.

    needs_predictions : whether the network is used after each epoch, so that its predictions must be finite there.
    """

    needs_predictions = False

    def begin_fit(self):
        """Before the first epoch."""

    def begin_epoch(self):
        """Before an epoch."""

    def end_epoch(self):
        """After an epoch; returns whether to stop."""
        return False
