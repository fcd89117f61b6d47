"""Workers that take no tasks, and tasks that no worker takes: the fit goes on without them, or ends and says why."""

import os
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest
from sklearn.base import clone

from skrnn.callbacks import Checkpoint

pytest.importorskip("distributed")

import dask
from cluster_fits import CLF, AfterEpoch, X, Y, check_same, drop_all, make_impatient, parts
from clusters import cluster_of
from distributed import Client, LocalCluster, Status, get_worker

from skrnn.distributed import _parts, _patience, _worker, fit

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("impatient"),
]
PAUSED = r"Worker inproc://\S+ is paused\. .*more memory, or cut X into smaller partitions .*Checkpoint"


@pytest.fixture
def impatient(monkeypatch):
    make_impatient(monkeypatch)


def set_status(client, status, workers=None):
    """Pause workers, or let them run again."""

    def set_here(dask_worker):
        dask_worker.status = status

    client.run(set_here, workers=workers)
    while {one["status"] for one in states(client, workers)} != {status.name}:
        time.sleep(0.01)


def states(client, workers):
    return [one for address, one in client.scheduler_info()["workers"].items() if address in (workers or [address])]


def pausing(n_workers):
    """A cluster whose workers do not look at their memory, which would let them run again."""
    return cluster_of(n_workers, memory_limit=0)


@contextmanager
def meanwhile(what, *given):
    thread = threading.Thread(target=what, args=given)
    thread.start()
    yield
    thread.join()


def slow_parts(seconds, n):
    @dask.delayed
    def read(part):
        time.sleep(seconds)
        return part

    return [read(part) for part in np.split(X, n)]


def change_worker(status):
    """Change the status of the worker that a task runs on."""
    worker = get_worker()
    worker.loop.add_callback(setattr, worker, "status", status)
    while worker.status != status:
        time.sleep(0.01)


def pausing_parts(*addresses):
    """Parts whose workers are paused while they read them: these, or all."""

    @dask.delayed
    def read(part):
        if get_worker().address in (addresses or [get_worker().address]):
            change_worker(Status.paused)
        return part

    return [read(part) for part in np.split(X, 6)]


# ------------------------------------------------------------------------------------------------ parts that are placed
def test_all_workers_are_paused_while_parts_are_placed():
    with pausing(2) as client:
        clf = clone(CLF)
        with pytest.raises(RuntimeError, match=rf"Partition \d of X has not come .* 2 s\. {PAUSED}"):
            fit(clf, pausing_parts(), Y, client=client)
        assert not hasattr(clf, "weights_")
        set_status(client, Status.running)
        check_same(fit(clf, parts(), Y, client=client))


def test_workers_short_of_memory_are_named_with_their_memory():
    with cluster_of(1, memory_limit="4 GB") as client:

        def pause(dask_worker):
            dask_worker.memory_manager.memory_pause_fraction = 1e-9

        client.run(pause)
        while states(client, None)[0]["status"] != "paused":
            time.sleep(0.01)
        with pytest.raises(RuntimeError, match=r"is paused, with [\d.]+ .iB of 3\.73 GiB of its memory in use\. Dask"):
            fit(clone(CLF), parts(), Y, client=client)


def test_a_worker_that_is_paused_while_parts_are_placed():
    with pausing(2) as client:
        one = sorted(client.nthreads())[0]
        check_same(fit(clone(CLF), pausing_parts(one), Y, client=client))
        assert states(client, [one])[0]["status"] == "paused"


def test_workers_that_are_paused_for_a_while(monkeypatch):
    monkeypatch.setattr(_patience, "PATIENCE", 60.0)
    with pausing(2) as client:
        set_status(client, Status.paused)

        def go_on():
            time.sleep(0.5)
            set_status(client, Status.running)

        with meanwhile(go_on):
            check_same(fit(clone(CLF), parts(), Y, client=client))


def test_sequences_of_this_process_wait_for_no_paused_worker(monkeypatch):
    monkeypatch.setattr(_parts, "SEND", 0.2)
    with pausing(1) as client:
        set_status(client, Status.paused)
        with pytest.raises(RuntimeError, match=f"Partition 0 of X has not come .*{PAUSED}"):
            fit(clone(CLF), X, Y, client=client)


@pytest.mark.parametrize("error", [KeyError, TimeoutError])
def test_sequences_of_this_process_are_sent_again(monkeypatch, error):
    """As where a worker is gone, or paused, that the client knew a moment ago."""
    left = [2]
    with cluster_of(1) as client:
        scatter = client.scatter

        def fail_first(*given, **options):
            if left[0]:
                left[0] -= 1
                raise error
            return scatter(*given, **options)

        monkeypatch.setattr(client, "scatter", fail_first)
        check_same(fit(clone(CLF), X, Y, client=client))
        assert left == [0]


