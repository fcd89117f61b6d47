"""``skrnn.distributed.fit`` on the workers of a local cluster against ``fit`` in one process with one thread.

Steps are those of an LSTM of 128 units on batches of 256 sequences of 100 steps and 8 channels; workers are processes
of one thread. Fits take turns, and a step is a part of an epoch, so what comes before the first is not in it; the
overhead is that of a whole fit, which takes a minute. CPU time is that of the client, which adds gradients while
workers wait, and of the busiest worker; it holds on a busy machine, too, but for what processes do while they wait.
"""

import os
import signal
import time
from contextlib import contextmanager
from functools import partial

import joblib
import numpy as np
from _harness import at_least, at_most, goals, parse_arguments, progress, report, table, typical
from distributed import Client, LocalCluster

from skrnn import RNNClassifier
from skrnn.distributed import fit

N_BATCHES, SHAPE = 8, (256, 100, 8)


class Clock:
    """Notes when epochs end, and does something after one of them."""

    def __init__(self, epoch=0, what=None):
        self.times, self._epoch, self._what = [], epoch, what

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, **given): ...

    def on_fit_task_end(self, estimator, context, **given):
        self.times.append(time.perf_counter())
        if len(self.times) == self._epoch:
            self._what()


def sequences(n_batches=N_BATCHES, shape=SHAPE):
    n = n_batches * shape[0]
    return np.random.default_rng(0).normal(size=(n, *shape[1:])).astype(np.float32), np.arange(n) % 10


def estimator(n_epochs, n_units=128, batch_size=SHAPE[0]):
    how = {"bidirectional": False, "differences": False, "tol": None, "random_state": 0, "n_jobs": 1}
    return RNNClassifier(n_units, "lstm", batch_size=batch_size, max_iter=n_epochs, **how)


@contextmanager
def cluster(n_workers):
    """A client of worker processes of one thread."""
    settings = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(n_workers=n_workers, **settings) as local, Client(local) as client:
        yield client


def trained(n_epochs, X, y, client, on_workers):
    """Seconds of a step, by the wall clock, and CPU seconds of this process and of the busiest worker."""
    clock = Clock()
    clf = estimator(n_epochs).set_callbacks(clock)
    before = time.process_time(), client.run(time.process_time)
    if on_workers:
        fit(clf, X, y, client=client)
    else:
        clf.fit(X, y)
    after = time.process_time(), client.run(time.process_time)
    n_steps = n_epochs * N_BATCHES
    of_workers = max(after[1][each] - before[1][each] for each in after[1])
    wall = np.median(np.diff(clock.times[:-1])) / N_BATCHES  # the last one is that of the fit
    return wall, (after[0] - before[0]) / n_steps, of_workers / n_steps


def measure_steps(quick):
    """For each way three figures of a step, in each round."""
    X, y = sequences()
    ways, n_epochs = {"one process": (2, False), "1 worker": (1, True), "2 workers": (2, True)}, 3 if quick else 5
    seconds = {way: [] for way in ways}
    with cluster(1) as one, cluster(2) as two:
        clients = {1: one, 2: two}
        for n, client in clients.items():
            progress(f"warm up {n} workers")
            fit(estimator(1), X[:600], y[:600], client=client)
        for _ in range(2 if quick else 7):
            for way, (n, on_workers) in ways.items():
                progress(way)
                seconds[way].append(trained(n_epochs, X, y, clients[n], on_workers))
    return {way: np.array(of_way) for way, of_way in seconds.items()}


def overhead(quick):
    """How much longer a whole fit takes on one worker than here, as shares, in each round."""
    X, y = sequences()
    estimator(1).fit(X[:600], y[:600])
    start = time.perf_counter()
    estimator(1).fit(X, y)
    n_epochs = max(2, round((3 if quick else 60) / (time.perf_counter() - start)))
    shares = []
    with cluster(1) as client:
        fit(estimator(1), X[:600], y[:600], client=client)
        for _ in range(1 if quick else 3):
            times = []
            for run in (lambda clf: clf.fit(X, y), lambda clf: fit(clf, X, y, client=client)):
                progress("a whole fit")
                start = time.perf_counter()
                run(estimator(n_epochs))
                times.append(time.perf_counter() - start)
            shares.append(times[1] / times[0] - 1)
    return np.array(shares)


def hashes():
    """Hashes of the weights: of one machine, of workers, and where one of them is killed."""
    X, y = sequences(4, (64, 20, 3))
    how = {"n_units": 16, "batch_size": 64}
    found = {"one process": joblib.hash(estimator(6, **how).fit(X, y).weights_)}
    for n in (1, 2, 3):
        progress(f"{n} workers")
        with cluster(n) as client:
            found[f"{n} workers"] = joblib.hash(fit(estimator(6, **how), X, y, client=client).weights_)
            if n == 3:
                pid = next(iter(client.run(os.getpid).values()))
                clf = estimator(6, **how).set_callbacks(Clock(3, partial(os.kill, pid, signal.SIGKILL)))
                found["one of 3 killed"] = joblib.hash(fit(clf, X, y, client=client).weights_)
    return found


def main():
    arguments = parse_arguments(__doc__)
    steps, shares, found = measure_steps(arguments.quick), overhead(arguments.quick), hashes()
    rows = [[way, *(f"{1e3 * typical(of_way[:, k]):.0f}" for k in range(3))] for way, of_way in steps.items()]
    header = ("ms of a step", "wall clock", "CPU of the client", "CPU of a worker")
    faster = typical(steps["one process"][:, 0] / steps["2 workers"][:, 0])
    met = [
        at_least("2 workers faster than one process", faster, 1.6),
        at_most("overhead of a whole fit on 1 worker, %", 100 * typical(shares), 5.0, unit=" %"),
        at_most("different hashes of weights", len(set(found.values())), 1, unit=""),
    ]
    same = table(("weights", "hash"), [[way, hashed[:12]] for way, hashed in found.items()])
    load = f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    report("distributed", __doc__, [table(header, rows), goals(met), same, load], arguments.write)


if __name__ == "__main__":
    main()
