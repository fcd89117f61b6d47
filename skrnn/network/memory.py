"""Memory of a network: arenas for parameters, gradients and buffers, and what fits into a given bound.

A shard whose buffers would be too large goes through in segments of steps: the states at the borders are kept, and on
the way back each segment runs forward once more. Where the network needs all steps of a sequence at a time, shards have
fewer sequences instead. All this depends on sizes and on the bound only, so the results do not depend on the machine.
"""

from typing import NamedTuple

import numpy as np

from .._core.cached import cached_property
from .arena import Arena, Gradients, arena_bytes, prefixed
from .data import SHARES
from .plan import Mode, Outputs, Plan

LARGEST_SPARE = 2**23  # bytes of what is kept between predictions
PLAN_BYTES = 40  # of the plan of a shard, for each step
STEPS_OF_LINE = 1024, 2048  # from which on the bytes of buffers grow evenly
TRAINING = Mode(training=True)
WEIGHT_COPIES = 6  # arrays of the size of theta: itself, its gradient, the best so far, what an optimiser keeps


class ThreadMemory(NamedTuple):
    """What one thread writes: the arrays of a shard, where its steps lie, the states at its borders.

    outputs : what a decoder has in hand, if there is one
    """

    buffers: Arena
    plan: Plan
    given: Arena
    final: Arena
    outputs: Outputs | None = None

    def set_values(self, values, data):
        """Say where the steps of all sequences lie, and what a decoder reads for those of `data`."""
        self.plan.set_values(values)
        if data.outputs is not None:
            self.outputs.set_data(data.outputs)


class Memory:
    """Sizes of the arenas of a network, and the arenas.

    Parameters
    ----------
    stack : Stack
    head : Head
    dtype : dtype
    """

    def __init__(self, stack, head, dtype):
        self.stack, self.head, self.dtype = stack, head, dtype
        self.layers = stack.layers | head.layers
        self._line = {}
        self.spare = {}  # what predictions have left for the next: see `workspace`

    # ---------------------------------------------------------------------------------------------- parameters
    def _packed_shapes(self):
        return prefixed((prefix, layer.packed_shapes()) for prefix, layer in self.layers.items())

    def _gradient_shapes(self):
        return prefixed((prefix, layer.gradient_shapes()) for prefix, layer in self.layers.items())

    @cached_property
    def packed_bytes(self):
        """Bytes of `allocate_packed`."""
        return arena_bytes(self._packed_shapes(), self.dtype)

    @cached_property
    def gradient_bytes(self):
        """Bytes of the gradient of one shard, in packed form."""
        return arena_bytes(self._gradient_shapes(), self.dtype)

    def allocate_packed(self):
        """Room for `Network.pack`."""
        return Arena(self._packed_shapes(), self.dtype)

    # ------------------------------------------------------------------------------------------------- a shard
    def buffer_bytes(self, n_steps, n_sequences, mode):
        """Bytes of `allocate_buffers`, and of what else a shard needs."""
        key = n_sequences, mode
        if key not in self._line:  # found once, as a prediction of a single sequence is to be quick
            shapes = (self._buffer_shapes(n, int(n_sequences), mode) for n in STEPS_OF_LINE)
            one, two = (arena_bytes(each, self.dtype) for each in shapes)
            of_step = (two - one) // (STEPS_OF_LINE[1] - STEPS_OF_LINE[0])
            self._line[key] = one - STEPS_OF_LINE[0] * of_step, of_step + PLAN_BYTES
        fixed, of_step = self._line[key]
        return fixed + int(n_steps) * of_step

    def _buffer_shapes(self, *sizes):
        return self.stack.buffer_shapes(*sizes) | self.head.buffer_shapes(*sizes)

    def allocate_buffers(self, n_steps, n_sequences, mode):
        """Room for one thread, for shards of at most `n_sequences` sequences of `n_steps` steps in all."""
        shapes = self._buffer_shapes(n_steps, n_sequences, mode)
        # Back-propagation multiplies rows that no step has written by 0, so these must not be NaN.
        arena = Arena(shapes, self.dtype, zeros=mode.training)
        self.head.prepare(arena)
        return arena

    def allocate_thread(self, n_steps, n_sequences, mode):
        """What one thread writes for such shards."""
        borders = (Arena(self.stack.border_shapes(n_sequences), self.dtype) for _ in range(2))
        buffers = self.allocate_buffers(n_steps, n_sequences, mode)
        plan = Plan(self.stack.structure, n_steps, n_sequences)
        return ThreadMemory(buffers, plan, *borders, self.head.make_outputs(n_sequences, mode))

    def allocate_gradients(self, n_shards):
        """Room for the gradients of so many shards."""
        return Gradients(self._gradient_shapes(), self.dtype, n_shards)


class Room(NamedTuple):
    """Most sequences, and most steps of them in all, that the buffers of a thread have room for; and their bytes."""

    n_sequences: int
    n_steps: int
    n_bytes: int

    def has_whole(self, lengths, in_segments):
        """Whether any shard of sequences of these `lengths` goes through at once: always, if there are no segments."""
        n = self.n_sequences
        return not in_segments or bool(np.partition(lengths, -n)[-n:].sum() <= self.n_steps)

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


