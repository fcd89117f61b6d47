"""Sequences that go through a network step by step, as they are made."""

import numpy as np

from ..kernels.program import Program
from .arena import Arena
from .plan import Mode, Stretch
from .programs import ShardPrograms


class Stepper:
    """Runs one step of some sequences at a time, each from the states that the step before has left.

    Parameters
    ----------
    network : Network
        One with predictions at each step.
    packed : Arena
        Packed weights.
    n_sequences : int

    Attributes
    ----------
    values : ndarray of shape (n_sequences, n_inputs)
        What the next step reads; to be written to.
    raw : ndarray of shape (n_sequences, n_outputs)
        Raw predictions of the last step.
    """

    def __init__(self, network, packed, n_sequences):
        n = n_sequences
        self._stack, self._memory = network.stack, network.memory.allocate_thread(n, n, Mode())
        programs = ShardPrograms(network.stack, network.head, packed, self._memory, Mode())
        stages = programs.forward_from_given, programs.pool, programs.read_out, programs.final
        self._program = Program.joined(*stages)
        self.values = np.zeros((n, network.structure.n_inputs), network.dtype)
        stretch = Stretch.of_single_steps(n)
        self._memory.plan.set_values(self.values)
        self._memory.plan.set(stretch, stretch.begins)
        self.raw = self._memory.buffers.group("pooled")["raw"][:n, : network.n_outputs]
        self._memory.given.memory[:] = 0

    def start_from(self, carry):
        """Begin with the states of a `Carry`, which may be of fewer sequences, the first ones."""
        n = len(next(iter(carry.arrays.values())))
        self._stack.from_carry(carry, self._memory.given, n)

    def step(self):
        """Read `values`."""
        self._program.run()
        self._memory.given.memory[:] = self._memory.final.memory


def no_carry(network, n_sequences):
    """The states before the first step."""
    shapes = network.stack.border_shapes(n_sequences)
    return network.stack.to_carry(Arena(shapes, network.dtype), n_sequences)
