"""One recurrent layer in one direction: a cell, its packed weights, and the buffers that a shard needs."""

import numpy as np

from ..._core.cached import cached_property
from ...cells._base import Sizes
from ...kernels import recurrence
from ...kernels._jit import bind_stage, kernel
from ...kernels.batches import last_states
from ...kernels.lanes import zeros_like
from ...kernels.outputs import load_state_slopes, store_state_slopes
from ...kernels.program import Instruction
from ...kernels.rows import clear_rows, copy_rows, start_states
from .layer import Layer

_BOUND = {}


@kernel
def _no_inner_forward(a, h):
    return a, h


@kernel
def _no_inner_backward(saved, h_before, shared, du):
    return saved, zeros_like(du)


def bound_to(cell, raw=False, noisy=False):
    """The time loop, forward and back, bound to the equations of `cell`; made once for each set of them."""
    without = {"cell_inner_forward": _no_inner_forward, "cell_inner_backward": _no_inner_backward}
    equations = {name: function or without[name] for name, function in cell.equations().items()}
    n_inner = len(cell.inner)
    numbers = {
        "N_GATES": len(cell.columns) - n_inner + cell.n_shared,
        "N_STATES": len(cell.states),
        "N_VECTORS": sum(cell.vectors.values()),
        "N_INNER": n_inner,
        "N_SHARED": cell.n_shared,
        "SAVES_H": cell.saves_h,
        "RAW": raw,
        "NOISY": noisy,
    }
    key = *equations.values(), *numbers.values()
    if key not in _BOUND:
        functions = [getattr(f, "py_func", f) for f in equations.values()]
        names = [functions[0].__module__, *(f.__qualname__ for f in functions), *map(int, numbers.values())]
        name = ".".join(map(str, names))
        bound = equations | numbers
        for stage in ("inner_forward", "outer_forward", "inner_backward", "outer_backward"):
            bound[stage] = bind_stage(getattr(recurrence, stage), name, **equations, **numbers)
        _BOUND[key] = tuple(bind_stage(loop, name, **bound) for loop in (recurrence.forward, recurrence.backward))
    return _BOUND[key]


