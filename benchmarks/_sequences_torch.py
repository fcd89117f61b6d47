"""PyTorch loops for the networks of fitted sequence estimators, as careful as one writes them.

Sequences are padded once, and batches are made of neighbours in length, which are shuffled. Recurrent layers are
PyTorch's own, packed where a direction would read padding. The decoder reads all true labels in one call; attention
is two batched products, and the readout skips what is padding. Adam is fused, gradients are set to None.

Every module takes the weights of the estimator (`load_weights`), so that both sides can be compared number by number.
"""

import copy
import itertools
import math
import time

import numpy as np
import torch
from _torch_classifier import LAYERS
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from skrnn.estimators._amount import batch_size_of
from skrnn.estimators._validation import validate_inputs
from skrnn.schedules import get_schedule

TRIAL_UPDATES = 6  # with each number of threads; the first is not counted
POOL = 16  # batches whose sequences are sorted by length together
SCORING_ROWS = 256
SUFFIXES = {"forward": "", "backward": "_reverse"}


# ------------------------------------------------------------------------------------------------------------ modules
class Reader(torch.nn.Module):
    """Numbers as they are, codes as vectors; reads (T, n, D)."""

    def __init__(self, structure):
        super().__init__()
        self.codes = [channel for channel, _, _ in structure.embeddings]
        self.numbers = [channel for channel in range(structure.n_inputs) if channel not in self.codes]
        self.tables = torch.nn.ModuleList(torch.nn.Embedding(n, size) for _, n, size in structure.embeddings)
        self.n_outputs = len(self.numbers) + sum(size for *_, size in structure.embeddings)

    def forward(self, x):
        parts = [x[:, :, self.numbers]] if self.numbers else []
        parts += [table(x[:, :, channel].long()) for channel, table in zip(self.codes, self.tables, strict=True)]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)

    def pairs(self, prefix):
        for k, table in enumerate(self.tables):
            yield f"{prefix}embedding.{k}", table.weight


class Layers(torch.nn.Module):
    """What comes before the readout of a `Structure`: vectors of codes and recurrent layers, with dropout between."""

    def __init__(self, structure, prefix=""):
        super().__init__()
        sizes = structure.hidden_layer_sizes
        if len(set(sizes)) > 1 or structure.convolution or structure.layer_norm or structure.residual:
            raise ValueError(f"PyTorch's own layers are all of one size, without convolution; got {structure}.")
        self.prefix, self.reader, self.kind = prefix, Reader(structure), type(structure.cell).__name__
        self.directions = ("forward", "backward") if structure.bidirectional else ("forward",)
        dropout = structure.dropout if len(sizes) > 1 else 0.0
        n_inputs, two = self.reader.n_outputs, structure.bidirectional
        self.rnn = LAYERS[self.kind](n_inputs, sizes[0], len(sizes), bidirectional=two, dropout=dropout)
        self.n_outputs = sizes[0] * len(self.directions)

    def forward(self, x, lengths=None, states=None):
        """Outputs (T, n, H) and last states; `lengths`, in any order, if a direction would read padding."""
        x = self.reader(x)
        if lengths is None or bool((lengths == len(x)).all()):
            return self.rnn(x, states)
        outputs, states = self.rnn(pack_padded_sequence(x, lengths, enforce_sorted=False), states)
        return pad_packed_sequence(outputs)[0], states

    def pairs(self):
        """Names of the weights of skrnn, with what holds the same here; that is transposed."""
        yield from self.reader.pairs(self.prefix)
        for k, direction in itertools.product(range(self.rnn.num_layers), self.directions):
            name, suffix = f"{self.prefix}layers.{k}.{direction}", f"_l{k}{SUFFIXES[direction]}"
            for own, other in (("W_x", "weight_ih"), ("W_h", "weight_hh"), ("b", "bias_ih")):
                yield f"{name}.{own}", getattr(self.rnn, other + suffix)
            if self.kind == "GRU":
                yield f"{name}.b_h", getattr(self.rnn, f"bias_hh{suffix}")[-self.rnn.hidden_size :]


