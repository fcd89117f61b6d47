"""One recurrent layer: a cell, its packed weights, and the buffers that a shard needs."""

from functools import cached_property

import numpy as np

from .._jit import bind
from ..cells._base import INPUT, STATE
from ..kernels import recurrence
from ..parameters import Layout

_BOUND = {}


def bound_to(cell):
    """The time loop, forward and back, bound to the equations of `cell`; made once per pair of equations."""
    key = cell.forward, cell.backward
    if key not in _BOUND:
        n_gates, n_states = len(cell.columns), len(cell.states)
        step, step_back = (getattr(f, "py_func", f) for f in key)
        name = f"{step.__module__}.{step.__qualname__}.{step_back.__qualname__}_{n_gates}_{n_states}"
        constants = {"N_GATES": n_gates, "N_STATES": n_states}
        _BOUND[key] = (
            bind(recurrence.forward, name, cell_forward=cell.forward, **constants),
            bind(recurrence.backward, name, cell_backward=cell.backward, **constants),
        )
    return _BOUND[key]


class Recurrent:
    """A layer of `n_hidden` units of one cell, reading `n_inputs` channels forward in time.

    The layer itself holds no weights and no data: `packed_shapes` are the matrices that all threads read,
    `buffer_shapes` the arrays that one thread writes.
    """

    def __init__(self, cell, n_inputs, n_hidden):
        self.cell, self.n_inputs, self.n_hidden = cell, n_inputs, n_hidden
        self.n_states = len(cell.states)
        self.layout = Layout(cell.shapes(n_inputs, n_hidden))
        self.blocks = cell.blocks(n_inputs, n_hidden)
        h_columns, x_columns = cell.fed_by(STATE, n_hidden), cell.fed_by(INPUT, n_hidden)
        self.fed = np.array([*h_columns, *x_columns])
        self.n_columns = len(cell.columns) * n_hidden
        self.n_rows = n_hidden + 1 + n_inputs

    @cached_property
    def kernels(self):
        return bound_to(self.cell)

    def packed_shapes(self):
        """W for the products of the forward pass, and the transposes of W_h and W_x for the way back."""
        h0, h1, x0, x1 = self.fed
        return {
            "W": (self.n_rows, self.n_columns),
            "W_hT": (h1 - h0, self.n_hidden),
            "W_xT": (x1 - x0, self.n_inputs),
        }

    def packing(self, weights, packed):
        """Pairs of a view of the named `weights` and a view of the `packed_shapes` that is to hold the same numbers."""
        h0, _, x0, _ = self.fed
        for name, public, rows, columns in self.cell.places(self.n_hidden):
            view = np.atleast_2d(weights[name])[:, public]
            yield view, packed["W"][: self.n_rows][rows, columns]
            for transposed, first in (("W_hT", h0), ("W_xT", x0)):
                if transposed == f"{name}T":
                    yield view.T, packed[transposed][columns.start - first : columns.stop - first, : len(view)]

    def unpacking(self, packed_gradient, gradients):
        """Pairs of a view of the gradient in packed form and the view of the named `gradients` that it belongs to."""
        for name, public, rows, columns in self.cell.places(self.n_hidden):
            view = np.atleast_2d(gradients[name])[:, public]
            yield packed_gradient["dW"][: self.n_rows][rows, columns], view

    def buffer_shapes(self, n_rows, n_sequences, training):
        """Arrays for a shard of so many sequences and rows (steps + 1 each); see `kernels.recurrence`."""
        shapes = {
            "Z": (n_rows, self.n_rows),
            "S": (n_rows, self.n_states * self.n_hidden),
            "A": (n_rows if training else n_sequences, self.n_columns),
        }
        if training:
            shapes |= {
                "dh": (n_sequences, self.n_hidden),
                "ds": (n_sequences, self.n_states * self.n_hidden),
                "dH": (n_rows, self.n_hidden),
            }
        return shapes

    def gradient_shapes(self):
        """The gradient of ``W`` of `packed_shapes`."""
        return {"dW": (self.n_rows, self.n_columns)}

    def forward(self, packed, buffers, starts, training):
        """Run the time loop over a shard whose inputs stand in ``buffers["Z"]``."""
        names = ("Z", "S", "A")
        self.kernels[0](*(buffers[n] for n in names), packed["W"], self.blocks, starts, self.n_hidden, training)

    def backward(self, packed, buffers, starts, dW, has_dH, dX):
        """Back-propagate through time from ``buffers["dh"]`` and, if `has_dH`, ``buffers["dH"]``.

        Fills dW, and dX with the gradients of the inputs unless it is None.
        """
        buffers["ds"][:] = 0
        self.kernels[1](
            *(buffers[name] for name in ("Z", "S", "A")),
            *(packed[name] for name in ("W_hT", "W_xT")),
            *(self.blocks, self.fed, starts, self.n_hidden, 0 if dX is None else self.n_inputs),
            *(buffers[name] for name in ("dh", "ds", "dH")),
            *(has_dH, buffers["dH"] if dX is None else dX, dW),
        )
