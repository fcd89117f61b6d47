"""Claims of the papers: which cells learn tasks that need a long memory, at equal numbers of parameters.

**Adding problem**, T = 100, 600 and 2000 (Hochreiter and Schmidhuber 1997, in the form of Le, Jaitly and Hinton 2015):
one channel of uniform numbers on [0, 1) and one of marks, one mark in each half. The target is the sum of the two
marked numbers; always predicting 1 has a mean squared error of 1/6 = 0.1667. **Copy memory** (Hochreiter and
Schmidhuber 1997; Arjovsky et al. 2016): ten symbols of eight kinds, 100 blanks and a cue, one-hot encoded. In the
papers, the network outputs all ten symbols in ten further steps. Here it has one output, the first symbol, at the cue.
This tests how long a network can remember 3 bits among nine other symbols and the blanks, not how much it can remember;
chance is 12.5 %. **Selective copying** (Gu and Dao 2023) has the same symbols at random places among the blanks, and no
cue; the answer is again the first symbol. **Digits** pixel by pixel: the digits of scikit-learn, T = 64, with a quarter
for testing, and MNIST at half the resolution, T = 196, with 8000 training images, read from the folder SKRNN_DATA, and
skipped without it.

Every network has about 4500 weights, in one layer, or in two if its name contains a 2. *irnn* is an Elman network with
ReLU, the identity as initial recurrent matrix, and small input weights; *lstm_chrono* is an LSTM with chrono
initialisation, and so is *mingru* a MinGRU. Training uses Adam, batches of 32, gradients clipped to norm 1, no penalty,
inputs that are not standardised, and 10 % of the sequences held out. The 10 000 training sequences (6000 for T = 2000)
are drawn once, not anew for each batch as in some of the papers. The weights with the best score on the held-out
sequences are scored on a new test set.

A run ends at its maximum number of updates or when its share of the hour is over. It ends earlier one epoch after the
score on the held-out sequences is sufficient: R^2 of 0.98 for adding (2 % of the trivial error), 99.5 % for copying. On
the adding problem it also ends at half of its updates or time if R^2 is below 0.05 by then.

PyTorch uses the same data, distributions of initial weights, forget bias, learning rate and clipping, and runs the same
number of updates, unless its share of the hour is over before, with one or two threads, whichever is faster in a short
trial. skrnn uses one thread.

The learning rates, one per network and kind of task, were chosen between 1e-4 and 1e-2 by the score on held-out
sequences drawn with another seed, with T = 100 and 600 for adding, or on held-out training images. T = 2000 uses the
rates of T = 600. The limit of the input weights of the IRNN was chosen in the same way. If no rate worked, the table
uses one in the middle. Nothing was chosen on a test set. The number of weights, batch size and clipping were not tuned.

*before* and *after* training: how far back the gradient reaches, as the norm of dL/dh of the first layer at the first
step divided by that at the last step, median over sequences. Values close to 0 before training are what the papers call
vanishing gradients. Gates can learn to let the gradient pass, as the column *after* shows; an Elman network has no
gates. (For networks that failed, *after* belongs to weights that are best by chance. Jordan networks have no such
ratio, because nothing depends on the last output.)

Three more options: ``--no-torch`` skips PyTorch, ``--resume`` continues an interrupted run, and ``--results`` sets the
file of results, one line per run, by default ``build/claims.jsonl``.
"""

import argparse
import contextlib
import io
import json
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np
from _harness import ROOT, SECTIONS, at_least, at_most, goals, parse_arguments, progress, report, table
from _sets import DATA, loaders
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier, RNNRegressor
from skrnn.cells import GRU, LSTM, Elman
from skrnn.initializers import Uniform

SECTIONS["claims"] = "Claims of the papers"
RESULTS, TRAINING_SEED, TEST_SEED = ROOT / "build" / "claims.jsonl", 1, 2
QUICK_SEQUENCES, QUICK_UPDATES, QUICK_SHARE = 320, 20, 10  # --quick divides steps by the last

