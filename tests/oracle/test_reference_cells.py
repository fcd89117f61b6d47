"""Proof of the oracle's cells: by hand, one against another, against ONNX Runtime."""

import numpy as np
import pytest
import reference as ref
from numpy.testing import assert_allclose, assert_array_equal
from reference_builders import (
    CARRYING,
    DIRECTIONS,
    LENGTHS,
    POOLINGS,
    STATES,
    D,
    H,
    K,
    cell_shapes,
    random_initial,
    random_sequences,
    random_weights,
)

each_cell = pytest.mark.parametrize("cell", ref.CELLS)
exactly = {"rtol": 1e-10, "atol": 1e-13}


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def s(a):
    return 1 / (1 + np.exp(-a))


# --- Cells ----------------------------------------------------------------------------------------


def test_new_cells_by_hand():
    """One unit and one input: x = 2, h = 3, and other numbers for each weight."""
    x, h, c = np.array([2.0]), np.array([3.0]), np.array([0.7])
    P = np.array([[0.5], [0.6], [0.8]])
    zero, b = np.zeros((1, 4)), np.array([0.1, 0.2, 0.3, 0.4])
    h_new, c_new = ref.lstm(x, h, c, zero, zero, b, P)
    assert_allclose(c_new, s(0.2 + 0.6 * 0.7) * 0.7 + s(0.1 + 0.5 * 0.7) * np.tanh(0.3))
    assert_allclose(h_new, s(0.4 + 0.8 * c_new) * np.tanh(c_new))

    W_x, W_h, b = np.array([[0.1, -0.2, 0.3]]), np.array([[0.2, 0.1, -0.4]]), np.array([0.3, 0.2, 0.1])
    r, z = s(0.2 + 0.6 + 0.3), s(-0.4 + 0.3 + 0.2)
    expected = (1 - z) * np.tanh(0.6 + r * 3 * -0.4 + 0.1) + z * 3
    assert_allclose(ref.gru_before(x, h, W_x, W_h, b), [[expected]])

    assert_allclose(ref.elman(x, h, W_x[:, :1], W_h[:, 1:2], b[:1], "identity"), [[0.2 + 0.3 + 0.3]])
    assert_allclose(ref.indrnn(x, h, W_x[:, :1], np.array([-0.5]), b[:1]), [[0]])
    assert_allclose(ref.indrnn(x, h, W_x[:, :1], np.array([0.5]), b[:1]), [[0.2 + 1.5 + 0.3]])
    assert_allclose(ref.indrnn(x, h, W_x[:, :1], np.array([-0.5]), b[:1], "tanh"), [[np.tanh(0.2 - 1.5 + 0.3)]])

    W_y, b_y = np.array([[0.7]]), np.array([-0.2])
    u = np.tanh(0.2 + 3 * 0.1 + 0.3)
    y, o = ref.jordan(x, h, None, W_x[:, :1], W_h[:, 1:2], b[:1], W_y, b_y)
    assert_allclose([y, o], [[s(0.7 * u - 0.2)], [0.7 * u - 0.2]])
    y, o = ref.jordan(x, h, None, W_x[:, :1], W_h[:, 1:2], b[:1], W_y, b_y, "relu", "identity")
    assert_allclose([y, o], [[0.7 * 0.8 - 0.2], [0.7 * 0.8 - 0.2]])


def test_cells_whose_steps_have_no_product_with_the_state_by_hand():
    x, h, y, v = np.array([2.0]), np.array([3.0]), np.array([0.7]), np.array([-0.5])
    W_x, b = np.array([[0.1, -0.2]]), np.array([0.3, 0.2])
    z = s(0.2 + 0.3)
    assert_allclose(ref.mingru(x, h, W_x, b), [[(1 - z) * 3 + z * (-0.4 + 0.2)]])

    w_A, dt = np.array([0.9]), s(-0.4)
    h_new, y_new, v_new = ref.linoss(x, h, y, v, W_x, b, w_A, np.array([-0.4]), "relu")
    assert_allclose(y_new, 0.7 + dt * v_new)
    assert_allclose(v_new, -0.5 + dt * (0.5 - 0.9 * y_new))
    assert_allclose(h_new, y_new - 0.2)
    _, y_new, v_new = ref.linoss(x, h, y, v, W_x, b, -w_A, np.array([-0.4]))  # no force but the input
    assert_allclose([y_new, v_new], [0.7 + dt * v_new, [-0.5 + dt * 0.5]])
    assert_allclose(ref.gelu(np.array([-40.0, -1, 0, 1, 40])), [0, -0.158808, 0, 0.841192, 40], atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "columns", "f"),
    [
        ("mgu", (2, 2, 2), s(2 * 0.1 + 3 * 0.2 + 0.3)),
        ("mgu_no_input", (1, 2, 2), s(3 * 0.2 + 0.3)),
        ("mgu_no_input_no_bias", (1, 2, 1), s(3 * 0.2)),
        ("mgu_bias_only", (1, 1, 2), s(0.3)),
    ],
)
def test_mgu_by_hand(cell, columns, f):
    """The weights of f, and then those of g, which are the last that stay."""
    W_x, W_h, b = ([0.1, -0.2], [0.2, 0.1], [0.3, 0.2])
    W_x, W_h, b = (np.array(w[2 - n :]) for w, n in zip((W_x, W_h, b), columns, strict=True))
    expected = (1 - f) * 3 + f * np.tanh(2 * -0.2 + f * 3 * 0.1 + 0.2)
    step, _, _ = ref.CELLS[cell]
    assert_allclose(step(np.array([2.0]), np.array([3.0]), W_x[None], W_h[None], b), [[expected]])


