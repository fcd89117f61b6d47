"""Mistakes that people make with recurrent weights, made on purpose: the checks of the interchange notice each.

A mistake is put into the code that reads weights, or into the run, and then the same checks are made that the other
tests make: numbers that ONNX Runtime publishes, random weights run by ONNX Runtime, PyTorch and Keras.
"""

from functools import lru_cache
from itertools import permutations

import numpy as np
import pytest
from onnx_models import check_case, node_model
from onnx_vectors import CASES, Case
from other_libraries import keras_layer, run_keras, run_torch, torch_modules

from skrnn import cells
from skrnn.cells import lstm
from skrnn.interchange import RecurrentLayers, _keras, _onnx, _torch
from skrnn.kernels._jit import kernel
from skrnn.kernels.activations import sigmoid, tanh

OPERATORS = ("RNN", "GRU", "LSTM")


# ------------------------------------------------------------------------------------------------------ checks
def published(op):
    for case in CASES.values():
        if case.op == op:
            check_case(case)


@lru_cache
def random_cases(op):
    """Cases like the published ones, with random numbers everywhere, and what ONNX Runtime makes of them."""
    runtime = pytest.importorskip("onnxruntime")
    rng = np.random.default_rng(0)
    T, N, D, H, G = 5, 3, 2, 3, len(_onnx.GATES[op])
    shapes = {"W": (D, G * H, 2), "R": (D, G * H, H), "B": (D, 2 * G * H)} | ({"P": (D, 3 * H)} if op == "LSTM" else {})
    options = {"RNN": [{}], "LSTM": [{}], "GRU": [{"linear_before_reset": k} for k in (0, 1)]}[op]
    cases = []
    for more in options:
        weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
        feed = {"X": rng.normal(size=(T, N, 2)), "initial_h": rng.normal(size=(D, N, H))}
        feed |= {"initial_c": rng.normal(size=(D, N, H))} if op == "LSTM" else {}
        feed = {name: value.astype(np.float32) for name, value in feed.items()}
        lengths = [3, 5, 1]
        attributes = {"direction": "bidirectional"} | more
        model = node_model(op, weights, attributes).SerializeToString()
        session = runtime.InferenceSession(model, providers=["CPUExecutionProvider"])
        Y, Y_h, *Y_c = session.run(None, feed | {"sequence_lens": np.array(lengths, np.int32)})
        states = feed["initial_h"], feed.get("initial_c")
        cases.append(Case(op, attributes, weights, feed["X"], Y, Y_h, Y_c[0] if Y_c else None, lengths, *states))
    return cases


def random_weights(op):
    for case in random_cases(op):
        check_case(case)


NOTICE_ALL = {"published": published, "random": random_weights}


@pytest.mark.parametrize("check", NOTICE_ALL)
@pytest.mark.parametrize("op", OPERATORS)
def test_without_a_mistake_nothing_is_noticed(op, check):
    NOTICE_ALL[check](op)


def assert_noticed(op, *, by=("published", "random")):
    random_cases(op)  # the expected outputs, which know nothing of the mistake
    for check in by:
        with pytest.raises(AssertionError, match="Not equal to tolerance"):
            NOTICE_ALL[check](op)


def wrong_orders(gates):
    return [order for order in map("".join, permutations(gates)) if order != gates]


ORDERS = [(op, order) for op in ("GRU", "LSTM") for order in wrong_orders(_onnx.GATES[op])]


def test_all_orders_are_tried():
    assert len(ORDERS) == 5 + 23


# ------------------------------------------------------------------------------------------------ gates by format
@pytest.mark.parametrize(("op", "order"), ORDERS)
def test_wrong_order_of_gates_from_onnx(monkeypatch, op, order):
    monkeypatch.setitem(_onnx.GATES, op, order)
    assert_noticed(op)


def largest_difference(layers, sequences, expected):
    outputs, _, _ = layers.run(sequences)
    return max(abs(y - e).max() for y, e in zip(outputs, expected, strict=True))


