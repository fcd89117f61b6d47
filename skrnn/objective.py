"""What training minimises: loss and gradient of a network on any of the sequences, shard by shard."""

import numpy as np

from .inference import worthwhile_threads
from .kernels.batches import store_rows
from .network import Noise

MAX_SHARDS = 32  # whose gradients are held at a time; a larger batch is worked off in groups


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

    def value_and_gradient(self, theta, indices, seed=None):
        """Value and gradient at theta on the sequences `indices`; with a `seed`, of the network with dropout."""
        gradient = self.alpha * self.penalized * theta
        value = 0.5 * float(np.sum(gradient * theta))  # not a BLAS product, whose bits depend on its threads
        total = self.data.weight[indices].sum()
        if total == 0:
            return value, gradient
        self.network.pack(theta, self._packed)
        order = self.data.by_length(indices)
        n_threads = worthwhile_threads(theta, self.data.lengths[order])
        n_group = len(self._gradients) * self.n_rows
        for first in range(0, len(order), n_group):
            losses, summed = self._run_shards(order[first : first + n_group], total, n_threads, seed)
            value += losses.sum()
            gradient += self.network.unpack_gradient(summed)
        return value, gradient

    def _run_shards(self, order, total, n_threads, seed):
        """Losses of the shards of the sequences `order`, and the sum of their gradients in packed form."""
        n_shards = -(-len(order) // self.n_rows)
        losses = np.empty(n_shards)

        def run(i, worker):
            shard = order[i * self.n_rows : (i + 1) * self.n_rows]
            losses[i] = self._run_shard(shard, total, seed, self._buffers[worker], self._gradients[i])

        self.pool.run(run, n_shards, n_threads)
        summed = self._gradients[0]
        for other in self._gradients[1:n_shards]:
            summed.memory += other.memory
        return losses, summed

    def _run_shard(self, shard, total, seed, buffers, gradient):
        """Forward and back; returns the shard's part of the loss, `total` being the weight of the batch."""
        network, data, arrays = self.network, self.data, buffers.part("pooled")
        noise = None if seed is None else Noise(seed, shard)
        begins, lengths = data.begins[shard], data.lengths[shard]
        plan = network.forward(self._packed, buffers, data.values, begins, lengths, training=True, noise=noise)
        rows = network.prediction_rows(plan, shard)
        weight = (data.row_weight[rows] / total).astype(network.dtype)
        value = self.loss.value_and_gradient(
            arrays["raw"], network.n_outputs, data.target[rows], weight, arrays["d_raw"]
        )
        network.backward(self._packed, buffers, plan, gradient, noisy=seed is not None)
        return value


def gradient_norms(network, theta, data, loss):
    """Norms of dL/dh_t, one array (n_steps, n_layers) for each sequence, L its own loss."""
    n_rows = network.shard_rows(len(data.lengths))
    offsets = np.cumsum([0, *network.n_steps(data.lengths)])
    norms = np.empty((offsets[-1], len(network.blocks)), network.dtype)
    packed, gradient = network.pack(theta, network.allocate_packed()), network.allocate_gradient()
    buffers = network.allocate_buffers(data.most_steps(n_rows), n_rows, training=True, keep=True)
    arrays, order = buffers.part("pooled"), data.by_length(np.arange(len(data.lengths)))
    for first in range(0, len(order), n_rows):
        shard = order[first : first + n_rows]
        begins, lengths = data.begins[shard], data.lengths[shard]
        plan = network.forward(packed, buffers, data.values, begins, lengths, training=True, keep=True)
        rows = network.prediction_rows(plan, shard)
        weight = np.ones(len(rows), network.dtype)
        loss.value_and_gradient(arrays["raw"], network.n_outputs, data.target[rows], weight, arrays["d_raw"])
        network.backward(packed, buffers, plan, gradient, keep_dh=True)
        n_live = plan.starts[-1] - plan.starts[1]
        of_shard = np.empty((n_live, len(network.blocks)), network.dtype)
        for k, block in enumerate(network.blocks):
            dh = block.output_gradients(buffers)[:n_live, : block.n_outputs]
            of_shard[:, k] = np.linalg.norm(dh.astype(np.float64), axis=1)
        store_rows(of_shard, 0, len(network.blocks), plan.starts, offsets[shard], norms)
    return np.split(norms, offsets[1:-1])
