"""Faults of threads and processes: the same bits for all of them, and nothing waits for ever."""

import json
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from faults import ESTIMATORS, PACKAGE, PATIENCE, QUICK, cube, each_estimator, environment, output, ragged, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor
from skrnn.estimators import _base
from skrnn.network import shards
from skrnn.training.epoch import Epochs

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
can_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")


def bits(model):
    return joblib.hash(model.weights_)


@pytest.fixture
def busy(monkeypatch):
    """Threads are woken for any work, however little."""
    monkeypatch.setattr(shards, "WORK_PER_THREAD", 1)


# -------------------------------------------------------------------------------------------------------- threads
@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("n_jobs", [None, 2])
@each_estimator
def test_eight_threads_predict_with_one_model(name, n_jobs):
    """Equal to one after the other, bit for bit, while another model of the same structure is fitted."""
    X = ragged(100)
    model = clone(ESTIMATORS[name]).set_params(n_jobs=n_jobs).fit(X, targets(X))
    parts = [X[k : k + n] for k in range(0, 90, 7) for n in (1, 3, 40)]
    expected = [(output(model, part), model.hidden_states(part)) for part in parts]
    stop = threading.Event()

    def fit_others():
        while not stop.is_set():
            other = clone(model).fit(X, targets(X))
            assert bits(other) == bits(model)

    with ThreadPoolExecutor(9) as pool:
        fitting = pool.submit(fit_others)
        try:
            found = list(pool.map(lambda part: (output(model, part), model.hidden_states(part)), parts * 3))
        finally:
            stop.set()
        fitting.result()
    for (predicted, states), (expected_output, expected_states) in zip(found, expected * 3, strict=True):
        assert_array_equal(predicted, expected_output)
        for h, expected_h in zip(states, expected_states, strict=True):
            assert_array_equal(h, expected_h)


@pytest.mark.usefixtures("busy")
def test_models_fitted_in_threads_have_the_bits_of_those_fitted_in_turn():
    X = ragged(60)
    models = [RNNRegressor(n_jobs=n_jobs, **QUICK | {"random_state": seed}) for seed in (0, 1) for n_jobs in (1, 2)]
    expected = [bits(clone(model).fit(X, targets(X))) for model in models]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda model: bits(clone(model).fit(X, targets(X))), models * 4)) == expected * 4


def test_two_threads_that_fit_the_same_object(monkeypatch):
    """The second is told so, and the first ends as if it were alone; then the object can be fitted again."""
    X, y = cube(), targets(cube())
    expected = bits(RNNRegressor(**QUICK).fit(X, y))
    model, inside, go_on = RNNRegressor(**QUICK), threading.Event(), threading.Event()
    original = Epochs.run

    def slow(self, *args):
        inside.set()
        assert go_on.wait(PATIENCE)
        return original(self, *args)

    monkeypatch.setattr(Epochs, "run", slow)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(model.fit, X, y)
        assert inside.wait(PATIENCE)
        with pytest.raises(RuntimeError, match="This RNNRegressor is already being fitted"):
            model.fit(X, y)
        go_on.set()
        assert first.result() is model
    assert bits(model) == expected
    assert bits(model.fit(X, y)) == expected
    pickle.dumps(model)


@pytest.mark.parametrize(("way", "n_epochs"), [("fit", 2), ("partial_fit", 1)])
def test_training_resumes_from_what_another_thread_has_reached_meanwhile(monkeypatch, way, n_epochs):
    """The other fit begins after this call, and ends before it has the object for itself."""
    X, exclusive = ragged(20), _base.exclusive
    reg = RNNRegressor(**QUICK, warm_start=True).fit(X, targets(X))
    before = len(reg.loss_curve_)

    def after_another(estimator):
        monkeypatch.setattr(_base, "exclusive", exclusive)
        estimator.partial_fit(X, targets(X))
        return exclusive(estimator)

    monkeypatch.setattr(_base, "exclusive", after_another)
    getattr(reg, way)(X, targets(X))
    assert len(reg.loss_curve_) == before + 1 + n_epochs


@pytest.mark.usefixtures("busy")
def test_no_thread_is_left_behind():
    X, before = ragged(60), set(threading.enumerate())
    model = RNNClassifier(n_jobs=4, batch_size=60, **QUICK).fit(X, targets(X))
    model.predict(X)
    with pytest.raises(ValueError, match="one class"):
        model.fit(X, np.zeros(60))
    assert set(threading.enumerate()) <= before


