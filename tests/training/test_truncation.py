"""Gradients that flow back a few steps only: against PyTorch, and against what they must equal."""

from functools import partial

import numpy as np
import pytest
from networks import make_network, named, weighted_problem
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import RNNRegressor
from skrnn.convolution import Conv
from skrnn.losses import SquaredError
from skrnn.network.inference import Predictor
from skrnn.network.shards import ThreadExecutor
from skrnn.training.objective import Objective, Piece, check_truncation

LENGTHS = [13, 4, 9, 13, 1, 7]
problem = partial(weighted_problem, lengths=LENGTHS, hidden=(6, 5))
CELLS = {"lstm": "LSTM", "elman": "RNN"}


def truncated(network, theta, data, truncation, *, step=0.0, seed=None, max_bytes=2**30, n_threads=1):
    """Value and gradient of each piece of one batch of all sequences; theta moves by `step` times the gradient."""
    theta, everyone, results = theta.copy(), np.arange(len(data.lengths)), []
    with ThreadExecutor(n_threads) as executor:
        options = {"truncation": truncation, "max_bytes": max_bytes}
        objective = Objective(network, data, SquaredError(), 0.1, executor, len(everyone), **options)
        for piece in objective.pieces(everyone):
            value, gradient = objective.value_and_gradient(theta, piece, seed)
            results.append((value, gradient, objective.total_weight(piece)))
            theta -= step * gradient
    return results


def assert_same(found, expected, rtol=1e-10):
    assert len(found) == len(expected)
    for (value, gradient, *_), (wanted_value, wanted_gradient, *_) in zip(found, expected, strict=True):
        assert_allclose(value, wanted_value, rtol=rtol)
        assert_allclose(gradient, wanted_gradient, rtol=rtol, atol=rtol * np.abs(wanted_gradient).max())


# ------------------------------------------------------------------------------------------- against another library
class TorchStack:
    """The network in PyTorch, one sequence at a time, with theta as its parameters."""

    def __init__(self, network, theta, cell):
        self.torch = pytest.importorskip("torch")
        self.network, self.cell = network, cell
        self.theta = self.torch.tensor(theta, requires_grad=True)

    def weights(self):
        layout, found = self.network.layout, {}
        for name, shape in layout.shapes.items():
            found[name] = self.theta[layout.slice(name)].reshape(shape)
        return found

    def step(self, weights, x, states):
        """States of all layers after one step, and the output of the last."""
        torch, after = self.torch, []
        for k, state in enumerate(states):
            W_x, W_h, b = (weights[f"layers.{k}.forward.{name}"] for name in ("W_x", "W_h", "b"))
            a = x @ W_x + state[0] @ W_h + b
            if self.cell == "elman":
                after.append((torch.tanh(a),))
            else:
                public = self.network.stack.levels[k].directions["forward"].cell.gates
                gates = dict(zip(public, a.chunk(len(public)), strict=True))
                c = torch.sigmoid(gates["f"]) * state[1] + torch.sigmoid(gates["i"]) * torch.tanh(gates["g"])
                after.append((torch.sigmoid(gates["o"]) * torch.tanh(c), c))
            x = after[-1][0]
        return after, x

    def zero_states(self):
        n_states = 2 if self.cell == "lstm" else 1
        return [
            [self.torch.zeros(level.n_outputs, dtype=self.theta.dtype)] * n_states
            for level in self.network.stack.levels
        ]

    def run(self, x, states):
        weights, outputs = self.weights(), []
        for x_t in self.torch.tensor(x):
            states, h = self.step(weights, x_t, states)
            outputs.append(h @ weights["readout.W"] + weights["readout.b"])
        return outputs, states

    def objective(self, terms, total):
        """Value and gradient of the weighted sum of half squared errors, with a penalty of 0.1."""
        torch = self.torch
        loss = sum(w * ((raw - torch.tensor(y)) ** 2).sum() / 2 for raw, y, w in terms) / total
        is_weight = torch.tensor(self.network.layout.is_weight())
        loss = loss + 0.05 * (self.theta[is_weight] ** 2).sum()
        (gradient,) = torch.autograd.grad(loss, self.theta)
        return loss.item(), gradient.numpy()


