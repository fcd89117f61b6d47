"""Epochs of mini-batches: the programs of an update, and what runs them."""

import time

import numpy as np

from ..kernels import driver, minibatches
from ..kernels.batches import SHARD
from ..kernels.program import IS_COMPILED, Instruction, Number, Program
from ..kernels.updates import clip_by_norm
from ..network.arena import aligned
from ..network.data import StreamedData
from ..network.drive import Drive
from ..optimizers import BaseOptimizer
from .tables import Tables

SLICE = 0.02  # seconds that compiled code runs before Python may look: at Ctrl-C, for example
WORK_PER_WORKER = 2e5  # parameters times steps of a batch that pay for a thread which is awake


class DivergenceError(Exception):
    """A loss, a gradient or parameters are not finite; says where."""


class Epochs:
    """Runs epochs over an objective, from the parameters of a state.

    An update is made by two programs, ``judge`` (norm of the gradient, clipping, is it finite) and ``update`` (remember
    the parameters, step of the optimizer, bounds). Where everything is compiled and fits into memory, a driver runs
    batch after batch; else the same programs run one by one.

    Parameters
    ----------
    objective : Objective
    optimizer : BaseOptimizer
    state : TrainingState
    settings : Settings
    bounds : list of (slice, float)
        Of parameters.
    network : Network, default=None
        The network with all rows of its tables, if that of the objective holds those of a batch only.

    Attributes
    ----------
    theta : ndarray
        All parameters, which an epoch changes.
    """

    def __init__(self, objective, optimizer, state, settings, bounds, network=None):
        self.objective, self.state, self.settings = objective, state, settings
        data, self._numbers = objective.data, objective.batch.numbers
        self._words = aligned(minibatches.N_EPOCH_WORDS, np.int64)
        self._order = np.zeros(len(data.lengths), np.int64)
        n_batches = -(-len(data.lengths) // settings.batch_size)
        n_pieces = 1 if objective.truncation is None else -(-int(data.lengths.max()) // objective.truncation)
        self._rates, self._norms = np.zeros(n_batches), np.zeros(n_batches * n_pieces)
        if network is None:
            objective.theta[:] = state.theta
            self.theta, self._changed = objective.theta, state
        else:
            now, n_rows = Number(self._words, minibatches.N_NORMS), Number(self._words, minibatches.N_BATCH)
            tables = Tables(network, objective, optimizer, state, len(self._norms), now, n_rows)
            objective.tables, self.theta, self._changed = tables, tables.theta, tables
        gradient = objective.gradient[np.newaxis]
        norm = Number(self._numbers, minibatches.NORM)
        self.judge = Program(
            [
                Instruction("clip", clip_by_norm, (gradient, float(settings.clip_norm)), norm),
                Instruction("judge", minibatches.judge, (self._words, self._numbers)),
            ]
        )
        self.update = Program([*self._update(optimizer, bounds)])
        self._driver, self._budget = self._for_driver() if self._can_be_driven() else None, 1

    def _update(self, optimizer, bounds):
        objective, slots, safe_theta = self.objective, self._changed.slots, self._changed.safe_theta
        theta, gradient, mask = objective.theta, objective.gradient, objective.penalized
        what = self._words, self._numbers, self._rates, self._norms, theta, safe_theta
        yield Instruction("begin update", minibatches.begin_update, what)
        numbers = Number(self._words, minibatches.N_UPDATES), Number(self._numbers, minibatches.RATE)
        if objective.tables:
            yield from objective.tables.keep(*numbers)
        if type(optimizer).step is BaseOptimizer.step:
            kernel, arguments = optimizer.kernel_call(theta, gradient, slots, *numbers, mask)
        else:

            def kernel(t, rate):
                optimizer.step(theta, gradient, slots, t, rate, mask)

            arguments = numbers
        yield Instruction("optimizer", kernel, arguments)
        for part, limit in bounds:
            yield Instruction("bounds", minibatches.clip_values, (theta, part.start, part.stop, float(limit)))

    # ----------------------------------------------------------------------------------------------------- compiled
    def _can_be_driven(self):
        objective, lengths = self.objective, self.objective.data.lengths
        if not (IS_COMPILED and self.update.is_compiled) or isinstance(objective.data, StreamedData):
            return False
        if objective.truncation is not None and lengths.max() > objective.truncation:
            return False
        if not objective.room.has_whole(lengths, objective.network.in_segments):
            return False
        return objective.workers[0].programs(objective.is_noisy).loss.is_compiled

    def _for_driver(self):
        """The driver with the programs of a batch, and those of each worker."""
        objective, words, data = self.objective, self._words, self.objective.data
        network, room, size = objective.network, objective.room, self.settings.batch_size
        size, n_group = min(size, len(data.lengths)), len(objective.batch.losses)
        sorted_rows = objective.tables.rows if objective.tables else np.zeros(size, np.int64)
        bounds = np.zeros(size + 1, np.int64)
        group_bounds, counts = np.zeros(n_group + 1, np.int64), np.zeros(int(data.lengths.max()) + 2, np.int64)
        most_steps = 0 if network.in_segments else room.n_steps
        what = size, data.lengths, np.ascontiguousarray(data.weight, np.float64), room.n_sequences, most_steps
        take = words, self._numbers, self._order, *what, counts, sorted_rows, bounds
        batch = Program.joined(Program([Instruction("next batch", minibatches.next_batch, take)]), objective.start)
        group = Program([Instruction("next group", minibatches.next_group, (words, bounds, group_bounds))])
        gather = Program(objective.gather_from(Number(words, driver.N_SHARDS)))
        programs = {driver.BATCH: batch, driver.GROUP: group, driver.GATHER: gather}
        programs |= {driver.JUDGE: self.judge, driver.UPDATE: self.update}
        drive = Drive(words, programs)
        plans = [worker.memory.plan for worker in objective.workers]
        shards = [worker.programs(objective.is_noisy).whole(group_bounds, sorted_rows) for worker in objective.workers]
        drive.set_workers(shards, [plan.count(SHARD) for plan in plans])
        return drive

    def _drive(self, n_workers):
        """Run the driver, slice by slice."""
        words = self._words
        for worker in self.objective.workers:
            worker.memory.plan.take_all_steps()
            worker.memory.set_values(self.objective.data.values, self.objective.data)

        while words[driver.LEFT] > 0 and not words[driver.IS_OVER]:
            words[driver.BUDGET], start = self._budget, time.perf_counter()
            n_before = int(words[minibatches.N_BATCHES])
            self._driver.run(self.objective.executor, n_workers)
            seconds = time.perf_counter() - start
            n_batches = int(words[minibatches.N_BATCHES]) - n_before  # fewer than the budget where the epoch ends
            self._budget = max(1, min(2 * self._budget, int(n_batches * SLICE / seconds)))

    # ----------------------------------------------------------------------------------------------------- an epoch
    def run(self, order, rates, seed):
        """Run an epoch over the sequences `order`, with a rate for each mini-batch; returns the sum of the losses.

        Raises
        ------
        DivergenceError
            If a loss or gradient is not finite.
        """
        words, numbers, size = self._words, self._numbers, self.settings.batch_size
        state, objective = self.state, self.objective
        self._rates[: len(rates)], self._order[: len(order)] = rates, order
        words[minibatches.N_ORDER] = words[driver.LEFT] = len(order)
        words[[minibatches.FIRST, minibatches.N_BATCHES, minibatches.N_NORMS, driver.IS_OVER, driver.STATUS]] = 0
        words[minibatches.N_UPDATES], numbers[minibatches.LOSS] = state.n_updates - state.n_forgotten, 0
        if seed is not None:
            objective.batch.keys.draw(seed)
        if objective.tables:
            objective.tables.begin()
        try:
            if self._driver is not None:
                self._drive(self._n_workers(order[:size]))
            else:
                self._run_in_python(order, seed)
        finally:
            if objective.tables:
                objective.tables.end()
            n = int(words[minibatches.N_NORMS])
            state.n_updates += n
            state.gradient_norms += self._norms[:n].tolist()
        if words[driver.IS_OVER]:
            number = len(state.loss_curve) + 1
            raise DivergenceError(f"epoch {number}, batch {words[minibatches.N_BATCHES]}")
        return float(numbers[minibatches.LOSS])

    def _n_workers(self, batch):
        """Workers for which a batch is work enough."""
        objective = self.objective
        work = objective.network.size * objective.data.lengths[batch].sum()
        n_shards = -(-len(batch) // objective.room.n_sequences)
        return max(1, min(objective.n_workers, n_shards, int(work / WORK_PER_WORKER)))

    def _run_in_python(self, order, seed):
        """What the driver does, for losses and solvers of the user's own, and for pieces and segments."""
        words, size = self._words, self.settings.batch_size
        for first in range(0, len(order), size):
            words[minibatches.N_BATCHES] += 1
            self.objective.following = order[first + size : first + 2 * size]
            for piece in self.objective.pieces(order[first : first + size]):
                self.objective.run(piece, seed)
                if self._numbers[minibatches.TOTAL] == 0:  # only the states are carried on
                    continue
                self.judge.run()
                if words[driver.IS_OVER]:
                    return
                self.update.run()
