"""Training: the history that decides when to stop, and the loop over epochs."""

import warnings
from dataclasses import dataclass

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._threads import ShardPool
from .data import MAX_BYTES
from .inference import predict_raw
from .objective import Objective
from .optimizers import clip_by_norm


@dataclass(frozen=True)
class Settings:
    """How to train: see the parameters of the estimators that have these names.

    `clip_norm` is infinite where nothing is clipped.
    """

    alpha: float
    batch_size: int
    learning_rate: float
    max_iter: int
    clip_norm: float
    shuffle: bool
    tol: float
    n_iter_no_change: int
    n_threads: int
    verbose: bool
    max_bytes: int = MAX_BYTES
    truncation: int = None


class Monitor:
    """History of a fit, the best parameters so far, and whether it is time to stop.

    Parameters
    ----------
    tol : float
        Improvement that counts.
    patience : int
        Epochs without one after which training stops.
    validate : callable or None
        ``validate(theta) -> score`` on held-out sequences, higher is better; None watches the training loss.
    verbose : bool or int
        Whether to print a line per epoch.
    """

    def __init__(self, tol, patience, validate, verbose):
        self.tol, self.patience, self.validate, self.verbose = tol, patience, validate, verbose
        self.loss_curve, self.validation_scores = [], [] if validate else None
        self.best_theta, self._best, self._n_idle = None, -np.inf, 0

    def end_epoch(self, loss, theta):
        """Record an epoch; returns whether to stop."""
        self.loss_curve.append(loss)
        quantity, note = -loss, ""
        if self.validate:
            quantity = self.validate(theta)
            self.validation_scores.append(quantity)
            note = f", validation score = {quantity:.4f}"
        if self.verbose:
            print(f"Epoch {len(self.loss_curve)}, loss = {loss:.6f}{note}")
        self._n_idle = 0 if quantity > self._best + self.tol else self._n_idle + 1
        if quantity > self._best:
            self._best = quantity
            self.best_theta = theta.copy() if self.validate else None
        return self.stopped

    @property
    def stopped(self):
        """Whether what is watched has stopped improving."""
        return self._n_idle >= self.patience


