"""The network over one flat parameter vector: front, recurrent layers, pooling and readout, as far as wanted.

A mini-batch is cut into shards; a shard goes through the whole network, forward and back, in one thread. Shards do not
depend on the number of threads, and their gradients are added in their order, so neither do the results, bit for bit.

Theta comes in, predictions or gradients go out; a network has no state but memory that it reuses (two workspaces of up
to a megabyte).
"""

from collections import deque
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from ..kernels.batches import last_states, plan_mirror, plan_rows, plan_steps
from ..kernels.copies import copy_all, copy_table
from ..kernels.masks import dropout_mask
from .arena import Arena, arena_bytes
from .layers.convolution import Convolution
from .layers.decay import Decay
from .layers.embedding import Embedding
from .layers.level import Block
from .layers.pooling import Segment, get_pooling
from .layers.readout import Readout
from .layout import Layout

INNER_CACHE = 32768  # bytes of the first-level cache that a step may fill
LARGEST_SPARE = 2**20  # bytes of a workspace that is kept between predictions
PLAN_BYTES = 40  # of the plan of a shard, for each step
LONGEST_KEPT = 2**16  # row numbers that are kept between shards
STEPS_OF_LINE = 1024, 2048  # from which on the bytes of buffers grow evenly


def network_of(structure):
    """The network that a structure describes."""
    try:
        return _kept_network(_ByKey(structure, structure.key()))
    except TypeError:  # a cell with a parameter that cannot be a key, like a list
        return Network(structure)


class _ByKey(NamedTuple):
    structure: object
    key: tuple

    def __eq__(self, other):
        return self.key == other.key

    def __hash__(self):
        return hash(self.key)


@lru_cache(maxsize=8)
def _kept_network(described):
    """Kept, because for a single sequence making a network takes longer than running it."""
    return Network(described.structure)


class Workspace(NamedTuple):
    """Memory for predictions: room for so many (steps, sequences, threads), packed weights, buffers of each thread."""

    room: tuple
    packed: Arena
    buffers: list


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


class Plan(NamedTuple):
    """Where the steps of a shard lie: see `kernels.recurrence`.

    order : for each direction, the live row of each live row; rows : its row in the values, None where the network
    has other steps than they; segment : which steps of the sequences they are.
    """

    starts: np.ndarray
    order: dict
    rows: np.ndarray
    segment: Segment = None


