"""``RNNSearchCV``: what it costs against ``GridSearchCV``, and what halving finds against a random search.

*Cost*: 16 candidates of one structure (learning rates and penalties) on scikit-learn's digits, an image as a sequence
of 8 rows, two folds, 12 epochs, no refit. ``GridSearchCV(n_jobs=2)`` has two processes of loky, which are started
before the timing ("warm") or within it ("cold"), as in a program that runs one search; ``RNNSearchCV`` has two threads.
*all epochs*: without halving (``factor=None``), so both train the same, and all scores must be equal to the last digit.

*Quality*: 64 candidates that are halved, against as many drawn candidates as are trained to the end in as many epochs
all together, of the same space. Of six training parts of the time series archive a third is held out; log loss there of
the best candidate, and its accuracy, mean over seeds. Test parts are never read.

*Work*: what a halved search on one thread is busy with, by processor time. Then what compiled code of training takes
for a sequence of digits in networks and mini-batches of several sizes, and its products of matrices alone as a share of
the peak of multiply-adds: whether programs of several candidates side by side would find vector units that are idle.
"""

import time
import warnings
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
from _harness import (
    at_least,
    at_most,
    fma_peak,
    goals,
    parse_arguments,
    progress,
    ratio,
    report,
    seconds_of,
    table,
    typical,
)
from _sets import archive
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from scipy.stats import loguniform, uniform
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, StratifiedShuffleSplit

from skrnn import RNNClassifier, RNNSearchCV
from skrnn.estimators import _base, _fit, _start
from skrnn.model_selection import _halving, _runs
from skrnn.network.data import Data
from skrnn.network.drive import Drive
from skrnn.network.inference import Predictor
from skrnn.training.epoch import Epochs
from skrnn.training.run import Training

GRID = {"learning_rate_init": [1e-3, 3e-3, 1e-2, 3e-2], "alpha": [1e-5, 1e-4, 1e-3, 1e-2]}
SPACE = {
    "learning_rate_init": loguniform(1e-4, 1e-1),
    "alpha": loguniform(1e-6, 1e-1),
    "hidden_layer_sizes": [8, 16, 32, 64],
    "cell": ["gru", "lstm"],
    "bidirectional": [False, True],
    "pooling": ["last", "mean", "max"],
    "dropout": uniform(0, 0.6),
    "input_dropout": uniform(0, 0.3),
    "batch_size": [8, 16, 32],
}
SETS = "JapaneseVowels", "Libras", "SyntheticControl", "ItalyPowerDemand", "GunPoint", "BasicMotions"
N_CANDIDATES, N_SEEDS = 64, 2


# --------------------------------------------------------------------------------------------------------------- cost
def searches(n_images, n_epochs):
    """Ways to search by name, each a function that returns the scores."""
    digits = load_digits()
    X, y = digits.images[:n_images], digits.target[:n_images]
    how = {"cv": 2, "refit": False, "scoring": "neg_log_loss", "error_score": "raise", "n_jobs": 2}
    clf = RNNClassifier(max_iter=n_epochs, random_state=0)

    def warm():
        with parallel_config(backend="loky"):
            return GridSearchCV(clf, GRID, **how).fit(X, y).cv_results_["mean_test_score"]

    def cold():
        get_reusable_executor().shutdown(wait=True)
        return warm()

    def search(factor):
        found = RNNSearchCV(clf, GRID, n_candidates="all", factor=factor, **how).fit(X, y)
        return found.cv_results_["mean_test_score"]

    return {
        "GridSearchCV, cold": cold,
        "GridSearchCV, warm": warm,
        "RNNSearchCV, all epochs": lambda: search(None),
        "RNNSearchCV, halving": lambda: search(3),
    }


def cost(quick):
    """The table of seconds, and its goals."""
    ways = searches(300, 5) if quick else searches(1797, 12)
    for way in searches(200, 1).values():  # loads kernels
        way()
    seconds, scores = {name: [] for name in ways}, {}
    for _ in range(2 if quick else 3):
        for name, way in ways.items():
            progress(name)
            seconds[name].append(seconds_of(lambda way=way, name=name: scores.update({name: way()})))
    seconds = {name: np.array(values) for name, values in seconds.items()}
    rows, names = [], list(ways)
    for name in names:
        times = [f"{1 / ratio(seconds, grid, name):.2f}" for grid in names[:2]]
        rows.append([name, f"{typical(seconds[name]):.1f}", *times])
    equal = (scores[names[1]] == scores[names[2]]).mean()
    wanted = [
        at_most("halving, time over GridSearchCV (warm)", 1 / ratio(seconds, names[1], names[3]), 0.5),
        at_most("all epochs, time over GridSearchCV (cold)", 1 / ratio(seconds, names[0], names[2]), 0.5),
        at_least("all epochs, scores that are equal to the last digit", 100 * equal, 100, "%"),
    ]
    return table(("16 candidates", "seconds", "of cold", "of warm"), rows), wanted


# ------------------------------------------------------------------------------------------------------------ quality
def best(X, y, seed, n_epochs, n_candidates, factor):
    """Log loss and accuracy of the best candidate, and how many fits could be trained to the end in all epochs."""
    cv = StratifiedShuffleSplit(1, test_size=1 / 3, random_state=seed)
    clf = RNNClassifier(max_iter=n_epochs, random_state=seed)
    search = RNNSearchCV(
        *(clf, SPACE), n_candidates=n_candidates, factor=factor, cv=cv, scoring=["neg_log_loss", "accuracy"],
        refit=False, random_state=seed, n_jobs=2,
    )  # fmt: skip
    results = search.fit(X, y).cv_results_
    last = np.flatnonzero(results["iter"] == results["iter"].max())
    row = last[results["mean_test_neg_log_loss"][last].argmax()]
    epochs = np.diff([0, *search.n_resources_]) @ search.n_candidates_
    return -results["mean_test_neg_log_loss"][row], 100 * results["mean_test_accuracy"][row], epochs / n_epochs


