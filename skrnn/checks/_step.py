"""One step of a cell on NumPy arrays: what the functions return, and their derivatives."""

from types import CellType, FunctionType, MethodType

import numpy as np

from ..kernels.activations import sigmoid
from ._contract import about, require

STEP = 1e-6  # of central differences
POINTS = 3  # at which a derivative is tried: a kink may lie within STEP of one, a mistake shows at all
TOLERANCE = 1e-6  # of derivatives in float64
N_UNITS = 7
FUNCTIONS = {
    "forward": "(a, s, h, p)",
    "backward": "(saved, s_before, h_before, p, ds, dh)",
    "inner_forward": "(a, h)",
    "inner_backward": "(saved, h_before, shared, du)",
}


def plain(function, done=None):
    """The same function as Python: it and all compiled ones that it calls."""
    source, done = getattr(function, "py_func", function), {} if done is None else done
    if not isinstance(source, FunctionType):
        return function
    if source not in done:
        namespace = dict(source.__globals__)
        closure = tuple(CellType() for _ in source.__closure__ or ())
        done[source] = FunctionType(source.__code__, namespace, source.__name__, source.__defaults__, closure or None)
        for name in namespace.keys() & set(source.__code__.co_names):
            namespace[name] = plain(namespace[name], done)
        for cell, given in zip(closure, source.__closure__ or (), strict=True):
            cell.cell_contents = plain(given.cell_contents, done)
    return done[source]


def on_copies(function):
    """The function on copies of its arguments: what it does to a register in place, nobody else sees."""
    return lambda *arguments: function(*map_leaves(np.copy, arguments))


def map_leaves(function, value):
    """Tuples of tuples with `function` applied to what is in them."""
    return tuple(map_leaves(function, x) for x in value) if isinstance(value, tuple) else function(value)


def leaves(value):
    """List of what is in tuples of tuples."""
    return [leaf for x in value for leaf in leaves(x)] if isinstance(value, tuple) else [value]


class Step:
    """One step of a cell on NumPy arrays, with random numbers for all that it takes."""

    def __init__(self, cell, seed=0):
        self.cell, self.rng = cell, np.random.default_rng(seed)
        self.n_inner, self.n_shared, self.n_states = len(cell.inner), cell.n_shared, len(cell.states)
        self.gates = [f"of gate {gate!r}, fed by {feeds}" for gate, feeds in cell.columns]
        self.outer_gates = self.gates[self.n_inner - self.n_shared :]
        self.vectors = [f"of {name!r}" for name, number in cell.vectors.items() for _ in range(number)]
        for name in names_of_functions(cell):
            setattr(self, name, on_copies(plain(getattr(cell, name))))

    def draw(self, number):
        """A tuple of so many random arrays."""
        return tuple(self.rng.normal(size=(number, N_UNITS)))

    def outer(self, a, inner_saved):
        """What `forward` gets, from pre-activations of all columns and what `inner_forward` saved."""
        return (*inner_saved[self.n_inner - self.n_shared :], *a[self.n_inner :])

    def reach(self):
        """Pre-activations of all columns, what `forward` gets of them, states and h that can be reached, and p."""
        h, p = np.zeros(N_UNITS), self.draw(len(self.vectors))
        s = (h,) * self.n_states
        for _ in range(3):
            s_before, h_before, a = s, h, self.draw(len(self.gates))
            outer = self.outer(a, self.inner_forward(a[: self.n_inner], h)[0] if self.n_inner else ())
            _, s, h = self.forward(outer, s, h, p)
        return a, outer, s_before, h_before, p

    def calls(self):
        """For each function its arguments, and how many of what it must return; None is for one that is no tuple."""
        a, s, p = self.draw(len(self.gates)), self.draw(self.n_states), self.draw(len(self.vectors))
        h, dh = self.draw(2)
        saved = ()
        if self.n_inner:
            inner = a[: self.n_inner]
            yield "inner_forward", (inner, h), {"saved": self.n_inner, "u": None}
            saved = self.inner_forward(inner, h)[0]
            shared = self.draw(self.n_shared)
            yield "inner_backward", (saved, h, shared, dh), {"da": self.n_inner, "dh_before": None}
        outer = self.outer(a, saved)
        yield "forward", (outer, s, h, p), {"saved": len(outer), "s": self.n_states, "h": None}
        saved = self.forward(outer, s, h, p)[0]
        expected = {"da": len(outer), "ds_before": self.n_states, "dh_before": None, "dp": len(p)}
        yield "backward", (saved, s, h, p, self.draw(self.n_states), dh), expected


def names_of_functions(cell):
    """The functions that the cell must have."""
    return FUNCTIONS if cell.inner else ("forward", "backward")


