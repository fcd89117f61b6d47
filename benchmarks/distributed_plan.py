"""Data-parallel training on more machines than there are here: what a step takes, and where more workers stop paying.

Measured on this machine are round trips of messages of Dask between two processes, and the forward and backward pass
of a shard of LSTMs (100 steps of 8 channels, one thread). What follows for other links is computed: what a byte takes
on the wire comes on top of what it takes here, and everything waits for everything else, but for sequences. In a step
the client sends the weights to each worker, workers run their shards, and send the gradient of each shard back, or the
first worker the sum of its own; the client adds them up and updates the weights. Meanwhile workers fetch those of their
next sequences that others have. "pays up to" is the largest number of workers of which each does at least half of what
one process does alone.
"""

import asyncio
import math
import time
from dataclasses import dataclass

import numpy as np
from _harness import compile_kernels, parse_arguments, progress, report, table, typical

N_STEPS, N_CHANNELS, BYTES = 100, 8, 4
SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # bytes of a message
UNITS = (32, 128, 512)
BATCH = 128  # of which networks are measured
LINKS = {"10 Gbit/s": 10e9 / 8, "25 Gbit/s": 25e9 / 8}
WORKERS = (2, 4, 8, 16, 32, 64, 128)
BATCHES = (256, 1024, 8192)
DAY = 86_400


# ------------------------------------------------------------------------------------------------------------- measured
@dataclass(frozen=True)
class Link:
    """A round trip of a small message in seconds, and what each byte adds."""

    round_trip: float
    byte: float

    def slower(self, bytes_per_second):
        """The same with a wire between."""
        return Link(self.round_trip, self.byte + 1 / bytes_per_second)


@dataclass(frozen=True)
class Network:
    """An LSTM; seconds of one thread for the two passes of a shard, and for an update."""

    n_units: int
    n_parameters: int
    shard_rows: int
    shard: float
    update: float

    @property
    def gradient_bytes(self):
        return BYTES * self.n_parameters


