"""``RNNClassifier(n_networks=4)`` against four fits of one network from different seeds, with default parameters.

The four fits run one after another, with as many threads each. CPU time of all threads is what a fit costs; that of the
calling thread is how long it takes where each thread has a core, because no thread does more. It holds on a busy
machine, too. Sets are scikit-learn's digits and two of the time series archive.
"""

import time

import numpy as np
from _harness import parse_arguments, progress, ratio, report, table, typical
from _sets import archive, digits

from skrnn import RNNClassifier

N_NETWORKS = 4
SETS = {"digits": digits, "GunPoint": lambda: archive("GunPoint"), "BasicMotions": lambda: archive("BasicMotions")}
CLOCKS = {"all threads": time.process_time, "calling thread": time.thread_time}
WAYS = {f"{what}, {n} thread{'s' * (n > 1)}": (what, n) for n in (1, 2) for what in ("four fits", "one fit")}


def fit(X, y, n_epochs, what, n_jobs):
    """Train four networks in one of the ways."""
    options = {"max_iter": n_epochs, "n_jobs": n_jobs}
    if what == "one fit":
        RNNClassifier(n_networks=N_NETWORKS, random_state=0, **options).fit(X, y)
    else:
        for seed in range(N_NETWORKS):
            RNNClassifier(random_state=seed, **options).fit(X, y)


def measure(name, quick):
    """Seconds by each clock, of each way, in each round."""
    X, y = SETS[name]()[:2]
    seconds = {clock: {way: [] for way in WAYS} for clock in CLOCKS}
    for way in WAYS.values():  # loads kernels
        fit(X[:40], y[:40], 1, *way)
    for _ in range(3 if quick else 7):
        for way, how in WAYS.items():
            progress(f"{name}, {way}")
            before = [clock() for clock in CLOCKS.values()]
            fit(X, y, 3 if quick else 8, *how)
            for clock, start in zip(CLOCKS, before, strict=True):
                seconds[clock][way].append(CLOCKS[clock]() - start)
    return {clock: {way: np.array(of_way) for way, of_way in ways.items()} for clock, ways in seconds.items()}


def main():
    arguments = parse_arguments(__doc__)
    rows = []
    for name in SETS:
        for clock, seconds in measure(name, arguments.quick).items():
            four, one, four_of_two, one_of_two = seconds
            faster = ratio(seconds, four, one), ratio(seconds, four_of_two, one_of_two)
            times = (f"{typical(of_way):.2f}" for of_way in seconds.values())
            rows.append([f"{name}, {clock}", *times, *(f"{r:.2f}" for r in faster)])
    header = ("CPU seconds", *WAYS, "one fit faster, 1 thread", "2 threads")
    report("several_networks", __doc__, [table(header, rows)], arguments.write)


if __name__ == "__main__":
    main()
