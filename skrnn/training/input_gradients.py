"""The gradients of raw predictions by what a network reads, on the way back that training takes."""

import numpy as np

from ..kernels import minibatches
from ..kernels.batches import store_rows
from ..network.data import SHARES
from ..network.memory import room_of_training
from ..network.plan import Mode
from ..network.shards import Crew, ShardTask, worthwhile_workers
from ..sequences._layout import offsets_of
from .back_propagation import BackPropagation, Batch

BACK = Mode(training=True, input_gradient=True, weight_gradient=False)


class _WeightedSum:
    """In place of a loss: the sum of raw predictions, times what stands in the place of targets."""

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        """Set the gradient; nobody asks for the value."""
        d_raw[: len(y), :K] = y
        return 0.0


class _Worker:
    """Takes shards forward and back, and leaves the gradients of what the lowest level reads in rows of `out`."""

    def __init__(self, network, data, batch, room, begins, out):
        self._back = BackPropagation(network, data, _WeightedSum(), batch, room, BACK)
        self._stack, self._begins, self._out = network.stack, begins, out

    def run(self, task):
        return self._back.run(task, self._visit)

    def _visit(self, segment):
        memory = self._back.memory
        gradients, begins = self._stack.input_gradients(memory.buffers), self._begins[segment.sequences]
        starts = memory.plan.starts.resolve()
        store_rows(gradients, 0, self._out.shape[1], starts, begins + segment.first_steps, self._out)


def input_gradients(network, theta, data, executor, max_bytes):
    """Gradients of ``sum(data.target * raw predictions)`` by what the lowest level reads, without random masks.

    Behind a convolution they are by what stands before its activation; no other front may be there.

    Returns
    -------
    ndarray of shape (n_steps of the lowest level, n_read)
        Sequence after sequence.
    """
    lengths, n_threads = data.lengths, min(executor.n_workers, worthwhile_workers(theta, data.lengths))
    offsets = offsets_of(network.n_steps(lengths))
    out = np.empty((offsets[-1], network.stack.levels[0].n_inputs), network.dtype)
    room = room_of_training(network, lengths, network.shard_rows(len(lengths)), max_bytes, BACK)
    shards = room.shards(data.by_length(np.arange(len(lengths))), lengths, network.in_segments)
    n_fitting = (max_bytes - max_bytes // SHARES) // (room.n_bytes + network.memory.gradient_bytes)
    batch = Batch.of(network, 1)
    workers = []
    for _ in range(max(1, min(n_threads, len(shards), n_fitting))):
        own = Batch.of(network, 1)._replace(packed=batch.packed)
        own.numbers[minibatches.TOTAL] = 1.0
        workers.append(_Worker(network, data, own, room, offsets, out))
    crew = Crew(lambda theta: network.pack(theta, batch.packed), workers)
    executor.run(crew, theta, [ShardTask(shard) for shard in shards], len(workers))
    return out
