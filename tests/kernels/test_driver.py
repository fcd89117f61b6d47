"""The driver: which of its programs run, how often and in what order; shards, helpers, failures."""

import threading
import time

import numpy as np
import pytest
from faults import PATIENCE, environment, run_program
from numba.core import config
from numpy.testing import assert_array_equal

from skrnn.kernels import driver
from skrnn.kernels._jit import kernel
from skrnn.kernels.program import Instruction, Number, Program
from skrnn.network.arena import aligned

pytestmark = pytest.mark.skipif(config.DISABLE_JIT, reason="nothing is driven without the compiler")
B, G, S, A, J, U = range(1, 7)  # what the programs write down: batch, group, shard, gather, judge, update
# Numbers of a toy: entries of its log; batches begun; groups left in the batch.
N_LOG, N_BEGUN, N_GROUPS = range(3)


@kernel
def _note(log, state, what):
    log[state[N_LOG]] = what
    state[N_LOG] += 1


@kernel
def _batch(words, state, plan, log, raises):
    """Row n of the plan is for batch n: number of groups, shards in each, has it weight, is all over after it."""
    _note(log, state, B)
    row = state[N_BEGUN]
    state[N_BEGUN] += 1
    words[driver.LEFT] = plan.shape[0] - state[N_BEGUN]
    state[N_GROUPS], words[driver.HAS_WEIGHT] = plan[row, 0], plan[row, 2]
    if raises == B:
        raise ValueError("batch")


@kernel
def _group(words, state, plan, log, raises):
    _note(log, state, G)
    words[driver.N_SHARDS] = plan[state[N_BEGUN] - 1, 1] if state[N_GROUPS] > 0 else 0
    state[N_GROUPS] -= 1
    if raises == G:
        raise ValueError("group")


@kernel
def _shard(number, own, times, work, raises):
    """Count in memory of its own; sums of `work` numbers take a while."""
    x = 0.0
    for k in range(work):
        x += 1.0 / (k + number + 1)
    own[number] += 1
    times[number] = x
    if raises == S and number == 2:
        raise ValueError("shard")


@kernel
def _gather(words, state, counts, totals, log, raises):
    """How often each shard of the group has run, on whatever thread."""
    _note(log, state, A)
    for s in range(words[driver.N_SHARDS]):
        for w in range(counts.shape[0]):
            totals[s] += counts[w, s]
            counts[w, s] = 0
    if raises == A:
        raise ValueError("gather")


@kernel
def _judge(words, state, plan, log, raises):
    _note(log, state, J)
    words[driver.IS_OVER] = plan[state[N_BEGUN] - 1, 3]
    if raises == J:
        raise ValueError("judge")


@kernel
def _update(state, log, raises):
    _note(log, state, U)
    if raises == U:
        raise ValueError("update")


class Toy:
    """Programs of the least kernels, for a driver.

    plan : a row (groups, shards of each, has weight, is over) for each batch; raises : the program that raises.
    """

    def __init__(self, plan, n_workers=1, raises=0, work=0):
        self.plan, n_shards = np.array(plan, np.int64), 64
        self.words, self.state = aligned(driver.N_WORDS, np.int64), np.zeros(3, np.int64)
        self.log, self.totals = np.zeros(20_000, np.int64), np.zeros(n_shards, np.int64)
        self.counts, self.times = np.zeros((n_workers, n_shards), np.int64), np.zeros((n_workers, n_shards))
        words, state, log, plan = self.words, self.state, self.log, self.plan
        self.programs = {
            driver.BATCH: Program([Instruction("batch", _batch, (words, state, plan, log, raises))]),
            driver.GROUP: Program([Instruction("group", _group, (words, state, plan, log, raises))]),
            driver.GATHER: Program(
                [Instruction("gather", _gather, (words, state, self.counts, self.totals, log, raises))]
            ),
            driver.JUDGE: Program([Instruction("judge", _judge, (words, state, plan, log, raises))]),
            driver.UPDATE: Program([Instruction("update", _update, (state, log, raises))]),
        }
        for word, program in self.programs.items():
            words[word] = program.address
        self.numbers = np.zeros(n_workers, np.int64)
        self.shards = [
            Program([Instruction("shard", _shard, (Number(self.numbers, w), count, times, work, raises))])
            for w, (count, times) in enumerate(zip(self.counts, self.times, strict=True))
        ]
        pairs = [(each.address, Number(self.numbers, w).address) for w, each in enumerate(self.shards)]
        self.workers = np.array(pairs, np.int64)
        words[driver.WORKERS], words[driver.LEFT] = self.workers.ctypes.data, len(self.plan)

    @property
    def address(self):
        return self.words.ctypes.data

    def lead(self, budget=10**9):
        """Lead from here on; returns what was written down meanwhile."""
        self.words[driver.BUDGET], self.words[driver.HALT], before = budget, 0, self.state[N_LOG]
        driver.lead(self.address)
        assert self.words[driver.HALT] == 1
        return self.log[before : self.state[N_LOG]].tolist()

    def lead_with_helpers(self, wait=0.0):
        """Lead while all other workers help, who come `wait` seconds later; returns what was written down."""

        def help_out(worker):
            time.sleep(wait)
            driver.help_out(self.address, worker)

        threads = [threading.Thread(target=help_out, args=(w,)) for w in range(1, len(self.counts))]
        self.words[driver.HALT] = 0
        for thread in threads:
            thread.start()
        found = self.lead()
        for thread in threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()
        return found