# --------------------------------------------------------------------------------------------------- functions
def check_functions(cell):
    """Functions are compiled, return what they must, and compute each unit from its own values and nothing else."""
    for name in names_of_functions(cell):
        function = getattr(cell, name, None)
        require(function is not None, f"the cell has no `{name}`")
        require(not isinstance(function, MethodType), f"write `{name} = staticmethod({name})` in the class")
        is_compiled = hasattr(function, "py_func") or not hasattr(sigmoid, "py_func")
        require(is_compiled, f"`{name}` is not compiled: write @kernel (from skrnn.cells) above it")
    step = Step(cell)
    for name, arguments, expected in step.calls():
        call, function = f"{name}{FUNCTIONS[name]}", getattr(step, name)
        with np.errstate(all="ignore"), about(f"{call} fails on NumPy arrays"):
            first = function(*arguments)
            _check_returned(call, first, expected)
            second, alone = function(*arguments), function(*map_leaves(lambda x: x[:1], arguments))
        same = all(np.array_equal(x, y, equal_nan=True) for x, y in zip(leaves(first), leaves(second), strict=True))
        require(
            same, f"{call} returns other values when it is called again: it must not use random numbers or keep values"
        )
        alike = all(np.allclose(x[:1], y, equal_nan=True) for x, y in zip(leaves(first), leaves(alone), strict=True))
        require(alike, f"{call} mixes units: the result of a unit must only depend on values of this unit")
        if name == "forward" and step.n_shared:
            kept = all(map(np.array_equal, first[0], arguments[0][: step.n_shared]))
            require(kept, f"{call} must save the {step.n_shared} inner gates that it receives first, unchanged")


def _check_returned(call, returned, expected):
    """Each of the things that must be returned is there, and holds one value for each unit."""
    names = ", ".join(expected)
    found = len(returned) if isinstance(returned, tuple) else "no tuple of"
    require(found == len(expected), f"{call} returns {found} things, but must return {len(expected)}: {names}")
    for (name, number), part in zip(expected.items(), returned, strict=True):
        if number is not None:
            found = f"{len(part)}" if isinstance(part, tuple) else f"{type(part).__name__}, no tuple"
            message = f"{call}: `{name}` (of {names}) must be a tuple of {number}, but is one of {found}"
            require(isinstance(part, tuple) and len(part) == number, message)
        for x in leaves(part):
            is_array = isinstance(x, np.ndarray) and x.shape == (N_UNITS,)
            require(is_array, f"{call}: `{name}` must hold a value for each unit, not {x!r}; for 0 use zeros_like(h)")


# ------------------------------------------------------------------------------------------------- derivatives
def check_derivatives(cell):
    """What backward returns are the derivatives of forward, and the same for the inner stage."""
    for name, errors_of in (("backward", _outer_errors), ("inner_backward", _inner_errors)):
        if name in names_of_functions(cell):
            with np.errstate(all="ignore"), about(f"{name} fails on NumPy arrays"):
                wrong = describe(smallest([errors_of(Step(cell, seed)) for seed in range(POINTS)]))
            require(not wrong, f"{name} differs from the slopes of {name.replace('back', 'for')}: {wrong}")


def smallest(points):
    """Of errors by name at several points, the smallest of each name."""
    return {name: min(point[name] for point in points) for name in points[0]}


def describe(errors):
    """Text of the errors that are too large, empty if there are none."""
    return "; ".join(f"{name} is off by {error:.2g}" for name, error in errors.items() if not error <= TOLERANCE)


def error_of(gradient, slope):
    """Largest error of a gradient, relative to the largest slope if that is above 1."""
    return np.max(abs(gradient - slope)) / (1 + np.max(abs(slope)))


def _outer_errors(step):
    """Error of each gradient that `backward` returns, at a random point."""
    _, a, s, h, p = step.reach()
    ds, (dh,) = step.draw(step.n_states), step.draw(1)

    def value(*flat):
        """A number for each unit whose gradients by the new states and h are ds and dh."""
        a_n, s_n, rest = flat[: len(a)], flat[len(a) : len(a) + len(s)], flat[len(a) + len(s) :]
        _, s_n, h_n = step.forward(a_n, s_n, rest[0], rest[1:])
        return h_n * dh + sum(x * y for x, y in zip(s_n, ds, strict=True))

    names = [f"da[{k}] ({gate})" for k, gate in enumerate(step.outer_gates)]
    names += [f"ds_before[{k}] (of state {state!r})" for k, state in enumerate(step.cell.states)]
    names += ["dh_before (from h and states directly, not through products)"]
    names += [f"dp[{k}] ({vector})" for k, vector in enumerate(step.vectors)]
    return _errors(names, value, (*a, *s, h, *p), step.backward(step.forward(a, s, h, p)[0], s, h, p, ds, dh))


def _inner_errors(step):
    """Error of each gradient that `inner_backward` returns."""
    a, _, _, h, _ = step.reach()
    a, shared, (du,) = a[: step.n_inner], step.draw(step.n_shared), step.draw(1)

    def value(*flat):
        saved, u = step.inner_forward(flat[:-1], flat[-1])
        return u * du + sum(x * y for x, y in zip(saved[step.n_inner - step.n_shared :], shared, strict=True))

    names = [*(f"da[{k}] ({step.gates[k]})" for k in range(step.n_inner)), "dh_before (from u directly)"]
    return _errors(names, value, (*a, h), step.inner_backward(step.inner_forward(a, h)[0], h, shared, du))


def _errors(names, value, arguments, gradients):
    """Error of each gradient against central differences of `value` by the argument that it belongs to."""
    errors = {}
    for k, (name, gradient) in enumerate(zip(names, leaves(gradients), strict=True)):
        low, high = ([*arguments[:k], arguments[k] + move, *arguments[k + 1 :]] for move in (-STEP, STEP))
        errors[name] = error_of(gradient, (value(*high) - value(*low)) / (2 * STEP))
    return errors
