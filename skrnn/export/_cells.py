"""Steps of recurrent layers as nodes."""

import numpy as np

from ..kernels import activations
from ._equations import trace_cell

NODES = {
    "absolute": "Abs",
    "add": "Add",
    "divide": "Div",
    "maximum": "Max",
    "minimum": "Min",
    "multiply": "Mul",
    "negate": "Neg",
    "sigmoid": "Sigmoid",
    "square_root": "Sqrt",
    "subtract": "Sub",
    "tanh": "Tanh",
}


def _exp(graph, a):
    """Held at the smallest normal and the largest finite number, as in kernels."""
    low, high = activations.EXP_MIN_32, activations.EXP_MAX_32
    if graph.dtype == np.float64:
        low, high = activations.EXP_MIN_64, activations.EXP_MAX_64
    return graph.node("Exp", graph.node("Min", graph.node("Max", a, graph.dtype.type(low)), graph.dtype.type(high)))


def _if_positive(graph, a, b, c):
    return graph.node("Where", graph.node("Greater", a, graph.dtype.type(0)), b, c)


def _where_positive(graph, a, b):
    return _if_positive(graph, a, b, graph.dtype.type(0))


def _copy_sign(graph, a, b):
    size = graph.node("Abs", a)
    return graph.node("Where", graph.node("Less", b, graph.dtype.type(0)), graph.node("Neg", size), size)


FORMULAS = {"copy_sign": _copy_sign, "exp": _exp, "if_positive": _if_positive, "where_positive": _where_positive}


def write_equations(graph, equations, values):
    """Write elementwise equations from the named `values` of their inputs; returns their outputs."""
    values = dict(values)

    def value(operand):
        return graph.dtype.type(operand) if isinstance(operand, float) else values[operand]

    for step in equations.steps:
        operands = [value(each) for each in step.operands]
        if step.operation in FORMULAS:
            values[step.result] = FORMULAS[step.operation](graph, *operands)
        else:
            values[step.result] = graph.node(NODES[step.operation], *operands)
    return [value(each) for each in equations.outputs]


class CellWriter:
    """Writes the steps of a recurrent layer.

    Parameters
    ----------
    layer : Recurrent
    weights : dict of str to ndarray
        Of the layer.

    Attributes
    ----------
    states : tuple of str
        Names of its states, first h.
    """

    def __init__(self, layer, weights):
        self.layer, self.cell, self.states = layer, layer.cell, ("h", *layer.cell.states)
        self.equations = trace_cell(layer.cell)
        D, Q, H = layer.sizes
        matrices = {"W": np.zeros((H + 1 + D, layer.n_columns)), "W_u": np.zeros((Q, H))}
        for public, piece in self.cell.public_pieces(layer.sizes):
            matrices[piece.matrix][piece.rows, piece.columns] = np.atleast_2d(weights[piece.name])[:, public]
        self.W_h, self.b, self.W_x = np.split(matrices["W"], [H, H + 1])
        self.W_u, self.b = matrices["W_u"], self.b[0]
        self.p = [row for name, number in self.cell.vectors.items() for row in np.atleast_2d(weights[name])[:number]]
        n_inner = len(self.cell.inner)
        self.widths = [Q] * n_inner + [H] * (len(self.cell.columns) - n_inner)

    def read(self, graph, x):
        """What the pre-activations get of the inputs x, of one step or of all."""
        return graph.node("Add", graph.node("MatMul", x, self.W_x.astype(graph.dtype)), self.b.astype(graph.dtype))

    def step(self, graph, states, a):
        """The states after a step, from those before, h first, and what pre-activations get of the inputs."""
        h, *s = states
        if self.W_h.any():
            a = graph.node("Add", a, graph.node("MatMul", h, self.W_h.astype(graph.dtype)))
        gates = graph.split(a, self.widths, axis=1)
        n_inner, shared = len(self.cell.inner), []
        if n_inner:
            inner = self.equations.inner
            *saved, u = write_equations(graph, inner, zip(inner.inputs, (*gates[:n_inner], h), strict=True))
            shared = saved[n_inner - self.cell.n_shared :]
            product = graph.node("MatMul", u, self.W_u.astype(graph.dtype))
            gates[-1] = graph.node("Add", gates[-1], product)
        outer, p = self.equations.outer, [row.astype(graph.dtype) for row in self.p]
        arguments = zip(outer.inputs, (*shared, *gates[n_inner:], *s, h, *p), strict=True)
        *s_after, h_after = write_equations(graph, outer, arguments)
        return [self._kept(graph, *pair) for pair in zip((h, *s), (h_after, *s_after), strict=True)]

    def _kept(self, graph, before, after):
        """A state of which zoneout keeps a share, as prediction expects it."""
        share = graph.dtype.type(self.layer.zoneout)
        if not isinstance(after, str):  # a number
            after = graph.filled(after, before, self.layer.n_state)
        if not share:
            return after
        kept = graph.node("Mul", before, share)
        return graph.node("Add", kept, graph.node("Sub", after, graph.node("Mul", after, share)))

    def output(self, states):
        """What the layer puts out of its states after a step."""
        return states[1] if self.layer.raw else states[0]
