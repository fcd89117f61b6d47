"""Faults while programs run: what users' code raises, Ctrl-C, forks, deleted estimators, memory that is not there."""

import copy
import gc
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from faults import ESTIMATORS, PATIENCE, QUICK, each_estimator, output, ragged, run_program, state, targets
from joblib import parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from skrnn import RNNRegressor
from skrnn.callbacks._base import BaseCallback, is_epoch
from skrnn.kernels import program
from skrnn.losses import SquaredError
from skrnn.network import memory, shards
from skrnn.network.plan import Plan
from skrnn.training import epoch

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
each_number = pytest.mark.parametrize("n_jobs", [1, 2, 3])
X = ragged(100)
Y = np.array([x.sum() for x in X])
SETTINGS = QUICK | {"batch_size": 40, "max_iter": 4}


@pytest.fixture(autouse=True)
def busy(monkeypatch):
    """Threads are woken for any work, however little; and none is left behind."""
    monkeypatch.setattr(shards, "WORK_PER_THREAD", 1)
    monkeypatch.setattr(epoch, "WORK_PER_WORKER", 1)
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def bits(model):
    return joblib.hash(model.weights_)


class AfterEpoch(BaseCallback):
    """Calls a function after each epoch, with the number of epochs that are over."""

    def __init__(self, function):
        self.function, self.n_epochs = function, 0

    def on_fit_task_end(self, estimator, context):
        if is_epoch(context):
            self.n_epochs += 1
            return self.function(self.n_epochs)
        return None


# ----------------------------------------------------------------------------------------------------- users' code
class BrokenError(SquaredError):
    """A user's own loss, which raises in the call `n_calls` of its life."""

    def __init__(self, error=None, n_calls=0):
        self.error, self.n_calls = error, n_calls
        self.counts = [0]

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        self.counts[0] += 1
        if self.counts[0] == self.n_calls:
            raise self.error("a broken loss")
        return super().value_and_gradient(raw, K, y, weight, d_raw)


@each_number
@pytest.mark.parametrize("n_calls", [1, 4, 9])
@pytest.mark.parametrize("error", [ZeroDivisionError, StopIteration, SystemExit])
def test_what_a_loss_raises_is_what_fit_raises(error, n_calls, n_jobs):
    """On whatever thread; the estimator is as it was, and can be fitted."""
    model = RNNRegressor(**SETTINGS, n_jobs=n_jobs).fit(X, Y)
    before, fitted = bits(model), model.predict(X)
    loss = BrokenError(error, n_calls)
    model.set_params(loss=loss)
    with pytest.raises(error, match="a broken loss"):
        model.fit(X, Y)
    assert bits(model) == before
    assert_array_equal(model.predict(X), fitted)
    assert bits(model.set_params(loss="squared_error").fit(X, Y)) == before


def test_a_loss_of_the_users_own_trains_as_the_kernel_does():
    """It runs from Python, with the same bits for any number of threads."""
    expected = RNNRegressor(**SETTINGS).fit(X, Y)
    for n_jobs in (1, 2, 3):
        model = RNNRegressor(**SETTINGS, n_jobs=n_jobs, loss=BrokenError()).fit(X, Y)
        assert bits(model) == bits(expected)
        assert model.loss_curve_ == expected.loss_curve_


@each_number
@pytest.mark.parametrize("error", [StopIteration, GeneratorExit, MemoryError])
@pytest.mark.parametrize("when", [1, 3])
def test_what_a_callback_raises_between_slices(error, when, n_jobs):
    def function(n_epochs):
        if n_epochs == when:
            raise error("a broken callback")

    model = RNNRegressor(**SETTINGS, n_jobs=n_jobs).fit(X, Y)
    before = state(model)
    with pytest.raises(error, match="a broken callback"):
        model.set_callbacks(AfterEpoch(function)).fit(X[:50], Y[:50])
    del model._skl_callbacks
    assert state(model) == before
    assert state(model.fit(X, Y)) == before


@each_number
def test_a_fit_within_a_callback_of_a_fit(n_jobs):
    """And predictions, of another network and of this kind; each has the bits of one alone."""
    settings = SETTINGS | {"n_jobs": n_jobs}
    other = RNNRegressor(**settings | {"hidden_layer_sizes": 5}).fit(X, Y)
    alone, expected, found = RNNRegressor(**settings).fit(X, Y), other.predict(X), []

    def function(n_epochs):
        found.append(bits(RNNRegressor(**settings).fit(X, Y)))
        assert_array_equal(other.predict(X), expected)

    assert bits(RNNRegressor(**settings).set_callbacks(AfterEpoch(function)).fit(X, Y)) == bits(alone)
    assert found == [bits(alone)] * 4


