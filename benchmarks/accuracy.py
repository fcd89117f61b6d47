"""Accuracy of default parameters on real data: median of five seeds, beside floors and published results.

The digits come with scikit-learn. JapaneseVowels and C-MAPSS FD001 are read with the ``load.py`` in the folder that the
environment variable SKRNN_DATA names (default: ``../shared/data`` beside the project). C-MAPSS: windows of 30 cycles,
remaining life capped at 125 in training and test.
"""

import importlib.util
import os
import time
from pathlib import Path

import numpy as np
from _harness import ROOT, at_least, at_most, goals, parse_arguments, progress, report, table
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skrnn import RNNClassifier, RNNRegressor

DATA = Path(os.environ.get("SKRNN_DATA", ROOT.parent / "shared" / "data"))
CAP, WINDOW = 125, 30


def loaders():
    spec = importlib.util.spec_from_file_location("load", DATA / "load.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digits():
    data = load_digits()
    X, X_test, y, y_test = train_test_split(data.images, data.target, random_state=0, stratify=data.target)
    return X, y, X_test, y_test


def japanese_vowels():
    load = loaders()
    return *load.tsc("JapaneseVowels", "train"), *load.tsc("JapaneseVowels", "test")


def cmapss():
    load = loaders()
    X, y = load.cmapss("train", CAP)
    X_test, y_test = load.cmapss("test", CAP)
    windows = np.array([x[end - WINDOW : end] for x in X for end in range(WINDOW, len(x) + 1)])
    lives = np.concatenate([life[WINDOW - 1 :] for life in y])
    return windows, lives, [x[-WINDOW:] for x in X_test], np.array([life[-1] for life in y_test])


def accuracy(model, X, y):
    return 100 * model.score(X, y)


def rmse(model, X, y):
    return float(np.sqrt(np.mean((model.predict(X) - y) ** 2)))


# name: data, estimator, measure, goal, what others reach
TASKS = {
    "digits": (digits, RNNClassifier, accuracy, ("at least", 96.0), ""),
    "JapaneseVowels": (
        japanese_vowels,
        RNNClassifier,
        accuracy,
        ("at least", 97.0),
        "echo state network 96.5, SVC 97.8",
    ),
    "C-MAPSS FD001": (cmapss, RNNRegressor, rmse, ("at most", 16.41), "ridge 16.41, one-layer LSTM 14.93"),
}


def measure(name, n_seeds):
    """Scores and seconds of fits with the seeds 0 .. n_seeds - 1, after one that compiles."""
    read, estimator, score, _, _ = TASKS[name]
    X, y, X_test, y_test = read()
    estimator(max_iter=1).fit(X[:64], y[:64])
    scores, seconds = [], []
    for seed in range(n_seeds):
        progress(f"{name}, seed {seed}")
        start = time.perf_counter()
        model = estimator(random_state=seed, n_jobs=-1).fit(X, y)
        seconds.append(time.perf_counter() - start)
        scores.append(score(model, X_test, y_test))
    return scores, seconds


def main():
    arguments = parse_arguments(__doc__, tasks=list(TASKS))
    rows, goal_rows = [], []
    for name in arguments.tasks:
        if name != "digits" and not (DATA / "load.py").exists():
            progress(f"{name}: not found in {DATA}, left out")
            continue
        scores, seconds = measure(name, 2 if arguments.quick else 5)
        _, _, _, (direction, limit), others = TASKS[name]
        spread = f"{min(scores):.2f} .. {max(scores):.2f}"
        rows.append((name, f"{np.median(scores):.2f}", spread, f"{np.median(seconds):.1f}", others))
        check, unit = (at_least, "%") if direction == "at least" else (at_most, "cycles")
        goal_rows.append(check(name, float(np.median(scores)), limit, unit))
        if name == "JapaneseVowels":
            goal_rows.append(at_most(f"{name}, fit", float(np.median(seconds)), 10, "s"))
    header = ("data", "median", "range of seeds", "fit, s", "others")
    report("accuracy", __doc__, [table(header, rows), goals(goal_rows)], arguments.write)


if __name__ == "__main__":
    main()
