"""Workers have the sequences of the next batch when it comes; whether they have them changes no bit."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import RNNClassifier

pytest.importorskip("distributed")

from clusters import cluster_of

from skrnn.distributed import _fleet, _pool, _worker, fit
from skrnn.distributed._programs import ENTRY_BYTES, SequenceCache
from skrnn.training import objective

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
CLF = RNNClassifier(4, max_iter=4, tol=None, random_state=0, batch_size=20)
X, Y = np.random.default_rng(0).normal(size=(70, 5, 2)), np.arange(70) % 3


def check_same(there, clf=CLF, y=Y):
    here = clone(clf).fit(X, y)
    for name in ("weights_", "loss_curve_"):
        assert joblib.hash(getattr(here, name)) == joblib.hash(getattr(there, name))


@pytest.fixture
def collected(monkeypatch):
    """Number of sequences that workers collect, in two lists: ahead of a batch, and when it has come."""
    ahead, late, bringing = [], [], set()
    collect, bring = _worker.Keeper._collect, _worker.Keeper._bring

    async def noted_bring(keeper, *given):
        bringing.add(keeper)
        await bring(keeper, *given)
        bringing.discard(keeper)

    async def noted_collect(keeper, rows):
        if keeper._programs is not None:  # it is for shards
            (ahead if keeper in bringing else late).append(len(rows.begins))
        return await collect(keeper, rows)

    monkeypatch.setattr(_worker.Keeper, "_bring", noted_bring)
    monkeypatch.setattr(_worker.Keeper, "_collect", noted_collect)
    return ahead, late


def test_a_batch_finds_its_sequences(collected):
    with cluster_of(1) as client:
        check_same(fit(clone(CLF), X, Y, client=client))
    ahead, late = collected
    assert late == [20]  # of the first batch, and each sequence once
    assert ahead == [20, 20, 10]


@pytest.mark.parametrize("share", [0.0, 1e-7])
def test_workers_without_memory_for_sequences(collected, monkeypatch, share):
    monkeypatch.setattr(_worker, "CACHED", share)  # of 4 GB: for none of them, or for one
    with cluster_of(2, memory_limit=4 * 10**9) as client:
        check_same(fit(clone(CLF), X, Y, client=client))
    ahead, late = collected
    assert sum(ahead) == (0 if share == 0 else len(ahead))
    assert len(late) >= 4 * 4  # in each of the batches


def test_sequences_that_cannot_be_had_ahead(collected, monkeypatch):
    ahead, late = collected
    collect = _worker.Keeper._collect

    async def fail_ahead(keeper, rows):
        n_before = len(ahead)
        values = await collect(keeper, rows)
        if len(ahead) > n_before:
            raise OSError("gone")
        return values

    monkeypatch.setattr(_worker.Keeper, "_collect", fail_ahead)
    with cluster_of(1) as client:
        check_same(fit(clone(CLF), X, Y, client=client))
    assert late == [20, 20, 20, 10]


@pytest.fixture
def ran(monkeypatch):
    """For each call of `Fleet.run` the sequences that are run, and those that will follow; and what is done before."""
    calls, before, run = [], {}, _fleet.Fleet.run

    def noted(fleet, recipe, parameters, shards):
        calls.append((shards.sequences.tolist(), [n for shard in shards.ahead for n in shard.tolist()]))
        before.get(len(calls), lambda: None)()
        return run(fleet, recipe, parameters, shards)

    monkeypatch.setattr(_fleet.Fleet, "run", noted)
    return calls, before


def test_what_follows_is_the_next_batch(ran):
    with cluster_of(1) as client:
        fit(clone(CLF), X, Y, client=client)
    calls, _ = ran
    assert len(calls) == 4 * 4
    for k, (_, ahead) in enumerate(calls):
        assert ahead == (calls[k + 1][0] if k % 4 != 3 else [])  # nothing is known of the next epoch


def test_what_follows_is_the_next_group_of_shards(ran, monkeypatch):
    monkeypatch.setattr(objective, "MAX_SHARDS", 1)
    clf = clone(CLF).set_params(batch_size=70, max_iter=2)
    with cluster_of(1) as client:
        check_same(fit(clone(clf), X, Y, client=client), clf)
    calls, _ = ran
    n = len(calls) // 2
    assert n > 2
    for k, (_, ahead) in enumerate(calls):
        assert ahead == (calls[k + 1][0] if k % n != n - 1 else [])


def test_a_worker_that_leaves_with_the_sequences_of_the_next_batch(ran, monkeypatch):
    monkeypatch.setattr(_pool, "LOOK", 0.05)
    monkeypatch.setattr(_worker, "WAIT", 0.5)
    with cluster_of(2) as client:
        gone = sorted(client.nthreads())[0]
        ran[1][3] = lambda: client.retire_workers([gone], close_workers=True)
        check_same(fit(clone(CLF), X, Y, client=client))
        assert gone not in client.nthreads()


def test_a_cache_keeps_the_newest_within_its_bound():
    size = 80 + ENTRY_BYTES
    cache, values = SequenceCache(3 * size), [np.full((10, 2), k, np.float32) for k in range(6)]
    cache.put(np.arange(2), values[:2])
    cache.put(np.array([1, 2, 3]), values[1:4])
    assert [one is not None for one in cache.get(np.arange(6))] == [False, True, True, True, False, False]
    for k, one in zip((1, 2, 3), cache.get(np.array([1, 2, 3])), strict=True):
        assert one is values[k]
    cache.put(np.array([4]), [np.zeros((1000, 2))])  # larger than all of it
    assert cache.get(np.arange(6)) == [None] * 6
    cache.put(np.array([5]), values[5:])
    assert cache.get(np.array([5]))[0] is values[5]


def test_neighbours_go_to_the_same_worker():
    lengths, shards = np.array([5, 5, 5, 5, 10, 10]), [np.array([k]) for k in range(6)]
    shares = _fleet._shared_out(shards, {"b": 1, "a": 1}, lengths)
    assert shares == {"a": slice(0, 4), "b": slice(4, 6)}
    assert _fleet._shared_out(shards[:1], {"b": 1, "a": 1, "c": 1}, lengths) == {"b": slice(0, 1)}
    assert _fleet._shared_out(shards, {"a": 1, "b": 3}, np.full(6, 7)) == {"a": slice(0, 2), "b": slice(2, 6)}
    assert _fleet._shared_out([], {"a": 1}, lengths) == _fleet._shared_out(shards, {}, lengths) == {}
