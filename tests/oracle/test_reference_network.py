"""Proof of the oracle's networks and derivatives: against PyTorch, by hand, against central differences."""

from functools import partial

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal
from reference_builders import (
    CARRYING,
    CHANNELS,
    DIRECTIONS,
    POOLINGS,
    STATES,
    WIDTH,
    D,
    H,
    K,
    random_initial,
    random_masks,
    random_sequences,
    random_weights,
)

each_cell = pytest.mark.parametrize("cell", ref.CELLS)
exactly = {"rtol": 1e-10, "atol": 1e-13}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- Against PyTorch ------------------------------------------------------------------------------


def torch_layers(torch, weights, cell, n_layers, C=D):
    """A bidirectional network of torch modules, one per layer, and its dict of torch parameters by our names."""
    make = {
        "lstm": torch.nn.LSTM,
        "gru": torch.nn.GRU,
        "elman": partial(torch.nn.RNN, nonlinearity="tanh"),
        "elman_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    }[cell]
    layers = []
    for layer in range(n_layers):
        module = make(2 * H if layer else C, H, batch_first=True, bidirectional=True, dtype=torch.float64)
        for direction, suffix in zip(DIRECTIONS, ("_l0", "_l0_reverse"), strict=True):
            part = ref.layer_weights(weights, layer, direction)
            bias_h = np.zeros_like(part["b"])
            if cell == "gru":
                bias_h[2 * H :] = part["b_h"]
            values = {"weight_ih": part["W_x"].T, "weight_hh": part["W_h"].T, "bias_ih": part["b"], "bias_hh": bias_h}
            for name, value in values.items():
                getattr(module, name + suffix).data.copy_(torch.tensor(value.copy()))
        layers.append(module)
    return layers


def torch_states(torch, initials, cell, layer):
    """Initial states of one layer, (2, N, H) each, from a dict per sequence."""
    h, *c = [
        torch.tensor(np.array([[i[f"layers.{layer}.{d}.{state}"] for i in initials] for d in DIRECTIONS]))
        for state in STATES[cell]
    ]
    return (h, *c) if c else h


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman", "elman_relu"])
def test_bidirectional_stack_equals_torch(cell, rng):
    """Ragged, packed, with initial states; the derivatives too."""
    torch = pytest.importorskip("torch")
    weights, sequences = random_weights(rng, cell), random_sequences(rng)
    initial = [random_initial(rng, cell) for _ in sequences]
    d_raw = rng.normal(size=(len(sequences), K))
    layers = torch_layers(torch, weights, cell, 2)
    W, b = (torch.tensor(weights[name]) for name in ("readout.W", "readout.b"))
    packed = torch.nn.utils.rnn.pack_sequence([torch.tensor(x) for x in sequences], enforce_sorted=False)
    for layer, module in enumerate(layers):
        packed, states = module(packed, torch_states(torch, initial, cell, layer))
    h_last = states[0] if cell == "lstm" else states
    raw = torch.hstack([h_last[0], h_last[1]]) @ W + b
    (raw * torch.tensor(d_raw)).sum().backward()

    for x, i, h in zip(sequences, initial, torch.nn.utils.rnn.unpack_sequence(packed), strict=True):
        assert_allclose(ref.run_stack(weights, x, cell, initial=i)[-1], h.detach().numpy(), **exactly)
    actual = ref.raw_predictions(weights, sequences, cell, initial=initial)
    assert_allclose(actual, raw.detach().numpy(), **exactly)

    def f(weights):
        return (d_raw * ref.raw_predictions(weights, sequences, cell, initial=initial)).sum()

    derivatives = ref.directional_derivatives(f, weights, rng)
    assert derivatives.keys() == weights.keys()
    for layer, module in enumerate(layers):
        for direction, suffix in zip(DIRECTIONS, ("_l0", "_l0_reverse"), strict=True):
            for name, torch_name in [("W_x", "weight_ih"), ("W_h", "weight_hh"), ("b", "bias_ih")]:
                v, derivative = derivatives[f"layers.{layer}.{direction}.{name}"]
                gradient = getattr(module, torch_name + suffix).grad.numpy().T
                assert_allclose(derivative, (v * gradient).sum(), **exactly)


def torch_pool(torch, weights, y, pooling):
    if pooling == "mean":
        return y.mean(dim=0)
    if pooling == "max":
        return y.max(dim=0).values
    if pooling == "last":
        return torch.cat([y[-1, :H], y[0, H:]])
    W, b, v = (torch.tensor(weights[f"pooling.{name}"]) for name in "Wbv")
    return torch.softmax(torch.tanh(y @ W + b) @ v, dim=0) @ y


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_everything_at_once_equals_torch(cell, pooling, rng):
    """Convolution, two layers in two directions, norm, residual, dropout, pooling and readout, in this order.

    A mask of recurrent dropout is put into the rows of W_h there.
    """
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    weights = random_weights(rng, cell, norm=True, pooling=pooling, convolution=True)
    x, stride = rng.normal(size=(9, D)), 2
    masks = {**random_masks(rng, "elman", 9), "layers.0.input": rng.integers(2, size=CHANNELS) / 0.5}
    masked = dict(weights)
    for layer in (0, 1):
        for name in [f"layers.{layer}.{direction}" for direction in DIRECTIONS]:
            masked[f"{name}.W_h"] = masks[f"{name}.recurrent"][:, None] * weights[f"{name}.W_h"]
    kernel = torch.tensor(weights["convolution.W"].reshape(WIDTH, D, CHANNELS).transpose(2, 1, 0).copy())
    bias = torch.tensor(weights["convolution.b"])
    y = torch.tanh(F.conv1d(torch.tensor(x.T[None]), kernel, bias, stride, padding=1))[0].T
    y0 = None
    for layer, module in enumerate(torch_layers(torch, masked, cell, 2, CHANNELS)):
        h = module((y * torch.tensor(masks[f"layers.{layer}.input"]))[None])[0][0]
        gain, shift = (torch.tensor(weights[f"layers.{layer}.norm.{name}"]) for name in ("gain", "shift"))
        y = F.layer_norm(h, (2 * H,), gain, shift) + (y if layer else 0)
        y0 = y if layer == 0 else y0
    pooled = torch_pool(torch, weights, y, pooling)
    expected = (pooled * torch.tensor(masks["readout.input"])) @ torch.tensor(weights["readout.W"])

    options = {"residual": True, "convolution": {"stride": stride, "activation": "tanh"}, "masks": masks}
    actual = ref.forward(weights, x, cell, pooling=pooling, **options)
    assert_allclose(actual, expected.detach().numpy() + weights["readout.b"], **exactly)
    outputs = ref.run_stack(weights, x, cell, **options)
    assert [len(y) for y in outputs] == [5, 5, 5]
    assert_allclose(outputs[1], y0.detach().numpy(), **exactly)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("width", [1, 2, 3, 4, 5])
def test_convolution_equals_torch(width, stride, rng):
    torch = pytest.importorskip("torch")
    W, b = rng.normal(size=(width * D, CHANNELS)), rng.normal(size=CHANNELS)
    kernel = torch.tensor(W.reshape(width, D, CHANNELS).transpose(2, 1, 0).copy())
    for T in range(1, 9):
        x = rng.normal(size=(T, D))
        # torch pads both sides alike, so ours come first, and more zeros than needed after
        padded = torch.nn.functional.pad(torch.tensor(x.T[None].copy()), ((width - 1) // 2, width))
        expected = torch.nn.functional.conv1d(padded, kernel, torch.tensor(b), stride)[0].T[: -(-T // stride)]
        actual = ref.convolve(x, W, b, stride, "identity")
        assert len(actual) == -(-T // stride)
        assert_allclose(actual, expected.numpy(), **exactly)
        assert_allclose(ref.convolve(x, W, b, stride), np.maximum(expected.numpy(), 0), **exactly)


def test_layer_norm_equals_torch(rng):
    torch = pytest.importorskip("torch")
    for scale in (1, 1e-3, 0):
        h, gain, shift = scale * rng.normal(size=5), rng.normal(size=5), rng.normal(size=5)
        expected = torch.nn.functional.layer_norm(*map(torch.tensor, (h,)), (5,), *map(torch.tensor, (gain, shift)))
        assert_allclose(ref.layer_norm(h, gain, shift), expected.numpy(), **exactly)


# --- Pooling, dropout, zoneout --------------------------------------------------------------------


def test_pooling_by_hand():
    """A network that hands its input on as it is, so that what is pooled is known."""
    eye, zero = np.eye(2), np.zeros(2)
    weights = {"layers.0.forward.W_x": eye, "layers.0.forward.W_h": 0 * eye, "layers.0.forward.b": zero}
    weights |= {"readout.W": eye, "readout.b": zero, "pooling.W": np.array([[1.0, 0], [0, 0]])}
    weights |= {"pooling.b": np.array([0, 0.5]), "pooling.v": np.array([2.0, 3])}
    x = np.array([[1.0, -5], [2, -4], [0, -6]])
    pooled = partial(ref.forward, weights, x, "elman_identity")
    assert_array_equal(pooled(), [0, -6])
    assert_array_equal(pooled(pooling="mean"), [1, -5])
    assert_array_equal(pooled(pooling="max"), [2, -4])
    e = np.exp(2 * np.tanh([1, 2, 0]) + 3 * np.tanh(0.5))
    assert_allclose(ref.attention_weights(weights, x, "elman_identity"), e / e.sum())
    assert_allclose(pooled(pooling="attention"), e @ x / e.sum())
    with pytest.raises(ValueError, match="median"):
        pooled(pooling="median")

    # both directions: forward's last step is 2, backward's is 0
    weights |= {name.replace("forward", "backward"): value for name, value in weights.items() if "forward" in name}
    weights |= {"readout.W": np.eye(4), "readout.b": np.zeros(4)}
    assert_array_equal(ref.forward(weights, x, "elman_identity"), [0, -6, 1, -5])


@each_cell
def test_recurrent_mask_acts_on_the_products_alone(cell, rng):
    """As if the rows of the recurrent weights were scaled, and not what is carried or handed on."""
    weights, x = random_weights(rng, cell), rng.normal(size=(6, D))
    masks = {f"layers.{l}.{d}.recurrent": rng.integers(3, size=H) / 0.5 for l in (0, 1) for d in DIRECTIONS}
    scaled = dict(weights)
    without = cell.startswith(("linoss", "mingru"))
    for name, mask in masks.items():
        part = name.replace("recurrent", "w_h" if cell.startswith("indrnn") else "W_h")
        if not without:
            scaled[part] = (mask * weights[part].T).T
    actual = ref.forward(weights, x, cell, masks=masks)
    assert_allclose(actual, ref.forward(scaled, x, cell), **exactly)
    assert without or np.any(actual != ref.forward(weights, x, cell))


@pytest.mark.parametrize("cell", CARRYING)
def test_zoneout_follows_its_masks(cell, rng):
    """A unit kept at a step stays as it was, for both states, row t being step t in both directions."""
    weights = random_weights(rng, cell, n_layers=1)
    x, initial = rng.normal(size=(4, D)), random_initial(rng, cell, 1)
    names = [f"layers.0.{d}.zoneout.{state}" for d in DIRECTIONS for state in STATES[cell]]
    masks = {name: rng.integers(2, size=(4, H)) for name in names}
    step, _, _ = ref.CELLS[cell]
    expected = np.zeros((4, 2 * H))
    for d, steps, columns in [("forward", range(4), slice(H)), ("backward", range(3, -1, -1), slice(H, None))]:
        part = ref.layer_weights(weights, 0, d)
        state = [initial[f"layers.0.{d}.{name}"] for name in STATES[cell]]
        for t in steps:
            new = step(x[t], *state, **part)
            kept = [masks[f"layers.0.{d}.zoneout.{name}"][t] for name in STATES[cell]]
            state = [np.where(k == 1, old, n) for k, old, n in zip(kept, state, new, strict=True)]
            expected[t, columns] = state[0]
    actual = ref.run_stack(weights, x, cell, initial=initial, masks=masks)[-1]
    assert_allclose(actual, expected, **exactly)


def test_zoneout_expectation_by_hand():
    """An LSTM without weights: c_new = 0.5 c, h_new = 0.5 tanh(c_new), each mixed with a quarter of the old."""
    weights = {"W_x": np.zeros((1, 4)), "W_h": np.zeros((1, 4)), "b": np.zeros(4)}
    weights = {f"layers.0.forward.{name}": value for name, value in weights.items()}
    initial = {"layers.0.forward.h": np.array([2.0]), "layers.0.forward.c": np.array([1.0])}
    outputs = ref.run_stack(weights, np.zeros((2, 1)), "lstm", initial=initial, zoneout=0.25)[-1]
    h1 = 0.25 * 2 + 0.75 * 0.5 * np.tanh(0.5)
    c1 = 0.25 * 1 + 0.75 * 0.5
    assert_allclose(outputs[:, 0], [h1, 0.25 * h1 + 0.75 * 0.5 * np.tanh(0.5 * c1)])


@pytest.mark.parametrize("cell", sorted(set(ref.CELLS) - set(CARRYING)))
def test_zoneout_needs_a_carried_state(cell, rng):
    with pytest.raises(AssertionError, match="carry"):
        ref.forward(random_weights(rng, cell), rng.normal(size=(3, D)), cell, zoneout=0.1)


def test_misspelt_names_are_refused(rng):
    weights, x = random_weights(rng, "gru"), rng.normal(size=(3, D))
    for option in (
        {"masks": {"layers.0.forward.recurrent_h": 1}},
        {"masks": {"layers.2.input": 1}},
        {"initial": {"layers.0.forward.c": np.zeros(H)}},
        {"nudges": {"layers.0": np.zeros((3, H))}},
    ):
        with pytest.raises(AssertionError):
            ref.forward(weights, x, "gru", **option)


# --- Derivatives ----------------------------------------------------------------------------------


@each_cell
def test_derivatives_of_a_network_equal_central_differences(cell, rng):
    """Every weight of a network with everything in it, also initial states."""
    weights = random_weights(rng, cell, norm=True, pooling="attention")
    sequences, y = random_sequences(rng)[:2], rng.normal(size=(2, K))
    initial = [random_initial(rng, cell) for _ in sequences]
    masks = [random_masks(rng, cell, len(x)) for x in sequences]
    options = {"pooling": "attention", "residual": True, "initial": initial, "masks": masks}

    def f(weights):
        return ref.objective_value(weights, sequences, y, cell, ref.squared_error, [1, 2], 0.1, **options)

    derivatives = ref.directional_derivatives(f, weights, rng)
    for name, (v, derivative) in derivatives.items():
        eps = 1e-5
        above, below = ({**weights, name: weights[name] + sign * eps * v} for sign in (1, -1))
        assert_allclose(derivative, (f(above) - f(below)) / (2 * eps), rtol=1e-6, atol=1e-7, err_msg=name)


@pytest.mark.parametrize("cell", [cell for cell in ref.CELLS if ref.CELLS[cell][1]])
def test_complex_step_equals_the_gradient_by_hand(cell, rng):
    weights, sequences = random_weights(rng, cell, bidirectional=False), random_sequences(rng)
    d_raw = rng.normal(size=(len(sequences), K))
    gradient = ref.raw_gradient(weights, sequences, cell, d_raw)
    actual = ref.complex_step(lambda weights: (d_raw * ref.raw_predictions(weights, sequences, cell)).sum(), weights)
    for name in weights:
        assert_allclose(actual[name], gradient[name], rtol=1e-12, atol=1e-14, err_msg=name)


def test_complex_step_of_losses(rng):
    """Also far out, and away from the kinks."""
    points = np.array([[0.3, -2.0, 5.0], [1e3, -1e3, 7.0], [-40.0, 40.0, 0.1]])
    labels, counts, y = rng.integers(2, size=(3, 3)), rng.poisson(2.0, size=(3, 3)), rng.normal(size=(3, 3))
    for loss, raw, target in [
        (ref.log_loss_binary, points[:, :1], labels[:, 0]),
        (ref.log_loss_multinomial, points, np.array([2, 1, 0])),
        (ref.log_loss_multilabel, points, labels),
        (ref.squared_error, points, y),
        (ref.absolute_error, points, y),
        (ref.huber, points, y),
        (ref.poisson, np.clip(points, -50, 50), counts),
        (partial(ref.quantile, quantile=0.9), points, y),
    ]:
        gradient = ref.complex_step(lambda raw, f=loss, y=target: f(raw, y)[0].sum(), raw)
        assert_allclose(gradient, loss(raw, target)[1], rtol=1e-12, atol=1e-16)


def test_complex_step_refuses_what_takes_only_real_numbers():
    with pytest.raises(AssertionError, match="imaginary"):
        ref.complex_step(lambda theta: np.abs(theta).sum(), np.ones(2))


def test_gradient_by_a_nudge_is_that_of_the_hidden_state(rng):
    """Without activation dL/dh_t is W_h to the number of steps that follow, times the readout."""
    weights, x = random_weights(rng, "elman_identity", n_layers=1), rng.normal(size=(4, D))
    d_raw, W = rng.normal(size=K), weights["readout.W"]
    nudges = {f"layers.0.{direction}": np.zeros((4, H)) for direction in DIRECTIONS}
    f = partial(ref.forward, weights, x, "elman_identity")
    gradient = ref.complex_step(lambda nudges: d_raw @ f(nudges=nudges), nudges)
    for t in range(4):
        for direction, following, rows in [("forward", 3 - t, W[:H]), ("backward", t, W[H:])]:
            W_h = weights[f"layers.0.{direction}.W_h"]
            expected = np.linalg.matrix_power(W_h, following) @ rows @ d_raw
            assert_allclose(gradient[f"layers.0.{direction}"][t], expected, **exactly)


def test_penalty_is_that_of_matrices(rng):
    """Not of what acts on single units: biases, gain and shift, peepholes, w_h of an IndRNN, v of the attention."""
    for cell in ("lstm_peepholes", "indrnn", "jordan"):
        weights = random_weights(rng, cell, norm=True, pooling="attention", convolution=True)
        _, dweights = ref.penalty(weights, 0.3)
        for name, value in weights.items():
            penalized = value.ndim == 2 and not name.endswith(".P")
            assert_array_equal(dweights[name], 0.3 * value if penalized else 0, err_msg=name)