class Attention(torch.nn.Module):
    """``tanh([h, c] W_c + b_c)``, where c is the mean of the outputs of the encoder that fit the state h best."""

    def __init__(self, kind, n_units, n_source):
        super().__init__()
        self.keys = torch.nn.Linear(n_source, n_units, bias=False)
        self.query = torch.nn.Linear(n_units, n_units) if kind == "additive" else None
        self.v = torch.nn.Parameter(torch.empty(n_units).uniform_(-0.1, 0.1)) if kind == "additive" else None
        self.combine = torch.nn.Linear(n_units + n_source, n_units)

    def forward(self, h, source, is_padding):
        """h (n, U, H), source (n, T, E), is_padding (n, T) or None."""
        keys = self.keys(source)
        if self.query is None:
            scores = torch.bmm(h, keys.transpose(1, 2)) * (1 / math.sqrt(h.shape[2]))
        else:
            scores = torch.tanh(self.query(h)[:, :, None] + keys[:, None]) @ self.v
        if is_padding is not None:
            scores = scores.masked_fill(is_padding[:, None], -math.inf)
        context = torch.bmm(F.softmax(scores, dim=2), source)
        return torch.tanh(self.combine(torch.cat((h, context), dim=2)))

    def pairs(self):
        yield from (("attention.W_k", self.keys.weight), ("attention.W_c", self.combine.weight))
        yield "attention.b_c", self.combine.bias
        if self.query is not None:
            yield from (("attention.W_q", self.query.weight), ("attention.b", self.query.bias), ("attention.v", self.v))


class Seq2Seq(torch.nn.Module):
    """Encoder, maps of its last states, decoder, attention and readout of a `Structure`."""

    def __init__(self, structure):
        super().__init__()
        self.encoder, self.decoder = Layers(structure), Layers(structure.decoder, "decoder.")
        n_source, n_units, n_levels = self.encoder.n_outputs, self.decoder.n_outputs, len(structure.hidden_layer_sizes)
        self.n_carried = n_units * (2 if self.encoder.kind == "LSTM" else 1)
        sizes = self.n_carried * len(self.encoder.directions), self.n_carried
        self.has_bridge = sizes[0] != sizes[1]
        self.bridges = torch.nn.ModuleList(torch.nn.Linear(*sizes) for _ in range(n_levels * self.has_bridge))
        self.attention = structure.attention and Attention(structure.attention, n_units, n_source)
        self.readout = torch.nn.Linear(n_units, structure.decoder.n_outputs)
        self.dropout = structure.decoder.dropout

    def encode(self, x, lengths):
        """Outputs (n, T, E), where they are padding, and the first states of the decoder."""
        outputs, states = self.encoder(x, lengths)
        beyond = torch.arange(len(outputs)) >= lengths[:, None]
        return outputs.transpose(0, 1), beyond if beyond.any() else None, self._first(states)

    def _first(self, states):
        """(n_levels * n_directions, n, H) each, to what the decoder starts from; rows are [h, c] of each direction."""
        if not self.has_bridge:
            return states
        parts = states if isinstance(states, tuple) else (states,)
        n_directions, (_, n, n_units) = len(self.encoder.directions), parts[0].shape
        rows = torch.stack(parts, dim=2).reshape(len(self.bridges), n_directions, n, len(parts) * n_units)
        mapped = [bridge(row.transpose(0, 1).reshape(n, -1)) for bridge, row in zip(self.bridges, rows, strict=True)]
        first = torch.stack(mapped).split(n_units, dim=2)
        return tuple(part.contiguous() for part in first) if len(parts) > 1 else first[0].contiguous()

    def decode(self, source, is_padding, states, before):
        """What the readout reads (n, U, H) after each label before (U, n), and the states."""
        outputs, states = self.decoder(before[:, :, None], None, states)
        outputs = outputs.transpose(0, 1)
        return outputs if self.attention is None else self.attention(outputs, source, is_padding), states

    def forward(self, x, lengths, before, is_label):
        """Raw predictions of what is no padding, in the order of a (n, U) mask."""
        outputs = self.decode(*self.encode(x, lengths), before)[0][is_label]
        return self.readout(F.dropout(outputs, self.dropout, self.training))

    def pairs(self):
        yield from self.encoder.pairs()
        yield from self.decoder.pairs()
        for k, bridge in enumerate(self.bridges):
            yield from ((f"bridge.{k}.W", bridge.weight), (f"bridge.{k}.b", bridge.bias))
        if self.attention is not None:
            yield from self.attention.pairs()
        yield from (("readout.W", self.readout.weight), ("readout.b", self.readout.bias))


