"""Sequences that go through a network step by step, as they are made or as they come."""

import numpy as np

from ..kernels.batches import FIRST_STEPS
from ..kernels.program import Instruction, Number, Program
from ..kernels.stepping import count_step, count_wrong
from .arena import Arena
from .plan import Stretch
from .programs import ShardPrograms
from .results import Raw, mean_of


class Stepper:
    """Runs one step of some sequences at a time, each from the states that the step before has left.

    Parameters
    ----------
    network : Network
        One that reads forward only.
    packed : Arena
        Packed weights.
    n_sequences : int
    kind : Raw or Pooled, default=Raw()
        What is wanted of all steps so far.

    Attributes
    ----------
    run : callable
        Takes a step: reads `values`.
    values : ndarray of shape (n_sequences, n_inputs)
        What the next step reads; to be written to.
    windows : ndarray of shape (n_sequences, width * n_inputs + 1)
        With a convolution this is read instead of `values`: those of the steps around, and a 1.
    out : ndarray of shape (n_sequences, n_columns)
        The result behind the last step.
    n_wrong : ndarray of shape (1,)
        How many numbers of it are not finite.
    states : dict of str to ndarray of shape (n_sequences, ...)
        All that a step leaves for the next, to be read and written to: states of layers by names like
        ``"layers.0.forward.h"``, what the pooling keeps, and ``"steps"``, how many there were. With 0 in all arrays of
        a sequence, it begins anew.
    """

    def __init__(self, network, packed, n_sequences, kind=Raw()):  # noqa: B008 (it has no state)
        n = n_sequences
        self._stack, self._memory = network.stack, network.memory.allocate_thread(n, n, kind.mode)
        programs = ShardPrograms(network.stack, network.head, packed, self._memory, kind.mode)
        plan, given = self._memory.plan, self._memory.given
        kept = Arena(kind.kept_shapes(programs, n), network.dtype)
        self.values = np.zeros((n, network.structure.n_inputs), network.dtype)
        self.out = np.empty((n, kind.n_columns(network)), network.dtype)
        stretch = Stretch.of_single_steps(n)
        plan.set_values(self.values)
        plan.set(stretch, stretch.begins)
        Program(plan.lay_out()).run()  # each step lies as the one before
        given.memory[:] = kept.memory[:] = 0
        conv = network.structure.convolution
        if conv is not None:
            self.windows = self._memory.buffers.group("convolution")["X"][:n, : conv.width * self.values.shape[1] + 1]
            self.windows[:] = 1
        stages = (
            network.stack.forward(programs.shard, given, conv is not None),
            network.stack.final_states(programs.shard, given),
        )
        self.n_wrong = np.zeros(1, np.int64)
        ends = [
            Instruction("count steps", count_step, (plan.segment.first_steps,)),
            Instruction("count wrong", count_wrong, (self.out, self.out.shape[1]), Number(self.n_wrong)),
        ]
        program = Program([*stages[0], *stages[1], *kind.so_far(programs, kept, self.out), *ends])
        self.run, program.read = program.run, self.values  # whose address alone is known to the program
        self.states = {name: array[:n] for name, array in network.stack.states_in(given, n)}
        for name, array in kept.arrays.items():
            shape = kind.kept_shapes(programs, n)[name]
            rows = array[: shape[0], : shape[1]]
            self.states[f"pooling.{name}"] = rows.T if name.rpartition(".")[2] == "sums" else rows
        self.states["steps"] = plan.of_sequences[FIRST_STEPS, :n]

    def start_from(self, carry):
        """Begin with the states of a `Carry`, which may be of fewer sequences, the first ones."""
        n = len(next(iter(carry.arrays.values())))
        self._stack.from_carry(carry, self._memory.given, n)


class MeanStepper:
    """Steppers of several networks over the same steps, whose results are averaged.

    Parameters
    ----------
    steppers : list of Stepper or ConvolvedStepper

    Attributes
    ----------
    values, out, n_wrong, states
        See `Stepper`. The states of networks behind the first are named ``"networks.1.steps"`` and so on.
    """

    def __init__(self, steppers):
        first, self._steppers = steppers[0], steppers
        self.values, self.out, self.n_wrong = first.values, np.empty_like(first.out), np.zeros(1, np.int64)
        self.states = dict(first.states)
        for k, stepper in enumerate(steppers[1:], start=1):
            self.states |= {f"networks.{k}.{name}": array for name, array in stepper.states.items()}

    def run(self):
        """Take a step: read `values`."""
        for stepper in self._steppers:
            if stepper.values is not self.values:
                stepper.values[...] = self.values
            stepper.run()
        self.out[...] = mean_of([stepper.out for stepper in self._steppers])
        self.n_wrong[0] = np.count_nonzero(~np.isfinite(self.out))


def no_carry(network, n_sequences):
    """The states before the first step."""
    shapes = network.stack.border_shapes(n_sequences)
    return network.stack.to_carry(Arena(shapes, network.dtype), n_sequences)
