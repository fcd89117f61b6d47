"""``skrnn.distributed.fit`` on sequences in Parquet files that are larger than the memory of all workers.

The script writes files of random sequences of 200 steps and 16 channels, float32, in a temporary folder, and trains a
network of 8 units on them for one epoch, with batches of 4096, on two worker processes of one thread. Dask ends workers
that need more memory than their limit. The table shows the seconds of each phase, and of each look at all values before
the first step; then the peaks of resident memory. The folder needs twice the space, because workers keep their parts
there. Arguments: ``--gigabytes``, ``--memory``, ``--folder``.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from _harness import progress, report, table
from distributed import Client, LocalCluster

from skrnn import RNNClassifier, SequenceArray
from skrnn.distributed import fit
from skrnn.distributed._fleet import Fleet

N_STEPS, N_CHANNELS, N_UNITS, BATCH = 200, 16, 8, 4096
SEQUENCE_BYTES = 4 * N_STEPS * N_CHANNELS
N_OF_GROUP, GROUPS_OF_FILE = 5000, 3  # 64 MB for a row group, 192 MB for a file


def write_files(folder, gigabytes):
    """Write so much; returns the number of sequences."""
    rng, n_groups = np.random.default_rng(0), max(1, round(gigabytes * 1e9 / SEQUENCE_BYTES / N_OF_GROUP))
    values = rng.standard_normal((N_OF_GROUP, N_STEPS, N_CHANNELS), dtype=np.float32)
    y = rng.integers(0, 2, N_OF_GROUP)
    values += y[:, np.newaxis, np.newaxis].astype(np.float32)
    group = pa.table({"X": SequenceArray.from_padded(values).to_arrow(), "y": y})  # the same in all, which is cheap
    for first in range(0, n_groups, GROUPS_OF_FILE):
        how = {"compression": None, "use_dictionary": False, "write_statistics": False}
        with pq.ParquetWriter(folder / f"part-{first}.parquet", group.schema, **how) as file:
            for _ in range(min(GROUPS_OF_FILE, n_groups - first)):
                file.write_table(group)
    return n_groups * N_OF_GROUP


class Phases:
    """Notes how long the parts of a fit take: calls of methods, and epochs, as a callback."""

    def __init__(self):
        self.rows, self._last = [], time.perf_counter()

    def noting(self, function, what):
        """The function, which notes how long it takes."""

        def called(*given, **more):
            begin = time.perf_counter()
            try:
                return function(*given, **more)
            finally:
                self._note(what(*given), begin)

        return called

    def _note(self, what, begin):
        seconds, self._last = time.perf_counter() - begin, time.perf_counter()
        if self.rows and self.rows[-1][0] == what:  # in windows
            seconds += self.rows.pop()[1]
        else:
            progress(what)
        self.rows.append((what, seconds))

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, **given): ...

    def on_fit_task_end(self, estimator, context, **given):
        self._note("epoch", self._last)


def _name(function):
    """What is looked for: the innermost function of those that are bound to arguments."""
    while isinstance(function, partial):
        inner = [one for one in function.args if callable(one) and not isinstance(one, type)]
        function = inner[0] if inner else function.func
    return function.__name__.strip("_").replace("_", " ")


def peak_mb():
    """Peak of resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=0.3, help="of values in the files")
    parser.add_argument("--memory", default="1GB", help="limit of each worker")
    parser.add_argument("--folder", help="where to put the temporary folder")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.rst")
    return parser.parse_args()


def main():
    arguments, phases = parsed(), Phases()
    warnings.simplefilter("ignore")  # one epoch does not converge
    Fleet.place = phases.noting(Fleet.place, lambda *given: "partitions to workers")
    Fleet.map = phases.noting(Fleet.map, lambda fleet, function, *given: f"look: {_name(function)}")
    Fleet.rows = phases.noting(Fleet.rows, lambda *given: "rows to the client")
    how = {"max_iter": 1, "batch_size": BATCH, "random_state": 0, "early_stopping": False, "bidirectional": False}
    clf = RNNClassifier(N_UNITS, "elman", **how).set_callbacks(phases)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        progress("write files")
        with ProcessPoolExecutor(1, get_context("spawn")) as other:  # whose peak of memory is not that of this one
            n = other.submit(write_files, Path(folder), arguments.gigabytes).result()
        limits = {"n_workers": 2, "threads_per_worker": 1, "memory_limit": arguments.memory}
        cluster = LocalCluster(dashboard_address=":0", local_directory=folder, **limits)
        with cluster, Client(cluster) as client:
            pids, begin = client.run(os.getpid), time.perf_counter()
            fit(clf, f"{folder}/part-*.parquet", "y", client=client)
            seconds = time.perf_counter() - begin
            peaks, restarts = client.run(peak_mb), len(set(client.run(os.getpid).values()) - set(pids.values()))
    rows = [[what, f"{of_phase:.1f}"] for what, of_phase in phases.rows]
    of_all = table(("phase", "seconds"), [*rows, ["whole fit", f"{seconds:.1f}"]])
    memory = [["client", f"{peak_mb():.0f}"], *([f"worker {k}", f"{mb:.0f}"] for k, mb in enumerate(peaks.values()))]
    size = f"{n} sequences, {n * SEQUENCE_BYTES / 1e9:.1f} GB; limit of a worker: {arguments.memory}."
    ended = f"Workers that were ended and started again: {restarts}. Load of the machine: {os.getloadavg()[0]:.1f}."
    parts = [size, of_all, table(("process", "peak MB"), memory), ended]
    report("larger_than_memory", __doc__, parts, arguments.write)


if __name__ == "__main__":
    main()
