"""Where the steps of a shard lie: stretches of sequences, the plan that kernels follow, what noise is drawn from."""

from typing import NamedTuple

import numpy as np

from ..kernels.batches import plan_mirror, plan_rows, plan_steps
from .layers.pooling import Segment

LONGEST_KEPT = 2**16  # row numbers that are kept between shards


class Noise(NamedTuple):
    """What the random masks of a shard are drawn from: they depend on neither neighbours nor threads.

    seed : a number of 64 bits that no other update has; identities : a number for each sequence of the shard.
    """

    seed: int
    identities: np.ndarray

    def key(self, *which):
        """Seed of one of the masks."""
        key = self.seed
        for number in which:
            key = (key * 6364136223846793005 + 2 * number + 1) % 2**64
        return key


class Mode(NamedTuple):
    """How shards run; buffers are made for one mode.

    training : whether there is a way back; noisy : whether random masks are drawn; keeps_outputs : whether the outputs
    of all levels are wanted, and on the way back their gradients; input_gradient : whether the gradients of what the
    lowest level reads are wanted.
    """

    training: bool = False
    noisy: bool = False
    keeps_outputs: bool = False
    input_gradient: bool = False


class Plan(NamedTuple):
    """Where the steps of a shard lie: see `kernels.recurrence`.

    order : for each direction, the live row of each live row; rows : its row in the values, None where the network
    has other steps than they; segment : which steps of the sequences they are.
    """

    starts: np.ndarray
    order: dict
    rows: np.ndarray
    segment: Segment


class Planner:
    """Makes the plans of the recurrent layers that a structure describes."""

    def __init__(self, structure):
        self.structure = structure
        self._in_order = np.arange(0)

    def n_steps(self, lengths):
        """Steps of the recurrent layers for sequences of these lengths."""
        convolution = self.structure.convolution
        return lengths if convolution is None else convolution.n_steps(lengths)

    def plan(self, begins, lengths, segment=None):
        """Plan of sequences, longest first, that begin at these rows; segment : which steps these are, None: all."""
        steps = self.n_steps(lengths)
        starts = np.empty(steps[0] + 2, np.int64)
        plan_steps(steps, starts)
        n_live = starts[-1] - starts[1]
        in_order = self._in_order  # read once: another thread may replace it
        if len(in_order) < n_live:
            in_order = np.arange(min(2 * n_live, max(n_live, LONGEST_KEPT)))
            if len(in_order) <= LONGEST_KEPT:
                self._in_order = in_order
        order, rows = {"forward": in_order}, None
        if self.structure.bidirectional:
            order["backward"] = np.empty(n_live, np.int64)
            plan_mirror(starts, steps, order["backward"])
        if self.structure.steps_are_kept:
            rows = np.empty(n_live, np.int64)
            plan_rows(starts, begins, rows)
        if segment is None:
            segment = Segment(np.zeros(len(steps), np.int64), 0, steps)
        return Plan(starts, order, rows, segment)


class Stretch(NamedTuple):
    """Steps ``first_steps[n] .. first_steps[n] + lengths[n] - 1`` of sequence ``sequences[n]``, longest first.

    begins : rows of these first steps; n_steps : steps of each sequence as a whole; n_on : how many of the sequences,
    the first ones, go on in another stretch behind it.
    """

    sequences: np.ndarray
    begins: np.ndarray
    first_steps: np.ndarray
    lengths: np.ndarray
    n_steps: np.ndarray
    n_on: int = 0

    @classmethod
    def whole(cls, data, sequences):
        """All steps of the sequences of `data` with these numbers."""
        lengths = data.lengths[sequences]
        return cls(sequences, data.begins[sequences], np.zeros(len(sequences), np.int64), lengths, lengths)

    def n_longer(self, n_steps):
        """How many sequences, the first ones, have more steps than that in the stretch."""
        return int(np.searchsorted(-self.lengths, -n_steps))

    def between(self, begin, end):
        """The stretch from its step `begin` to before `end`."""
        n, n_on = self.n_longer(begin), self.n_longer(end) or self.n_on
        return self._moved(n, begin, np.minimum(self.lengths[:n], end) - begin, n_on)

    def _moved(self, n, by, lengths, n_on):
        """The first n sequences from so many steps later on."""
        sequences, begins, first_steps, _, n_steps = (array[:n] for array in self[:-1])
        return Stretch(sequences, begins + by, first_steps + by, lengths, n_steps, n_on)

    def heads_and_tails(self, n_tail):
        """The stretch without the last `n_tail` steps of each sequence, or None; and these."""
        n, lengths = self.n_longer(n_tail), np.minimum(self.lengths, n_tail)
        heads = self._moved(n, 0, self.lengths[:n] - n_tail, 0) if n else None
        return heads, self._moved(len(lengths), self.lengths - lengths, lengths, self.n_on)

    def cut(self, capacity):
        """The stretch in segments of about `capacity` steps, one after the other; in one if it has no more."""
        # The product is quick, and almost always small enough.
        if len(self.lengths) * self.lengths[0] <= capacity or self.lengths.sum() <= capacity:
            return [self]
        segments, begin = [], 0
        while begin < self.lengths[0]:
            end = begin + max(1, capacity // self.n_longer(begin))
            segments.append(self.between(begin, end))
            begin = end
        return segments