class StepNetwork(torch.nn.Module):
    """Layers and a readout at each step, for labels without alignment and for generators."""

    def __init__(self, structure):
        super().__init__()
        self.layers = Layers(structure)
        self.readout = torch.nn.Linear(self.layers.n_outputs, structure.n_outputs)
        self.dropout = structure.dropout

    def forward(self, x, lengths=None, states=None):
        """Raw predictions (T, n, K), and the last states."""
        outputs, states = self.layers(x, lengths, states)
        return self.readout(F.dropout(outputs, self.dropout, self.training)), states

    def pairs(self):
        yield from self.layers.pairs()
        yield from (("readout.W", self.readout.weight), ("readout.b", self.readout.bias))


def load_weights(module, weights):
    """Give a module the weights of an estimator; raises an error if they are not all of the same shapes."""
    pairs = dict(module.pairs())
    if pairs.keys() != weights.keys():
        raise RuntimeError(f"skrnn and PyTorch differ in their weights: {sorted(pairs.keys() ^ weights.keys())}")
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if "bias_hh" in name:  # of which skrnn has none, but for the candidate of a GRU
                parameter.zero_()
        for name, parameter in pairs.items():
            is_table = "embedding" in name
            values = torch.from_numpy(np.ascontiguousarray(weights[name] if is_table else weights[name].T))
            if values.shape != parameter.shape:
                raise RuntimeError(f"skrnn and PyTorch differ in {name}: {values.shape} and {parameter.shape}")
            parameter.copy_(values)


def n_parameters(module):
    """Numbers that are learned, without second biases of layers that add up with the first."""
    return sum(parameter.numel() for _, parameter in module.pairs())


# --------------------------------------------------------------------------------------------------------------- data
class Inputs:
    """What the network of an estimator reads, padded once: (n, T, D), and lengths."""

    def __init__(self, estimator, X):
        sequences = validate_inputs(estimator, X, "float32", missing=estimator.missing, text=estimator.inputs_.is_text)
        values, offsets = estimator.inputs_.encode(sequences, "float32"), sequences.offsets
        self.lengths = torch.from_numpy(np.diff(offsets))
        self.x = torch.zeros(len(self.lengths), int(self.lengths.max()), values.shape[1])
        for row, (begin, end) in zip(self.x, itertools.pairwise(offsets), strict=True):
            row[: end - begin] = torch.from_numpy(values[begin:end])

    def __len__(self):
        return len(self.lengths)

    def inputs_of(self, rows):
        """Steps (T, n, D) and lengths of these rows."""
        lengths = self.lengths[rows]
        return self.x[rows, : int(lengths.max())].transpose(0, 1).contiguous(), lengths

    def batches(self, batch_size, in_order=False):
        """Rows of each batch; random ones of about equal lengths, in pools, or all in order."""
        if in_order:
            return torch.arange(len(self)).split(batch_size)
        pools = torch.randperm(len(self)).split(POOL * batch_size)
        sorted_pools = [pool[torch.argsort(self.lengths[pool], stable=True)] for pool in pools]
        batches = [batch for pool in sorted_pools for batch in pool.split(batch_size)]
        return [batches[k] for k in torch.randperm(len(batches))]


