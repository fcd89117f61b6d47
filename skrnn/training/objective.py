"""What training minimises: loss and gradient of a network on any of the sequences, shard by shard."""

from typing import NamedTuple

import numpy as np

from .._core.cached import cached_property
from ..kernels.copies import copy_all
from ..kernels.masks import threshold_of
from ..kernels.minibatches import TOTAL, VALUE, add_vector, start_gradient, sum_shards
from ..kernels.program import Instruction, Number, Program
from ..network.data import MAX_BYTES, SHARES
from ..network.memory import TRAINING, room_of_training
from ..network.plan import Stretch
from ..network.shards import Crew, ShardTask, worthwhile_workers
from .back_propagation import BackPropagation, Batch, bytes_of_loss

MAX_SHARDS = 32  # whose gradients are held at a time; a larger batch is worked off in groups


class Piece(NamedTuple):
    """What an update is made of: steps `begin` to before `end` of some sequences, longest first.

    total : weight of the targets among these steps; before : the `Carry` that each shard starts from, then those of
    shards that have ended; empty for 0; after : a list that gets what the shards leave, None where no piece follows.
    """

    sequences: np.ndarray
    begin: int
    end: int
    total: float
    before: list
    after: list


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
    executor : Executor
    max_batch : int
        Largest batch that will be asked for.
    max_bytes : int, default=2**30
        Bound of the memory for buffers and gradients. What does not fit goes through the network in segments.
    truncation : int, default=None
    reads_own : bool, default=False
        Whether the decoder of the network reads its own outputs in training, by the chance `own_share`.

    Attributes
    ----------
    following : ndarray
        The batch behind the one that is run, as far as it is known: some executors fetch its sequences meanwhile.

    Raises
    ------
    MemoryError
        If a single sequence, or the weights, do not fit.
    ValueError
        If the network cannot be trained with `truncation`.
    """

    def __init__(
        self, network, data, loss, alpha, executor, max_batch, *, max_bytes=MAX_BYTES, truncation=None, reads_own=False
    ):
        check_truncation(network.structure, truncation)
        self.network, self.data, self.loss, self.alpha, self.executor = network, data, loss, float(alpha), executor
        self.penalized, self.truncation = network.layout.is_weight().astype(network.dtype), truncation
        lengths = data.lengths if truncation is None else np.minimum(data.lengths, truncation)
        mode = TRAINING._replace(n_out_steps=data.n_out_steps)
        self.room = room = room_of_training(network, lengths, network.shard_rows(max_batch), max_bytes, mode)
        n_shards = -(-max_batch // room.n_sequences)
        n_shards = min(n_shards, MAX_SHARDS, max(1, max_bytes // SHARES // network.memory.gradient_bytes))
        left = max_bytes - max_bytes // SHARES - network.memory.packed_bytes - n_shards * network.memory.gradient_bytes
        of_worker = room.n_bytes + room.n_steps * data.step_bytes + network.memory.gradient_bytes
        of_worker += bytes_of_loss(loss, data, network.n_outputs)
        n_workers = max(1, min(executor.n_workers, n_shards, left // of_worker))
        self.theta, self.gradient = np.zeros(network.size, network.dtype), np.zeros(network.size, network.dtype)
        self.batch, self._n_shards = Batch.of(network, n_shards, reads_own), np.zeros(1, np.int64)
        self.workers = [BackPropagation(network, data, loss, self.batch, room, mode) for _ in range(n_workers)]
        self._crew = Crew(lambda theta: None, self.workers)  # the program `start` has packed the parameters
        self.is_noisy, self.following = network.structure.is_noisy or reads_own, np.zeros(0, np.int64)
        self.tables = None  # `Tables`, where the network holds the rows of a batch only

    @property
    def n_workers(self):
        """Workers that there are threads for at present."""
        return min(len(self.workers), self.executor.n_workers)

    def set_own_share(self, share):
        """Say by which chance a step of a decoder reads what it has put out itself."""
        if self.batch.own_share is not None:
            self.batch.own_share[0] = threshold_of(share)

    @cached_property
    def start(self):
        """The program that begins with `theta`: the rows of the batch, packed parameters, penalty and its gradient."""
        packed, pull = self.batch.packed, self.alpha * self.penalized
        table = self.network.pack_table(self.theta, packed)
        what = self.theta, pull, self.gradient, self.batch.numbers
        return Program(
            [
                *(self.tables.choose() if self.tables else []),
                Instruction("pack", copy_all, (self.theta, packed.memory, table)),
                Instruction("penalty", start_gradient, what),
            ]
        )

    @cached_property
    def gather(self):
        """The program that adds losses and gradients of a group of shards, as many as `Objective.n_shards` says."""
        return Program(self.gather_from(Number(self._n_shards)))

    def gather_from(self, n_shards):
        """Instructions that add losses and gradients of `n_shards` shards, a `Number`."""
        gradients, unpacked = self.batch.gradients, np.zeros_like(self.gradient)
        table = self.network.unpack_table(gradients.first, unpacked)
        what = gradients.rows, n_shards, self.batch.losses, self.batch.numbers
        yield Instruction("sum shards", sum_shards, what)
        yield Instruction("unpack", copy_all, (gradients.rows[0], unpacked, table))
        yield Instruction("add gradient", add_vector, (unpacked, self.gradient))

    def pieces(self, batch):
        """The pieces of the sequences `batch`, one after the other; the batch itself if that is one piece.

        `value_and_gradient` is to be called with each before the next.
        """
        longest = self.data.lengths[batch].max()
        if self.truncation is None or not self.network.head.pooling.keeps_steps or longest <= self.truncation:
            yield batch
            return
        order, before = self.data.by_length(batch), []
        for begin in range(0, longest, self.truncation):
            end, after = begin + self.truncation, []
            stretch = Stretch.whole(self.data, order).between(begin, end)
            total = self.data.weight_of_steps(stretch)
            yield Piece(stretch.sequences, begin, end, total, before, after if end < longest else None)
            before = after

    def total_weight(self, piece):
        """The weight by which the loss of a piece is divided."""
        if isinstance(piece, Piece):
            return piece.total
        return np.cumsum(self.data.weight[piece])[-1]  # in the order in which the kernel adds them

    def value_and_gradient(self, theta, piece, seed=None):
        """Value and gradient at theta on a piece, or on all of the sequences whose numbers are given.

        With a `seed`, of the network with dropout.
        """
        self.theta[:] = theta
        self.run(piece, seed)
        return float(self.batch.numbers[VALUE]), self.gradient.copy()

    def run(self, piece, seed=None):
        """`value_and_gradient` at ``self.theta``, into `gradient` and the numbers of `batch`."""
        total = self.total_weight(piece)
        if not isinstance(piece, Piece):
            piece = Piece(self.data.by_length(piece), 0, None, total, [], None)
        if self.tables:
            self.tables.name(piece.sequences)
        self.start.run()
        self.batch.numbers[TOTAL] = total
        if total == 0:
            if piece.after is None:
                return
            self.batch.numbers[TOTAL] = 1.0  # it is there for the states that it leaves
        if seed is not None:
            self.batch.keys.draw(seed)
        tasks, n_group = self._tasks(piece, seed), len(self.batch.losses)
        n_workers = min(self.n_workers, worthwhile_workers(self.theta, self.data.lengths[piece.sequences]))
        for first in range(0, len(tasks), n_group):  # in groups that there are gradients for
            group, later = tasks[first : first + n_group], tasks[first + n_group : first + 2 * n_group]
            ahead = np.concatenate([task.sequences for task in later]) if later else self.following
            results = self.executor.run(self._crew, self.theta, group, n_workers, ahead)
            if piece.after is not None:
                piece.after.extend(result.carry for result in results)
            self.batch.losses[: len(results)], self._n_shards[0] = [result.loss for result in results], len(results)
            self.gather.run()
        self.batch.numbers[TOTAL] = total

    def _tasks(self, piece, seed):
        """A task for each shard of a piece."""
        tails = self.truncation is not None and not self.network.head.pooling.keeps_steps
        n_tail, n_group = self.truncation if tails else None, len(self.batch.losses)
        wants_carry = piece.after is not None
        shards = self.room.shards(piece.sequences, self.data.lengths, self.network.in_segments)
        carries = piece.before or [None] * len(shards)
        return [
            ShardTask(shard, k % n_group, piece.begin, piece.end, n_tail, seed, carry, wants_carry)
            for k, (shard, carry) in enumerate(zip(shards, carries, strict=False))
        ]


def check_truncation(structure, truncation):
    """Refuse networks through which the gradient cannot flow back a few steps at a time."""
    if truncation is None:
        return
    conv, advice = structure.convolution, f"truncation={truncation} runs the steps of a sequence a few at a time"
    if structure.decoder is not None:
        raise ValueError(f"{advice}, but a decoder reads all of them: use truncation=None.")
    if structure.bidirectional:
        raise ValueError(f"{advice}, from the first on: set bidirectional=False, or truncation=None.")
    if structure.pooling not in ("last", "steps"):
        raise ValueError(
            f'{advice}, which pooling={structure.pooling!r} needs all at once: use pooling="last", or truncation=None.'
        )
    if conv is not None and (conv.width > 1 or conv.stride > 1):
        raise ValueError(f"{advice}, but {conv!r} sees several: leave out the convolution, or use truncation=None.")
