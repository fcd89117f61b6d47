"""What is told about gradients: norms of dL/dh_t, and the norm of each update before it was clipped."""

from functools import partial
from itertools import product

import numpy as np
import pytest
import reference as ref
from networks import (
    CELLS,
    EVERYTHING,
    as_data,
    make_network,
    named,
    oracle_options,
    problem,
    random_network,
    random_sequences,
    value_and_gradient,
)
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import RNNClassifier, RNNRegressor
from skrnn.convolution import Conv
from skrnn.losses import SquaredError
from skrnn.network.codes import LabelSequenceLoss, padded
from skrnn.network.inference import Predictor
from skrnn.optimizers import LBFGS, SGD
from skrnn.training.back_propagation import gradient_norms
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

problem = partial(problem, lengths=[4, 1, 6, 3], D=2)
POOLINGS = ["last", "mean", "max", "attention"]


def norms_of(network, theta, sequences, target):
    return gradient_norms(Predictor(network, theta, as_data(sequences, target), None), SquaredError())


def expected_norms(cell, network, theta, x, y, **options):
    """Norms (n_steps, n_layers) for one sequence: derivatives of its own loss by nudges of h_t."""
    oracle, weights = oracle_options(network.structure) | options, named(network, theta)
    directions = ("forward", "backward")[: 1 + network.structure.bidirectional]
    n_steps, norms = network.n_steps(len(x)), []
    for level in network.stack.levels:
        width = level.n_outputs // len(directions)
        nudges = {f"layers.{level.number}.{d}": np.zeros((n_steps, width)) for d in directions}

        def loss(nudges):
            raw = ref.forward(weights, x, cell, nudges=nudges, **oracle)
            if network.head.readout is None:
                raw = raw + 0j  # the prediction does not depend on the state that it goes into, only later ones do
            return ref.squared_error(raw[None], y[None])[0][0]

        slopes = ref.complex_step(loss, nudges)
        norms.append(np.linalg.norm(np.hstack(list(slopes.values())), axis=1))
    return np.array(norms).T


def assert_norms(cell, network, theta, sequences, target, rtol=1e-10, atol=1e-12, **options):
    norms = norms_of(network, theta, sequences, target)
    assert len(norms) == len(sequences)
    for x, y, actual in zip(sequences, target, norms, strict=True):
        assert actual.dtype == network.dtype
        expected = expected_norms(cell, network, theta, x, y, **options)
        assert_allclose(actual, expected, rtol, atol, err_msg=str(network.structure))


# ----------------------------------------------------------------------------------------------------------- the oracle
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("bidirectional", [False, True])
def test_norms_equal_the_oracle(cell, bidirectional):
    assert_norms(cell, *problem(cell, bidirectional=bidirectional))


