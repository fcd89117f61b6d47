"""The network: recurrent layers and an affine readout of the last hidden state, over one flat parameter vector.

A mini-batch is cut into shards; a shard goes through the whole network, forward and back, in one thread. Shards do not
depend on the number of threads, and their gradients are added in their order, so neither do the results, bit for bit.

Theta comes in, predictions or gradients go out; a network has no state but memory that it reuses (two workspaces of up
to a megabyte).
"""

from collections import deque
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ._memory import Arena
from .initializers import glorot_uniform, orthogonal
from .kernels.batches import last_states, load_inputs, load_states, plan_steps
from .kernels.copies import copy_all, copy_table
from .kernels.gemm import product, product_t
from .layers.recurrent import Recurrent
from .parameters import Layout

INNER_CACHE = 32768  # bytes of the first-level cache that a step may fill
LARGEST_SPARE = 2**20  # bytes of a workspace that is kept between predictions


def network_of(cell, weights):
    """The network that has these named weights, and its theta."""
    sizes = []
    while (name := f"layers.{len(sizes)}.forward.W_h") in weights:
        sizes.append(weights[name].shape[0])
    n_inputs, b = weights["layers.0.forward.W_x"].shape[0], weights["readout.b"]
    shape = n_inputs, tuple(sizes), len(b), b.dtype
    try:
        network = _kept_network(type(cell), tuple(sorted(cell.get_params().items())), *shape)
    except TypeError:  # a cell with a parameter that cannot be a key, like a list
        network = Network(cell, *shape)
    return network, network.layout.flatten(weights, network.dtype)


@lru_cache(maxsize=8)
def _kept_network(cell_class, parameters, *shape):
    """Kept, because for a single sequence making a network takes longer than running it."""
    return Network(cell_class(**dict(parameters)), *shape)


class Workspace(NamedTuple):
    """Memory for predictions: room for so many (steps, sequences, threads), packed weights, buffers of each thread."""

    room: tuple
    packed: Arena
    buffers: list


