"""The network over one flat parameter vector: front, recurrent layers, pooling and readout, as far as wanted.

A mini-batch is cut into shards; a shard goes through the whole network, forward and back, in one thread. Shards do not
depend on the number of threads, and their gradients are added in their order, so neither do the results, bit for bit.

Theta comes in, predictions or gradients go out; a network has no state but memory that it reuses (for each kind of
prediction two workspaces of up to 8 megabytes).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .._core.cached import cached_property
from ..kernels.copies import copy_all, copy_table
from .arena import prefixed
from .decoder import Decoder
from .head import head_of
from .layout import Layout
from .memory import Memory
from .stack import Stack

INNER_CACHE = 32768  # bytes of the first-level cache that a step may fill


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


class Network:
    """The network that a structure describes.

    Parameters
    ----------
    structure : Structure
    n_held : tuple of int, default=None
        Rows of each table of codes that there is room for, if only those that a batch reads are held.

    Attributes
    ----------
    stack : Stack
    head : Head
    layers : dict of str to Layer
        What has weights, of stack and head, by the first part of the weights' names.
    layout : Layout
        Names, shapes and places of the parameters in theta.
    memory : Memory
    """

    def __init__(self, structure, n_held=None):
        self.structure, self.dtype, self.n_outputs = structure, np.dtype(structure.dtype), structure.n_outputs
        self.n_held = n_held
        self.stack = Stack(structure, n_held)
        self.head = Decoder(structure, self.stack) if structure.decoder else head_of(structure, self.stack)
        self.layers = self.stack.layers | self.head.layers
        self.memory = Memory(self.stack, self.head, self.dtype)
        self.layout = Layout(prefixed((prefix, layer.shapes) for prefix, layer in self.layers.items()))
        # Where each number goes, found at the first use: it is the same for every theta and every arena.
        self._pack_table = self._unpack_table = None

    @property
    def size(self):
        """Number of parameters."""
        return self.layout.size

    @property
    def n_levels(self):
        """Levels of recurrent layers, those of a decoder among them."""
        return len(self.stack.levels) + self.head.n_levels

    def shard_rows(self, n_sequences):
        """Sequences per shard of a mini-batch; a property of the network and the batch, not of the machine.

        Enough for the products to reuse what they load, enough shards for a few threads, and few enough for the
        pre-activations of a step to stay in the inner cache until the cell has read them.
        """
        step_bytes = 32 * self.stack.n_columns * self.dtype.itemsize
        return 32 if n_sequences > 64 and step_bytes <= INNER_CACHE else 16 if n_sequences > 8 else 8

    # ---------------------------------------------------------------------------------------------- parameters
    def initialize(self, rng, scheme, raw=0.0):
        """Theta to start from, by an `initializers.Scheme`; raw predictions start near `raw`."""
        theta = np.zeros(self.size)
        weights = self.layout.views(theta)
        for prefix, layer in self.layers.items():
            layer.initialize(_named(weights, prefix, layer), rng, scheme)
        self.head.start_at(raw, weights)
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
        for prefix, layer in self.layers.items():
            for name, limit in (layer.cell.bounds(n_steps) if hasattr(layer, "cell") else {}).items():
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

    def pack(self, theta, arena):
        """Bring theta into the form that the products read; all threads share it."""
        copy_all(theta, arena.memory, self.pack_table(theta, arena))
        return arena

    def pack_table(self, theta, arena):
        """Where `copy_all` brings each number of theta."""
        if self._pack_table is None:
            weights, pairs = self.layout.views(theta), []
            for prefix, layer in self.layers.items():
                pairs += layer.packing(_named(weights, prefix, layer), arena.group(prefix))
            self._pack_table = copy_table(pairs, theta, arena.memory)
        return self._pack_table

    def unpack_table(self, arena, gradient):
        """Where `copy_all` brings each number of a gradient in packed form."""
        if self._unpack_table is None:
            named, pairs = self.layout.views(gradient), []
            for prefix, layer in self.layers.items():
                pairs += layer.unpacking(arena.group(prefix), _named(named, prefix, layer))
            self._unpack_table = copy_table(pairs, arena.memory, gradient)
        return self._unpack_table

    # ------------------------------------------------------------------------------------------------- a shard
    def n_steps(self, lengths):
        """Steps of the recurrent layers for sequences of these lengths."""
        convolution = self.structure.convolution
        return lengths if convolution is None else convolution.n_steps(lengths)

    @cached_property
    def in_segments(self):
        """Whether sequences may come in segments of steps, each from the states that the one before has left."""
        return self.stack.in_segments and self.head.pooling.in_segments


def _named(weights, prefix, layer):
    return {name: weights[f"{prefix}.{name}"] for name in layer.shapes}