def expected(plan):
    """What a driver has to write down, in plain Python."""
    log = []
    for n_groups, n_shards, has_weight, is_over in plan:
        log.append(B)
        for _ in range(n_groups if n_shards else 0):
            log += [G, A]
        log.append(G)
        if has_weight:
            log += [J] if is_over else [J, U]
            if is_over:
                break
    return log


PLAN = [(1, 3, 1, 0), (2, 1, 1, 0), (0, 0, 0, 0), (3, 5, 1, 0), (1, 4, 0, 0), (1, 0, 1, 0), (2, 64, 1, 0)]


def test_programs_run_in_their_order():
    toy = Toy(PLAN)
    assert toy.lead() == [B, G, A, G, J, U, B, G, A, G, A, G, J, U, B, G, *expected(PLAN)[16:]]
    assert toy.totals.tolist() == [9, 7, 7, 6, 5] + 59 * [2]
    assert toy.words[driver.LEFT] == 0
    assert toy.words[driver.STATUS] == 0
    assert toy.lead() == []  # nothing is left


@pytest.mark.parametrize("budget", [1, 2, 3, 7, 8])
def test_a_leader_halts_when_its_budget_is_spent_and_goes_on_later(budget):
    toy, parts = Toy(PLAN), []
    while toy.words[driver.LEFT]:
        parts.append(toy.lead(budget))
        assert parts[-1].count(B) == min(budget, len(PLAN) - sum(part.count(B) for part in parts[:-1]))
    assert [what for part in parts for what in part] == expected(PLAN)
    assert toy.lead(0) == []


@pytest.mark.parametrize("at", range(4))
def test_nothing_is_updated_once_training_is_over(at):
    plan = [(1, 2, 1, int(k == at)) for k in range(4)]
    toy = Toy(plan)
    assert toy.lead() == expected(plan)
    assert toy.log.tolist().count(U) == at
    assert toy.words[driver.LEFT] == 3 - at


FAILURES = {  # word of the program that raises: message, and what was written down until then
    driver.BATCH: (B, "batch", [B]),
    driver.GROUP: (G, "group", [B, G]),
    driver.SHARDS: (S, "shard", [B, G]),
    driver.GATHER: (A, "gather", [B, G, A]),
    driver.JUDGE: (J, "judge", [B, G, A, G, A, G, J]),
    driver.UPDATE: (U, "update", [B, G, A, G, A, G, J, U]),
}


@pytest.mark.parametrize("n_workers", [1, 2, 3])
@pytest.mark.parametrize("word", FAILURES)
def test_a_program_that_fails_ends_everything_and_can_be_asked_why(word, n_workers):
    """Also where the shard that fails is a helper's."""
    raises, message, log = FAILURES[word]
    for _ in range(10):
        toy = Toy([(2, 6, 1, 0)] * 3, n_workers, raises, work=2000)
        assert toy.lead_with_helpers() == log
        assert toy.words[driver.STATUS] == word
        worker, failed = divmod(int(toy.words[driver.FAILED]), 2**32)
        program = toy.shards[worker] if word == driver.SHARDS else toy.programs[word]
        if word == driver.SHARDS:  # its memory still says which shard it was
            assert toy.numbers[worker] == 2
        with pytest.raises(ValueError, match=message):
            program.explain(failed)


