"""``RNNClassifier(n_networks=4)`` against four fits of one network from different seeds, with default parameters.

The four fits run one after another, with as many threads each. Sets of the time series archive are those of
``_sets.archive``. Fits are compared by the ratio of times in the same round.
"""

import numpy as np
from _harness import parse_arguments, progress, ratio, report, seconds_of, table, typical
from _sets import archive, digits

from skrnn import RNNClassifier

N_NETWORKS = 4
SETS = {"digits": digits, "GunPoint": lambda: archive("GunPoint"), "BasicMotions": lambda: archive("BasicMotions")}


def ways(X, y, n_epochs):
    """Fits by their names, ready to run."""

    def together(n_jobs):
        RNNClassifier(n_networks=N_NETWORKS, max_iter=n_epochs, random_state=0, n_jobs=n_jobs).fit(X, y)

    def separately(n_jobs):
        for seed in range(N_NETWORKS):
            RNNClassifier(max_iter=n_epochs, random_state=seed, n_jobs=n_jobs).fit(X, y)

    return {
        "four fits, 1 thread": lambda: separately(1),
        "n_networks=4, 1 thread": lambda: together(1),
        "four fits, 2 threads": lambda: separately(2),
        "n_networks=4, 2 threads": lambda: together(2),
    }


def measure(name, quick):
    """Seconds of each way, in each round."""
    X, y = SETS[name]()[:2]
    fits = ways(X, y, 5 if quick else 20)
    for fit in ways(X[:40], y[:40], 1).values():  # loads kernels
        fit()
    seconds = {way: [] for way in fits}
    for _ in range(3 if quick else 7):
        for way, fit in fits.items():
            progress(f"{name}, {way}")
            seconds[way].append(seconds_of(fit))
    return {way: np.array(values) for way, values in seconds.items()}


def main():
    arguments = parse_arguments(__doc__)
    rows = []
    for name in SETS:
        seconds = measure(name, arguments.quick)
        one, together, two, both = seconds
        faster = [ratio(seconds, one, together), ratio(seconds, two, both), ratio(seconds, together, both)]
        rows.append([name, *(f"{typical(s):.2f}" for s in seconds.values()), *(f"{r:.2f}" for r in faster)])
    header = ("seconds", *seconds, "faster, 1 thread", "faster, 2 threads", "2 threads over 1, n_networks=4")
    report("several_networks", __doc__, [table(header, rows)], arguments.write)


if __name__ == "__main__":
    main()
