"""Proof of the oracle's gradients, losses and updates: against central differences, PyTorch and scikit-learn."""

from functools import partial

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal

LENGTHS = [5, 1, 8, 3]  # ragged, unsorted, with a sequence of one step
D, H, K = 3, 4, 2
N_GATES = {"lstm": 4, "gru": 3, "elman": 1, "elman_relu": 1, "elman_identity": 1}  # those with a step back by hand
LOSSES = {
    "log_loss_binary": ref.log_loss_binary,
    "log_loss_multinomial": ref.log_loss_multinomial,
    "log_loss_multilabel": ref.log_loss_multilabel,
    "squared_error": ref.squared_error,
    "absolute_error": ref.absolute_error,
    "huber": ref.huber,
    "huber_0.5": partial(ref.huber, delta=0.5),
    "poisson": ref.poisson,
    "quantile": ref.quantile,
    "quantile_0.9": partial(ref.quantile, quantile=0.9),
}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_weights(rng, cell, n_layers, n_outputs=K):
    """Flat dict of random weights of a network with D inputs and H hidden units per layer."""
    shapes = {}
    for layer in range(n_layers):
        prefix = f"layers.{layer}.forward."
        shapes[prefix + "W_x"] = (H if layer else D, N_GATES[cell] * H)
        shapes[prefix + "W_h"] = (H, N_GATES[cell] * H)
        shapes[prefix + "b"] = (N_GATES[cell] * H,)
        if cell == "gru":
            shapes[prefix + "b_h"] = (H,)
    shapes |= {"readout.W": (H, n_outputs), "readout.b": (n_outputs,)}
    return {name: rng.normal(scale=0.6, size=shape) for name, shape in shapes.items()}


def random_sequences(rng):
    return [rng.normal(size=(T, D)) for T in LENGTHS]


def random_raw_y(rng, loss, n=7):
    """Raw predictions and targets of the kind the loss expects, away from its kinks."""
    if loss == "log_loss_multinomial":
        return rng.normal(scale=2, size=(n, 3)), rng.integers(3, size=n)
    n_outputs = 1 if loss == "log_loss_binary" else 3
    y = rng.normal(size=(n, n_outputs))
    if loss.startswith("log_loss"):
        y = rng.integers(2, size=(n, n_outputs))
    elif loss == "poisson":
        y = rng.poisson(2.0, size=(n, n_outputs))
    return rng.normal(scale=2, size=(n, n_outputs)), y[:, 0] if n_outputs == 1 else y


def assert_close_dict(actual, expected, **tolerances):
    assert actual.keys() == expected.keys()
    for name in expected:
        assert actual[name].shape == expected[name].shape, name
        assert_allclose(actual[name], expected[name], err_msg=name, **tolerances)


# --- Cells and networks ---------------------------------------------------------------------------


def test_sigmoid():
    a = np.array([-1e4, -700.0, -1.0, 0.0, 1.0, 40.0, 1e4])
    assert_allclose(ref.sigmoid(a), [0, np.exp(-700), 1 / (1 + np.e), 0.5, np.e / (1 + np.e), 1, 1])


def test_cells_by_hand():
    """One unit, one input, numbers small enough to follow: every gate has its own bias."""

    def s(a):
        return 1 / (1 + np.exp(-a))

    zero, one = np.zeros(1), np.ones(1)
    none = np.zeros((1, 4))
    h, c = ref.lstm(one, one, 2 * one, none, none, np.array([0.1, 0.2, 0.3, 0.4]))
    assert_allclose(c, s(0.2) * 2 + s(0.1) * np.tanh(0.3))
    assert_allclose(h, s(0.4) * np.tanh(c))

    W_h = np.array([[0.0, 0.0, 5.0]])
    (h,) = ref.gru(zero, 2 * one, none[:, :3], W_h, np.array([0.1, 0.2, 0.3]), 0.7 * one)
    g = np.tanh(0.3 + s(0.1) * (10 + 0.7))
    assert_allclose(h, (1 - s(0.2)) * g + s(0.2) * 2)

    W_x, W_h, b = np.array([[2.0]]), np.array([[3.0]]), np.array([-6.0])
    assert_allclose(ref.elman(one, one, W_x, W_h, b), [[np.tanh(-1)]])
    assert_array_equal(ref.elman(one, one, W_x, W_h, b, "relu"), [[0]])
    assert_array_equal(ref.elman(one, 2 * one, W_x, W_h, b, "relu"), [[2]])


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", N_GATES)
def test_raw_gradient_equals_central_difference(cell, n_layers, rng):
    weights, sequences = random_weights(rng, cell, n_layers), random_sequences(rng)
    d_raw = rng.normal(size=(len(sequences), K))

    def f(weights):
        return (d_raw * ref.raw_predictions(weights, sequences, cell)).sum()

    gradient = ref.raw_gradient(weights, sequences, cell, d_raw)
    assert_close_dict(gradient, ref.central_difference(f, weights), rtol=1e-7, atol=2e-9)
    assert all(np.any(value != 0) for value in gradient.values())