class Translations(Inputs):
    """Sequences with labels of their own number: codes with the end behind them, and what the decoder reads before."""

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X)
        self.end = len(estimator.classes_)
        codes = [codes_of(estimator, labels) for labels in y]
        self.n_labels = torch.tensor([len(each) + 1 for each in codes])
        self.target = torch.full((len(codes), int(self.n_labels.max())), self.end)
        for row, each in zip(self.target, codes, strict=True):
            row[: len(each)] = torch.from_numpy(each)
        self.before = F.pad((self.target[:, :-1] + 1).clamp(max=self.end), (1, 0))  # after the end all is padding

    def batch(self, rows):
        n_labels = self.n_labels[rows]
        longest = int(n_labels.max())
        is_label = torch.arange(longest) < n_labels[:, None]
        before = self.before[rows, :longest].T.contiguous()
        return (*self.inputs_of(rows), before, is_label), self.target[rows, :longest][is_label]

    def loss(self, net, rows, label_smoothing=0.0):
        """Mean over the labels."""
        inputs, target = self.batch(rows)
        return F.cross_entropy(net(*inputs), target, label_smoothing=label_smoothing)


class Unaligned(Inputs):
    """Sequences with labels that are not aligned with their steps; the blank is the last symbol."""

    def __init__(self, estimator, X, y):
        super().__init__(estimator, X)
        self.codes = [torch.from_numpy(codes_of(estimator, labels)) for labels in y]
        self.blank = len(estimator.classes_)

    def loss(self, net, rows, label_smoothing=0.0):
        """Mean over the sequences."""
        x, lengths = self.inputs_of(rows)
        codes = [self.codes[row] for row in rows.tolist()]
        log_p = F.log_softmax(net(x, lengths)[0], dim=2)
        n_labels = torch.tensor([len(each) for each in codes])
        return F.ctc_loss(log_p, torch.cat(codes), lengths, n_labels, self.blank, "sum") / len(rows)


class Streams:
    """A long text in streams side by side, in pieces; states are carried on from piece to piece.

    As skrnn, the network reads code 0 before the first token; codes of tokens begin with 1, and classes with 0.
    """

    def __init__(self, codes, n_streams, n_steps):
        n = len(codes) // n_streams
        self.target = torch.from_numpy(codes[: n * n_streams] - 1).reshape(n_streams, n).T.contiguous()
        before = np.concatenate([[0], codes[:-1]])[: n * n_streams]
        self.before = torch.from_numpy(before).reshape(n_streams, n).T.contiguous()
        self.n_steps, self.states = n_steps, None

    def __len__(self):
        return self.target.shape[1]

    def batches(self, batch_size, in_order=False):
        """First steps of the pieces, whose order does not change."""
        self.states = None
        return range(0, len(self.target), self.n_steps)

    def loss(self, net, begin, label_smoothing=0.0):
        """Mean over the steps of a piece."""
        piece = slice(begin, begin + self.n_steps)
        raw, states = net(self.before[piece][:, :, None], None, self.states)
        self.states = tuple(s.detach() for s in states) if isinstance(states, tuple) else states.detach()
        return F.cross_entropy(raw.flatten(0, 1), self.target[piece].flatten(), label_smoothing=label_smoothing)


def codes_of(estimator, labels):
    """Numbers of labels among the classes of an estimator, all of which are known."""
    labels = np.asarray(labels, dtype=estimator.classes_.dtype) if len(labels) else estimator.classes_[:0]
    codes = np.searchsorted(estimator.classes_, labels)
    if not np.array_equal(estimator.classes_[codes.clip(max=len(estimator.classes_) - 1)], labels):
        raise ValueError(f"not all of these labels are known: {list(labels)}")
    return codes


