"""What a fit learns of X before it trains is found where the parts are, from the pieces of one machine."""

import itertools
import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor, SequenceArray
from skrnn.callbacks import Checkpoint

pytest.importorskip("distributed")

import dask
from clusters import cluster_of

from skrnn.distributed import _fleet, _pool, _worker, fit
from skrnn.distributed._sequences import FarValues
from skrnn.network import moments

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SHORT = {"hidden_layer_sizes": 4, "max_iter": 2, "tol": None, "random_state": 0, "batch_size": 40}
WORDS = np.array(["a", "bee", "sea", "dee", "e", "eff"])


@pytest.fixture(scope="module")
def client():
    with cluster_of(2) as client:
        yield client


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Pieces of some steps, which end within sequences; a worker is asked for few of them."""
    monkeypatch.setattr("skrnn.sequences._chunks.CHUNK_BYTES", 200)
    monkeypatch.setattr(_fleet, "PIECES", 7)


def ragged(n=70, n_channels=2):
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 12, n)
    return SequenceArray(rng.normal(3, 2, size=(lengths.sum(), n_channels)), np.cumsum([0, *lengths]))


def parts_of(X, bounds=(0, 1, 30, 31, 31, 50)):
    return [dask.delayed(X[a:b]) for a, b in itertools.pairwise([*bounds, len(X)])]


def check_same(estimator, X, y, client, **more):
    """Fit here and there, and compare what was learned of X, and the weights."""
    here, there = clone(estimator).fit(X, y, **more), clone(estimator)
    fit(there, parts_of(X), y, client=client, **more)
    assert joblib.hash(here.inputs_.to_plain()) == joblib.hash(there.inputs_.to_plain())
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)


def numbers():
    return RNNClassifier(**SHORT), ragged()


def smooth():
    X = ragged()
    steps = np.concatenate([np.arange(n) for n in X.lengths])
    X.values[:] = np.sin(steps[:, np.newaxis] / 9 + np.repeat(X.values[X.offsets[:-1]], X.lengths, axis=0))
    return RNNClassifier(**SHORT), X


def gaps(missing):
    X = ragged()
    X.values[np.random.default_rng(1).random(X.values.shape) < 0.3] = np.nan
    X.values[:, 1] = np.concatenate([np.arange(n) * 1.5 for n in X.lengths])
    return RNNClassifier(**SHORT, missing=missing, time_channel=1), X


def codes():
    X = ragged(n_channels=3)
    X.values[:, :2] = np.arange(len(X.values))[:, np.newaxis] % [5, 3]
    return RNNClassifier(**SHORT, categorical_features=[0, 1]), X


def words():
    X = ragged(n_channels=1)
    return RNNClassifier(**SHORT), SequenceArray(WORDS[(np.abs(X.values) * 3).astype(int) % len(WORDS)], X.offsets)


CASES = {
    "numbers": numbers,
    "smooth": smooth,
    "mask": lambda: gaps("mask"),
    "decay": lambda: gaps("decay"),
    "codes": codes,
    "words": words,
}


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_pieces_that_span_parts_have_the_bits_of_one_machine(client, case, weighted):
    estimator, X = CASES[case]()
    weight = np.random.default_rng(2).integers(0, 3, len(X)) / 7 if weighted else None
    check_same(estimator, X, np.arange(len(X)) % 3, client, sample_weight=weight)


def test_no_value_comes_to_the_client(client, monkeypatch, tmp_path):
    def refuse(self, rows):
        raise AssertionError

    monkeypatch.setattr(FarValues, "read", refuse)
    for estimator, X in (case() for case in CASES.values()):
        path = tmp_path / f"{id(X)}"
        fit(estimator.set_callbacks(Checkpoint(path)), parts_of(X), np.arange(len(X)) % 3, client=client)


def test_a_few_steps_are_fetched_for_the_noise(client, monkeypatch):
    n_rows, read = [], FarValues.read

    def noted(self, rows):
        n_rows.append(int(rows.offsets[-1]))
        return read(self, rows)

    monkeypatch.setattr(FarValues, "read", noted)
    rng = np.random.default_rng(0)
    X = SequenceArray.from_padded(np.sin(np.linspace(0, 30, 900) + rng.uniform(0, 6, (12, 1)))[:, :, np.newaxis])
    reg = RNNRegressor(**SHORT, early_stopping=False, differences=True)
    check_same(reg, X, X.values[X.offsets[1:] - 1, 0], client)
    assert n_rows == [12 * (8 + 1), 12 * (32 + 1)]


def test_the_first_wrong_value_is_named(client):
    X = ragged()
    X.values[[X.offsets[40] + 2, X.offsets[33], X.offsets[60]], 1] = np.nan
    for _ in range(3):
        with pytest.raises(ValueError, match=r"Input X contains NaN: sequence 33, step 0, channel 1") as caught:
            fit(clone(numbers()[0]), parts_of(X), np.arange(len(X)) % 3, client=client)
        assert not hasattr(caught.value, "__notes__")


def test_targets_that_stand_in_the_next_step_are_told_of(client):
    X = ragged()
    y = [np.append(x[1:, 1], 0) for x in X]
    reg = RNNRegressor(**SHORT, alpha=0.0, bidirectional=True)
    with pytest.warns(UserWarning, match="The targets are channel 1 of X at the next step"):
        fit(reg, parts_of(X), y, client=client)


# ----------------------------------------------------------------------------------------------------------- losses
def after_some_pieces(monkeypatch, what):
    """Do something once, in a piece in the middle of the scan for means and scales."""
    once, measured = iter(range(1000)), moments._sums_of_piece

    def noted(*given):
        if next(once) == 5:
            what()
        return measured(*given)

    monkeypatch.setattr(moments, "_sums_of_piece", noted)


def test_a_worker_that_leaves_in_the_middle_of_a_scan(monkeypatch):
    monkeypatch.setattr(_pool, "LOOK", 0.05)
    monkeypatch.setattr(_worker, "WAIT", 0.5)
    estimator, X = numbers()
    y = np.arange(len(X)) % 3
    here = clone(estimator).fit(X, y)
    with cluster_of(2) as client:
        gone = sorted(client.nthreads())[0]

        def leave():
            threading.Thread(target=client.retire_workers, args=([gone],), kwargs={"close_workers": True}).start()
            time.sleep(0.5)

        after_some_pieces(monkeypatch, leave)
        there = fit(clone(estimator), parts_of(X), y, client=client)
        assert list(client.nthreads()) != []
        assert gone not in client.nthreads()
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)


def test_parts_that_are_lost_in_the_middle_of_a_scan(monkeypatch):
    estimator, X = numbers()
    y = np.arange(len(X)) % 3
    here = clone(estimator).fit(X, y)
    with cluster_of(2) as client:

        def drop(dask_worker):
            for plugin in dask_worker.plugins.values():
                if isinstance(plugin, _worker.Keeper):
                    plugin._drop()

        after_some_pieces(monkeypatch, lambda: client.run(drop))
        there = fit(clone(estimator), parts_of(X), y, client=client)
    assert joblib.hash(here.weights_) == joblib.hash(there.weights_)


class KillingSum:
    """The sum of a chunk; kills the process of the first worker that comes to sequence 20."""

    def __init__(self, path):
        self._path = path

    def __call__(self, chunk):
        if chunk._origin[0] > 20 and not self._path.exists():
            self._path.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return float(chunk.values.sum())


@pytest.mark.long
def test_a_worker_process_that_is_killed_in_the_middle_of_a_scan(tmp_path):
    from skrnn.distributed._parts import parts_of as read
    from skrnn.distributed._sequences import far_sequences
    from skrnn.sequences._chunks import Scan

    X = ragged()
    function = KillingSum(tmp_path / "killed")
    with cluster_of(2, processes=True) as client, _fleet.Fleet(client) as fleet:
        far = far_sequences(fleet, fleet.place(read(parts_of(X), None, None).parts))
        found = list(Scan(far).map(function))
    assert (tmp_path / "killed").exists()
    assert found == list(Scan(X).map(function))
