"""Whole numbers: with tanh and sigmoid taken away a network adds and multiplies, so that every bit has to be right.

The cells of these tests are the package's own equations with the identity in the place of both functions; slopes are
what the equations make of the values, 1 - a^2 and a (1 - a). The oracle is the reference with the same functions, over
Python's integers. Its derivatives go forward in time, along a direction, with dual numbers.
"""

import types
from functools import partial

import numpy as np
import pytest
import reference as ref
from networks import CELLS, make_network, named, predict, value_and_gradient
from numba.core import config
from numpy.testing import assert_array_equal

from skrnn.kernels._jit import bind, kernel
from skrnn.losses import BaseLoss

LINEAR = [cell for cell in CELLS if not cell.startswith("linoss")]  # which divides
T = 1024  # a mean over so many steps is exact
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
compiled_only = pytest.mark.skipif(config.DISABLE_JIT, reason="too slow in NumPy")


def marked(cell):
    """Each cell is compiled anew with its other functions, which takes long; the usual ones always are."""
    return [] if cell in ("lstm", "gru") else [pytest.mark.long]


# -------------------------------------------------------------------------------------------------- the package's side
@kernel
def same(a):
    return a


@kernel
def one_minus(a):
    """For gates that would be closed for ever: they read a state that is 0 at first, and nothing else."""
    return 1 - a


def linear(name):
    """A cell of the tests' list, but with the identity for tanh and sigmoid."""
    cell = CELLS[name]
    sigmoid = one_minus if name == "mgu_no_input_no_bias" else same
    equations = ["forward", "backward", *(("inner_forward", "inner_backward") if cell.inner else ())]
    names = {"tanh": same, "sigmoid": sigmoid}
    bound = {e: staticmethod(bind(getattr(cell, e), f"linear_{sigmoid.__name__}", **names)) for e in equations}
    return type("Linear", (type(cell),), bound)(**cell.get_params())


class SumOfRaw(BaseLoss):
    """sum_i w_i raw_i y_i: the gradient of the raw predictions is what the test says, in y."""

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        d_raw[: len(y), :K] = y * weight[:, None]
        return float((raw[: len(y), :K] * d_raw[: len(y), :K]).sum())


# -------------------------------------------------------------------------------------------------- the oracle's side
class Dual:
    """A whole number and its derivative."""

    def __init__(self, value, slope=0):
        self.value, self.slope = value, slope

    def __add__(self, other):
        if isinstance(other, Dual):
            return Dual(self.value + other.value, self.slope + other.slope)
        return Dual(self.value + other, self.slope)

    def __mul__(self, other):
        if isinstance(other, Dual):
            return Dual(self.value * other.value, self.value * other.slope + self.slope * other.value)
        return Dual(self.value * other, self.slope * other)

    def __neg__(self):
        return Dual(-self.value, -self.slope)

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    __radd__, __rmul__ = __add__, __mul__


def elementwise(value, slope_at):
    """A function of arrays of dual numbers; its slope is a function of its value."""

    def one(a):
        y = value(a.value)
        return Dual(y, slope_at(y) * a.slope)

    return np.frompyfunc(one, 1, 1)


tanh = elementwise(lambda a: a, lambda y: 1 - y * y)
relu = elementwise(lambda a: max(a, 0), lambda y: int(y > 0))
sigmoid = elementwise(lambda a: a, lambda y: y * (1 - y))
sigmoid_mirrored = elementwise(
    lambda a: 1 - a, lambda y: y * (1 - y)
)  # as in the package, where `one_minus` has no slope


def step_of(cell, tanh, relu, sigmoid):
    """The reference's step with other functions."""
    step, keywords = ref.CELLS["lstm" if cell == "lstm_peepholes" else cell][0], {}
    if isinstance(step, partial):
        step, keywords = step.func, step.keywords
    names = {"np": types.SimpleNamespace(split=np.split, tanh=tanh), "sigmoid": sigmoid}
    names["ACTIVATIONS"] = {"tanh": tanh, "relu": relu, "sigmoid": sigmoid, "identity": lambda a: a}
    copy = types.FunctionType(step.__code__, {**step.__globals__, **names}, step.__name__, step.__defaults__)
    return partial(copy, **keywords)