def measure_messages(n_rounds):
    """Seconds of round trips between two processes, for each number of bytes that comes back."""
    from distributed import Client, LocalCluster, WorkerPlugin
    from distributed.protocol import to_serialize

    class Echo(WorkerPlugin):
        def setup(self, worker):
            worker.handlers["echo"] = self.answer

            rng = np.random.default_rng(0)
            self.values = {n: rng.random(n // BYTES, dtype=np.float32) for n in SIZES}

        async def answer(self, n):
            return {"values": to_serialize(self.values[n])}

    how = {"n_workers": 1, "threads_per_worker": 1, "processes": True, "dashboard_address": ":0"}
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        client.register_plugin(Echo(), name="echo")
        worker = client.rpc(next(iter(client.nthreads())))

        async def rounds(n, pause=0.002):
            seconds = []
            for _ in range(n_rounds):
                await asyncio.sleep(pause)
                begun = time.perf_counter()
                answer = await worker.echo(n=n)
                seconds.append(time.perf_counter() - begun)
                assert answer["values"].nbytes == n
            return typical(seconds)

        return {n: client.sync(rounds, n) for n in SIZES}


def link_of(seconds):
    """The link on which messages take so long."""
    small, large = min(seconds), max(seconds)
    return Link(seconds[small], (seconds[large] - seconds[small]) / (large - small))


def measure_network(n_units, quick):
    """A `Network`, timed by its fits."""
    from skrnn.network.network import network_of

    n = (32_000 if quick else 64_000) // n_units  # so that an epoch takes a second or less
    long, fitted = _epoch(n_units, n, N_STEPS)
    update = _epoch(n_units, 16 * n, 1)[0]  # with sequences of a single step, which take little
    network = network_of(fitted.structure_)
    rows = network.shard_rows(BATCH)
    return Network(n_units, network.size, rows, (long - update) * rows / BATCH, update)


def _epoch(n_units, n, n_steps):
    """CPU seconds of a mini-batch, and the fitted estimator."""
    from skrnn import RNNRegressor

    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(n, n_steps, N_CHANNELS)).astype(np.float32), rng.normal(size=n)
    options = {
        "cell": "lstm",
        "batch_size": BATCH,
        "early_stopping": False,
        "tol": None,
        "random_state": 0,
        "n_jobs": 1,
    }
    seconds = {1: [], 3: []}  # by epochs
    for _ in range(5):
        for n_epochs, times in seconds.items():
            reg = RNNRegressor(n_units, max_iter=n_epochs, **options)
            begun = time.process_time()
            reg.fit(X, y)
            times.append(time.process_time() - begun)
    return (typical(seconds[3]) - typical(seconds[1])) / (2 * n / BATCH), reg


# ------------------------------------------------------------------------------------------------------------- computed
def alone(network, batch):
    """Seconds of a step in one process with one thread."""
    return math.ceil(batch / network.shard_rows) * network.shard + network.update


def together(network, link, batch, n_workers, summed=False):
    """Seconds of a step on workers; summed: whether each adds up its gradients before it sends them."""
    n_shards = math.ceil(batch / network.shard_rows)
    of_worker = math.ceil(n_shards / n_workers)
    n_sent = n_workers + (min(n_workers, n_shards) if summed else n_shards - of_worker + 1)
    waiting = link.round_trip + link.byte * n_sent * network.gradient_bytes
    fetched = batch / n_workers * (1 - 1 / n_workers) * N_STEPS * N_CHANNELS * BYTES
    return max(waiting + of_worker * network.shard + network.update, link.round_trip + link.byte * fetched)


def apart(network, link, batch, n_workers, n_local):
    """Seconds of a step of each worker by itself, if weights are averaged after so many."""
    return alone(network, batch) + (link.round_trip + 2 * n_workers * link.byte * network.gradient_bytes) / n_local


def most_that_pay(faster):
    """The largest number of workers that each do half of what one process does; 1 if none do."""
    return max((n for n, times in faster.items() if times >= n / 2), default=1)


# --------------------------------------------------------------------------------------------------------------- tables
def of_messages(seconds):
    rows = [[f"{n:,}", f"{s * 1e3:.2f}", f"{n / s / 1e6:.0f}"] for n, s in seconds.items()]
    return table(("bytes of a message", "ms there and back", "MB/s"), rows)


def of_networks(networks):
    rows = [
        [n.n_units, f"{n.n_parameters:,}", n.shard_rows, f"{n.shard * 1e3:.2f}", f"{n.update * 1e3:.2f}"]
        for n in networks
    ]
    return table(("units", "parameters", "sequences of a shard", "ms of a shard", "ms of an update"), rows)


def of_workers(networks, link, name):
    """How many times faster steps are, for each network and batch."""
    rows = []
    for network in networks:
        for batch in BATCHES:
            faster = {n: alone(network, batch) / together(network, link, batch, n) for n in WORKERS}
            n_shards = math.ceil(batch / network.shard_rows)
            traffic = (8 + n_shards - math.ceil(n_shards / 8) + 1) * network.gradient_bytes / 1e6
            cells = [f"{times:.1f}" for times in faster.values()]
            rows.append([network.n_units, batch, f"{traffic:.1f}", *cells, most_that_pay(faster)])
    title = f"{name}: how many times as fast as one process, by the number of workers; MB of a step of 8 workers"
    return f"{title}\n\n{table(('units', 'batch', 'MB', *WORKERS, 'pays up to'), rows)}"


def ways_of(network, link):
    """Sequences per second of a number of workers, by what is done."""
    return {
        "gradients of shards, batch 256": lambda n: 256 / together(network, link, 256, n),
        "gradients of shards, batch 8192": lambda n: 8192 / together(network, link, 8192, n),
        "sums of workers, batch 8192": lambda n: 8192 / together(network, link, 8192, n, summed=True),
        "sums of workers, batch 65536": lambda n: 65536 / together(network, link, 65536, n, summed=True),
        "means of weights after 10 local steps": lambda n: 256 * n / apart(network, link, 256, n, 10),
        "means of weights after 100 local steps": lambda n: 256 * n / apart(network, link, 256, n, 100),
    }


def of_ways(network, link, name, n_sequences=1e9):
    """Days of an epoch of so many sequences."""
    workers, rows = (16, 64, 256, 1024), []
    rows.append(["one process", *[f"{n_sequences / 256 * alone(network, 256) / DAY:.1f}"] * len(workers)])
    for way, speed in ways_of(network, link).items():
        rows.append([way, *(f"{n_sequences / speed(n) / DAY:.2f}" for n in workers)])
    return table((f"{name}: days of an epoch, by workers", *workers), rows)


def main():
    arguments = parse_arguments(__doc__)
    compile_kernels(("lstm",))
    progress("messages")
    seconds = measure_messages(5 if arguments.quick else 300)
    networks = []
    for n_units in UNITS:
        progress(f"{n_units} units")
        networks.append(measure_network(n_units, arguments.quick))
    here = link_of(seconds)
    links = {"loopback": here} | {name: here.slower(rate) for name, rate in LINKS.items()}
    parts = [of_messages(seconds), of_networks(networks)]
    parts += [of_workers(networks, link, name) for name, link in links.items()]
    terabytes = 1e9 * N_STEPS * N_CHANNELS * BYTES / 1e12
    parts.append(f"10^9 sequences ({terabytes:.1f} TB), {networks[1].n_units} units; local steps are of 256 sequences:")
    parts += [of_ways(networks[1], links[name], name) for name in LINKS]
    report("distributed_plan", __doc__, parts, arguments.write)


if __name__ == "__main__":
    main()
