"""Weights go into and out of PyTorch, Keras, ONNX and estimators, and outputs are those of the other side."""

import sys
import warnings

import numpy as np
import pytest
from other_libraries import (
    BOTH,
    KERAS_LAYERS,
    assert_close,
    assert_same_layers,
    keras_layer,
    random_layers,
    random_sequences,
    random_state,
    run_keras,
    run_torch,
    torch_modules,
)

from skrnn import RNNClassifier
from skrnn.cells import GRU, LSTM, MGU, Elman
from skrnn.interchange import (
    RecurrentLayers,
    from_estimator,
    from_keras,
    from_onnx,
    from_torch,
    to_estimator,
    to_keras,
    to_onnx,
    to_torch,
)


# ---------------------------------------------------------------------------------------------------- PyTorch
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"num_layers": 2}, {"num_layers": 2, "bidirectional": True}])
@pytest.mark.parametrize("kind", ["tanh", "relu", "gru", "lstm"])
def test_modules_of_torch(torch, kind, options, dtype):
    torch.manual_seed(0)
    module = torch_modules(torch)[kind](3, 4, dtype=getattr(torch, dtype), **options)
    with torch.no_grad():
        for p in module.parameters():
            p.normal_(0, 0.6)
    layers, sequences = from_torch(module), random_sequences(dtype=dtype)
    assert layers.dtype == dtype
    assert layers.n_layers == options.get("num_layers", 1)
    assert layers.bidirectional == options.get("bidirectional", False)
    outputs, h, c = layers.run(sequences)
    for again in (module, to_torch(layers)):
        expected, expected_h, expected_c = run_torch(torch, again, sequences)
        atol = 1e-12 if dtype == "float64" else 2e-6
        assert_close([*outputs, h], [*expected, expected_h], atol)
        assert (c is None) == (expected_c is None)
        if c is not None:
            assert_close([c], [expected_c], atol)


@pytest.mark.parametrize("directions", [BOTH, ("forward",)])
@pytest.mark.parametrize("cell", [Elman(), Elman("relu"), GRU(), LSTM()], ids=repr)
def test_to_torch_and_back(torch, cell, directions):
    layers, sequences = random_layers(cell, directions=directions), random_sequences()
    module = to_torch(layers)
    assert_same_layers(layers, from_torch(module))
    initial = [random_state(layers)] + [random_state(layers, seed=3)] * len(cell.states)
    outputs, h, c = layers.run(sequences, *initial)
    expected, expected_h, expected_c = run_torch(torch, module, sequences, *initial)
    assert_close([*outputs, h], [*expected, expected_h], 1e-12)
    if c is not None:
        assert_close([c], [expected_c], 1e-12)


def test_to_torch_leaves_the_random_numbers_alone(torch):
    state = torch.get_rng_state()
    to_torch(random_layers(LSTM()))
    assert torch.equal(state, torch.get_rng_state())


def test_a_trained_module_with_dropout_and_half_precision(torch):
    module = torch.nn.GRU(3, 4, 2, dropout=0.5, batch_first=True).half()
    layers = from_torch(module)
    assert layers.dtype == np.float32
    np.testing.assert_array_equal(layers.weights["layers.1.forward.b_h"], module.bias_hh_l1[8:].float().detach())


def test_what_torch_has_and_we_do_not(torch):
    with pytest.raises(ValueError, match="proj_size=2 is not supported"):
        from_torch(torch.nn.LSTM(3, 4, proj_size=2))
    with pytest.raises(ValueError, match="module is a Linear; it must be a torch"):
        from_torch(torch.nn.Linear(3, 4))


@pytest.mark.parametrize("cell", [LSTM(peepholes=True), GRU(reset="before"), Elman("identity")], ids=repr)
def test_what_we_have_and_torch_does_not(torch, cell):
    with pytest.raises(ValueError, match="PyTorch has no module for"):
        to_torch(random_layers(cell))


def test_torch_has_one_size_and_starts_forward(torch):
    with pytest.raises(ValueError, match=r"one size for all layers, these have \(4, 5\)"):
        to_torch(random_layers(LSTM(), sizes=(4, 5)))
    with pytest.raises(ValueError, match="run backward only"):
        to_torch(random_layers(LSTM(), directions=("backward",)))


# ------------------------------------------------------------------------------------------------------ Keras
of_keras = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in Keras itself


