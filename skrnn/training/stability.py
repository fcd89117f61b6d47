"""Whether parameters give finite predictions: by a bound, which costs next to nothing, else by predicting.

An update is known to be good when the loss of the next one is finite. After the last update of a call there is no next
one, so it is asked here. In a network of gates nothing can grow, and a bound on the sizes of weights and inputs settles
it; only where states can grow from step to step, or weights have exploded, the sequences go through the network.
"""

import math

import numpy as np

from ..cells import GRU, LSTM, MGU, Elman, IndRNN, Jordan, MinGRU
from ..network.codes import LabelSequenceLoss


def gives_finite_loss(predictor, loss, indices):
    """Whether the predictions of the sequences `indices`, and their loss, are finite."""
    network, theta, data = predictor.network, predictor.theta, predictor.data
    if not np.isfinite(theta).all():
        return False
    if is_bounded(network, theta, data.largest, int(network.n_steps(data.lengths[indices].max()))):
        return True
    raw = predictor.predict_raw(indices)
    if not np.isfinite(raw).all() or isinstance(loss, LabelSequenceLoss):  # which is finite where predictions are
        return bool(np.isfinite(raw).all())
    rows = data.target_rows(indices)
    weight = (data.row_weight[rows] / data.row_weight[rows].sum()).astype(network.dtype)
    value = loss.value_and_gradient(raw, network.n_outputs, data.target[rows], weight, np.empty_like(raw))
    return bool(np.isfinite(value))


def is_bounded(network, theta, largest, n_steps):
    """Whether no number on the way to predictions can overflow, nor the square of a prediction. False says nothing.

    largest : the largest absolute value that the network reads; n_steps : those of the longest sequence.

    Numbers are bounded by powers of two. `s` is that of the absolute weights of a unit, summed; by it grows whatever is
    multiplied by weights. Cells of gates put out 1 at most, Jordan networks and normalisation s, and where a state can
    grow from step to step, the growths of all steps are multiplied.
    """
    if network.structure.decoder is not None:
        return False
    shapes, steps = network.layout.shapes, math.log2(n_steps)
    n_summed = 4 + 2 * max(shape[0] for name, shape in shapes.items() if not name.startswith("embedding"))
    s = math.log2(1 + math.sqrt(n_summed) * float(np.linalg.norm(theta)))
    read = math.log2(1 + largest) + (s if network.stack.fronts else 0)
    highest = read
    for level, growth in zip(network.stack.levels, _growths(network, theta), strict=True):
        side_by_side = math.log2(level.n_outputs) / 2
        summed = s + max(read, s, steps)
        put_out = s if growth == 0 else summed + steps + n_steps * math.log2(max(1.0, growth)) + side_by_side
        highest = max(highest, summed, put_out)
        if level.normalization:
            highest, put_out = max(highest, 2 * (put_out + side_by_side)), s + side_by_side
        read = 1 + max(put_out, read) if level.residual else put_out
    return bool(max(highest, 2 * (s + read + steps)) + 4 < np.finfo(network.dtype).maxexp)


def _growths(network, theta):
    """For each layer by what its state may grow in a step; 0 if it is bounded, infinity if nothing is known."""
    cell = network.structure.cell
    if type(cell) in (GRU, LSTM, MGU) or (type(cell) in (Elman, IndRNN, Jordan) and cell.activation == "tanh"):
        return [0.0] * len(network.stack.levels)
    if type(cell) is MinGRU:
        return [1.0] * len(network.stack.levels)
    if type(cell) is not IndRNN:
        return [np.inf] * len(network.stack.levels)
    weights = network.layout.views(theta)
    names = [[f"layers.{level.number}.{name}.w_h" for name in level.directions] for level in network.stack.levels]
    return [max(float(np.abs(weights[name]).max()) for name in of_level) for of_level in names]
