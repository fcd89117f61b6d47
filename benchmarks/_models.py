"""One network three times, with the same weights: in skrnn, in PyTorch, and as an ONNX graph."""

import itertools

import numpy as np
import onnx
import onnxruntime
import torch
from _harness import Contender, typical

from skrnn.cells import get_cell
from skrnn.initializers import GlorotUniform, Orthogonal, Scheme
from skrnn.network.data import Data
from skrnn.network.network import Network
from skrnn.network.structure import Structure

CELLS = ("lstm", "gru", "elman")  # those that PyTorch and ONNX Runtime have
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
LEARNING_RATE = 1e-6  # so that thousands of steps leave the weights where training has them at first
N_SEQUENCES, N_BATCHES = 1024, (8, 64)  # of an epoch: about, and the bounds of the number of batches


POINTS = range(1, len(GRID) + 1)


def grid(points, quick):
    """The shapes of these points; without the largest, which takes as long as all others together, if `quick`."""
    shapes = [GRID[point - 1] for point in points]
    return [shape for shape in shapes if not (quick and shape == max(GRID, key=np.prod))]


def batches_of_epoch(shape, quick=False):
    """How many batches of a shape an epoch has; few where minima are wanted, which long runs would not show."""
    return N_BATCHES[0] if quick or typical.busy else int(np.clip(N_SEQUENCES // shape[0], *N_BATCHES))


class Problem:
    """Random sequences and labels, and a network in its initial state.

    Parameters
    ----------
    cell : str or BaseCell
        For PyTorch's own layers and ONNX, one of `CELLS`.
    shape : tuple of int
        Number of sequences in a batch, steps, inputs, hidden units.
    dtype : {"float32", "float64"}
    ragged : bool, default=False
        Lengths uniform in 10 .. T, sorted in each batch: packing then costs PyTorch least.
    n_batches : int, default=1
    n_classes : int, default=10
    structure
        Other settings of the `Structure`.
    n_layers : int, default=1

    Attributes
    ----------
    x, labels, lengths : ndarray
        Of all sequences, batch after batch; x of shape (T, n_sequences, D).
    """

    def __init__(
        self, cell, shape, dtype="float32", ragged=False, *, n_batches=1, n_classes=N_CLASSES, n_layers=1, **structure
    ):
        N, T, D, H = shape
        rng = np.random.default_rng(0)
        self.cell, self.shape, self.n_batches, n = cell, shape, n_batches, n_batches * N
        lengths = rng.integers(SHORTEST, T + 1, (n_batches, N)) if ragged else np.full((n_batches, N), T)
        self.lengths = -np.sort(-lengths).ravel()
        self.x = rng.standard_normal((T, n, D)).astype(dtype)
        self.labels = rng.integers(0, n_classes, n)
        self.structure = Structure(get_cell(cell), D, (H,) * n_layers, n_classes, dtype=dtype, **structure)
        self.network = Network(self.structure)
        self.theta = self.network.initialize(rng, Scheme(GlorotUniform(), Orthogonal(), None, T))
        self.weights = self.network.layout.views(self.theta)

    def data(self):
        """What skrnn reads."""
        values = np.concatenate([self.x[:length, n] for n, length in enumerate(self.lengths)])
        offsets = np.concatenate([[0], np.cumsum(self.lengths)])
        return Data(values, offsets, self.labels[:, np.newaxis], np.ones(len(self.lengths)))

    def flops(self):
        """Floating-point operations of the matrix products of a mean training step, without biases and readout.

        A product with a matrix of n weights takes 2 n operations for a step of a sequence, and as many each for the
        gradients of the weights and of what is multiplied; nothing needs those of the inputs of the first layer.
        """
        n = 0
        for name, array in self.weights.items():
            layer, matrix = name.split(".")[1], name.split(".")[-1]
            if matrix in {"W_x", "W_h", "W_y"}:
                n += array.size * (4 if (layer, matrix) == ("0", "W_x") else 6)
        return int(self.lengths.sum()) * n / self.n_batches

    def batches(self):
        """Inputs, labels and lengths of each batch, as tensors."""
        arrays = self.x.swapaxes(0, 1), self.labels, self.lengths
        for first in range(0, len(self.labels), self.shape[0]):
            x, *others = (array[first : first + self.shape[0]] for array in arrays)
            yield torch.tensor(np.ascontiguousarray(x.swapaxes(0, 1))), *map(torch.tensor, others)


# ------------------------------------------------------------------------------------------------------ PyTorch
DIRECTIONS = ("forward", ""), ("backward", "_reverse")  # our names, and suffixes of PyTorch's


def load(pairs):
    """Set parameters of PyTorch to arrays."""
    with torch.no_grad():
        for parameter, values in pairs:
            parameter.copy_(torch.tensor(values))


class TorchModel(torch.nn.Module):
    """The network of a problem; reads (T, N, D) or a packed batch, which is PyTorch's faster layout."""

    def __init__(self, problem):
        super().__init__()
        structure = problem.structure
        H, n_layers = structure.hidden_layer_sizes[0], len(structure.hidden_layer_sizes)
        D = len(problem.weights["layers.0.forward.W_x"])
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}[problem.cell]
        dtype, self.n_directions = getattr(torch, structure.dtype), 2 if structure.bidirectional else 1
        self.rnn = layer(D, H, n_layers, bidirectional=structure.bidirectional, dtype=dtype)
        self.readout = torch.nn.Linear(self.n_directions * H, structure.n_outputs, dtype=dtype)
        with torch.no_grad():
            for name, parameter in self.rnn.named_parameters():
                if name.startswith("bias_hh"):
                    parameter.zero_()
            if problem.cell == "gru":  # in one layer and direction, which is all that is measured
                self.rnn.bias_hh_l0[-H:] = torch.tensor(problem.weights["layers.0.forward.b_h"])
        load(self.pairs(problem.weights))

    def pairs(self, named):
        """Each parameter with what belongs to it among the `named` arrays, without the second bias of a layer."""
        for k, (direction, suffix) in itertools.product(range(self.rnn.num_layers), DIRECTIONS[: self.n_directions]):
            for name, own in (("weight_ih", "W_x"), ("weight_hh", "W_h"), ("bias_ih", "b")):
                yield getattr(self.rnn, f"{name}_l{k}{suffix}"), named[f"layers.{k}.{direction}.{own}"].T
        yield from ((self.readout.weight, named["readout.W"].T), (self.readout.bias, named["readout.b"]))

    def forward(self, x):
        states = self.rnn(x)[1]  # after the last step of each sequence; a little faster than the last row of all steps
        states = states[0] if isinstance(states, tuple) else states
        return self.readout(states[-1] if self.n_directions == 1 else torch.cat((states[-2], states[-1]), dim=1))


class PaddedTorchModel(TorchModel):
    """The same for sequences of several lengths without packing: runs over the padding, then picks the last steps.

    The fused LSTM of PyTorch, which cannot read packed batches, makes up for the steps in vain at some shapes.
    """

    def forward(self, x, lengths):
        return self.readout(self.rnn(x)[0][lengths - 1, torch.arange(len(lengths))])


class IndRNNLayer(torch.nn.Module):
    """An IndRNN layer as one writes it in PyTorch, which has none; the product with the inputs of all steps is one."""

    def __init__(self, n_inputs, n_hidden):
        super().__init__()
        self.inputs, self.w = torch.nn.Linear(n_inputs, n_hidden), torch.nn.Parameter(torch.empty(n_hidden))

    def forward(self, x):
        a = self.inputs(x)
        h, outputs = torch.zeros_like(a[0]), []
        for a_t in a.unbind(0):  # a[t] would take T times as long on the way back
            h = torch.relu(a_t + self.w * h)
            outputs.append(h)
        return torch.stack(outputs)


class TorchIndRNN(torch.nn.Module):
    """The network of a problem whose cell is IndRNN; reads (T, N, D)."""

    def __init__(self, problem):
        super().__init__()
        structure = problem.structure
        sizes = structure.n_inputs, *structure.hidden_layer_sizes
        self.layers = torch.nn.Sequential(*itertools.starmap(IndRNNLayer, itertools.pairwise(sizes)))
        self.readout = torch.nn.Linear(sizes[-1], structure.n_outputs)
        load(self.pairs(problem.weights))

    def pairs(self, named):
        """Each parameter with what belongs to it among the `named` arrays."""
        for k, layer in enumerate(self.layers):
            W, w, b = (named[f"layers.{k}.forward.{name}"] for name in ("W_x", "w_h", "b"))
            yield from ((layer.inputs.weight, W.T), (layer.w, w), (layer.inputs.bias, b))
        yield from ((self.readout.weight, named["readout.W"].T), (self.readout.bias, named["readout.b"]))

    def forward(self, x):
        return self.readout(self.layers(x)[-1])


def torch_step(model, problem, packed=False, bounds=()):
    """A training step of PyTorch, each on the next batch; `bounds`: parameters, and largest absolute values of them."""
    batches = itertools.cycle(list(problem.batches()))
    parameters = list(model.parameters())
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE, fused=True)

    def step():
        x, labels, lengths = next(batches)
        optimizer.zero_grad(set_to_none=True)
        if packed:
            x = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, enforce_sorted=True)
        raw = model(x, lengths) if isinstance(model, PaddedTorchModel) else model(x)
        loss = torch.nn.functional.cross_entropy(raw, labels)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, CLIP_NORM, foreach=True)
        optimizer.step()
        with torch.no_grad():
            for parameter, limit in bounds:
                parameter.clamp_(-limit, limit)
        return loss

    return step


def torch_contender(run, n_threads):
    return Contender(run, prepare=lambda: torch.set_num_threads(n_threads))


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