# ---------------------------------------------------------------------------------------------- threads, processes
@each_number
def test_eight_fits_in_eight_threads(n_jobs):
    """Of different networks, each with helpers of its own: the same bits as one after the other."""
    models = [
        clone(ESTIMATORS[name]).set_params(n_jobs=n_jobs, hidden_layer_sizes=size, batch_size=40, random_state=size)
        for name in ESTIMATORS
        for size in (3, 4)
    ]
    models += models[:2]
    expected = [bits(clone(model).fit(X, targets(X))) for model in models]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda model: bits(clone(model).fit(X, targets(X))), models * 3))
    assert found == expected * 3


@each_number
def test_estimators_that_are_deleted_while_others_are_fitted(n_jobs):
    """Their programs and memory go, at any moment and on any thread."""
    expected, done = bits(RNNRegressor(**SETTINGS).fit(X, Y)), threading.Event()

    def fit_and_delete(seed):
        found = []
        while not done.is_set() or not found:
            model = RNNRegressor(**SETTINGS, n_jobs=n_jobs)
            found.append(bits(model.fit(X, Y)))
            model.predict(X[: 1 + seed])
            model.myself = model  # so that it takes the collector to delete it
            del model
        return set(found)

    with ThreadPoolExecutor(4) as pool:
        results = [pool.submit(fit_and_delete, seed) for seed in range(4)]
        end = time.monotonic() + 1
        while time.monotonic() < end:
            gc.collect()
        done.set()
        assert [result.result() for result in results] == [{expected}] * 4


LONGER = [pytest.param(*way, marks=pytest.mark.long) for way in ((1, 0.02), (1, 0.002), (2, 0.002), (3, 0.02))]
INTERRUPTED = """
import random, signal, sys, threading, time, warnings
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from skrnn import RNNRegressor
from skrnn.network import shards
from skrnn.training import epoch

shards.WORK_PER_THREAD = epoch.WORK_PER_WORKER = 1
epoch.SLICE = float(sys.argv[2])
signal.signal(signal.SIGINT, signal.default_int_handler)
random.seed(0)
rng = np.random.default_rng(0)
X, y = rng.normal(size=(400, 12, 2)), rng.normal(size=400)
settings = {"hidden_layer_sizes": 6, "cell": "elman", "batch_size": 100, "random_state": 0, "n_jobs": int(sys.argv[1])}
model = RNNRegressor(**settings, max_iter=2, tol=None, n_iter_no_change=10**9)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model.fit(X, y)
model.set_params(max_iter=10**9)
n_threads, original = threading.active_count(), epoch.Epochs.run

def run(self, *args):
    if not timer.ident:  # the first epoch
        timer.start()
    return original(self, *args)

epoch.Epochs.run = run
for _ in range(12):
    timer = threading.Timer(random.uniform(0, 0.05), signal.raise_signal, [signal.SIGINT])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(X, y)
    timer.join()
    assert [w.category for w in caught] == [ConvergenceWarning], caught
    assert "interrupted by user" in str(caught[0].message)
    assert np.isfinite(model.predict(X)).all()
    assert all(np.isfinite(array).all() for array in model.weights_.values())
    end = time.monotonic() + 60
    while threading.active_count() > n_threads and time.monotonic() < end:
        time.sleep(0.001)  # nobody waits for one that Ctrl-C found at the end, which takes a moment
    assert threading.active_count() == n_threads
    print("interrupted")
"""


@pytest.mark.parametrize(("n_jobs", "seconds"), [(2, 0.02), (3, 0.0001), *LONGER])
def test_ctrl_c_while_helpers_run(n_jobs, seconds):
    """At any moment, with short and long slices: the warning, weights that predict, no thread left, no hang."""
    assert run_program(INTERRUPTED, n_jobs, seconds) == ["interrupted"] * 12


FORKED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
import joblib, numpy as np
from skrnn import RNNRegressor
from skrnn.callbacks._base import BaseCallback, is_epoch
from skrnn.network import shards
from skrnn.training import epoch

shards.WORK_PER_THREAD = epoch.WORK_PER_WORKER = 1
rng = np.random.default_rng(0)
X, y = rng.normal(size=(90, 7, 2)), rng.normal(size=90)
settings = {"hidden_layer_sizes": 4, "cell": "elman", "batch_size": 40, "max_iter": 4, "random_state": 0}
settings["n_jobs"] = int(sys.argv[1])

def bits(model):
    return joblib.hash(model.weights_), joblib.hash(model.predict(X))