def find_room(network, lengths, n_sequences, n_bytes, mode, step_bytes=0):
    """Room for shards of up to `n_sequences` sequences of these `lengths` in `n_bytes`; None if there is none.

    Enough for the whole of them if that fits; else for segments, or for a single sequence. step_bytes: what else each
    step takes.
    """
    lengths = np.sort(lengths)
    longest, n_sequences = int(lengths[-1]), min(n_sequences, len(lengths))
    while n_sequences:
        n_steps = sum(lengths[-n_sequences:].tolist())  # in Python, whose integers do not overflow

        def needed(n, n_sequences=n_sequences):
            return network.memory.buffer_bytes(n, n_sequences, mode) + n * step_bytes

        if needed(n_steps) <= n_bytes:
            return Room(n_sequences, n_steps, needed(n_steps))
        room = n_bytes // 2 if network.in_segments else n_bytes  # the other half for states at the borders
        n_steps = max(0, (room - needed(0)) // (needed(1) - needed(0)))
        if network.in_segments and n_steps >= n_sequences:
            n_borders = -(-longest // (n_steps // n_sequences))
            of_borders = n_borders * n_sequences * network.stack.n_carried * network.dtype.itemsize
            if of_borders <= n_bytes // 2:
                return Room(n_sequences, n_steps, needed(n_steps) + of_borders)
        elif not network.in_segments and n_steps >= longest:
            return Room(n_sequences, n_steps, needed(n_steps))
        n_sequences //= 2
    return None


def bytes_of_thread(network, max_bytes, n_threads):
    """Bytes that each of so many threads may take in a prediction."""
    return max(0, max_bytes - max_bytes // SHARES - network.memory.packed_bytes) // n_threads


def room_of_prediction(network, lengths, n_rows, n_threads, max_bytes, mode, step_bytes):
    """Room for the shards of a prediction, and the number of threads that may have so much; or a MemoryError."""
    # If that is little, so much that sequences which are a little longer next time find the same room.
    n_steps = 1 << (n_rows * int(lengths.max()) - 1).bit_length()
    n_bytes = network.memory.buffer_bytes(n_steps, n_rows, mode) + n_steps * step_bytes
    if n_bytes <= min(LARGEST_SPARE, bytes_of_thread(network, max_bytes, n_threads)):
        return Room(n_rows, n_steps, n_bytes), n_threads
    for n in dict.fromkeys((n_threads, 1)):
        room = find_room(network, lengths, n_rows, bytes_of_thread(network, max_bytes, n), mode, step_bytes)
        if room is not None:
            return room, n
    longest = int(max(lengths))
    needed = network.memory.packed_bytes + network.memory.buffer_bytes(longest, 1, mode) + longest * step_bytes
    needed = SHARES * needed // (SHARES - 1)
    advice = "cut the sequences into shorter ones, or take fewer units"
    return refuse_size(f"a sequence of {longest} steps", needed, max_bytes, advice)


def room_of_training(network, lengths, n_sequences, max_bytes, mode=TRAINING):
    """Room for the shards of a training on sequences of these lengths; MemoryError if there is none."""
    n_weights = (
        network.memory.packed_bytes
        + network.memory.gradient_bytes
        + WEIGHT_COPIES * network.size * network.dtype.itemsize
    )
    if n_weights > max_bytes:
        refuse_size(f"a network of {network.size} parameters", n_weights, max_bytes, "take fewer units")
    room = find_room(network, lengths, n_sequences, max_bytes // SHARES, mode)
    if room is None:  # then a single sequence may take what is left by encoded sequences, gradients and weights
        left = max_bytes - 2 * (max_bytes // SHARES) - network.memory.packed_bytes
        room = find_room(network, lengths, 1, max(0, left), mode)
    if room is None:
        longest = int(max(lengths))
        what, advice = f"back-propagation through a sequence of {longest} steps", "cut the sequences into shorter ones"
        if mode.n_out_steps:
            what += f", and {mode.n_out_steps} of its output,"
        else:
            advice = f"set truncation, {advice}"
        needed = 2 * (network.memory.buffer_bytes(longest, 1, mode) + network.memory.packed_bytes)
        refuse_size(what, needed, max_bytes, f"{advice}, or take fewer units")
    return room


def check_memory(network, lengths, max_bytes, truncation=None, n_out_steps=0):
    """Raise the MemoryError that an `Objective` would raise, before anything large has been made."""
    lengths = lengths if truncation is None else np.minimum(lengths, truncation)
    room_of_training(network, lengths, 1, max_bytes, TRAINING._replace(n_out_steps=n_out_steps))


def refuse_size(what, n_bytes, max_bytes, advice):
    """Raise a MemoryError that says what is needed."""
    needed, given = enough_gib(n_bytes), max_bytes / 2**30
    raise MemoryError(
        f"For {what} {needed} GiB of memory are needed, but max_memory is {given:.3g}: raise max_memory to "
        f"{needed} GiB or more, or {advice}."
    )


def enough_gib(n_bytes):
    """GiB that are enough for so many bytes, as text of three digits: rounded up."""
    gib = n_bytes / 2**30
    unit = 10.0 ** (np.floor(np.log10(gib)) - 2)
    return f"{np.ceil(gib / unit) * unit:.3g}"