def zero_state(cell, weights):
    zero = np.array([Dual(0)] * ref.count_units(weights))
    return (zero,) * ref.CELLS[cell][2]


def run_duals(cell, weights, xs, is_readout):
    """The sum over its steps xs of what a direction gives."""
    step = step_of(cell, tanh, relu, sigmoid_mirrored if cell == "mgu_no_input_no_bias" else sigmoid)
    state, total = zero_state(cell, weights), 0
    for x in xs:
        state = step(x, *state, **weights)
        total = total + state[1 if is_readout else 0]
    return total


def sums_and_derivative(cell, weights, slopes, sequences, d_sums):
    """Raw predictions (N, K) times steps, in integers, and the derivative of sum(d_sums * them) along `slopes`."""
    dual = np.frompyfunc(Dual, 2, 1)
    weights = {name: np.asarray(dual(w.astype(object), slopes[name].astype(object))) for name, w in weights.items()}
    directions = ("forward", "backward") if ref.is_bidirectional(weights) else ("forward",)
    is_readout = "readout.W" not in weights
    sums = []
    for x in sequences:
        steps = {"forward": x.astype(object), "backward": x[::-1].astype(object)}
        of_sequence = [run_duals(cell, ref.layer_weights(weights, 0, d), steps[d], is_readout) for d in directions]
        of_sequence = np.concatenate(of_sequence)
        if not is_readout:
            of_sequence = of_sequence @ weights["readout.W"] + len(x) * weights["readout.b"]
        sums.append(of_sequence)
    values, slopes = np.frompyfunc(lambda a: (a.value, a.slope), 1, 2)(np.array(sums))
    return values, int((d_sums.astype(object) * slopes).sum())


# ----------------------------------------------------------------------------------------------------------- problems
def digits(rng, size, choices=(-1, 0, 1)):
    return rng.choice(choices, size)


def integer_weights(rng, network, **given):
    """Small whole numbers for each weight of a network; `given` by the last part of their names."""
    weights = {name: digits(rng, shape) for name, shape in network.layout.shapes.items()}
    for name, w in weights.items():
        if name.endswith((".v", ".W_x", ".w_h")):
            w[...] = digits(rng, w.shape, (-1, 1))
        last = name.rpartition(".")[2]
        if last in given and name.startswith("layers"):
            w[...] = given[last]
    return weights


def gradient_of_sums(network, weights, sequences, d_sums):
    """Raw predictions times steps, and the gradient of sum(d_sums * them) by name; lengths are powers of two."""
    theta, inputs = network.flatten(weights), [x.astype(network.dtype) for x in sequences]
    n_steps = np.array([[len(x)] for x in sequences])
    target = len(sequences) * n_steps * d_sums  # each sequence has one share of the weight, each step of the mean
    _, gradient = value_and_gradient(network, theta, inputs, target, loss=SumOfRaw())
    return predict(network, theta, inputs) * n_steps, named(network, gradient)


def assert_exact(cell, network, weights, sequences, d_sums, rng):
    """Raw predictions and gradient against integers; gives the gradient by name."""
    slopes = {name: rng.choice([-3, -2, -1, 1, 2, 3], w.shape) for name, w in weights.items()}
    values, gradient = gradient_of_sums(network, weights, sequences, d_sums)
    expected, derivative = sums_and_derivative(cell, weights, slopes, sequences, d_sums)
    assert_array_equal(values, expected.astype(float))
    total = 0
    for name, part in gradient.items():
        assert_array_equal(part, np.round(part), err_msg=name)
        total += sum(int(a) * int(b) for a, b in zip(part.flat, slopes[name].flat, strict=True))
    assert total == derivative
    return gradient