def test_tasks_that_no_worker_can_run():
    with dask.annotate(resources={"DISK": 1}):
        delayed = slow_parts(0, 4)
    with cluster_of(2) as client:
        with pytest.raises(
            RuntimeError, match=r"Partition 0 of X has not come .* 2 s\. .*ask for resources, or for work"
        ):
            fit(clone(CLF), delayed, Y, client=client)
        check_same(fit(clone(CLF), parts(), Y, client=client))


def test_a_future_that_is_cancelled():
    with cluster_of(1) as client:
        futures = client.scatter(np.split(X, 3))
        futures[1].cancel()
        with pytest.raises(ValueError, match=r"Partition 1: the future 'ndarray-\w+' is cancelled, or its data went"):
            fit(clone(CLF), futures, Y, client=client)


@pytest.mark.parametrize("is_paused", [False, True])
def test_a_part_that_takes_longer_than_the_patience(monkeypatch, is_paused):
    monkeypatch.setattr(_patience, "PATIENCE", 0.5)

    @dask.delayed
    def read(part):
        change_worker(Status.paused if is_paused else Status.running)
        time.sleep(1.5)
        change_worker(Status.running)
        return part

    with pausing(1) as client:
        check_same(fit(clone(CLF), [read(X)], Y, client=client))


@pytest.mark.long
def test_a_part_that_kills_its_workers(monkeypatch):
    monkeypatch.setattr(_patience, "PATIENCE", 60.0)  # a worker takes seconds to come back
    with cluster_of(1, processes=True) as client:
        kill = dask.delayed(lambda part: os._exit(1))
        with pytest.raises(RuntimeError, match=r"Workers were lost 4 times .*: (\d, )*3\. .*row groups"):
            fit(clone(CLF), [*parts(3), kill(X)], np.zeros(80), client=client)


# ------------------------------------------------------------------------------------------------------------- training
def test_paused_workers_train():
    """Dask pauses tasks; messages are answered."""
    with pausing(2) as client:
        clf = clone(CLF).set_callbacks(AfterEpoch(2, lambda: set_status(client, Status.paused)))
        check_same(fit(clf, parts(), Y, client=client))


def test_parts_are_lost_while_workers_are_paused(tmp_path):
    with pausing(2) as client:

        def lose():
            set_status(client, Status.paused)
            client.run(drop_all)

        clf = clone(CLF).set_callbacks(AfterEpoch(4, lose), Checkpoint(tmp_path / "fit"))
        with pytest.raises(RuntimeError, match=rf"Partition 0 of X has not come .*{PAUSED}"):
            fit(clf, parts(), Y, client=client)
        set_status(client, Status.running)
        clf = clone(CLF).set_callbacks(Checkpoint(tmp_path / "fit", resume=True))
        check_same(fit(clf, parts(), Y, client=client))


def test_parts_that_are_lost_again_and_again(monkeypatch):
    async def lose(keeper, parameters, shards):
        keeper._drop()
        return {"status": _worker.UNTOLD}

    monkeypatch.setattr(_worker.Keeper, "_run", lose)
    answer = r"No worker has answered for 2 s\. Worker inproc://\S+ is running"
    with cluster_of(1) as client, pytest.raises(RuntimeError, match=answer):
        fit(clone(CLF), parts(), Y, client=client)


def test_workers_that_do_not_reach_each_other(monkeypatch):
    async def fail(keeper, owner, rows):
        return {"status": _worker.UNREACHED, "owner": owner}

    with cluster_of(2) as client:
        clf = clone(CLF).set_params(shuffle=True)
        monkeypatch.setattr(_worker.Keeper, "_rows_of", fail)
        monkeypatch.setattr(_worker, "CACHED", 0.0)
        with pytest.raises(RuntimeError, match=r"No worker has answered .* is running.*must be able to connect"):
            fit(clf, parts(), Y, client=client)


@pytest.mark.parametrize("when", ["placing", "training"])
def test_the_cluster_is_closed(when):
    with (
        LocalCluster(n_workers=2, processes=False, dashboard_address=":0") as cluster,
        Client(cluster, set_as_default=False) as client,
    ):

        def close():
            time.sleep(0.5)
            cluster.close()

        clf = clone(CLF).set_callbacks(AfterEpoch(3 if when == "training" else 9, cluster.close))
        with (
            meanwhile(close if when == "placing" else int),
            pytest.raises(RuntimeError, match=r"client is clos.*, its cluster was closed or is gone.*Checkpoint"),
        ):
            fit(clf, slow_parts(0.3, 60) if when == "placing" else parts(), Y, client=client)
