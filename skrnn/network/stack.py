"""A stack: the fronts that sequences go through, and the levels of recurrent layers, one over the other."""

from .arena import prefixed
from .carry import Carry
from .layers.convolution import Convolution
from .layers.decay import Decay
from .layers.embedding import Embedding
from .layers.level import Level


class Stack:
    """From the values of sequences to the outputs of the top level.

    Parameters
    ----------
    structure : Structure
    n_held : tuple of int, default=None
        See `Embedding`.
    prefix : str, default=""
        With which the names of its arrays begin.
    n_below : int, default=0
        Levels of other stacks of the network.

    Attributes
    ----------
    structure : Structure
    layers : dict of str to Layer
        What has weights, by the first part of the weights' names.
    fronts : dict of str to Front
    levels : list of Level
    n_top_units : int
        Columns of the outputs of the top level, both directions together.
    in_segments : bool
        Whether sequences may come in segments of steps, each from the states that the one before has left.
    """

    def __init__(self, structure, n_held=None, prefix="", n_below=0):
        self.structure, self._prefix = structure, prefix
        fronts, n_read = _fronts(structure, n_held)
        self.fronts = {prefix + name: front for name, front in fronts.items()}
        self.layers, self.levels = dict(self.fronts), []
        for number in range(len(structure.hidden_layer_sizes)):
            level = Level(structure, number, n_read, prefix, n_below)
            self.layers |= {level.name_of(name): layer for name, layer in level.layers()}
            self.levels.append(level)
            n_read = level.n_outputs
        self.n_top_units, conv = n_read, structure.convolution
        self.in_segments = not structure.bidirectional and (conv is None or conv.width == conv.stride == 1)
        recurrent = [layer for level in self.levels for layer in level.directions.values()]
        self._carried = {
            (level.number, name): [f"{level.name_of(name)}.{state}" for state in ("h", *layer.cell.states)]
            for level in self.levels
            for name, layer in level.directions.items()
        }
        self.n_columns = max(layer.n_columns for layer in recurrent)  # of the pre-activations of a step
        self.n_carried = sum(layer.n_carried for layer in recurrent)  # between two steps

    def buffer_shapes(self, n_steps, n_sequences, mode):
        """Arrays for a shard."""
        shapes = prefixed(
            (f"{self._prefix}layers.{level.number}", level.buffer_shapes(n_steps, n_sequences, mode))
            for level in self.levels
        )
        if mode.training and mode.input_gradient and not self.fronts:
            shapes[f"{self._prefix}inputs.dX"] = n_steps, self.levels[0].n_inputs
        sizes = n_steps, n_sequences, mode.training
        return shapes | prefixed((name, front.buffer_shapes(*sizes)) for name, front in self.fronts.items())

    def input_gradients(self, buffers):
        """The gradients of what the lowest level reads, in live rows, where the mode asked for them."""
        return buffers.group(next(reversed(self.fronts)))["dY"] if self.fronts else self._inputs(buffers).get("dX")

    def _inputs(self, buffers):
        return buffers.group(f"{self._prefix}inputs")

    def border_shapes(self, n_sequences):
        """Arrays for the states of all recurrent layers between two steps: rows of [h, others]."""
        return {
            level.name_of(name): (n_sequences, layer.n_carried)
            for level in self.levels
            for name, layer in level.directions.items()
        }

    def forward(self, shard, given, has_windows=False):
        """Instructions that run a shard up to the outputs of the top level, from the states in the arena `given`.

        has_windows : whether those of a convolution stand in its buffer already
        """
        plan, buffers = shard.plan, shard.buffers
        X, rows = plan.values, plan.rows
        for name, front in self.fronts.items():
            groups = shard.packed.group(name), buffers.group(name)
            if has_windows:
                yield from front.forward_from_windows(*groups, plan)
            else:
                yield from front.forward(*groups, X, rows.get("forward"), plan)
            X, rows = buffers.group(name)["Y"], plan.order
        for level in self.levels:
            yield from level.forward(shard, X, rows, given)
            X, rows = level.outputs(buffers), plan.order

    def final_states(self, shard, final):
        """Instructions that bring the states behind the last steps into the arena `final`."""
        for level in self.levels:
            yield from level.final_states(shard, final)

    def to_carry(self, borders, n_sequences):
        """The states in an arena of `border_shapes`, as a `Carry` of the first sequences."""
        return Carry({state: array.copy() for state, array in self.states_in(borders, n_sequences)})

    def from_carry(self, carry, borders, n_sequences):
        """Fill an arena of `border_shapes` with the states of a carry."""
        for state, array in self.states_in(borders, n_sequences):
            array[:] = carry.arrays[state][:n_sequences]

    def states_in(self, borders, n_sequences):
        """Pairs of a name and the states in an arena of `border_shapes`, of the first sequences."""
        for (number, direction), names in self._carried.items():
            level = self.levels[number]
            array, H = borders.arrays[level.name_of(direction)], level.directions[direction].n_state
            for k, state in enumerate(names):
                yield state, array[:n_sequences, k * H : (k + 1) * H]

    def backward(self, shard, d_last):
        """Instructions for the way back of `forward`, from the gradients of the outputs of the top level.

        d_last : the gradients of those after the last steps where no others are kept, else None.
        """
        buffers, gradient, mode = shard.buffers, shard.gradient, shard.mode
        yield from self.levels[-1].start_backward(shard, d_last)
        for level in reversed(self.levels):
            dX = self.input_gradients(buffers)
            if level.number > 0:
                below = self.levels[level.number - 1]
                yield from below.start_backward(shard)
                dX = below.output_gradients(buffers)
            yield from level.backward(shard, dX, level.keeps_outputs or mode.keeps_outputs)
        names = list(self.fronts)
        for k, name in reversed(list(enumerate(names))):
            dX = buffers.group(names[k - 1])["dY"] if k else None
            groups = shard.packed.group(name), buffers.group(name)
            yield from self.fronts[name].backward(*groups, shard.plan, gradient.group(name), dX)


def _fronts(structure, n_held):
    """What the sequences go through before the first layer, by name and in order; and the columns that come out."""
    n_columns, fronts = structure.n_inputs, {}
    if structure.convolution is not None:
        fronts["convolution"] = Convolution(structure.convolution, n_columns)
    if structure.decay:
        fronts["decay"] = Decay(n_columns, len(structure.embeddings))
    if structure.embeddings:
        n_read = fronts["decay"].n_outputs if structure.decay else n_columns
        fronts["embedding"] = Embedding(structure.embeddings, n_read, n_columns - n_read, n_held)
    return fronts, fronts[next(reversed(fronts))].n_outputs if fronts else n_columns
