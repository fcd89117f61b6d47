"""One network three times, with the same weights: in skrnn, in PyTorch, and as an ONNX graph."""

import itertools

import numpy as np
import onnx
import onnxruntime
import torch
from _harness import Contender

from skrnn.cells import get_cell
from skrnn.losses import MultinomialLogLoss
from skrnn.network import Network
from skrnn.optimizers import Adam, clip_by_norm
from skrnn.training import Data, Objective

CELLS = ("lstm", "gru", "elman")
N_GATES = {"lstm": 4, "gru": 3, "elman": 1}
GRID = (  # batch, T, inputs, hidden
    (32, 50, 8, 32),
    (32, 100, 1, 64),
    (64, 100, 16, 128),
    (128, 30, 12, 64),
    (256, 100, 16, 256),
    (32, 500, 4, 32),
    (1, 100, 8, 32),
    (16, 29, 12, 32),
)
N_CLASSES = 10
SHORTEST = 10  # steps of the shortest sequence where lengths vary
CLIP_NORM = 1.0
LEARNING_RATE = 1e-6  # so that thousands of steps on one batch leave the weights where training has them at first


POINTS = range(1, len(GRID) + 1)


def grid(points, quick):
    """The shapes of these points; without the largest, which takes as long as all others together, if `quick`."""
    shapes = [GRID[point - 1] for point in points]
    return [shape for shape in shapes if not (quick and shape == max(GRID, key=np.prod))]


class Problem:
    """Random sequences and labels, and a network in its initial state.

    Parameters
    ----------
    cell : {"lstm", "gru", "elman"}
    shape : tuple of int
        Number of sequences, steps, inputs, hidden units.
    dtype : {"float32", "float64"}
    ragged : bool, default=False
        Lengths uniform in 10 .. T, sorted: packing then costs PyTorch least.
    """

    def __init__(self, cell, shape, dtype="float32", ragged=False):
        N, T, D, H = shape
        rng = np.random.default_rng(0)
        self.cell, self.shape = cell, shape
        self.lengths = -np.sort(-rng.integers(SHORTEST, T + 1, N)) if ragged else np.full(N, T)
        self.x = rng.standard_normal((T, N, D)).astype(dtype)
        self.labels = rng.integers(0, N_CLASSES, N)
        self.network = Network(get_cell(cell), D, [H], N_CLASSES, dtype)
        self.theta = self.network.initialize(rng, np.zeros(N_CLASSES))
        self.weights = self.network.layout.views(self.theta)

    def data(self):
        """What skrnn reads."""
        values = np.concatenate([self.x[:length, n] for n, length in enumerate(self.lengths)])
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        return Data(values, offsets, self.labels[:, np.newaxis], np.ones(len(self.lengths)))

    def flops(self):
        """Floating-point operations of the matrix products of a training step, biases and readout not counted.

        Forward, gradients of states and weights; none of the inputs, which nothing needs.
        """
        D, H = self.shape[2:]
        G = N_GATES[self.cell]
        return int(self.lengths.sum()) * (6 * G * H * (H + D) - 2 * G * H * D)


# -------------------------------------------------------------------------------------------------------- skrnn
def skrnn_step(problem, pool):
    """A training step of skrnn, as the loop of `Training` makes it."""
    data, theta = problem.data(), problem.theta.copy()
    objective = Objective(problem.network, data, MultinomialLogLoss(), 0.0, pool, len(data.lengths))
    optimizer, rows, number = Adam(), np.arange(len(data.lengths)), itertools.count(1)
    state = optimizer.start(theta)

    def step():
        value, gradient = objective.value_and_gradient(theta, rows)
        clip_by_norm(gradient, CLIP_NORM)
        optimizer.step(theta, gradient, state, next(number), LEARNING_RATE)
        return value, gradient

    return step


# ------------------------------------------------------------------------------------------------------ PyTorch
class TorchModel(torch.nn.Module):
    """The network of a problem; reads (T, N, D) or a packed batch, which is PyTorch's faster layout."""

    def __init__(self, problem):
        super().__init__()
        D, H = problem.shape[2:]
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}[problem.cell]
        dtype = torch.float64 if problem.x.dtype == np.float64 else torch.float32
        self.rnn, self.readout = layer(D, H, dtype=dtype), torch.nn.Linear(H, N_CLASSES, dtype=dtype)
        self._load(problem.weights, H)

    def _load(self, weights, H):
        bias_hh = np.zeros_like(weights["layers.0.forward.b"])
        if "layers.0.forward.b_h" in weights:
            bias_hh[-H:] = weights["layers.0.forward.b_h"]
        pairs = (
            (self.rnn.weight_ih_l0, weights["layers.0.forward.W_x"].T),
            (self.rnn.weight_hh_l0, weights["layers.0.forward.W_h"].T),
            (self.rnn.bias_ih_l0, weights["layers.0.forward.b"]),
            (self.rnn.bias_hh_l0, bias_hh),
            (self.readout.weight, weights["readout.W"].T),
            (self.readout.bias, weights["readout.b"]),
        )
        with torch.no_grad():
            for parameter, values in pairs:
                parameter.copy_(torch.tensor(values))

    def forward(self, x):
        states = self.rnn(x)[1]  # after the last step of each sequence; a little faster than the last row of all steps
        return self.readout((states[0] if isinstance(states, tuple) else states)[-1])


