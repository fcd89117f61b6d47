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
    program : Program
        Takes a step: reads `values`.
    values : ndarray of shape (n_sequences, n_inputs)
        What the next step reads; to be written to.
    windows : ndarray of shape (n_sequences, at least width * n_inputs + 1)
        With a convolution this is read instead of `values`: those of the steps around, and a 1.
    out : ndarray of shape (n_sequences, n_columns)
        The result behind the last step.
    n_wrong : ndarray of shape (1,)
        How many numbers of it are not finite.
    states : dict of str to ndarray of shape (n_sequences, ...)
        All that a step leaves for the next, to be read and written to: states of layers by names like
        ``"layers.0.forward.h"``, what the pooling keeps, and ``"steps"``, how many there were. With 0 in all arrays of
        a sequence, it begins anew.
    blocks : list of tuple
        Where the states and `out` lie: flat arrays, each with views of it, a row for each sequence.
    """

    def __init__(self, network, packed, n_sequences, kind=Raw()):  # noqa: B008 (it has no state)
        n = n_sequences
        self._stack, self._memory = network.stack, network.memory.allocate_thread(n, n, kind.mode)
        programs = ShardPrograms(network.stack, network.head, packed, self._memory, kind.mode)
        plan, given = self._memory.plan, self._memory.given
        kept = Arena(kind.kept_shapes(programs, n), network.dtype)
        self.values = np.zeros((n, network.structure.n_inputs), network.dtype)
        self.out = np.zeros((n, kind.n_columns(network)), network.dtype)
        stretch = Stretch.of_single_steps(n)
        plan.set_values(self.values)
        plan.set(stretch, stretch.begins)
        Program(plan.lay_out()).run()  # each step lies as the one before
        given.memory[:] = kept.memory[:] = 0
        conv = network.structure.convolution
        if conv is not None:
            self.windows = self._memory.buffers.group("convolution")["X"]
            self.windows[:] = 1
        steps, self.n_wrong = plan.of_sequences[FIRST_STEPS, :n], np.zeros(1, np.int64)
        self.program = Program(
            [
                *network.stack.forward(programs.shard, given, conv is not None),
                *network.stack.final_states(programs.shard, given),
                *kind.so_far(programs, kept, self.out),
                Instruction("count steps", count_step, (plan.segment.first_steps,)),
                Instruction("count wrong", count_wrong, (self.out, self.out.shape[1]), Number(self.n_wrong)),
            ]
        )
        self.program.read = self.values  # whose address alone is known to it
        of_layers = {name: array[:n] for name, array in network.stack.states_in(given, n)}
        of_pooling = dict(_kept_states(kept, kind.kept_shapes(programs, n)))
        self.states = of_layers | of_pooling | {"steps": steps}
        self.blocks = [
            (given.memory, [*of_layers.values()]),
            (kept.memory, [*of_pooling.values()]),
            (steps, [steps[:, np.newaxis]]),
            (self.out.reshape(-1), [self.out]),
        ]

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
    program, values, out, n_wrong, states
        See `Stepper`. The states of networks behind the first are named ``"networks.1.steps"`` and so on.
    """

    def __init__(self, steppers):
        first, *others = steppers
        self.values, self.out, self.n_wrong = first.values, np.zeros_like(first.out), np.zeros(1, np.int64)
        self.states, programs = dict(first.states), [first.program]
        for k, stepper in enumerate(others, start=1):
            self.states |= {f"networks.{k}.{name}": array for name, array in stepper.states.items()}
            programs += [Program([Instruction("values", np.copyto, (stepper.values, self.values))]), stepper.program]
        what = tuple(stepper.out for stepper in steppers), self.out, self.n_wrong
        self.program = Program.joined(*programs, Program([Instruction("mean", _average, what)]))


def _average(results, out, n_wrong):
    """Write the mean of results, and how many of its numbers are not finite."""
    out[...] = mean_of(results)
    n_wrong[0] = np.count_nonzero(~np.isfinite(out))


def _kept_states(kept, shapes):
    """Names and arrays of what a pooling keeps, a row for each sequence."""
    for name, (n_rows, n_columns) in shapes.items():
        array = kept.arrays[name][:n_rows, :n_columns]
        yield f"pooling.{name}", array.T if name.rpartition(".")[2] == "sums" else array


def no_carry(network, n_sequences):
    """The states before the first step."""
    shapes = network.stack.border_shapes(n_sequences)
    return network.stack.to_carry(Arena(shapes, network.dtype), n_sequences)
