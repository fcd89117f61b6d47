"""``Rows``: sequences side by side that take steps, each step one program from its values to predictions."""

from typing import Any, NamedTuple

import numpy as np

from ..kernels.program import Program
from ..network.convolved_stepper import stepper_of
from ..sequences._steps import are_finite
from ._encoding import StepEncoder


class _Way(NamedTuple):
    """How a method takes a step: a program, which reads encoded values, and what then gives its predictions."""

    program: Program
    all: Any
    first: Any


class Rows:
    """Sequences side by side.

    Parameters
    ----------
    network : Network
    packed : list of Arena
        Packed weights of each network.
    encoder : InputEncoder
    kind : Raw or Pooled
    decoders : dict of str to Decoder
        By the names of methods.
    n : int
        Number of sequences.

    Attributes
    ----------
    states : dict of str to ndarray of shape (n, ...)
        All that a step leaves for the next, see `Stepper`.
    n_wrong : memoryview
        Of one number: how many of the last raw predictions are not finite.
    """

    def __init__(self, network, packed, encoder, kind, decoders, n):
        stepper = stepper_of(network, packed, n, kind)
        inputs = StepEncoder(encoder, stepper.values, stepper.states["steps"])
        self._n, self._inputs, self._out = n, inputs, stepper.out
        self.states, self.n_wrong = stepper.states | inputs.states, memoryview(stepper.n_wrong)
        self._ways, self._short_ways = {}, {}
        for method, decoder in decoders.items():
            instructions, *predictions = decoder.prepare(stepper.out)
            way = _Way(Program.joined(stepper.program, Program(instructions)), *predictions)
            self._ways[method], self._short_ways[method] = way, self._short(way) if inputs.is_plain else {}

    def _short(self, way):
        """By shapes of a step that needs nothing but to be standardised: where it goes, what to run, what to ask."""
        given, run = self._inputs.given, Program.joined(self._inputs.program, way.program).run
        of_one = {given.shape[1:]: (given[0], run, way.first)} if self._n == 1 else {}
        return of_one | {given.shape: (given, run, way.all)}

    def advance_quickly(self, method, x):
        """Take a step that needs nothing but to be standardised, an array of floats; predictions of `method`.

        None, and nothing has happened, if x is none of this kind, or holds what is not finite.
        """
        # A step of a single stream is to take a few microseconds, and each line is a part of them.
        way = self._short_ways[method].get(x.shape)
        if way is None:
            return None
        place, run, predictions = way
        place[...] = x
        try:
            run()
        except FloatingPointError:  # from its first kernel
            return None
        return predictions()

    def advance(self, method, step, which=None):
        """Take a step (n, n_channels) of numbers or tokens; predictions of `method`.

        which : numbers that errors call the sequences by; nothing has happened if there is one.
        """
        found = self.advance_quickly(method, step)
        if found is None:
            self._inputs.encode(step, which)
            program, predictions, _ = self._ways[method]
            program.run()
            found = predictions()
        return found

    def advance_some(self, method, step, which, states):
        """Take a step of streams with these numbers, no more than there are rows, whose states stand elsewhere.

        Returns predictions, and whether all raw predictions are finite.
        """
        n = len(which)
        for name, array in self.states.items():
            array[:n] = states[name][which]
            array[n:] = 0
        if n < self._n:  # rows that are left over take some step from the beginning, which is forgotten
            step = np.concatenate([step, np.repeat(step[:1], self._n - n, axis=0)])
        found = self.advance(method, step, which)
        for name, array in self.states.items():
            states[name][which] = array[:n]
        return found[:n], are_finite(self._out[:n])
