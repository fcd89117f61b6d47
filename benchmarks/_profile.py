"""Where the time of a training step goes: its instructions, run one by one."""

from collections import defaultdict

from _epochs import OwnTraining
from _harness import fma_peak, seconds_of, table, typical

from skrnn.kernels import driver
from skrnn.kernels._jit import bind, stage
from skrnn.kernels.batches import SHARD
from skrnn.kernels.program import Program
from skrnn.network.shards import ThreadExecutor

FORWARD, BACK = "layers.0.forward: forward", "layers.0.forward: back"
OF_FORWARD, OF_BACK, OF_WEIGHTS = "  products of steps", "  products of steps, back", "  gradient of the weights"
PARTS = {FORWARD: (OF_FORWARD,), BACK: (OF_BACK, OF_WEIGHTS)}
WHOLE = "all instructions", "step by the driver"


@stage
def no_outer_forward(a, p, size, step, out, noise):
    """Stands for the element-wise end of a step."""


@stage
def no_outer_backward(a, d, p, dp, size, step, out, keep_dh):
    """Stands for the element-wise begin of a step on the way back."""


@stage
def no_product_t(C, A, B, M, N, K, accumulate):
    """Stands for the gradient of the weights."""


@stage
def no_product(C, A, B, M, N, K, accumulate):
    """Stands for the product of a step."""


def parts_of_loops(instructions):
    """Instructions that are the time loops of the first layer without some of their stages, by name.

    They follow a shard's own instructions, and so find arrays with numbers as they are in training.
    """
    by_name = {each.name: each for each in instructions}
    kernels = {
        OF_WEIGHTS: (BACK, {"outer_backward": no_outer_backward, "product": no_product}),
        OF_BACK: (BACK, {"outer_backward": no_outer_backward, "product_t": no_product_t}),
        OF_FORWARD: (FORWARD, {"outer_forward": no_outer_forward}),
    }
    for name, (loop, without) in kernels.items():
        kernel = bind(by_name[loop].kernel, f"without_{'_'.join(without)}", **without)
        yield by_name[loop]._replace(name=name, kernel=kernel)


class Profile:
    """Times of the instructions of a step, each run alone by a loop in Python in place of the driver, on one thread.

    Parameters
    ----------
    problem : Problem
        Of one layer, and a cell without an inner stage.
    n_rounds : int
        Epochs by the driver and as many one by one, in turns.
    """

    def __init__(self, problem, n_rounds):
        self.problem, self.n_steps = problem, n_rounds * problem.n_batches
        self._seconds, self._clock, nothing = defaultdict(list), typical.clock("one thread"), Program([])
        self._of_nothing = typical(
            [seconds_of(lambda: driver.execute(nothing.address), self._clock) for _ in range(999)]
        )
        flops, peak = fma_peak(problem.x.dtype)
        driven, peaks = [], []
        with ThreadExecutor(1) as executor:
            own = OwnTraining(problem, executor)
            own.epoch()
            self._single_out(own.training._epochs)
            for _ in range(n_rounds):
                driven += [seconds_of(own.epoch, self._clock) / problem.n_batches for _ in range(2)]
                self._run_singly(own)
                peaks.append(seconds_of(peak.run, self._clock) / flops)
        self.driven, self.of_operation = typical(driven), typical(peaks)

    def _single_out(self, epochs):
        """A program of each instruction."""
        programs = epochs._driver.programs | {driver.SHARDS: epochs._driver.shards[0]}  # of the only worker
        instructions = {word: program.instructions for word, program in programs.items()}
        instructions[driver.SHARDS] = [*instructions[driver.SHARDS], *parts_of_loops(instructions[driver.SHARDS])]
        self._singles = {word: [(each.name, Program([each])) for each in some] for word, some in instructions.items()}

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
        clock, execute = self._clock, driver.execute
        for name, program in self._singles[word]:
            start = clock()
            execute(program.address)
            self._seconds[name].append(clock() - start)

    def times(self):
        """Seconds of a step that each instruction takes, by name; parts of loops behind them."""
        times = {
            name: max(0.0, typical(some) - self._of_nothing) * len(some) / self.n_steps
            for name, some in self._seconds.items()
        }
        parts = {loop: [(part, times.pop(part)) for part in some] for loop, some in PARTS.items()}
        whole = sum(times.values())
        rows = [row for name, seconds in times.items() for row in [(name, seconds), *parts.get(name, [])]]
        return dict([*rows, (WHOLE[0], whole), (WHOLE[1], self.driven)])

    def least_times(self):
        """Seconds of a step that the matrix products would take at the peak, by name."""
        n_steps = self.problem.lengths.sum() / self.problem.n_batches
        sizes = {name.rpartition(".")[2]: array.size for name, array in self.problem.weights.items()}
        one, states = (2 * n * n_steps * self.of_operation for n in (sizes["W_x"] + sizes["W_h"], sizes["W_h"]))
        least = {OF_FORWARD: one, OF_BACK: states, OF_WEIGHTS: one, FORWARD: one, BACK: one + states}
        return least | dict.fromkeys(WHOLE, 2 * one + states)

    def __str__(self):
        least, rows = self.least_times(), []
        for name, seconds in self.times().items():
            row = [name, f"{1e6 * seconds:.1f}", f"{100 * seconds / self.driven:.1f} %"]
            if name in least:
                row += [f"{1e6 * least[name]:.1f}", f"{100 * least[name] / seconds:.0f} %"]
            lost = seconds - least.get(name, 0)
            rows.append([*row, *[""] * (5 - len(row)), f"{100 * lost / self.driven:.1f} %"])
        header = ("microseconds of a step", "takes", "share", "at peak", "of peak", "lost")
        return f"{self.problem.cell} {self.problem.shape}\n\n{table(header, rows)}"
