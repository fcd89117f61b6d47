"""skrnn's side of a comparison of training steps: epochs, as a fit runs them, and where the time of a step goes."""

import time
from collections import defaultdict

import numpy as np
from _harness import Contender, fma_peak, seconds_of, table, typical
from _models import CLIP_NORM, LEARNING_RATE

from skrnn.kernels import driver
from skrnn.kernels.batches import SHARD
from skrnn.kernels.program import Program
from skrnn.losses import MultinomialLogLoss
from skrnn.network.shards import ThreadExecutor
from skrnn.optimizers import Adam
from skrnn.training.run import Training
from skrnn.training.state import Settings, TrainingState


class OwnTraining:
    """A fit to the batches of a problem, in their order, which never ends.

    Parameters
    ----------
    problem : Problem
    executor : ThreadExecutor
    """

    def __init__(self, problem, executor):
        self.problem, n = problem, len(problem.labels)
        settings = Settings(
            alpha=0.0,
            batch_size=problem.shape[0],
            learning_rate=LEARNING_RATE,
            max_iter=10**9,
            clip_norm=CLIP_NORM,
            shuffle=False,
            tol=None,
            n_iter_no_change=1,
            n_threads=executor.n_workers,
            verbose=False,
        )
        self._state = TrainingState(problem.theta.copy())
        self.training = Training(problem.network, self._state, problem.data(), MultinomialLogLoss(), None, settings)
        self.training.start(executor, Adam(), np.arange(n), np.arange(0))
        self._epochs = self.training.epochs()

    def epoch(self):
        """Run an epoch; returns its mean loss."""
        return next(self._epochs)

    @property
    def contender(self):
        """An epoch, of which the time of a step is wanted."""
        return Contender(self.epoch, n_steps=self.problem.n_batches)

    @property
    def n_shards(self):
        """Shards of a batch: each is work for one thread."""
        return -(-self.problem.shape[0] // self.training.objective.room.n_sequences)

    @property
    def gradient(self):
        """Gradient of the last step, clipped, by parameter; None where not all of it is kept."""
        network, gradient = self.problem.network, self.training.objective.gradient
        return network.layout.views(gradient) if len(gradient) == network.size else None

    @property
    def change(self):
        """What training has added to the parameters so far."""
        return self.problem.network.layout.views(self._state.theta - self.problem.theta)


def check_same_epoch(problem, model, step):
    """Both sides must do the same arithmetic, or there is nothing to compare.

    Compares loss, the gradient of the last step, and the changes of all parameters, after an epoch of each side.
    """
    before = [(parameter, parameter.detach().numpy().copy()) for parameter, _ in model.pairs(problem.weights)]
    with ThreadExecutor(1) as executor:
        own = OwnTraining(problem, executor)
        value, gradient, change = own.epoch(), own.gradient, own.change
    loss = float(np.mean([step().item() for _ in range(problem.n_batches)]))
    if not np.isclose(value, loss, rtol=1e-4):
        raise RuntimeError(f"skrnn and PyTorch differ: loss {value} and {loss}")
    if gradient is not None:
        for parameter, ours in model.pairs(gradient):
            # Of length 1: the norm that clipping goes by counts both of PyTorch's biases.
            theirs = parameter.grad.numpy()
            _check_close("gradients", ours / np.linalg.norm(ours), theirs / np.linalg.norm(theirs), 1e-3)
    for (_, ours), (parameter, start) in zip(model.pairs(change), before, strict=True):
        # Adam makes much of gradients that are almost 0, and steps are small beside the last bits of parameters.
        _check_close("changes of parameters", ours, parameter.detach().numpy() - start, 0.1)


def _check_close(what, ours, theirs, tolerance):
    if not np.linalg.norm(ours - theirs) < tolerance * np.linalg.norm(theirs):
        raise RuntimeError(f"skrnn and PyTorch differ: {what} {ours} and {theirs}")


# ----------------------------------------------------------------------------------------------- where the time goes
class Profile:
    """Times of the instructions of a step, each run alone by a loop in Python in place of the driver.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem):
        self.problem, self._seconds, self._n_runs = problem, defaultdict(list), defaultdict(int)
        self._nothing = Program([])

    def measure(self, n_rounds):
        """Run epochs by the driver and one instruction at a time, in turns."""
        flops, peak = fma_peak(self.problem.x.dtype)
        with ThreadExecutor(1) as executor:
            own = OwnTraining(self.problem, executor)
            own.epoch()
            self._make_single(own.training._epochs)
            driven, peaks = [], []
            for _ in range(n_rounds):
                driven.append(seconds_of(own.epoch) / self.problem.n_batches)
                self._run_singly(own)
                peaks.append(seconds_of(peak.run) / flops)
        self.n_epochs, self.driven, self.of_operation = n_rounds, typical(driven), typical(peaks)

    def _make_single(self, epochs):
        programs = epochs._programs
        self._singles = {
            word: [(each.name, Program([each])) for each in programs[word].instructions]
            for word in (driver.BATCH, driver.GROUP, driver.SHARDS, driver.GATHER, driver.JUDGE, driver.UPDATE)
        }

    def _run_singly(self, own):
        """An epoch, one instruction at a time."""
        epochs = own.training._epochs
        epochs._drive = lambda n_workers: self._drive(epochs)
        try:
            own.epoch()
        finally:
            del epochs._drive

    def _drive(self, epochs):
        """What `driver.lead` does."""
        words, plan = epochs._words, epochs.objective.workers[0].memory.plan
        plan.take_all_steps()
        plan.set_values(epochs.objective.data.values)
        while words[driver.LEFT] > 0:
            self._run(driver.BATCH)
            self._run(driver.GROUP)
            while n_shards := words[driver.N_SHARDS]:
                for k in range(n_shards):
                    plan.counts[SHARD] = k
                    self._run(driver.SHARDS)
                self._run(driver.GATHER)
                self._run(driver.GROUP)
            self._run(driver.JUDGE)
            self._run(driver.UPDATE)

    def _run(self, word):
        clock, execute, nothing = time.perf_counter, driver.execute, self._nothing.address
        for name, program in self._singles[word]:
            start = clock()
            execute(nothing)
            middle = clock()
            execute(program.address)
            end = clock()
            self._seconds[name].append(end - middle - (middle - start))
            self._n_runs[name] += 1

    def times(self):
        """Seconds of a step that each instruction takes, by name, in the order in which they run first."""
        n_steps = self.n_epochs * self.problem.n_batches
        return {name: typical(times) * self._n_runs[name] / n_steps for name, times in self._seconds.items()}

    def least_times(self):
        """Seconds of a step that the matrix products of instructions would take at the peak, by name; of one layer."""
        n_steps = self.problem.lengths.sum() / self.problem.n_batches
        sizes = {name.rpartition(".")[2]: array.size for name, array in self.problem.weights.items()}
        forward = 2 * (sizes["W_x"] + sizes["W_h"])
        operations = {"forward": forward, "back": forward + 2 * sizes["W_h"]}
        return {f"layers.0.forward: {way}": n * n_steps * self.of_operation for way, n in operations.items()}

    def __str__(self):
        times, least = self.times(), self.least_times()
        rows = []
        for name, seconds in [*times.items(), ("all instructions", sum(times.values())), ("driven step", self.driven)]:
            whole = name in ("all instructions", "driven step")
            at_peak = sum(least.values()) if whole else least.get(name)
            row = [name, f"{1e6 * seconds:.1f}", f"{100 * seconds / self.driven:.1f} %"]
            if at_peak:
                row += [f"{1e6 * at_peak:.1f}", f"{100 * at_peak / seconds:.0f} %"]
                row.append(f"{100 * (seconds - at_peak) / self.driven:.1f} %")
            else:
                row += ["", "", row[2]]
            rows.append(row)
        header = ("microseconds of a step", "takes", "share", "products at peak", "of peak", "lost")
        return f"{self.problem.cell} {self.problem.shape}\n\n{table(header, rows)}"