@pytest.mark.parametrize("cell", ["lstm", "gru_before", "jordan"])
@pytest.mark.parametrize("pooling", POOLINGS)
def test_norms_in_any_structure(cell, pooling):
    """All structures of a cell, each with one pooling; each two of their options and each pooling meet."""
    structures = product((False, True), (False, True), (False, True), (None, 1))
    for number, (bidirectional, layer_norm, residual, conv) in enumerate(structures):
        if (number + number // 4) % len(POOLINGS) != POOLINGS.index(pooling):
            continue  # with another pooling
        if cell == "jordan" and not bidirectional and (layer_norm or residual):
            continue
        options = {"bidirectional": bidirectional, "layer_norm": layer_norm, "residual": residual, "pooling": pooling}
        options["convolution"] = conv and Conv(3, width=3, stride=2)
        assert_norms(cell, *problem(cell, lengths=[5, 2], hidden=(3, 3), **options))


def test_norms_of_a_network_with_noise_are_those_without():
    """Nothing is left out, and zoneout has its expectation."""
    rates = {"dropout": 0.5, "input_dropout": 0.5, "recurrent_dropout": 0.5, "zoneout": 0.3}
    assert_norms("lstm", *problem("lstm", bidirectional=True, **rates), zoneout=0.3)


def test_norms_of_many_sequences():
    """More than fit one shard, in any order of lengths; each by its own loss."""
    lengths = np.random.default_rng(1).integers(1, 9, 70).tolist()
    network, theta, sequences, target = problem("gru", lengths=lengths, bidirectional=True)
    together = norms_of(network, theta, sequences, target)
    assert [len(norms) for norms in together] == lengths
    for i in (0, 31, 32, 69):
        (alone,) = norms_of(network, theta, sequences[i : i + 1], target[i : i + 1])
        assert_allclose(together[i], alone, rtol=1e-12)
        assert_allclose(alone, expected_norms("gru", network, theta, sequences[i], target[i]), rtol=1e-10)


def test_norms_in_single_precision():
    network, theta, sequences, target = problem("lstm", dtype=np.float32, **EVERYTHING)
    wide = make_network("lstm", 2, (4, 4), 2, np.float64, **EVERYTHING)
    expected = norms_of(wide, theta.astype(float), [x.astype(float) for x in sequences], target)
    for actual, norms in zip(norms_of(network, theta, sequences, target), expected, strict=True):
        assert actual.dtype == np.float32
        assert_allclose(actual, norms, rtol=1e-4, atol=1e-5)


def test_norms_vanish_and_explode_as_they_must():
    """Without an activation each step back multiplies by W_h."""
    for factor in (0.5, 1.0, 2.0):
        network = make_network("elman_identity", 1, [3], 1)
        weights = {name: np.ones(shape) for name, shape in network.layout.shapes.items()}
        weights["layers.0.forward.W_h"] = factor * np.eye(3)
        x, theta = np.zeros((10, 1)), network.flatten(weights)
        (norms,) = norms_of(network, theta, [x], np.array([[-1.0]]))
        assert_allclose(norms[:, 0], norms[-1, 0] * factor ** np.arange(9, -1, -1))


# ---------------------------------------------------------------------------------------------------- norms of updates
def train(network, theta, sequences, target, optimizer, clip_norm, max_iter=4, batch_size=2):
    settings = Settings(0.1, batch_size, 0.05, max_iter, clip_norm, False, 0.0, 100, 1, False)
    state = TrainingState(theta.copy())
    training = Training(network, state, as_data(sequences, target), SquaredError(), None, settings)
    assert "Maximum number" in training.run(optimizer, np.arange(len(sequences)), np.arange(0))
    return state


def test_norms_of_updates_are_taken_before_clipping():
    network, theta, sequences, target = problem("gru")
    _, gradient = value_and_gradient(network, theta, sequences, target, indices=[0, 1], alpha=0.1)
    norm = np.linalg.norm(gradient)
    optimizer = SGD(momentum=0.0, nesterov=False)
    free = train(network, theta, sequences, target, optimizer, np.inf)
    clipped = train(network, theta, sequences, target, optimizer, norm / 100)
    for training in (free, clipped):
        assert len(training.gradient_norms) == training.n_updates == 8
        assert training.gradient_norms[0] == pytest.approx(norm, rel=1e-12)
    assert clipped.gradient_norms[1] != free.gradient_norms[1]
    # what was clipped is the step
    once = train(network, theta, sequences[:2], target[:2], optimizer, norm / 100, max_iter=1)
    _, gradient = value_and_gradient(network, theta, sequences[:2], target[:2], alpha=0.1)
    assert_allclose(theta - once.theta, 0.05 * gradient / 100, rtol=1e-9, atol=1e-15)


def test_norms_of_evaluations_of_lbfgs():
    network, theta, sequences, target = problem("gru")
    training = train(network, theta, sequences, target, LBFGS(), np.inf)
    assert len(training.gradient_norms) == training.n_updates >= 4
    _, gradient = value_and_gradient(network, theta, sequences, target, alpha=0.1)
    assert training.gradient_norms[0] == pytest.approx(np.linalg.norm(gradient), rel=1e-12)


def test_an_update_that_diverges_is_not_counted():
    network, theta, sequences, target = problem("elman_relu", lengths=[30, 30, 30, 30], dtype=np.float32)
    settings = Settings(0.0, 2, 1e20, 5, np.inf, False, 0.0, 100, 1, False)
    state = TrainingState(theta)
    training = Training(network, state, as_data(sequences, target), SquaredError(), None, settings)
    assert "diverged" in training.run(SGD(), np.arange(4), np.arange(0))
    assert len(state.gradient_norms) == state.n_updates
    assert np.isfinite(state.gradient_norms).all()


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_attributes_of_estimators(kind, solver):
    rng = np.random.default_rng(0)
    X, y = random_sequences(rng, [5, 3, 8, 2, 6, 4] * 4, 2), np.arange(24) % 3
    settings = {"cell": "gru", "solver": solver, "max_iter": 3, "random_state": 0, "batch_size": 7, "tol": 0.0}
    settings |= {"learning_rate": "constant", "dropout": 0.0}
    fitted = []
    for clip_norm in (1e-3, 1e6):
        estimator = kind((5, 4), bidirectional=True, clip_norm=clip_norm, **settings)
        with pytest.warns(match="Maximum number"):
            fitted.append(estimator.fit(X, y))
        curve = estimator.gradient_norm_curve_
        assert curve.dtype == np.float64
        assert curve.shape == (estimator.t_,)
        assert (curve > 1e-3).all()
    assert fitted[0].t_ == 12 or solver == "lbfgs"
    assert fitted[0].gradient_norm_curve_[0] == fitted[1].gradient_norm_curve_[0]
    norms = estimator.gradient_norms(X, y)
    assert [n.shape for n in norms] == [(len(x), 2) for x in X]
    assert all(np.isfinite(n).all() and n.any() for n in norms)
    for a, b in zip(norms, estimator.set_params(n_jobs=2).gradient_norms(X, y), strict=True):
        assert_array_equal(a, b)


# ------------------------------------------------------------------------------------------------ labels of no step
@pytest.mark.parametrize("options", [{"hidden": (4, 3), "layer_norm": True}, {"convolution": Conv(4, 3, stride=2)}])
def test_gradients_of_labels_without_alignment(options):
    """Central differences through the whole network, with its masks, and with steps that a convolution leaves."""
    rng = np.random.default_rng(0)
    options = {"hidden": (4,), "bidirectional": True, "dropout": 0.3} | options
    network, theta = random_network(rng, "gru", 2, options.pop("hidden"), 3, pooling="unaligned", **options)
    sequences, target = random_sequences(rng, [9, 3, 12, 7], 2), padded([[0, 0, 1], [], [1, 0], [1, 1]])
    what = {"loss": LabelSequenceLoss(), "alpha": 0.1, "weight": [1.0, 2.0, 0.5, 1.0], "seed": 3}
    _, gradient = value_and_gradient(network, theta, sequences, target, **what)
    along, step = rng.normal(size=theta.shape), 1e-6
    values = [value_and_gradient(network, theta + s * along, sequences, target, **what)[0] for s in (-step, step)]
    assert_allclose((values[1] - values[0]) / (2 * step), gradient @ along, rtol=1e-7)