@pytest.mark.parametrize("cell", N_GATES)
def test_layer_gradient_equals_central_difference(cell, rng):
    """With an outside gradient at every step, as in many-to-many, and towards the input."""
    weights = ref.layer_weights(random_weights(rng, cell, 1), 0)
    x, dh = rng.normal(size=(6, D)), rng.normal(size=(6, H))
    dx, dweights = ref.layer_gradient(cell, weights, x, dh)

    def f(weights, x):
        return (dh * ref.run_layer(cell, weights, x)).sum()

    tolerances = {"rtol": 1e-7, "atol": 2e-9}
    assert_allclose(dx, ref.central_difference(lambda x: f(weights, x), x), **tolerances)
    numerical = ref.central_difference(lambda weights: f(weights, x), weights)
    assert_close_dict(dweights, numerical, **tolerances)


def torch_network(torch, weights, cell, n_layers):
    """Build the network of torch modules; torch's second bias is zero but for the GRU's b_h."""
    make = {
        "lstm": torch.nn.LSTM,
        "gru": torch.nn.GRU,
        "elman": partial(torch.nn.RNN, nonlinearity="tanh"),
        "elman_relu": partial(torch.nn.RNN, nonlinearity="relu"),
    }[cell]
    network = make(D, H, num_layers=n_layers, batch_first=True, dtype=torch.float64)
    linear = torch.nn.Linear(H, K, dtype=torch.float64)
    with torch.no_grad():
        for layer in range(n_layers):
            part = ref.layer_weights(weights, layer)
            getattr(network, f"weight_ih_l{layer}").copy_(torch.tensor(part["W_x"].T))
            getattr(network, f"weight_hh_l{layer}").copy_(torch.tensor(part["W_h"].T))
            getattr(network, f"bias_ih_l{layer}").copy_(torch.tensor(part["b"]))
            getattr(network, f"bias_hh_l{layer}").zero_()
            if cell == "gru":
                getattr(network, f"bias_hh_l{layer}")[2 * H :] = torch.tensor(part["b_h"])
        linear.weight.copy_(torch.tensor(weights["readout.W"].T))
        linear.bias.copy_(torch.tensor(weights["readout.b"]))
    return network, linear


def torch_gradient(network, linear, cell, n_layers):
    """Gradients of the torch modules under the names of the flat dict."""
    gradient = {}
    for layer in range(n_layers):
        prefix = f"layers.{layer}.forward."
        gradient[prefix + "W_x"] = getattr(network, f"weight_ih_l{layer}").grad.numpy().T
        gradient[prefix + "W_h"] = getattr(network, f"weight_hh_l{layer}").grad.numpy().T
        gradient[prefix + "b"] = getattr(network, f"bias_ih_l{layer}").grad.numpy()
        if cell == "gru":
            gradient[prefix + "b_h"] = getattr(network, f"bias_hh_l{layer}").grad.numpy()[2 * H :]
    gradient["readout.W"] = linear.weight.grad.numpy().T
    gradient["readout.b"] = linear.bias.grad.numpy()
    return gradient


