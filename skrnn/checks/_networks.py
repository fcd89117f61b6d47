"""Whole networks of a cell: compiled code, gradients, precision, padding, threads."""

from contextlib import contextmanager
from itertools import pairwise

import numpy as np

from ..cells._base import Sizes
from ..initializers import Chrono, GlorotUniform, Orthogonal, Scheme
from ..losses import SquaredError
from ..network.data import Data
from ..network.inference import Predictor
from ..network.network import Network
from ..network.shards import FORWARD_SHARE, ThreadExecutor, worthwhile_workers
from ..network.structure import Structure
from ..training.objective import Objective
from ._contract import about, require
from ._step import POINTS, STEP, Step, describe, error_of, smallest

TOLERANCES = {"float64": 1e-9, "float32": 1e-3}  # of values


class Problem:
    """A network with random weights, and random sequences with targets; the same in both dtypes but for rounding."""

    def __init__(self, cell, lengths, n_inputs, n_units, n_outputs=2, dtype="float64", seed=0, **options):
        rng = np.random.default_rng(seed)
        self.network = Network(Structure(cell, n_inputs, n_units, n_outputs, dtype, **options))
        theta = np.empty(self.network.size)
        for view in self.named(theta).values():
            view[...] = rng.normal(size=view.shape) / np.sqrt(view.shape[0] if view.ndim == 2 else 2)
        self.theta, self.offsets = theta.astype(dtype), np.cumsum([0, *lengths])
        values = rng.normal(size=(self.offsets[-1], n_inputs)).astype(dtype)
        target = rng.normal(size=(len(lengths), n_outputs))
        self.data = Data(values, self.offsets, target, np.ones(len(lengths)))

    def named(self, theta):
        """The arrays in a vector of parameters, or in a gradient."""
        return self.network.layout.views(theta)

    def outputs(self):
        """Outputs of the last layer at all steps."""
        with ThreadExecutor(1) as executor:
            return np.concatenate(Predictor(self.network, self.theta, self.data, executor).hidden_states())

    def predict(self, indices=None, n_threads=1):
        """Raw predictions, of all sequences or of some."""
        with ThreadExecutor(n_threads) as executor:
            return Predictor(self.network, self.theta, self.data, executor).predict_raw(indices)

    @contextmanager
    def objective(self, n_threads=1):
        """The function that gives value and gradient at a vector of parameters; its memory is made once."""
        everything = np.arange(len(self.data.lengths))
        with ThreadExecutor(n_threads) as executor:
            objective = Objective(self.network, self.data, SquaredError(), 0.0, executor, len(everything))
            yield lambda theta: objective.value_and_gradient(theta, everything)

    def value_and_gradient(self, n_threads=1):
        """Value of the objective and its gradient."""
        with self.objective(n_threads) as value_and_gradient:
            return value_and_gradient(self.theta)


def check_initial_weights(cell):
    """Initial weights and bounds fit the cell, and a seed always gives the same."""
    scheme = Scheme(GlorotUniform(), Orthogonal(), Chrono(), n_steps=10)
    network = Network(Structure(cell, 3, (5, 4), 2, "float64"))
    with about("initial weights cannot be set"):
        first, second = (network.initialize(np.random.default_rng(0), scheme) for _ in range(2))
    require(np.isfinite(first).all(), "initial weights are not finite")
    require(np.array_equal(first, second), "initial_vectors must draw from the `rng` that it gets, and keep nothing")
    names = cell.shapes(Sizes(3, 5, 5))
    for name, limit in cell.bounds(10).items():
        require(name in names, f"bounds names {name!r}, but the weights are {', '.join(names)}")
        require(limit > 0, f"the bound of {name!r} must be above 0, not {limit!r}")


def check_compiled(cell):
    """Compiled, forward does what the same lines do in NumPy, for sizes of 1 and no multiple of a register."""
    for dtype, tolerance in TOLERANCES.items():
        for lengths, n_inputs, n_units in (([1], 1, 1), ([3], 2, 5), ([4, 1, 6], 3, 17)):
            problem = Problem(cell, lengths, n_inputs, (n_units,), 0, dtype)
            with about("forward cannot be compiled: what it may use is told in the page 'Add a cell'"):
                outputs = problem.outputs()
            error = error_of(outputs, _outputs_in_numpy(problem))
            sizes = f"{n_units} units, {n_inputs} channels, sequences of {lengths} steps, {dtype}"
            require(error <= tolerance, f"compiled, forward differs by {error:.2g} from itself in NumPy: {sizes}")


