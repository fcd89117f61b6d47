"""Where the steps of a shard lie: stretches of sequences, the plan that kernels follow, keys of random masks."""

import copy
from threading import Lock
from typing import NamedTuple

import numpy as np

from ..kernels import batches
from ..kernels.masks import words_of
from ..kernels.outputs import take_outputs
from ..kernels.program import Instruction, Number, View, place_of
from .arena import Arena


class Keys:
    """What the random masks of shards are drawn from: they depend on neither neighbours nor threads.

    Each mask has a key of its own, which follows from a seed of 64 bits. Instructions read the keys when they run.
    """

    def __init__(self, n_masks):
        self._words, self._places, self._seed, self._lock = np.zeros((n_masks, 2), np.int64), {}, 0, Lock()

    def of(self, *which):
        """The two words of the key of a mask, as `Number`; which : numbers that tell it from all others."""
        with self._lock:  # threads lay out programs
            if which not in self._places:
                place = self._places[which] = len(self._places)
                self._words[place] = words_of(key_of(self._seed, *which))
        place = self._places[which]
        return Number(self._words.reshape(-1), 2 * place), Number(self._words.reshape(-1), 2 * place + 1)

    def draw(self, seed):
        """Set all keys by a seed that no other update has."""
        self._seed = seed
        for which, place in self._places.items():
            self._words[place] = words_of(key_of(seed, *which))


def key_of(seed, *which):
    """Key of one of the masks, 64 bits."""
    key = seed
    for number in which:
        key = (key * 6364136223846793005 + 2 * number + 1) % 2**64
    return key


class Mode(NamedTuple):
    """How shards run; buffers are made for one mode.

    training : whether there is a way back; noisy : whether random masks are drawn; keeps_outputs : whether the outputs
    of all levels are wanted, and on the way back their gradients; input_gradient : whether the gradients of what the
    lowest level reads are wanted; n_out_steps : most steps of a decoder for a sequence, if there is one;
    weight_gradient : whether the gradients of weights are wanted, without which that of recurrent layers is left out.
    """

    training: bool = False
    noisy: bool = False
    keeps_outputs: bool = False
    input_gradient: bool = False
    n_out_steps: int = 0
    weight_gradient: bool = True


class Shard(NamedTuple):
    """What the instructions for the shards of one thread act on.

    packed, buffers : Arena; plan : Plan; mode : Mode; keys : Keys of the masks, which are drawn where the mode is
    noisy; gradient : arena of gradients of packed weights, None where there is no way back; outputs : Outputs, None
    where there is no decoder.
    """

    packed: object
    buffers: object
    plan: object
    mode: Mode
    keys: object = None
    gradient: object = None
    outputs: object = None


class Segment(NamedTuple):
    """Which steps of its sequences a shard holds, as kernels read it.

    first_steps : the first step, for each sequence; n_on : how many sequences, the first ones, go on behind the last;
    n_steps : steps of each sequence as a whole.
    """

    first_steps: View
    n_on: Number
    n_steps: View