N_PARAMETERS = 4500
TRAINING = {"batch_size": 32, "clip_norm": 1.0, "validation_fraction": 0.1}
SETTINGS = {**TRAINING, "alpha": 0.0, "standardize": False, "random_state": 0, "n_jobs": 1}
SETTINGS |= {"bidirectional": False, "pooling": "last"}  # memory is what is asked for
# The fit is ended from outside, see `Watcher`.
STOPPING = {"early_stopping": True, "tol": 0.0, "n_iter_no_change": 10**9, "verbose": True}
IRNN_LIMIT = 0.05  # of input weights: the paper draws them small, lest the states grow with every step
DIAGNOSED = 200  # sequences for the diagnostic of the gradient
NEXT_TO_NOTHING = 1e-12  # learning rate of a fit that is to keep the initial weights


@dataclass(frozen=True)
class Net:
    """A contender: parameters of the estimator, how many layers, and PyTorch's name for it, if any."""

    parameters: dict
    n_layers: int = 1
    torch: str = ""


IRNN = {"cell": Elman(activation="relu"), "recurrent_init": "identity", "input_init": Uniform(limit=IRNN_LIMIT)}
NETS = {
    "elman": Net({"cell": "elman"}, torch="RNN"),
    "irnn": Net(IRNN, torch="RNN"),
    "jordan": Net({"cell": "jordan"}),
    "lstm": Net({"cell": LSTM()}, torch="LSTM"),
    "lstm_chrono": Net({"cell": LSTM(), "bias_init": "chrono"}),
    "lstm_peephole": Net({"cell": LSTM(peepholes=True)}),
    "gru": Net({"cell": "gru"}, torch="GRU"),
    "gru_before": Net({"cell": GRU(reset="before")}),
    "mgu": Net({"cell": "mgu"}),
    "mingru_1": Net({"cell": "mingru", "bias_init": "chrono"}),
    "mingru_2": Net({"cell": "mingru", "bias_init": "chrono"}, n_layers=2),
    "linoss_2": Net({"cell": "linoss"}, n_layers=2),
    "indrnn_1": Net({"cell": "indrnn"}),
    "indrnn_2": Net({"cell": "indrnn"}, n_layers=2),
}
# Learning rates, chosen as the docstring says: adding at T = 100, copying, both digits, adding at T = 600 and 2000. Of
# MinGRU and LinOSS only 3e-3 and 1e-2 were tried, at T = 100 of adding.
RATES = {
    "elman": (3e-4, 1e-3, 1e-3, 3e-4),
    "irnn": (1e-3, 1e-3, 1e-3, 1e-4),
    "jordan": (3e-3, 3e-3, 3e-3, 3e-3),
    "lstm": (1e-2, 1e-2, 1e-2, 1e-2),
    "lstm_chrono": (1e-2, 1e-2, 1e-2, 1e-2),
    "lstm_peephole": (1e-2, 1e-2, 1e-2, 1e-2),
    "gru": (1e-2, 1e-2, 1e-2, 3e-3),
    "gru_before": (1e-2, 1e-2, 1e-2, 3e-3),
    "mgu": (1e-2, 1e-2, 1e-2, 3e-3),
    "mingru_1": (1e-2, 1e-2, 1e-2, 1e-2),
    "mingru_2": (1e-2, 1e-2, 1e-2, 1e-2),
    "linoss_2": (1e-2, 1e-2, 1e-2, 1e-2),
    "indrnn_1": (3e-3, 3e-3, 3e-3, 3e-3),
    "indrnn_2": (3e-3, 1e-3, 3e-3, 3e-3),
}
RATE_OF = {"adding_100": 0, "copy": 1, "selective": 1, "digits": 2, "mnist": 2, "adding_600": 3, "adding_2000": 3}
GATED = ("lstm", "lstm_chrono", "lstm_peephole", "gru", "gru_before", "mgu")