# ----------------------------------------------------------------------------------------------------------- training
class Loop:
    """Training as an estimator trains: Adam, clipping, weight decay, a schedule of learning rates.

    Parameters
    ----------
    estimator
        Fitted, or of the same parameters as one that is.
    net : Module
    data
        With `batches` and `loss`.
    n_epochs : int
        Over which the learning rate falls.
    """

    def __init__(self, estimator, net, data, n_epochs):
        self.net, self.data, self.batch_size = net, data, batch_size_of(estimator, len(data))
        self.smoothing = getattr(estimator, "label_smoothing", 0.0)
        self.learning_rate, self.clip_norm = estimator.learning_rate_init, estimator.clip_norm or math.inf
        named = list(net.named_parameters())
        penalized = [p for name, p in named if p.ndim > 1 and "tables" not in name]
        others = [p for name, p in named if p.ndim == 1 or "tables" in name]
        groups = [{"params": penalized, "weight_decay": estimator.alpha}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.Adam(groups, lr=self.learning_rate, fused=True)
        self.parameters, self.schedule = penalized + others, get_schedule(estimator.learning_rate)
        self.n_epochs, self.n_done = n_epochs, 0

    def update(self, batch, done):
        """A step of the solver, where a share `done` of the training is over; returns the loss."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * self.schedule.factor(done, [])
        self.optimizer.zero_grad(set_to_none=True)
        loss = self.data.loss(self.net, batch, self.smoothing)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm, foreach=True)
        self.optimizer.step()
        return loss.detach()

    def epoch(self):
        """Run an epoch; returns its mean loss."""
        self.net.train()
        batches = list(self.data.batches(self.batch_size))
        steps = enumerate(batches)
        losses = [self.update(batch, min((self.n_done + k / len(batches)) / self.n_epochs, 1.0)) for k, batch in steps]
        self.n_done += 1
        return float(torch.stack(losses).mean())

    def run(self):
        """All epochs, on the faster of one and two threads; returns their seconds, and the number of threads."""
        n_threads = fastest_threads(self)
        torch.set_num_threads(n_threads)
        start = time.perf_counter()
        for _ in range(self.n_epochs - self.n_done):
            self.epoch()
        return time.perf_counter() - start, n_threads


def fastest_threads(loop):
    """1 or 2, tried on batches with copies of the loop."""
    seconds = {}
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        tried, times = copy.deepcopy(loop), []
        tried.net.train()
        for batch in list(tried.data.batches(tried.batch_size))[:TRIAL_UPDATES]:
            start = time.perf_counter()
            tried.update(batch, 0.0)
            times.append(time.perf_counter() - start)
        seconds[n_threads] = np.median(times[1:] or times)
    return min(seconds, key=seconds.get)


# ------------------------------------------------------------------------------------------------------------ scores
@torch.no_grad()
def mean_label_loss(net, data):
    """Negative log-likelihood of a label, the ends included, in nats."""
    net.eval()
    total = 0.0
    for rows in data.batches(SCORING_ROWS, in_order=True):
        total += float(data.loss(net, rows)) * int(data.n_labels[rows].sum())
    return total / int(data.n_labels.sum())


@torch.no_grad()
def greedy(net, data, max_length):
    """The most probable label each time, up to the end: lists of codes."""
    net.eval()
    outputs = []
    for rows in data.batches(SCORING_ROWS, in_order=True):
        source, is_padding, states = net.encode(*data.inputs_of(rows))
        labels, found = torch.full((len(rows),), -1), []
        for _ in range(max_length):
            hidden, states = net.decode(source, is_padding, states, labels[None] + 1)
            labels = net.readout(hidden[:, 0]).argmax(dim=1)
            found.append(labels.clone())
            if len(found) > 1:
                found[-1][found[-2] == data.end] = data.end
            if bool((found[-1] == data.end).all()):
                break
            labels = labels.clamp(max=data.end - 1)  # what is read after the end does not matter
        for codes in torch.stack(found, dim=1).tolist():
            outputs.append(list(itertools.takewhile(lambda code: code != data.end, codes)))
    return outputs
