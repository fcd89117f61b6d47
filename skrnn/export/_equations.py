"""The equations of a cell as lists of steps, from which code for other machines is written.

A cell is a few lines on vector registers. They are run once on names instead of numbers, and each operation is written
down: so every cell can be exported, also one of a user, and no equation is written twice.
"""

import types
from typing import NamedTuple

from ..kernels import activations, lanes

# What cells may call, by the name of the operation. Functions that are not here, like relu, are traced themselves.
OPERATIONS = {
    abs: "absolute",
    activations.exp: "exp",
    activations.sigmoid: "sigmoid",
    activations.tanh: "tanh",
    lanes.copy_sign: "copy_sign",
    lanes.fast_divide: "divide",
    lanes.if_positive: "if_positive",
    lanes.maximum: "maximum",
    lanes.minimum: "minimum",
    lanes.square_root: "square_root",
    lanes.where_positive: "where_positive",
}
ARITHMETIC = {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "divide"}


class Step(NamedTuple):
    """An operation: ``result = operation(*operands)``. Operands are names of values, or numbers.

    Operations are ``add``, ``subtract``, ``multiply``, ``divide``, ``negate``, and the values of `OPERATIONS`.
    ``where_positive(a, b)`` is b where a > 0, else 0; ``if_positive(a, b, c)`` is b where a > 0, else c.
    """

    result: str
    operation: str
    operands: tuple


class Equations(NamedTuple):
    """Elementwise equations: steps, in the order of their computation, from named inputs to outputs.

    An output is the name of an input or of the result of a step, or a number.
    """

    inputs: tuple
    steps: tuple
    outputs: tuple


class CellEquations(NamedTuple):
    """The two stages of a cell.

    inner : Equations or None
        From ``a0, a1, ...`` (pre-activations of the inner gates) and ``h`` to the gates, and last u.
    outer : Equations
        From ``a0, ...`` (shared inner gates, then the other pre-activations), ``s0, ...`` (states besides h), ``h`` and
        ``p0, ...`` (weights of single units) to the new states besides h, and last the new h.
    """

    inner: Equations
    outer: Equations


def trace_cell(cell):
    """Write down the equations of a cell.

    Parameters
    ----------
    cell : BaseCell
        A cell, also one that is not of this package.

    Returns
    -------
    CellEquations
        Its equations.

    Raises
    ------
    ValueError
        If the functions of the cell do more than elementwise arithmetic; it names the cell and what it does.
    """
    n_inner = len(cell.inner)
    n_outer = len(cell.columns) - n_inner + cell.n_shared
    a, s = _names("a", n_outer), _names("s", len(cell.states))
    p = _names("p", sum(cell.vectors.values()))
    inner = None
    if n_inner:
        inner = _trace(cell, cell.inner_forward, _names("a", n_inner), "h")
    outer = _trace(cell, cell.forward, a, s, "h", p)
    # `saved` serves the way back only
    return CellEquations(inner, _without_unused(outer._replace(outputs=outer.outputs[-1 - len(s) :])))


def _names(letter, n):
    return tuple(f"{letter}{k}" for k in range(n))


def _trace(cell, function, *arguments):
    """Run a function on values with the names in `arguments`, a str or a tuple of str each."""
    steps = []
    values = [Value(each, steps) if isinstance(each, str) else _values(each, steps) for each in arguments]
    try:
        results = _on_names(function, {})(*values)
    except (TypeError, AttributeError, NameError) as error:
        raise ValueError(
            f"The equations of {cell!r} cannot be exported, since {getattr(function, '__name__', function)} does more "
            f"than elementwise arithmetic with the functions of skrnn.kernels.lanes and activations: {error}"
        ) from error
    outputs = tuple(_flat(results))
    inputs = tuple(value.name for value in _flat(values))
    return Equations(inputs, tuple(steps), tuple(map(_operand, outputs)))


def _values(names, steps):
    return tuple(Value(name, steps) for name in names)


def _flat(values):
    for value in values:
        if isinstance(value, tuple):
            yield from _flat(value)
        else:
            yield value


def _without_unused(equations):
    """Leave out steps that no output depends on."""
    needed, kept = set(equations.outputs), []
    for step in reversed(equations.steps):
        if step.result in needed:
            needed.update(step.operands)
            kept.append(step)
    return equations._replace(steps=tuple(reversed(kept)))


class Value:
    """A value that is known by name only; arithmetic on it is written down in `steps`."""

    def __init__(self, name, steps):
        self.name, self._steps = name, steps

    def _then(self, operation, *operands):
        result = f"v{len(self._steps)}"
        self._steps.append(Step(result, operation, tuple(map(_operand, operands))))
        return Value(result, self._steps)

    def __neg__(self):
        return self._then("negate", self)

    def __abs__(self):
        return self._then("absolute", self)

    def __bool__(self):
        raise TypeError("it decides by a value, which differs from unit to unit: use if_positive")


def _operator(operation):
    return lambda self, other: self._then(operation, self, other)


def _reflected(operation):
    return lambda self, other: self._then(operation, other, self)


for _method, _operation in ARITHMETIC.items():
    setattr(Value, f"__{_method}__", _operator(_operation))
    setattr(Value, f"__r{_method}__", _reflected(_operation))


def _operand(value):
    """The name of a value, or a number."""
    if isinstance(value, Value):
        return value.name
    if isinstance(value, int | float):
        return float(value)
    raise TypeError(f"it computes with {value!r:.100}")


def _call(operation):
    def call(*operands):
        value = next((each for each in operands if isinstance(each, Value)), None)
        if value is None:
            raise TypeError(f"it calls {operation} for numbers only, {operands}")
        return value._then(operation, *operands)

    return call


def _zeros_like(a):
    return 0.0


def _on_names(function, known):
    """A copy of a function, and of those that it calls, that takes names.

    known : copies made so far, by function; for those that call each other.
    """
    if function in OPERATIONS:
        return _call(OPERATIONS[function])
    if function is lanes.zeros_like:
        return _zeros_like
    source = getattr(function, "py_func", function)
    if not isinstance(source, types.FunctionType):
        return function
    if source not in known:
        own = dict(source.__globals__)
        closure = tuple(types.CellType() for _ in source.__closure__ or ())
        copy = types.FunctionType(source.__code__, own, source.__name__, source.__defaults__, closure or None)
        known[source] = copy
        for name in own.keys() & set(source.__code__.co_names):
            own[name] = _replaced(own[name], known)
        for cell, given in zip(closure, source.__closure__ or (), strict=True):
            cell.cell_contents = _replaced(given.cell_contents, known)
    return known[source]


def _replaced(value, known):
    """What stands for a global name of a function that takes names."""
    if isinstance(value, types.ModuleType) and value in (activations, lanes):
        return types.SimpleNamespace(**{name: _replaced(each, known) for name, each in vars(value).items()})
    return _on_names(value, known) if callable(value) else value
