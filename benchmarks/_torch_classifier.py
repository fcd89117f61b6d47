"""A PyTorch loop for the network, the data and the number of updates of a fitted skrnn estimator."""

import copy
import time

import numpy as np
import torch
from _claims_torch import N_GATES
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skrnn.estimators._amount import batch_size_of
from skrnn.estimators._validation import validate_inputs
from skrnn.network.layers.embedding import initial_deviation
from skrnn.schedules import get_schedule

TRIAL_UPDATES = 4  # with each number of threads; the first is not counted
SCORING_ROWS = 256
LAYERS = {"LSTM": torch.nn.LSTM, "GRU": torch.nn.GRU, "Elman": torch.nn.RNN}


class Sequences:
    """What the network of an estimator reads, padded once, (n, T, D), with lengths and targets.

    Padding once makes batches cheaper for PyTorch than the usual list of tensors that is padded batch by batch.
    """

    def __init__(self, estimator, X, target):
        sequences = validate_inputs(estimator, X, "float32", missing=estimator.missing, text=estimator.inputs_.is_text)
        values, offsets = estimator.inputs_.encode(sequences, "float32"), sequences.offsets
        self.lengths = torch.from_numpy(np.diff(offsets))
        self.x = torch.zeros(len(self.lengths), int(self.lengths.max()), values.shape[1])
        for row, begin, end in zip(self.x, offsets[:-1], offsets[1:], strict=True):
            row[: end - begin] = torch.from_numpy(values[begin:end])
        self.per_step = estimator.per_step_
        self.target = self._padded(target, offsets) if self.per_step else torch.from_numpy(target)

    def _padded(self, target, offsets):
        padded = torch.zeros(self.x.shape[:2], dtype=torch.from_numpy(target[:1]).dtype)
        for row, begin, end in zip(padded, offsets[:-1], offsets[1:], strict=True):
            row[: end - begin] = torch.from_numpy(target[begin:end])
        return padded

    def batch(self, rows):
        """Steps (T, n, D), lengths and targets of these rows, longest first."""
        rows = rows[torch.argsort(self.lengths[rows], descending=True, stable=True)]
        lengths = self.lengths[rows]
        x = self.x[rows, : int(lengths[0])].transpose(0, 1).contiguous()
        target = self.target[rows]
        if self.per_step:  # in the order of a packed batch
            target = target[:, : len(x)].T[torch.arange(len(x))[:, None] < lengths]
        return x, lengths, target


class TorchTwin(torch.nn.Module):
    """The network of a `Structure` with vectors of codes, recurrent layers, pooling, readout; dropout as in skrnn."""

    def __init__(self, structure):
        super().__init__()
        self.structure = structure
        codes = [channel for channel, _, _ in structure.embeddings]
        self.numbers = [channel for channel in range(structure.n_inputs) if channel not in codes]
        self.embeddings = torch.nn.ModuleList(torch.nn.Embedding(n, size) for _, n, size in structure.embeddings)
        n_inputs = len(self.numbers) + sum(size for *_, size in structure.embeddings)
        sizes, directions = structure.hidden_layer_sizes, 1 + structure.bidirectional
        kind = type(structure.cell).__name__
        self.rnn = LAYERS[kind](n_inputs, sizes[0], len(sizes), bidirectional=structure.bidirectional)
        self.readout = torch.nn.Linear(directions * sizes[-1], structure.n_outputs)
        self.n_directions = directions
        with torch.no_grad():
            self._initialize(N_GATES[kind.replace("Elman", "RNN").upper()], sizes[0], kind)

    def _initialize(self, n_gates, n_hidden, kind):
        """As skrnn: Glorot for inputs, orthogonal gates for states; biases 0, of forget gates 1; small vectors."""
        for name, parameter in self.rnn.named_parameters():
            if name.startswith("bias"):
                parameter.zero_()
                if kind == "LSTM" and name.startswith("bias_ih"):
                    parameter[n_hidden : 2 * n_hidden] = 1.0
                continue
            initialize = torch.nn.init.xavier_uniform_ if name.startswith("weight_ih") else torch.nn.init.orthogonal_
            for gate in parameter.split(n_hidden):
                initialize(gate)
        for table in self.embeddings:
            limit = np.sqrt(3) * initial_deviation(table.num_embeddings)
            torch.nn.init.uniform_(table.weight, -limit, limit)
            table.weight[0] = 0.0  # of what is not known
        torch.nn.init.xavier_uniform_(self.readout.weight)
        torch.nn.init.zeros_(self.readout.bias)

    def forward(self, x, lengths):
        x = self._leave_out(self._read(x), self.structure.input_dropout)
        if lengths[0] == lengths[-1]:
            outputs, padding = self.rnn(x)[0], False
        else:
            outputs, padding = pad_packed_sequence(self.rnn(pack_padded_sequence(x, lengths))[0])[0], True
        if self.structure.pooling == "steps":
            kept = torch.arange(len(outputs))[:, None] < lengths
            return self.readout(self._leave_out(outputs, self.structure.dropout)[kept])
        pooled = self._pool(outputs, lengths, padding)
        return self.readout(torch.nn.functional.dropout(pooled, self.structure.dropout, self.training))

    def _read(self, x):
        parts = [x[:, :, self.numbers]] if self.numbers else []
        for table, (channel, _, _) in zip(self.embeddings, self.structure.embeddings, strict=True):
            parts.append(table(x[:, :, channel].long()))
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def _leave_out(self, x, rate):
        """The same channels at all steps of a sequence."""
        if not (rate and self.training):
            return x
        return x * torch.nn.functional.dropout(torch.ones_like(x[0]), rate)

    def _pool(self, outputs, lengths, padding):
        n_hidden = outputs.shape[2] // self.n_directions
        if self.structure.pooling == "last":
            last = outputs[lengths - 1, torch.arange(len(lengths))]
            return torch.cat((last[:, :n_hidden], outputs[0, :, n_hidden:]), dim=1)
        if self.structure.pooling == "mean":
            return outputs.sum(dim=0) / lengths[:, None]
        if padding:
            beyond = torch.arange(len(outputs))[:, None] >= lengths
            outputs = outputs.masked_fill(beyond[:, :, None], -np.inf)
        return outputs.amax(dim=0)


