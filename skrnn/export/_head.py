"""From the outputs of the top level to raw predictions or features, as nodes."""

import numpy as np


class Pooling:
    """Base: from the outputs of the steps of a sequence to one vector. Weights: of the layer "pooling".

    Parameters
    ----------
    pooling : skrnn.network.layers.pooling.Pooling
    weights : dict of str to ndarray
    """

    def __init__(self, pooling, weights):
        self.n_units, self.n_backward, self.weights = pooling.n_units, pooling.n_backward, weights

    def sequences(self, graph, steps):
        """Vectors (n, H) from `Steps`."""
        raise NotImplementedError

    def state_shapes(self, dtype):
        """Dict of the states that `step` keeps, as a `Stream` names them, to a dtype and a shape."""
        return {}

    def step(self, graph, values, states, begins, n_steps):
        """Vectors of all steps so far, and the states, from the outputs (n, H) at a step.

        begins : (n, 1), whether it is the first; n_steps : (n, 1), how many there are now.
        """
        raise NotImplementedError


class Last(Pooling):
    """The last step, and of a direction that runs backward the first."""

    def sequences(self, graph, steps):
        first = np.int64(0)
        if not self.n_backward:
            return graph.node("Gather", steps.turned(graph), first, axis=0)
        forward, backward = graph.split(steps.values, [self.n_units - self.n_backward, self.n_backward], axis=2)
        last = graph.node("Gather", steps.turned(graph, forward), first, axis=0)
        return graph.node("Concat", last, graph.node("Gather", backward, first, axis=0), axis=1)

    def step(self, graph, values, states, begins, n_steps):
        return values, {}


class Mean(Pooling):
    """The mean over the steps."""

    def sequences(self, graph, steps):
        n_steps = graph.cast(graph.node("Unsqueeze", steps.lengths, [1]), graph.dtype)
        return graph.node("Div", graph.reduce("ReduceSum", steps.masked(graph), 0), n_steps)

    def state_shapes(self, dtype):
        return {"total": (dtype, ["n", self.n_units])}

    def step(self, graph, values, states, begins, n_steps):
        total = graph.node("Add", graph.node("Where", begins, graph.dtype.type(0), states["total"]), values)
        return graph.node("Div", total, graph.cast(n_steps, graph.dtype)), {"total": total}


class Max(Pooling):
    """The largest value of each unit."""

    def sequences(self, graph, steps):
        return graph.reduce("ReduceMax", steps.masked(graph, -np.inf), 0)

    def state_shapes(self, dtype):
        return {"top": (dtype, ["n", self.n_units])}

    def step(self, graph, values, states, begins, n_steps):
        top = graph.node("Where", begins, values, graph.node("Max", values, states["top"]))
        return top, {"top": top}


class Attention(Pooling):
    """A mean with weights that each sequence finds for its steps."""

    def _scores(self, graph, values):
        hidden = graph.node("Add", graph.node("MatMul", values, self.weights["W"]), self.weights["b"])
        return graph.node("MatMul", graph.node("Tanh", hidden), self.weights["v"][:, np.newaxis])

    def sequences(self, graph, steps):
        values = steps.masked(graph)
        scores = steps._replace(values=self._scores(graph, values)).masked(graph, -np.inf)
        return graph.reduce("ReduceSum", graph.node("Mul", values, graph.node("Softmax", scores, axis=0)), 0)

    def state_shapes(self, dtype):
        return {"sums": (dtype, ["n", 4]), "total": (dtype, ["n", self.n_units])}

    def step(self, graph, values, states, begins, n_steps):
        """Keeps what `kernels.pooling` does: largest score, sum of weights, two numbers of the step; weighted sum."""
        score = self._scores(graph, values)
        before, weight, _ = graph.split(states["sums"], [1, 1, 2], axis=1)
        before = graph.node("Where", begins, graph.dtype.type(-np.inf), before)
        top = graph.node("Max", before, score)
        shrunk = graph.node("Exp", graph.node("Sub", before, top))
        own = graph.node("Exp", graph.node("Sub", score, top))
        weight, total = (graph.node("Where", begins, graph.dtype.type(0), x) for x in (weight, states["total"]))
        weight = graph.node("Add", graph.node("Mul", weight, shrunk), own)
        total = graph.node("Add", graph.node("Mul", total, shrunk), graph.node("Mul", values, own))
        sums = graph.node("Concat", top, weight, shrunk, own, axis=1)
        return graph.node("Div", total, weight), {"sums": sums, "total": total}


class EachStep(Pooling):
    """No pooling: (T, n, H), or (n, H) at a step."""

    def sequences(self, graph, steps):
        return steps.masked(graph)

    def step(self, graph, values, states, begins, n_steps):
        return values, {}


POOLINGS = {"last": Last, "mean": Mean, "max": Max, "attention": Attention, "steps": EachStep, "unaligned": EachStep}


class HeadWriter:
    """Writes pooling and readout, or several poolings side by side.

    Parameters
    ----------
    network : Network
    weights : dict of str to ndarray
    poolings : sequence of str, default=None
        Of features; None: raw predictions are wanted.
    """

    def __init__(self, network, weights, poolings=None):
        head = network.head
        own = {name.partition(".")[2]: w for name, w in weights.items() if name.startswith("pooling.")}
        self.dtype = network.dtype
        if poolings is None:
            self.ways = {"pooling": POOLINGS[network.structure.pooling](head.pooling, own)}
        else:
            self.ways = {f"pooling.{name}": POOLINGS[name](head.pooling, {}) for name in poolings}
        self.readout = None
        if poolings is None and head.readout is not None:
            self.readout = weights["readout.W"], weights["readout.b"]

    def _read_out(self, graph, parts):
        pooled = graph.node("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]
        if self.readout is None:
            return pooled
        return graph.node("Add", graph.node("MatMul", pooled, self.readout[0]), self.readout[1])

    def sequences(self, graph, steps):
        """Raw predictions or features (n, K), or (T, n, K) where steps have them."""
        return self._read_out(graph, [way.sequences(graph, steps) for way in self.ways.values()])

    def state_shapes(self):
        """Dict of the names of states that a step leaves for the next, as in a `Stream`, to a dtype and a shape."""
        return {
            f"{prefix}.{name}": kind
            for prefix, way in self.ways.items()
            for name, kind in way.state_shapes(self.dtype).items()
        }

    def step(self, graph, values, states, begins, n_steps):
        """Raw predictions or features of all steps so far, and the states."""
        parts, after = [], {}
        for prefix, way in self.ways.items():
            own = {name: states[f"{prefix}.{name}"] for name in way.state_shapes(self.dtype)}
            pooled, kept = way.step(graph, values, own, begins, n_steps)
            parts.append(pooled)
            after |= {f"{prefix}.{name}": value for name, value in kept.items()}
        return self._read_out(graph, parts), after