@of_keras
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("name", KERAS_LAYERS)
def test_layers_of_keras(keras, name, bidirectional):
    rng = np.random.default_rng(3)
    n_below = 8 if bidirectional else 4
    stack = [
        keras_layer(keras, name, 4, 3, bidirectional, rng),
        keras_layer(keras, name, 5, n_below, bidirectional, rng),
    ]
    sequences = random_sequences(dtype=np.float32)
    layers = from_keras(stack)
    assert layers.hidden_layer_sizes == (4, 5)
    assert layers.bidirectional == bidirectional
    outputs, _, _ = layers.run(sequences)
    assert_close(outputs, [run_keras(keras, stack, x) for x in sequences], 2e-6)
    again = to_keras(layers)
    assert_same_layers(layers, from_keras(again))
    assert_close(outputs, [run_keras(keras, again, x) for x in sequences], 2e-6)


@of_keras
@pytest.mark.parametrize("cell", [Elman(), Elman("identity"), GRU(), GRU("before"), LSTM()], ids=repr)
def test_to_keras_and_back(keras, cell):
    layers = random_layers(cell)
    stack = to_keras(layers)
    assert_same_layers(layers, from_keras(stack))
    outputs, _, _ = layers.run(random_sequences())
    assert_close(outputs, [run_keras(keras, stack, x) for x in random_sequences()], 1e-6)


@of_keras
def test_what_keras_has_and_we_do_not(keras):
    def refused(text, layer):
        with pytest.raises(ValueError, match=text):
            from_keras(layer)

    refused("activation='relu' is not supported, only 'tanh'", keras_layer(keras, "LSTM", 4, 3, activation="relu"))
    refused("recurrent_activation='hard_sigmoid'", keras_layer(keras, "GRU", 4, 3, recurrent_activation="hard_sigmoid"))
    refused("activation='<lambda>'", keras_layer(keras, "LSTM", 4, 3, activation=lambda x: x))
    refused(
        "activation='elu' is not supported, only 'tanh', 'relu', 'linear'",
        keras_layer(keras, "SimpleRNN", 4, 3, activation="elu"),
    )
    refused(
        "go_backwards=True is not supported for a forward direction", keras_layer(keras, "GRU", 4, 3, go_backwards=True)
    )
    refused("has no weights yet; call its build method", keras.layers.LSTM(4))
    refused("layer is a Dense; it must be an LSTM, GRU, SimpleRNN or Bidirectional", keras.layers.Dense(4))
    refused("There is no layer", [])
    both = keras.layers.Bidirectional(keras.layers.LSTM(4), merge_mode="sum")
    both.build((None, None, 3))
    refused("merge_mode='sum' is not supported, only 'concat'", both)
    mixed = [keras_layer(keras, "LSTM", 4, 3), keras_layer(keras, "GRU", 4, 4)]
    refused(r"layer 0 .* is LSTM\(\), layer 1 .* is GRU\(\)", mixed)


def test_what_we_have_and_keras_does_not(keras):
    with pytest.raises(ValueError, match=r"Keras has no layer for LSTM\(peepholes=True\)"):
        to_keras(random_layers(LSTM(peepholes=True)))
    with pytest.raises(ValueError, match="run backward only"):
        to_keras(random_layers(GRU(), directions=("backward",)))


# ------------------------------------------------------------------------------------------------- estimators
def fitted(**options):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(T, 2)) for T in rng.integers(2, 6, size=20)]
    y = np.arange(20) % 2
    options = {"hidden_layer_sizes": 4, "standardize": False, "max_iter": 2, "random_state": 0} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return RNNClassifier(**options).fit(X, y), X


def test_layers_of_an_estimator():
    clf, X = fitted(cell="gru", hidden_layer_sizes=(4, 3))
    layers = from_estimator(clf)
    assert layers.hidden_layer_sizes == (4, 3)
    outputs, _, _ = layers.run(X)
    assert_close(outputs, clf.hidden_states(X), 1e-6)


def test_layers_into_an_estimator():
    clf, X = fitted(cell=LSTM(forget_bias=2.0), dtype="float64", bidirectional=False, pooling="last")
    before = {name: w.copy() for name, w in clf.weights_.items()}
    layers = random_layers(LSTM(), 2, (4,), ("forward",))
    other = to_estimator(layers, clf)
    assert_same_layers(layers, from_estimator(other).__class__(LSTM(), from_estimator(other).weights))
    outputs, _, _ = layers.run(X)
    raw = np.array([y[-1] for y in outputs]) @ clf.weights_["readout.W"] + clf.weights_["readout.b"]
    np.testing.assert_allclose(other.predict_proba(X)[:, 1], 1 / (1 + np.exp(-raw[:, 0])), rtol=1e-9)
    for name, w in before.items():
        np.testing.assert_array_equal(w, clf.weights_[name])


