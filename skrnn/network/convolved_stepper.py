"""Sequences that come step by step before a convolution, whose windows reach beyond the steps so far."""

import numpy as np

from ..kernels.program import Instruction, Number, Program
from ..kernels.stepping import append_step, copy_some, count_step, count_wrong, fill_windows
from .results import Raw
from .stepper import MeanStepper, Stepper


class ConvolvedStepper:
    """A `Stepper` for networks with a convolution.

    Position p of the convolution reads the steps p * stride - left .. p * stride + right, with zeros for those that
    there are not. When the last one has come, the position is *settled*: the layers above take it as one step more. The
    result also has the positions at the end whose windows still reach beyond it; these are taken from the settled
    states, and forgotten.

    All sequences take each position; the states of those for which it is not due are put back.

    Parameters, and Attributes but for `windows` and `blocks`: see `Stepper`.
    """

    def __init__(self, network, packed, n_sequences, kind=Raw()):  # noqa: B008 (it has no state)
        conv, n = network.structure.convolution, n_sequences
        self._inner = inner = Stepper(network, packed, n, kind)
        self.values, self.out, self.n_wrong = inner.values, np.zeros_like(inner.out), np.zeros(1, np.int64)
        D, n_steps, is_due = self.values.shape[1], np.zeros(n, np.int64), np.zeros(n, np.int64)
        steps = np.zeros((n, conv.width * D), network.dtype)
        settled = {name: array for name, array in inner.states.items() if name != "steps"}
        positions = {"convolution.positions": inner.states["steps"], "convolution.out": inner.out}
        own = {"convolution.steps": steps.reshape(n, conv.width, D), "steps": n_steps}
        self.states, copies = settled | positions | own, _Copies(inner.blocks, n)
        left, right = (conv.width - 1) // 2, conv.width // 2

        def take(needed):
            what = (left, right, needed), inner.windows, is_due
            where = steps, D, n_steps, inner.states["steps"], conv.stride
            return Program([Instruction("windows", fill_windows, (*where, *what))]), inner.program

        arrive = [
            Instruction("append step", append_step, (self.values, D, steps)),
            Instruction("count step", count_step, (n_steps,)),
        ]
        settle = [Program([*arrive, *copies.save()]), *take(right), Program(copies.put_back(is_due))]
        show = Program([*copies.save(), *copies.show(copies.none, 0, self.out)])
        wait = [*take(0), Program(copies.show(is_due, 1, self.out))] * -(-right // conv.stride)  # no more are open
        wrong = Instruction("count wrong", count_wrong, (self.out, self.out.shape[1]), Number(self.n_wrong))
        self.program = Program.joined(*settle, show, *wait, Program([*copies.put_back(copies.none), wrong]))


class _Copies:
    """Instructions that copy what the sequences of a stepper remember, and put it back."""

    def __init__(self, blocks, n):
        self._blocks = [(flat, np.zeros_like(flat), _table(flat, views)) for flat, views in blocks if views]
        self.none = np.zeros(n, np.int64)

    def save(self):
        for flat, copy, table in self._blocks:
            yield Instruction("save", copy_some, (flat, copy, table, self.none, 0))

    def put_back(self, is_due):
        """Of sequences for which nothing is due."""
        for flat, copy, table in self._blocks:
            yield Instruction("put back", copy_some, (copy, flat, table, is_due, 0))

    def show(self, flags, flag, out):
        """The last block, which is the result, of sequences with a flag."""
        flat, _, table = self._blocks[-1]
        yield Instruction("result", copy_some, (flat, out.reshape(-1), table, flags, flag))


def _table(flat, views):
    """Where views (n, numbers) lie in a flat array, as `copy_some` wants it."""
    offsets = [(view.ctypes.data - flat.ctypes.data) // flat.itemsize for view in views]
    strides = [[step // flat.itemsize for step in view.strides] for view in views]
    rows = [(offset, view.shape[1], *steps) for offset, view, steps in zip(offsets, views, strides, strict=True)]
    return np.array(rows, np.int64)


def stepper_of(network, packed, n_sequences, kind):
    """A stepper for the network with these packed weights; for a list of several, their mean."""
    way = Stepper if network.structure.convolution is None else ConvolvedStepper
    steppers = [way(network, weights, n_sequences, kind) for weights in packed]
    return steppers[0] if len(steppers) == 1 else MeanStepper(steppers)
