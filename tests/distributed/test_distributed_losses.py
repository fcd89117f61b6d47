"""What happens to a cluster, or to its client, in the middle of a fit costs time and no bits."""

import asyncio
import gc
import os
import re
import signal
import threading
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn.callbacks import Checkpoint
from skrnn.losses import SquaredError

pytest.importorskip("distributed")

import dask
from cluster_fits import CLF, AfterEpoch, X, Y, check_same, drop_all, make_impatient, parts
from clusters import cluster_of
from distributed import Client

from skrnn import RNNRegressor
from skrnn.distributed import _fleet, _pool, _programs, _worker, fit
from skrnn.distributed._parts import Parts
from skrnn.distributed._placement import Placement
from skrnn.distributed._ranges import Places, Rows
from skrnn.distributed._row_file import RowFile

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture
def impatient(monkeypatch):
    make_impatient(monkeypatch)


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_leaves():
    with cluster_of(2) as client:
        gone = sorted(client.nthreads())[0]

        def leave():
            client.retire_workers([gone], close_workers=True)
            client.wait_for_workers(1)

        there = fit(clone(CLF).set_callbacks(AfterEpoch(3, leave)), parts(), Y, client=client)
        assert list(client.nthreads()) != []
        assert gone not in client.nthreads()
    check_same(there)


@pytest.mark.usefixtures("impatient")
def test_a_worker_that_comes_late(monkeypatch):
    used, shared_out = set(), _fleet._shared_out

    def noted(shards, workers, lengths):
        shares = shared_out(shards, workers, lengths)
        used.update(shares)
        return shares

    monkeypatch.setattr(_fleet, "_shared_out", noted)
    with cluster_of(1) as client:

        def come():
            client.cluster.scale(2)
            client.wait_for_workers(2)
            time.sleep(0.1)

        there = fit(clone(CLF).set_callbacks(AfterEpoch(3, come)), parts(), Y, client=client)
        assert len(used) == 2
    check_same(there)


@pytest.mark.long
def test_a_worker_process_that_is_killed():
    with cluster_of(2, processes=True) as client:
        pid = client.run(os.getpid)[sorted(client.nthreads())[0]]
        clf = clone(CLF).set_callbacks(AfterEpoch(3, lambda: os.kill(pid, signal.SIGKILL)))
        there = fit(clf, parts(), Y, client=client)
    check_same(there)


@pytest.mark.usefixtures("impatient")
def test_no_worker_is_left():
    with cluster_of(1) as client:
        clf = clone(CLF).set_callbacks(AfterEpoch(2, lambda: client.retire_workers(list(client.nthreads()))))
        with pytest.raises(RuntimeError, match=r"No worker .* for 2 s.*\. Start .* with the callback Checkpoint"):
            fit(clf, parts(), Y, client=client)
        assert not hasattr(clf, "weights_")


def test_a_fit_that_crashed_goes_on_with_other_parts_and_on_one_machine(tmp_path):
    def crash():
        raise RuntimeError("crash")

    with cluster_of(2) as client:
        for name in ("there", "here"):
            clf = clone(CLF).set_callbacks(AfterEpoch(4, crash), Checkpoint(tmp_path / name))
            with pytest.raises(RuntimeError, match="crash"):
                fit(clf, parts(), Y, client=client)
        clf = clone(CLF).set_callbacks(Checkpoint(tmp_path / "there", resume=True))
        check_same(fit(clf, parts(5), Y, client=client))
    clf = clone(CLF).set_callbacks(Checkpoint(tmp_path / "here", resume=True))
    check_same(clf.fit(X, Y))


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_the_weights_reached():
    clf = clone(CLF).set_params(max_iter=10**6)

    def interrupt():
        threading.Timer(0.05, signal.raise_signal, [signal.SIGINT]).start()

    clf.set_callbacks(AfterEpoch(3, interrupt))
    with cluster_of(2) as client, pytest.warns(ConvergenceWarning, match="Training interrupted by user"):
        fit(clf, parts(), Y, client=client)
    assert len(clf.loss_curve_) >= 3
    clf.predict(X)


def test_progress_is_shown_as_ever(capsys):
    clf = clone(CLF).set_params(verbose=2)
    clone(clf).fit(X, Y)
    here = capsys.readouterr().out
    with cluster_of(2) as client:
        fit(clone(clf), parts(), Y, client=client)
    assert re.sub(r"[\d.]+ ?m?s", "", capsys.readouterr().out) == re.sub(r"[\d.]+ ?m?s", "", here)