class Network:
    """The network that a structure describes.

    Parameters
    ----------
    structure : Structure

    Attributes
    ----------
    layout : Layout
        Names, shapes and places of the parameters in theta.
    """

    def __init__(self, structure):
        self.structure, self.dtype, self.n_outputs = structure, np.dtype(structure.dtype), structure.n_outputs
        self.parts = {}  # what has weights, by the first part of the weights' names
        self.fronts, n_below = _fronts(structure)
        self.parts |= self.fronts
        self.blocks = []
        for number in range(len(structure.hidden_layer_sizes)):
            block = Block(structure, number, n_below)
            self.parts |= {f"layers.{number}.{name}": part for name, part in block.parts()}
            self.blocks.append(block)
            n_below = block.n_outputs
        self.n_last, directions = n_below, len(block.directions)
        self.pooling = get_pooling(structure.pooling, n_below, n_below // 2 if directions == 2 else 0)
        self.readout = None
        if self.pooling.shapes:
            self.parts["pooling"] = self.pooling
        if not structure.puts_out_predictions and structure.n_outputs:
            self.readout = self.parts["readout"] = Readout(n_below, structure.n_outputs)
        self.layout = Layout(
            {f"{prefix}.{name}": s for prefix, part in self.parts.items() for name, s in part.shapes.items()}
        )
        # Where each number goes, found at the first use: it is the same for every theta and every arena.
        self._pack_table = self._unpack_table = None
        self._spare = deque(maxlen=2)  # workspaces that predictions left; its methods are atomic
        self._in_order = np.arange(0)
        self._line = {}

    @property
    def size(self):
        """Number of parameters."""
        return self.layout.size

    def shard_rows(self, n_sequences):
        """Sequences per shard of a mini-batch; a property of the network and the batch, not of the machine.

        Enough for the products to reuse what they load, enough shards for a few threads, and few enough for the
        pre-activations of a step to stay in the inner cache until the cell has read them.
        """
        n_columns = max(layer.n_columns for block in self.blocks for layer in block.directions.values())
        step_bytes = 32 * n_columns * self.dtype.itemsize
        return 32 if n_sequences > 64 and step_bytes <= INNER_CACHE else 16 if n_sequences > 8 else 8

    # ---------------------------------------------------------------------------------------------- parameters
    def initialize(self, rng, scheme, raw=0.0):
        """Theta to start from, by an `initializers.Scheme`; raw predictions start near `raw`."""
        theta = np.zeros(self.size)
        weights = self.layout.views(theta)
        for prefix, part in self.parts.items():
            part.initialize(_named(weights, prefix, part), rng, scheme)
        if self.readout:
            weights["readout.b"][...] = raw
        elif self.structure.puts_out_predictions:
            weights[f"layers.{len(self.blocks) - 1}.forward.b_y"][...] = raw
        for name, view in weights.items():
            if not (np.abs(view) <= np.finfo(self.dtype).max).all():
                raise ValueError(
                    f"Initial weights {name!r} are not finite in {self.dtype}: check the initialisers, input_init, "
                    "recurrent_init and bias_init."
                )
        return theta.astype(self.dtype)

    def bounds(self, n_steps):
        """Largest absolute values that parameters may have, as pairs (slice of theta, value).

        n_steps : steps of the longest training sequence, in the recurrent layers.
        """
        for prefix, part in self.parts.items():
            for name, limit in (part.cell.bounds(n_steps) if hasattr(part, "cell") else {}).items():
                yield self.layout.slice(f"{prefix}.{name}"), limit

    def flatten(self, weights):
        """Theta from named arrays; ValueError if one is missing, or one too many, or of another shape."""
        for name in {**self.layout.shapes, **weights}:
            expected, found = self.layout.shapes.get(name), np.shape(weights[name]) if name in weights else None
            if expected != found:
                raise ValueError(
                    f"weights_[{name!r}] has shape {found}, but the network that was trained has {expected} there. "
                    "Weights may be replaced by others of the same shape; for another network, fit another estimator."
                )
        return self.layout.flatten(weights, self.dtype)

    def _packed_shapes(self):
        return _prefixed((prefix, part.packed_shapes()) for prefix, part in self.parts.items())

    def allocate_packed(self):
        """Room for `pack`."""
        return Arena(self._packed_shapes(), self.dtype)

    def pack(self, theta, arena):
        """Bring theta into the form that the products read; all threads share it."""
        if self._pack_table is None:
            weights, pairs = self.layout.views(theta), []
            for prefix, part in self.parts.items():
                pairs += part.packing(_named(weights, prefix, part), arena.part(prefix))
            self._pack_table = copy_table(pairs, theta, arena.memory)
        copy_all(theta, arena.memory, self._pack_table)
        return arena

    def _gradient_shapes(self):
        return _prefixed((prefix, part.gradient_shapes()) for prefix, part in self.parts.items())

    def allocate_gradient(self):
        """Room for the gradient of one shard, in packed form."""
        return Arena(self._gradient_shapes(), self.dtype)

    def unpack_gradient(self, arena):
        """Gradient over theta from its packed form."""
        gradient = np.empty(self.size, self.dtype)
        if self._unpack_table is None:
            named, pairs = self.layout.views(gradient), []
            for prefix, part in self.parts.items():
                pairs += part.unpacking(arena.part(prefix), _named(named, prefix, part))
            self._unpack_table = copy_table(pairs, arena.memory, gradient)
        copy_all(arena.memory, gradient, self._unpack_table)
        return gradient

    # ------------------------------------------------------------------------------------------------- memory
    @cached_property
    def packed_bytes(self):
        """Bytes of `allocate_packed`."""
        return arena_bytes(self._packed_shapes(), self.dtype)

    @cached_property
    def gradient_bytes(self):
        """Bytes of `allocate_gradient`."""
        return arena_bytes(self._gradient_shapes(), self.dtype)

    @cached_property
    def state_bytes(self):
        """Bytes of the states of all layers between two steps of a sequence."""
        layers = [layer for block in self.blocks for layer in block.directions.values()]
        return self.dtype.itemsize * sum((1 + layer.n_states) * layer.n_state for layer in layers)

    def buffer_bytes(self, n_steps, n_sequences, training, keep=False):
        """Bytes of `allocate_buffers`, and of what else a shard needs."""
        key = n_sequences, training, keep
        if key not in self._line:  # found once, as a prediction of a single sequence is to be quick
            one, two = (
                arena_bytes(self._buffer_shapes(n, int(n_sequences), training, keep), self.dtype) for n in STEPS_OF_LINE
            )
            of_step = (two - one) // (STEPS_OF_LINE[1] - STEPS_OF_LINE[0])
            self._line[key] = one - STEPS_OF_LINE[0] * of_step, of_step + PLAN_BYTES
        fixed, of_step = self._line[key]
        return fixed + int(n_steps) * of_step

    def _buffer_shapes(self, n_steps, n_sequences, training, keep):
        rows, N, H = n_steps + n_sequences, n_sequences, self.n_last
        shapes = _prefixed(
            (f"layers.{block.number}", block.buffer_shapes(rows, n_steps, n_sequences, training, keep))
            for block in self.blocks
        )
        shapes |= _prefixed([("pooling", self.pooling.buffer_shapes(n_steps, n_sequences, training))])
        P = n_steps if self.pooling.keeps_steps else N
        shapes |= {"pooled.h": (P, H + 1), "pooled.raw": (P, self.n_outputs)}
        if training:
            shapes |= {"pooled.dh": (P, H), "pooled.d_raw": (P, self.n_outputs)}
        if training and self.structure.dropout:
            shapes["pooled.M"] = N, H
        for name, front in self.fronts.items():
            shapes |= _prefixed([(name, front.buffer_shapes(n_steps, n_sequences, training))])
        return shapes

    def allocate_buffers(self, n_steps, n_sequences, training, keep=False):
        """Room for one thread, for shards of at most `n_sequences` sequences of `n_steps` steps in all."""
        shapes = self._buffer_shapes(n_steps, n_sequences, training, keep)
        # Back-propagation multiplies rows that no step has written by 0, so these must not be NaN.
        arena = Arena(shapes, self.dtype, zeros=training)
        arena.part("pooled")["h"][:, self.n_last] = 1  # for the biases of the readout
        return arena

    def take_workspace(self, n_steps, n_sequences, n_threads, keep=False):
        """Packed weights and buffers for a prediction, to be given back after use.

        A small one is kept for the next prediction: for a single sequence, new memory costs more than its use.
        """
        try:
            workspace = self._spare.popleft()
        except IndexError:
            workspace = None
        room = n_steps, n_sequences, n_threads, keep
        if workspace is None or any(has < wanted for has, wanted in zip(workspace.room, room, strict=True)):
            buffers = [self.allocate_buffers(n_steps, n_sequences, False, keep) for _ in range(n_threads)]
            workspace = Workspace(room, self.allocate_packed(), buffers)
        return workspace

    def give_back(self, workspace):
        """Keep a workspace for the next `take_workspace`, unless it is large."""
        if sum(arena.memory.nbytes for arena in (workspace.packed, *workspace.buffers)) <= LARGEST_SPARE:
            self._spare.append(workspace)

    # ------------------------------------------------------------------------------------------------- a shard
    def n_steps(self, lengths):
        """Steps of the recurrent layers for sequences of these lengths."""
        return lengths if self.structure.convolution is None else self.structure.convolution.n_steps(lengths)

    @cached_property
    def runs_in_segments(self):
        """Whether sequences may come in segments of steps, each from the states that the one before has left."""
        conv, structure = self.structure.convolution, self.structure
        sees_one_step = conv is None or conv.width == conv.stride == 1
        return sees_one_step and not structure.bidirectional and self.pooling.in_segments

    def _plan(self, begins, lengths, segment):
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

    def forward(self, packed, buffers, values, begins, lengths, *, noise=None, **options):
        """Run one shard; its raw predictions are the first rows of ``buffers.part("pooled")["raw"]``, one for each
        sequence, or for each live row where the pooling keeps the steps.

        Returns the plan of the shard, which `backward` needs. Arguments are those of `run_layers`.
        """
        plan = self.run_layers(packed, buffers, values, begins, lengths, noise=noise, **options)
        self.pool(packed, buffers, plan)
        self.read_out(packed, buffers, plan, noise)
        return plan

    def run_layers(
        self,
        packed,
        buffers,
        values,
        begins,
        lengths,
        *,
        training=False,
        noise=None,
        keep=False,
        initial=None,
        segment=None,
    ):
        """Run one shard, or a segment of its steps, up to the outputs of the last layer; returns the plan.

        values : all steps of all sequences; begins, lengths : where the shard's sequences, or their parts in the
        segment, lie in it, longest first; noise : what dropout is drawn from, None for none; keep : whether to keep the
        outputs of all layers in any case; initial : for each layer a dict of direction to (h, other states) to start
        from; segment : which steps of the sequences these are, None: all.
        """
        plan = self._plan(begins, lengths, segment)
        X, rows = self._inputs(packed, buffers, values, begins, lengths, plan)
        for k, block in enumerate(self.blocks):
            block.forward(packed, buffers, X, rows, plan, training, noise, keep, initial and initial[k])
            X, rows = block.outputs(buffers), plan.order
        return plan

    def final_states(self, buffers, plan):
        """States of all layers behind the last steps of `plan`, as `run_layers` takes them to start from."""
        return [block.final_states(buffers, plan.starts) for block in self.blocks]

    def pool(self, packed, buffers, plan):
        """Pool the outputs of the last layer; of a segment, into what those before it have left."""
        top, pooled = self.blocks[-1], buffers.part("pooled")["h"]
        if top.keeps_outputs:
            weights, scratch = packed.part("pooling"), buffers.part("pooling")
            self.pooling.forward(weights, scratch, top.outputs(buffers), plan.starts, pooled, plan.segment)
        else:
            for states, H, column in top.final_outputs(buffers):
                last_states(states, plan.starts, H, pooled, column)

    def read_out(self, packed, buffers, plan, noise):
        """Raw predictions of the sequences of `plan`, from their pooled outputs."""
        arrays = buffers.part("pooled")
        pooled = arrays["h"]
        if self.readout and self.structure.dropout and noise is not None:
            dropout_mask(
                noise.key(len(self.blocks)), noise.identities, self.structure.dropout, self.n_last, arrays["M"]
            )
            self.pooling.mask(pooled, arrays["M"], plan.starts)
        n_rows = self.pooling.n_rows(plan.starts)
        if self.readout:
            self.readout.forward(packed.part("readout"), pooled, arrays["raw"], n_rows)
        else:
            arrays["raw"][:n_rows, : self.n_outputs] = pooled[:n_rows, : self.n_outputs]

    def _inputs(self, packed, buffers, values, begins, lengths, plan):
        """What the first layer reads, and for each direction the row of it for each live row."""
        X, rows = values, plan.rows
        for name, front in self.fronts.items():
            front.forward(packed.part(name), buffers.part(name), X, rows, begins, lengths, plan)
            X, rows = buffers.part(name)["Y"], plan.order["forward"]
        if self.fronts:
            return X, plan.order
        rows = {"forward": plan.rows}
        if self.structure.bidirectional:
            rows["backward"] = plan.rows[plan.order["backward"]]
        return values, rows

    def backward(self, packed, buffers, plan, gradient, *, noisy=False, keep_dh=False):
        """Gradient of one shard, from ``buffers.part("pooled")["d_raw"]``, into `gradient` (see `allocate_gradient`).

        noisy : whether `forward` had noise. With `keep_dh` (and `keep` in `forward`), the gradients of all h_t stand
        in the layers' ``output.dY`` afterwards.
        """
        self.backward_read_out(packed, buffers, plan, gradient, noisy)
        self.backward_layers(packed, buffers, plan, gradient, noisy=noisy, keep_dh=keep_dh)

    def backward_read_out(self, packed, buffers, plan, gradient, noisy):
        """The way back of `read_out`, to the gradients of pooled outputs."""
        arrays, H = buffers.part("pooled"), self.n_last
        d_pooled, n_rows = arrays["dh"], self.pooling.n_rows(plan.starts)
        if self.readout:
            self.readout.backward(
                *(packed.part("readout"), arrays["h"], arrays["d_raw"], d_pooled, gradient.part("readout"), n_rows)
            )
        else:
            d_pooled[:n_rows, :H] = arrays["d_raw"][:n_rows, :H]
        if self.readout and self.structure.dropout and noisy:
            self.pooling.mask(d_pooled, arrays["M"], plan.starts)

    def backward_layers(self, packed, buffers, plan, gradient, *, noisy=False, keep_dh=False, n_known=0):
        """The way back of `pool` and `run_layers`, from the gradients of pooled outputs.

        n_known : for how many sequences, the first ones, the gradients of the states behind the segment stand in the
        buffers, because that segment was the last one that went back through them.
        """
        arrays, top = buffers.part("pooled"), self.blocks[-1]
        d_pooled = arrays["dh"]
        if top.keeps_outputs:
            self.pooling.backward(
                *(packed.part("pooling"), buffers.part("pooling"), top.outputs(buffers), plan.starts, arrays["h"]),
                *(d_pooled, top.output_gradients(buffers), gradient.part("pooling"), plan.segment),
            )
        elif keep_dh:
            top.output_gradients(buffers)[:] = 0
        top.start_backward(buffers, plan.starts[1], None if top.keeps_outputs else d_pooled, n_known)
        for block in reversed(self.blocks):
            dX = None
            if block.number > 0:
                below = self.blocks[block.number - 1]
                below.start_backward(buffers, plan.starts[1], n_known=n_known)
                dX = below.output_gradients(buffers)
            elif self.fronts:
                dX = buffers.part(next(reversed(self.fronts)))["dY"]
            has_dY = keep_dh or block is not top or top.keeps_outputs
            block.backward(packed, buffers, plan, gradient, dX, has_dY, keep_dh, noisy)
        names = list(self.fronts)
        for k, name in reversed(list(enumerate(names))):
            dX = buffers.part(names[k - 1])["dY"] if k else None
            self.fronts[name].backward(packed.part(name), buffers.part(name), plan, gradient.part(name), dX)


def _fronts(structure):
    """What the sequences go through before the first layer, by name and in order; and the columns that come out."""
    n_columns, fronts = structure.n_inputs, {}
    if structure.convolution is not None:
        fronts["convolution"] = Convolution(structure.convolution, n_columns)
    if structure.decay:
        fronts["decay"] = Decay(n_columns, len(structure.embeddings))
    if structure.embeddings:
        n_read = fronts["decay"].n_outputs if structure.decay else n_columns
        fronts["embedding"] = Embedding(structure.embeddings, n_read, n_columns - n_read)
    return fronts, fronts[next(reversed(fronts))].n_outputs if fronts else n_columns


def _named(weights, prefix, part):
    return {name: weights[f"{prefix}.{name}"] for name in part.shapes}


def _prefixed(shapes_of_parts):
    return {f"{prefix}.{name}": shape for prefix, shapes in shapes_of_parts for name, shape in shapes.items()}