# ----------------------------------------------------------------------------------------------------- determinism
NOISE = {"dropout": 0.3, "input_dropout": 0.2, "recurrent_dropout": 0.2, "zoneout": 0.1, "cell": "lstm"}


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    "options",
    [{}, NOISE, {"solver": "lbfgs"}, {"early_stopping": True}, {"bidirectional": True, "pooling": "attention"}],
    ids=lambda options: "-".join(options) or "defaults",
)
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
def test_weights_have_the_same_bits_for_any_number_of_threads(estimator, options):
    """1, 2, 3 and 8 of them; a second time; after pickling; after being cloned."""
    X = ragged(120)
    settings = QUICK | {"batch_size": 100, "hidden_layer_sizes": (5, 4)} | options
    fitted = [estimator(n_jobs=n_jobs, **settings).fit(X, targets(X)) for n_jobs in (1, 2, 3, 8)]
    copies = [pickle.loads(pickle.dumps(fitted[1])), clone(fitted[2])]
    assert len({bits(model) for model in [*fitted, *(copy.fit(X, targets(X)) for copy in copies)]}) == 1
    assert len({joblib.hash(model.predict(X)) for model in fitted}) == 1


@each_estimator
def test_random_states(name):
    """An integer, however written, gives the same bits again; a RandomState goes on; None draws from NumPy's own."""
    X = cube()

    def fit(random_state):
        return bits(clone(ESTIMATORS[name]).set_params(random_state=random_state).fit(X, targets(X)))

    before = np.random.get_state()
    assert fit(5) == fit(5) == fit(np.int64(5)) == fit(np.random.RandomState(5)) != fit(6)
    generator = np.random.RandomState(5)
    model = clone(ESTIMATORS[name]).set_params(random_state=generator)
    first, second = bits(model.fit(X, targets(X))), bits(model.fit(X, targets(X)))
    assert first == fit(5) != second
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state(), strict=True))
    assert fit(None) != fit(None)
    np.random.seed(3)
    first = fit(None)
    np.random.seed(3)
    assert fit(None) == first


BLAS = """
import warnings
warnings.simplefilter("ignore")
import joblib, numpy as np
from skrnn import RNNRegressor, SequenceTransformer
X = np.random.default_rng(0).normal(size=(16, 3, 2))
settings = {"cell": "elman", "dtype": "float64", "max_iter": 3, "random_state": 0}
for size, solver in ((300, "adam"), (200, "lbfgs"), (8, "lbfgs")):
    model = RNNRegressor(size, solver=solver, **settings).fit(X, X[:, :, 0].sum(axis=1))
    print(joblib.hash(model.weights_), joblib.hash(model.predict(X)), model.predict(X)[:3].tolist(), sep="|")
model = SequenceTransformer(200, objective="reservoir", **settings).fit(X)
print(joblib.hash(model.weights_), joblib.hash(model.transform(X)), model.transform(X)[0, :3].tolist(), sep="|")
"""
SETTINGS = {
    "1": {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "2": {"OPENBLAS_NUM_THREADS": "2", "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"},
    "8": {"OPENBLAS_NUM_THREADS": "8", "OMP_NUM_THREADS": "8"},
    "other kernels": {"OPENBLAS_CORETYPE": "Nehalem"},
}


@pytest.mark.long
def test_threads_of_blas_change_no_bit():
    """Large orthogonal weights, a reservoir and L-BFGS, in double precision; other kernels of BLAS change rounding."""
    running = {
        name: subprocess.Popen(
            [sys.executable, "-c", BLAS], env=environment(**changes), stdout=subprocess.PIPE, text=True
        )
        for name, changes in SETTINGS.items()
    }
    results = {name: process.communicate(timeout=PATIENCE)[0].splitlines() for name, process in running.items()}
    assert all(process.returncode == 0 for process in running.values())
    assert len(results["1"]) == 4
    assert results["1"] == results["2"] == results["8"]
    for one, other in zip(results["1"], results["other kernels"], strict=True):
        np.testing.assert_allclose(*(json.loads(line.split("|")[2]) for line in (one, other)), rtol=1e-4)


def test_users_keep_their_threads_of_blas():
    """Their number is restored, whatever happened, and when several leave at once."""
    from threadpoolctl import threadpool_info

    from skrnn._core.threads import one_blas_thread

    def numbers():
        return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

    with one_blas_thread:  # loads what it limits
        assert set(numbers()) == {1}
    before = numbers()

    def use(k):
        for _ in range(50):
            with pytest.raises(ZeroDivisionError), one_blas_thread:
                1 / 0  # noqa: B018

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(use, range(4)))
    assert numbers() == before


# ------------------------------------------------------------------------------------------------------- processes
FORK = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
import joblib, numpy as np
from skrnn import RNNRegressor
from skrnn.estimators import _base
from skrnn.network import shards
from numba.core.compiler_lock import global_compiler_lock
shards.WORK_PER_THREAD = 1
X, y = np.random.default_rng(0).normal(size=(40, 5, 2)), np.arange(40.0)

