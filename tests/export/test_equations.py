"""The equations of cells as lists of steps."""

import numpy as np
import pytest
from networks import CELLS

from skrnn.cells import Elman, kernel
from skrnn.checks._step import Step
from skrnn.export._equations import trace_cell
from skrnn.kernels import activations
from skrnn.kernels.activations import exp, log1p_unit, relu, tanh
from skrnn.kernels.lanes import (
    copy_sign,
    fast_divide,
    if_positive,
    minimum,
    square_root,
    where_positive,
    zeros_like,
)

NUMPY = {
    "absolute": np.abs,
    "add": np.add,
    "copy_sign": np.copysign,
    "divide": np.divide,
    "exp": np.exp,
    "if_positive": lambda a, b, c: np.where(a > 0, b, c),
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "negate": np.negative,
    "sigmoid": lambda a: 1 / (1 + np.exp(-a)),
    "square_root": np.sqrt,
    "subtract": np.subtract,
    "tanh": np.tanh,
    "where_positive": lambda a, b: np.where(a > 0, b, 0),
}


def evaluate(equations, *arguments):
    """The outputs of equations, from arrays for their inputs."""
    values = dict(zip(equations.inputs, arguments, strict=True))
    for step in equations.steps:
        values[step.result] = NUMPY[step.operation](*(values.get(x, x) for x in step.operands))
    return [values.get(x, x) for x in equations.outputs]


@pytest.mark.small
@pytest.mark.parametrize("cell", CELLS.values(), ids=str)
def test_equations_compute_what_the_cell_does(cell):
    step, equations = Step(cell), trace_cell(cell)
    calls = {name: arguments for name, arguments, _ in step.calls()}
    if equations.inner is not None:
        a, h = calls["inner_forward"]
        saved, u = step.inner_forward(a, h)
        np.testing.assert_allclose(evaluate(equations.inner, *a, h), (*saved, u), rtol=1e-12)
    a, s, h, p = calls["forward"]
    _, states, new_h = step.forward(a, s, h, p)
    np.testing.assert_allclose(evaluate(equations.outer, *a, *s, h, *p), (*states, new_h), rtol=1e-12)


SLOPE = 0.25


@kernel
def leaky(x):
    return if_positive(x, x, SLOPE * x)


@kernel
def odd_forward(a, s, h, p):
    one, unused = minimum(abs(-a[0]), 1), exp(h)
    parts = [relu(h + 1.0), square_root(one), copy_sign(one, h), where_positive(h, 2.0)]
    h = fast_divide(leaky(h), 1 + one) + zeros_like(h) + parts[0] * parts[1] - parts[2] + parts[3]
    return (unused,), s, log1p_unit(minimum(h * h, 1.0)) + tanh(h)


class Odd(Elman):
    """All that a cell of a user may call."""

    forward = odd_forward


def test_a_cell_of_a_user_is_traced_with_all_that_it_calls():
    step, equations = Step(Odd()), trace_cell(Odd())
    a, s, h, p = next(arguments for name, arguments, _ in step.calls() if name == "forward")
    _, _, expected = step.forward(a, s, h, p)
    np.testing.assert_allclose(evaluate(equations.outer, *a, h), [expected], rtol=1e-12)
    assert ("exp", ("h",)) not in [each[1:] for each in equations.outer.steps]  # on which nothing depends


def test_functions_may_be_called_by_their_module():
    cell = type("Odd", (Elman,), {"forward": staticmethod(lambda a, s, h, p: ((h,), s, activations.tanh(a[0])))})()
    assert trace_cell(cell) == trace_cell(Elman())


@pytest.mark.parametrize(
    ("forward", "what"),
    [
        (lambda a, s, h, p: ((h,), s, np.tanh(a[0])), "Odd.*more than elementwise"),
        (lambda a, s, h, p: ((h,), s, a[0] if a[0] else h), "use if_positive"),
        (lambda a, s, h, p: ((h,), s, a[0] @ h), "more than elementwise"),
    ],
)
def test_other_cells_are_refused_by_name(forward, what):
    cell = type("Odd", (Elman,), {"forward": staticmethod(forward)})()
    with pytest.raises(ValueError, match=what):
        trace_cell(cell)