@pytest.mark.parametrize("n_layers", [1, 2])
@pytest.mark.parametrize("cell", sorted(set(N_GATES) - {"elman_identity"}))
def test_network_equals_torch(cell, n_layers, rng):
    torch = pytest.importorskip("torch")
    weights, sequences = random_weights(rng, cell, n_layers), random_sequences(rng)
    d_raw = rng.normal(size=(len(sequences), K))
    network, linear = torch_network(torch, weights, cell, n_layers)
    inputs = [torch.tensor(x, requires_grad=True) for x in sequences]

    packed, state = network(torch.nn.utils.rnn.pack_sequence(inputs, enforce_sorted=False))
    h_last = state[0] if cell == "lstm" else state
    raw = linear(h_last[-1])
    (raw * torch.tensor(d_raw)).sum().backward()

    tolerances = {"rtol": 1e-10, "atol": 1e-14}
    for x, h in zip(sequences, torch.nn.utils.rnn.unpack_sequence(packed), strict=True):
        assert_allclose(ref.run_stack(weights, x, cell)[-1], h.detach().numpy(), **tolerances)
    actual = ref.raw_predictions(weights, sequences, cell)
    assert_allclose(actual, raw.detach().numpy(), **tolerances)
    actual = ref.raw_gradient(weights, sequences, cell, d_raw)
    assert_close_dict(actual, torch_gradient(network, linear, cell, n_layers), **tolerances)
    for x, x_torch, d_raw_i in zip(sequences, inputs, d_raw, strict=True):
        dx, _ = ref.sequence_gradient(weights, x, cell, d_raw_i)
        assert_allclose(dx, x_torch.grad.numpy(), **tolerances)


@pytest.mark.parametrize("cell", N_GATES)
def test_dtype_is_that_of_the_weights(cell, rng):
    weights = {k: v.astype("float32") for k, v in random_weights(rng, cell, 2).items()}
    sequences = [x.astype("float32") for x in random_sequences(rng)]
    raw = ref.raw_predictions(weights, sequences, cell)
    gradient = ref.raw_gradient(weights, sequences, cell, raw)
    assert {value.dtype for value in [raw, *gradient.values()]} == {np.dtype("float32")}


# --- Losses and the objective ---------------------------------------------------------------------


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_gradient_equals_central_difference(loss, rng):
    raw, y = random_raw_y(rng, loss)
    value, d_raw = LOSSES[loss](raw, y)
    assert value.shape == (len(raw),)
    assert d_raw.shape == raw.shape
    numerical = ref.central_difference(lambda raw: LOSSES[loss](raw, y)[0].sum(), raw)
    assert_allclose(d_raw, numerical, rtol=1e-7, atol=2e-8)


@pytest.mark.parametrize("loss", LOSSES)
def test_loss_equals_torch(loss, rng):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional

    def pinball(raw, y, q):
        return torch.maximum(q * (y - raw), (1 - q) * (raw - y))

    each = {"reduction": "none"}
    torch_loss = {
        "log_loss_binary": partial(F.binary_cross_entropy_with_logits, **each),
        "log_loss_multinomial": partial(F.cross_entropy, **each),
        "log_loss_multilabel": partial(F.binary_cross_entropy_with_logits, **each),
        "squared_error": lambda raw, y: 0.5 * F.mse_loss(raw, y, **each),
        "absolute_error": partial(F.l1_loss, **each),
        "huber": partial(F.huber_loss, delta=1.35, **each),
        "huber_0.5": partial(F.huber_loss, delta=0.5, **each),
        "poisson": partial(F.poisson_nll_loss, log_input=True, full=False, **each),
        "quantile": partial(pinball, q=0.5),
        "quantile_0.9": partial(pinball, q=0.9),
    }[loss]
    raw, y = random_raw_y(rng, loss)
    raw_torch, y_torch = torch.tensor(raw, requires_grad=True), torch.tensor(y)
    if loss != "log_loss_multinomial":
        y_torch = y_torch.reshape(raw.shape).to(torch.float64)
    expected = torch_loss(raw_torch, y_torch)
    expected.sum().backward()
    value, d_raw = LOSSES[loss](raw, y)
    expected = expected.detach().numpy().reshape(len(raw), -1).sum(axis=1)
    assert_allclose(value, expected, rtol=1e-10, atol=1e-14)
    assert_allclose(d_raw, raw_torch.grad.numpy(), rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"log_loss_multilabel"}))