def fit(cell="elman"):
    settings = {"hidden_layer_sizes": 3, "max_iter": 3, "random_state": 0, "n_jobs": 2, "batch_size": 40}
    return RNNRegressor(cell=cell, **settings).fit(X, y)

def in_child(work, expected):
    child = os.fork()
    if child == 0:
        signal.alarm(int(sys.argv[1]))  # ends the child if it hangs
        os._exit(0 if work() == expected else 3)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

model = fit()
fitted, predicted = joblib.hash(model.weights_), joblib.hash(model.predict(X))
print("fit after a fit", in_child(lambda: joblib.hash(fit().weights_), fitted))
print("predict after a fit", in_child(lambda: joblib.hash(model.predict(X)), predicted))

codes = []
thread = threading.Thread(target=lambda: codes.append(in_child(lambda: joblib.hash(fit().weights_), fitted)))
thread.start()
thread.join()
print("from another thread", *codes)

stop = threading.Event()
same = RNNRegressor(**model.get_params())

def go_on():
    while not stop.is_set():
        same.fit(X, y)

threads = [threading.Thread(target=go_on)]
threads[0].start()
for _ in range(10):
    print("while another thread fits", in_child(lambda: joblib.hash(fit().weights_), fitted))
    print("while another thread fits it", in_child(lambda: joblib.hash(same.fit(X, y).weights_), fitted))
    time.sleep(0.003)
stop.set()
threads[0].join()

compiling = threading.Event()

def compile_slowly():
    with global_compiler_lock:  # as Numba does from the first to the last line of a compilation
        compiling.set()
        time.sleep(0.5)

thread = threading.Thread(target=compile_slowly)
thread.start()
compiling.wait()
print("while another thread compiles", in_child(lambda: len(fit("gru").predict(X)), 40))
thread.join()
"""


@pytest.mark.long
@can_fork
def test_forked_processes_fit_and_predict():
    """After a fit, from a thread, during a fit, during a compilation: the same bits, and no child hangs."""
    command = [sys.executable, "-c", FORK, str(PATIENCE // 4)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    lines = done.stdout.splitlines()
    assert len(lines) == 24
    assert [line for line in lines if not line.endswith(" 0")] == []


SEARCH = """
import json, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, sys.argv[1])
import joblib, numpy as np
from faults import MeasuredClassifier, ragged, targets
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

def threads(model, X, y):
    return model.n_threads_

def main():
    X = ragged(60)
    y = np.array([x[:, 0].sum() > 0 for x in X])
    for backend in ("sequential", "threading", "loky", "multiprocessing"):
        for n_jobs in (None, 2):
            model = MeasuredClassifier(4, "elman", max_iter=20, random_state=0, n_jobs=n_jobs, batch_size=60)
            scoring = {"accuracy": "accuracy", "threads": threads}
            grid = {"learning_rate_init": [0.001, 0.03], "dropout": [0.0, 0.2]}
            with parallel_config(backend, n_jobs=1 if backend == "sequential" else 2):
                search = GridSearchCV(model, grid, scoring=scoring, refit="accuracy", cv=3, error_score="raise")
                found = search.fit(X, y).cv_results_
            scores = np.array([found[f"split{k}_test_accuracy"] for k in range(3)]).tolist()
            most = max(found[f"split{k}_test_threads"].max() for k in range(3))
            print(json.dumps([backend, n_jobs, scores, int(most), joblib.hash(search.best_estimator_.weights_)]))

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def searches(tmp_path_factory):
    """Results of the same search with each backend, for estimators with one and with two threads."""
    program = tmp_path_factory.mktemp("search") / "search.py"
    program.write_text(SEARCH)
    command = [sys.executable, str(program), str(PACKAGE.parent / "tests" / "support")]
    # What is no threading layer of Numba: no kernel uses one.
    env = environment(NUMBA_THREADING_LAYER="garbage", NUMBA_NUM_THREADS="1")
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.long
def test_a_search_has_the_same_scores_in_threads_and_processes(searches):
    """With loky, threading and forked processes, also where each fit has two threads; and the same best weights."""
    assert len(searches) == 8
    assert len({json.dumps(scores) for _, _, scores, _, _ in searches}) == 1
    assert len({weights for *_, weights in searches}) == 1
    assert len({score for row in searches[0][2] for score in row}) > 1  # so the scores could differ


@pytest.mark.long
def test_a_search_starts_no_more_threads_than_asked_for(searches):
    """A fit has the thread of its worker and no other, unless it is asked for two: then each worker has one more."""
    for backend, n_jobs, _, n_threads, _ in searches:
        workers_of_a_process = 2 if backend == "threading" else 1
        assert n_threads <= workers_of_a_process * ((n_jobs or 1) - 1), (backend, n_jobs)
    assert max(n_threads for *_, n_threads, _ in searches) > 0
