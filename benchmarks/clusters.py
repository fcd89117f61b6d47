"""``skrnn.distributed.fit`` on the workers of a local cluster against ``fit`` in one process with one thread.

Steps are those of an LSTM of 128 units on batches of 256 sequences of 100 steps and 8 channels; workers are processes
of one thread. Fits take turns, and a step is a part of an epoch, so what comes before the first is not in it; the
overhead is that of a whole fit, which takes a minute. CPU time is that of the client, in whose process the scheduler
runs, and of the busiest worker. There is one cluster at a time. What Dask does while it waits is turned down as
docs/distributed.rst advises where all cores are at work: its profile of workers, and the ticks of its loops.
"""

import os
import signal
import time
from contextlib import contextmanager, nullcontext
from functools import partial

import dask
import joblib
import numpy as np
from _harness import at_least, at_most, goals, parse_arguments, progress, report, table, typical
from distributed import Client, LocalCluster

from skrnn import RNNClassifier
from skrnn.distributed import fit

N_BATCHES, SHAPE = 8, (256, 100, 8)
QUIET = {"distributed.worker.profile.enabled": False, "distributed.admin.tick.interval": "1s"}


class AfterEpochs:
    """Does something after epochs: after all, or the one with this number."""

    def __init__(self, what, epoch=None):
        self._what, self._epoch, self._n_done = what, epoch, 0

    def setup(self, estimator, context): ...

    def teardown(self, estimator, context): ...

    def on_fit_task_begin(self, estimator, context, **given): ...

    def on_fit_task_end(self, estimator, context, **given):
        self._n_done += 1
        if self._epoch in (None, self._n_done):
            self._what()


def sequences(n_batches=N_BATCHES, shape=SHAPE):
    n = n_batches * shape[0]
    return np.random.default_rng(0).normal(size=(n, *shape[1:])).astype(np.float32), np.arange(n) % 10


def estimator(n_epochs, n_units=128, batch_size=SHAPE[0]):
    how = {"bidirectional": False, "differences": False, "tol": None, "random_state": 0, "n_jobs": 1}
    return RNNClassifier(n_units, "lstm", batch_size=batch_size, max_iter=n_epochs, **how)


@contextmanager
def cluster(n_workers):
    """A client of worker processes of one thread, which have run a step."""
    settings = {"threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with dask.config.set(QUIET), LocalCluster(n_workers=n_workers, **settings) as local, Client(local) as client:
        X, y = sequences(1)
        fit(estimator(1), X, y, client=client)
        yield client


def trained(n_epochs, X, y, client=None):
    """Seconds of a step by the wall clock; CPU seconds of a fit for each step, here and on the busiest worker."""
    times, n_steps = [], n_epochs * N_BATCHES
    clf = estimator(n_epochs).set_callbacks(AfterEpochs(lambda: times.append(time.perf_counter())))
    before = cpu_seconds(client)
    clf.fit(X, y) if client is None else fit(clf, X, y, client=client)
    here, *workers = (cpu_seconds(client) - before) / n_steps
    wall = np.median(np.diff(times[:-1])) / N_BATCHES  # the last one is that of the fit
    return wall, here, max(workers, default=np.nan)


def cpu_seconds(client):
    """CPU seconds of this process, and of each worker."""
    workers = [] if client is None else client.run(time.process_time).values()
    return np.array([time.process_time(), *workers])


def measure_steps(quick):
    """For each way three figures of a step, in each round."""
    X, y = sequences()
    ways, n_epochs = {"one process": 0, "1 worker": 1, "2 workers": 2}, 4 if quick else 6
    seconds = {way: [] for way in ways}
    estimator(1).fit(X[: SHAPE[0]], y[: SHAPE[0]])
    for _ in range(2 if quick else 7):
        for way, n in ways.items():
            progress(way)
            with cluster(n) if n else nullcontext() as client:
                seconds[way].append(trained(n_epochs, X, y, client))
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
                clf = estimator(6, **how).set_callbacks(AfterEpochs(partial(os.kill, pid, signal.SIGKILL), 3))
                found["one of 3 killed"] = joblib.hash(fit(clf, X, y, client=client).weights_)
    return found


def ms(seconds):
    return "" if np.isnan(seconds) else f"{1e3 * seconds:.0f}"


def main():
    arguments = parse_arguments(__doc__)
    steps, shares, found = measure_steps(arguments.quick), overhead(arguments.quick), hashes()
    rows = [[way, *(ms(typical(of_way[:, k])) for k in range(3))] for way, of_way in steps.items()]
    header = ("ms of a step", "wall clock", "CPU of the client", "CPU of a worker")
    faster = typical(steps["one process"][:, 0] / steps["2 workers"][:, 0])
    met = [
        at_least("2 workers faster than one process", faster, 1.6),
        at_most("overhead of a whole fit on 1 worker, %", 100 * typical(shares), 5.0, unit=" %"),
        at_most("different hashes of weights", len(set(found.values())), 1, unit=""),
    ]
    same = table(("weights", "hash"), [[way, hashed[:12]] for way, hashed in found.items()])
    load = f"Load of the machine at the end: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."
    report("clusters", __doc__, [table(header, rows), goals(met), same, load], arguments.write)


if __name__ == "__main__":
    main()