def columns_of_f_and_g(w):
    """Zeros for an f that has none."""
    return np.hsplit(w, 2) if w.shape[-1] == 2 * H else (np.zeros_like(w), w)


@pytest.mark.parametrize("cell", [cell for cell in ref.CELLS if cell.startswith("mgu")])
def test_mgu_is_a_gru_whose_gates_are_tied(cell, rng):
    """r = f and z = 1 - f = sigmoid(-a_f), on several units."""
    weights = {name: rng.normal(size=shape) for name, shape in cell_shapes(cell, D, H).items()}
    parts = {name: columns_of_f_and_g(w) for name, w in weights.items()}
    tied = {name: np.concatenate([f, -f, g], axis=-1) for name, (f, g) in parts.items()}
    x = rng.normal(size=(6, D))
    assert_allclose(ref.run_layer(cell, weights, x), ref.run_layer("gru_before", tied, x), **exactly)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_indrnn_is_an_elman_cell_with_a_diagonal_matrix(activation, rng):
    weights = {name: rng.normal(size=shape) for name, shape in cell_shapes("indrnn", D, H).items()}
    elman = {"W_x": weights["W_x"], "W_h": np.diag(weights["w_h"]), "b": weights["b"]}
    x = rng.normal(size=(6, D))
    actual = ref.run_layer("indrnn" if activation == "relu" else "indrnn_tanh", weights, x)
    assert_allclose(actual, ref.run_layer("elman" if activation == "tanh" else "elman_relu", elman, x), **exactly)


def test_jordan_with_linear_output_is_an_elman_network(rng):
    """u_t reads y_(t-1) = u_(t-1) W_y + b_y, so W_y W_h takes the place of W_h; y_0 is set to what u_0 = 0 gives."""
    weights = {name: rng.normal(size=shape) for name, shape in cell_shapes("jordan", D, H, K).items()}
    jordan = {f"layers.0.forward.{name}": value for name, value in weights.items()}
    x, W_h, W_y, b_y = rng.normal(size=(6, D)), weights["W_h"], weights["W_y"], weights["b_y"]
    elman = {"W_x": weights["W_x"], "W_h": W_y @ W_h, "b": weights["b"] + b_y @ W_h}
    u = ref.run_layer("elman_relu", elman, x)
    initial = {"layers.0.forward.h": b_y}
    y = ref.run_stack(jordan, x, "jordan_relu_identity", initial=initial)[-1]
    assert_allclose(y, u @ W_y + b_y, **exactly)
    raw = ref.forward(jordan, x, "jordan_relu_identity", initial=initial, pooling="mean")
    assert_allclose(raw, y.mean(axis=0), **exactly)


def test_jordan_hands_on_y_below_and_o_at_the_top(rng):
    bottom, top = cell_shapes("jordan", D, H), cell_shapes("jordan", H, H, K)
    shapes = {f"layers.0.forward.{name}": shape for name, shape in bottom.items()}
    shapes |= {f"layers.1.forward.{name}": shape for name, shape in top.items()}
    weights = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    x = rng.normal(size=(5, D))
    y = [y for y, _ in ref.layer_states("jordan", ref.layer_weights(weights, 0), x)[1:]]
    states = ref.layer_states("jordan", ref.layer_weights(weights, 1), y)[1:]
    assert_allclose(states[-1][0], s(states[-1][1]))
    assert_array_equal(ref.forward(weights, x, "jordan"), states[-1][1])
    weights |= {"readout.W": np.eye(K), "readout.b": np.zeros(K)}
    assert_array_equal(ref.forward(weights, x, "jordan"), states[-1][0])


