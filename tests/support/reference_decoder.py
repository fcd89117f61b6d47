"""The oracle's encoder and decoder: one sequence, one step at a time, from the equations alone.

`weights` has the names of the public attribute `weights_`; what reference_network.py says of numbers holds here, too.
Letters: T steps in, U steps out, E (T, S) outputs of the encoder, h (U, H) of the decoder, K labels with the end.
"""

import numpy as np
from reference_network import (
    after_layer,
    front,
    is_bidirectional,
    layer_states,
    layer_weights,
    n_layers_of,
    named_below,
    run_stack,
    state_names,
)


def of_encoder(weights):
    """The arrays of the encoder, under the names of a network."""
    return {k: v for k, v in weights.items() if k.startswith(("layers.", "convolution.", "embedding.", "decay."))}


def encode(weights, x, cell, residual=False, convolution=None):
    """Outputs E of the top layer, and for each layer its last states, [h, c] of one direction beside the other."""
    y, final = front(weights, x, convolution), []
    for layer in range(n_layers_of(weights)):
        outputs, last = [], []
        for direction in ("forward", "backward")[: 1 + is_bidirectional(weights)]:
            step = -1 if direction == "backward" else 1
            states = layer_states(cell, layer_weights(weights, layer, direction), y[::step])
            outputs.append(np.array([state[0] for state in states[1:]])[::step])
            last += states[-1]
        below = y if residual and layer > 0 else [None] * len(y)
        rows = zip(np.hstack(outputs), below, strict=True)
        y = np.array([after_layer(weights, layer, *row) for row in rows])
        final.append(np.concatenate(last))
    return y, final


def attend(kind, h, E, W_k, W_c, b_c, W_q=None, b=None, v=None):
    """What the readout reads, (U, H), and the weight of each step of E for each of h, (U, T)."""
    read, shares = [], []
    for h_u in h:
        if kind == "additive":
            e = np.array([v @ np.tanh(h_u @ W_q + b + E_t @ W_k) for E_t in E])
        else:
            e = np.array([h_u @ (E_t @ W_k) / np.sqrt(len(h_u)) for E_t in E])
        share = np.exp(e - e.real.max())
        share = share / share.sum()
        read.append(np.tanh(np.concatenate([h_u, share @ E]) @ W_c + b_c))
        shares.append(share)
    return np.array(read), np.array(shares)


def initial_states(weights, final, cell):
    """The states that the layers of the decoder start from, by name, from the `final` ones of the encoder."""
    initial = {}
    for layer, states in enumerate(final):
        bridge = named_below(weights, f"bridge.{layer}.")
        states = states @ bridge["W"] + bridge["b"] if bridge else states
        names = state_names(cell)
        for name, part in zip(names, np.split(states, len(names)), strict=True):
            initial[f"layers.{layer}.forward.{name}"] = part
    return initial


def decode(weights, x, read, cell, attention=None, residual=False, convolution=None):
    """Raw predictions (U, K) for x (T, D), where the decoder reads the rows `read`; and weights (U, T) or None."""
    E, final = encode(of_encoder(weights), x, cell, residual, convolution)
    inner = named_below(weights, "decoder.")
    initial = initial_states(weights, final, cell)
    h, shares = run_stack(inner, read, cell, residual, initial=initial)[-1], None
    if attention is not None:
        h, shares = attend(attention, h, E, **named_below(weights, "attention."))
    return h @ weights["readout.W"] + weights["readout.b"], shares


def log_loss(raw, labels, smoothing=0.0):
    """For each row, cross entropy with a distribution that has `smoothing` of its mass spread over all labels."""
    top = raw.real.max(axis=1, keepdims=True)
    log_p = raw - top - np.log(np.exp(raw - top).sum(axis=1, keepdims=True))
    true = log_p[np.arange(len(raw)), labels]
    return -(1 - smoothing) * true - smoothing * log_p.sum(axis=1) / raw.shape[1]


def objective(weights, problem, *, smoothing, alpha, is_weight, **options):
    """What training minimises, for a list of (x, read, labels, weight of each row); `is_weight` has penalised names."""
    total, value = 0.0, 0.0
    for x, read, labels, weight in problem:
        value = value + (weight * log_loss(decode(weights, x, read, **options)[0], labels, smoothing)).sum()
        total += weight.sum()
    penalty = sum((name in is_weight) * (array**2).sum() for name, array in weights.items())
    return value / total + alpha / 2 * penalty