def detached(states):
    return [[part.detach() for part in layer] for layer in states]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("truncation", [1, 4, 5])
@pytest.mark.parametrize("step", [0.0, 0.3], ids=["theta stays", "theta moves"])
def test_chunks_of_steps(cell, truncation, step):
    """States are carried, those that the weights of the time have given."""
    network, theta, data = problem(cell, pooling="steps")
    stack, expected = TorchStack(network, theta, cell), []
    sequences = np.split(data.values, data.begins[1:])
    targets, weights = np.split(data.target, data.begins[1:]), np.split(data.row_weight, data.begins[1:])
    states = [stack.zero_states() for _ in sequences]
    for begin in range(0, max(LENGTHS), truncation):
        terms = []
        for i, x in enumerate(sequences):
            part = slice(begin, begin + truncation)
            outputs, states[i] = stack.run(x[part], detached(states[i]))
            terms += zip(outputs, targets[i][part], weights[i][part], strict=True)
        value, gradient = stack.objective(terms, sum(w for *_, w in terms))
        expected.append((value, gradient))
        stack.theta = stack.torch.tensor(stack.theta.detach().numpy() - step * gradient, requires_grad=True)
    assert_same(truncated(network, theta, data, truncation, step=step), expected)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("truncation", [1, 4, 9])
def test_last_steps(cell, truncation):
    """The states in front of the last steps of each sequence are given."""
    network, theta, data = problem(cell)
    stack, terms = TorchStack(network, theta, cell), []
    for x, y, w in zip(np.split(data.values, data.begins[1:]), data.target, data.row_weight, strict=True):
        n_before = max(0, len(x) - truncation)
        _, states = stack.run(x[:n_before], stack.zero_states())
        outputs, _ = stack.run(x[n_before:], detached(states))
        terms.append((outputs[-1], y, w))
    assert_same(truncated(network, theta, data, truncation), [stack.objective(terms, data.row_weight.sum())])