# --------------------------------------------------------------------------------------------------------- tasks
@dataclass(frozen=True)
class Task:
    """Data, and how long to train.

    read : ``read(quick)`` returns X, y, X_test, y_test; None if the data is not there.
    seconds, torch_seconds : after which a run ends in any case; trivial : error or accuracy without memory; enough :
    score on held-out sequences with which training ends; hopeless : score below which it ends at half its time.
    """

    title: str
    read: Callable
    max_updates: int
    seconds: float
    torch_seconds: float
    trivial: float
    enough: float = np.inf
    hopeless: float = -np.inf
    estimator: type = RNNClassifier

    @property
    def regression(self):
        return self.estimator is RNNRegressor

    def judge(self, prediction, y):
        """Mean squared error, or accuracy in per cent."""
        return float(np.mean((prediction - y) ** 2)) if self.regression else 100 * float(np.mean(prediction == y))


def adding(n_steps, n_sequences, quick):
    if quick:
        n_steps, n_sequences = n_steps // QUICK_SHARE, QUICK_SEQUENCES
    return *draw_adding(n_steps, n_sequences, TRAINING_SEED), *draw_adding(n_steps, 1000, TEST_SEED)


def draw_adding(n_steps, n_sequences, seed):
    rng = np.random.default_rng(seed)
    X = np.zeros((n_sequences, n_steps, 2), np.float32)
    X[:, :, 0] = rng.random((n_sequences, n_steps), np.float32)
    rows, middle = np.arange(n_sequences), n_steps // 2
    first, second = rng.integers(0, middle, n_sequences), rng.integers(middle, n_steps, n_sequences)
    X[rows, first, 1] = X[rows, second, 1] = 1
    return X, X[rows, first, 0] + X[rows, second, 0]


def copying(n_blanks, n_sequences, quick):
    if quick:
        n_blanks, n_sequences = n_blanks // QUICK_SHARE, QUICK_SEQUENCES
    return *draw_copying(n_blanks, n_sequences, TRAINING_SEED), *draw_copying(n_blanks, 1000, TEST_SEED)


def draw_copying(n_blanks, n_sequences, seed, n_symbols=10, n_kinds=8):
    symbols = np.random.default_rng(seed).integers(0, n_kinds, (n_sequences, n_symbols))
    blank, cue = n_kinds, n_kinds + 1
    codes = np.pad(symbols, ((0, 0), (0, n_blanks)), constant_values=blank)
    codes = np.pad(codes, ((0, 0), (0, 1)), constant_values=cue)
    return np.eye(n_kinds + 2, dtype=np.float32)[codes], symbols[:, 0]


def selective_copying(n_blanks, n_sequences, quick):
    if quick:
        n_blanks, n_sequences = n_blanks // QUICK_SHARE, QUICK_SEQUENCES
    return *draw_selective(n_blanks, n_sequences, TRAINING_SEED), *draw_selective(n_blanks, 1000, TEST_SEED)


def draw_selective(n_blanks, n_sequences, seed, n_symbols=10, n_kinds=8):
    rng = np.random.default_rng(seed)
    symbols = rng.integers(0, n_kinds, (n_sequences, n_symbols))
    codes = np.full((n_sequences, n_blanks + n_symbols), n_kinds)
    places = np.sort(rng.random(codes.shape).argsort(axis=1)[:, :n_symbols], axis=1)
    np.put_along_axis(codes, places, symbols, axis=1)
    return np.eye(n_kinds + 1, dtype=np.float32)[codes], symbols[:, 0]


def digits(quick):
    data = load_digits()
    images = pixels(data.images / 16)
    X, X_test, y, y_test = train_test_split(images, data.target, test_size=0.25, random_state=0, stratify=data.target)
    return (X[:QUICK_SEQUENCES], y[:QUICK_SEQUENCES], X_test, y_test) if quick else (X, y, X_test, y_test)