class Plan:
    """Where the steps of a shard lie, in the memory of one thread: see `kernels.recurrence` and `kernels.batches`.

    `set` says which sequences are next, or a kernel that takes them from a batch; the instructions of `lay_out` find
    the rest. Everything is read when an instruction runs.

    Parameters
    ----------
    structure : Structure
    n_steps, n_sequences : int
        Most steps and sequences of a shard.

    Attributes
    ----------
    counts : ndarray of int64
        See `kernels.batches`.
    sequences, begins, lengths, target_begins : View
        Numbers of the sequences, longest first; the rows of the values where they begin; their steps there; the rows
        of all steps where they begin, which differ from those of values that are encoded when they are read.
    starts : View
        First row of each block, and the end of the last.
    order : dict of str to View
        For each direction, the live row of each live row.
    rows : dict of str to View
        For each direction, the row of the values for each live row; none where the network has other steps.
    segment : Segment
    n_sequences, n_live, n_known : Number
        Sequences; live rows; sequences with known gradients of their final states.
    values, numbers : View
        Steps of all sequences, as the network reads them, and the same in a single row.
    """

    def __init__(self, structure, n_steps, n_sequences):
        self.structure, self.n_steps, self.counts = structure, n_steps, np.zeros(batches.N_COUNTS, np.int64)
        self.n_sequences, self.n_live = self.count(batches.N_SEQUENCES), self.count(batches.N_LIVE)
        self.n_known = self.count(batches.N_KNOWN)
        self.of_sequences = np.zeros((batches.N_OF_SEQUENCES, n_sequences), np.int64)
        of_sequences = [View.first(row, self.n_sequences) for row in self.of_sequences]
        self.sequences, self.begins, self.lengths = of_sequences[: batches.LENGTHS + 1]
        self.target_begins, self.steps = of_sequences[batches.TARGET_BEGINS], of_sequences[batches.STEPS]
        first_steps, whole_lengths = of_sequences[batches.FIRST_STEPS], of_sequences[batches.WHOLE_LENGTHS]
        self._stride = 1 if structure.convolution is None else structure.convolution.stride
        # There are no segments where a stride leaves fewer steps.
        self.segment = Segment(first_steps, self.count(batches.N_ON), self.steps if self._stride > 1 else whole_lengths)
        self.starts_room = np.zeros(n_steps + 3, np.int64)
        self.starts = View.first(self.starts_room, self.count(batches.N_STARTS))
        self.order, self.rows = {"forward": View.first(np.arange(n_steps), self.n_live)}, {}
        if structure.bidirectional:
            self.order["backward"] = self._of_live()
        if structure.steps_are_kept:
            self.rows = {direction: self._of_live() for direction in self.order}
        dtype, address = np.dtype(structure.dtype), self.count(batches.VALUES)
        self.values = View(address, (self.count(batches.N_VALUES), structure.n_inputs), dtype)
        self.numbers = View(address, (1, self.count(batches.N_NUMBERS)), dtype)

    def count(self, word):
        """One of the counts, as a `Number`."""
        return Number(self.counts, word)

    def _of_live(self):
        return View.first(np.zeros(self.n_steps, np.int64), self.n_live)

    def reading(self, values):
        """A plan of the same steps, for values that stand in live rows."""
        other = copy.copy(self)
        other.values, other.rows = values, self.order
        return other

    def lay_out(self):
        """The instructions that find where the steps of the sequences lie."""
        steps = self.lengths
        if self._stride > 1:
            steps = self.steps
            yield Instruction("count steps", batches.count_steps, (self.lengths, self._stride, steps))
        yield Instruction("plan steps", batches.plan_steps, (steps, self.starts_room, self.counts))
        if "backward" in self.order:
            yield Instruction("plan mirror", batches.plan_mirror, (self.starts, steps, self.order["backward"]))
        if self.rows:
            rows = self.rows["forward"]
            yield Instruction("plan rows", batches.plan_rows, (self.starts, self.begins, rows))
            if "backward" in self.rows:
                mirrored = rows, self.order["backward"], self.rows["backward"]
                yield Instruction("plan rows backward", batches.follow_rows, mirrored)

    def take(self, bounds, sorted_rows, data):
        """Instructions that say so where shards are taken from a batch, and all steps of their sequences go through."""
        what = self.counts, bounds, sorted_rows, data.lengths, data.begins, self.of_sequences
        yield Instruction("take shard", batches.take_shard, what)

    def take_all_steps(self):
        """Prepare for `take`: no segment."""
        self.counts[[batches.N_ON, batches.N_KNOWN]] = 0
        self.of_sequences[batches.FIRST_STEPS] = 0

    def set_values(self, values):
        """Say where the steps of all sequences lie; they have to live as long as instructions run."""
        if not (values.flags.c_contiguous and values.dtype == self.values.dtype):
            raise TypeError(f"values must be C-contiguous and of {self.values.dtype}")
        self.counts[batches.VALUES] = place_of(values)
        self.counts[batches.N_VALUES], self.counts[batches.N_NUMBERS] = len(values), values.size

    def set(self, stretch, begins, n_known=0):
        """Say which steps of which sequences are next.

        stretch : Stretch; begins : rows of the values where they begin; n_known : see the class.
        """
        n = len(stretch.sequences)
        if stretch.lengths.sum() > self.n_steps or n > self.of_sequences.shape[1]:
            raise ValueError("a shard is larger than the memory that was made for it")
        given = stretch.sequences, begins, stretch.lengths, stretch.first_steps, stretch.n_steps, stretch.begins
        for room, values in zip(self.of_sequences, given, strict=False):
            room[:n] = values
        self.counts[batches.N_SEQUENCES], self.counts[batches.N_ON] = n, stretch.n_on
        self.counts[batches.N_KNOWN] = n_known


class Outputs:
    """What a decoder has in hand: where its steps lie, and the states that it starts from.

    Parameters
    ----------
    stack : Stack
        Of the decoder.
    n_steps, n_sequences : int
        Most steps and sequences of a shard.

    Attributes
    ----------
    plan : Plan
    given : Arena
        States before the first steps.
    places, sources : View
        Where each sequence of the encoder stands in the decoder, and the other way round.
    """

    def __init__(self, stack, n_steps, n_sequences):
        self.plan = plan = Plan(stack.structure, n_steps, n_sequences)
        self.given = Arena(stack.border_shapes(n_sequences), np.dtype(stack.structure.dtype))
        self._rooms = np.zeros((2, n_sequences), np.int64)
        self.places, self.sources = (View.first(room, plan.n_sequences) for room in self._rooms)
        self._words, self._data = np.zeros(3, np.int64), None
        n = Number(self._words, 2)
        self._begins, self._lengths = (View(Number(self._words, k), (n,), np.dtype(np.int64)) for k in range(2))

    def set_data(self, data):
        """Say what the decoder reads: a `Data` with as many sequences as the encoder has."""
        self._data = data  # kept, as kernels know addresses only
        self.plan.set_values(data.values)
        self._words[:] = place_of(data.begins), place_of(data.lengths), len(data.lengths)

    def set_rows(self, sources, values):
        """Say that the decoder runs a step of sequences of its own: for each, the number of that of the encoder.

        values : what the step reads, in rows
        """
        n = len(sources)
        self._data, self._rooms[1, :n] = values, sources
        self.plan.set_values(values)
        stretch = Stretch.of_single_steps(n)
        self.plan.set(stretch, stretch.begins)

    def take(self, plan):
        """Instructions that take the sequences of a shard from the plan of the encoder, and lay out their steps."""
        own = self.plan
        what = plan.sequences, self._begins, self._lengths, own.counts, own.of_sequences, *self._rooms
        yield Instruction("take outputs", take_outputs, what)
        yield from own.lay_out()


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

    @classmethod
    def of_single_steps(cls, n):
        """A step of each of n sequences, which stand one below the other."""
        rows, ones = np.arange(n), np.ones(n, np.int64)
        return cls(rows, rows, np.zeros(n, np.int64), ones, ones)

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