# ----------------------------------------------------------------------------------------------- Elman network, exactly
@compiled_only
@each_dtype
@pytest.mark.parametrize("bidirectional", [False, True])
def test_elman_identity_over_a_thousand_steps(dtype, bidirectional):
    """Each element of the gradient too. Powers of W_h repeat, so that nothing grows or vanishes."""
    rng, D, K = np.random.default_rng(0), 3, 2
    network = make_network("elman_identity", D, [4], K, dtype, bidirectional=bidirectional)
    turn = np.zeros((4, 4), int)
    turn[:2, :2], turn[2:, 2:] = [[0, -1], [1, -1]], [[0, 1], [-1, 0]]
    P, P_inverse = np.eye(4, dtype=int), np.eye(4, dtype=int)
    P[0, 2] = P[1, 3] = 1
    P_inverse[0, 2] = P_inverse[1, 3] = -1
    weights = integer_weights(rng, network, W_h=P @ turn @ P_inverse)
    sequences = [digits(rng, (n, D)) for n in (1000, 997)]
    inputs, theta = [x.astype(dtype) for x in sequences], network.flatten(weights)
    d_raw = rng.choice([-2, -1, 1, 2], (2, K))
    raw = predict(network, theta, inputs)
    _, gradient = value_and_gradient(network, theta, inputs, 2 * d_raw, loss=SumOfRaw())
    exact = {name: w.astype(object) for name, w in weights.items()}
    expected = {name: np.zeros_like(w) for name, w in exact.items()}
    for n, x in enumerate(sequences):
        d_raw_n, pooled = d_raw[n].astype(object), []
        for k, direction in enumerate(("forward", "backward")[: 1 + bidirectional]):
            part, steps = ref.layer_weights(exact, 0, direction), x[:: (1, -1)[k]].astype(object)
            pooled.append(ref.run_layer("elman_identity", part, steps)[-1])
            dh = np.zeros((len(x), 4), object)
            dh[-1] = d_raw_n @ exact["readout.W"][4 * k : 4 * k + 4].T
            for name, d in ref.layer_gradient("elman_identity", part, steps, dh)[1].items():
                expected[f"layers.0.{direction}.{name}"] += d
        pooled = np.concatenate(pooled)
        assert_array_equal(raw[n], (pooled @ exact["readout.W"] + exact["readout.b"]).astype(float))
        expected["readout.W"] += np.outer(pooled, d_raw_n)
        expected["readout.b"] += d_raw_n
    for name, part in named(network, gradient).items():
        assert_array_equal(part, expected[name].astype(float), err_msg=name)
        assert part.any()


