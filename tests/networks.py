"""Small random networks and data for tests: builders only."""

import numpy as np

from skrnn._threads import ShardPool
from skrnn.cells import GRU, LSTM, Elman
from skrnn.losses import SquaredError
from skrnn.network import Network
from skrnn.training import Data, Objective, predict_raw

CELLS = {"lstm": LSTM(), "gru": GRU(), "elman": Elman(), "elman_relu": Elman(activation="relu")}  # the oracle's names


def random_network(rng, cell, D, hidden, K, dtype=np.float64, scale=1.0):
    """A network of `CELLS[cell]`, and weights for it whose products are of size `scale`."""
    network = Network(CELLS[cell], D, hidden, K, dtype)
    theta = np.empty(network.layout.size)
    for view in network.layout.views(theta).values():
        view[...] = scale / np.sqrt(view.shape[0] if view.ndim == 2 else 1) * rng.normal(size=view.shape)
    return network, theta.astype(dtype)


def random_sequences(rng, lengths, D, dtype=np.float64):
    return [rng.normal(size=(T, D)).astype(dtype) for T in lengths]


def as_data(sequences, target=None, weight=None):
    offsets = np.cumsum([0, *map(len, sequences)])
    weight = np.ones(len(sequences)) if weight is None else np.asarray(weight, float)
    return Data(np.concatenate(sequences), offsets, target, weight)


def predict(network, theta, sequences, n_threads=1):
    with ShardPool(n_threads) as pool:
        return predict_raw(network, theta, as_data(sequences), pool)


def value_and_gradient(
    network, theta, sequences, target, *, weight=None, indices=None, loss=None, alpha=0.0, n_threads=1
):
    """Value of the objective, by default of squared errors, and its gradient, on all sequences or on `indices`."""
    data = as_data(sequences, target, weight)
    indices = np.arange(len(sequences)) if indices is None else np.asarray(indices)
    with ShardPool(n_threads) as pool:
        objective = Objective(network, data, loss or SquaredError(), alpha, pool, len(indices))
        return objective.value_and_gradient(theta, indices)


def named(network, theta):
    """The arrays of a parameter vector or gradient by their names in `weights_`."""
    return network.layout.views(theta)