def test_loss_equals_sklearn(loss, rng):
    _loss = pytest.importorskip("sklearn._loss.loss")
    sklearn_loss = {
        "log_loss_binary": _loss.HalfBinomialLoss(),
        "log_loss_multinomial": _loss.HalfMultinomialLoss(n_classes=3),
        "squared_error": _loss.HalfSquaredError(),
        "absolute_error": _loss.AbsoluteError(),
        "huber": _loss.HuberLoss(delta=1.35),
        "huber_0.5": _loss.HuberLoss(delta=0.5),
        "poisson": _loss.HalfPoissonLoss(),
        "quantile": _loss.PinballLoss(quantile=0.5),
        "quantile_0.9": _loss.PinballLoss(quantile=0.9),
    }[loss]
    raw, y = random_raw_y(rng, loss)
    if loss != "log_loss_multinomial":  # scikit-learn knows one output only
        raw, y = raw[:, :1].copy(), y.reshape(len(y), -1)[:, 0]
    value, d_raw = LOSSES[loss](raw, y)
    y = y.astype("float64")
    one_output = raw[:, 0].copy() if raw.shape[1] == 1 else raw
    expected, expected_d_raw = sklearn_loss.loss_gradient(y_true=y, raw_prediction=one_output)
    assert_allclose(value, expected, rtol=1e-10, atol=1e-14)
    assert_allclose(d_raw, expected_d_raw.reshape(raw.shape), rtol=1e-10, atol=1e-14)


def test_losses_far_out():
    """At raw = +-1e4 values and gradients are the exact limits, without a warning."""
    raw = np.array([[1e4], [1e4], [-1e4], [-1e4]])
    y = np.array([1, 0, 1, 0])
    for loss in (ref.log_loss_binary, lambda raw, y: ref.log_loss_multilabel(raw, y[:, None])):
        value, d_raw = loss(raw, y)
        assert_array_equal(value, [0, 1e4, 1e4, 0])
        assert_array_equal(d_raw[:, 0], [0, 1, -1, 0])

    value, d_raw = ref.log_loss_multinomial(np.hstack([raw, -raw]), 1 - y)
    assert_array_equal(value, [0, 2e4, 2e4, 0])
    assert_array_equal(d_raw, [[0, 0], [1, -1], [-1, 1], [0, 0]])

    zero = np.zeros(4)
    sign = np.sign(raw)
    for loss, expected, expected_d_raw in [
        (ref.squared_error, [5e7] * 4, raw),
        (ref.absolute_error, [1e4] * 4, sign),
        (ref.huber, [1.35 * (1e4 - 0.675)] * 4, 1.35 * sign),
        (ref.poisson, [np.inf, np.inf, 0, 0], np.where(raw > 0, np.inf, 0)),
        (partial(ref.quantile, quantile=0.9), [1e3, 1e3, 9e3, 9e3], np.where(raw > 0, 0.1, -0.9)),
    ]:
        value, d_raw = loss(raw, zero)
        assert_allclose(value, expected)
        assert_allclose(d_raw, expected_d_raw)


def test_losses_at_the_kink():
    raw = np.full((1, 1), 2.0)
    for loss in (ref.absolute_error, ref.huber, ref.quantile):
        value, d_raw = loss(raw, raw)
        assert value == 0
        assert d_raw == 0
    assert_allclose(ref.huber(raw, raw - 1.35)[0], 1.35**2 / 2)
    assert_allclose(ref.huber(raw, raw - 1.35)[1], 1.35)


def test_one_output_target_may_be_flat(rng):
    """A target (N,) must not broadcast against raw (N, 1) to (N, N)."""
    raw, y = rng.normal(size=(5, 1)), rng.poisson(2.0, size=5)
    for loss in (ref.squared_error, ref.absolute_error, ref.huber, ref.poisson, ref.quantile):
        for flat, column in zip(loss(raw, y), loss(raw, y[:, None]), strict=True):
            assert_array_equal(flat, column)