@pytest.mark.parametrize("op", ["GRU", "LSTM"])
def test_wrong_order_of_gates_from_torch(monkeypatch, torch, op):
    torch.manual_seed(0)
    module = torch_modules(torch)[op.lower()](3, 4, dtype=torch.float64)
    sequences = [np.random.default_rng(0).normal(size=(4, 3))]
    expected, _, _ = run_torch(torch, module, sequences)
    assert largest_difference(_torch.from_torch(module), sequences, expected) < 1e-12
    for order in wrong_orders(_torch.GATES[op]):
        monkeypatch.setitem(_torch.GATES, op, order)
        assert largest_difference(_torch.from_torch(module), sequences, expected) > 1e-3, order


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("name", ["GRU", "GRU before", "LSTM"])
def test_wrong_order_of_gates_from_keras(monkeypatch, keras, name):
    layer, op = keras_layer(keras, name, 4, 3), name.split()[0]
    sequences = [np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)]
    expected = [run_keras(keras, [layer], sequences[0])]
    assert largest_difference(_keras.from_keras(layer), sequences, expected) < 1e-6
    for order in wrong_orders(_keras.GATES[op]):
        monkeypatch.setitem(_keras.GATES, op, order)
        assert largest_difference(_keras.from_keras(layer), sequences, expected) > 1e-3, order


# -------------------------------------------------------------------------------------- other mistakes with weights
def change_weights(monkeypatch, change):
    """Let `change(gates, W_x, W_h, b_input, b_state)` alter what is read, before it is put into our order."""
    original = _onnx.from_two_biases
    monkeypatch.setattr(
        _onnx, "from_two_biases", lambda cell, gates, *arrays: original(cell, gates, *change(gates, *arrays))
    )


@pytest.mark.parametrize("op", OPERATORS)
def test_recurrent_bias_dropped(monkeypatch, op):
    """Of the published numbers only those of GRUs can tell: all others have a recurrent bias of 0."""
    change_weights(monkeypatch, lambda gates, W_x, W_h, b, b_state: (W_x, W_h, b, 0 * b_state))
    assert_noticed(op, by=("published", "random") if op == "GRU" else ("random",))


@pytest.mark.parametrize("op", OPERATORS)
def test_input_bias_dropped(monkeypatch, op):
    change_weights(monkeypatch, lambda gates, W_x, W_h, b, b_state: (W_x, W_h, 0 * b, b_state))
    assert_noticed(op)


@pytest.mark.parametrize("op", OPERATORS)
def test_recurrence_dropped(monkeypatch, op):
    change_weights(monkeypatch, lambda gates, W_x, W_h, b, b_state: (W_x, 0 * W_h, b, b_state))
    assert_noticed(op)


@pytest.mark.parametrize("op", OPERATORS)
def test_recurrent_weights_not_transposed(monkeypatch, op):
    def change(gates, W_x, W_h, b, b_state):
        return W_x, np.concatenate([w.T for w in np.split(W_h, len(gates), axis=1)], axis=1), b, b_state

    change_weights(monkeypatch, change)
    assert_noticed(op)


def test_both_biases_of_the_candidate_outside_of_the_reset(monkeypatch):
    def change(gates, W_x, W_h, b, b_state):
        inside = np.repeat([gate == "g" for gate in gates], len(W_h))
        return W_x, W_h, np.where(inside, b + b_state, b), np.where(inside, 0, b_state)

    change_weights(monkeypatch, change)
    assert_noticed("GRU")


