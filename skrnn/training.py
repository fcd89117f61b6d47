"""Training: the objective on a mini-batch, the history that decides when to stop, and the loop over epochs."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from ._threads import ShardPool
from .kernels.batches import store_states
from .optimizers import clip_by_norm

PREDICTION_ROWS = 32  # sequences that go through the network together in prediction
WORK_PER_THREAD = 3e6  # parameters times steps of a batch that pay for waking a thread, some 20 microseconds
MAX_SHARDS = 32  # whose gradients are held at a time; a larger batch is worked off in groups


class Data:
    """Sequences in the form that the network reads, with their targets and weights.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
        Steps of all sequences, in the dtype of the network.
    offsets : ndarray of shape (n_sequences + 1,)
        Where each sequence starts in `values`.
    target : ndarray of shape (n_sequences, n_targets), default=None
    weight : ndarray of shape (n_sequences,), default=None
    """

    def __init__(self, values, offsets, target=None, weight=None):
        self.values, self.begins, self.lengths = values, offsets[:-1], np.diff(offsets)
        self.target = None if target is None else np.ascontiguousarray(target, values.dtype)
        self.weight = weight

    def by_length(self, indices):
        """The sequences `indices`, longest first."""
        return indices[np.argsort(-self.lengths[indices], kind="stable")]

    def most_steps(self, n_rows):
        """Steps that `n_rows` sequences have at most."""
        return int(np.sort(self.lengths)[-n_rows:].sum())


def predict_raw(network, theta, data, pool, indices=None):
    """Raw predictions (n, K) of the sequences `indices`, in their order; None: of all."""
    indices = np.arange(len(data.lengths)) if indices is None else indices
    raw = np.empty((len(data.lengths), network.n_outputs), network.dtype)

    def collect(shard, starts, arrays):
        raw[shard] = arrays["raw"][: len(shard), : network.n_outputs]

    _run_forward(network, theta, data, indices, pool, collect)
    return raw[indices]


def hidden_states(network, theta, data, pool):
    """States h_t of the last layer at all steps of all sequences, (n_steps, H), in the order of ``data.values``."""
    H = network.n_last
    states = np.empty((len(data.values), H), network.dtype)

    def collect(shard, starts, arrays):
        store_states(arrays[f"{len(network.layers) - 1}.Z"], starts, H, data.begins[shard], states)

    _run_forward(network, theta, data, np.arange(len(data.lengths)), pool, collect)
    return states


def _worthwhile_threads(theta, lengths):
    """Threads for which sequences of these lengths are work enough."""
    return 1 + int(theta.size * lengths.sum() / WORK_PER_THREAD)


def _run_forward(network, theta, data, indices, pool, collect):
    """Run sequences through the network; ``collect(shard, starts, arrays)`` takes what it wants from each shard."""
    order = data.by_length(indices)
    n_threads = min(pool.n_threads, _worthwhile_threads(theta, data.lengths[order]))
    # Rows do not influence each other, so shards may be cut for the threads at hand.
    n_rows = min(PREDICTION_ROWS, 8 * -(-len(order) // (8 * n_threads)), len(order))
    steps, n_shards = int(data.lengths[order[:n_rows]].sum()), -(-len(order) // n_rows)
    n_threads = min(n_threads, n_shards)
    workspace = network.take_workspace(steps, n_rows, n_threads)
    packed = network.pack(theta, workspace.packed)

    def run(i, worker):
        shard = order[i * n_rows : (i + 1) * n_rows]
        buffers = workspace.buffers[worker]
        starts = network.forward(packed, buffers, data.values, data.begins[shard], data.lengths[shard])
        collect(shard, starts, buffers.arrays)

    pool.run(run, n_shards, n_threads)
    network.give_back(workspace)


class Objective:
    """Loss and gradient of a network on any of the sequences.

    The value is ``sum_i w_i l_i / sum_i w_i + alpha / 2 * sum of squared weights`` over the sequences i of a batch;
    biases are not penalised.

    Parameters
    ----------
    network : Network
    data : Data
    loss : BaseLoss
    alpha : float
    pool : ShardPool
    max_batch : int
        Largest batch that will be asked for.
    """

    def __init__(self, network, data, loss, alpha, pool, max_batch):
        self.network, self.data, self.loss, self.alpha, self.pool = network, data, loss, float(alpha), pool
        self.penalized = network.layout.is_weight().astype(network.dtype)
        self.n_rows = network.shard_rows(max_batch)
        n_shards = min(-(-max_batch // self.n_rows), MAX_SHARDS)
        n_threads = min(pool.n_threads, n_shards)
        self._packed = network.allocate_packed()
        self._gradients = [network.allocate_gradient() for _ in range(n_shards)]
        steps = data.most_steps(self.n_rows)
        self._buffers = [network.allocate_buffers(steps, self.n_rows, training=True) for _ in range(n_threads)]

    def value_and_gradient(self, theta, indices):
        """Value and gradient at theta on the sequences `indices`."""
        gradient = self.alpha * self.penalized * theta
        value = 0.5 * float(np.sum(gradient * theta))  # not a BLAS product, whose bits depend on its threads
        total = self.data.weight[indices].sum()
        if total == 0:
            return value, gradient
        self.network.pack(theta, self._packed)
        order = self.data.by_length(indices)
        # What the shards need, gathered once: a shard is a slice of it.
        weight = (self.data.weight[order] / total).astype(theta.dtype)
        batch = self.data.begins[order], self.data.lengths[order], self.data.target[order], weight
        n_threads = _worthwhile_threads(theta, batch[1])
        n_group = len(self._gradients) * self.n_rows
        for first in range(0, len(order), n_group):
            part = [array[first : first + n_group] for array in batch]
            losses, summed = self._run_shards(part, n_threads)
            value += losses.sum()
            gradient += self.network.unpack_gradient(summed)
        return value, gradient

    def _run_shards(self, batch, n_threads):
        """Losses of the shards of a batch, and the sum of their gradients in packed form."""
        n_shards = -(-len(batch[0]) // self.n_rows)
        losses = np.empty(n_shards)

        def run(i, worker):
            rows = slice(i * self.n_rows, (i + 1) * self.n_rows)
            losses[i] = self._run_shard(*(array[rows] for array in batch), self._buffers[worker], self._gradients[i])

        self.pool.run(run, n_shards, n_threads)
        summed = self._gradients[0]
        for other in self._gradients[1:n_shards]:
            summed.memory += other.memory
        return losses, summed

    def _run_shard(self, begins, lengths, target, weight, buffers, gradient):
        """Forward and back; returns the shard's part of the loss."""
        network, arrays = self.network, buffers.arrays
        starts = network.forward(self._packed, buffers, self.data.values, begins, lengths, training=True)
        value = self.loss.value_and_gradient(arrays["raw"], network.n_outputs, target, weight, arrays["d_raw"])
        network.backward(self._packed, buffers, starts, gradient)
        return value


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

    Attributes
    ----------
    theta : ndarray
        Finite parameters, whatever happens: the best on the held-out sequences if there are any, else the last, or
        those before the update that made the loss overflow.
    n_updates : int
    monitor : Monitor
    """

    def __init__(self, network, theta, data, loss, score):
        self.network, self.theta, self.data, self.loss, self.score = network, theta, data, loss, score
        self.n_updates = 0

    def run(
        self,
        optimizer,
        rows,
        held_out,
        rng,
        *,
        alpha,
        batch_size,
        learning_rate,
        max_iter,
        clip_norm,
        shuffle,
        tol,
        n_iter_no_change,
        n_threads,
        verbose,
    ):
        """Train until the monitor, the number of epochs, the user or an overflow ends it; warn if it ended badly."""
        # Overflow is looked for where it counts, once per batch.
        with ShardPool(n_threads) as pool, np.errstate(over="ignore", invalid="ignore"):
            max_batch = batch_size if optimizer.stochastic else len(rows)
            self._objective = Objective(self.network, self.data, self.loss, alpha, pool, max_batch)
            validate = None
            if len(held_out):
                target, weight = self.data.target[held_out], self.data.weight[held_out]

                def validate(theta):
                    raw = predict_raw(self.network, theta, self.data, pool, held_out)
                    return self.score(raw, target, weight) if np.isfinite(raw).all() else -np.inf

            self.monitor = Monitor(tol, n_iter_no_change, validate, verbose)
            try:
                if optimizer.stochastic:
                    problem = self._run_epochs(
                        optimizer, rows, rng, batch_size, learning_rate, max_iter, clip_norm, shuffle
                    )
                else:
                    problem = self._run_full_batch(optimizer, rows, max_iter)
            except KeyboardInterrupt:
                problem = "Training interrupted by user."
        if self.monitor.best_theta is not None:
            self.theta = self.monitor.best_theta
        if problem:
            warnings.warn(problem, ConvergenceWarning, stacklevel=4)

    def _run_epochs(self, optimizer, rows, rng, batch_size, learning_rate, max_iter, clip_norm, shuffle):
        """Epochs of mini-batches; returns the text of a warning, or None."""
        objective, weight = self._objective, self.data.weight
        theta, state = self.theta.copy(), optimizer.start(self.theta)
        for epoch in range(1, max_iter + 1):
            order = rng.permutation(rows) if shuffle else rows
            total = 0.0
            for k in range(0, len(order), batch_size):
                batch = order[k : k + batch_size]
                value, gradient = objective.value_and_gradient(theta, batch)
                norm = clip_by_norm(gradient, clip_norm)
                if not np.isfinite(value + norm):
                    return _diverged(f"epoch {epoch}, batch {k // batch_size + 1}")
                self.theta[:] = theta
                self.n_updates += 1
                optimizer.step(theta, gradient, state, self.n_updates, learning_rate, objective.penalized)
                total += value * weight[batch].sum()
            if not np.isfinite(theta).all():
                return _diverged(f"the last batch of epoch {epoch}")
            if self.monitor.end_epoch(total / weight[rows].sum(), theta):
                self.theta[:] = theta
                return None
        self.theta[:] = theta
        return (
            f"Maximum number of iterations ({max_iter}) reached and the training has not converged: raise max_iter, or "
            "learning_rate_init if the loss still falls slowly."
        )

    def _run_full_batch(self, optimizer, rows, max_iter):
        """Iterations over all sequences at once; returns the text of a warning, or None."""
        values = []

        def function(theta):
            value, gradient = self._objective.value_and_gradient(theta.astype(self.theta.dtype), rows)
            self.n_updates += 1
            values.append(value)
            return value, gradient

        def callback(theta):
            self.theta[:] = theta
            if self.monitor.end_epoch(values[-1], self.theta):
                raise StopIteration

        theta, n_iter, converged, message = optimizer.minimize(
            function, self.theta, max_iter=max_iter, tol=self.monitor.tol, callback=callback
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