def _outputs_in_numpy(problem):
    """What `Problem.outputs` gives, of a network of one layer, step by step."""
    layer, values = problem.network.stack.levels[0].directions["forward"], problem.data.values
    cell, (D, _, H) = layer.cell, layer.sizes
    weights = {name.split(".")[-1]: np.atleast_2d(w) for name, w in problem.named(problem.theta).items()}
    packed = {"W": np.zeros((H + 1 + D, layer.n_columns), values.dtype), "W_u": np.zeros((H, H), values.dtype)}
    for public, piece in cell.public_pieces(layer.sizes):
        packed[piece.matrix][piece.rows, piece.columns] = weights[piece.name][:, public]
    p = tuple(row for name in cell.vectors for row in weights[name])
    step, outputs = Step(cell), np.empty((len(values), H), values.dtype)
    for begin, end in pairwise(problem.offsets):
        h = np.zeros(H, values.dtype)
        s = (h,) * len(cell.states)
        for t in range(begin, end):
            z, inner_saved = np.concatenate([h, np.ones(1, h.dtype), values[t]]), ()
            a = np.split(z @ packed["W"], len(cell.columns))
            if cell.inner:
                inner_saved, u = step.inner_forward(tuple(a[: step.n_inner]), h)
                a[-1] = a[-1] + u @ packed["W_u"]
            _, s, h = step.forward(step.outer(a, inner_saved), s, h, p)
            outputs[t] = h
    return outputs


def check_gradient(cell):
    """The gradient of a network of two layers is that of central differences, for every weight."""
    for bidirectional, where in ((False, "one direction"), (True, "both directions")):
        points = []
        while len(points) < POINTS and (not points or describe(points[-1])):
            problem = Problem(cell, [4, 1, 6], 2, (3, 3), seed=len(points), bidirectional=bidirectional)
            with about("backward cannot be compiled: what it may use is told in the page 'Add a cell'"):
                points.append(_gradient_errors(problem))
        wrong = describe(smallest(points))
        require(not wrong, f"the gradient of two layers in {where} differs from central differences: {wrong}")


def _gradient_errors(problem):
    """Error of the gradient of each weight."""
    theta = problem.theta.copy()
    slopes = np.empty_like(theta)
    with problem.objective() as value_and_gradient:
        _, gradient = value_and_gradient(theta)
        for k, number in enumerate(problem.theta):
            values = []
            for move in (-STEP, STEP):
                theta[k] = number + move
                values.append(value_and_gradient(theta)[0])
            slopes[k], theta[k] = (values[1] - values[0]) / (2 * STEP), number
    named = problem.named(slopes)
    return {name: error_of(part, named[name]) for name, part in problem.named(gradient).items()}


def check_single_precision(cell):
    """Predictions and gradients in float32 are those in float64 but for rounding."""
    results = {}
    for dtype in TOLERANCES:
        problem = Problem(cell, [4, 1, 6, 3], 2, (17, 5), dtype=dtype, bidirectional=True)
        gradient = problem.named(problem.value_and_gradient()[1])
        results[dtype] = {"predictions": problem.predict()} | {f"gradient of {k}": v for k, v in gradient.items()}
    for name, exact in results["float64"].items():
        error = error_of(results["float32"][name], exact)
        why = "does it take the difference of large numbers, or divide by a small one?"
        require(error <= TOLERANCES["float32"], f"{name}: float32 differs from float64 by {error:.2g}; {why}")


def check_padding(cell):
    """The prediction of a sequence is the same, bit for bit, alone and among longer ones."""
    problem = Problem(cell, [3, 9, 1, 5, 9, 2], 2, (5, 3), dtype="float32", bidirectional=True)
    together = problem.predict()
    for i, length in enumerate(problem.data.lengths):
        same = np.array_equal(problem.predict(np.array([i])), together[[i]], equal_nan=True)
        require(same, f"the prediction of a sequence of {length} steps differs alone and among longer ones")


def check_determinism(cell):
    """The same bits twice in a row, and with one thread and two."""
    lengths, rng = [1], np.random.default_rng(0)
    theta = Problem(cell, lengths, 8, (24,)).theta
    while len(lengths) < 64 or worthwhile_workers(theta, np.array(lengths), FORWARD_SHARE) < 2:
        lengths += rng.integers(10, 100, 16).tolist()
    problem = Problem(cell, lengths, 8, (24,), dtype="float32")
    runs = [(problem.predict(n_threads=n), *problem.value_and_gradient(n_threads=n)) for n in (1, 1, 2)]
    for run, what in ((1, "in a second run"), (2, "with two threads")):
        same = all(np.array_equal(x, y, equal_nan=True) for x, y in zip(runs[0], runs[run], strict=True))
        require(same, f"{what} predictions or gradients differ: does a function use random numbers?")


def check_large_inputs(cell):
    """Large inputs, and zeros, do not make NaN."""
    problem = Problem(cell, [6, 1, 4, 3], 2, (5, 3), dtype="float32", bidirectional=True)
    signs = np.sign(problem.data.values)
    for size in (1e4, 1e2, 0.0):
        problem.data.values[:] = signs * size
        is_nan = np.isnan(problem.predict()).any()
        require(not is_nan, f"inputs of size {size:g} result in NaN: is there 0 / 0, or exp(x) / (1 + exp(x))?")
