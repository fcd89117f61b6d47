"""Training: the loop over epochs, and its result."""

import numpy as np

from .._core.output import say
from .._core.streams import epoch_seed, shuffled
from ..network.inference import Predictor
from ..network.network import Network
from ..optimizers import clip_by_norm
from .epoch import DivergenceError, Epochs
from .missed import can_wait
from .objective import Objective
from .stability import gives_finite_loss
from .state import Monitor, Observer
from .tables import rows_of_batches

TOL_OF_ALL_DATA = 1e-4  # largest element of the gradient at which a solver of all data ends, as in scikit-learn
INTERRUPTED = "Training interrupted by user: the weights reached are kept; fit again for a complete training."


def overflow_allowed():
    """The context in which a thread trains: overflow is looked for where it counts, once per batch and at the end."""
    return np.errstate(over="ignore", invalid="ignore")


class Training:
    """A run of training from a given state, and its result.

    Parameters
    ----------
    network : Network
    state : TrainingState
        Where to start; becomes the result. Its parameters give finite predictions of all sequences whatever happens:
        those that were reached, else the last earlier ones that do.
    data : Data
    loss : BaseLoss
    score : callable
        ``score(predictor, rows)``, higher is better: of held-out sequences, those numbered `rows`.
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
        with self.data.executor(self.settings.n_threads) as executor, overflow_allowed():
            self.start(executor, optimizer, rows, held_out)
            where = None
            try:
                self.observer.begin_fit()
                if optimizer.stochastic:
                    self.begin_epochs()
                    while self.has_epochs:  # not by the generator, which makes another error of a StopIteration
                        self.epoch()
                    problem = self.unfinished()
                else:
                    problem = self._run_full_batch()
            except KeyboardInterrupt:
                self.interrupted = True
                problem = INTERRUPTED
            except DivergenceError as error:
                where = str(error)
            problem = self.settle(where) or problem
        if not self.interrupted:
            self.state.ended, self.state.problem = True, problem
        return problem

    def settle(self, where=None):
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
        return gives_finite_loss(self._predictor(theta), self.loss, self._all_rows)

    def _predictor(self, theta):
        return Predictor(self.network, theta, self.data, self.objective.executor, self.settings.max_bytes)

    def start(self, executor, optimizer, rows, held_out):
        """Make what `epochs` uses; the executor stays the caller's, and may serve several runs."""
        settings, data = self.settings, self.data
        self._optimizer, self._rows, self._weight = optimizer, rows, data.weight[rows].sum()
        everything = np.concatenate([rows, held_out])
        self._all_rows = everything[data.weight[everything] > 0]
        for name in ("older_theta", "first_theta"):
            if getattr(self.state, name) is None:
                setattr(self.state, name, self.state.theta.copy())
        self._trained = data if settings.augmenter is None else data.to_vary()
        network = self._network_of_batches()
        self._bounds = list(network.bounds(network.n_steps(data.longest(rows))))
        self.objective = self._objective(network, executor)
        validate = None
        if len(held_out):
            data.keep_at_hand(held_out)

            def validate(theta):
                return self.score(self._predictor(theta), held_out)

        how = settings.tol, settings.n_iter_no_change, validate, settings.verbose, settings.no_skill
        self.monitor = Monitor(self.state, *how)

    def _network_of_batches(self):
        """The network that is trained: one that holds the rows of a batch only, where that pays, of large tables."""
        n_held, network = None, self.network
        if can_wait(self._optimizer):
            lengths = self.data.lengths[self._rows]
            n_held = rows_of_batches(network.structure, lengths, self.settings.batch_size)
        self._all_of_it = None if n_held is None else network
        return network if n_held is None else Network(network.structure, n_held)

    def _objective(self, network, executor):
        settings = self.settings
        max_batch = settings.batch_size if self._optimizer.stochastic else len(self._rows)
        bounds = {"max_bytes": settings.max_bytes, "truncation": settings.truncation}
        bounds["reads_own"] = settings.own_share > 0
        return Objective(network, self._trained, self.loss, settings.alpha, executor, max_batch, **bounds)

    def epochs(self):
        """Train by mini-batches, epoch after epoch; an iterator that gives the loss of each when it is over."""
        self.begin_epochs()
        while self.has_epochs:
            yield self.epoch()

    def begin_epochs(self):
        """Make what the solver keeps, and what `epoch` runs."""
        state = self.state
        if state.slots is None:
            state.slots = self._optimizer.start(state.theta)
        if state.safe_theta is None:
            state.safe_theta = state.theta.copy()
        self._epochs = Epochs(self.objective, self._optimizer, state, self.settings, self._bounds, self._all_of_it)

    @property
    def has_epochs(self):
        """Whether there is an epoch to come."""
        return not self.state.ended and self.state.n_epochs < self.state.last_epoch(self.settings.max_iter)

    def epoch(self):
        """Train for an epoch; returns its loss."""
        state, theta = self.state, self._epochs.theta
        self.observer.begin_epoch()
        try:
            loss = self._run_epoch(theta) / self._weight
        except (KeyboardInterrupt, DivergenceError):
            self._epoch_before = state.theta.copy()
            state.theta[:] = state.safe_theta
            raise
        state.older_theta[:] = state.theta
        state.theta[:] = theta
        self._end_epoch(loss)
        return loss

    def unfinished(self):
        """Text of the warning that epochs have been too few, or that of a run that had ended before; else None."""
        settings = self.settings
        if self.state.ended or settings.tol is None or settings.schedule.anneals or settings.open_ended:
            return self.state.problem
        return (
            f"Maximum number of iterations ({settings.max_iter}) reached and the training has not converged: raise "
            "max_iter, or learning_rate_init if the loss still falls slowly."
        )

    def _run_epoch(self, theta):
        """Change theta by one epoch; returns the weighted sum of the losses."""
        state, settings, rows = self.state, self.settings, self._rows
        number = len(state.loss_curve)
        watched = state.watched(0 if settings.open_ended else state.first_epoch)
        order = shuffled(rows, state.seed, number) if settings.shuffle else rows
        seed = epoch_seed(state.seed, number) if self.objective.is_noisy else None
        n_epochs = 1 if settings.open_ended else settings.max_iter
        if settings.augmenter is not None:
            self.data.vary(self._trained, rows, settings.augmenter, state.seed, number)
        self.objective.set_own_share(settings.own_share * min(1.0, state.n_epochs / max(1, n_epochs - 1)))
        firsts = range(0, len(order), settings.batch_size)
        rates = [self._rate(first, len(order), watched) for first in firsts]
        total = self._epochs.run(order, rates, seed)
        if not (self._is_sound(theta) if self.observer.needs_predictions else np.isfinite(theta).all()):
            raise DivergenceError(f"the last update of epoch {number + 1}")
        return total

    def _rate(self, first, n, watched):
        """Learning rate of the batch of an epoch of `n` sequences that begins with number `first`."""
        state, settings = self.state, self.settings
        middle = first + min(settings.batch_size, n - first) / 2  # a rate that rises from 0 is not 0 in the first
        return settings.learning_rate * state.factor(settings.schedule, middle / n, settings.max_iter, watched)

    def range_test(self, rates):
        """Losses of a mini-batch along a run on it whose learning rate goes through `rates`, as far as they are finite.

        Always the same mini-batch, and without dropout, so that what changes the loss is the rate. The run starts where
        this one stands, and leaves it as it is. It ends early where the loss has risen by more than it fell before.
        """
        theta, losses, objective = self.state.theta.copy(), [], self.objective
        if objective.network is not self.network:
            objective = self._objective(self.network, objective.executor)
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

    def _run_full_batch(self):
        """Iterations over all sequences at once; returns the text of a warning, or None."""
        state, values, max_iter = self.state, [], self.settings.max_iter
        if state.ended:
            return state.problem
        if state.n_epochs:
            raise ValueError("A run of L-BFGS cannot be resumed: what it remembers is not at hand. Start anew.")
        tol = TOL_OF_ALL_DATA if self.settings.tol is None else self.settings.tol

        def function(theta):
            value, gradient = self.objective.value_and_gradient(theta.astype(state.theta.dtype), self._rows)
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
        theta, n_iter, converged, message = self._optimizer.minimize(
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
        state, is_idle = self.state, self.monitor.end_epoch(loss, self.state.theta)
        ends = bool(is_idle) and not state.tail_begin  # the tail has its own end
        if ends and self._has_tail:
            ends = False
            state.begin_tail()
            self._epochs.theta[:] = state.theta
            if self.settings.verbose:
                n_tail = state.last_epoch(self.settings.max_iter) - state.tail_begin
                say(f"No improvement since epoch {state.tail_from}: {n_tail} epochs more from there, to the end.")
        state.ended = ends
        state.ended |= bool(self.observer.end_epoch())

    @property
    def _has_tail(self):
        """Whether training is to go on from the best epoch once it is idle: where the learning rate had yet to fall."""
        schedule, left = self.settings.schedule, self.settings.max_iter - self.state.n_epochs
        falls = schedule.needs_end and schedule.anneals and self._optimizer.stochastic
        return falls and left > 0 and self.state.best_theta is not None
