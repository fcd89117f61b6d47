"""Sequences that come step by step before a convolution, whose windows reach beyond the steps so far."""

import numpy as np

from .results import Raw
from .stepper import MeanStepper, Stepper


class ConvolvedStepper:
    """A `Stepper` for networks with a convolution.

    Position p of the convolution reads the steps p * stride - left .. p * stride + right, with zeros for those that
    there are not. When the last one has come, the position is *settled*: the layers above take it as one step more. The
    result also has the positions at the end whose windows still reach beyond it; these are taken from the settled
    states, and forgotten.

    Parameters, and Attributes but for `windows`: see `Stepper`.
    """

    def __init__(self, network, packed, n_sequences, kind=Raw()):  # noqa: B008 (it has no state)
        conv, n = network.structure.convolution, n_sequences
        self._stepper = inner = Stepper(network, packed, n, kind)
        self._width, self._stride = conv.width, conv.stride
        self._left, self._right = (conv.width - 1) // 2, conv.width // 2
        self.values, self.out = inner.values, np.zeros_like(inner.out)
        self.n_wrong, self._rows = np.zeros(1, np.int64), np.arange(n)[:, np.newaxis]
        settled = {name: array for name, array in inner.states.items() if name != "steps"}
        self._settled = settled | {"convolution.positions": inner.states["steps"], "convolution.out": inner.out}
        own = {"convolution.steps": np.zeros((n, conv.width, self.values.shape[1]), network.dtype)}
        self.states = self._settled | own | {"steps": np.zeros(n, np.int64)}

    def run(self):
        """Take a step: read `values`."""
        states, positions = self.states, self._settled["convolution.positions"]
        last, steps = states["steps"].copy(), states["convolution.steps"]
        steps[:, :-1], steps[:, -1] = steps[:, 1:].copy(), self.values
        states["steps"] += 1
        self._take(positions * self._stride + self._right == last, last)
        settled = {name: array.copy() for name, array in self._settled.items()}
        for _ in range(-(-self._right // self._stride)):  # there are no more that are open
            self._take(positions * self._stride <= last, last)
        self.out[:] = self._settled["convolution.out"]
        for name, array in settled.items():
            self._settled[name][...] = array
        self.n_wrong[0] = np.count_nonzero(~np.isfinite(self.out))

    def _take(self, which, last):
        """Take a position more of some sequences, whose last step has the number `last`."""
        if not which.any():
            return
        before = {name: array[~which] for name, array in self._settled.items()}
        centre = self._settled["convolution.positions"] * self._stride
        # Behind the last step, whose place is width - 1, there are zeros.
        place = (centre - self._left - last + self._width - 1)[:, np.newaxis] + np.arange(self._width)
        has_come = (place >= 0) & (place < self._width)
        steps = self.states["convolution.steps"][self._rows, np.clip(place, 0, self._width - 1)]
        windows = np.where(has_come[:, :, np.newaxis], steps, 0)
        self._stepper.windows[:, :-1] = windows.reshape(len(which), -1)
        self._stepper.run()
        for name, array in before.items():
            self._settled[name][~which] = array


def stepper_of(network, packed, n_sequences, kind):
    """A stepper for the network with these packed weights; for a list of several, their mean."""
    way = Stepper if network.structure.convolution is None else ConvolvedStepper
    steppers = [way(network, weights, n_sequences, kind) for weights in packed]
    return steppers[0] if len(steppers) == 1 else MeanStepper(steppers)
