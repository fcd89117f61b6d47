"""The package's own threads: every task once, exceptions, nesting, nothing left behind."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from faults import PATIENCE

from skrnn._core.threads import ShardPool

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("n_tasks", [0, 1, 2, 7, 100])
@pytest.mark.parametrize("n_threads", [1, 2, 3, 8])
def test_every_task_runs_once(n_threads, n_tasks):
    done = []
    with ShardPool(n_threads) as pool:
        assert pool.run(lambda i, worker: done.append((i, worker)), n_tasks, n_threads) is None
    assert sorted(i for i, _ in done) == list(range(n_tasks))
    assert {worker for _, worker in done} <= set(range(min(n_threads, max(n_tasks, 1))))


def test_pool_runs_again_and_again():
    with ShardPool(3) as pool:
        for n_tasks in range(30):
            done = []
            pool.run(lambda i, worker, done=done: done.append(i), n_tasks, 3)
            assert sorted(done) == list(range(n_tasks))


def test_one_thread_is_the_callers_and_keeps_the_order():
    done = []
    with ShardPool(1) as pool:
        pool.run(lambda i, worker: done.append((i, worker, threading.get_ident())), 5, 8)
    assert done == [(i, 0, threading.get_ident()) for i in range(5)]


@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_threads_than_asked_for(limit):
    """A barrier of `limit` tasks passes only if so many run at once; identities show that no more do."""
    barrier, threads = threading.Barrier(limit), set()

    def task(i, worker):
        threads.add((worker, threading.get_ident()))
        barrier.wait(PATIENCE)

    with ShardPool(4) as pool:
        pool.run(task, 6, limit)
    assert len(threads) == limit == len({ident for _, ident in threads})
    assert {worker for worker, _ in threads} == set(range(limit))


def test_a_worker_number_belongs_to_one_thread_at_a_time():
    """So that what it writes to needs no lock."""
    busy, clashes = set(), []

    def task(i, worker):
        if worker in busy:
            clashes.append(worker)
        busy.add(worker)
        time.sleep(0.0005)
        busy.discard(worker)

    with ShardPool(8) as pool:
        for _ in range(3):
            pool.run(task, 40, 8)
    assert not clashes


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize("bad", [0, 5, 9])
def test_exceptions_reach_the_caller(n_threads, bad):
    def task(i, worker):
        if i == bad:
            raise ZeroDivisionError(f"task {i}")

    done = []
    with ShardPool(n_threads) as pool:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError, match=f"task {bad}"):
                pool.run(task, 10, n_threads)
        pool.run(lambda i, worker: done.append(i), 10, n_threads)
    assert sorted(done) == list(range(10))


def test_no_task_runs_after_an_exception_was_raised():
    """Otherwise it would go on writing to buffers that the next run uses."""
    running, together = set(), threading.Barrier(3)

    def task(i, worker):
        together.wait(PATIENCE)
        if worker == 1:
            raise ZeroDivisionError
        running.add(worker)
        time.sleep(0.1 * worker)
        running.discard(worker)

    with ShardPool(3) as pool:
        with pytest.raises(ZeroDivisionError):
            pool.run(task, 3, 3)
        assert not running


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_waits_for_what_others_have_begun_and_begins_nothing():
    """They write to memory that the caller goes on with."""
    running, begun = set(), []

    def task(i, worker):
        begun.append(i)
        if worker == 0:
            time.sleep(0.001)
            return
        running.add(i)
        time.sleep(0.05)
        signal.raise_signal(signal.SIGINT)  # the main thread waits for this one, or takes the next task
        time.sleep(0.2)
        running.discard(i)

    with ShardPool(2) as pool:
        for _ in range(5):
            begun.clear()
            with pytest.raises(KeyboardInterrupt):
                pool.run(task, 300, 2)
            assert not running
            assert len(begun) < 300
        begun.clear()
        pool.run(lambda i, worker: begun.append(i), 10, 2)
    assert sorted(begun) == list(range(10))


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_no_thread_is_left(n_threads):
    before = set(threading.enumerate())
    with ShardPool(n_threads) as pool:
        pool.run(lambda i, worker: time.sleep(0.001), 20, n_threads)
        assert len(set(threading.enumerate()) - before) <= n_threads - 1
    assert set(threading.enumerate()) <= before
    with pytest.raises(ZeroDivisionError), ShardPool(n_threads) as pool:
        pool.run(lambda i, worker: 1 / 0, 20, n_threads)
    assert set(threading.enumerate()) <= before


def test_pools_within_pools():
    done = []

    def outer_task(i, worker):
        with ShardPool(2) as inner:
            inner.run(lambda j, worker: done.append((i, j)), 5, 2)

    with ShardPool(3) as outer:
        outer.run(outer_task, 4, 3)
    assert sorted(done) == [(i, j) for i in range(4) for j in range(5)]


def test_a_pool_within_itself():
    """In a process of its own, which can be ended if the threads wait for each other for ever."""
    program = """
from skrnn._core.threads import ShardPool
done = []
with ShardPool(2) as pool:
    def outer(i, worker):
        pool.run(lambda j, worker: done.append((i, j)), 5, 2)
    pool.run(outer, 4, 2)
assert sorted(done) == [(i, j) for i in range(4) for j in range(5)]
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=PATIENCE, check=True)
