"""Attention of a decoder to the outputs of an encoder, and what it makes of both."""

import numpy as np

from ...kernels import attention as kernels
from ...kernels.gemm import product, product_t
from ...kernels.program import Instruction
from ...kernels.rows import add_to_rows, clear_rows, copy_rows
from .layer import Layer


class Attention(Layer):
    """Each output h of a decoder becomes ``tanh([h, c] W_c + b_c)``, where c is a mean of the outputs E of the encoder.

    Scores of the steps are ``h . (E_t W_k) / sqrt(n_units)`` (dot product), or ``v . tanh(h W_q + b + E_t W_k)``
    (additive); c is the mean of E_t with the softmax of the scores as weights. The weights of the last shard stand in
    the buffer ``alpha``: in row u and the column of a live row of the encoder that of the step there for step u.

    Parameters
    ----------
    kind : {"additive", "dot"}
    n_units, n_source : int
        Columns of the outputs of decoder and encoder.
    """

    def __init__(self, kind, n_units, n_source):
        self.kind, self.n_units, self.n_source = kind, n_units, n_source
        self.is_additive = kind == "additive"
        H, E = n_units, n_source
        self.shapes = {"W_k": (E, H), "W_c": (H + E, H), "b_c": (H,)}
        if self.is_additive:
            self.shapes |= {"W_q": (H, H), "b": (H,), "v": (H,)}
        self._sizes = E, H, 1.0 if self.is_additive else float(1 / np.sqrt(H))

    def initialize(self, weights, rng, scheme):
        H, E = self.n_units, self.n_source
        weights["W_k"][...] = scheme.inputs(rng, E, H)
        weights["W_c"][...] = scheme.inputs(rng, H + E, H)
        if self.is_additive:
            weights["W_q"][...] = scheme.inputs(rng, H, H)
            weights["v"][...] = scheme.inputs(rng, H, 1)[:, 0]

    # ---------------------------------------------------------------------------------------------------- weights
    # The rows that products read are [h, 1, c]: a bias stands behind the rows of its matrix that h meets.
    def packed_shapes(self):
        """[W_h; b; W_c] where there is a bias, and transposes for the way back."""
        H, E = self.n_units, self.n_source
        shapes = {"W_k": (E, H), "W_kT": (H, E), "W_c": (H + 1 + E, H), "W_cT": (H, H + E), "v": (1, H)}
        return shapes | ({"W_q": (H + 1, H), "W_qT": (H, H)} if self.is_additive else {})

    def packing(self, weights, packed):
        yield from self._pairs(weights, packed)
        for name in ("W_k", "W_c", "W_q")[: 2 + self.is_additive]:
            rows, columns = self.shapes[name]
            yield weights[name].T, packed[f"{name}T"][:columns, :rows]

    def gradient_shapes(self):
        """Gradients in the shapes of packed weights."""
        return {f"d{name}": shape for name, shape in self.packed_shapes().items() if not name.endswith("T")}

    def unpacking(self, packed_gradient, gradients):
        for view, packed in self._pairs(gradients, packed_gradient, "d"):
            yield packed, view

    def _pairs(self, weights, packed, prefix=""):
        """Pairs of a view of named weights and one of packed ones, without transposes."""
        H, E = self.n_units, self.n_source
        yield weights["W_k"], packed[f"{prefix}W_k"][:E, :H]
        matrix = packed[f"{prefix}W_c"]
        yield weights["W_c"][:H], matrix[:H, :H]
        yield weights["b_c"], matrix[H, :H]
        yield weights["W_c"][H:], matrix[H + 1 : H + 1 + E, :H]
        if self.is_additive:
            matrix = packed[f"{prefix}W_q"]
            yield weights["W_q"], matrix[:H, :H]
            yield weights["b"], matrix[H, :H]
            yield weights["v"], packed[f"{prefix}v"][0, :H]

    # ---------------------------------------------------------------------------------------------------- a shard
    def source_shapes(self, n_steps, training):
        """Arrays for the steps of an encoder."""
        return dict.fromkeys(("K", "dK")[: 1 + training], (n_steps, self.n_units))

    def buffer_shapes(self, n_rows, n_longest, n_source_steps, training):
        """Arrays for `n_rows` steps of a decoder, up to `n_longest` of a sequence."""
        H, E = self.n_units, self.n_source
        shapes = {
            "X": (n_rows, H + E + 1),
            "Y": (n_rows, H),
            "scores": (1, n_source_steps),
            "alpha": (n_longest, n_source_steps),
        }
        if self.is_additive:
            shapes["Q"] = n_rows, H
        if training:
            shapes |= {"dX": (n_rows, H + E), "dQ": (n_rows, H)}
        return shapes

    def prepare(self, buffers):
        """Set what all shards leave as it is."""
        buffers["X"][:, self.n_units] = 1  # for biases

    def keys(self, packed, source, E, n_rows):
        """Instructions that find the keys of the outputs E of an encoder."""
        what = (source["K"], 0), (E, 0), (packed["W_k"], 0), n_rows, self.n_units, self.n_source, False
        yield Instruction("attention: keys", product, what)

    def forward(self, packed, buffers, source, E, starts, outputs, h, Y):
        """Instructions that make Y of the outputs h of a decoder.

        source : buffers of `keys`; starts : of the encoder; outputs : `Outputs`
        """
        H, size, X = self.n_units, self.n_source, buffers["X"]
        n_rows = outputs.plan.n_live
        yield Instruction("attention: copy", copy_rows, (h, 0, 0, n_rows, H, X))
        if self.is_additive:
            what = (buffers["Q"], 0), (X, 0), (packed["W_q"], 0), n_rows, H, H + 1, False
            yield Instruction("attention: queries", product, what)
        given = self._given(packed, buffers, source, E, starts, outputs)
        yield Instruction("attention: weights", kernels.forward[self.kind], (*given, X, H + 1))
        what = (Y, 0), (X, 0), (packed["W_c"], 0), n_rows, H, H + size + 1, False
        yield Instruction("attention: product", product, what)
        yield Instruction("attention: tanh", kernels.tanh_rows, (Y, n_rows, H))

    def _given(self, packed, buffers, source, E, starts, outputs):
        """The first arguments of the kernels of weights."""
        query = (buffers["Q"] if self.is_additive else buffers["X"]), outputs.plan.starts, outputs.sources
        return (E, source["K"], starts), query, packed["v"], self._sizes, buffers["alpha"], buffers["scores"]

    def backward(self, shard_groups, E, dE, plan, outputs, Y, dY, dh):
        """Instructions for the way back: from dY, which is used up, to dh and dE.

        shard_groups : packed weights, buffers, buffers of the source, gradients; plan : of the encoder
        """
        packed, buffers, source, gradient = shard_groups
        H, size, n_rows, n_steps = self.n_units, self.n_source, outputs.plan.n_live, plan.n_live
        X, dX, dQ, dK = buffers["X"], buffers["dX"], buffers["dQ"], source["dK"]
        yield Instruction("attention: tanh back", kernels.tanh_rows_back, (Y, dY, n_rows, H))
        what = (gradient["dW_c"], 0), (X, 0), (dY, 0), H + size + 1, H, n_rows, False
        yield Instruction("attention: gradient", product_t, what)
        what = (dX, 0), (dY, 0), (packed["W_cT"], 0), n_rows, H + size, H, False
        yield Instruction("attention: product back", product, what)
        for name, array, last in (("dE", dE, n_steps), ("dK", dK, n_steps), ("dv", gradient["dv"], 1)):
            yield Instruction(f"attention: clear {name}", clear_rows, (array, 0, last))
        given = self._given(packed, buffers, source, E, plan.starts, outputs)
        slopes = (dE, dK), dQ, gradient["dv"], dX, H
        yield Instruction("attention: weights back", kernels.backward[self.kind], (*given, *slopes))
        yield Instruction("attention: copy back", copy_rows, (dX, 0, 0, n_rows, H, dh))
        if self.is_additive:
            what = (gradient["dW_q"], 0), (X, 0), (dQ, 0), H + 1, H, n_rows, False
            yield Instruction("attention: gradient of queries", product_t, what)
            what = (dh, 0), (dQ, 0), (packed["W_qT"], 0), n_rows, H, H, True
            yield Instruction("attention: queries back", product, what)
        else:
            yield Instruction("attention: queries back", add_to_rows, (dQ, 0, n_rows, H, dh))
        what = (gradient["dW_k"], 0), (E, 0), (dK, 0), size, H, n_steps, False
        yield Instruction("attention: gradient of keys", product_t, what)
        what = (dE, 0), (dK, 0), (packed["W_kT"], 0), n_steps, size, H, True
        yield Instruction("attention: keys back", product, what)
