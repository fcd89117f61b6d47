"""Forward and back through a shard, for its loss and gradient."""

import numpy as np

from ..kernels.batches import store_rows
from ..network.memory import TRAINING, room_of_training
from ..network.plan import Mode, Noise, Stretch
from ..network.shards import ShardResult, ShardTask


class BackPropagation:
    """A worker that takes shards forward and back, in the memory of one thread.

    Parameters
    ----------
    network : Network
    data : Data
    loss : BaseLoss
    packed : Arena
        The parameters.
    gradients : list of Arena
        Where those of tasks go, by their numbers.
    room : Room
    mode : Mode
    """

    def __init__(self, network, data, loss, packed, gradients, room, mode=TRAINING):
        self.network, self.data, self.loss, self.packed = network, data, loss, packed
        self._modes = mode._replace(noisy=False), mode._replace(noisy=True)
        self._gradients, self._capacity, self._of_segment = gradients, room.n_steps, None
        self.buffers = network.memory.allocate_buffers(room.n_steps, room.n_sequences, mode)

    def run(self, task, visit=None):
        """Loss, gradient and last states of a task.

        visit : is called as ``visit(plan, segment)`` on the way back behind each segment.
        """
        network, steps, gradient = self.network, self.network.head.pooling.keeps_steps, self._gradients[task.number]
        stretch, initial = self._begin(task)
        segments, carries, plan_of_all = stretch.cut(self._capacity), [initial], None
        for k, segment in enumerate(segments):
            plan = self._forward(segment, task.seed, carries[k])
            plan_of_all = plan_of_all or plan
            if not steps:
                network.head.pool(self.packed, self.buffers, plan)
            if k + 1 < len(segments) or task.wants_carry:
                carries.append(network.stack.carry(self.buffers, plan).first(segment.n_on))
        value = 0.0 if steps else self._read_out_and_back(plan_of_all, stretch, task, gradient)
        for k in reversed(range(len(segments))):
            is_last = k + 1 == len(segments)
            if not is_last:  # it is what the buffers hold from the way there
                plan = self._forward(segments[k], task.seed, carries[k])
            into = gradient if is_last else self._segment_gradient()
            if steps:
                network.head.pool(self.packed, self.buffers, plan)
                value += self._read_out_and_back(plan, segments[k], task, into)
            n_known = 0 if is_last else len(segments[k + 1].sequences)
            network.backward_layers(self.packed, self.buffers, plan, into, self._mode(task.seed), n_known)
            if not is_last:
                gradient.memory += into.memory
            if visit:
                visit(plan, segments[k])
        return ShardResult(value, gradient, carry=carries[-1] if task.wants_carry else None)

    def _begin(self, task):
        """The steps that the gradient flows back through, and the states from which they start."""
        stretch = Stretch.whole(self.data, task.sequences)
        if task.n_tail is not None:
            return self._skip(stretch, task.n_tail, task.seed)
        return stretch if task.end is None else stretch.between(task.begin, task.end), task.carry

    def _skip(self, stretch, n_tail, seed):
        """The last steps of a stretch, `n_tail` of each sequence, and the states from which they start."""
        heads, tails = stretch.heads_and_tails(n_tail)
        if heads is None:
            return tails, None
        carry, initial = None, None
        for segment in heads.cut(self._capacity):
            plan = self._forward(segment, seed, carry)
            final = self.network.stack.carry(self.buffers, plan)
            initial = (initial or final.zeros_like(len(tails.sequences))).update(final)
            carry = final.first(segment.n_on)
        return tails, initial

    def _forward(self, segment, seed, carry):
        what = self.packed, self.buffers, self.data, segment, self._mode(seed)
        return self.network.run_stretch(*what, seed=seed, carry=carry)

    def _mode(self, seed):
        return self._modes[seed is not None]

    def _read_out_and_back(self, plan, stretch, task, gradient):
        """Loss of the sequences or steps of a plan, and its gradient back to their pooled outputs."""
        network, data, arrays = self.network, self.data, self.buffers.group("pooled")
        noise = None if task.seed is None else Noise(task.seed, stretch.sequences)
        network.head.read_out(self.packed, self.buffers, plan, noise)
        rows = data.rows_of(plan, stretch) if network.head.pooling.keeps_steps else stretch.sequences
        weight = (data.row_weight[rows] / task.total).astype(network.dtype)
        value = self.loss.value_and_gradient(
            arrays["raw"], network.n_outputs, data.target[rows], weight, arrays["d_raw"]
        )
        network.head.backward_read_out(self.packed, self.buffers, plan, gradient, self._mode(task.seed))
        return value

    def _segment_gradient(self):
        if self._of_segment is None:
            self._of_segment = self.network.memory.allocate_gradient()
        return self._of_segment


def gradient_norms(predictor, loss):
    """Norms of dL/dh_t, one array (n_steps, n_levels) for each sequence, L its own loss."""
    network, data, max_bytes = predictor.network, predictor.data, predictor.max_bytes
    offsets, n_levels = np.cumsum([0, *network.n_steps(data.lengths)]), len(network.stack.levels)
    norms = np.empty((offsets[-1], n_levels), network.dtype)
    packed = network.pack(predictor.theta, network.memory.allocate_packed())
    gradients = [network.memory.allocate_gradient()]
    mode = Mode(training=True, keeps_outputs=True)
    room = room_of_training(network, data.lengths, network.shard_rows(len(data.lengths)), max_bytes, mode)
    worker = BackPropagation(network, data, loss, packed, gradients, room, mode)

    def visit(plan, segment):
        n_live = plan.starts[-1] - plan.starts[1]
        of_segment = np.empty((n_live, n_levels), network.dtype)
        for k, level in enumerate(network.stack.levels):
            dh = level.output_gradients(worker.buffers)[:n_live, : level.n_outputs]
            of_segment[:, k] = np.linalg.norm(dh.astype(np.float64), axis=1)
        store_rows(of_segment, 0, n_levels, plan.starts, offsets[segment.sequences] + segment.first_steps, norms)

    for shard in room.shards(data.by_length(np.arange(len(data.lengths))), data.lengths, network.in_segments):
        worker.run(ShardTask(shard), visit)
    return np.split(norms, offsets[1:-1])
