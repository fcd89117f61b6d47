"""From the columns of all steps to the outputs of the top level, as nodes."""

from typing import NamedTuple

import numpy as np

from ..kernels.normalization import EPSILON
from ._cells import CellWriter

ACTIVATIONS = {"relu": "Relu", "tanh": "Tanh", "identity": "Identity"}


class Steps(NamedTuple):
    """Values (T, n, D) of all steps, lengths (n,), and which steps there are, (T, n, 1)."""

    values: str
    lengths: str
    exist: str

    def masked(self, graph, otherwise=0.0):
        """The values, with another number where there is no step."""
        return graph.node("Where", self.exist, self.values, graph.dtype.type(otherwise))

    def turned(self, graph, values=None):
        """The values from the end of each sequence to its begin."""
        values = self.values if values is None else values
        return graph.node("ReverseSequence", values, self.lengths, batch_axis=1, time_axis=0)


def which_exist(graph, values, lengths):
    """Which steps of values (T, n, ...) there are, (T, n, 1)."""
    steps = graph.node("Range", np.int64(0), graph.node("Squeeze", graph.size(values, 0)), np.int64(1))
    return graph.node("Less", graph.node("Unsqueeze", steps, [1, 2]), graph.node("Unsqueeze", lengths, [0, 2]))


class StackWriter:
    """Writes the fronts and the recurrent layers of a network.

    Parameters
    ----------
    stack : Stack
    weights : dict of str to ndarray
    prefix : str, default=""
        Of the names of its weights.
    """

    def __init__(self, stack, weights, prefix=""):
        self.stack, self.structure, self.weights, self.prefix = stack, stack.structure, weights, prefix
        self.cells = {
            level.name_of(name): CellWriter(layer, self._of(level.name_of(name)))
            for level in stack.levels
            for name, layer in level.directions.items()
        }

    def _of(self, name):
        """Weights of a layer."""
        return {key.rpartition(".")[2]: w for key, w in self.weights.items() if key.rpartition(".")[0] == name}

    # --------------------------------------------------------------------------------------------------- both
    def front(self, graph, columns):
        """The vectors of a step or of all steps that decay and tables of codes make of `Columns`."""
        numbers = columns.numbers
        if numbers is not None and self.structure.decay:
            w = self._of("decay")
            values, seen, since = graph.split(numbers, [len(w["w"])] * 3, axis=-1)
            rate = graph.node("Add", graph.node("Mul", since, w["w"]), w["b"])
            kept = graph.node("Exp", graph.node("Neg", graph.node("Max", rate, graph.dtype.type(0))))
            kept = graph.node("Where", graph.node("Greater", seen, graph.dtype.type(0)), graph.dtype.type(1), kept)
            numbers = graph.node("Concat", graph.node("Mul", values, kept), seen, axis=-1)
        tables = [self.weights[f"{self.prefix}embedding.{channel}"] for channel, _, _ in self.structure.embeddings]
        vectors = [graph.node("Gather", *pair, axis=0) for pair in zip(tables, columns.codes, strict=True)]
        parts = [each for each in (numbers, *vectors) if each is not None]
        return graph.node("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]

    def front_of_steps(self, graph, columns, steps):
        """The same as the values of `Steps`, with 0 where there is no step."""
        steps = steps._replace(values=self.front(graph, columns))
        return steps._replace(values=steps.masked(graph))

    def finish(self, graph, level, values, below):
        """What a level puts out, of the outputs of its layers and of what it reads."""
        if level.normalization:
            w = self._of(level.name_of("norm"))
            centred = graph.node("Sub", values, graph.reduce("ReduceMean", values, -1, keepdims=True))
            variance = graph.reduce("ReduceMean", graph.node("Mul", centred, centred), -1, keepdims=True)
            deviation = graph.node("Sqrt", graph.node("Add", variance, graph.dtype.type(EPSILON)))
            scaled = graph.node("Mul", graph.node("Div", centred, deviation), w["gain"])
            values = graph.node("Add", scaled, w["shift"])
        return graph.node("Add", values, below) if level.residual else values

    # ---------------------------------------------------------------------------------------------- all steps
    def sequences(self, graph, steps, final=None):
        """The `Steps` of the top level, from those of what the stack reads.

        final : dict that receives the states of each layer after its last steps, if they are wanted
        """
        if self.structure.convolution is not None:
            steps = self._convolved(graph, steps)
        for level in self.stack.levels:
            parts = [self._run(graph, level.name_of(name), name, steps, final) for name in level.directions]
            values = graph.node("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]
            steps = steps._replace(values=self.finish(graph, level, values, steps.values))
        return steps

    def _convolved(self, graph, steps):
        conv, w = self.structure.convolution, self._of("convolution")
        left, right = (conv.width - 1) // 2, conv.width // 2
        padded = graph.node("Pad", steps.values, [left, 0, 0, right, 0, 0], graph.dtype.type(0))
        # Behind the first T steps from k on there are width - 1 - k more.
        ends = [k - conv.width + 1 or 2**62 for k in range(conv.width)]
        parts = [graph.slice(padded, k, end, 0, conv.stride) for k, end in enumerate(ends)]
        windows = graph.node("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]
        values = graph.node("Add", graph.node("MatMul", windows, w["W"]), w["b"])
        lengths = steps.lengths
        if conv.stride > 1:
            lengths = graph.node("Div", graph.node("Add", lengths, [conv.stride - 1]), [conv.stride])
        made = Steps(graph.node(ACTIVATIONS[conv.activation], values), lengths, None)
        return made._replace(exist=which_exist(graph, made.values, lengths))

    def _run(self, graph, name, direction, steps, final):
        """Outputs (T, n, H) of a layer at all steps."""
        cell, is_backward = self.cells[name], direction == "backward"
        inputs = cell.read(graph, steps.turned(graph) if is_backward else steps.values)
        zeros = graph.filled(graph.dtype.type(0), steps.lengths, cell.layer.n_state)

        def step(body, states, values):
            after = cell.step(body, states, *values)
            return after, [cell.output(after), *([] if final is None else after)]

        outputs, *states = graph.scan(step, [zeros] * len(cell.states), [inputs])
        if final is not None:
            final[name] = [graph.node("Gather", steps.turned(graph, each), np.int64(0), axis=0) for each in states]
        return steps.turned(graph, outputs) if is_backward else outputs

    # ------------------------------------------------------------------------------------------------ one step
    def state_shapes(self):
        """Dict of the names of states that a step leaves for the next, as in a `Stream`, to a dtype and a shape."""
        return {
            f"{name}.{state}": (self.structure.dtype, ["n", cell.layer.n_state])
            for name, cell in self.cells.items()
            for state in cell.states
        }

    def step(self, graph, values, states):
        """Outputs (n, H) of the top level after a step, and the states."""
        after = {}
        for level in self.stack.levels:
            name = level.name_of("forward")
            cell, below = self.cells[name], values
            names = [f"{name}.{state}" for state in cell.states]
            found = cell.step(graph, [states[each] for each in names], cell.read(graph, values))
            after |= dict(zip(names, found, strict=True))
            values = self.finish(graph, level, cell.output(found), below)
        return values, after
