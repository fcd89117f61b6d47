"""A step of a network as nodes: from what comes in to predictions from all steps so far, and what is remembered."""

import numpy as np

from ._stack import ACTIVATIONS


class PlainSteps:
    """Writes a step of the recurrent layers, pooling and readout.

    Parameters
    ----------
    stack : StackWriter
    head : HeadWriter
    """

    def __init__(self, stack, head):
        self.stack, self.head = stack, head

    def state_shapes(self):
        """Dict of the names of states, as in a `Stream`, to a dtype and a shape."""
        return self.stack.state_shapes() | self.head.state_shapes() | {"steps": (np.dtype(np.int64), ["n"])}

    def step(self, graph, vectors, states):
        """Raw predictions or features (n, K) of all steps so far, and the states."""
        steps = graph.node("Unsqueeze", states["steps"], [1])
        begins, n_steps = graph.node("Equal", steps, np.int64(0)), graph.node("Add", steps, np.int64(1))
        y, of_stack = self.stack.step(graph, vectors, states)
        out, of_head = self.head.step(graph, y, states, begins, n_steps)
        return out, of_stack | of_head | {"steps": graph.node("Squeeze", n_steps, [1])}


class ConvolvedSteps:
    """The same behind a convolution, whose windows reach beyond the steps so far: see `ConvolvedStepper`.

    Parameters
    ----------
    stack : StackWriter
    head : HeadWriter
    n_columns : int
        Of raw predictions or features.
    """

    def __init__(self, stack, head, n_columns):
        self.inner, self.stack, self.conv = PlainSteps(stack, head), stack, stack.structure.convolution
        self.n_columns, self.left, self.right = n_columns, (self.conv.width - 1) // 2, self.conv.width // 2

    def state_shapes(self):
        """Dict of the names of states, as in a `Stream`, to a dtype and a shape."""
        shapes, structure = self.inner.state_shapes(), self.stack.structure
        positions = shapes.pop("steps")
        own = {
            "convolution.positions": positions,
            "convolution.out": (np.dtype(structure.dtype), ["n", self.n_columns]),
            "convolution.steps": (np.dtype(structure.dtype), ["n", self.conv.width, structure.n_inputs]),
        }
        return shapes | own | {"steps": positions}

    def step(self, graph, vectors, states):
        """Raw predictions or features (n, K) of all steps so far, and the states."""
        last = states["steps"]
        newest = graph.node("Unsqueeze", vectors, [1])
        steps = graph.node("Concat", graph.slice(states["convolution.steps"], 1, 2**62, 1), newest, axis=1)
        names = {"convolution.steps", "steps"}
        settled = {name: states[name] for name in self.state_shapes() if name not in names}
        settled = self._take(graph, settled, steps, last, is_settled=True)
        reached = settled
        for _ in range(-(-self.right // self.conv.stride)):  # windows that still reach beyond the last step
            reached = self._take(graph, reached, steps, last, is_settled=False)
        own = {"convolution.steps": steps, "steps": graph.node("Add", last, np.int64(1))}
        return reached["convolution.out"], settled | own

    def _take(self, graph, states, steps, last, is_settled):
        """The states after a position more, of sequences that have it: its window ends with the last step, or later."""
        centre = graph.node("Mul", states["convolution.positions"], np.int64(self.conv.stride))
        if is_settled:
            which = graph.node("Equal", graph.node("Add", centre, np.int64(self.right)), last)
        else:
            which = graph.node("LessOrEqual", centre, last)
        which = graph.node("Unsqueeze", which, [1])
        vectors = self._convolved(graph, steps, graph.node("Sub", centre, last))
        inner = {name: states[name] for name in self.inner.state_shapes() if name != "steps"}
        out, after = self.inner.step(graph, vectors, inner | {"steps": states["convolution.positions"]})
        positions = graph.node("Squeeze", which, [1]), after.pop("steps"), states["convolution.positions"]
        after["convolution.out"] = out
        kept = {name: graph.node("Where", which, value, states[name]) for name, value in after.items()}
        return kept | {"convolution.positions": graph.node("Where", *positions)}

    def _convolved(self, graph, steps, centre):
        """What the convolution makes of windows of the steps; centre : (n,), of each, counted from the last step."""
        width, n_inputs = self.conv.width, self.stack.structure.n_inputs
        place = graph.node("Unsqueeze", graph.node("Add", centre, np.int64(width - 1 - self.left)), [1, 2])
        place = graph.node("Add", place, np.arange(width)[np.newaxis, :, np.newaxis])
        has_come = graph.node(
            "And", graph.node("GreaterOrEqual", place, np.int64(0)), graph.node("Less", place, np.int64(width))
        )
        place = graph.node("Min", graph.node("Max", place, np.int64(0)), np.int64(width - 1))
        found = graph.node("GatherElements", steps, graph.node("Expand", place, [1, 1, n_inputs]), axis=1)
        windows = graph.node("Where", has_come, found, graph.dtype.type(0))
        windows = graph.node("Reshape", windows, [-1, width * n_inputs])
        w = {name: self.stack.weights[f"convolution.{name}"] for name in ("W", "b")}
        values = graph.node("Add", graph.node("MatMul", windows, w["W"]), w["b"])
        return graph.node(ACTIVATIONS[self.conv.activation], values)