class TorchLoop:
    """Training as the estimator was trained: Adam, clipping, L2 penalty, batches, and a factor of the learning rate.

    factor : callable, of update (from 1) and number of updates.
    """

    def __init__(self, estimator, data, batch_size, n_updates, factor):
        self.net = TorchTwin(estimator.structure_)
        self.data, self.batch_size, self.n_updates, self.factor = data, batch_size, n_updates, factor
        self.learning_rate, self.clip_norm = estimator.learning_rate_init, estimator.clip_norm
        named = list(self.net.named_parameters())  # biases and vectors of codes are not penalized
        penalized = [p for name, p in named if p.ndim > 1 and not name.startswith("embeddings")]
        others = [p for name, p in named if p.ndim == 1 or name.startswith("embeddings")]
        alpha = estimator.alpha
        if estimator.per_step_:
            alpha /= float(data.lengths.double().mean())
        groups = [{"params": penalized, "weight_decay": alpha}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.Adam(groups, lr=self.learning_rate, fused=True)
        self.parameters = penalized + others

    def update(self, rows, k):
        """Update number k, from 1."""
        x, lengths, target = self.data.batch(rows)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self.factor(k, self.n_updates)
        self.optimizer.zero_grad(set_to_none=True)
        loss = loss_of(self.net(x, lengths), target)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm or np.inf, foreach=True)
        self.optimizer.step()

    def run(self):
        """All updates."""
        self.net.train()
        k = 0
        while k < self.n_updates:
            for rows in torch.randperm(len(self.data.lengths)).split(self.batch_size):
                k += 1
                self.update(rows, k)
                if k == self.n_updates:
                    break

    def score(self, data):
        """Share of predictions that are right, or for numbers the root of the mean squared error."""
        self.net.eval()
        errors = []
        with torch.no_grad():
            for rows in torch.arange(len(data.lengths)).split(SCORING_ROWS):
                x, lengths, target = data.batch(rows)
                raw = self.net(x, lengths)
                if target.is_floating_point():
                    errors.append((raw.reshape(target.shape) - target).square())
                else:
                    errors.append(((raw[:, 0] > 0).long() if raw.shape[1] == 1 else raw.argmax(1)) == target)
        mean = float(torch.cat(errors).double().mean())
        return float(np.sqrt(mean)) if errors[0].is_floating_point() else mean


def loss_of(raw, target):
    """Mean loss: squared for numbers, log loss for codes of classes."""
    if target.is_floating_point():
        return torch.nn.functional.mse_loss(raw.reshape(target.shape), target)
    if raw.shape[1] == 1:
        return torch.nn.functional.binary_cross_entropy_with_logits(raw[:, 0], target.float())
    return torch.nn.functional.cross_entropy(raw, target)


def fastest_threads(loop):
    """1 or 2, tried on batches with copies of the loop."""
    seconds = {}
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        tried, times = copy.deepcopy(loop), []
        for k in range(1, TRIAL_UPDATES + 1):
            start = time.perf_counter()
            tried.update(torch.randperm(len(loop.data.lengths))[: loop.batch_size], k)
            times.append(time.perf_counter() - start)
        seconds[n_threads] = np.median(times[1:])
    return min(seconds, key=seconds.get)


def fit_twin(estimator, X, y, X_test, y_test):
    """A run of PyTorch beside a fitted estimator: score on the test part, seconds of training, threads."""
    n_batches = estimator.t_ // estimator.n_iter_
    batch_size = batch_size_of(estimator, len(X))
    if -(-len(X) // batch_size) != n_batches:
        raise RuntimeError(f"batches of {batch_size} sequences are not what the estimator had: {n_batches} in an epoch")
    schedule = get_schedule(estimator.learning_rate)
    data = Sequences(estimator, X, encoded_target(estimator, y))
    torch.manual_seed(0)
    loop = TorchLoop(estimator, data, batch_size, estimator.t_, lambda k, n: schedule.factor((k - 1) / n, []))
    n_threads = fastest_threads(loop)
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    loop.run()
    seconds = time.perf_counter() - start
    score = loop.score(Sequences(estimator, X_test, encoded_target(estimator, y_test)))
    if not hasattr(estimator, "classes_"):
        score *= float(estimator.target_scale_[0])
    return {"score": score, "seconds": seconds, "threads": n_threads}


def encoded_target(estimator, y):
    """Codes of classes (of those that were not seen, one that is none of them), or standardized numbers."""
    y = np.concatenate([np.asarray(row) for row in y]) if estimator.per_step_ else np.asarray(y)
    if not hasattr(estimator, "classes_"):
        return ((y - estimator.target_mean_) / estimator.target_scale_).astype(np.float32)
    codes = np.searchsorted(estimator.classes_, y).clip(0, len(estimator.classes_) - 1)
    return np.where(estimator.classes_[codes] == y, codes, -1)