def test_update_gate_the_other_way_round(monkeypatch):
    """With z and 1 - z exchanged, as in some texts."""

    def change(gates, *arrays):
        return [w * np.repeat([-1 if gate == "z" else 1 for gate in gates], w.shape[-1] // 3) for w in arrays]

    change_weights(monkeypatch, change)
    assert_noticed("GRU")


def test_linear_before_reset_inverted(monkeypatch):
    original = _onnx._options

    def inverted(onnx, node):
        options = original(onnx, node)
        return options | {"linear_before_reset": 1 - options["linear_before_reset"]}

    monkeypatch.setattr(_onnx, "_options", inverted)
    assert_noticed("GRU")


@pytest.mark.parametrize("order", wrong_orders(_onnx.PEEPHOLES))
def test_wrong_order_of_peepholes(monkeypatch, order):
    monkeypatch.setattr(_onnx, "PEEPHOLES", order)
    assert_noticed("LSTM")


@kernel
def forward_o_sees_the_past(a, s, h, p):
    a_i, a_f, a_g, a_o = a
    (c,), (p_i, p_f, p_o) = s, p
    i, f, g, o = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c), tanh(a_g), sigmoid(a_o + p_o * c)
    c = f * c + i * g
    return (i, f, g, o), (c,), o * tanh(c)


class WrongPeephole(cells.LSTM):
    @property
    def forward(self):
        return forward_o_sees_the_past if self.peepholes else lstm.forward


def test_output_gate_sees_the_old_cell(monkeypatch):
    monkeypatch.setattr(cells, "LSTM", WrongPeephole, raising=False)
    assert_noticed("LSTM")


@pytest.mark.parametrize("op", OPERATORS)
def test_directions_exchanged(monkeypatch, op):
    """The published weights of an LSTM and a GRU are the same in both directions, and so cannot tell."""
    monkeypatch.setattr(_onnx, "DIRECTIONS", ("backward", "forward"))
    assert_noticed(op, by=("random",))


# ----------------------------------------------------------------------------------------------- mistakes in a run
def change_run(monkeypatch, change):
    """Let `change(run, sequences, initial_h, initial_c)` stand for the run of layers of both directions."""
    original = RecurrentLayers.run

    def run(layers, sequences, initial_h=None, initial_c=None):
        if not layers.bidirectional:
            return original(layers, sequences, initial_h, initial_c)
        return change(lambda *args: original(layers, *args), sequences, initial_h, initial_c)

    monkeypatch.setattr(RecurrentLayers, "run", run)


@pytest.mark.parametrize("op", OPERATORS)
def test_backward_outputs_not_turned_back(monkeypatch, op):
    def change(run, sequences, *initial):
        outputs, h, c = run(sequences, *initial)
        H = h.shape[-1]
        return [np.concatenate([y[:, :H], y[::-1, H:]], axis=1) for y in outputs], h, c

    change_run(monkeypatch, change)
    assert_noticed(op)


@pytest.mark.parametrize("op", OPERATORS)
def test_backward_direction_starts_in_the_padding(monkeypatch, op):
    def change(run, sequences, *initial):
        T = max(map(len, sequences))
        padded = [np.concatenate([x, np.zeros((T - len(x), x.shape[1]))]) for x in sequences]
        outputs, h, c = run(padded, *initial)
        return [y[: len(x)] for x, y in zip(sequences, outputs, strict=True)], h, c

    change_run(monkeypatch, change)
    assert_noticed(op)


@pytest.mark.parametrize("op", OPERATORS)
def test_last_state_of_the_backward_direction_taken_at_the_last_step(monkeypatch, op):
    def change(run, sequences, *initial):
        outputs, h, c = run(sequences, *initial)
        H = h.shape[-1]
        return outputs, np.stack([h[0], [y[-1, H:] for y in outputs]]), c

    change_run(monkeypatch, change)
    assert_noticed(op)


@pytest.mark.parametrize("op", OPERATORS)
def test_initial_states_ignored(monkeypatch, op):
    """Of the published initial states of both directions, only those of an RNN make a difference."""
    change_run(monkeypatch, lambda run, sequences, initial_h, initial_c: run(sequences, None, initial_c))
    assert_noticed(op, by=("published", "random") if op == "RNN" else ("random",))


def test_initial_cell_ignored(monkeypatch):
    change_run(monkeypatch, lambda run, sequences, initial_h, initial_c: run(sequences, initial_h, None))
    assert_noticed("LSTM", by=("random",))