def mnist(quick):
    if not (DATA / "mnist10k.npz").exists():
        return None
    (X, y), (X_test, y_test) = (loaders().mnist10k(split) for split in ("train", "test"))
    if quick:
        X, y, X_test, y_test = X[:QUICK_SEQUENCES], y[:QUICK_SEQUENCES], X_test[:500], y_test[:500]
    return pixels(halved(X)), y, pixels(halved(X_test)), y_test


def halved(images):
    """Means of two by two pixels, from 0 to 1."""
    n, height, width = images.shape
    return images.reshape(n, height // 2, 2, width // 2, 2).mean((2, 4)) / 255


def pixels(images):
    """Images as sequences of one channel, row after row."""
    return images.reshape(len(images), -1, 1).astype(np.float32)


def adding_task(n_steps, n_sequences, *limits):
    return Task(
        f"adding problem, T = {n_steps}",
        partial(adding, n_steps, n_sequences),
        *limits,
        1 / 6,
        0.98,
        0.05,
        RNNRegressor,
    )


TASKS = {
    # largest number of updates, seconds for skrnn, seconds for PyTorch
    "adding_100": adding_task(100, 10_000, 4000, 40, 60),
    "copy": Task("copy memory, 100 blanks", partial(copying, 100, 10_000), 4000, 40, 60, 12.5, 0.995),
    "selective": Task(
        "selective copying, 100 blanks", partial(selective_copying, 100, 10_000), 4000, 40, 60, 12.5, 0.995
    ),
    "digits": Task("digits pixel by pixel, T = 64", digits, 4000, 30, 40, 10.0),
    "mnist": Task("MNIST pixel by pixel, T = 196", mnist, 5000, 60, 60, 11.4),
    "adding_600": adding_task(600, 10_000, 8000, 120, 150),
    "adding_2000": adding_task(2000, 6000, 8000, 360, 100),
}


@cache
def data_of(name, quick):
    # One task at a time is in memory.
    progress(f"draw or read {name}")
    return TASKS[name].read(quick)


# --------------------------------------------------------------------------------------------------------- skrnn
class Watcher(io.TextIOBase):
    """Reads what a fit with ``verbose=True`` prints, and interrupts it as a user would with Ctrl-C.

    That is when the score was enough one epoch ago (by now the estimator has kept those weights), when half of the
    epochs or of the time led nowhere, or when time is up.
    """

    def __init__(self, task, n_epochs):
        self.task, self.n_epochs, self.start = task, n_epochs, time.perf_counter()
        self.epoch, self.best, self.interrupted = 0, -np.inf, False

    def write(self, text):
        found = re.search(r"validation score = (\S+)", text)
        if found:
            self.epoch += 1
            share = max(self.epoch / self.n_epochs, (time.perf_counter() - self.start) / self.task.seconds)
            hopeless = share > 0.5 and self.best < self.task.hopeless
            self.interrupted = self.best >= self.task.enough or hopeless or share > 1
            if self.interrupted:
                raise KeyboardInterrupt
            self.best = max(self.best, float(found[1]))
        return len(text)


def n_weights(model):
    return sum(weights.size for weights in model.weights_.values())


def equal_width(task, net, X, y):
    """Units in each layer with which the network comes closest to `N_PARAMETERS` weights, and that number."""
    # Sequences of three steps: only the number of channels and classes matters.
    _, some = np.unique(y, return_index=True) if not task.regression else (None, np.arange(2))
    some = np.tile(some, 2)

    @cache
    def count(width):
        model = task.estimator([width] * net.n_layers, **net.parameters, **SETTINGS, max_iter=1)
        return n_weights(model.fit(X[some, :3], y[some]))

    low, high = 1, 2
    while count(high) < N_PARAMETERS:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if count(middle) < N_PARAMETERS else (low, middle)
    width = min(low, high, key=lambda width: abs(count(width) - N_PARAMETERS))
    return width, count(width)


def fit_skrnn(task, net, learning_rate, data, quick):
    """A run of skrnn, as a dict for the results."""
    X, y, X_test, y_test = data
    width, n_parameters = equal_width(task, net, X, y)
    n_batches = -(-int((1 - TRAINING["validation_fraction"]) * len(X)) // TRAINING["batch_size"])
    n_epochs = max((QUICK_UPDATES if quick else task.max_updates) // n_batches, 1)
    model = task.estimator(
        [width] * net.n_layers,
        **net.parameters,
        **SETTINGS,
        **STOPPING,
        learning_rate_init=learning_rate,
        max_iter=n_epochs,
    )
    watcher, start = Watcher(task, n_epochs), time.perf_counter()
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(watcher):
        warnings.simplefilter("always")
        model.fit(X, y)
    seconds, messages = time.perf_counter() - start, " ".join(str(warning.message) for warning in caught)
    if "interrupted" in messages and not watcher.interrupted:
        raise KeyboardInterrupt
    return {
        "units": width,
        "parameters": n_parameters,
        "updates": model.t_,
        "seconds": seconds,
        "result": task.judge(model.predict(X_test), y_test),
        "diverged": "diverged" in messages,
        "first_over_last": first_over_last(model, X_test[:DIAGNOSED], y_test[:DIAGNOSED]),
    }


def gradient_before(task, net, width, data):
    """What `first_over_last` is before training, as a dict for the results."""
    X, y = data[0][:DIAGNOSED], data[1][:DIAGNOSED]
    model = task.estimator(
        [width] * net.n_layers, **net.parameters, **SETTINGS, learning_rate_init=NEXT_TO_NOTHING, max_iter=1
    )
    return {"first_over_last": first_over_last(model.fit(X, y), X, y)}


def first_over_last(model, X, y):
    """Norm of dL/dh of the first layer at the first step over that at the last, median over sequences; maybe None."""
    ends = np.array([norms[[0, -1], 0] for norms in model.gradient_norms(X, y)], np.float64)
    ends = ends[ends[:, 1] > 0]
    return float(np.median(ends[:, 0] / ends[:, 1])) if len(ends) else None


# ------------------------------------------------------------------------------------------------------- results
class Results:
    """Runs by task, network and library; each is a line of a file as soon as it is known.

    Runs that the file holds from before are only read with `resume`.
    """

    def __init__(self, path, resume):
        self.path, self.runs = path, {}
        path.parent.mkdir(parents=True, exist_ok=True)
        if resume and path.exists():
            # The last line may have been broken off.
            for line in path.read_text().splitlines():
                with contextlib.suppress(json.JSONDecodeError):
                    run = json.loads(line)
                    self.runs[tuple(run["key"])] = run
        path.write_text("".join(json.dumps(run) + "\n" for run in self.runs.values()))

    def __getitem__(self, key):
        return self.runs.get(key)

    def get(self, key, run):
        """The result for `key`; if there is none yet, `run` it, print and keep it."""
        if key not in self.runs:
            self.runs[key] = {"key": key, **run()}
            with self.path.open("a") as file:
                file.write(json.dumps(self.runs[key]) + "\n")
            print(" ".join(key) + ": " + summary(self.runs[key]), flush=True)
        return self.runs[key]


def summary(run):
    if "result" not in run:
        return f"gradient at first over last step {exponential(run)}"
    text = f"result {run['result']:.4g}, {run['updates']} updates, {run['seconds']:.1f} s"
    return text + (", DIVERGED" if run["diverged"] else "")


def task_table(name, nets, results):
    """The runs of a task."""
    task = TASKS[name]
    shown = "MSE" if task.regression else "%"
    header = ("net", "units", "weights", shown, "updates", "s", "before", "after", "PyTorch", "updates", "s", "threads")
    rows = []
    for net in nets:
        own, other = results[name, net, "skrnn"], results[name, net, "torch"]
        if own:
            reach = exponential(results[name, net, "before"]), exponential(own)
            threads = other["threads"] if other else ""
            row = own["units"], own["parameters"], *columns(task, own), *reach, *columns(task, other), threads
            rows.append((net, *row))
    notes = [f"{task.title}; without memory {task.trivial:.4g}"]
    if any(run.get("diverged") for key, run in results.runs.items() if key[0] == name):
        notes.append("* diverged: the weights before, best on held-out sequences")
    return "\n".join([*notes, "", table(header, rows)])


def exponential(run):
    ratio = run["first_over_last"]
    return "" if ratio is None else f"{ratio:.0e}"


def columns(task, run):
    """Result, updates and seconds of a run."""
    if run is None:
        return "", "", ""
    digits = 5 if task.regression else 1
    return f"{run['result']:.{digits}f}" + "*" * run["diverged"], run["updates"], f"{run['seconds']:.0f}"


def claims(results):
    """Goals: errors as shares of the trivial one, accuracies in per cent."""
    rows = []
    for name, nets, check, limit in (
        ("adding_600", (*GATED, "mingru_2", "linoss_2"), at_most, 0.1),
        ("adding_2000", ("indrnn_2",), at_most, 0.1),
        ("adding_600", ("elman",), at_least, 0.9),
    ):
        for net in nets:
            run = results[name, net, "skrnn"]
            if run:
                share = run["result"] / TASKS[name].trivial
                rows.append(check(f"{TASKS[name].title}: {net}", share, limit, "of trivial"))
    for net, check, limit in (("mingru_1", at_most, 50), ("mingru_2", at_least, 95)):
        run = results["selective", net, "skrnn"]
        if run:
            rows.append(check(f"{TASKS['selective'].title}: {net}", run["result"], limit, "%"))
    return rows


# ---------------------------------------------------------------------------------------------------------- main
def run_task(name, nets, results, torch, quick):
    """All runs of a task that are not there yet."""
    task = TASKS[name]
    for net in nets:
        key, rate = (name, net), RATES[net][RATE_OF[name]]
        if (*key, "skrnn") not in results.runs:
            progress(f"{name}, {net}")
        own = results.get((*key, "skrnn"), lambda: fit_skrnn(task, NETS[net], rate, data_of(name, quick), quick))  # noqa: B023
        results.get((*key, "before"), lambda: gradient_before(task, NETS[net], own["units"], data_of(name, quick)))  # noqa: B023
        if torch and NETS[net].torch:
            from _claims_torch import fit_torch

            how = {
                **TRAINING,
                "learning_rate": rate,
                "kind": NETS[net].torch,
                "irnn_limit": IRNN_LIMIT if net == "irnn" else None,
            }
            results.get((*key, "torch"), lambda: fit_torch(task, how, data_of(name, quick), own))  # noqa: B023
    data_of.cache_clear()


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS)
    own, sys.argv[1:] = parser.parse_known_args()
    arguments = parse_arguments(__doc__, tasks=list(TASKS), cells=list(NETS))
    if arguments.write and own.no_torch:
        parser.error("--write needs PyTorch")
    # What --quick finds must not be taken for results.
    path = own.results.with_stem(own.results.stem + "_quick") if arguments.quick else own.results
    results, parts = Results(path, own.resume), []
    for name in arguments.tasks:
        if data_of(name, arguments.quick) is None:
            progress(f"{name}: not found in {DATA}, left out")
            continue
        run_task(name, arguments.cells, results, not own.no_torch, arguments.quick)
        parts.append(task_table(name, arguments.cells, results))
        print(f"\n{parts[-1]}\n", flush=True)
    rows = claims(results)
    report("claims", __doc__, [*parts, *([goals(rows)] if rows else [])], arguments.write)


if __name__ == "__main__":
    main()
