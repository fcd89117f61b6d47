"""A head: from the outputs of the top level of a stack to raw predictions."""

from ..kernels.batches import last_states
from ..kernels.masks import dropout_mask
from .arena import prefixed
from .layers.pooling import get_pooling
from .layers.readout import Readout


def head_of(structure, stack):
    """The head that a structure describes."""
    has_readout = structure.n_outputs and not structure.puts_out_predictions
    return ReadoutHead(structure, stack) if has_readout else Head(structure, stack)


class Head:
    """Raw predictions are the pooled outputs: of a network whose top level puts out predictions, or that has none.

    Those of a shard are the first rows of ``buffers.group("pooled")["raw"]``, one for each sequence, or for each live
    row where the pooling keeps the steps.

    Parameters
    ----------
    structure : Structure
    stack : Stack

    Attributes
    ----------
    layers : dict of str to Layer
        What has weights, by the first part of the weights' names.
    pooling : Pooling
    readout : Readout or None
    """

    readout = None

    def __init__(self, structure, stack):
        self.top, self.n_top_units, self.n_outputs = stack.levels[-1], stack.n_top_units, structure.n_outputs
        self.dropout, self.number = structure.dropout, len(stack.levels)
        n_backward = self.n_top_units // 2 if structure.bidirectional else 0
        self.pooling = get_pooling(structure.pooling, self.n_top_units, n_backward)
        self.layers = {"pooling": self.pooling} if self.pooling.shapes else {}

    def start_at(self, raw, weights):
        """Set the biases among the named `weights`, so that raw predictions start near `raw`."""
        if self.n_outputs:
            weights[f"layers.{self.top.number}.forward.b_y"][...] = raw

    def buffer_shapes(self, n_steps, n_sequences, mode):
        """Arrays for a shard."""
        H, K, N = self.n_top_units, self.n_outputs, n_sequences
        P = n_steps if self.pooling.keeps_steps else N
        shapes = {"pooled.h": (P, H + 1), "pooled.raw": (P, K)}
        if mode.training:
            shapes |= {"pooled.dh": (P, H), "pooled.d_raw": (P, K)}
        if mode.training and self.dropout:
            shapes["pooled.M"] = N, H
        return shapes | prefixed([("pooling", self.pooling.buffer_shapes(n_steps, N, mode.training))])

    def prepare(self, buffers):
        """Set what all shards leave as it is."""
        buffers.group("pooled")["h"][:, self.n_top_units] = 1  # for the biases of the readout

    def pool(self, packed, buffers, plan):
        """Pool the outputs of the top level; of a segment, into what those before it have left."""
        pooled = buffers.group("pooled")["h"]
        if self.top.keeps_outputs:
            weights, scratch, Y = packed.group("pooling"), buffers.group("pooling"), self.top.outputs(buffers)
            self.pooling.forward(weights, scratch, Y, plan.starts, pooled, plan.segment)
        else:
            for states, H, column in self.top.final_outputs(buffers):
                last_states(states, plan.starts, H, pooled, column)

    def read_out(self, packed, buffers, plan, noise):
        """Raw predictions of the sequences of `plan`, from their pooled outputs."""
        arrays, n_rows = buffers.group("pooled"), self.pooling.n_rows(plan.starts)
        arrays["raw"][:n_rows, : self.n_outputs] = arrays["h"][:n_rows, : self.n_outputs]

    def backward_read_out(self, packed, buffers, plan, gradient, mode):
        """The way back of `read_out`, from ``d_raw`` to the gradients of pooled outputs."""
        arrays, n_rows = buffers.group("pooled"), self.pooling.n_rows(plan.starts)
        arrays["dh"][:n_rows, : self.n_top_units] = arrays["d_raw"][:n_rows, : self.n_top_units]

    def backward_pool(self, packed, buffers, plan, gradient, mode):
        """The way back of `pool`, into the gradients of the outputs of the top level.

        Returns those of the outputs after the last steps, if no others are kept, else None.
        """
        arrays = buffers.group("pooled")
        if self.top.keeps_outputs:
            self.pooling.backward(
                *(packed.group("pooling"), buffers.group("pooling"), self.top.outputs(buffers), plan.starts),
                *(arrays["h"], arrays["dh"], self.top.output_gradients(buffers), gradient.group("pooling")),
                plan.segment,
            )
            return None
        if mode.keeps_outputs:
            self.top.output_gradients(buffers)[:] = 0
        return arrays["dh"]


class ReadoutHead(Head):
    """Raw predictions are affine in the pooled outputs."""

    def __init__(self, structure, stack):
        super().__init__(structure, stack)
        self.readout = self.layers["readout"] = Readout(self.n_top_units, self.n_outputs)

    def start_at(self, raw, weights):
        weights["readout.b"][...] = raw

    def read_out(self, packed, buffers, plan, noise):
        arrays = buffers.group("pooled")
        if self.dropout and noise is not None:
            M = arrays["M"]
            dropout_mask(noise.key(self.number), noise.identities, self.dropout, self.n_top_units, M)
            self.pooling.mask(arrays["h"], M, plan.starts)
        self.readout.forward(packed.group("readout"), arrays["h"], arrays["raw"], self.pooling.n_rows(plan.starts))

    def backward_read_out(self, packed, buffers, plan, gradient, mode):
        arrays, n_rows = buffers.group("pooled"), self.pooling.n_rows(plan.starts)
        self.readout.backward(
            *(packed.group("readout"), arrays["h"], arrays["d_raw"], arrays["dh"], gradient.group("readout"), n_rows)
        )
        if self.dropout and mode.noisy:
            self.pooling.mask(arrays["dh"], arrays["M"], plan.starts)
