"""Small random networks with a decoder, and data for them: builders only."""

from typing import NamedTuple

import numpy as np
import reference as ref
from networks import CELLS
from reference_decoder import decode

from skrnn.losses import MultinomialLogLoss
from skrnn.network.data import Data
from skrnn.network.decoding import read_outputs
from skrnn.network.inference import Predictor
from skrnn.network.network import Network
from skrnn.network.shards import ThreadExecutor
from skrnn.network.structure import Structure
from skrnn.training.objective import Objective

D, LABELS = 3, 4  # channels; labels without the end
OF_BOTH = "layer_norm", "residual", "dropout", "recurrent_dropout", "zoneout"
LENGTHS = [5, 1, 7, 3, 3], [2, 4, 1, 3, 6]


class Problem(NamedTuple):
    """A network, its weights, what the encoder reads, and for each sequence the labels with the end."""

    cell: str
    network: Network
    theta: np.ndarray
    sequences: list
    labels: list

    def data(self, weights=None, picked=None):
        """The `Data` of some of the sequences, all by default; weights : of the rows of each sequence."""
        picked = range(len(self.sequences)) if picked is None else picked
        sequences, labels = [self.sequences[i] for i in picked], [self.labels[i] for i in picked]
        offsets, out = (np.cumsum([0, *map(len, rows)]) for rows in (sequences, labels))
        target = np.concatenate(labels)[:, np.newaxis].astype(float)
        weight = None if weights is None else np.concatenate([weights[i] for i in picked])
        dtype = self.network.dtype
        data = Data(np.concatenate(sequences), offsets, target, weight, out)
        data.outputs = Data(np.concatenate([self.read(i) for i in picked]).astype(dtype), out)
        return data

    def read(self, i):
        """What the decoder reads of sequence i: 0, then one more than each label before."""
        return np.append(0, self.labels[i][:-1] + 1.0)[:, np.newaxis]

    @property
    def weights(self):
        """By name, in double precision."""
        return self.network.layout.views(self.theta.astype(np.float64))

    @property
    def options(self):
        """What the oracle has to know of the network."""
        structure = self.network.structure
        conv = structure.convolution
        convolution = None if conv is None else {"stride": conv.stride, "activation": conv.activation}
        options = {"attention": structure.attention, "residual": structure.residual, "convolution": convolution}
        return options | {"cell": self.cell}

    def expected(self, i):
        """Raw predictions of sequence i, and weights of attention, as the oracle has them."""
        return decode(self.weights, self.sequences[i].astype(float), self.read(i), **self.options)


def network_of(cell, attention, hidden=(4,), dtype=np.float64, **options):
    """A network with a decoder that reads and puts out labels."""
    cell, name = CELLS[cell], np.dtype(dtype).name
    inner = {key: value for key, value in options.items() if key in OF_BOTH}
    codes = ((0, LABELS + 1, 3),)
    decoder = Structure(cell, 1, hidden, LABELS + 1, name, pooling="steps", embeddings=codes, **inner)
    pooling = "unaligned" if attention else "last"
    parts = {"pooling": pooling, "decoder": decoder, "attention": attention}
    return Network(Structure(cell, D, hidden, LABELS + 1, name, **parts, **options))


def problem(cell="gru", attention="additive", lengths=LENGTHS, dtype=np.float64, seed=0, **options):
    """A random network, weights, sequences and labels."""
    rng = np.random.default_rng(seed)
    network = network_of(cell, attention, dtype=dtype, **options)
    theta = np.empty(network.size)
    for view in network.layout.views(theta).values():
        view[...] = rng.normal(size=view.shape) / np.sqrt(len(view) if view.ndim == 2 else 1)
    sequences = [rng.normal(size=(n, D)).astype(dtype) for n in lengths[0]]
    labels = [np.append(rng.integers(0, LABELS, n - 1), LABELS) for n in lengths[1]]
    return Problem(cell, network, theta.astype(dtype), sequences, labels)


def value_and_gradient(problem, data, *, smoothing=0.0, alpha=0.0, n_threads=1, seed=None, theta=None, **options):
    """Of what training minimises, on all sequences."""
    n, theta = len(data.lengths), problem.theta if theta is None else theta
    with ThreadExecutor(n_threads) as executor:
        what = problem.network, data, MultinomialLogLoss(smoothing), alpha, executor, n
        return Objective(*what, **options).value_and_gradient(theta, np.arange(n), seed)


def read(problem, data, n_threads=1, **options):
    """Raw predictions and attention of each sequence, as lists."""
    with ThreadExecutor(n_threads) as executor:
        predictor = Predictor(problem.network, problem.theta, data, executor, **options)
        wants_attention = problem.network.structure.attention is not None
        found = read_outputs(predictor, wants_attention=wants_attention)
    return np.split(found.raw, data.target_offsets[1:-1]), found.attention


def derivatives(f, weights, seed=1):
    """A direction for each named weight, and the derivative of f along it."""
    return ref.directional_derivatives(f, weights, np.random.default_rng(seed))
