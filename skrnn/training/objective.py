"""What training minimises: loss and gradient of a network on any of the sequences, shard by shard."""

from typing import NamedTuple

import numpy as np

from ..kernels.batches import store_rows
from ..network.data import MAX_BYTES, SHARES
from ..network.inference import worthwhile_threads
from ..network.memory import room_of_training
from ..network.plan import Noise, Stretch
from ..network.stack import first_of

MAX_SHARDS = 32  # whose gradients are held at a time; a larger batch is worked off in groups


class Piece(NamedTuple):
    """What an update is made of: steps `begin` to before `end` of some sequences, longest first.

    total : weight of the targets among these steps; before, after : for each shard the states that the piece starts
    from and those that it leaves, None where no other piece follows.
    """

    sequences: np.ndarray
    begin: int
    end: int
    total: float
    before: dict
    after: dict


class Objective:
    """Loss and gradient of a network on any of the sequences.

    The value is ``sum_i w_i l_i / sum_i w_i + alpha / 2 * sum of squared weights`` over the sequences i of a batch;
    biases are not penalised.

    With `truncation` the gradient flows back that many steps at most, through states that count as given from there
    on. If each step has a target, a batch comes in pieces of so many steps, for an update each: the sum is over the
    targets in the piece, and the states that it starts from are those in which the piece before has ended, under the
    parameters of that time. If each sequence has one target, the gradient is that of its last steps.

    Parameters
    ----------
    network : Network
    data : Data
    loss : BaseLoss
    alpha : float
    pool : ShardPool
    max_batch : int
        Largest batch that will be asked for.
    max_bytes : int, default=2**30
        Bound of the memory for buffers and gradients. What does not fit goes through the network in segments.
    truncation : int, default=None

    Raises
    ------
    MemoryError
        If a single sequence, or the weights, do not fit.
    ValueError
        If the network cannot be trained with `truncation`.
    """

    def __init__(self, network, data, loss, alpha, pool, max_batch, *, max_bytes=MAX_BYTES, truncation=None):
        check_truncation(network.structure, truncation)
        self.network, self.data, self.loss, self.alpha, self.pool = network, data, loss, float(alpha), pool
        self.penalized, self.truncation = network.layout.is_weight().astype(network.dtype), truncation
        lengths = data.lengths if truncation is None else np.minimum(data.lengths, truncation)
        self._room = room = room_of_training(network, lengths, network.shard_rows(max_batch), max_bytes)
        n_shards = -(-max_batch // room.n_sequences)
        n_shards = min(n_shards, MAX_SHARDS, max(1, max_bytes // SHARES // network.memory.gradient_bytes))
        left = max_bytes - max_bytes // SHARES - network.memory.packed_bytes - n_shards * network.memory.gradient_bytes
        of_thread = room.n_bytes + room.n_steps * data.step_bytes + network.memory.gradient_bytes
        n_threads = max(1, min(pool.n_threads, n_shards, left // of_thread))
        self._packed = network.memory.allocate_packed()
        self._gradients = [network.memory.allocate_gradient() for _ in range(n_shards)]
        self._workers = [BackPropagation(network, data, loss, self._packed, room) for _ in range(n_threads)]

    def pieces(self, batch):
        """The pieces of the sequences `batch`, one after the other; the batch itself if that is one piece.

        `value_and_gradient` is to be called with each before the next.
        """
        longest = self.data.lengths[batch].max()
        if self.truncation is None or not self.network.head.pooling.keeps_steps or longest <= self.truncation:
            yield batch
            return
        order, before = self.data.by_length(batch), {}
        for begin in range(0, longest, self.truncation):
            end, after = begin + self.truncation, {}
            stretch = Stretch.whole(self.data, order).between(begin, end)
            total = self.data.weight_of_steps(stretch)
            yield Piece(stretch.sequences, begin, end, total, before, after if end < longest else None)
            before = after

    def total_weight(self, piece):
        """The weight by which the loss of a piece is divided."""
        return piece.total if isinstance(piece, Piece) else self.data.weight[piece].sum()

    def value_and_gradient(self, theta, piece, seed=None):
        """Value and gradient at theta on a piece, or on all of the sequences whose numbers are given.

        With a `seed`, of the network with dropout.
        """
        gradient = self.alpha * self.penalized * theta
        value = 0.5 * float(np.sum(gradient * theta))  # not a BLAS product, whose bits depend on its threads
        total = self.total_weight(piece)
        if not isinstance(piece, Piece):
            order = self.data.by_length(piece)
            piece = Piece(order, 0, self.data.lengths[order[0]], total, {}, None)
        if total == 0 and piece.after is None:
            return value, gradient
        self.network.pack(theta, self._packed)
        n_threads = min(len(self._workers), worthwhile_threads(theta, self.data.lengths[piece.sequences]))
        for numbered in self._groups(piece.sequences):
            losses, summed = self._run_shards(numbered, piece, n_threads, seed)
            value += losses.sum()
            gradient += self.network.unpack_gradient(summed)
        return value, gradient

    def _groups(self, order):
        """The shards of a batch with their numbers, in groups that there are gradients for."""
        shards = list(enumerate(self._room.shards(order, self.data.lengths, self.network.in_segments)))
        n_group = len(self._gradients)
        return [shards[first : first + n_group] for first in range(0, len(shards), n_group)]

    def _run_shards(self, numbered, piece, n_threads, seed):
        """Losses of shards, and the sum of their gradients in packed form."""
        losses = np.empty(len(numbered))

        def run(i, worker):
            number, sequences = numbered[i]
            losses[i] = self._run_shard(number, sequences, piece, seed, self._workers[worker], self._gradients[i])

        self.pool.run(run, len(numbered), n_threads)
        summed = self._gradients[0]
        for other in self._gradients[1 : len(numbered)]:
            summed.memory += other.memory
        return losses, summed

    def _run_shard(self, number, sequences, piece, seed, worker, gradient):
        """Forward and back through a shard of a piece; returns its segment of the loss."""
        stretch, initial = Stretch.whole(self.data, sequences), piece.before.get(number)
        if piece.after is not None or initial is not None:
            stretch = stretch.between(piece.begin, piece.end)
        elif self.truncation is not None and not self.network.head.pooling.keeps_steps:
            stretch, initial = worker.skip(stretch, self.truncation, seed)
        # A piece without weight is there for the states that it leaves.
        value, final = worker.run(stretch, piece.total or 1.0, gradient, seed, initial, piece.after is not None)
        if piece.after is not None:
            piece.after[number] = final
        return value


class BackPropagation:
    """Forward and back through one shard after the other, in the memory of one thread.

    Parameters
    ----------
    network : Network
    data : Data
    loss : BaseLoss
    packed : Arena
        The parameters.
    room : Room
    keep : bool, default=False
        Whether the gradients of all h_t are wanted.
    """

    def __init__(self, network, data, loss, packed, room, keep=False):
        self.network, self.data, self.loss, self.packed, self.keep = network, data, loss, packed, keep
        self._capacity, self._of_segment = room.n_steps, None
        self.buffers = network.memory.allocate_buffers(room.n_steps, room.n_sequences, training=True, keep=keep)

    def run(self, stretch, total, gradient, seed=None, initial=None, wants_final=False, visit=None):
        """Loss of a stretch, divided by the weight `total`; fills `gradient`.

        Returns the loss, and if it `wants_final` the states behind the stretch. visit : is called as ``visit(plan,
        segment)`` on the way back behind each segment.
        """
        network, steps = self.network, self.network.head.pooling.keeps_steps
        segments, states, noisy, plan_of_all = stretch.cut(self._capacity), [initial], seed is not None, None
        for k, segment in enumerate(segments):
            plan = self._forward(segment, seed, states[k])
            plan_of_all = plan_of_all or plan
            if not steps:
                network.head.pool(self.packed, self.buffers, plan)
            if k + 1 < len(segments) or wants_final:
                states.append(first_of(network.stack.final_states(self.buffers, plan), segment.n_on))
        value = 0.0 if steps else self._read_out_and_back(plan_of_all, stretch, total, seed, gradient)
        for k in reversed(range(len(segments))):
            is_last = k + 1 == len(segments)
            if not is_last:  # it is what the buffers hold from the way there
                plan = self._forward(segments[k], seed, states[k])
            into = gradient if is_last else self._segment_gradient()
            if steps:
                network.head.pool(self.packed, self.buffers, plan)
                value += self._read_out_and_back(plan, segments[k], total, seed, into)
            n_known = 0 if is_last else len(segments[k + 1].sequences)
            network.backward_layers(
                self.packed, self.buffers, plan, into, noisy=noisy, keep_dh=self.keep, n_known=n_known
            )
            if not is_last:
                gradient.memory += into.memory
            if visit:
                visit(plan, segments[k])
        return value, states[-1]

    def skip(self, stretch, n_tail, seed):
        """The last steps of a stretch, `n_tail` of each sequence, and the states from which they start."""
        heads, tails = stretch.heads_and_tails(n_tail)
        if heads is None:
            return tails, None
        states, initial = None, None
        for segment in heads.cut(self._capacity):
            plan = self._forward(segment, seed, states)
            final = self.network.stack.final_states(self.buffers, plan)
            initial = initial or _zeros_like(final, len(tails.sequences))
            for of_all, of_segment in zip(initial, final, strict=True):
                for name, layer in of_segment.items():
                    of_all[name][:, : len(segment.sequences)] = layer
            states = first_of(final, segment.n_on)
        return tails, initial

    def _forward(self, segment, seed, initial):
        what = self.packed, self.buffers, self.data, segment
        return self.network.run_stretch(*what, seed, training=True, keep=self.keep, initial=initial)

    def _read_out_and_back(self, plan, stretch, total, seed, gradient):
        """Loss of the sequences or steps of a plan, and its gradient back to their pooled outputs."""
        network, data, arrays = self.network, self.data, self.buffers.group("pooled")
        noise = None if seed is None else Noise(seed, stretch.sequences)
        network.head.read_out(self.packed, self.buffers, plan, noise)
        rows = data.rows_of(plan, stretch) if network.head.pooling.keeps_steps else stretch.sequences
        weight = (data.row_weight[rows] / total).astype(network.dtype)
        value = self.loss.value_and_gradient(
            arrays["raw"], network.n_outputs, data.target[rows], weight, arrays["d_raw"]
        )
        network.head.backward_read_out(self.packed, self.buffers, plan, gradient, noise is not None)
        return value

    def _segment_gradient(self):
        if self._of_segment is None:
            self._of_segment = self.network.memory.allocate_gradient()
        return self._of_segment


def _zeros_like(states, n_sequences):
    return [
        {name: np.zeros((len(of), n_sequences, of.shape[2]), of.dtype) for name, of in layer.items()}
        for layer in states
    ]


def check_truncation(structure, truncation):
    """Refuse networks through which the gradient cannot flow back a few steps at a time."""
    if truncation is None:
        return
    conv, advice = structure.convolution, f"truncation={truncation} runs the steps of a sequence a few at a time"
    if structure.bidirectional:
        raise ValueError(f"{advice}, from the first on: set bidirectional=False, or truncation=None.")
    if structure.pooling not in ("last", "steps"):
        raise ValueError(
            f'{advice}, which pooling={structure.pooling!r} needs all at once: use pooling="last", or truncation=None.'
        )
    if conv is not None and (conv.width > 1 or conv.stride > 1):
        raise ValueError(f"{advice}, but {conv!r} sees several: leave out the convolution, or use truncation=None.")


def gradient_norms(network, theta, data, loss, max_bytes=MAX_BYTES):
    """Norms of dL/dh_t, one array (n_steps, n_layers) for each sequence, L its own loss."""
    offsets, n_layers = np.cumsum([0, *network.n_steps(data.lengths)]), len(network.stack.levels)
    norms = np.empty((offsets[-1], n_layers), network.dtype)
    packed, gradient = network.pack(theta, network.memory.allocate_packed()), network.memory.allocate_gradient()
    room = room_of_training(network, data.lengths, network.shard_rows(len(data.lengths)), max_bytes, keep=True)
    worker = BackPropagation(network, data, loss, packed, room, keep=True)

    def visit(plan, segment):
        n_live = plan.starts[-1] - plan.starts[1]
        of_segment = np.empty((n_live, n_layers), network.dtype)
        for k, level in enumerate(network.stack.levels):
            dh = level.output_gradients(worker.buffers)[:n_live, : level.n_outputs]
            of_segment[:, k] = np.linalg.norm(dh.astype(np.float64), axis=1)
        store_rows(of_segment, 0, n_layers, plan.starts, offsets[segment.sequences] + segment.first_steps, norms)

    for shard in room.shards(data.by_length(np.arange(len(data.lengths))), data.lengths, network.in_segments):
        worker.run(Stretch.whole(data, shard), 1.0, gradient, visit=visit)
    return np.split(norms, offsets[1:-1])
