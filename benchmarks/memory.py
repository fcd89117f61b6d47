"""Peak memory that a fit adds, skrnn against PyTorch, in MiB.

Each fit runs in a new process: first the imports and a small fit, then the random data, float32, then two epochs of
four batches with Adam. The figure is the increase of the peak of resident memory by these epochs. skrnn fits an
``RNNClassifier`` with one and with two threads. PyTorch slices the same batches from the same array, converts each to
its faster layout, time first, and trains ``nn.LSTM``, ``nn.GRU`` or ``nn.RNN`` with a readout on one thread. *imports*
is the peak before.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import warnings

CELLS = ("lstm", "gru", "elman")
SHAPES = ((32, 50, 8, 32), (64, 100, 16, 128), (32, 500, 4, 32), (256, 100, 16, 256))  # batch, T, inputs, hidden
CONTENDERS = {"skrnn 1": ("skrnn", 1), "skrnn 2": ("skrnn", 2), "PyTorch": ("torch", 1)}
N_BATCHES, N_EPOCHS, N_CLASSES = 4, 2, 10
SMALL = (8, 5)  # batch and steps of the first fit, whose inputs and units are those of the second


# ------------------------------------------------------------------------------------------- in a new process
def peak_mib():
    # In bytes on macOS. A child process starts with the peak of its parent, which is why the parent imports little.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def child(library, n_threads, cell, shape):
    """Print the peak before and what the fit adds."""
    import numpy as np

    N, T, D, H = shape
    rng = np.random.default_rng(0)

    def data(n_sequences, n_steps):
        X = rng.standard_normal((n_sequences, n_steps, D), dtype=np.float32)
        return X, np.arange(n_sequences) % N_CLASSES

    fit = {"skrnn": fit_skrnn, "torch": fit_torch}[library]
    fit(*data(4 * SMALL[0], SMALL[1]), SMALL[0], cell, H, n_threads)
    X, y = data(N_BATCHES * N, T)
    before = peak_mib()
    fit(X, y, N, cell, H, n_threads)
    print(json.dumps([before, peak_mib() - before]))


def fit_skrnn(X, y, batch_size, cell, n_hidden, n_threads):
    from skrnn import RNNClassifier

    warnings.simplefilter("ignore")  # too few epochs to converge
    classifier = RNNClassifier(n_hidden, cell, batch_size=batch_size, max_iter=N_EPOCHS, n_jobs=n_threads)
    classifier.fit(X, y)


def fit_torch(X, y, batch_size, cell, n_hidden, n_threads):
    import torch

    torch.set_num_threads(n_threads)
    layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "elman": torch.nn.RNN}[cell]
    rnn, readout = layer(X.shape[2], n_hidden), torch.nn.Linear(n_hidden, N_CLASSES)
    parameters = [*rnn.parameters(), *readout.parameters()]
    optimizer = torch.optim.Adam(parameters, fused=True)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    for _ in range(N_EPOCHS):
        for rows in torch.randperm(len(X)).split(batch_size):
            optimizer.zero_grad(set_to_none=True)
            states = rnn(X[rows].transpose(0, 1).contiguous())[1]
            last = (states[0] if isinstance(states, tuple) else states)[-1]
            torch.nn.functional.cross_entropy(readout(last), y[rows]).backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()


# --------------------------------------------------------------------------------------------------- the report
def measure(name, cell, shape, n_repeats):
    """Medians of the peak before and of what the fit adds."""
    from _harness import ROOT

    arguments = json.dumps([*CONTENDERS[name], cell, shape])
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    runs = [
        subprocess.run(
            [sys.executable, __file__, "--child", arguments], env=environment, check=True, capture_output=True
        )
        for _ in range(n_repeats)
    ]
    return [statistics.median(values) for values in zip(*(json.loads(run.stdout) for run in runs), strict=True)]


def main():
    from _harness import at_most, goals, parse_arguments, progress, report, table

    arguments = parse_arguments(__doc__, cells=CELLS)
    shapes, n_repeats = (SHAPES[:2], 1) if arguments.quick else (SHAPES, 3)
    measure("skrnn 1", arguments.cells[0], SHAPES[0], 1)
    rows, wanted = [], []
    for cell in arguments.cells:
        for shape in shapes:
            progress(f"{cell}, {shape}")
            peaks = {name: measure(name, cell, shape, n_repeats) for name in CONTENDERS}
            added = [peaks[name][1] for name in CONTENDERS]
            imports = [f"{peaks[name][0]:.0f}" for name in ("skrnn 1", "PyTorch")]
            rows.append([f"{cell} {shape}", *(f"{mib:.1f}" for mib in added), *imports])
            wanted.append(at_most(f"{cell} {shape}: skrnn, one thread", added[0], added[-1], "MiB"))
    header = ("cell (batch, T, inputs, hidden)", *CONTENDERS, "imports skrnn", "imports PyTorch")
    report("memory", __doc__, [table(header, rows), goals(wanted)], arguments.write)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*json.loads(sys.argv[2]))
    else:
        main()
