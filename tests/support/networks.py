"""Small random networks and data for tests: builders only."""

import numpy as np
import reference as ref

from skrnn.cells import GRU, LSTM, MGU, Elman, IndRNN, Jordan, LinOSS, MinGRU
from skrnn.convolution import Conv
from skrnn.losses import SquaredError
from skrnn.network.arena import MovingArena
from skrnn.network.data import Data
from skrnn.network.inference import Predictor
from skrnn.network.network import Network
from skrnn.network.plan import Keys, Mode, Stretch
from skrnn.network.programs import ShardPrograms
from skrnn.network.shards import ThreadExecutor
from skrnn.network.structure import Structure
from skrnn.training.objective import Objective

CELLS = {  # by the oracle's names
    "elman": Elman(),
    "elman_relu": Elman(activation="relu"),
    "elman_identity": Elman(activation="identity"),
    "gru": GRU(),
    "gru_before": GRU(reset="before"),
    "indrnn": IndRNN(),
    "indrnn_tanh": IndRNN(activation="tanh"),
    "jordan": Jordan(),
    "jordan_relu_identity": Jordan(activation="relu", output_activation="identity"),
    "linoss": LinOSS(),
    "linoss_relu": LinOSS(activation="relu"),
    "lstm": LSTM(),
    "lstm_peepholes": LSTM(peepholes=True),
    "mgu": MGU(),
    "mgu_no_input": MGU(forget_gate="no_input"),
    "mgu_no_input_no_bias": MGU(forget_gate="no_input_no_bias"),
    "mgu_bias_only": MGU(forget_gate="bias_only"),
    "mingru": MinGRU(),
}
# All that may stand around the cells at once; sizes have to be equal for it.
EVERYTHING = {"bidirectional": True, "pooling": "attention", "layer_norm": True, "residual": True}
EVERYTHING |= {"convolution": Conv(4, width=3, stride=2, activation="tanh")}


def make_network(cell, D, hidden, K, dtype=np.float64, **options):
    """A network of `CELLS[cell]`, or of a cell."""
    cell = CELLS[cell] if isinstance(cell, str) else cell
    return Network(Structure(cell, D, tuple(hidden), K, np.dtype(dtype).name, **options))


def random_network(rng, cell, D, hidden, K, dtype=np.float64, scale=1.0, **options):
    """A network as `make_network` makes it, and weights for it whose products are of size `scale`."""
    network = make_network(cell, D, hidden, K, dtype, **options)
    theta = np.empty(network.layout.size)
    for view in network.layout.views(theta).values():
        view[...] = scale / np.sqrt(view.shape[0] if view.ndim == 2 else 1) * rng.normal(size=view.shape)
    return network, theta.astype(dtype)


def random_sequences(rng, lengths, D, dtype=np.float64):
    return [rng.normal(size=(T, D)).astype(dtype) for T in lengths]


def problem(cell, lengths=(5, 1, 8, 3), hidden=(4, 4), dtype=np.float64, *, D=3, K=2, seed=0, **options):
    """Random network, weights, sequences, and targets: one a sequence, or one a step with the pooling "steps"."""
    rng = np.random.default_rng(seed)
    hidden = hidden[:1] * len(hidden) if options.get("residual") else hidden
    network, theta = random_network(rng, cell, D, hidden, K, dtype, **options)
    n_rows = sum(lengths) if options.get("pooling") == "steps" else len(lengths)
    return network, theta, random_sequences(rng, lengths, D, dtype), rng.normal(size=(n_rows, K))


def weighted_problem(*args, **options):
    """Network and weights of `problem`, and its data with a weight for each target."""
    network, theta, sequences, target = problem(*args, **options)
    return network, theta, as_data(sequences, target, np.random.default_rng(1).uniform(0.5, 2, len(target)))


def as_data(sequences, target=None, weight=None):
    offsets = np.cumsum([0, *map(len, sequences)])
    return Data(np.concatenate(sequences), offsets, target, None if weight is None else np.asarray(weight, float))


def predict(network, theta, sequences, n_threads=1):
    with ThreadExecutor(n_threads) as executor:
        return Predictor(network, theta, as_data(sequences), executor).predict_raw()


def value_and_gradient(
    network, theta, sequences, target, *, weight=None, indices=None, loss=None, alpha=0.0, n_threads=1, seed=None
):
    """Value of the objective, by default of squared errors, and its gradient, on all sequences or on `indices`."""
    data = as_data(sequences, target, weight)
    indices = np.arange(len(sequences)) if indices is None else np.asarray(indices)
    with ThreadExecutor(n_threads) as executor:
        objective = Objective(network, data, loss or SquaredError(), alpha, executor, len(indices))
        return objective.value_and_gradient(theta, indices, seed)


def named(network, theta):
    """The arrays of a parameter vector or gradient by their names in `weights_`."""
    return network.layout.views(theta)


def oracle_options(structure):
    """What the oracle has to know of a structure, besides weights and cell."""
    conv = structure.convolution
    convolution = None if conv is None else {"stride": conv.stride, "activation": conv.activation}
    return {"pooling": structure.pooling, "residual": structure.residual, "convolution": convolution}


def assert_derivatives(f, network, theta, gradient, rng, rtol=1e-10, atol=1e-12):
    """That the derivative of f(weights) along a random direction of each named weight is that of `gradient`.

    Tolerances are those of the elements of the gradient.
    """
    weights, gradients = named(network, theta.astype(np.float64)), named(network, gradient.astype(np.float64))
    for name, (v, expected) in ref.directional_derivatives(f, weights, rng).items():
        error, part = (v * gradients[name]).sum() - expected, gradients[name]
        assert abs(error) <= (np.abs(v) * (rtol * np.abs(part) + atol)).sum(), (name, error, network.structure)


PREDICTION = Mode()


def run_shard(network, theta, sequences, mode=PREDICTION, order=None, seed=None, identities=None):
    """Take sequences through a network as one shard; returns the programs, which have run up to raw predictions.

    order : numbers of the sequences, longest first; identities : what their masks are drawn for.
    """
    data = as_data(sequences)
    order = np.arange(len(sequences)) if order is None else order
    packed = network.pack(theta, network.memory.allocate_packed())
    thread = network.memory.allocate_thread(len(data.values), len(sequences), mode)
    gradient = MovingArena(network.memory.allocate_gradients(1)) if mode.training else None
    keys = Keys(5 * len(network.stack.levels) + 1)
    if seed is not None:
        keys.draw(seed)
    programs = ShardPrograms(network.stack, network.head, packed, thread, mode, keys, gradient)
    stretch = Stretch.whole(data, order)
    programs.run_forward(data, stretch if identities is None else stretch._replace(sequences=identities))
    programs.pool.run()
    programs.read_out.run()
    return programs