def test_weighted_mean_equals_repetition(rng):
    value, d_raw = rng.normal(size=4), rng.normal(size=(4, K))
    repeats = np.array([1, 0, 3, 2])
    mean, d_mean = ref.weighted_mean(value, d_raw, repeats)
    expected, expected_d = ref.weighted_mean(np.repeat(value, repeats), np.repeat(d_raw, repeats, 0))
    assert_allclose(mean, expected)
    assert_allclose(d_mean[[0, 2, 3]], expected_d[[0, 1, 4]] * repeats[[0, 2, 3], None])
    assert_array_equal(d_mean[1], 0)


def test_penalty_spares_biases(rng):
    weights = random_weights(rng, "gru", 2)
    value, dweights = ref.penalty(weights, 0.3)
    decayed = {
        "layers.0.forward.W_x",
        "layers.0.forward.W_h",
        "layers.1.forward.W_x",
        "layers.1.forward.W_h",
        "readout.W",
    }
    assert_allclose(value, 0.15 * sum((weights[name] ** 2).sum() for name in decayed))
    for name in weights:
        assert_array_equal(dweights[name], 0.3 * weights[name] if name in decayed else 0)


@pytest.mark.parametrize("sample_weight", [None, [0.5, 2.0, 0.0, 1.0]])
def test_objective_gradient_equals_central_difference(sample_weight, rng):
    weights, sequences = random_weights(rng, "gru", 1), random_sequences(rng)
    y = rng.integers(K, size=len(sequences))

    def f(weights):
        loss = ref.log_loss_multinomial
        return ref.objective(weights, sequences, y, "gru", loss, sample_weight, alpha=0.1)

    numerical = ref.central_difference(lambda weights: f(weights)[0], weights)
    assert_close_dict(f(weights)[1], numerical, rtol=1e-7, atol=2e-9)


def test_central_difference_of_a_known_function():
    theta = {"a": np.array([[1.0, 2.0]]), "b": np.array([3.0])}
    gradient = ref.central_difference(lambda p: (p["a"] ** 2).sum() * p["b"][0], theta)
    expected = {"a": np.array([[6.0, 12.0]]), "b": np.array([5.0])}
    assert_close_dict(gradient, expected, rtol=1e-8)
    assert_array_equal(theta["a"], [[1, 2]])


# --- Update rules ---------------------------------------------------------------------------------


ALPHA, DECAY_MASK = 0.3, np.array([[True], [False], [True]])


@pytest.fixture
def theta(rng):
    return rng.normal(size=(3, 2))


@pytest.fixture
def gradients(rng):
    """Six steps of very different size, so that a misplaced eps or correction shows."""
    return rng.normal(size=(6, 3, 2)) * np.array([1, 1e-8, 10, 1e-3, 0, 1])[:, None, None]


def follow(rule, theta, gradients, n_memories, counts_steps=False):
    """Theta after every step of an update rule whose memory starts at zero."""
    memory, path = [np.zeros_like(theta)] * n_memories, []
    for t, g in enumerate(gradients, start=1):
        step = {"t": t} if counts_steps else {}
        theta, *memory = rule(theta, g, *memory, **step)
        path.append(theta)
    return np.array(path)


def follow_torch(torch, make, theta, gradients):
    """Theta after every step of torch optimisers, one per row of theta: `make(row, parameters)`."""
    rows = [torch.nn.Parameter(torch.tensor(row)) for row in theta]
    optimizers, path = [make(n, [row]) for n, row in enumerate(rows)], []
    for g in gradients:
        for row, g_row, optimizer in zip(rows, g, optimizers, strict=True):
            row.grad = torch.tensor(g_row)
            optimizer.step()
        path.append(torch.stack(rows).detach().numpy())
    return np.array(path)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_torch(nesterov, theta, gradients):
    """Torch keeps buf = -v / lr, which is the same path as long as lr is constant."""
    torch = pytest.importorskip("torch")
    actual = follow(partial(ref.sgd, lr=0.05, nesterov=nesterov), theta, gradients, 1)
    make = partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=nesterov)
    expected = follow_torch(torch, lambda n, parameters: make(parameters), theta, gradients)
    assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_equals_sklearn_under_a_schedule(nesterov, theta, gradients):
    sklearn_optimizers = pytest.importorskip("sklearn.neural_network._stochastic_optimizers")
    optimizer = sklearn_optimizers.SGDOptimizer([theta], momentum=0.8, nesterov=nesterov)
    expected, v = theta.copy(), np.zeros_like(theta)
    for t, g in enumerate(gradients):
        optimizer.learning_rate = 0.1 / (1 + t)
        optimizer.update_params([expected], [g])
        theta, v = ref.sgd(theta, g, v, 0.1 / (1 + t), momentum=0.8, nesterov=nesterov)
        assert_allclose(theta, expected, rtol=1e-12)