def quality(quick):
    """The table of scores, and its goal."""
    n_epochs, n_seeds = (27, 1) if quick else (81, N_SEEDS)
    rows, n_better = [], 0
    for name in SETS:
        X, y = archive(name)[:2]
        found = []
        for seed in range(n_seeds):
            progress(f"{name}, seed {seed}")
            halved = best(X, y, seed, n_epochs, N_CANDIDATES, 3)
            n_random = int(np.ceil(halved[2]))
            found.append([halved, best(X, y, seed, n_epochs, n_random, None)])
        (loss, accuracy, fits), (other_loss, other_accuracy, other_fits) = np.mean(found, axis=0)
        n_better += loss < other_loss
        numbers = [f"{loss:.3f}", f"{other_loss:.3f}", f"{accuracy:.1f}", f"{other_accuracy:.1f}"]
        rows.append([name, *numbers, f"{fits:.1f}", f"{other_fits:.1f}"])
        progress(f"{rows[-1]}")
    header = "set", "log loss, halving", "random", "accuracy, halving", "random", "fits, halving", "random"
    return table(header, rows), [at_least("sets where halving has the better log loss", n_better, 5, "of 6")]


# --------------------------------------------------------------------------------------------------------------- work
SHARES = {
    "all": [(_halving, "advance")],
    "training, compiled": [(Epochs, "_drive")],
    "predictions for scores": [(Predictor, "predict_raw")],
    "scores without them": [(_runs, "_score")],
    "reading, checking, splitting X and y": [(_runs, "_safe_split"), (_base, "read_given"), (_base, "prepare")],
    ". of which encoding": [(_fit, "learn_columns_of"), (_start, "learn_scales"), (Data, "of")],
    "initial weights": [(_start, "initial_state")],
    "programs": [(Training, "start"), (Training, "begin_epochs")],
}


@contextmanager
def clocks(places):
    """Processor time of this thread in functions, by the name that several may share."""
    seconds = dict.fromkeys(places, 0.0)

    def clocked(function, name):
        def run(*arguments, **options):
            start = time.thread_time()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += time.thread_time() - start

        return run

    with ExitStack() as stack:
        for name, functions in places.items():
            for owner, attribute in functions:
                function = clocked(getattr(owner, attribute), name)
                is_static = isinstance(vars(owner)[attribute], staticmethod)
                stack.enter_context(patch.object(owner, attribute, staticmethod(function) if is_static else function))
        yield seconds


def work(quick):
    """Tables of what a search is busy with, and of vector units that are idle; no goals."""
    digits = load_digits()
    X, y = digits.images[: 300 if quick else None], digits.target[: 300 if quick else None]
    clf = RNNClassifier(max_iter=12, random_state=0, n_jobs=1)
    search = RNNSearchCV(clf, GRID, n_candidates="all", cv=2, refit=False, scoring="neg_log_loss")
    search.fit(X[:200], y[:200])
    with clocks(SHARES) as seconds:
        search.fit(X, y)
    seconds["scores without them"] -= seconds["predictions for scores"]
    named = sum(value for name, value in seconds.items() if name != "all" and not name.startswith("."))
    seconds["all else"] = seconds["all"] - named
    rows = [[name, f"{value:.2f}", f"{value / seconds['all']:.0%}"] for name, value in seconds.items()]
    flops, peak = fma_peak(np.float32)
    peak.run()
    peak, units = flops / min(seconds_of(peak.run) for _ in range(9)), (4, 8, 16, 32, 64, 128)
    cells = [[size, *(of_kernels(X, y, n, size, peak) for n in units)] for size in (8, "auto", 256)]
    sizes = table(("batch_size", *(f"{n} units" for n in units)), cells)
    note = f"Microseconds for a sequence, and its products as a share of the peak, {peak / 1e9:.0f} GFLOP/s."
    return f"{table(('a halved search', 'seconds', 'share'), rows)}\n\n{note}\n\n{sizes}", []


def of_kernels(X, y, n_units, batch_size, peak):
    """What compiled code takes for a sequence in training, and its products alone as a share of the peak."""
    n_epochs, found = 4, []
    for _ in range(3):
        with clocks({"driver": [(Drive, "run")]}) as seconds:
            RNNClassifier(n_units, max_iter=n_epochs, batch_size=batch_size, random_state=0, n_jobs=1).fit(X, y)
        found.append(seconds["driver"] / len(X) / n_epochs)
    directions, gates, ways, n_steps, n_channels = 2, 3, 3, X.shape[1], X.shape[2]
    products = 2 * ways * directions * n_steps * n_units * gates * (n_units + 1 + n_channels)
    return f"{1e6 * np.median(found):.1f}, {products / np.median(found) / peak:.0%}"


PARTS = {"cost": cost, "quality": quality, "work": work}


def main():
    arguments = parse_arguments(__doc__, parts=tuple(PARTS))
    warnings.simplefilter("ignore", UserWarning)
    tables, wanted = zip(*(PARTS[name](arguments.quick) for name in arguments.parts), strict=True)
    report("search", __doc__, [*tables, goals([goal for of_part in wanted for goal in of_part])], arguments.write)


if __name__ == "__main__":
    main()
