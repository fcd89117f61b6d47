"""``GridSearchCV`` over ``RNNClassifier`` on scikit-learn's digits, one job against two.

Eight fits of equal length (two learning rates, four folds, a fixed number of epochs, no refit, which would run alone),
each on one thread. The jobs are threads or processes (loky) of joblib, which are started before the timing. An image is
a sequence of 8 rows of 8 pixels. The jobs are compared by the ratio of times in the same round.
"""

import numpy as np
from _harness import (
    at_least,
    compile_kernels,
    goals,
    parse_arguments,
    progress,
    ratio,
    report,
    seconds_of,
    table,
    typical,
)
from joblib import parallel_config
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skrnn import RNNClassifier

CELLS = ("lstm", "gru", "elman", "mgu", "jordan", "indrnn")
JOBS = {"1 job": ("threading", 1), "2 threads": ("threading", 2), "2 processes": ("loky", 2)}
THREADS_FASTER, AIM = 1.7, 1.9


def search(cell, n_images, n_epochs, backend, n_jobs):
    """One grid search, ready to run."""
    digits = load_digits()
    X, y = digits.images[:n_images], digits.target[:n_images]
    classifier = RNNClassifier(cell=cell, max_iter=n_epochs, n_iter_no_change=n_epochs, random_state=0)
    candidates = {"learning_rate_init": [1e-3, 3e-3]}

    def run():
        with parallel_config(backend=backend):
            GridSearchCV(classifier, candidates, cv=4, refit=False, n_jobs=n_jobs, error_score="raise").fit(X, y)

    return run


def measure(cell, quick):
    """Seconds of each way to run the search, in each round."""
    n_images, n_epochs, n_rounds = (1000, 5, 3) if quick else (1797, 20, 5)
    for backend, n_jobs in JOBS.values():  # loads kernels, starts processes
        search(cell, 200, 1, backend, n_jobs)()
    seconds = {name: [] for name in JOBS}
    for _ in range(n_rounds):
        for name, (backend, n_jobs) in JOBS.items():
            progress(f"{cell}, {name}")
            seconds[name].append(seconds_of(search(cell, n_images, n_epochs, backend, n_jobs)))
    return {name: np.array(values) for name, values in seconds.items()}


def main():
    arguments = parse_arguments(__doc__, cells=CELLS)
    compile_kernels(CELLS)
    rows, wanted = [], []
    for cell in arguments.cells:
        seconds = measure(cell, arguments.quick)
        faster = [ratio(seconds, "1 job", name) for name in ("2 threads", "2 processes")]
        rows.append([cell, *(f"{typical(s):.2f}" for s in seconds.values()), *(f"{r:.2f}" for r in faster)])
        wanted.append(at_least(f"{cell}: 2 threads over 1 job", faster[0], THREADS_FASTER, aim=AIM))
    header = ("seconds", *JOBS, "threads faster", "processes faster")
    report("grid_search", __doc__, [table(header, rows), goals(wanted)], arguments.write)


if __name__ == "__main__":
    main()
