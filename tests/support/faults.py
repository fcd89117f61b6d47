"""What the tests of faults share: small estimators, the same sequences in every form, and how a refusal is checked."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from one_each import OneEach, OneLabel, OneNumber, OneUnaligned

from skrnn import (
    RNNClassifier,
    RNNRegressor,
    SequenceArray,
    SequenceGenerator,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from skrnn.network import shards
from skrnn.training import epoch

PACKAGE = Path(__file__).resolve().parents[2] / "skrnn"
PATIENCE = 1200  # seconds after which a program hangs, on a slow machine that does much else and compiles
QUICK = {"hidden_layer_sizes": 3, "cell": "elman", "max_iter": 2, "random_state": 0}
ESTIMATORS = {
    "classifier": RNNClassifier(**QUICK),
    "regressor": RNNRegressor(**QUICK),
    "transformer": SequenceTransformer(**QUICK),
    "generator": SequenceGenerator(**QUICK),
    "detector": SequenceOutlierDetector(**QUICK),
    "labels out": OneLabel(**QUICK),
    "numbers out": OneNumber(**QUICK),
    "unaligned labels": OneUnaligned(**QUICK),
}
each_estimator = pytest.mark.parametrize("name", ESTIMATORS)
each_weighted = pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "detector"])  # by sample_weight

# What turns a 3-D array into another form of the same sequences.
FORMS = {
    "3-D": lambda X: X,
    "list": list,
    "SequenceArray": lambda X: SequenceArray.from_list(list(X)),
    "frame": lambda X: pd.DataFrame({f"c{j}": list(X[:, :, j]) for j in range(X.shape[2])}),
}
each_form = pytest.mark.parametrize("form", FORMS)


def cube(n=8, n_steps=4, n_channels=2, seed=0):
    """A batch of sequences of one length."""
    return np.random.default_rng(seed).normal(size=(n, n_steps, n_channels))


def ragged(n=24, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_channels)) for length in rng.integers(1, 9, size=n)]


def targets(X):
    """Two classes, which serve as numbers too."""
    return np.arange(len(X)) % 2


def changed(array, where, value, dtype=None):
    """A copy with another value at some place."""
    array = np.array(array, dtype=dtype)
    array[where] = value
    return array


def output(estimator, X):
    """What an estimator makes of sequences, as numbers."""
    if isinstance(estimator, OneEach):
        return estimator.output(X)
    if hasattr(estimator, "transform"):
        return estimator.transform(X)
    if hasattr(estimator, "score_samples"):
        return estimator.score_samples(X)
    return estimator.predict_proba(X) if hasattr(estimator, "predict_proba") else estimator.predict(X)


def state(estimator):
    """Hash of all that an estimator holds, to the last bit."""
    return joblib.hash(vars(estimator))


def assert_refused(estimator, call, message, kind=ValueError):
    """That ``call(estimator)`` raises an error of this kind and message, and that the estimator stays as it was."""
    before = state(estimator)
    with pytest.raises(kind, match=message):
        call(estimator)
    assert state(estimator) == before


def environment(**changes):
    """The environment for a program, without what Numba reads but its place for compiled kernels."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA_") or k == "NUMBA_CACHE_DIR"}
    return kept | {"PYTHONPATH": str(PACKAGE.parent)} | changes


def run_program(program, *arguments, options=(), cwd=None, env=None):
    """Lines that a Python program prints; it must end well."""
    done = subprocess.run(
        [sys.executable, *options, "-c", program, *map(str, arguments)],
        env=environment() if env is None else env,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.splitlines()


class MeasuredClassifier(RNNClassifier):
    """Wakes threads for the smallest network, and counts those of the package in this process while it is fitted."""

    def fit(self, X, y):
        shards.WORK_PER_THREAD = epoch.WORK_PER_WORKER = 1
        self.n_threads_, done = 0, threading.Event()

        def look():
            while not done.wait(0.0005):
                found = sum(thread.name.endswith("(_serve)") for thread in threading.enumerate())
                self.n_threads_ = max(self.n_threads_, found)

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            return super().fit(X, y)
        finally:
            done.set()
            watcher.join()