class Recurrent(Layer):
    """A layer of one cell, reading `n_inputs` channels in one direction of time.

    `buffer_shapes` are the arrays that one thread writes.

    Parameters
    ----------
    cell : BaseCell
    n_inputs, n_hidden, n_state : int
        See `Sizes`.
    raw : bool, default=False
        Whether it puts out the first state of the cell instead of h.
    is_last : bool, default=False
        Whether only its state after the last step is made use of.
    recurrent_dropout, zoneout : float, default=0
    """

    def __init__(
        self, cell, n_inputs, n_hidden, n_state=None, *, raw=False, is_last=False, recurrent_dropout=0.0, zoneout=0.0
    ):
        self.cell, self.raw, self.is_last = cell, raw, is_last
        self.sizes = Sizes(n_inputs, n_hidden, n_state or n_hidden)
        self.recurrent_dropout, self.zoneout = recurrent_dropout, zoneout
        self.noisy = recurrent_dropout > 0 or zoneout > 0
        self.n_inputs, self.n_state, self.n_states = n_inputs, self.sizes.n_state, len(cell.states)
        self.shapes = cell.shapes(self.sizes)
        self.fed = np.array([*cell.fed_by("h", self.sizes), *cell.fed_by("x", self.sizes)])
        self.n_columns = cell.n_columns(self.sizes)
        self.n_rows = self.n_state + 1 + n_inputs
        first, u0 = (len(cell.inner) - cell.n_shared) * n_hidden, self.n_columns - self.n_state
        numbers = self.n_state, n_inputs, n_hidden, first, u0, cell.blocks(self.sizes), self.fed
        self._size = tuple(recurrence.Size(*numbers))
        no_block = np.zeros((0, 4), np.int64)
        self._size_without_weights = tuple(recurrence.Size(*numbers)._replace(blocks=no_block))

    @property
    def output(self):
        """The buffer whose rows hold what the layer puts out, and the final states of sequences among them."""
        return "S" if self.raw else "R" if self.noisy else "Z"

    @cached_property
    def _pieces(self):
        return list(self.cell.public_pieces(self.sizes))

    @cached_property
    def kernels(self):
        return bound_to(self.cell, self.raw, self.noisy)

    # ---------------------------------------------------------------------------------------------------- weights
    def initialize(self, weights, rng, scheme):
        H, cell = self.n_state, self.cell
        for gate in cell.gates:
            for public, piece in self._pieces:
                if piece.gate != gate:
                    continue
                view = weights[piece.name][..., public]
                if piece.name in {"b", "b_y", "b_h"}:
                    view[...] = cell.initial_bias.get(gate, 0.0) if piece.name == "b" else 0.0
                else:
                    view[...] = (scheme.recurrent if piece.name == "W_h" else scheme.inputs)(rng, *view.shape)
        if scheme.biases is not None:
            remembered = scheme.biases(rng, H, scheme.n_steps)
            for gate, sign in cell.remembers.items():
                weights["b"][cell.public_columns(self.sizes, "b")[gate]] = sign * remembered
        for name in cell.vectors:
            weights[name][...] = cell.initial_vectors(rng, name, weights[name].shape, scheme.n_steps, self.is_last)

    def packed_shapes(self):
        """W for the products of the forward pass, transposes for the way back, and the weights of single units."""
        h0, h1, x0, x1 = self.fed
        _, n_hidden, n_state = self.sizes
        shapes = {"W": (self.n_rows, self.n_columns), "W_hT": (h1 - h0, n_state), "W_xT": (x1 - x0, self.n_inputs)}
        if self.cell.inner:
            shapes |= {"W_u": (n_hidden, n_state), "W_uT": (n_state, n_hidden)}
        return shapes | {"p": (1, sum(self.cell.vectors.values()) * n_state)}

    def packing(self, weights, packed):
        starts = {"W_hT": self.fed[0], "W_xT": self.fed[2], "W_uT": 0}
        for public, piece in self._pieces:
            view = np.atleast_2d(weights[piece.name])[:, public]
            yield view, packed[piece.matrix][piece.rows, piece.columns]
            transposed = f"{piece.matrix}T" if piece.matrix == "W_u" else f"{piece.name}T"
            if transposed in starts:
                first = starts[transposed]
                yield view.T, packed[transposed][piece.columns.start - first : piece.columns.stop - first, : len(view)]
        yield from self._vectors(weights, packed["p"])

    def unpacking(self, packed_gradient, gradients):
        for public, piece in self._pieces:
            view = np.atleast_2d(gradients[piece.name])[:, public]
            yield packed_gradient[f"d{piece.matrix}"][piece.rows, piece.columns], view
        for view, packed in self._vectors(gradients, packed_gradient["dp"]):
            yield packed, view

    def _vectors(self, weights, packed):
        start = 0
        for name, number in self.cell.vectors.items():
            for row in np.atleast_2d(weights[name])[:number]:
                yield row, packed[0, start : start + self.n_state]
                start += self.n_state

    def gradient_shapes(self):
        """The gradient of W, W_u and p of `packed_shapes`."""
        return {f"d{name}": shape for name, shape in self.packed_shapes().items() if name in {"W", "W_u", "p"}}

    # ------------------------------------------------------------------------------------------------------ a shard
    def buffer_shapes(self, n_rows, n_steps, n_sequences, training):
        """Arrays for a shard of so many sequences, steps, and rows (steps + 1 each); see `kernels.recurrence`."""
        N, H, Q = n_sequences, self.n_state, self.sizes.n_hidden
        n_gates = n_rows if training else N
        shapes = {"Z": (n_rows, self.n_rows), "S": (n_rows, self.n_states * H), "A": (n_gates, self.n_columns)}
        if self.cell.inner:
            shapes["U"] = n_gates, Q
        if self.noisy:
            shapes |= {"R": (n_rows, H), "M": (N, H), "K": (n_steps if training else 1, (1 + self.n_states) * H)}
        if training:
            shapes |= {"dh": (N, H), "ds": (N, self.n_states * H)}
            if self.cell.inner:
                shapes |= {"du": (N, Q), "e": (N, self.cell.n_shared * H)}
            if self.noisy:
                shapes["dz"] = N, H
        return shapes

    def start(self, buffers, given, plan):
        """Instructions that set the states before the first step, which are 0 so far, to those `given` (None: 0)."""
        if given is not None:
            Z, S = buffers["Z"], buffers["S"]
            M, R = (buffers["M"], buffers["R"]) if self.noisy else (Z, Z)
            what = given, plan.n_sequences, self.n_state, self.n_states, M, self.noisy, Z, S, R
            yield Instruction("start", start_states, what)
        elif self.noisy:
            yield Instruction("start", clear_rows, (buffers["R"], 0, plan.n_sequences))

    def final(self, buffers, final, plan, column=0):
        """Instructions that fill `final` with the states after each sequence's last step, as `start` takes them.

        column : of `final`, where they begin.
        """
        H = self.n_state
        h = buffers["R" if self.noisy else "Z"]
        yield Instruction("final h", last_states, (h, plan.starts, H, final, column))
        if self.n_states:
            what = buffers["S"], plan.starts, self.n_states * H, final, column + H
            yield Instruction("final states", last_states, what)

    def forward(self, packed, buffers, plan, Y, rows, column, *, training):
        """Instructions for the time loop over inputs that stand in ``buffers["Z"]``; put out into Y unless it is None.

        rows: for each live row, the row of Y that belongs to it; column: where in Y the output begins.
        """
        outputs = buffers["Z"] if Y is None else Y, rows, column, Y is not None
        arrays, weights = buffers.of(recurrence.Arrays), packed.of(recurrence.Weights)
        yield Instruction("forward", self.kernels[0], (arrays, weights, self._size, plan.starts, outputs, training))

    @property
    def n_carried(self):
        """Numbers that a sequence takes from one step to the next: [h, others]."""
        return (1 + self.n_states) * self.n_state

    def initial_slopes(self, buffers, plan, out):
        """Instructions that fill `out` with the gradients of the states before the first step, behind `backward`."""
        arrays, sizes = self._slopes(buffers), (self.n_state, self.n_states * self.n_state)
        M = buffers["M"] if self.noisy else buffers["Z"]
        what = *arrays, M, self.noisy, plan.n_sequences, sizes, out
        yield Instruction("initial slopes", store_state_slopes, what)

    def final_slopes(self, buffers, plan, source, column):
        """Instructions that give the states after the last steps the gradients in columns of `source`."""
        arrays, sizes = self._slopes(buffers), (self.n_state, self.n_states * self.n_state)
        what = source, column, plan.n_sequences, sizes, *arrays, self.noisy
        yield Instruction("final slopes", load_state_slopes, what)

    def _slopes(self, buffers):
        return buffers["dh"], buffers["ds"], buffers["dz" if self.noisy else "dh"]

    def start_backward(self, buffers, plan, d_last, column):
        """Instructions that set gradients of final states: of the output to columns of `d_last` (None: 0), others to 0.

        Those of the first ``plan.n_known`` sequences are left as they stand: `backward` has put them there, as the
        gradients of the initial states of the segment behind.
        """
        output, ended = "ds" if self.raw else "dh", (plan.n_known, plan.n_sequences)
        for name in ("dh", *(["ds"] if self.n_states else []), *(["dz"] if self.noisy else [])):
            if name == output and d_last is not None:
                yield Instruction(f"start {name}", copy_rows, (d_last, column, *ended, self.n_state, buffers[name]))
            else:
                yield Instruction(f"start {name}", clear_rows, (buffers[name], *ended))

    def backward(self, packed, buffers, plan, dY, rows, column, mode, dX, gradient):
        """Instructions for back-propagation through time from dY, unless it is None, and ``buffers["dh"]``, ``["ds"]``.

        Fills `gradient`, if the mode wants that of weights, and dX with the gradients of the inputs unless it is None.
        Afterwards ``buffers["dh"]``, ``buffers["ds"]`` and for noise ``buffers["dz"]`` hold the gradients of the states
        before the first step.
        """
        if self.cell.vectors:
            yield Instruction("clear dp", clear_rows, (gradient["dp"], 0, 1))
        any_array = buffers["Z"]
        what = (
            buffers.of(recurrence.Arrays),
            buffers.of(recurrence.Slopes),
            packed.of(recurrence.Weights),
            gradient.of(recurrence.Gradient),
            self._size if mode.weight_gradient else self._size_without_weights,
            plan.starts,
            (any_array if dY is None else dY, rows, column, dY is not None),
            mode.keeps_outputs,
            any_array if dX is None else dX,
            dX is not None,
        )
        yield Instruction("back", self.kernels[1], what)
