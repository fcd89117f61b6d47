"""What a structure refuses and allows; the parameters of its network: names, packing, initial values, bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import CELLS, EVERYTHING, as_data, make_network, named, predict, random_network, random_sequences
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skrnn.cells import GRU, LSTM, MGU, MinGRU
from skrnn.convolution import Conv
from skrnn.initializers import Chrono, GlorotUniform, Orthogonal, Scheme
from skrnn.kernels.copies import copy_all
from skrnn.losses import SquaredError
from skrnn.network.network import network_of
from skrnn.network.structure import Structure
from skrnn.optimizers import LBFGS, SGD
from skrnn.training.epoch import Epochs
from skrnn.training.objective import Objective
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState

few = settings(max_examples=10, deadline=None, database=None)
each_cell = pytest.mark.parametrize("cell", CELLS)
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
plain_and_all = pytest.mark.parametrize("options", [{}, EVERYTHING], ids=["plain", "everything"])


# ------------------------------------------------------------------------------------------------------ contradictions
CARRYING = {"lstm", "lstm_peepholes", "gru", "gru_before", "mgu", "mgu_no_input", "mgu_no_input_no_bias"}
CARRYING |= {"mgu_bias_only", "mingru"}
WITHOUT_PRODUCT = {"indrnn": "IndRNN", "linoss": "LinOSS", "mingru": "MinGRU"}  # with the state


def structure(cell="gru", sizes=(4, 4), n_outputs=2, **options):
    return Structure(CELLS[cell], 3, sizes, n_outputs, "float32", **options)


@each_cell
def test_zoneout_needs_a_state_that_is_carried(cell):
    if cell in CARRYING:
        assert structure(cell, zoneout=0.1).is_noisy
        return
    with pytest.raises(ValueError, match=r'zoneout=0\.1 .* computes its h anew .* a cell like "lstm"'):
        structure(cell, zoneout=0.1)


@each_cell
def test_recurrent_dropout_needs_a_product_with_the_state(cell):
    name = WITHOUT_PRODUCT.get(cell.partition("_")[0])
    if name is None:
        assert structure(cell, recurrent_dropout=0.1).is_noisy
        return
    with pytest.raises(ValueError, match=rf"recurrent_dropout=0\.1 .* {name} has no product .*: use dropout"):
        structure(cell, recurrent_dropout=0.1)
    assert structure(cell, dropout=0.1, input_dropout=0.1).is_noisy


def test_residual_needs_equal_sizes():
    with pytest.raises(ValueError, match=r"residual=True .* same number of units; got hidden_layer_sizes=\(4, 5\)"):
        structure(sizes=(4, 5), residual=True)
    for sizes in ((4,), (4, 4), (4, 4, 4)):
        assert structure(sizes=sizes, residual=True).residual
    assert not structure(sizes=(4, 5)).residual


@pytest.mark.parametrize("option", ["layer_norm", "residual"])
def test_a_last_jordan_layer_puts_out_predictions(option):
    with pytest.raises(ValueError, match=f"{option}=True would change .* the predictions: set {option}=False"):
        structure("jordan", **{option: True})
    assert not structure("jordan", bidirectional=True, **{option: True}).puts_out_predictions
    assert not structure("jordan", n_outputs=0, **{option: True}).puts_out_predictions
    assert structure("jordan").puts_out_predictions
    assert not structure("elman", **{option: True}).puts_out_predictions


def test_layer_norm_needs_two_units():
    for sizes in ((1,), (4, 1)):
        with pytest.raises(ValueError, match=r"layer_norm=True .* needs two units or more"):
            structure(sizes=sizes, layer_norm=True)
        assert structure(sizes=sizes, layer_norm=True, bidirectional=True).layer_norm


def test_dropout_needs_a_place():
    with pytest.raises(ValueError, match=r"dropout=0\.5 .* a single Jordan layer has neither: use input_dropout"):
        structure("jordan", sizes=(4,), dropout=0.5)
    for options in ({"bidirectional": True, "dropout": 0.5}, {"input_dropout": 0.5}, {"recurrent_dropout": 0.5}):
        assert structure("jordan", sizes=(4,), **options).is_noisy
    assert structure("jordan", sizes=(4, 4), dropout=0.5).is_noisy


# ---------------------------------------------------------------------------------------------------------------- keys
DIFFERENT = [
    *({"cell": "lstm"}, {"cell": "lstm_peepholes"}, {"cell": "gru_before"}, {"sizes": (4,)}, {"n_outputs": 1}),
    *({"bidirectional": True}, {"pooling": "mean"}, {"layer_norm": True}, {"residual": True}, {"zoneout": 0.5}),
    *({"convolution": Conv()}, {"convolution": Conv(stride=2)}, {"dropout": 0.5}, {"input_dropout": 0.5}),
    *({"recurrent_dropout": 0.5}, {"dropout": 0.25}),
]


def test_keys_tell_structures_apart():
    structures = [structure(), *(structure(**options) for options in DIFFERENT)]
    structures += [Structure(GRU(), 3, (4, 4), 2, "float64"), Structure(GRU(), 2, (4, 4), 2, "float32")]
    assert len({s.key() for s in structures}) == len(structures)


@pytest.mark.parametrize("options", [{}, *DIFFERENT], ids=str)
def test_equal_structures_have_one_network(options):
    copy = {name: clone(value) if isinstance(value, Conv) else value for name, value in options.items()}
    assert structure(**options).key() == structure(**copy).key()
    assert network_of(structure(**options)) is network_of(structure(**copy))


def test_equal_parameters_of_other_cells_are_another_key():
    class Other(GRU):
        pass

    assert Structure(Other(), 1, (1,), 1).key() != Structure(GRU(), 1, (1,), 1).key()


# ---------------------------------------------------------------------------------------------------------- parameters
@each_cell
def test_network_from_weights(cell):
    rng = np.random.default_rng(0)
    network, theta = random_network(rng, cell, 3, (9, 5), 2, np.float32)
    sequences = random_sequences(rng, [3, 1], 3, np.float32)
    weights = {name: view.copy() for name, view in named(network, theta).items()}
    other = network_of(network.structure)
    other_theta = other.flatten(weights)
    assert other.layout.shapes == network.layout.shapes
    assert other.dtype == np.float32
    assert_array_equal(other_theta, theta)
    assert_array_equal(predict(other, other_theta, sequences), predict(network, theta, sequences))
    assert network.layout.size == network.size == theta.size == sum(w.size for w in weights.values())


def test_weights_of_another_network_are_refused():
    network, theta = random_network(np.random.default_rng(0), "gru", 3, (4,), 2)
    weights = {name: view.copy() for name, view in named(network, theta).items()}
    assert_array_equal(network.flatten(dict(reversed(weights.items()))), theta)
    missing = {name: w for name, w in weights.items() if name != "layers.0.forward.b_h"}
    changes = [
        (missing, r"weights_\['layers.0.forward.b_h'\] has shape None, but .* has \(4,\) there"),
        (weights | {"pooling.v": np.zeros(4)}, r"weights_\['pooling.v'\] has shape \(4,\), but .* has None there"),
        (weights | {"readout.W": np.zeros((2, 4))}, r"weights_\['readout.W'\] has shape \(2, 4\), .* \(4, 2\) there"),
        (weights | {"readout.b": np.zeros((1, 2))}, r"weights_\['readout.b'\] has shape \(1, 2\), .* \(2,\) there"),
        (weights | {"readout.b": 0.0}, r"weights_\['readout.b'\] has shape \(\), .* \(2,\) there"),
    ]
    for changed, message in changes:
        with pytest.raises(ValueError, match=message):
            network.flatten(changed)


@each_cell
@plain_and_all
@given(D=st.integers(1, 20), hidden=st.lists(st.integers(1, 40), min_size=1, max_size=3), K=st.integers(1, 5))
@few
def test_pack_and_unpack_are_inverse(cell, options, D, hidden, K):
    """Packing weights and unpacking them as if they were a gradient gives them back; so do other arenas."""
    hidden = hidden[:1] * len(hidden) if options else hidden
    network, theta = random_network(np.random.default_rng(9), cell, D, hidden, K, **options)
    for _ in range(2):
        packed, gradient = (
            network.pack(theta, network.memory.allocate_packed()),
            network.memory.allocate_gradients(1).first,
        )
        for name, array in gradient.arrays.items():
            part, _, slope = name.rpartition(".")
            source = packed.group(part)[slope.removeprefix("d").removeprefix("_")]
            assert array.shape == source.shape
            array[...] = source
        unpacked = np.empty_like(theta)
        copy_all(gradient.memory, unpacked, network.unpack_table(gradient, unpacked))
        assert_array_equal(unpacked, theta)
        theta = theta[::-1].copy()


@each_cell
@pytest.mark.parametrize("bidirectional", [False, True])
def test_packed_weights(cell, bidirectional):
    rng = np.random.default_rng(0)
    network, theta = random_network(rng, cell, 3, [4], 2, bidirectional=bidirectional)
    packed, weights = network.pack(theta, network.memory.allocate_packed()), named(network, theta)
    if network.head.readout:
        readout, H = packed.group("readout"), 4 * (1 + bidirectional)
        assert_array_equal(readout["W"][:H, :2], weights["readout.W"])
        assert_array_equal(readout["W"][H, :2], weights["readout.b"])
        assert_array_equal(readout["W_T"][:2, :H], weights["readout.W"].T)
    for direction, layer in network.stack.levels[0].directions.items():
        prefix, H = f"layers.0.{direction}", layer.n_state
        arrays = packed.group(prefix)
        own = {name.removeprefix(prefix + "."): w for name, w in weights.items() if name.startswith(prefix)}
        W, (h0, h1, x0, x1) = arrays["W"], layer.fed
        assert_array_equal(arrays["W_hT"][: h1 - h0, :H], W[:H, h0:h1].T)
        assert_array_equal(arrays["W_xT"][: x1 - x0, :3], W[H + 1 : H + 4, x0:x1].T)
        for rows, name in ((slice(H), "W_h"), (slice(H + 1, H + 4), "W_x")):
            inner = arrays.get("W_u", np.zeros(0)) if name == "W_h" and not layer.cell.is_output else np.zeros(0)
            numbers = np.append(W[rows].ravel(), inner)
            expected = own.get(name, np.zeros(0)).ravel()
            assert_array_equal(np.sort(numbers[numbers != 0]), np.sort(expected))
        if layer.cell.inner:
            assert_array_equal(arrays["W_uT"][:H, :4], arrays["W_u"][:4, :H].T)
        vectors = [np.atleast_2d(own[name]) for name in layer.cell.vectors]
        if vectors:
            assert_array_equal(arrays["p"][0, : sum(v.size for v in vectors)], np.concatenate(vectors).ravel())


@each_cell
@each_dtype
def test_initial_parameters(cell, dtype):
    rng = np.random.default_rng(8)
    network = make_network(cell, 3, [6, 4], 2, dtype)
    theta = network.initialize(rng, Scheme(GlorotUniform(), Orthogonal(), None, 10), np.array([0.25, -3.0]))
    assert theta.dtype == dtype
    assert np.isfinite(theta).all()
    weights = named(network, theta)
    biases = weights["readout.b" if network.head.readout else "layers.1.forward.b_y"]
    assert_array_equal(biases, np.array([0.25, -3.0], dtype))
    for level in network.stack.levels:
        prefix, layer = f"layers.{level.number}.forward", level.directions["forward"]
        for columns in layer.cell.public_columns(layer.sizes, "W_h").values():
            W_h = weights[f"{prefix}.W_h"][:, columns].astype(float)
            product = W_h.T @ W_h if len(W_h) >= W_h.shape[1] else W_h @ W_h.T
            assert_allclose(product, np.eye(len(product)), atol=1e-6)
        for gate, columns in layer.cell.public_columns(layer.sizes, "b").items():
            opened = cell.startswith("lstm") and gate == "f"
            assert_array_equal(weights[f"{prefix}.b"][columns], 1 if opened else 0)


def test_network_of_a_cell_whose_parameters_are_no_key():
    class Tuned(LSTM):
        def __init__(self, table=()):
            super().__init__()
            self.table = table

    network, theta = random_network(np.random.default_rng(0), "lstm", 3, (9, 5), 2)
    weights = network.layout.views(theta)
    for table in ([1, 2], np.arange(3)):
        other = network_of(Structure(Tuned(table), 3, (9, 5), 2, "float64"))
        assert other.layout.shapes == network.layout.shapes
        assert_array_equal(other.flatten(weights), theta)


# ------------------------------------------------------------------------------------------------------ initial weights
def initial_weights(cell, biases=None, n_steps=100, seed=0, **options):
    network = make_network(cell, 3, [50], 2, **options)
    scheme = Scheme(GlorotUniform(), Orthogonal(), biases, n_steps)
    return network, named(network, network.initialize(np.random.default_rng(seed), scheme))


def test_chrono_biases():
    """log U(1, T - 1): the gates that remember start where the longest sequences need them."""
    longest = np.log(99)
    for cell, remembering, forgetting in [("lstm", "f", "i"), ("gru", "z", None), ("gru_before", "z", None)]:
        network, weights = initial_weights(cell, Chrono())
        layer = network.stack.levels[0].directions["forward"]
        columns, b = layer.cell.public_columns(layer.sizes, "b"), weights["layers.0.forward.b"]
        remembered = b[columns[remembering]]
        assert (remembered >= 0).all()
        assert (remembered <= longest).all()
        assert 0.8 * 99 < np.exp(remembered).max() < 99
        assert 30 < np.exp(remembered).mean() < 70
        if forgetting:
            assert_array_equal(b[columns[forgetting]], -remembered)
        for gate in set(columns) - {remembering, forgetting}:
            assert not b[columns[gate]].any()


@pytest.mark.parametrize("cell", [*map(MGU, ("full", "no_input", "bias_only")), MinGRU()], ids=str)
def test_chrono_biases_of_minimal_units(cell):
    """Their gate lets the new in, so that it starts closed."""
    _, weights = initial_weights(cell, Chrono())
    b = weights["layers.0.forward.b"]
    assert (b[:50] < 0).all()
    assert (b[:50] >= -np.log(99)).all()
    assert not b[50:].any()


def test_directions_start_apart():
    _, weights = initial_weights("lstm", Chrono(), bidirectional=True)
    for name in ("W_x", "W_h", "b"):
        assert (weights[f"layers.0.forward.{name}"] != weights[f"layers.0.backward.{name}"]).any()


def test_forget_bias():
    _, weights = initial_weights(LSTM(forget_bias=-2.5))
    assert_array_equal(weights["layers.0.forward.b"].reshape(4, -1)[1], -2.5)
    assert not np.delete(weights["layers.0.forward.b"].reshape(4, -1), 1, axis=0).any()


def test_initial_weights_of_single_units():
    _, weights = initial_weights("lstm_peepholes")
    assert not weights["layers.0.forward.P"].any()
    network, weights = initial_weights("indrnn")  # what it starts with is tested in test_estimator_options.py
    assert weights["layers.0.forward.w_h"].all()
    for part, limit in network.bounds(100):
        assert (abs(network.layout.flatten(weights, np.float64)[part]) <= limit).all()


def test_initial_weights_around_the_cells():
    network = make_network("gru", 3, [4, 4], 2, **EVERYTHING)
    scheme = Scheme(GlorotUniform(), Orthogonal(), None, 10)
    weights = named(network, network.initialize(np.random.default_rng(0), scheme, np.array([0.5, -1])))
    for name in ("convolution.b", "pooling.b", "layers.0.norm.shift", "layers.1.norm.shift"):
        assert not weights[name].any()
    for name in ("layers.0.norm.gain", "layers.1.norm.gain"):
        assert (weights[name] == 1).all()
    for name in ("convolution.W", "pooling.W", "pooling.v", "readout.W"):
        assert weights[name].all()
    assert_array_equal(weights["readout.b"], [0.5, -1])


# -------------------------------------------------------------------------------------------------------------- bounds
@each_cell
def test_only_indrnn_has_bounds(cell):
    network = make_network(cell, 3, [6, 4], 2, bidirectional=True)
    places = network.layout.views(np.arange(network.size))
    bounds = {(part.start, part.stop): limit for part, limit in network.bounds(10)}
    expected = {(int(p[0]), int(p[-1]) + 1): 2 ** (1 / 10) for name, p in places.items() if name.endswith(".w_h")}
    assert bounds == pytest.approx(expected)
    assert len(bounds) == (4 if cell.startswith("indrnn") else 0)


@each_dtype
@pytest.mark.parametrize("optimizer", [SGD(), LBFGS()], ids=["sgd", "lbfgs"])
def test_recurrent_weights_of_indrnn_stay_in_their_bounds(dtype, optimizer, monkeypatch):
    """At each evaluation, which is after each update, and in the result; other weights go beyond."""
    rng, limit = np.random.default_rng(0), dtype(2 ** (1 / 7))
    network, theta = random_network(rng, "indrnn", 2, [5, 4], 1, dtype)
    for name, view in named(network, theta).items():
        if name.endswith(".w_h"):
            view[...] = rng.uniform(0, 1, view.shape)
    sequences = random_sequences(rng, [7, 3, 5, 7, 2, 6], 2, dtype)
    target = 20 * rng.normal(size=(6, 1))
    seen = []
    evaluate = Objective.run

    def watched(self, *arguments):
        seen.append(self.theta.copy())
        return evaluate(self, *arguments)

    monkeypatch.setattr(Epochs, "_can_be_driven", lambda self: False)
    monkeypatch.setattr(Objective, "run", watched)
    settings = Settings(0.0, 3, 0.3, 15, 1.0, True, 0.0, 100, 1, False)
    training = Training(
        network, TrainingState(theta, seed=1), as_data(sequences, target), SquaredError(), None, settings
    )
    assert "Maximum number" in training.run(optimizer, np.arange(6), np.arange(0))
    assert len(seen) >= 15
    views = [named(network, theta) for theta in (*seen, training.state.theta)]
    for name in network.layout.shapes:
        largest = max(np.abs(view[name]).max() for view in views)
        if name.endswith(".w_h"):
            assert largest <= limit
        elif name.endswith(".W_x"):
            assert largest > limit
    assert max(np.abs(view["layers.0.forward.w_h"]).max() for view in views) == limit