class Training:
    """A run of training from given parameters, and its result.

    Parameters
    ----------
    network : Network
    theta : ndarray
        Parameters to start from; becomes the result.
    data : Data
    loss : BaseLoss
    score : callable
        ``score(raw, target, weight)``, higher is better: of held-out sequences.
    settings : Settings

    Attributes
    ----------
    theta : ndarray
        Finite parameters, whatever happens: the best on the held-out sequences if there are any, else the last, or
        those before the update that made the loss overflow.
    n_updates : int
    gradient_norms : list of float
        Norm of the gradient of each update, before it was clipped.
    monitor : Monitor
    """

    def __init__(self, network, theta, data, loss, score, settings):
        self.network, self.theta, self.data, self.loss, self.score = network, theta, data, loss, score
        self.settings, self.n_updates, self.gradient_norms = settings, 0, []

    def run(self, optimizer, rows, held_out, rng):
        """Train until the monitor, the number of epochs, the user or an overflow ends it; warn if it ended badly."""
        settings = self.settings
        bounds = list(self.network.bounds(self.network.n_steps(self.data.longest(rows))))
        # Overflow is looked for where it counts, once per batch.
        with ShardPool(settings.n_threads) as pool, np.errstate(over="ignore", invalid="ignore"):
            max_batch = settings.batch_size if optimizer.stochastic else len(rows)
            bounds_of_memory = {"max_bytes": settings.max_bytes, "truncation": settings.truncation}
            what = self.network, self.data, self.loss
            self._objective = Objective(*what, settings.alpha, pool, max_batch, **bounds_of_memory)
            validate = None
            if len(held_out):
                target_rows = self.data.target_rows(held_out)
                target, weight = self.data.target[target_rows], self.data.row_weight[target_rows]

                def validate(theta):
                    raw = predict_raw(self.network, theta, self.data, pool, held_out, settings.max_bytes)
                    return self.score(raw, target, weight) if np.isfinite(raw).all() else -np.inf

            self.monitor = Monitor(settings.tol, settings.n_iter_no_change, validate, settings.verbose)
            try:
                run = self._run_epochs if optimizer.stochastic else self._run_full_batch
                problem = run(optimizer, rows, rng, bounds)
            except KeyboardInterrupt:
                problem = "Training interrupted by user."
        if self.monitor.best_theta is not None:
            self.theta = self.monitor.best_theta
        if problem:
            warnings.warn(problem, ConvergenceWarning, stacklevel=5)

    def _run_epochs(self, optimizer, rows, rng, bounds):
        """Epochs of mini-batches; returns the text of a warning, or None."""
        settings, objective, weight = self.settings, self._objective, self.data.weight
        theta, state = self.theta.copy(), optimizer.start(self.theta)
        for epoch in range(1, settings.max_iter + 1):
            order = rng.permutation(rows) if settings.shuffle else rows
            total = 0.0
            batches = range(0, len(order), settings.batch_size)
            pieces = ((k, piece) for k in batches for piece in objective.pieces(order[k : k + settings.batch_size]))
            for k, piece in pieces:
                seed = int(rng.integers(2**63)) if self.network.structure.is_noisy else None
                value, gradient = objective.value_and_gradient(theta, piece, seed)
                norm = clip_by_norm(gradient, settings.clip_norm)
                if not np.isfinite(value + norm):
                    return _diverged(f"epoch {epoch}, batch {k // settings.batch_size + 1}")
                self.gradient_norms.append(norm)
                self.theta[:] = theta
                self.n_updates += 1
                optimizer.step(theta, gradient, state, self.n_updates, settings.learning_rate, objective.penalized)
                for part, limit in bounds:
                    theta[part] = theta[part].clip(-limit, limit)
                total += value * objective.total_weight(piece)
            if not np.isfinite(theta).all():
                return _diverged(f"the last batch of epoch {epoch}")
            if self.monitor.end_epoch(total / weight[rows].sum(), theta):
                self.theta[:] = theta
                return None
        self.theta[:] = theta
        return (
            f"Maximum number of iterations ({settings.max_iter}) reached and the training has not converged: raise "
            "max_iter, or learning_rate_init if the loss still falls slowly."
        )

    def _run_full_batch(self, optimizer, rows, rng, bounds):
        """Iterations over all sequences at once; returns the text of a warning, or None."""
        values, max_iter = [], self.settings.max_iter

        def function(theta):
            value, gradient = self._objective.value_and_gradient(theta.astype(self.theta.dtype), rows)
            self.n_updates += 1
            values.append(value)
            self.gradient_norms.append(float(np.linalg.norm(gradient)))
            return value, gradient

        def callback(theta):
            self.theta[:] = theta
            if self.monitor.end_epoch(values[-1], self.theta):
                raise StopIteration

        theta, n_iter, converged, message = optimizer.minimize(
            function, self.theta, max_iter=max_iter, tol=self.monitor.tol, bounds=bounds, callback=callback
        )
        if not self.monitor.loss_curve:  # there was nothing to improve
            self.monitor.end_epoch(values[0], self.theta)
        if np.isfinite(theta).all():
            self.theta[:] = theta
        if converged or self.monitor.stopped:
            return None
        if n_iter >= max_iter:
            return f"Maximum number of iterations ({max_iter}) reached and L-BFGS has not converged: raise max_iter."
        return f"L-BFGS ended in iteration {n_iter + 1} before it converged: {message}"


def _diverged(where):
    return (
        f"Training diverged in {where}: the loss or its gradient is not finite. The last finite weights are kept; "
        "lower learning_rate_init or clip_norm."
    )
