"""Jobs of joblib and predictions on workers of Dask: one thread for each task, the estimator sent once, equal bits."""

import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, cpu_count, delayed, parallel_config
from jobs_alike import LABELS, QUICK, WORK, X

from skrnn import RNNClassifier, SequenceArray
from skrnn._core.jobs import n_threads_of
from skrnn.distributed import map_sequences

pytest.importorskip("distributed")

import dask
import dask.array as da
from distributed import Client, LocalCluster


@pytest.fixture(scope="module")
def client():
    """Of two processes with two threads each."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=2, processes=True, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_number_of_threads(client):
    """The client has no more threads than its machine; a task has one, unless joblib is told otherwise."""
    with parallel_config(backend="dask"):
        assert [n_threads_of(n) for n in (None, 1, 3, -1)] == [min(cpu_count(), 4), 1, 3, min(cpu_count(), 4)]
        found = Parallel()(delayed(_threads)() for _ in range(5))
    assert found == [[1, 1, 3, 1]] * 5
    assert client.submit(_threads).result() == [1, 1, 1, 1]


def _threads():
    return [n_threads_of(n) for n in (None, 1, 3, -1)]


@pytest.mark.parametrize("work", WORK, ids=lambda work: work.__name__)
def test_same_bits(client, work):
    with parallel_config(backend="dask"):
        found = work()
    np.testing.assert_array_equal(found, work(), strict=True)


def test_an_error_in_a_task_says_what_it_says_alone(client):
    with parallel_config(backend="dask"), pytest.raises(ValueError, match="fitted on 2"):
        Parallel()(delayed(RNNClassifier(**QUICK).fit(X, LABELS).predict)(part) for part in (X, X[:, :, :1]))


def sent_often(client):
    """The class of a classifier that tells of each of its copies and predictions, which is defined on workers, too."""

    def load(module="watched_classifier"):
        import sys
        import types

        from skrnn import RNNClassifier
        from skrnn._core.jobs import n_threads_of

        class Watched(RNNClassifier):
            seen = []

            def __setstate__(self, state):
                super().__setstate__(state)
                self.seen.append("copy")

            def predict(self, X):
                self.seen.append(n_threads_of(self.n_jobs))
                return super().predict(X)

        Watched.__module__, Watched.__qualname__ = module, "Watched"
        sys.modules[module] = types.ModuleType(module)
        sys.modules[module].Watched = Watched
        return Watched

    client.run(lambda: load() and None)
    return load()


def test_predictions_on_workers(client):
    watched = sent_often(client)(n_jobs=2, **QUICK).fit(X, LABELS)
    lazy = map_sequences(watched, da.from_array(X, chunks=(3, -1, -1)))
    np.testing.assert_array_equal(lazy.compute(), watched.predict(X), strict=True)

    def seen():
        import sys

        return sys.modules["watched_classifier"].Watched.seen

    told = client.run(seen).values()
    assert sum(n == 1 for each in told for n in each) == 20  # a thread for each of the partitions, n_jobs or not
    assert max(each.count("copy") for each in told) <= 2  # of those that came, and one that is sent on
    assert {*np.concatenate([*told])} <= {"copy", "1"}


def test_futures(client):
    reg = RNNClassifier(**QUICK).fit(X, LABELS)
    lazy = map_sequences(reg, client.scatter([X[:40], X[40:]], hash=False), "predict_proba")
    found = client.gather(client.compute(lazy))
    np.testing.assert_array_equal(np.concatenate(found), reg.predict_proba(X), strict=True)


def test_frames_on_workers(client, tmp_path):
    """In long format, from files to files."""
    pytest.importorskip("pyarrow")
    packed = SequenceArray.from_padded(X)
    named = SequenceArray(packed.values, packed.offsets, ["u", "v"])
    reg = RNNClassifier(**QUICK).fit(named, LABELS)
    (tmp_path / "in").mkdir()
    for k in range(4):
        part = named[15 * k : 15 * k + 15].to_long(range(15 * k, 15 * k + 15))
        part.to_parquet(tmp_path / "in" / f"{k}.parquet")
    lazy = map_sequences(reg, tmp_path / "in", "predict_proba", instance="instance", time="step")
    lazy.to_parquet(tmp_path / "out")
    found = pd.read_parquet(tmp_path / "out")
    assert list(found.index) == list(range(60))
    np.testing.assert_array_equal(found.to_numpy(), reg.predict_proba(named), strict=True)


def test_an_error_on_a_worker_names_the_partition(client):
    reg = RNNClassifier(**QUICK).fit(X, LABELS)
    parts = [dask.delayed(part, traverse=False) for part in (X[:4], X[:4], X[:4, :, :1])]
    with pytest.raises(ValueError, match="Partition 2 of X: X has 1 channels per step"):
        client.gather(client.compute(map_sequences(reg, parts)))
