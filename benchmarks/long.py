"""Long sequences, and more sequences than memory: time and memory of a fit.

*One fit*: 8 sequences of 100 000 steps and 8 channels, an LSTM of 64 units, one epoch of one batch, with one target per
sequence (*last*) or per step (*steps*), and per step with ``truncation=200`` (*truncated*). *On disk*: sequences of 100
steps and 16 channels in a memory-mapped file, an Elman network of 8 units, one epoch and predictions. Each fit runs in
a new process, with ``max_memory=1``, on two threads. *Anonymous* is the peak of anonymous memory, sampled every 2 ms:
all memory that the process allocates, including imports and data. *Resident* is the peak of resident memory, including
the pages of mapped files, which the operating system caches and drops if other programs need memory. *Whole tape* is
the memory that back-propagation would need without segments.

*Per step*: fits of one epoch on 800 000 steps in all, in batches of 8 sequences, with an LSTM of 32 units and one
thread; nanoseconds of processor time per step of a sequence. If the tape is larger than a quarter of ``max_memory``,
the forward pass runs twice.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

CHUNK = 2**26  # bytes that are written at a time
LONG, SHORT = 100_000, 2_000  # steps, and with --quick
ON_DISK, LITTLE = 5e9, 2e8  # bytes, and with --quick
N_STEPS, N_CHANNELS = 100, 16  # of the sequences on disk
LIMIT = 1000  # MB
TOTAL, LENGTHS = 800_000, (100, 1_000, 10_000, 100_000)
FITS = {"last": {}, "steps": {}, "truncated": {"truncation": 200}}


# ------------------------------------------------------------------------------------------------ in a new process
def status(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1000 for line in file if line.startswith(name))


class AnonymousPeak:
    """Largest anonymous memory while it is open, in MB."""

    def __enter__(self):
        self.most, self.over = 0, False
        self.thread = threading.Thread(target=self.watch)
        self.thread.start()
        return self

    def watch(self):
        while not self.over:
            self.most = max(self.most, status("RssAnon"))
            time.sleep(0.002)

    def __exit__(self, *exception):
        self.over = True
        self.thread.join()


def child(kind, *arguments):
    """Print seconds, and the peaks of anonymous and of resident memory in MB."""
    warnings.simplefilter("ignore")  # too few epochs to converge
    prepare = {"fit": prepare_fit, "disk": prepare_disk}[kind]
    small, run = prepare(*arguments)
    small()
    with AnonymousPeak() as peak:
        start = time.perf_counter()
        run()
        seconds = time.perf_counter() - start
    print(json.dumps([seconds, peak.most, status("VmHWM")]))


def prepare_fit(name, n_steps):
    import numpy as np

    from skrnn import RNNRegressor, SequenceArray

    rng = np.random.default_rng(0)
    values = rng.standard_normal((8 * n_steps, 8), dtype=np.float32)
    X = SequenceArray(values, np.arange(9) * n_steps)

    def fit(X):
        y = X.values[X.offsets[1:] - 1, 0] if name == "last" else [x[:, 0] for x in X]
        return RNNRegressor(64, "lstm", max_iter=1, n_jobs=2, **FITS[name]).fit(X, y)

    short = SequenceArray(values[:800], np.arange(9) * 100)
    return lambda: fit(short), lambda: fit(X)


def prepare_disk(path, n_sequences):
    import numpy as np

    from skrnn import RNNClassifier, SequenceArray

    values = np.memmap(path, np.float32, "r", shape=(n_sequences * N_STEPS, N_CHANNELS))
    X, y = SequenceArray(values, np.arange(n_sequences + 1) * N_STEPS), np.arange(n_sequences) % 3

    def fit(X, y):
        RNNClassifier(8, "elman", max_iter=1, n_jobs=2).fit(X, y).predict(X)

    return lambda: fit(X[:1000], y[:1000]), lambda: fit(X, y)


def write_sequences(path, n_sequences):
    """Random sequences into a file, a part at a time."""
    import numpy as np

    rng, n_values = np.random.default_rng(0), n_sequences * N_STEPS * N_CHANNELS
    with open(path, "wb") as file:
        for begin in range(0, n_values, CHUNK // 4):
            rng.standard_normal(min(CHUNK // 4, n_values - begin), dtype=np.float32).tofile(file)


# --------------------------------------------------------------------------------------------------- the report
def measure(*arguments):
    from _harness import ROOT

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, __file__, "--child", json.dumps(arguments)]
    run = subprocess.run(command, env=environment, check=True, capture_output=True)
    return json.loads(run.stdout)


def whole_tape(name, n_steps):
    """MB of the buffers of 8 sequences that go through the network of a fit as a whole."""
    from skrnn.cells import LSTM
    from skrnn.network.network import Network
    from skrnn.network.plan import Mode
    from skrnn.network.structure import Structure

    pooling = "last" if name == "last" else "steps"
    network = Network(Structure(LSTM(), 8, (64,), 1, pooling=pooling))
    return network.memory.buffer_bytes(8 * n_steps, 8, Mode(training=True)) / 1e6


def nanoseconds(n_steps, total):
    """Processor time of a fit of one epoch, for each step of a sequence."""
    import numpy as np

    from skrnn import RNNClassifier, SequenceArray

    n_sequences = total // n_steps
    values = np.random.default_rng(0).standard_normal((total, 8), dtype=np.float32)
    X, y = SequenceArray(values, np.arange(n_sequences + 1) * n_steps), np.arange(n_sequences) % 2
    classifier = RNNClassifier(32, "lstm", max_iter=1, batch_size=8)
    seconds = []
    for _ in range(3):
        start = time.process_time()
        classifier.fit(X, y)
        seconds.append(time.process_time() - start)
    return min(seconds) / total * 1e9


def main():
    from _harness import at_most, compile_kernels, goals, parse_arguments, progress, report, table

    arguments = parse_arguments(__doc__)
    compile_kernels(["lstm", "elman"])
    n_steps, n_bytes = (SHORT, LITTLE) if arguments.quick else (LONG, ON_DISK)
    total, lengths = (TOTAL // 10, LENGTHS[:3]) if arguments.quick else (TOTAL, LENGTHS)
    rows, wanted = [], []

    def add(what, seconds, anonymous, resident, other):
        rows.append([what, f"{seconds:.0f}", f"{anonymous:.0f}", f"{resident:.0f}", other])
        wanted.append(at_most(f"{what}: anonymous memory", anonymous, LIMIT, "MB"))

    for name in FITS:
        progress(f"one fit, {name}")
        measure("fit", name, 100)
        add(f"{n_steps} steps, {name}", *measure("fit", name, n_steps), f"whole tape {whole_tape(name, n_steps):.0f}")
        wanted.append(at_most(f"{n_steps} steps, {name}: resident memory", float(rows[-1][3]), LIMIT, "MB"))
    n_sequences = int(n_bytes) // (4 * N_STEPS * N_CHANNELS)
    with tempfile.TemporaryDirectory(dir="/tmp") as directory:
        path = str(Path(directory) / "sequences.bin")
        progress(f"write {n_bytes:.2g} bytes")
        write_sequences(path, n_sequences)
        progress("on disk")
        add(f"{n_sequences} sequences on disk", *measure("disk", path, n_sequences), f"file {n_bytes / 1e6:.0f}")
    memory = table(("fit", "seconds", "anonymous MB", "resident MB", "MB"), rows)
    per_step = {}
    for n in lengths:
        progress(f"per step, T = {n}")
        nanoseconds(n, n * 8)
        per_step[n] = nanoseconds(n, total)
    times = table(("T", "ns per step"), [(n, f"{ns:.0f}") for n, ns in per_step.items()])
    shortest, *longer = per_step.values()
    wanted.append(
        at_most(f"time per step, the largest of longer sequences over T = {lengths[0]}", max(longer) / shortest, 2)
    )
    report("long", __doc__, [memory, times, goals(wanted)], arguments.write)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*json.loads(sys.argv[2]))
    else:
        main()