def test_sgd_without_momentum(theta, gradients):
    for nesterov in (False, True):
        v = np.ones_like(theta)
        actual, _ = ref.sgd(theta, gradients[0], v, 0.1, momentum=0.0, nesterov=nesterov)
        assert_array_equal(actual, theta - 0.1 * gradients[0])


def test_rmsprop_equals_torch(theta, gradients):
    torch = pytest.importorskip("torch")
    actual = follow(partial(ref.rmsprop, lr=0.05, eps=1e-6), theta, gradients, 1)
    make = partial(torch.optim.RMSprop, lr=0.05, alpha=0.9, eps=1e-6)
    expected = follow_torch(torch, lambda n, parameters: make(parameters), theta, gradients)
    assert_allclose(actual, expected, rtol=1e-12)


@pytest.mark.parametrize("first", [0, 1])
def test_adam_equals_torch(first, theta, gradients):
    """Also from a first gradient of 1e-8, where it matters that eps is added to sqrt(v_hat)."""
    torch = pytest.importorskip("torch")
    gradients = gradients[first:]
    actual = follow(partial(ref.adam, lr=0.05), theta, gradients, 2, counts_steps=True)
    make = partial(torch.optim.Adam, lr=0.05)
    expected = follow_torch(torch, lambda n, parameters: make(parameters), theta, gradients)
    assert_allclose(actual, expected, rtol=1e-12)


def test_adamw_equals_torch(theta, gradients):
    """The rows outside the mask take plain Adam steps."""
    torch = pytest.importorskip("torch")
    rule = partial(ref.adamw, lr=0.05, weight_decay=ALPHA, decay_mask=DECAY_MASK)
    actual = follow(rule, theta, gradients, 2, counts_steps=True)

    def make(n, parameters):
        weight_decay = ALPHA if DECAY_MASK[n, 0] else 0.0
        return torch.optim.AdamW(parameters, lr=0.05, weight_decay=weight_decay)

    expected = follow_torch(torch, make, theta, gradients)
    assert_allclose(actual, expected, rtol=1e-12)


def test_clip_by_global_norm(theta):
    norm = np.linalg.norm(theta)
    assert_array_equal(ref.clip_by_global_norm(theta, norm * 1.01), theta)
    assert_allclose(ref.clip_by_global_norm(theta, 0.5), theta * 0.5 / norm)
    assert_array_equal(ref.clip_by_global_norm(0 * theta, 0.5), 0 * theta)

    clipped = ref.clip_by_global_norm({"a": theta[:1], "b": theta[1:]}, 0.5)
    assert_close_dict(clipped, {"a": theta[:1] * 0.5 / norm, "b": theta[1:] * 0.5 / norm})


def test_update_rules_leave_their_arguments_alone(theta, gradients):
    zero, g = np.zeros_like(theta), gradients[0]
    before = theta.copy()
    ref.sgd(theta, g, zero, 0.1)
    ref.rmsprop(theta, g, zero, 0.1)
    ref.adam(theta, g, zero, zero, 1, 0.1)
    ref.adamw(theta, g, zero, zero, 1, 0.1, ALPHA, DECAY_MASK)
    ref.clip_by_global_norm(theta, 0.1)
    assert_array_equal(theta, before)
    assert_array_equal(zero, 0)