class Network:
    """Recurrent layers and a readout.

    Parameters
    ----------
    cell : BaseCell
    n_inputs : int
        Channels of a time step.
    hidden_layer_sizes : sequence of int
        Units of each recurrent layer, from the input up.
    n_outputs : int
        Raw predictions per sequence.
    dtype : dtype
        float32 or float64: of theta and of all arithmetic.

    Attributes
    ----------
    layout : Layout
        Names, shapes and places of the parameters in theta.
    """

    def __init__(self, cell, n_inputs, hidden_layer_sizes, n_outputs, dtype):
        self.dtype, self.n_outputs = np.dtype(dtype), n_outputs
        sizes = [n_inputs, *hidden_layer_sizes]
        self.layers = [Recurrent(cell, D, H) for D, H in pairwise(sizes)]
        self.n_last = sizes[-1]
        shapes = {}
        for k, layer in enumerate(self.layers):
            shapes |= {f"layers.{k}.forward.{name}": shape for name, shape in layer.layout.shapes.items()}
        self.layout = Layout(shapes | {"readout.W": (self.n_last, n_outputs), "readout.b": (n_outputs,)})
        # Where each number goes, found at the first use: it is the same for every theta and every arena.
        self._pack_table = self._unpack_table = None
        self._spare = deque(maxlen=2)  # workspaces that predictions left; its methods are atomic

    @property
    def size(self):
        """Number of parameters."""
        return self.layout.size

    def shard_rows(self, n_sequences):
        """Sequences per shard of a mini-batch; a property of the network and the batch, not of the machine.

        Enough for the products to reuse what they load, enough shards for a few threads, and few enough for the
        pre-activations of a step to stay in the inner cache until the cell has read them.
        """
        step_bytes = 32 * max(layer.n_columns for layer in self.layers) * self.dtype.itemsize
        return 32 if n_sequences > 64 and step_bytes <= INNER_CACHE else 16 if n_sequences > 8 else 8

    # ---------------------------------------------------------------------------------------------- parameters
    def initialize(self, rng, raw):
        """Theta to start from: Glorot input weights, orthogonal recurrent weights, raw predictions near `raw`."""
        theta = np.zeros(self.size)
        weights = self.layout.views(theta)
        for layer, named in zip(self.layers, self._by_layer(weights), strict=True):
            D, H, gates = layer.n_inputs, layer.n_hidden, layer.cell.gates
            for k, gate in enumerate(gates):
                columns = slice(k * H, (k + 1) * H)
                named["W_x"][:, columns] = glorot_uniform(rng, (D, H), D, H)
                named["W_h"][:, columns] = orthogonal(rng, H, H)
                named["b"][columns] = layer.cell.initial_bias.get(gate, 0.0)
        weights["readout.W"][...] = glorot_uniform(rng, (self.n_last, self.n_outputs), self.n_last, self.n_outputs)
        weights["readout.b"][...] = raw
        return theta.astype(self.dtype)

    def _by_layer(self, weights):
        for k, layer in enumerate(self.layers):
            yield {name: weights[f"layers.{k}.forward.{name}"] for name in layer.layout.shapes}

    def allocate_packed(self):
        """Room for `pack`."""
        shapes = {f"{k}.{n}": s for k, layer in enumerate(self.layers) for n, s in layer.packed_shapes().items()}
        shapes |= {"readout.W": (self.n_last + 1, self.n_outputs), "readout.W_T": (self.n_outputs, self.n_last)}
        return Arena(shapes, self.dtype)

    def pack(self, theta, arena):
        """Bring theta into the form that the products read; all threads share it."""
        if self._pack_table is None:
            weights, packed, H, K = self.layout.views(theta), arena.arrays, self.n_last, self.n_outputs
            pairs = [
                (weights["readout.W"], packed["readout.W"][:H, :K]),
                (weights["readout.b"], packed["readout.W"][H, :K]),
                (weights["readout.W"].T, packed["readout.W_T"][:K, :H]),
            ]
            for k, (layer, named) in enumerate(zip(self.layers, self._by_layer(weights), strict=True)):
                pairs += layer.packing(named, arena.part(k))
            self._pack_table = copy_table(pairs, theta, arena.memory)
        copy_all(theta, arena.memory, self._pack_table)
        return arena

    def allocate_gradient(self):
        """Room for the gradient of one shard, in packed form."""
        shapes = {f"{k}.{n}": s for k, layer in enumerate(self.layers) for n, s in layer.gradient_shapes().items()}
        return Arena(shapes | {"readout.dW": (self.n_last + 1, self.n_outputs)}, self.dtype)

    def unpack_gradient(self, arena):
        """Gradient over theta from its packed form."""
        gradient = np.empty(self.size, self.dtype)
        if self._unpack_table is None:
            named, dW, H, K = self.layout.views(gradient), arena.arrays["readout.dW"], self.n_last, self.n_outputs
            pairs = [(dW[:H, :K], named["readout.W"]), (dW[H, :K], named["readout.b"])]
            for k, (layer, part) in enumerate(zip(self.layers, self._by_layer(named), strict=True)):
                pairs += layer.unpacking(arena.part(k), part)
            self._unpack_table = copy_table(pairs, arena.memory, gradient)
        copy_all(arena.memory, gradient, self._unpack_table)
        return gradient

    # ------------------------------------------------------------------------------------------------- shards
    def allocate_buffers(self, n_steps, n_sequences, training):
        """Room for one thread, for shards of at most `n_sequences` sequences of `n_steps` steps in all."""
        rows = n_steps + n_sequences
        shapes = {
            f"{k}.{name}": shape
            for k, layer in enumerate(self.layers)
            for name, shape in layer.buffer_shapes(rows, n_sequences, training).items()
        }
        shapes |= {"last": (n_sequences, self.n_last + 1), "raw": (n_sequences, self.n_outputs)}
        shapes |= {"d_raw": (n_sequences, self.n_outputs)} if training else {}
        # Back-propagation multiplies rows that no step has written by 0, so these must not be NaN.
        return Arena(shapes, self.dtype, zeros=training)

    def take_workspace(self, n_steps, n_sequences, n_threads):
        """Packed weights and buffers for a prediction, to be given back after use.

        A small one is kept for the next prediction: for a single sequence, new memory costs more than its use.
        """
        try:
            workspace = self._spare.popleft()
        except IndexError:
            workspace = None
        room = n_steps, n_sequences, n_threads
        if workspace is None or any(has < wanted for has, wanted in zip(workspace.room, room, strict=True)):
            buffers = [self.allocate_buffers(n_steps, n_sequences, training=False) for _ in range(n_threads)]
            workspace = Workspace(room, self.allocate_packed(), buffers)
        return workspace

    def give_back(self, workspace):
        """Keep a workspace for the next `take_workspace`, unless it is large."""
        if sum(arena.memory.nbytes for arena in (workspace.packed, *workspace.buffers)) <= LARGEST_SPARE:
            self._spare.append(workspace)

    def forward(self, packed, buffers, values, begins, lengths, training=False):
        """Run one shard; its raw predictions are the first rows of ``buffers.arrays["raw"]``.

        Returns the first rows of the steps, which `backward` needs.

        values : all steps of all sequences; begins, lengths : where the shard's sequences lie in it, longest first.
        """
        starts = np.empty(lengths[0] + 2, np.int64)
        plan_steps(lengths, starts)
        below = None
        for k, layer in enumerate(self.layers):
            part, D, H = buffers.part(k), layer.n_inputs, layer.n_hidden
            if below is None:
                load_inputs(values, begins, D, starts, part["Z"], part["S"], H, layer.n_states)
            else:
                load_states(below, D, starts, part["Z"], part["S"], H, layer.n_states)
            layer.forward(packed.part(k), part, starts, training)
            below = part["Z"]
        last, raw, W = buffers.arrays["last"], buffers.arrays["raw"], packed.arrays["readout.W"]
        last_states(below, starts, H, last)
        product(
            raw, 0, raw.shape[1], last, 0, last.shape[1], W, 0, W.shape[1], len(lengths), self.n_outputs, H + 1, False
        )
        return starts

    def backward(self, packed, buffers, starts, gradient):
        """Gradient of one shard, from ``buffers.arrays["d_raw"]``, into `gradient` (see `allocate_gradient`)."""
        arrays, top = buffers.arrays, len(self.layers) - 1
        N, H, K = starts[1], self.n_last, self.n_outputs
        W_T, dW, dh = packed.arrays["readout.W_T"], gradient.arrays["readout.dW"], arrays[f"{top}.dh"]
        last, d_raw = arrays["last"], arrays["d_raw"]
        product_t(dW, 0, dW.shape[1], last, 0, last.shape[1], d_raw, 0, d_raw.shape[1], H + 1, K, N, False)
        product(dh, 0, dh.shape[1], d_raw, 0, d_raw.shape[1], W_T, 0, W_T.shape[1], N, H, K, False)
        for k in range(top, -1, -1):
            part = buffers.part(k)
            if k < top:
                part["dh"][:N] = 0
            dX = buffers.part(k - 1)["dH"] if k > 0 else None
            self.layers[k].backward(packed.part(k), part, starts, gradient.part(k)["dW"], k < top, dX)