class BrokenError(SquaredError):
    """A loss that raises."""

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        raise ZeroDivisionError("no loss")


def test_an_error_on_a_worker_is_raised_here():
    with cluster_of(2) as client, pytest.raises(ZeroDivisionError, match="no loss"):
        fit(RNNRegressor(4, max_iter=2, loss=BrokenError()), parts(), np.arange(60.0), client=client)


def test_nothing_is_left_on_workers(tmp_path):
    with cluster_of(2, local_directory=str(tmp_path)) as client:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(clone(CLF), parts(), Y, client=client)
        for names in client.run(lambda dask_worker: [*dask_worker.plugins, *dask_worker.handlers]).values():
            assert not [name for name in names if name.startswith("skrnn")]
        assert not list(tmp_path.rglob("skrnn-*"))


# ------------------------------------------------------------------------------------------- nothing is left on workers
def left_on(client):
    """Names that fits have left on workers: of plugins, handlers and folders."""

    def left(dask_worker):
        names = [*dask_worker.plugins, *dask_worker.handlers, *os.listdir(dask_worker.local_directory)]
        return [name for name in names if name.startswith("skrnn-")]

    return [name for names in client.run(left).values() for name in names]


def test_a_fit_that_fails_leaves_nothing():
    slow = dask.delayed(lambda part: (time.sleep(0.3), part)[1])
    with cluster_of(2) as client:
        for given in ([*parts(3), dask.delayed(X[:5] * np.nan)], [dask.delayed([[]]), slow(X)]):
            with pytest.raises(ValueError, match=r"NaN|Partition 0"):
                fit(clone(CLF), given, np.zeros(65) if len(given) == 4 else Y, client=client)
        time.sleep(0.5)
        assert left_on(client) == []


def test_a_worker_that_cannot_begin(monkeypatch):
    def fail(self, worker):
        raise PermissionError("no room")

    with cluster_of(1) as client:
        monkeypatch.setattr(_worker.Keeper, "setup", fail)
        with pytest.raises(PermissionError, match="no room"):
            fit(clone(CLF), parts(), Y, client=client)
        monkeypatch.undo()
        assert left_on(client) == []
        client.cluster.scale(2)
        client.wait_for_workers(2)
        assert left_on(client) == []


def test_a_worker_that_is_gone_when_the_fit_ends(monkeypatch):
    with cluster_of(1) as client:

        def gone(name):
            raise OSError("Timed out")

        monkeypatch.setattr(client, "unregister_worker_plugin", gone)
        check_same(fit(clone(CLF), parts(), Y, client=client))


def test_a_client_that_dies(monkeypatch):
    monkeypatch.setattr(_worker, "STAY", 0.4)
    with cluster_of(2) as client, Client(client.cluster, set_as_default=False) as other:
        pool = _pool.WorkerPool(other).__enter__()
        other.sync(Placement(pool).place, Parts(parts()))
        time.sleep(1)  # in which the client does other things
        folders = [name for name in left_on(client) if name != pool.name]
        assert folders
        other.close()
        time.sleep(1)
        assert [name for name in left_on(client) if name != pool.name] == []


def test_workers_that_took_the_client_for_dead():
    with cluster_of(2) as client:
        clf = clone(CLF).set_callbacks(AfterEpoch(3, lambda: client.run(drop_all)))
        check_same(fit(clf, parts(), Y, client=client))


def test_all_workers_go_while_parts_are_read(monkeypatch):
    monkeypatch.setattr(_pool, "LOOK", 0.05)
    with cluster_of(1) as client:
        first = list(client.nthreads())

        @dask.delayed
        def read(part):
            time.sleep(0.5)
            return part

        def replace():
            time.sleep(0.2)
            client.cluster.scale(2)
            client.wait_for_workers(2)
            client.retire_workers(first, close_workers=True)

        thread = threading.Thread(target=replace)
        thread.start()
        there = fit(clone(CLF), [read(part) for part in np.split(X, 4)], Y, client=client)
        thread.join()
        assert list(client.nthreads()) != first
    check_same(there)