# --------------------------------------------------------------------------------------------------------- helpers
@pytest.mark.parametrize("n_workers", [2, 3, 8])
@pytest.mark.parametrize("n_shards", [1, 2, 7, 64])
def test_every_shard_runs_once_whoever_helps(n_workers, n_shards):
    """Thousands of groups, of shards that take next to no time, so that threads come late and leave early."""
    plan = [(3, n_shards, 1, 0)] * 600
    toy = Toy(plan, n_workers, work=50)
    assert toy.lead_with_helpers() == expected(plan)
    assert_array_equal(toy.totals, [1800] * n_shards + [0] * (64 - n_shards))


def test_helpers_take_a_share():
    """Of shards that take long enough for another thread to come, sooner or later."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        toy = Toy([(1, 64, 1, 0)], n_workers=2, work=500_000)
        toy.lead_with_helpers()
        assert_array_equal(toy.totals, np.ones(64))
        if toy.times[1].any():
            return
    raise AssertionError("nobody came to help")


@pytest.mark.parametrize("wait", [0.001, 0.05])
def test_helpers_that_come_late_find_something_or_nothing(wait):
    plan = [(1, 4, 1, 0)] * 300
    toy = Toy(plan, 3, work=500)
    assert toy.lead_with_helpers(wait) == expected(plan)
    assert_array_equal(toy.totals[:4], [300] * 4)


def test_a_helper_that_comes_when_all_is_done_leaves_at_once():
    toy = Toy(PLAN, 2)
    toy.lead()
    totals = toy.totals.copy()
    driver.help_out(toy.address, 1)
    assert_array_equal(toy.totals, totals)
    assert not toy.counts.any()


def test_a_helper_leaves_when_nobody_leads():
    """In a thread, so that a test that fails ends; there is no leader, and there was none."""
    toy = Toy(PLAN, 2)
    thread = threading.Thread(target=driver.help_out, args=(toy.address, 1), daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive()
    assert toy.state[N_LOG] == 0
    assert toy.lead() == expected(PLAN)


def test_slices_have_helpers_of_their_own():
    """Those of the slice before have left: none takes a shard in memory that another thread has now."""
    plan = [(1, 5, 1, 0)] * 200
    toy, log = Toy(plan, 3, work=100), []
    while toy.words[driver.LEFT]:
        toy.words[driver.HALT] = 0
        threads = [threading.Thread(target=driver.help_out, args=(toy.address, w)) for w in (1, 2)]
        for thread in threads:
            thread.start()
        log += toy.lead(budget=7)
        for thread in threads:
            thread.join()
    assert log == expected(plan)
    assert_array_equal(toy.totals[:5], [200] * 5)


SPOILED = {
    "a sequence that there is not": "self._order[17] = 10**6",
    "no room for norms": "self._words[minibatches.N_NORMS] = 10**6",
    "a class that there is not": "self.objective.data.target[:] = 10**6",
}
BOUNDS = f"""
import warnings
warnings.simplefilter("ignore")
import numpy as np
from skrnn import RNNClassifier
from skrnn.kernels import minibatches
from skrnn.training import epoch, objective

epoch.WORK_PER_WORKER = 1
X, y = np.random.default_rng(0).normal(size=(300, 5, 2)), np.arange(300) % 3
original = epoch.Epochs._drive

for what, spoiled in {SPOILED}.items():
    for n_jobs in (1, 2):
        model = RNNClassifier(3, "elman", max_iter=2, batch_size=300, n_jobs=n_jobs, random_state=0)
        model.fit(X, y)
        predicted = model.predict_proba(X)

        def spoil(self, n_workers):
            exec(spoiled)
            return original(self, n_workers)

        epoch.Epochs._drive, error = spoil, None
        try:
            model.fit(X, y)
        except IndexError:
            error = "IndexError"
        epoch.Epochs._drive = original
        unchanged = np.array_equal(model.predict_proba(X), predicted)
        print("found:", what, n_jobs, error, unchanged, np.array_equal(model.fit(X, y).predict_proba(X), predicted))
"""


@pytest.fixture(scope="module")
def out_of_bounds():
    """Lines of the program above. One process for all: none of the errors may leave anything to the fits after it."""
    return run_program(BOUNDS, env=environment(NUMBA_BOUNDSCHECK="1"))


@pytest.mark.long
@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("what", SPOILED)
def test_an_index_out_of_bounds_is_an_error_where_indices_are_checked(what, n_jobs, out_of_bounds):
    """In a batch, an update, a shard; and the estimator is as it was."""
    assert f"found: {what} {n_jobs} IndexError True True" in out_of_bounds
