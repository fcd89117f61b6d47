"""Training: where a run is, the history that decides when to stop, and the loop over epochs."""

from dataclasses import asdict, dataclass, field, fields

import numpy as np

from .._core.output import say
from .._core.streams import epoch_seed, shuffled
from .._core.threads import ShardPool
from ..network.data import MAX_BYTES
from ..network.inference import predict_raw
from ..optimizers import clip_by_norm
from ..schedules import BaseSchedule, Constant
from .objective import Objective
from .stability import gives_finite_loss

TOL_OF_ALL_DATA = 1e-4  # largest element of the gradient at which a solver of all data ends, as in scikit-learn


@dataclass(frozen=True)
class Settings:
    """How to train: see the parameters of the estimators that have these names.

    `clip_norm` is infinite where nothing is clipped; `open_ended` : whether other runs will go on where this one ends.
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


@dataclass
class State:
    """Where a run of training is: all that it needs in order to go on as if it had never stopped.

    theta : parameters after the last epoch; safe_theta : those before the last update, whose loss is known to be
    finite; older_theta, first_theta : those after the epoch before, and at the start; seed : what order and masks are
    drawn from; slots : what the optimizer remembers, None before its first step; n_updates : of this run and earlier
    ones; n_forgotten : how many of these, the first ones, are not in what the optimizer remembers; first_epoch : epochs
    of earlier runs, whose curves stand before those of this one; best_theta : parameters of the best epoch, if these
    are to be the result; best : what was watched there; n_idle : epochs since it improved; validates : whether held-out
    sequences are what is watched; ended : whether nothing is left to do; problem : text of the warning at the end, or
    None; notes : what observers remember, in plain values.
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
    state : State
    tol : float or None
        Improvement that counts; None is 0, and does not stop for a loss that stands still.
    patience : int
        Epochs without one after which training stops.
    validate : callable or None
        ``validate(theta) -> score`` on held-out sequences, higher is better; None watches the training loss.
    verbose : bool or int
        Whether to print a line per epoch.
    """

    def __init__(self, state, tol, patience, validate, verbose):
        self.state, self.validate, self.verbose = state, validate, verbose
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
        if self.verbose:
            say(f"Epoch {len(state.loss_curve)}, loss = {loss:.6f}{note}")
        state.n_idle = 0 if quantity > state.best + self.tol else state.n_idle + 1
        if quantity > state.best:
            state.best = quantity
            state.best_theta = theta.copy() if self.validate else None
        return self.stopped

    @property
    def stopped(self):
        """Whether what is watched has stopped improving."""
        return self.state.n_idle >= self.patience


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


class _DivergenceError(Exception):
    """A loss, a gradient or parameters are not finite; says where."""


class Training:
    """A run of training from a given state, and its result.

    Parameters
    ----------
    network : Network
    state : State
        Where to start; becomes the result. Its parameters give finite predictions of all sequences whatever happens:
        those that were reached, else the last earlier ones that do.
    data : Data
    loss : BaseLoss
    score : callable
        ``score(raw, target, weight)``, higher is better: of held-out sequences.
    settings : Settings
    observer : Observer, default=None
    """

    def __init__(self, network, state, data, loss, score, settings, observer=None):
        self.network, self.state, self.data, self.loss, self.score = network, state, data, loss, score
        self.settings, self.observer = settings, observer or Observer()
        self._epoch_before = None  # the parameters before an epoch that ended before its time

    def run(self, optimizer, rows, held_out):
        """Train until the monitor, the number of epochs, the observer, the user or an overflow ends it.

        Returns the text of a warning, or None if it ended well.
        """
        self.interrupted = False
        # Overflow is looked for where it counts, once per batch and at the end.
        with ShardPool(self.settings.n_threads) as pool, np.errstate(over="ignore", invalid="ignore"):
            self._start(pool, optimizer, rows, held_out)
            where = None
            try:
                self.observer.begin_fit()
                problem = (self._run_epochs if optimizer.stochastic else self._run_full_batch)(optimizer, rows)
            except KeyboardInterrupt:
                self.interrupted = True
                problem = (
                    "Training interrupted by user: the weights reached are kept; fit again for a complete training."
                )
            except _DivergenceError as error:
                where = str(error)
            problem = self._settle(where) or problem
        if not self.interrupted:
            self.state.ended, self.state.problem = True, problem
        return problem

    def _settle(self, where):
        """Go back to the last parameters that give finite predictions, and forget what led away from them.

        where : where an overflow ended training, or None. Returns the text of a warning if it or its last update has
        diverged, else None.
        """
        state = self.state
        earlier = state.safe_theta, self._epoch_before, state.older_theta, state.first_theta
        candidates = [state.theta, *(theta for theta in earlier if theta is not None)]
        kept = next(filter(self._is_sound, candidates), None)
        if where is None and kept is not state.theta:
            where = f"the last update of epoch {len(state.loss_curve)}"
        state.theta[:] = state.first_theta if kept is None else kept
        if state.best_theta is not None and not self._is_sound(state.best_theta):
            where, state.best_theta = where or "the best epoch", None
        if where is None and not all(np.isfinite(slot).all() for slot in state.slots or []):
            where = "what the solver remembers"
        if where is None:
            return None
        if state.slots is not None:
            state.slots, state.n_forgotten = self._optimizer.start(state.theta), state.n_updates
        what = "The last weights that give finite predictions are kept"
        if kept is None:
            what = "None of its weights gives finite predictions of all sequences: those before it are kept"
        how = "set" if self.settings.clip_norm == np.inf else "lower"
        return (
            f"Training diverged in {where}: the loss or its gradient is not finite. {what}; lower learning_rate_init, "
            f"or {how} clip_norm."
        )

    def _is_sound(self, theta):
        what = self.network, theta, self.data, self.loss, self._all_rows
        return gives_finite_loss(*what, self.objective.pool, self.settings.max_bytes)

    def _start(self, pool, optimizer, rows, held_out):
        """Make what the loop over epochs uses."""
        settings, data = self.settings, self.data
        self._optimizer, self._rows = optimizer, rows
        everything = np.concatenate([rows, held_out])
        self._all_rows = everything[data.weight[everything] > 0]
        for name in ("older_theta", "first_theta"):
            if getattr(self.state, name) is None:
                setattr(self.state, name, self.state.theta.copy())
        self._bounds = list(self.network.bounds(self.network.n_steps(data.longest(rows))))
        max_batch = settings.batch_size if optimizer.stochastic else len(rows)
        bounds = {"max_bytes": settings.max_bytes, "truncation": settings.truncation}
        self.objective = Objective(self.network, data, self.loss, settings.alpha, pool, max_batch, **bounds)
        validate = None
        if len(held_out):
            target_rows = data.target_rows(held_out)
            target, weight = data.target[target_rows], data.row_weight[target_rows]

            def validate(theta):
                raw = predict_raw(self.network, theta, data, pool, held_out, settings.max_bytes)
                return self.score(raw, target, weight) if np.isfinite(raw).all() else -np.inf

        self.monitor = Monitor(self.state, settings.tol, settings.n_iter_no_change, validate, settings.verbose)

    def _run_epochs(self, optimizer, rows):
        """Epochs of mini-batches; returns the text of a warning, or None."""
        state, settings, weight = self.state, self.settings, self.data.weight[rows].sum()
        if state.slots is None:
            state.slots = optimizer.start(state.theta)
        if state.safe_theta is None:
            state.safe_theta = state.theta.copy()
        if state.ended:
            return state.problem
        theta = state.theta.copy()
        while not state.ended and state.n_epochs < settings.max_iter:
            self.observer.begin_epoch()
            try:
                loss = self._run_epoch(optimizer, theta, rows) / weight
            except (KeyboardInterrupt, _DivergenceError):
                self._epoch_before = state.theta.copy()
                state.theta[:] = state.safe_theta
                raise
            state.older_theta[:] = state.theta
            state.theta[:] = theta
            self._end_epoch(loss)
        if state.ended or settings.tol is None or settings.schedule.anneals or settings.open_ended:
            return None
        return (
            f"Maximum number of iterations ({settings.max_iter}) reached and the training has not converged: raise "
            "max_iter, or learning_rate_init if the loss still falls slowly."
        )

    def _run_epoch(self, optimizer, theta, rows):
        """Change theta by one epoch; returns the weighted sum of the losses."""
        state, settings, objective, total = self.state, self.settings, self.objective, 0.0
        number = len(state.loss_curve)
        watched = state.watched(0 if settings.open_ended else state.first_epoch)
        order = shuffled(rows, state.seed, number) if settings.shuffle else rows
        seed = epoch_seed(state.seed, number) if self.network.structure.is_noisy else None
        for first in range(0, len(order), settings.batch_size):
            batch = order[first : first + settings.batch_size]
            middle = first + len(batch) / 2  # of the update: a rate that rises from 0 is not 0 in a single one
            progress = (state.n_epochs + middle / len(order)) / settings.max_iter
            rate = settings.learning_rate * settings.schedule.factor(progress, watched)
            for piece in objective.pieces(batch):
                value, gradient = objective.value_and_gradient(theta, piece, seed)
                weight = objective.total_weight(piece)
                if weight == 0:  # only the states are carried on
                    continue
                norm = clip_by_norm(gradient, settings.clip_norm)
                if not np.isfinite(value + norm):
                    raise _DivergenceError(f"epoch {number + 1}, batch {first // settings.batch_size + 1}")
                self._update(optimizer, theta, gradient, rate)
                state.gradient_norms.append(norm)
                total += value * weight
        if not (self._is_sound(theta) if self.observer.needs_predictions else np.isfinite(theta).all()):
            raise _DivergenceError(f"the last update of epoch {number + 1}")
        return total

    def _update(self, optimizer, theta, gradient, rate):
        """Take a step of the optimizer from theta, whose loss is finite."""
        state = self.state
        state.safe_theta[:] = theta
        state.n_updates += 1
        t = state.n_updates - state.n_forgotten
        optimizer.step(theta, gradient, state.slots, t, rate, self.objective.penalized)
        for part, limit in self._bounds:
            theta[part] = theta[part].clip(-limit, limit)

    def range_test(self, rates):
        """Losses of a mini-batch along a run on it whose learning rate goes through `rates`, as far as they are finite.

        Always the same mini-batch, and without dropout, so that what changes the loss is the rate. The run starts where
        this one stands, and leaves it as it is. It ends early where the loss has risen by more than it fell before.
        """
        theta, losses, objective = self.state.theta.copy(), [], self.objective
        slots, batch = self._optimizer.start(theta), shuffled(self._rows, self.state.seed, 2**63)
        batch = batch[: self.settings.batch_size]
        for update, rate in enumerate(rates, start=1):
            value, gradient = objective.value_and_gradient(theta, next(iter(objective.pieces(batch))))
            if not np.isfinite(value + clip_by_norm(gradient, self.settings.clip_norm)):
                break
            losses.append(float(value))
            if value > losses[0] + max(losses[0] - min(losses), abs(losses[0])):
                break
            self._optimizer.step(theta, gradient, slots, update, rate, objective.penalized)
        return losses

    def _run_full_batch(self, optimizer, rows):
        """Iterations over all sequences at once; returns the text of a warning, or None."""
        state, values, max_iter = self.state, [], self.settings.max_iter
        if state.ended:
            return state.problem
        if state.n_epochs:
            raise ValueError("A run of L-BFGS cannot be resumed: what it remembers is not at hand. Start anew.")
        tol = TOL_OF_ALL_DATA if self.settings.tol is None else self.settings.tol

        def function(theta):
            value, gradient = self.objective.value_and_gradient(theta.astype(state.theta.dtype), rows)
            state.n_updates += 1
            values.append(value)
            state.gradient_norms.append(float(np.linalg.norm(gradient)))
            return value, gradient

        def callback(theta):
            state.theta[:] = theta
            self._end_epoch(values[-1])
            if state.ended:
                raise StopIteration
            if state.n_epochs < max_iter:
                self.observer.begin_epoch()

        self.observer.begin_epoch()
        theta, n_iter, converged, message = optimizer.minimize(
            function,
            state.theta,
            max_iter=max_iter,
            tol=tol,
            bounds=self._bounds,
            callback=callback,
        )
        if not state.n_epochs:  # there was nothing to improve
            self._end_epoch(values[0])
        if np.isfinite(theta).all():
            state.theta[:] = theta
        if converged or state.ended:
            return None
        if n_iter >= max_iter:
            return f"Maximum number of iterations ({max_iter}) reached and L-BFGS has not converged: raise max_iter."
        return f"L-BFGS ended in iteration {n_iter + 1} before it converged: {message}"

    def _end_epoch(self, loss):
        """Tell monitor and observer, and set whether to stop before the latter, which may save the state."""
        self.state.ended = bool(self.monitor.end_epoch(loss, self.state.theta))
        self.state.ended |= bool(self.observer.end_epoch())
