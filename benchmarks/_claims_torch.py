"""PyTorch's side of claims.py: the same data, initial distributions, optimiser, clipping and number of updates."""

import copy
import math
import time

import numpy as np
import torch
from sklearn.model_selection import train_test_split

TRIAL_UPDATES = 8  # with each number of threads; the first is not counted
SCORING_ROWS = 256
N_GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


class TorchNet(torch.nn.Module):
    """A recurrent layer and a readout of its last state; reads (T, N, D), the faster layout.

    irnn_limit : makes an RNN one of ReLU that starts with the identity, and with input weights up to this limit.
    """

    def __init__(self, kind, n_inputs, n_hidden, n_outputs, irnn_limit):
        super().__init__()
        options = {"nonlinearity": "relu"} if irnn_limit else {}
        self.rnn = getattr(torch.nn, kind)(n_inputs, n_hidden, **options)
        self.readout = torch.nn.Linear(n_hidden, n_outputs)
        with torch.no_grad():
            self._initialize(kind, n_hidden, irnn_limit)

    def _initialize(self, kind, n_hidden, irnn_limit):
        """Glorot for inputs and readout, orthogonal matrices for states, gate by gate; biases 0, of forget gates 1."""
        for gate in range(N_GATES[kind]):
            rows = slice(gate * n_hidden, (gate + 1) * n_hidden)
            torch.nn.init.xavier_uniform_(self.rnn.weight_ih_l0[rows])
            torch.nn.init.orthogonal_(self.rnn.weight_hh_l0[rows])
        if irnn_limit:
            torch.nn.init.uniform_(self.rnn.weight_ih_l0, -irnn_limit, irnn_limit)
            torch.nn.init.eye_(self.rnn.weight_hh_l0)
        torch.nn.init.xavier_uniform_(self.readout.weight)
        for bias in (self.rnn.bias_ih_l0, self.rnn.bias_hh_l0, self.readout.bias):
            torch.nn.init.zeros_(bias)
        if kind == "LSTM":
            self.rnn.bias_ih_l0[n_hidden : 2 * n_hidden] = 1.0

    def forward(self, x):
        states = self.rnn(x)[1]
        return self.readout((states[0] if isinstance(states, tuple) else states)[-1])


class Trainer:
    """A network with its optimiser; targets of regression are standardised, as in skrnn."""

    def __init__(self, net, learning_rate, clip_norm, regression):
        self.net, self.clip_norm, self.regression = net, clip_norm, regression
        self.parameters = list(net.parameters())
        self.optimizer = torch.optim.Adam(self.parameters, lr=learning_rate, fused=True)

    def update(self, X, target):
        """One step on a batch; returns whether loss and gradient were finite (else nothing is changed)."""
        self.optimizer.zero_grad(set_to_none=True)
        raw = self.net(time_first(X))
        if self.regression:
            loss = torch.nn.functional.mse_loss(raw[:, 0], target)
        else:
            loss = torch.nn.functional.cross_entropy(raw, target)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm, foreach=True)
        if not math.isfinite(loss.item() + norm.item()):
            return False
        self.optimizer.step()
        return True

    def predict(self, X):
        """Predictions, for regression of the standardised target."""
        with torch.no_grad():
            raw = torch.cat([self.net(time_first(part)) for part in X.split(SCORING_ROWS)])
        return raw[:, 0] if self.regression else raw.argmax(1)

    def score(self, X, target):
        """Higher is better."""
        prediction = self.predict(X)
        return float(
            -(prediction - target).square().mean() if self.regression else (prediction == target).float().mean()
        )


def time_first(X):
    return X.transpose(0, 1).contiguous()


def fastest_threads(trainer, X, target):
    """1 or 2, tried on a batch with copies of the network."""
    seconds = {}
    for n_threads in (1, 2):
        torch.set_num_threads(n_threads)
        tried = copy.deepcopy(trainer)
        times = []
        for _ in range(TRIAL_UPDATES):
            start = time.perf_counter()
            tried.update(X, target)
            times.append(time.perf_counter() - start)
        seconds[n_threads] = np.median(times[1:])
    return min(seconds, key=seconds.get)


def fit_torch(task, how, data, own):
    """A run of PyTorch beside the run `own` of skrnn, as a dict for the results."""
    X, y, X_test, y_test = data
    mean, scale = (y.mean(), y.std()) if task.regression else (0, 1)
    target = ((y - mean) / scale).astype(np.float32) if task.regression else y
    n_outputs, batch_size = 1 if task.regression else len(np.unique(y)), how["batch_size"]
    parts = train_test_split(X, target, test_size=how["validation_fraction"], random_state=0)
    X, X_held, target, target_held = (torch.from_numpy(part) for part in parts)
    torch.manual_seed(0)
    net = TorchNet(how["kind"], X.shape[2], own["units"], n_outputs, how["irnn_limit"])
    trainer = Trainer(net, how["learning_rate"], how["clip_norm"], task.regression)
    n_threads = fastest_threads(trainer, X[:batch_size], target[:batch_size])
    torch.set_num_threads(n_threads)
    start = time.perf_counter()
    n_updates, diverged = train(
        trainer, X, target, X_held, target_held, batch_size, own["updates"], start + task.torch_seconds
    )
    seconds = time.perf_counter() - start
    prediction = trainer.predict(torch.from_numpy(X_test)).numpy() * scale + mean
    return {
        "updates": n_updates,
        "seconds": seconds,
        "threads": n_threads,
        "result": task.judge(prediction, y_test),
        "diverged": diverged,
    }


def train(trainer, X, target, X_held, target_held, batch_size, max_updates, end):
    """Train until the updates are made or time is up, score after each epoch, and leave the best weights in place.

    Returns the number of updates made, and whether training diverged.
    """
    best, best_state, n_updates, diverged = -np.inf, None, 0, False
    while not diverged and n_updates < max_updates and time.perf_counter() < end:
        for rows in torch.randperm(len(X)).split(batch_size)[: max_updates - n_updates]:
            diverged = not trainer.update(X[rows], target[rows])
            if diverged or time.perf_counter() > end:
                break
            n_updates += 1
        score = -np.inf if diverged else trainer.score(X_held, target_held)
        if score > best:
            best, best_state = score, copy.deepcopy(trainer.net.state_dict())
    if best_state:
        trainer.net.load_state_dict(best_state)
    return n_updates, diverged
