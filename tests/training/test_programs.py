"""Whole fits of every kind of network: the same bits for any number of threads, driven or run from Python."""

from itertools import cycle

import numpy as np
import pytest
from networks import CELLS, EVERYTHING, as_data, random_network
from numba.core import config

from skrnn import RNNRegressor, losses, optimizers
from skrnn.convolution import Conv
from skrnn.network import shards
from skrnn.network.codes import LabelSequenceLoss
from skrnn.training import epoch, objective
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is driven without the compiler")
N, BATCH = 75, 40  # sequences in all and in a batch: shards of 16, the last of fewer
NOISE = {"input_dropout": 0.2, "dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.1}
CODES = ((0, 7, 5), (2, 3, 2))
# Options of the network; those of a fit begin with a capital letter.
KINDS = {f"cell {name}": {"cell": name, "hidden": (5,)} for name in CELLS}
KINDS |= {
    "stack": {"hidden": (5, 4, 3)},
    "both directions": {"bidirectional": True, "hidden": (5, 4)},
    "convolution": {"convolution": Conv(4, width=3, activation="tanh")},
    "convolution with a stride": {"convolution": Conv(4, width=3, stride=2), "bidirectional": True},
    "embeddings": {"embeddings": CODES},
    "decay": {"decay": True, "D": 6},
    "decay and embeddings": {"decay": True, "D": 8, "embeddings": ((6, 7, 3), (7, 3, 2))},
    "layer norm": {"layer_norm": True},
    "residual": {"residual": True},
    "everything": EVERYTHING,
    "everything and noise": EVERYTHING | NOISE | {"Batch": 75},
    "noise": NOISE | {"hidden": (5, 4)},
    "noise of an lstm": NOISE | {"cell": "lstm", "bidirectional": True, "pooling": "steps"},
    "targets per step": {"pooling": "steps"},
    "targets per step behind a convolution": {"pooling": "steps", "convolution": Conv(4, width=2)},
    "targets per step in both directions": {"pooling": "steps", "bidirectional": True, "Weight": True},
    "one sequence a batch": {"Batch": 1, "N": 12},
    "one shard": {"Batch": 8},
    "one batch": {"Batch": 200},
    "two shards at a time": {"Group": 2, "Batch": 75, "Weight": True},
    "one shard at a time": {"Group": 1, "Weight": True},
    "more than all shards at a time": {"Batch": 1100, "N": 1200, "longest": 2, "hidden": (3,)},
    "weights": {"Weight": True, "Batch": 30},
    "weights of an lstm": {"Weight": True, "cell": "lstm", "Batch": 60},
    "clipped norms": {"Clip": 0.05},
    "no shuffling": {"Shuffle": False, "Weight": True},
    "a large network": {"cell": "lstm", "hidden": (130,), "N": 20, "Batch": 20},
    "sequences of one step": {"longest": 1},
}
KINDS |= {f"pooling {name}": {"pooling": name} for name in ("mean", "max", "attention")}
KINDS |= {f"noise {name}": {name: rate} for name, rate in NOISE.items()}
for _loss in ("AbsoluteError", "Huber", "Quantile", "Poisson", "BinomialLogLoss", "MultinomialLogLoss"):
    KINDS[f"loss {_loss}"] = {"Loss": getattr(losses, _loss)()}
KINDS |= {
    "labels without alignment": {"Loss": LabelSequenceLoss(), "pooling": "unaligned", "bidirectional": True},
    "labels behind a stride": {
        "Loss": LabelSequenceLoss(),
        "pooling": "unaligned",
        "Weight": True,
        "convolution": Conv(4, width=3, stride=2),
    },
}
for _solver in (optimizers.SGD(), optimizers.SGD(nesterov=False), optimizers.RMSprop(), optimizers.AdamW()):
    KINDS[f"solver {_solver!r}"] = {"Solver": _solver, "Weight": True}
ONLY_FROM_PYTHON = {
    "lbfgs": {"Solver": optimizers.LBFGS(), "Weight": True},
    "truncation": {"Truncation": 3},
    "truncation of targets per step": {"Truncation": 3, "pooling": "steps", "Weight": True},
    "segments": {"Bytes": 2**16, "longest": 300, "N": 8, "Batch": 8},
}
DTYPES = dict(zip(KINDS | ONLY_FROM_PYTHON, cycle([np.float32, np.float64])))
NOT_OF_NETWORKS = ("cell", "hidden", "D", "K", "N", "longest")


def network_and_data(kind, options):
    """A random network of a kind, its parameters, and ragged sequences with targets and weights."""
    rng, dtype, of = np.random.default_rng(5), DTYPES[kind], options.get
    D, n, loss = of("D", 3), of("N", N), of("Loss", losses.SquaredError())
    several = isinstance(loss, (losses.MultinomialLogLoss, LabelSequenceLoss))
    lengths = rng.integers(1, of("longest", 8) + 1, size=n)
    sequences = [rng.normal(size=(length, D)).astype(dtype) for length in lengths]
    for column, size, _ in of("embeddings", ()):
        for x in sequences:
            x[:, column] = rng.integers(0, size, size=len(x))
    rest = {name: value for name, value in options.items() if name not in NOT_OF_NETWORKS and name[0].islower()}
    hidden = of("hidden", (4, 4))
    network, theta = random_network(rng, of("cell", "gru"), D, hidden, 3 if several else 2, dtype, **rest)
    n_rows = lengths.sum() if of("pooling") == "steps" else n
    target = rng.integers(0, 3, size=(n_rows, 1)) if several else rng.normal(size=(n_rows, 2))
    if type(loss).__name__ in ("Poisson", "BinomialLogLoss"):
        target = target > 0
    if isinstance(loss, LabelSequenceLoss):  # one label or none, which have a path however short the sequence is
        target -= 1
    weight = rng.uniform(size=n_rows) * (rng.random(n_rows) < 0.6) if of("Weight") else None
    if weight is not None:
        weight[: n_rows // 2] *= of("Shuffle", True)  # the first batch has no weight at all
    return network, theta, as_data(sequences, target.astype(dtype), weight)


def trained(kind, options, n_threads):
    """All that is left of a fit, as bytes."""
    network, theta, data = network_and_data(kind, options)
    of = options.get
    settings = Settings(
        *(0.01, of("Batch", BATCH), 0.01, 3, of("Clip", np.inf), of("Shuffle", True), None, 10, n_threads, False),
        max_bytes=of("Bytes", 2**30),
        truncation=of("Truncation"),
    )
    run = Training(network, TrainingState(theta, 3), data, of("Loss", losses.SquaredError()), None, settings)
    run.run(of("Solver", optimizers.Adam()), np.arange(len(data.lengths)), np.arange(0))
    state = run.state
    assert len(state.loss_curve) == 3 or "lbfgs" in kind
    assert np.isfinite(state.loss_curve).all()
    arrays = state.theta, state.safe_theta, state.older_theta, *(state.slots or [])
    return {
        "theta": state.theta.tobytes(),
        "losses": state.loss_curve,
        "norms": state.gradient_norms,
        "updates": state.n_updates,
        "others": [None if array is None else array.tobytes() for array in arrays],
    }


@pytest.fixture
def busy(monkeypatch):
    """Threads are woken for any work, however little."""
    monkeypatch.setattr(shards, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(epoch, "WORK_PER_WORKER", 1)


@pytest.fixture
def driven(monkeypatch):
    """How many workers the driver was given, for each epoch that it ran."""
    numbers, original = [], epoch.Epochs._drive

    def drive(self, n_workers):
        numbers.append(n_workers)
        return original(self, n_workers)

    monkeypatch.setattr(epoch.Epochs, "_drive", drive)
    return numbers


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_has_the_same_bits_however_it_runs(kind, driven, monkeypatch):
    """Driven, with 1, 2, 3 and 8 threads, and from Python: parameters, losses, norms, what the solver remembers."""
    options = KINDS[kind]
    monkeypatch.setattr(objective, "MAX_SHARDS", options.get("Group", objective.MAX_SHARDS))
    expected = trained(kind, options, 1)
    assert driven == [1] * 3
    for n_threads in (2, 3, 8):
        assert trained(kind, options, n_threads) == expected
    assert len(driven) == 12
    assert max(driven) > 1 or kind in ("one sequence a batch", "one shard", "one shard at a time")
    monkeypatch.setattr(epoch.Epochs, "_can_be_driven", lambda self: False)
    for n_threads in (1, 3):
        assert trained(kind, options, n_threads) == expected
    assert len(driven) == 12


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("kind", ONLY_FROM_PYTHON)
def test_what_python_controls_has_the_same_bits_for_any_number_of_threads(kind, driven):
    options = ONLY_FROM_PYTHON[kind]
    expected = trained(kind, options, 1)
    for n_threads in (2, 3, 8):
        assert trained(kind, options, n_threads) == expected
    assert driven == []


@pytest.mark.filterwarnings("ignore:Maximum number of iterations")
def test_slices_do_not_grow_from_epoch_to_epoch(monkeypatch):
    """Epochs that are shorter than a slice say nothing of longer ones: 2^64 batches would fit into no word."""
    monkeypatch.setattr(epoch, "SLICE", 1000.0)
    settings = {"hidden_layer_sizes": 3, "cell": "elman", "max_iter": 80, "n_iter_no_change": 100, "random_state": 0}
    reg = RNNRegressor(**settings).fit(np.ones((8, 2, 1)) * np.arange(8.0)[:, np.newaxis, np.newaxis], np.arange(8))
    assert reg.n_iter_ == 80
