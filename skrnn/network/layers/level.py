"""A level of a stack: recurrent layers in one direction or both, then normalisation and the residual sum."""

from ...kernels.batches import add_rows, load_rows
from ...kernels.masks import draw_dropout, draw_zoneout, threshold_of
from ...kernels.program import Instruction
from ...kernels.rows import add_to_rows, copy_rows, fill_rows
from .normalization import Normalization
from .recurrent import Recurrent

INPUT, STATE, KEPT = range(3)  # what a mask is for; part of its key


class Level:
    """Level `number` of the stack that a structure describes.

    Its layers have names, ``"forward"``, ``"backward"`` and ``"norm"``; weights, packed weights, gradients and buffers
    of a layer are held under ``"{prefix}layers.{number}.{name}"``.

    Parameters
    ----------
    structure : Structure
    number : int
    n_inputs : int
        Channels that it reads.
    prefix : str, default=""
    n_below : int, default=0
        Levels of other stacks, whose masks have other keys.
    """

    def __init__(self, structure, number, n_inputs, prefix="", n_below=0):
        self.number, self.n_inputs, self._key = number, n_inputs, n_below + number
        names = "forward", "backward", "norm", "input", "output"
        self._names = {name: f"{prefix}layers.{number}.{name}" for name in names}
        H, is_last = structure.hidden_layer_sizes[number], number == len(structure.hidden_layer_sizes) - 1
        raw = is_last and structure.puts_out_predictions
        n_state = structure.n_outputs if raw else H
        self.directions = {
            name: Recurrent(
                structure.cell,
                n_inputs,
                H,
                n_state,
                raw=raw,
                is_last=is_last and structure.pooling == "last",
                recurrent_dropout=structure.recurrent_dropout,
                zoneout=structure.zoneout,
            )
            for name in ("forward", "backward")[: 1 + structure.bidirectional]
        }
        self.n_outputs = n_state * len(self.directions)
        self.columns = {name: k * n_state for k, name in enumerate(self.directions)}
        self.normalization = Normalization(self.n_outputs) if structure.layer_norm else None
        self.residual = structure.residual and number > 0
        self.dropout = structure.dropout if number > 0 else structure.input_dropout
        self.reads_values = number == 0 and not structure.has_front
        # The states after the last step are at hand in any case; other outputs have to be kept.
        self.keeps_outputs = not is_last or structure.pooling != "last" or structure.layer_norm or self.residual

    def layers(self):
        """Pairs of a name and a layer."""
        yield from self.directions.items()
        if self.normalization:
            yield "norm", self.normalization

    def buffer_shapes(self, n_steps, n_sequences, mode):
        """Arrays for a shard, by the names of layers and arrays."""
        shapes, n_rows, training = {}, n_steps + n_sequences, mode.training
        for name, layer in self.directions.items():
            sizes = layer.buffer_shapes(n_rows, n_steps, n_sequences, training)
            shapes |= {f"{name}.{array}": shape for array, shape in sizes.items()}
        if self.normalization:
            sizes = self.normalization.buffer_shapes(n_steps, n_sequences, training)
            shapes |= {f"norm.{array}": shape for array, shape in sizes.items()}
        if self.keeps_outputs or mode.keeps_outputs:
            shapes |= {f"output.{name}": (n_steps, self.n_outputs) for name in ("Y", "dY")[: 1 + training]}
        if training and (mode.input_gradient or not self.reads_values):
            shapes["input.dX"] = n_rows, self.n_inputs
        if training and self.dropout:
            shapes["input.M"] = n_sequences, self.n_inputs
        return shapes

    def _group(self, arena, name):
        return arena.group(self._names[name])

    def outputs(self, buffers):
        """The array of outputs in live rows, None if they are not kept."""
        return self._group(buffers, "output").get("Y")

    def output_gradients(self, buffers):
        """The array of their gradients."""
        return self._group(buffers, "output")["dY"]

    # ---------------------------------------------------------------------------------------------------- a shard
    def forward(self, shard, X, rows, given):
        """Instructions for a shard; its outputs are kept if it or the mode `keeps_outputs`.

        X, rows: what it reads, and for each direction the row of it for each live row. given: arena of states to start
        from.
        """
        packed, buffers, plan, mode = shard.packed, shard.buffers, shard.plan, shard.mode
        Y = self.outputs(buffers) if self.keeps_outputs or mode.keeps_outputs else None
        has_mask = mode.noisy and self.dropout > 0
        mask = self._group(buffers, "input")["M"] if has_mask else X  # any array of the right type will do
        yield from self._draw_masks(shard)
        for name, layer in self.directions.items():
            weights, arrays = self._group(packed, name), self._group(buffers, name)
            what = X, rows[name], self.n_inputs, mask, has_mask, plan.starts
            yield self._named(name, Instruction("load rows", load_rows, (*what, *_start_of(layer, arrays))))
            states = None if given is None else given.arrays[self._names[name]]
            yield from self._all_named(name, layer.start(arrays, states, plan))
            steps = layer.forward(
                weights, arrays, plan, Y, plan.order[name], self.columns[name], training=mode.training
            )
            yield from self._all_named(name, steps)
        if self.normalization:
            arrays = self._group(buffers, "norm")
            steps = self.normalization.forward(self._group(packed, "norm"), arrays, Y, plan.n_live)
            yield from self._all_named("output", steps)
        if self.residual:
            what = X, 0, plan.n_live, self.n_outputs, Y
            yield self._named("output", Instruction("residual", add_to_rows, what))

    def backward(self, shard, dX, has_dY):
        """Instructions for gradients of a shard: from those of the outputs if `has_dY`, and those of final states.

        dX: where the gradients of what was read go, in live rows; None: nowhere.
        """
        packed, buffers, plan, mode = shard.packed, shard.buffers, shard.plan, shard.mode
        dY = self.output_gradients(buffers) if has_dY else None
        accumulate = self.residual
        if self.residual:
            what = dY, 0, 0, plan.n_live, self.n_outputs, dX
            yield self._named("output", Instruction("residual back", copy_rows, what))
        if self.normalization:
            weights, arrays, slopes = (self._group(arena, "norm") for arena in (packed, buffers, shard.gradient))
            steps = self.normalization.backward(weights, arrays, dY, plan.n_live, slopes)
            yield from self._all_named("output", steps)
        scratch = None if dX is None else self._group(buffers, "input")["dX"]
        mask = self._group(buffers, "input").get("M", scratch)
        for name, layer in self.directions.items():
            weights, arrays, slopes = (self._group(arena, name) for arena in (packed, buffers, shard.gradient))
            order, column = plan.order[name], self.columns[name]
            steps = layer.backward(weights, arrays, plan, dY, order, column, mode, scratch, slopes)
            yield from self._all_named(name, steps)
            if dX is not None:
                has_mask = mode.noisy and self.dropout > 0
                what = scratch, plan.order[name], self.n_inputs, mask, has_mask, plan.starts, dX, accumulate
                yield self._named(name, Instruction("add rows", add_rows, what))
                accumulate = True

    def final_outputs(self, buffers):
        """For each direction, the array with the output after each sequence's last step, its width, its column."""
        for name, layer in self.directions.items():
            yield self._group(buffers, name)[layer.output], layer.n_state, self.columns[name]

    def name_of(self, direction):
        """Under which the arrays of a direction are held."""
        return self._names[direction]

    def final_states(self, shard, final):
        """Instructions that bring the states after each sequence's last step into the arena `final`."""
        for name, layer in self.directions.items():
            steps = layer.final(self._group(shard.buffers, name), final.arrays[self._names[name]], shard.plan)
            yield from self._all_named(name, steps)

    def start_backward(self, shard, d_last=None):
        """Instructions that set the gradients of final states to those of the outputs there, or to 0."""
        for name, layer in self.directions.items():
            steps = layer.start_backward(self._group(shard.buffers, name), shard.plan, d_last, self.columns[name])
            yield from self._all_named(name, steps)

    def _draw_masks(self, shard):
        """Instructions that draw the masks of a shard, or set the expectations of those of states."""
        plan, keys, noisy = shard.plan, shard.keys, shard.mode.noisy
        for k, (name, layer) in enumerate(self.directions.items()):
            arrays = self._group(shard.buffers, name)
            if layer.noisy and not noisy:
                yield self._named(name, Instruction("no mask", fill_rows, (arrays["M"], 0, plan.n_sequences, 1.0)))
                n_rows = plan.n_live if shard.mode.training else 1
                yield self._named(name, Instruction("mean mask", fill_rows, (arrays["K"], 0, n_rows, layer.zoneout)))
            elif layer.noisy:
                out, threshold = arrays["M"], threshold_of(layer.recurrent_dropout)
                what = *keys.of(self._key, STATE, k), plan.sequences, threshold
                rest = 1 / (1 - layer.recurrent_dropout), layer.n_state, out
                yield self._named(name, Instruction("dropout mask", draw_dropout, (*what, *rest)))
                what = *keys.of(self._key, KEPT, k), plan.sequences, threshold_of(layer.zoneout)
                width = (1 + layer.n_states) * layer.n_state
                rest = width, plan.starts, plan.segment.first_steps, arrays["K"]
                yield self._named(name, Instruction("zoneout mask", draw_zoneout, (*what, *rest)))
        if noisy and self.dropout:
            what = *keys.of(self._key, INPUT), plan.sequences, threshold_of(self.dropout), 1 / (1 - self.dropout)
            mask = self._group(shard.buffers, "input")["M"]
            yield self._named("input", Instruction("dropout mask", draw_dropout, (*what, self.n_inputs, mask)))

    def _named(self, name, instruction):
        return instruction._replace(name=f"{self._names[name]}: {instruction.name}")

    def _all_named(self, name, instructions):
        return (self._named(name, each) for each in instructions)


def _start_of(layer, arrays):
    """The last arguments of `load_rows`."""
    return arrays["Z"], arrays["S"], layer.n_state, layer.n_states