def test_layers_that_do_not_fit_an_estimator():
    clf, _ = fitted(cell="gru", bidirectional=False)
    with pytest.raises(ValueError, match=r"The layers are LSTM\(\), those of the estimator GRU\(\); fit it with"):
        to_estimator(random_layers(LSTM(), 2, (4,), ("forward",)), clf)
    with pytest.raises(ValueError, match=r"has shape .* in the layers, .* in the estimator"):
        to_estimator(random_layers(GRU(), 2, (5,), ("forward",)), clf)
    with pytest.raises(ValueError, match=r"has shape .* in the layers, none in the estimator"):
        to_estimator(random_layers(GRU(), 2, (4,)), clf)
    X, y = np.random.default_rng(0).normal(size=(8, 100, 2)), np.arange(8) % 2
    clf = RNNClassifier(4, max_iter=1, tol=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match=r"\(2, 12\) in the layers, \(32, 12\) in the estimator.*, convolution,"):
        to_estimator(random_layers(GRU(), 2, (4,)), clf)
    with pytest.raises(
        ValueError, match=r"RNNClassifier\(\) is not a fitted RNNClassifier or RNNRegressor; call fit first"
    ):
        from_estimator(RNNClassifier())
    with pytest.raises(ValueError, match=r"zoneout=0.1 is not supported by other formats"):
        from_estimator(fitted(cell="gru", zoneout=0.1)[0])
    with pytest.raises(ValueError, match=r"The last layer of Jordan\(\) outputs the predictions"):
        from_estimator(fitted(cell="jordan")[0])
    assert from_estimator(fitted(cell="jordan", bidirectional=True)[0]).bidirectional


# ------------------------------------------------------------------------------------------------- the layers
def weights_of(cell=None, **options):
    return dict(random_layers(cell or LSTM(), **options).weights)


def test_what_layers_know_of_themselves():
    layers = random_layers(GRU(), 2, (4, 5), dtype=np.float32)
    assert (layers.n_layers, layers.bidirectional, layers.n_inputs, layers.hidden_layer_sizes) == (2, True, 2, (4, 5))
    assert layers.directions == BOTH
    assert layers.dtype == np.float32
    assert repr(layers).startswith("RecurrentLayers(GRU(), n_inputs=2, hidden_layer_sizes=(4, 5)")
    assert set(layers.of(1, "backward")) == {"W_x", "W_h", "b", "b_h"}


def test_weights_are_copied():
    weights = weights_of()
    layers = RecurrentLayers(LSTM(), weights)
    weights["layers.0.forward.b"][:] = 100
    assert abs(layers.weights["layers.0.forward.b"]).max() < 10


A, B = "layers.0.forward.", "layers.1.backward."  # layers of three inputs and twice four units, in both directions


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({A + "W_h": np.ones((4, 12))}, r"W_h' has shape \(4, 12\), expected \(4, 16\) for LSTM\(\) with 3 inputs"),
        ({A + "W_x": np.ones((16, 3))}, r"has shape .*order i, f, g, o. Transpose or rearrange it"),
        ({B + "W_x": np.ones((4, 16))}, r"'layers.1.backward.W_x' has shape \(4, 16\), expected \(8, 16\)"),
        ({A + "b": None}, r"Weight 'layers.0.forward.b' is missing: pass an array of shape \(16,\), zeros for no bias"),
        ({A + "W_x": None}, "Weight 'layers.0.forward.W_x' is missing or not a matrix"),
        ({A + "P": np.ones((3, 4))}, r"Unknown weight 'layers.0.forward.P': LSTM\(\) has W_x, W_h, b. Leave it out"),
        ({"readout.W": np.ones((4, 2))}, "Unknown weight 'readout.W': names are 'layers"),
        ({"layers.3.forward.b": np.ones(16)}, "Layer 2 has no weights, but layer 3 has; number layers from 0"),
        ({"layers.2.forward.b": np.ones(16)}, r"Layer 0 has directions .*, layer 2 has \['forward'\]; give all layers"),
        ({A + "b": np.full(16, np.nan)}, "Weight 'layers.0.forward.b' has NaN or infinity"),
        ({A + "b": np.full(16, "a")}, "Weight 'layers.0.forward.b' has type <U1; convert it"),
    ],
)
def test_weights_that_do_not_fit(change, message):
    weights = {name: w for name, w in (weights_of() | change).items() if w is not None}
    with pytest.raises(ValueError, match=message):
        RecurrentLayers(LSTM(), weights)