def test_a_file_that_was_cut_short(monkeypatch):
    monkeypatch.setattr(_worker, "CACHED", 0.0)
    with cluster_of(1) as client:

        def cut(dask_worker):
            for plugin in dask_worker.plugins.values():
                if isinstance(plugin, _worker.Keeper):
                    for path in plugin._folder.iterdir():
                        os.truncate(path, 8)

        clf = clone(CLF).set_callbacks(AfterEpoch(2, lambda: client.run(cut)))
        with pytest.raises(RuntimeError, match=r"Worker inproc://.* cannot read what it keeps in .*has been cut short"):
            fit(clf, parts(), Y, client=client)


def test_an_error_of_a_worker_names_it(monkeypatch):
    def fail(self, *given):
        raise MemoryError("no room")

    monkeypatch.setattr(_programs.Programs, "run", fail)
    with cluster_of(1) as client:
        with pytest.raises(MemoryError) as caught:
            fit(clone(CLF), parts(), Y, client=client)
        assert caught.value.__notes__ == [f"This happened on worker {next(iter(client.nthreads()))}."]


def test_the_errors_of_all_workers_are_looked_at():
    """Others are reported by asyncio, at any time."""
    pool = _pool.WorkerPool(None)

    async def fail(address, message):
        raise ZeroDivisionError(address)

    async def ask():
        reported = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["message"]))
        with pytest.raises(ZeroDivisionError, match="a"):
            await pool.ask({"a": {}, "b": {}})
        gc.collect()
        return reported

    pool._message = fail
    assert asyncio.run(ask()) == []


def test_a_worker_asks_one_that_has_only_just_begun():
    async def no_handler(**given):
        return None

    keeper = _worker.Keeper("skrnn-0")
    keeper._worker = SimpleNamespace(address="a", rpc=lambda owner: SimpleNamespace(**{"skrnn-0": no_handler}))
    answer = asyncio.run(keeper._rows_of("b", None))
    assert answer == {"status": _worker.UNREACHED, "owner": "b"}


def test_a_worker_that_ends_while_it_reads(tmp_path, monkeypatch):
    keeper = _worker.Keeper("skrnn-0")
    worker = SimpleNamespace(address="a", local_directory=str(tmp_path), handlers={})
    rows, places = Rows(np.array([0, 1]), np.array([1, 3])), Places(np.array([0, 1, 3]), ["a", "a"], 1, X.dtype)
    read = RowFile.read

    def end_then_read(part, *given):
        keeper.teardown(worker)
        return read(part, *given)

    async def ask():
        keeper.setup(worker)
        keeper.keep(0, [np.ones((1, 1))])
        keeper.keep(1, [np.ones((2, 1))])
        await keeper.answer("take_places", places=places)
        assert (await keeper._own_rows(rows))["status"] == _worker.DONE
        monkeypatch.setattr(RowFile, "read", end_then_read)
        return await keeper._own_rows(rows)

    assert asyncio.run(ask()) == {"status": _worker.LOST, "owner": "a"}
    assert list(tmp_path.iterdir()) == []


def test_a_worker_that_deletes_all_before_it_reads_its_own_rows_says_so(tmp_path):
    keeper = _worker.Keeper("skrnn-0")
    worker = SimpleNamespace(address="a", local_directory=tmp_path, handlers={})
    places = Places(np.array([0, 1]), ["a"], 1, np.dtype(float))

    async def ask():
        keeper.setup(worker)
        keeper.keep(0, [np.ones((1, 1))])
        await keeper.answer("take_places", places=places)
        keeper._drop()
        answer = await keeper._own_rows(Rows(np.array([0]), np.array([1])))
        keeper.teardown(worker)
        return answer

    assert asyncio.run(ask()) == {"status": _worker.LOST, "owner": "a"}


def test_a_part_that_comes_twice_leaves_no_file_open(tmp_path):
    keeper = _worker.Keeper("skrnn-0")
    worker = SimpleNamespace(address="a", local_directory=tmp_path, handlers={})

    async def keep_twice():
        keeper.setup(worker)
        keeper.keep(0, [np.ones((1, 1))])
        first = keeper.parts[0]
        keeper.keep(0, [np.ones((1, 1))])
        again = keeper.parts[0].read(0, np.empty((1, 1)))
        keeper.teardown(worker)
        return first, again

    first, again = asyncio.run(keep_twice())
    assert again
    assert not first.read(0, np.empty((1, 1)))
