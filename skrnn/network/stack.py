"""A stack: the fronts that sequences go through, and the levels of recurrent layers, one over the other."""

from .arena import prefixed
from .carry import Carry
from .layers.convolution import Convolution
from .layers.decay import Decay
from .layers.embedding import Embedding
from .layers.level import Level
from .plan import Planner


class Stack:
    """From the values of sequences to the outputs of the top level.

    Parameters
    ----------
    structure : Structure

    Attributes
    ----------
    layers : dict of str to Layer
        What has weights, by the first part of the weights' names.
    fronts : dict of str to Front
    levels : list of Level
    n_top_units : int
        Columns of the outputs of the top level, both directions together.
    planner : Planner
    in_segments : bool
        Whether sequences may come in segments of steps, each from the states that the one before has left.
    """

    def __init__(self, structure):
        self.fronts, n_below = _fronts(structure)
        self.layers, self.levels = dict(self.fronts), []
        for number in range(len(structure.hidden_layer_sizes)):
            level = Level(structure, number, n_below)
            self.layers |= {f"layers.{number}.{name}": layer for name, layer in level.layers()}
            self.levels.append(level)
            n_below = level.n_outputs
        self.n_top_units, self.planner = n_below, Planner(structure)
        conv = structure.convolution
        self.in_segments = not structure.bidirectional and (conv is None or conv.width == conv.stride == 1)
        recurrent = [layer for level in self.levels for layer in level.directions.values()]
        self._carried = {
            (level.number, name): [f"layers.{level.number}.{name}.{state}" for state in ("h", *layer.cell.states)]
            for level in self.levels
            for name, layer in level.directions.items()
        }
        self.n_columns = max(layer.n_columns for layer in recurrent)  # of the pre-activations of a step
        self.n_carried = sum((1 + layer.n_states) * layer.n_state for layer in recurrent)  # between two steps

    def buffer_shapes(self, n_steps, n_sequences, mode):
        """Arrays for a shard."""
        shapes = prefixed(
            (f"layers.{level.number}", level.buffer_shapes(n_steps, n_sequences, mode)) for level in self.levels
        )
        if mode.training and mode.input_gradient and not self.fronts:
            shapes["inputs.dX"] = n_steps, self.levels[0].n_inputs
        sizes = n_steps, n_sequences, mode.training
        return shapes | prefixed((name, front.buffer_shapes(*sizes)) for name, front in self.fronts.items())

    def input_gradients(self, buffers):
        """The gradients of what the lowest level reads, in live rows, where the mode asked for them."""
        return buffers.group(next(reversed(self.fronts)))["dY"] if self.fronts else buffers.group("inputs").get("dX")

    def forward(self, packed, buffers, values, begins, lengths, plan, mode, noise, carry):
        """Run one shard up to the outputs of the top level: see `Network.run_stack`."""
        X, rows = values, plan.rows
        for name, front in self.fronts.items():
            front.forward(packed.group(name), buffers.group(name), X, rows, begins, lengths, plan)
            X, rows = buffers.group(name)["Y"], plan.order["forward"]
        by_direction = plan.order if self.fronts else _rows_of_values(plan)
        for level in self.levels:
            initial = carry and self._initial(level, carry)
            level.forward(packed, buffers, X, by_direction, plan, mode, noise, initial)
            X, by_direction = level.outputs(buffers), plan.order

    def _initial(self, level, carry):
        """For each direction of a level, h and the other states to start from."""
        names = {direction: self._carried[level.number, direction] for direction in level.directions}
        return {direction: [carry.arrays[name] for name in of_it] for direction, of_it in names.items()}

    def carry(self, buffers, plan):
        """States of all levels behind the last steps of `plan`."""
        arrays = {}
        for level in self.levels:
            for direction, states in level.final_states(buffers, plan.starts).items():
                arrays |= zip(self._carried[level.number, direction], states, strict=True)
        return Carry(arrays)

    def backward(self, packed, buffers, plan, gradient, mode, d_last, n_known):
        """The way back of `forward`, from the gradients of the outputs of the top level.

        d_last : the gradients of those after the last steps where no others are kept, else None; n_known : for how many
        sequences, the first ones, the gradients of the states behind the segment stand in the buffers, because that
        segment was the last one that went back through them.
        """
        self.levels[-1].start_backward(buffers, plan.starts[1], d_last, n_known)
        for level in reversed(self.levels):
            dX = self.input_gradients(buffers)
            if level.number > 0:
                below = self.levels[level.number - 1]
                below.start_backward(buffers, plan.starts[1], n_known=n_known)
                dX = below.output_gradients(buffers)
            has_dY = level.keeps_outputs or mode.keeps_outputs
            level.backward(packed, buffers, plan, gradient, mode, dX, has_dY)
        names = list(self.fronts)
        for k, name in reversed(list(enumerate(names))):
            dX = buffers.group(names[k - 1])["dY"] if k else None
            self.fronts[name].backward(packed.group(name), buffers.group(name), plan, gradient.group(name), dX)


def _rows_of_values(plan):
    """For each direction, the row of the values for each live row."""
    rows = {"forward": plan.rows}
    if "backward" in plan.order:
        rows["backward"] = plan.rows[plan.order["backward"]]
    return rows


def _fronts(structure):
    """What the sequences go through before the first layer, by name and in order; and the columns that come out."""
    n_columns, fronts = structure.n_inputs, {}
    if structure.convolution is not None:
        fronts["convolution"] = Convolution(structure.convolution, n_columns)
    if structure.decay:
        fronts["decay"] = Decay(n_columns, len(structure.embeddings))
    if structure.embeddings:
        n_read = fronts["decay"].n_outputs if structure.decay else n_columns
        fronts["embedding"] = Embedding(structure.embeddings, n_read, n_columns - n_read)
    return fronts, fronts[next(reversed(fronts))].n_outputs if fronts else n_columns