class PaddedTorchModel(TorchModel):
    """The same for sequences of several lengths without packing: runs over the padding, then picks the last steps.

    The fused LSTM of PyTorch, which cannot read packed batches, makes up for the steps in vain at some shapes.
    """

    def __init__(self, problem):
        super().__init__(problem)
        self.last = torch.tensor(problem.lengths) - 1, torch.arange(len(problem.lengths))

    def forward(self, x):
        return self.readout(self.rnn(x)[0][self.last])


def torch_step(model, problem, packed=False):
    """A training step of PyTorch."""
    x, labels, lengths = torch.tensor(problem.x), torch.tensor(problem.labels), torch.tensor(problem.lengths)
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def step():
        optimizer.zero_grad(set_to_none=True)
        batch = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=True) if packed else x
        loss = torch.nn.functional.cross_entropy(model(batch), labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM, foreach=True)
        optimizer.step()
        return loss

    return step


def torch_contender(run, n_threads):
    return Contender(run, prepare=lambda: torch.set_num_threads(n_threads))


def check_same_step(problem, own_step, model, step):
    """Both sides must compute the same loss and gradient, or there is nothing to compare. Takes a step of each."""
    value, gradient = own_step()
    loss = step().item()
    own = problem.network.layout.views(gradient)["layers.0.forward.W_h"]
    other = model.rnn.weight_hh_l0.grad.numpy().T
    # Of length 1: the norm that clipping goes by counts both of PyTorch's biases.
    own, other = own / np.linalg.norm(own), other / np.linalg.norm(other)
    if not (np.isclose(value, loss, rtol=1e-4) and np.linalg.norm(own - other) < 1e-3):
        raise RuntimeError(f"skrnn and PyTorch differ: loss {value} and {loss}, gradients {own} and {other}")


# --------------------------------------------------------------------------------------------------------- ONNX
ONNX_NODES = {"lstm": "LSTM", "gru": "GRU", "elman": "RNN"}
ONNX_GATES = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2), "elman": (0,)}  # iofc from ours i f g o, zrh from r z g


def onnx_session(problem, n_threads):
    """An ONNX Runtime session for the network of a problem, from (T, N, D) to raw predictions."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = n_threads, 1
    model = _onnx_model(problem).SerializeToString()
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _onnx_model(problem):
    helper, H = onnx.helper, problem.shape[3]
    weights = {name.removeprefix("layers.0.forward."): array for name, array in problem.weights.items()}

    def in_onnx_order(matrix):
        blocks = [matrix[..., g * H : (g + 1) * H] for g in ONNX_GATES[problem.cell]]
        return np.concatenate(blocks, axis=-1).T

    bias, bias_h = weights["b"], np.zeros_like(weights["b"])
    if "b_h" in weights:
        bias_h[-H:] = weights["b_h"]
    constants = {
        "W": in_onnx_order(weights["W_x"])[np.newaxis],
        "R": in_onnx_order(weights["W_h"])[np.newaxis],
        "B": np.concatenate([in_onnx_order(bias), in_onnx_order(bias_h)])[np.newaxis],
        "readout_W": weights["readout.W"],
        "readout_b": weights["readout.b"],
        "direction": np.array([0]),
    }
    reset_after = {"linear_before_reset": 1} if problem.cell == "gru" else {}
    nodes = [
        helper.make_node(
            ONNX_NODES[problem.cell], ["x", "W", "R", "B"], ["", "states"], hidden_size=H, layout=0, **reset_after
        ),
        helper.make_node("Squeeze", ["states", "direction"], ["last"]),
        helper.make_node("Gemm", ["last", "readout_W", "readout_b"], ["raw"]),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, problem.x.shape)],
        [helper.make_tensor_value_info("raw", onnx.TensorProto.FLOAT, [problem.x.shape[1], N_CLASSES])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in constants.items()],
    )
    # An older IR and operator set than the onnx package writes by default: ONNX Runtime follows later.
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