@each_cell
def test_dtype_is_that_of_the_weights(cell, rng):
    weights = random_weights(rng, cell, norm=True, pooling="attention", convolution=True)
    weights = {name: value.astype("float32") for name, value in weights.items()}
    sequences = [x.astype("float32") for x in random_sequences(rng)]
    zoneout = 0.1 if cell in CARRYING else 0.0
    for pooling in POOLINGS:
        raw = ref.raw_predictions(weights, sequences, cell, pooling=pooling, residual=True, zoneout=zoneout)
        assert raw.dtype == "float32"
        assert raw.shape == (len(sequences), K)


def test_identity_is_exact_with_integers(rng):
    """T = 1000 in whole numbers of any size, nothing is rounded."""
    W_x, W_h = rng.integers(-2, 3, size=(D, H)).astype(object), np.eye(H, dtype=int)[[1, 2, 3, 0]].astype(object)
    weights = {"W_x": W_x, "W_h": 2 * W_h, "b": np.ones(H, object)}
    x = rng.integers(-3, 4, size=(1000, D)).astype(object)
    h = [0] * H
    for row in x:
        h = [sum(row[d] * W_x[d, j] for d in range(D)) + 2 * h[j - 1] + 1 for j in range(H)]
    # unit j reads unit j - 1
    assert list(ref.run_layer("elman_identity", weights, x)[-1]) == h


# --- Against ONNX Runtime -------------------------------------------------------------------------


def onnx_columns(array, cell, axis=-1):
    """Our gate columns in the order of ONNX: i f g o -> i o f c and r z g -> z r h."""
    parts = np.split(array, 4 if cell.startswith("lstm") else 3, axis)
    return np.concatenate([parts[k] for k in ((0, 3, 1, 2) if cell.startswith("lstm") else (1, 0, 2))], axis)


def onnx_inputs(weights, cell):
    """W (2, G H, D), R (2, G H, H), B (2, 2 G H) and P (2, 3 H) in the order i o f."""
    inputs = {"W": [], "R": [], "B": [], "P": []}
    for direction in DIRECTIONS:
        part = ref.layer_weights(weights, 0, direction)
        bias_h = np.zeros_like(part["b"])
        if cell == "gru":
            bias_h[2 * H :] = part["b_h"]
        inputs["W"].append(onnx_columns(part["W_x"], cell).T)
        inputs["R"].append(onnx_columns(part["W_h"], cell).T)
        inputs["B"].append(np.concatenate([onnx_columns(part["b"], cell), onnx_columns(bias_h, cell)]))
        if cell == "lstm_peepholes":
            inputs["P"].append(part["P"][[0, 2, 1]].ravel())
    return {name: np.array(value, np.float32) for name, value in inputs.items() if value}


def run_onnx(cell, inputs):
    """Y of one bidirectional node of ONNX Runtime, (T, 2, N, H)."""
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    lstm = cell.startswith("lstm")
    names = ["X", "W", "R", "B", "lengths", "h"] + ["c", "P"] * lstm
    node = onnx.helper.make_node(
        "LSTM" if lstm else "GRU",
        [name if name in inputs else "" for name in names],
        ["Y"],
        direction="bidirectional",
        hidden_size=H,
        **({} if lstm else {"linear_before_reset": int(cell == "gru")}),
    )
    types = {"float32": onnx.TensorProto.FLOAT, "int32": onnx.TensorProto.INT32}
    given = [onnx.helper.make_tensor_value_info(k, types[v.dtype.name], v.shape) for k, v in inputs.items()]
    result = onnx.helper.make_tensor_value_info("Y", types["float32"], None)
    graph = onnx.helper.make_graph([node], "cell", given, [result])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 14)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["Y"], inputs)[0]


@pytest.mark.parametrize("cell", ["lstm", "lstm_peepholes", "gru", "gru_before"])
def test_cell_equals_onnxruntime(cell, rng):
    """Both directions, ragged, with initial states and random weights of every kind."""
    weights, sequences = random_weights(rng, cell, n_layers=1), random_sequences(rng)
    initial = [random_initial(rng, cell, 1) for _ in sequences]
    X = np.zeros((max(LENGTHS), len(LENGTHS), D), np.float32)
    for n, x in enumerate(sequences):
        X[: len(x), n] = x
    inputs = {"X": X, "lengths": np.array(LENGTHS, np.int32), **onnx_inputs(weights, cell)}
    for state in STATES[cell]:
        rows = [[i[f"layers.0.{d}.{state}"] for i in initial] for d in DIRECTIONS]
        inputs[state] = np.array(rows, np.float32)
    Y = run_onnx(cell, inputs)
    for n, (x, i) in enumerate(zip(sequences, initial, strict=True)):
        actual = ref.run_stack(weights, x, cell, initial=i)[-1]
        expected = np.hstack([Y[: len(x), 0, n], Y[: len(x), 1, n]])
        assert_allclose(actual, expected, rtol=1e-5, atol=1e-6)
