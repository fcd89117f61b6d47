"""A level of a stack: recurrent layers in one direction or both, then normalisation and the residual sum."""

from ...kernels.batches import add_rows, load_rows
from ...kernels.masks import dropout_mask, zoneout_mask
from .normalization import Normalization
from .recurrent import Recurrent

INPUT, STATE, KEPT = range(3)  # what a mask is for; part of its key


class Level:
    """Level `number` of the stack that a structure describes.

    Its layers have names, ``"forward"``, ``"backward"`` and ``"norm"``; weights, packed weights, gradients and buffers
    of a layer are held under ``"layers.{number}.{name}"``.

    Parameters
    ----------
    structure : Structure
    number : int
    n_inputs : int
        Channels that it reads.
    """

    def __init__(self, structure, number, n_inputs):
        self.number, self.n_inputs = number, n_inputs
        self._names = {name: f"layers.{number}.{name}" for name in ("forward", "backward", "norm", "input", "output")}
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
    def forward(self, packed, buffers, X, rows, plan, mode, noise, initial):
        """Run a shard; its outputs are kept if it or the mode `keeps_outputs`.

        X, rows: for each direction, what it reads, and the row of it for each live row. initial: for each direction,
        the states to start from.
        """
        starts = plan.starts
        Y = self.outputs(buffers) if self.keeps_outputs or mode.keeps_outputs else None
        has_mask = noise is not None and self.dropout > 0
        mask = self._group(buffers, "input")["M"] if has_mask else X  # any array of the right type will do
        self._draw_masks(buffers, starts, noise, plan.segment.first_steps)
        for name, layer in self.directions.items():
            weights, arrays = self._group(packed, name), self._group(buffers, name)
            Z, S, H = arrays["Z"], arrays["S"], layer.n_state
            load_rows(X, rows[name], self.n_inputs, mask, has_mask, starts, Z, S, H, layer.n_states)
            layer.start(arrays, starts[1], initial and initial[name])
            layer.forward(weights, arrays, starts, Y, plan.order[name], self.columns[name], training=mode.training)
        n_steps = starts[-1] - starts[1]
        if self.normalization:
            self.normalization.forward(self._group(packed, "norm"), self._group(buffers, "norm"), Y, n_steps)
        if self.residual:
            Y[:n_steps, : self.n_outputs] += X[:n_steps, : self.n_outputs]

    def backward(self, packed, buffers, plan, gradient, mode, dX, has_dY):
        """Gradients of a shard: from those of the outputs if `has_dY`, and from those of final states.

        dX: where the gradients of what was read go, in live rows; None: nowhere.
        """
        starts = plan.starts
        n_steps = starts[-1] - starts[1]
        dY = self.output_gradients(buffers) if has_dY else None
        accumulate = self.residual
        if self.residual:
            dX[:n_steps, : self.n_outputs] = dY[:n_steps, : self.n_outputs]
        if self.normalization:
            weights, arrays, slopes = (self._group(arena, "norm") for arena in (packed, buffers, gradient))
            self.normalization.backward(weights, arrays, dY, n_steps, slopes)
        scratch = None if dX is None else self._group(buffers, "input")["dX"]
        mask = self._group(buffers, "input").get("M", scratch)
        for name, layer in self.directions.items():
            weights, arrays, slopes = (self._group(arena, name) for arena in (packed, buffers, gradient))
            order, column = plan.order[name], self.columns[name]
            layer.backward(weights, arrays, starts, dY, order, column, mode.keeps_outputs, scratch, slopes)
            if dX is not None:
                has_mask = mode.noisy and self.dropout > 0
                add_rows(scratch, plan.order[name], self.n_inputs, mask, has_mask, starts, dX, accumulate)
                accumulate = True

    def final_outputs(self, buffers):
        """For each direction, the array with the output after each sequence's last step, its width, its column."""
        for name, layer in self.directions.items():
            yield self._group(buffers, name)[layer.output], layer.n_state, self.columns[name]

    def final_states(self, buffers, starts):
        """For each direction the states after each sequence's last step, (1 + n_states, n_sequences, n_units)."""
        return {name: layer.final(self._group(buffers, name), starts) for name, layer in self.directions.items()}

    def start_backward(self, buffers, n_sequences, d_last=None, n_known=0):
        """Set the gradients of the final states to those of the outputs there, or to 0; the first `n_known` stand."""
        for name, layer in self.directions.items():
            layer.start_backward(self._group(buffers, name), n_sequences, d_last, self.columns[name], n_known)

    def _draw_masks(self, buffers, starts, noise, first_steps):
        """Draw the masks of a shard, or without `noise` set the expectations of those of states."""
        for k, (name, layer) in enumerate(self.directions.items()):
            arrays, width = self._group(buffers, name), (1 + layer.n_states) * layer.n_state
            if layer.noisy and noise is None:
                arrays["M"][: starts[1]], arrays["K"][:] = 1, layer.zoneout
            elif layer.noisy:
                keys = noise.key(self.number, STATE, k), noise.key(self.number, KEPT, k)
                dropout_mask(keys[0], noise.identities, layer.recurrent_dropout, layer.n_state, arrays["M"])
                zoneout_mask(keys[1], noise.identities, layer.zoneout, width, starts, arrays["K"], first_steps)
        if noise is not None and self.dropout:
            mask = self._group(buffers, "input")["M"]
            dropout_mask(noise.key(self.number, INPUT), noise.identities, self.dropout, self.n_inputs, mask)
