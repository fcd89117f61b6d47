"""Random weights of a given spectral radius."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import clone

from skrnn import SequenceTransformer, load, save
from skrnn.cells import GRU, Jordan, get_cell
from skrnn.estimators._reservoir import scale_reservoir
from skrnn.export import to_c
from skrnn.initializers import Scheme, get_initializer
from skrnn.network.network import Network
from skrnn.network.structure import Structure


def drawn(cell, radius=None, input_scale=1.0, recurrent_init="orthogonal", dtype="float64"):
    network = Network(Structure(cell, 3, (6, 5), 0, dtype, bidirectional=True))
    scheme = Scheme(get_initializer("glorot_uniform"), get_initializer(recurrent_init), None, 10)
    theta = network.initialize(np.random.default_rng(0), scheme)
    if radius is not None:
        scale_reservoir(network, theta, radius, input_scale)
    return network.layout.views(theta)


@pytest.mark.parametrize("recurrent_init", ["orthogonal", "glorot_normal", "uniform"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", GRU(reset="before"), "mgu", Jordan()], ids=str)
def test_each_block_has_the_radius(cell, recurrent_init):
    for name, W in drawn(get_cell(cell), 0.7, recurrent_init=recurrent_init).items():
        if name.endswith(".W_h"):
            H = W.shape[0]
            radii = [abs(np.linalg.eigvals(W[:, k : k + H])).max() for k in range(0, W.shape[1], H)]
            np.testing.assert_allclose(radii, 0.7)


def test_units_that_see_their_own_past_only_have_it_too():
    weights = drawn(get_cell("indrnn"), 0.7)
    np.testing.assert_allclose([abs(w).max() for name, w in weights.items() if name.endswith(".w_h")], 0.7)


def test_only_inputs_of_the_first_layer_are_scaled():
    before, after = drawn(get_cell("lstm")), drawn(get_cell("lstm"), 0.7, input_scale=3.0)
    for name in before:
        factor = 3.0 if name.startswith("layers.0") and name.endswith("W_x") else 1.0
        if not name.endswith("W_h"):
            np.testing.assert_allclose(after[name], factor * before[name])


def test_weights_without_a_radius_are_refused():
    with pytest.raises(ValueError, match=r"spectral radius 0.*recurrent_init"):
        drawn(get_cell("elman"), 0.7, recurrent_init="zeros")


# ------------------------------------------------------------------------------------------------- echo state networks
ECHO = {"connectivity": 0.2, "input_bias": 0.3, "leak_rate": 0.25, "spectral_radius": 0.8, "input_scale": 0.5}
ECHO |= {"objective": "reservoir", "dtype": "float64", "random_state": 0}


def sequences(*lengths):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 2)) for n in lengths]


def echo_states(weights, x, leak):
    """What the textbook says of a sequence."""
    W_in, W, b = (weights[f"layers.0.forward.{name}"] for name in ("W_x", "W_h", "b"))
    h, states = np.zeros(len(W)), []
    for step in x:
        h = (1 - leak) * h + leak * np.tanh(step @ W_in + h @ W + b)
        states.append(h)
    return np.array(states)


def test_states_are_those_of_an_echo_state_network():
    X = sequences(5, 9, 30)
    echo = SequenceTransformer(20, "elman", **ECHO, pooling="steps", standardize=False).fit(X)
    states = echo.transform(X)
    for x, found in zip(X, states, strict=True):
        np.testing.assert_allclose(found, echo_states(echo.weights_, x, 0.25), atol=1e-13)
    assert states.channel_names[0] == "sequencetransformer_steps0"
    W = echo.weights_["layers.0.forward.W_h"]
    assert np.count_nonzero(W) == 0.2 * 20 * 20
    np.testing.assert_allclose(abs(np.linalg.eigvals(W)).max(), 0.8)
    assert 0.2 < abs(echo.weights_["layers.0.forward.b"]).max() <= 0.3


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm", "indrnn", "mgu", "mingru", "linoss", "jordan"])
def test_every_cell_leaks(cell):
    """From zeros, the first states are the share that leaks in of those without a leak."""
    X = sequences(1, 1)
    options = ({**ECHO, "connectivity": 1.0, "leak_rate": leak} for leak in (1.0, 0.25))
    full, leaky = (SequenceTransformer(6, cell, **each).fit_transform(X) for each in options)
    np.testing.assert_allclose(leaky, 0.25 * full, rtol=1e-12)
    assert abs(full).max() > 0


def test_what_one_parameter_draws_leaves_the_others_alone():
    def weights(**changes):
        options = ECHO | {"connectivity": 1.0, "input_bias": 0.0} | changes
        return SequenceTransformer(20, "gru", **options).fit(sequences(3)).weights_

    plain, sparse, biased, both = (
        weights(),
        weights(connectivity=0.1),
        weights(input_bias=1),
        weights(connectivity=0.1, input_bias=1),
    )
    for name in plain:
        assert (sparse[name] == plain[name]).all() is np.bool_(not name.endswith("W_h"))
        assert (biased[name] == plain[name]).all() is np.bool_(not name.endswith(".b"))
        assert (both[name] == (biased if name.endswith(".b") else sparse)[name]).all()


def test_connections_without_a_circle_are_refused():
    with pytest.raises(ValueError, match=r"spectral radius 0.*connectivity"):
        SequenceTransformer(30, "elman", objective="reservoir", connectivity=1e-9, random_state=1).fit(sequences(3))


def test_two_ways_to_keep_a_share_are_refused():
    with pytest.raises(ValueError, match=r"leak_rate=0.25 and zoneout=0.5.*leak_rate=0.125"):
        SequenceTransformer(6, "gru", **ECHO, zoneout=0.5).fit(sequences(3))


def test_a_trained_network_cannot_zone_out_of_a_state_that_it_does_not_carry():
    with pytest.raises(ValueError, match="zoneout"):
        SequenceTransformer(6, "elman", zoneout=0.5).fit(sequences(3, 4))


@pytest.mark.parametrize(("bidirectional", "max_memory"), [(False, 1.0), (True, 1.0), (False, 5e-4)])  # in segments
def test_means_and_maxima_begin_behind_the_washout(bidirectional, max_memory):
    X = sequences(5, 9, 2500, 4)
    options = ECHO | {"bidirectional": bidirectional, "washout": 3}
    echo = SequenceTransformer(6, "elman", **options, pooling=("max", "last", "mean")).fit(X)
    found, last = echo.transform(X), SequenceTransformer(6, "elman", **options, pooling="last").fit_transform(X)
    for features, states, end in zip(found, echo.hidden_states(X), last, strict=True):
        expected = [states[3:].max(axis=0), end, states[3:].mean(axis=0)]
        np.testing.assert_allclose(features, np.concatenate(expected), atol=1e-12)
    echo.max_memory = max_memory
    assert (echo.transform(X) == found).all()


def test_sequences_without_a_step_behind_the_washout_are_named():
    echo = SequenceTransformer(6, "elman", **ECHO, washout=3).fit(sequences(3))
    with pytest.raises(ValueError, match="washout=3 leaves no step of sequence 1, whose length is 3"):
        echo.transform(sequences(4, 3))
    assert echo.set_params(pooling="last").transform(sequences(4, 3)).shape == (2, 6)
    trained = SequenceTransformer(4, washout=3, max_iter=1, random_state=0)
    assert trained.fit_transform(sequences(4, 3)).shape == (2, 12)  # it is for reservoirs only


@pytest.mark.parametrize("pooling", ["steps", ("last", "mean", "max")])
def test_streams_have_the_same_bits(pooling):
    X = sequences(8, 5)
    echo = SequenceTransformer(6, "elman", **ECHO, pooling=pooling, washout=2).fit(X)
    live = echo.stream()
    for x in X:
        live.reset()
        found = [live.step(step) for step in x]
        prefixes = [x[:n] for n in range(3, len(x) + 1)]
        expected = echo.transform([x])[0][2:] if pooling == "steps" else echo.transform(prefixes)
        assert (found[2:] == expected).all()
        if pooling != "steps":  # within the washout, the last outputs
            assert (found[1].reshape(3, 6) == echo.hidden_states([x])[0][1]).all()


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_features_of_steps_have_the_same_bits_for_any_n_jobs_and_in_files(n_jobs, tmp_path):
    X = sequences(*range(300, 340))
    echo = SequenceTransformer(40, "elman", **ECHO, pooling="steps", washout=2, n_jobs=n_jobs).fit(X)
    save(echo, tmp_path / "echo.skrnn")
    restored = load(tmp_path / "echo.skrnn")
    assert restored.get_params() == echo.get_params() == clone(echo).get_params()
    for each in (restored, clone(echo).set_params(n_jobs=1).fit(X)):
        assert (each.transform(X).values == echo.transform(X).values).all()


def test_features_of_steps_are_no_frames():
    X = sequences(4, 3)
    echo = SequenceTransformer(6, "elman", **ECHO, pooling="steps").set_output(transform="pandas")
    with config_context(transform_output="pandas"):
        assert echo.fit_transform(X).lengths.tolist() == [4, 3]
    assert not hasattr(echo, "get_feature_names_out")
    with pytest.raises(ValueError, match="'steps' alone"):
        echo.set_params(pooling=["steps", "last"]).transform(X)


def test_what_other_machines_cannot_do_is_refused():
    echo = SequenceTransformer(6, "elman", **ECHO, pooling="steps").fit(sequences(4))
    with pytest.raises(ValueError, match='pooling="steps" has no form'):
        to_c(echo, "unused.c")
    with pytest.raises(ValueError, match="washout=2 has no form"):
        to_c(echo.set_params(pooling="mean", washout=2), "unused.c")