def test_cells_that_do_not_fit():
    with pytest.raises(ValueError, match="cell is 'lstm'; it must be an instance of a cell"):
        RecurrentLayers("lstm", weights_of())
    with pytest.raises(ValueError, match="reset"):
        RecurrentLayers(GRU(reset="never"), weights_of(GRU()))
    with pytest.raises(ValueError, match="or choose the cell that it belongs to"):
        RecurrentLayers(GRU(reset="before"), {n: w for n, w in weights_of().items() if "b_h" not in n})
    with pytest.raises(ValueError, match="There are no weights"):
        RecurrentLayers(LSTM(), {})


@pytest.mark.parametrize(("library", "function"), [("torch", to_torch), ("keras", to_keras), ("onnx", to_onnx)])
def test_a_cell_that_the_others_do_not_have(library, function):
    pytest.importorskip(library, exc_type=ImportError)
    with pytest.raises(ValueError, match=r"(no module|no layer|no operator) for MGU\(\)"):
        function(random_layers(MGU()))


@pytest.mark.parametrize(("library", "function"), [("torch", to_torch), ("keras", to_keras), ("onnx", to_onnx)])
def test_an_estimator_is_no_layers(library, function):
    pytest.importorskip(library, exc_type=ImportError)
    clf, _ = fitted()
    with pytest.raises(TypeError, match=r"layers must be RecurrentLayers, got RNNClassifier: .*from_estimator\("):
        function(clf)
    with pytest.raises(TypeError, match="layers must be RecurrentLayers, got dict"):
        to_estimator(clf.weights_, clf)


def test_sequences_and_states_that_do_not_fit():
    layers, x = random_layers(GRU()), np.zeros((2, 3))
    for sequences, message in (
        ([x, x[:, :2]], r"Sequence 1 has shape \(2, 2\), expected \(n_steps, 3\) with at least one step"),
        ([x[:0]], r"Sequence 0 has shape \(0, 3\)"),
        ([x * np.nan], "Sequence 0 has NaN"),
        ([], "no sequence"),
    ):
        with pytest.raises(ValueError, match=message):
            layers.run(sequences)
    with pytest.raises(ValueError, match=r"initial_h has shape \(1, 4\), expected \(4, 1, 4\)"):
        layers.run([x], np.zeros((1, 4)))
    with pytest.raises(ValueError, match=r"GRU\(\) has no second state; leave initial_c out"):
        layers.run([x], None, np.zeros((4, 1, 4)))
    with pytest.raises(ValueError, match=r"initial_h needs layers of one size, these have \(4, 5\)"):
        random_layers(GRU(), sizes=(4, 5)).run([x], np.zeros((4, 1, 4)))


def test_only_the_second_state_is_given():
    layers, sequences = random_layers(LSTM()), random_sequences()
    c = random_state(layers)
    results, expected = layers.run(sequences, None, c), layers.run(sequences, np.zeros_like(c), c)
    assert_close([*results[0], *results[1:]], [*expected[0], *expected[1:]], 0)


@pytest.mark.parametrize("cell", [Elman(), GRU(), LSTM()], ids=repr)
def test_layers_that_run_backward_only(cell):
    """They are the forward ones on reversed sequences, and the backward half of layers of both directions."""
    both, sequences = random_layers(cell, sizes=(4,)), random_sequences()
    half = RecurrentLayers(cell, {name: w for name, w in both.weights.items() if "backward" in name})
    assert half.directions == ("backward",)
    initial = random_state(both)
    outputs, h, c = half.run(sequences, initial[1:])
    expected, expected_h, expected_c = both.run(sequences, initial)
    assert_close(outputs, [y[:, 4:] for y in expected], 1e-14)
    assert_close([h], [expected_h[1:]], 1e-14)
    if c is not None:
        assert_close([c], [expected_c[1:]], 1e-14)


@pytest.mark.parametrize(
    ("package", "function", "argument"),
    [
        ("torch", from_torch, None),
        ("torch", to_torch, random_layers(LSTM())),
        ("keras", from_keras, None),
        ("keras", to_keras, random_layers(LSTM())),
        ("onnx", from_onnx, "model.onnx"),
        ("onnx", to_onnx, random_layers(LSTM())),
    ],
)
def test_a_missing_package_is_named(monkeypatch, package, function, argument):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ImportError, match=rf'pip install "skrnn\[{package}\]"'):
        function(argument)
