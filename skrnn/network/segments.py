"""What of the sequences goes through the network at a time, so that it fits into a given memory.

A shard whose buffers would be too large goes through in segments of steps: the states at the borders are kept, and on
the way back each segment runs forward once more. Where the network needs all steps of a sequence at a time, shards have
fewer sequences instead. All this depends on sizes and on the bound only, so the results do not depend on the machine.
"""

from typing import NamedTuple

import numpy as np

from .layers.pooling import Segment
from .network import Noise


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

    def part(self, begin, end):
        """The stretch from its step `begin` to before `end`."""
        n, n_on = self.n_longer(begin), self.n_longer(end) or self.n_on
        return self._moved(n, begin, np.minimum(self.lengths[:n], end) - begin, n_on)

    def _moved(self, n, by, lengths, n_on):
        """The first n sequences from so many steps later on."""
        sequences, begins, first_steps, _, n_steps = (part[:n] for part in self[:-1])
        return Stretch(sequences, begins + by, first_steps + by, lengths, n_steps, n_on)

    def heads_and_tails(self, n_last):
        """The stretch without the last `n_last` steps of each sequence, or None; and these."""
        n, lengths = self.n_longer(n_last), np.minimum(self.lengths, n_last)
        heads = self._moved(n, 0, self.lengths[:n] - n_last, 0) if n else None
        return heads, self._moved(len(lengths), self.lengths - lengths, lengths, self.n_on)

    def cut(self, capacity):
        """The stretch in segments of about `capacity` steps, one after the other; in one if it has no more."""
        # The product is quick, and almost always small enough.
        if len(self.lengths) * self.lengths[0] <= capacity or self.lengths.sum() <= capacity:
            return [self]
        parts, begin = [], 0
        while begin < self.lengths[0]:
            end = begin + max(1, capacity // self.n_longer(begin))
            parts.append(self.part(begin, end))
            begin = end
        return parts


class Room(NamedTuple):
    """Most sequences, and most steps of them in all, that the buffers of a thread have room for; and their bytes."""

    n_sequences: int
    n_steps: int
    n_bytes: int

    def shards(self, order, lengths, in_segments):
        """The sequences `order`, longest first, in shards; all of each fit at once if there are no segments."""
        shards, first = [], 0
        while first < len(order):
            last = first + self.n_sequences
            if not in_segments and self.n_sequences * lengths[order[first]] > self.n_steps:
                steps = np.cumsum(lengths[order[first:last]])
                last = first + max(1, int(np.searchsorted(steps, self.n_steps, side="right")))
            shards.append(order[first:last])
            first = last
        return shards


def find_room(network, lengths, n_sequences, n_bytes, *, training, keep=False, step_bytes=0):
    """Room for shards of up to `n_sequences` sequences of these `lengths` in `n_bytes`; None if there is none.

    Enough for the whole of them if that fits; else for segments, or for a single sequence. step_bytes: what else each
    step takes.
    """
    lengths = np.sort(lengths)
    longest, n_sequences = int(lengths[-1]), min(n_sequences, len(lengths))
    while n_sequences:
        n_steps = sum(lengths[-n_sequences:].tolist())  # in Python, whose integers do not overflow

        def needed(n, n_sequences=n_sequences):
            return network.buffer_bytes(n, n_sequences, training, keep) + n * step_bytes

        if needed(n_steps) <= n_bytes:
            return Room(n_sequences, n_steps, needed(n_steps))
        room = n_bytes // 2 if network.runs_in_segments else n_bytes  # the other half for states at the borders
        n_steps = max(0, (room - needed(0)) // (needed(1) - needed(0)))
        if network.runs_in_segments and n_steps >= n_sequences:
            of_borders = -(-longest // (n_steps // n_sequences)) * n_sequences * network.state_bytes
            if of_borders <= n_bytes // 2:
                return Room(n_sequences, n_steps, needed(n_steps) + of_borders)
        elif not network.runs_in_segments and n_steps >= longest:
            return Room(n_sequences, n_steps, needed(n_steps))
        n_sequences //= 2
    return None


def run_segment(network, packed, buffers, data, stretch, seed=None, **options):
    """`Network.run_layers` on a stretch; seed: what the noise is drawn from, None for none."""
    values, begins = data.read(stretch)
    noise = None if seed is None else Noise(seed, stretch.sequences)
    segment = Segment(stretch.first_steps, stretch.n_on, network.n_steps(stretch.n_steps))
    return network.run_layers(packed, buffers, values, begins, stretch.lengths, noise=noise, segment=segment, **options)


def first_of(states, n_sequences):
    """States of the first sequences, from those of all."""
    return [{name: of_layer[:, :n_sequences] for name, of_layer in layer.items()} for layer in states]


def refuse_size(what, n_bytes, max_bytes, advice):
    """Raise a MemoryError that says what is needed."""
    needed, given = n_bytes / 2**30, max_bytes / 2**30
    raise MemoryError(
        f"For {what} {needed:.3g} GiB of memory are needed, but max_memory is {given:.3g}: raise max_memory to "
        f"{needed:.3g} GiB or more, or {advice}."
    )
