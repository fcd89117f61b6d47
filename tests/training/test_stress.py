"""Thousands of small fits and predictions from many threads, some of which are stopped: the bits of each alone."""

import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.callbacks._base import BaseCallback, is_epoch
from skrnn.losses import SquaredError
from skrnn.network import shards
from skrnn.training import epoch

N_THREADS = 8
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(length, 2)) for length in RNG.integers(1, 9, size=90)]
NUMBERS = np.array([x.sum() for x in X])
CLASSES = np.array([len(x) % 3 for x in X])


class StoppedError(Exception):
    """What a callback or a loss of the user raises, somewhere in a fit."""


class Stop(BaseCallback):
    """Raises after so many epochs, or ends training there."""

    def __init__(self, after, error=None):
        self.after, self.error, self.n_epochs = after, error, 0

    def on_fit_task_end(self, estimator, context):
        self.n_epochs += is_epoch(context)
        if self.n_epochs < self.after:
            return False
        if self.error is not None:
            raise self.error("stopped")
        return True


class StoppingError(SquaredError):
    """A loss of the user's own, which Python calls, and which raises from call `n_calls` on."""

    def __init__(self, n_calls=3):
        self.n_calls, self.n = n_calls, 0

    def value_and_gradient(self, *args):
        self.n += 1
        if self.n >= self.n_calls:
            raise StoppedError("stopped")
        return super().value_and_gradient(*args)


def random_estimator(rng):
    """Any structure, of few kinds of cells since each is compiled; with 1 to 3 threads."""
    kind = [RNNRegressor, RNNClassifier, SequenceTransformer][rng.integers(3)]
    options = {
        "cell": str(rng.choice(["elman", "gru"])),
        "hidden_layer_sizes": tuple(int(n) for n in rng.integers(1, 6, size=rng.integers(1, 3))),
        "max_iter": int(rng.integers(1, 4)),
        "batch_size": int(rng.choice([1, 7, 20, 45, 90])),
        "n_jobs": int(rng.integers(1, 4)),
        "random_state": int(rng.integers(100)),
    }
    if kind is not SequenceTransformer:
        options["bidirectional"] = bool(rng.integers(2))
        options["pooling"] = str(rng.choice(["last", "mean", "max"]))
    if rng.random() < 0.3:
        options["recurrent_dropout"] = 0.3
    return kind(**options)


def target_of(model):
    return CLASSES if isinstance(model, RNNClassifier) else NUMBERS


def output(model, part):
    if hasattr(model, "transform"):
        return model.transform(part)
    return model.predict_proba(part) if hasattr(model, "predict_proba") else model.predict(part)


def bits(model):
    return joblib.hash([model.weights_, output(model, X)])


class Job:
    """An estimator, and what comes of it alone."""

    def __init__(self, rng):
        self.model = random_estimator(rng)
        self.fitted = clone(self.model).fit(X, target_of(self.model))
        self.expected = bits(self.fitted)
        self.parts = [X[first : first + int(n)] for first, n in zip(rng.integers(0, 60, 3), (1, 5, 30), strict=True)]
        self.outputs = [output(self.fitted, part) for part in self.parts]
        self.ended = bits(self._stopped(None))

    def _stopped(self, error):
        """A fit that a callback ends after an epoch."""
        return clone(self.model).set_callbacks(Stop(1, error)).fit(X, target_of(self.model))

    def run(self, rng):
        """One of all things that may happen; returns whether it went as it does alone."""
        what = rng.integers(6)
        if what == 0:
            return bits(clone(self.model).fit(X, target_of(self.model))) == self.expected
        if what == 1:
            return bits(self._stopped(None)) == self.ended
        if what == 2:
            with pytest.raises(StoppedError):
                self._stopped(StoppedError)
            return True
        if what == 3 and isinstance(self.model, RNNRegressor):
            model = clone(self.model).set_params(loss=StoppingError(int(rng.integers(1, 4))))
            with pytest.raises(StoppedError):
                _fit_four_times(model)  # some fits have a single shard
            return not hasattr(model, "weights_") or np.isfinite(model.predict(X[:1])).all()
        k = rng.integers(len(self.parts))  # many threads predict with one estimator
        return np.array_equal(output(self.fitted, self.parts[k]), self.outputs[k])


def _fit_four_times(model):
    for _ in range(4):
        model.fit(X, NUMBERS)


@pytest.mark.parametrize(
    ("n_jobs", "seconds"), [(6, 4), pytest.param(40, 15, marks=pytest.mark.long)], ids=["short", "long"]
)
def test_stress(n_jobs, seconds, monkeypatch):
    """As many as fit into so many seconds; errors, wrong bits and hangs show, and no thread is left."""
    monkeypatch.setattr(shards, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(epoch, "WORK_PER_WORKER", 1)
    before = set(threading.enumerate())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fits that end before they have converged
        jobs = [Job(np.random.default_rng(seed)) for seed in range(n_jobs)]
        end = time.monotonic() + seconds

        def work(seed):
            rng, n = np.random.default_rng(seed), 0
            while time.monotonic() < end or n == 0:
                number = rng.integers(len(jobs))
                assert jobs[number].run(rng), (number, seed, n)
                n += 1
            return n

        with ThreadPoolExecutor(N_THREADS) as pool:
            counts = list(pool.map(work, range(N_THREADS)))
    assert min(counts) > 0
    assert set(threading.enumerate()) <= before