# ------------------------------------------------------------------------------------------------------ the other cells
@pytest.mark.parametrize("cell", [pytest.param(c, marks=marked(c)) for c in LINEAR if c != "elman_identity"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_few_steps(cell, bidirectional):
    """Any weights: gates are numbers of any size, as far as their products can be held."""
    network = make_network(linear(cell), 2, [2], 2, np.float64, bidirectional=bidirectional, pooling="mean")
    n_small, used = 0, set()
    for seed in range(20):
        rng = np.random.default_rng(seed)
        weights, sequences = integer_weights(rng, network), [digits(rng, (n, 2)) for n in (2, 2, 1, 1)]
        d_sums = digits(rng, (4, 2), (-2, -1, 1, 2))
        _, gradient = gradient_of_sums(network, weights, sequences, d_sums)
        if max(np.abs(part).max() for part in gradient.values()) < 2.0**30:
            gradient = assert_exact(cell, network, weights, sequences, d_sums, rng)
            used |= {name for name, part in gradient.items() if part.any()}
            n_small += 1
    assert n_small >= 5
    assert used == set(weights)


# For each gate in the order in which a step takes its function: the values that it is to have, and those of each third
# step, which cut what flows back, so that numbers stay small. None where the inputs do not decide.
PLANS = {
    "lstm": [((0, 1, 2), (0, 1)), ((-1, 0, 1), (0,)), ((-1, 0, 1), (-1, 1)), ((-1, 0, 1), (0, 1)), None],
    "gru": [((-1, 0, 1, 2), (0, 1)), ((-1, 0, 1, 2), (0,)), ((-1, 0, 1), (-1, 1))],
    "mgu": [((-1, 0, 1, 2), (1,)), ((-1, 0, 1), (-1, 1))],
    "mgu_bias_only": [None, ((-1, 0, 1), (-1, 1))],
    "mgu_no_input": [None, ((0, 1), (1,))],
    "elman": [((-1, 0, 1, 2), (-1, 1))],
    "elman_relu": [((-2, -1, 1, 2, 3), (-1, 0))],
    "indrnn": [((-2, -1, 1, 2, 3), (-1, 0))],
    "indrnn_tanh": [((-1, 0, 1, 2), (-1, 1))],
    "mingru": [((-1, 0, 1, 2), (1,))],
    "jordan": [((-1, 0, 1), (-1, 1)), None],
    "jordan_relu_identity": [((-1, 0, 1), (-1, 0)), None],
}
PLANS |= {"lstm_peepholes": PLANS["lstm"], "gru_before": PLANS["gru"], "mgu_no_input_no_bias": PLANS["mgu_no_input"]}

H = 3
SHIFT = np.roll(np.eye(H, dtype=int), 1, axis=1)
GIVEN = {  # where the inputs do not decide, the weights do: gates are 0 or 1
    "mgu_no_input": {"W_h": np.hstack([-SHIFT, np.triu(np.ones((H, H), int), 1)]), "b": [1, 1, 1, 0, 1, 0]},
    "mgu_no_input_no_bias": {"W_h": np.hstack([SHIFT, np.triu(np.ones((H, H), int), 1)])},
    "mgu_bias_only": {"b": [1, 0, 1, 1, 0, -1]},
}


class Chooser:
    """Stands for the functions of a cell: gives what a plan wants, and remembers what the inputs have to add for it."""

    def __init__(self, wanted):
        self.wanted, self.missing = iter(wanted), []

    def choose(self, a, value):
        wanted = next(self.wanted)
        if wanted is None:
            return value(a)
        self.missing.append(wanted - a)
        return value(wanted)

    def functions(self, cell):
        def gate(a):
            return 1 - a if cell == "mgu_no_input_no_bias" else a

        values = {"tanh": lambda a: a, "relu": lambda a: np.where(a > 0, a, 0), "sigmoid": gate}
        return {name: partial(self.choose, value=value) for name, value in values.items()}


def planned_inputs(rng, cell, weights, n_steps):
    """Inputs (n_steps, n) that lead one direction, which reads each of its gates from a channel, through its plan."""
    state = tuple(np.array([a.value for a in zero]) for zero in zero_state(cell, weights))
    blind, xs = {**weights, "W_x": np.zeros_like(weights["W_x"])}, []
    for t in range(n_steps):
        wanted = [gate and digits(rng, H, gate[t % 3 == 2]) for gate in PLANS[cell]]
        if cell.startswith("mgu_no_input"):
            wanted[1][0] = 0  # so that not all units are 1, where all gates would be closed for ever
        chooser = Chooser(wanted)
        state = step_of(cell, **chooser.functions(cell))(np.zeros(len(weights["W_x"]), int), *state, **blind)
        xs.append(np.concatenate(chooser.missing))
    return np.array(xs)


@compiled_only
@pytest.mark.parametrize(
    ("cell", "bidirectional"),
    [
        *(pytest.param(cell, True, marks=marked(cell)) for cell in PLANS),
        *(pytest.param(cell, False, marks=pytest.mark.long) for cell in ("jordan", "jordan_relu_identity")),
    ],
)
def test_a_thousand_steps(cell, bidirectional):
    """Gates that the inputs keep small, whatever the recurrent weights add to them."""
    rng = np.random.default_rng(2)
    n_read = H * sum(gate is not None for gate in PLANS[cell])
    networks = [
        make_network(
            linear(cell), n_read * (1 + bidirectional), [H], H, dtype, bidirectional=bidirectional, pooling="mean"
        )
        for dtype in (np.float32, np.float64)
    ]
    weights, inputs = integer_weights(rng, networks[0], **GIVEN.get(cell, {})), []
    for k, direction in enumerate(("forward", "backward")[: 1 + bidirectional]):
        W_x = weights[f"layers.0.{direction}.W_x"]
        W_x[...] = np.eye(*W_x.shape, -k * n_read)
        part = ref.layer_weights(weights, 0, direction)
        inputs.append([planned_inputs(rng, cell, part, n)[:: (1, -1)[k]] for n in (T, T // 2)])
    sequences = [np.hstack(x) for x in zip(*inputs, strict=True)]
    d_sums = digits(rng, (2, H), (-2, -1, 1, 2))
    for network in networks:
        gradient = assert_exact(cell, network, weights, sequences, d_sums, np.random.default_rng(3))
        assert all(part.any() for part in gradient.values())