# -------------------------------------------------------------------------------------------------- what it must equal
@pytest.mark.parametrize("pooling", ["last", "steps"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("truncation", [13, 14, 10**9])
def test_as_many_steps_as_there_are_is_no_truncation(pooling, dtype, truncation):
    network, theta, data = problem("gru", dtype=dtype, pooling=pooling, dropout=0.2, zoneout=0.1)
    (expected,) = truncated(network, theta, data, None, seed=4)
    (found,) = truncated(network, theta, data, truncation, seed=4)
    assert found[0] == expected[0]
    assert_array_equal(found[1], expected[1])


@pytest.mark.parametrize("pooling", ["last", "steps"])
@pytest.mark.parametrize("cell", ["lstm", "gru_before", "jordan", "indrnn"])
def test_the_value_is_that_of_the_whole(cell, pooling):
    """As long as theta stays; noise included, which is drawn by the step within the sequence."""
    options = {"input_dropout": 0.3, "zoneout": 0.3 if cell in ("lstm", "gru_before") else 0.0}
    network, theta, data = problem(cell, pooling=pooling, **options)
    (expected,) = truncated(network, theta, data, None, seed=4)
    pieces = truncated(network, theta, data, 3, seed=4)
    assert len(pieces) == (5 if pooling == "steps" else 1)
    total = sum(weight for *_, weight in pieces)
    assert_allclose(total, data.weight.sum(), rtol=1e-12)
    assert_allclose(sum(value * weight for value, _, weight in pieces) / total, expected[0], rtol=1e-12)
    assert not np.allclose(sum(gradient * weight for _, gradient, weight in pieces) / total, expected[1], rtol=1e-6)


@pytest.mark.parametrize("pooling", ["last", "steps"])
def test_truncation_in_segments_and_on_threads(pooling, monkeypatch):
    monkeypatch.setattr("skrnn.network.shards.WORK_PER_THREAD", 1.0)
    network, theta, data = problem("lstm", lengths=[300, 240, 30, 100] * 12, hidden=(24,), pooling=pooling, zoneout=0.1)
    expected = truncated(network, theta, data, 100, step=0.1, seed=2)
    assert_same(truncated(network, theta, data, 100, step=0.1, seed=2, max_bytes=3 * 10**6), expected, rtol=1e-9)
    for max_bytes in (2**30, 3 * 10**6):
        alone = truncated(network, theta, data, 100, step=0.1, seed=2, max_bytes=max_bytes)
        together = truncated(network, theta, data, 100, step=0.1, seed=2, max_bytes=max_bytes, n_threads=3)
        for (value, gradient, _), (other_value, other_gradient, _) in zip(alone, together, strict=True):
            assert value == other_value
            assert_array_equal(gradient, other_gradient)


def test_steps_without_weight_are_passed():
    """Nothing is learned of them, but the states run through them."""
    network, theta, data = problem("gru", lengths=[9, 9], hidden=(4,), pooling="steps")
    data.set_target(data.target, np.repeat(np.tile([0.0, 1.0], 2), [3, 6, 3, 6]))
    first, *rest = truncated(network, theta, data, 3)
    penalty = 0.1 * network.layout.is_weight() * theta
    assert_allclose(first[1], penalty, rtol=1e-15)
    assert np.isfinite([value for value, *_ in rest]).all()
    whole = truncated(network, theta, data, None)
    total = sum(weight for *_, weight in rest)
    assert_allclose(sum(value * weight for value, _, weight in rest) / total, whole[0][0], rtol=1e-12)


def test_steps_without_weight_make_no_update():
    X, weight = np.random.default_rng(0).normal(size=(6, 8, 1)), [np.repeat([1.0, 0.0], 4)] * 6
    settings = {"hidden_layer_sizes": 4, "max_iter": 5, "random_state": 0}
    half = RNNRegressor(**settings, truncation=4, standardize=False).fit(X, list(X), sample_weight=weight)
    assert half.t_ == len(half.gradient_norm_curve_) == 5


def test_pieces():
    network, _, data = problem("gru", lengths=[9, 2, 5], hidden=(4,), pooling="steps")
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, SquaredError(), 0.0, executor, 3, truncation=4)
        pieces = list(objective.pieces(np.array([1, 0, 2])))
        assert [piece.sequences.tolist() for piece in pieces] == [[0, 2, 1], [0, 2], [0]]
        assert [(piece.begin, piece.end) for piece in pieces] == [(0, 4), (4, 8), (8, 12)]
        (whole,) = objective.pieces(np.array([1]))
    assert all(isinstance(piece, Piece) for piece in pieces)
    assert_array_equal(whole, [1])
    assert_allclose(sum(piece.total for piece in pieces), data.weight.sum())


def test_predictions_do_not_know_of_truncation():
    network, theta, data = problem("gru", pooling="steps")
    with ThreadExecutor(1) as executor:
        before = Predictor(network, theta, data, executor).predict_raw()
        truncated(network, theta, data, 2)
        assert_array_equal(Predictor(network, theta, data, executor).predict_raw(), before)


def test_long_sequences_take_the_memory_of_a_chunk():
    network, theta, data = problem("lstm", lengths=[50_000], hidden=(16,), dtype=np.float32, pooling="steps")
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, SquaredError(), 0.0, executor, 1, truncation=100)
        assert sum(worker.memory.buffers.memory.nbytes for worker in objective._crew.workers) < 200_000
        pieces = objective.pieces(np.arange(1))
        value, gradient = objective.value_and_gradient(theta, next(pieces))
    assert np.isfinite(value)
    assert named(network, gradient)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bidirectional": True}, "bidirectional=False"),
        ({"pooling": "mean"}, 'pooling="last"'),
        ({"pooling": "attention"}, 'pooling="last"'),
        ({"convolution": Conv(4, width=3)}, "leave out the convolution"),
        ({"convolution": Conv(4, width=1, stride=2)}, "leave out the convolution"),
    ],
)
def test_networks_that_cannot_be_truncated(options, message):
    network = make_network("gru", 3, (4,), 1, **options)
    check_truncation(network.structure, None)
    with pytest.raises(ValueError, match=message):
        check_truncation(network.structure, 5)