expected, other = bits(RNNRegressor(**settings).fit(X, y)), RNNRegressor(**settings | {"random_state": 1}).fit(X, y)
predicted, children, am_child = other.predict(X), [], False

class Fork(BaseCallback):
    def on_fit_task_end(self, estimator, context):
        global am_child
        if not is_epoch(context) or am_child:
            return None
        for goes_on in (False, True):
            child = os.fork()
            if child:
                children.append(child)
                continue
            am_child = True
            signal.alarm(int(sys.argv[2]))  # ends the child if it hangs
            if goes_on:
                return None  # with the fit that it is in
            same = bits(RNNRegressor(**settings).fit(X, y)) == expected
            os._exit(0 if same and np.array_equal(other.predict(X), predicted) else 3)
        return None

found = bits(RNNRegressor(**settings).set_callbacks(Fork()).fit(X, y))
if am_child:
    os._exit(0 if found == expected else 4)
print(found == expected, *(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.parametrize("n_jobs", [2, *(pytest.param(n, marks=pytest.mark.long) for n in (1, 3))])
def test_a_fork_in_the_middle_of_a_fit(n_jobs):
    """The child fits and predicts, or goes on with the fit that it is in, without the threads of its parent."""
    assert run_program(FORKED, n_jobs, PATIENCE // 4) == [f"True{' 0' * 8}"]


def test_a_search_in_threads_has_the_results_of_one_after_the_other():
    grid, found = {"learning_rate_init": [0.001, 0.03], "dropout": [0.0, 0.2], "n_jobs": [1, 2]}, []
    for backend in ("sequential", "threading"):
        model = RNNRegressor(**SETTINGS | {"hidden_layer_sizes": (4, 3)})
        with parallel_config(backend, n_jobs=1 if backend == "sequential" else 4):
            search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X, Y)
        scores = [search.cv_results_[f"split{k}_test_score"].tolist() for k in range(3)]
        found.append((scores, bits(search.best_estimator_)))
    assert found[0] == found[1]
    assert len(set(found[0][0][0])) == 4  # for each learning rate and dropout


# ----------------------------------------------------------------------------------------------- weights and memory
@each_number
@each_estimator
def test_weights_that_are_replaced_or_edited_between_predictions(name, n_jobs):
    """A prediction is that of the weights which are there, never of those that were packed for the one before."""
    model = clone(ESTIMATORS[name]).set_params(n_jobs=n_jobs, batch_size=40).fit(X, targets(X))
    other = clone(model).set_params(random_state=7).fit(X, targets(X))
    seen, parts = [], [X, X[:1], X[:33]]

    def check():
        fresh = copy.deepcopy(model)
        for part in parts:
            for _ in range(2):
                assert_array_equal(output(model, part), output(fresh, part))
        seen.append(output(model, X))

    check()
    first = min(model.weights_)
    model.weights_[first][...] *= 1.5  # in place
    check()
    model.weights_[first].flat[-1] += 0.25  # a single number
    check()
    model.weights_[first] = model.weights_[first] * 0.5
    check()
    model.weights_ = copy.deepcopy(other.weights_)
    check()
    assert len({array.tobytes() for array in seen}) == len(seen)


@each_number
@pytest.mark.parametrize("n_calls", [1, 2, 5])
@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (program, "_lay_out"),
        (program, "caller_of"),
        (program, "address_of"),
        (memory.Memory, "allocate_thread"),
        (memory.Memory, "allocate_gradients"),
        (memory.Memory, "allocate_packed"),
        (Plan, "__init__"),
    ],
)
def test_memory_that_cannot_be_had_for_a_program(owner, name, n_calls, n_jobs, monkeypatch):
    """In a fit and in a prediction: this error, an estimator as it was, and programs that run when there is memory."""
    model, original, calls = RNNRegressor(**SETTINGS, n_jobs=n_jobs).fit(X, Y), getattr(owner, name), []
    expected, before = model.predict(X), bits(model)

    def scarce(*args, **options):
        calls.append(args)
        if len(calls) == n_calls:
            raise MemoryError("there is no more")
        return original(*args, **options)

    for call in (lambda: model.fit(X, Y), lambda: clone(model).fit(X, Y), lambda: copy.deepcopy(model).predict(X)):
        calls.clear()
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, scarce)
            try:
                call()
            except MemoryError as error:
                assert str(error) == "there is no more"  # noqa: PT017 (not all of them need so many)
            else:
                assert len(calls) < n_calls
        assert bits(model) == before
        assert_array_equal(model.predict(X), expected)
    assert bits(model.fit(X, Y)) == before
