"""The oracle's forward pass: every cell, and networks of layers, directions, pooling and the rest.

A part of reference.py, which tests import and which explains the letters. Everything here also
takes complex numbers, so that `complex_step` gives derivatives: no absolute value, no comparison of
anything but real parts, no conjugate.

`weights` has the names of the public attribute `weights_`. They tell which parts a network has:
"layers.{l}.backward.*" (a second direction), "layers.{l}.norm.gain" and ".norm.shift",
"convolution.W" and ".b", "embedding.{channel}", "decay.w" and ".b", "pooling.W", ".b" and ".v",
"readout.W" and ".b".
"""

import math
from functools import partial

import numpy as np

# --- Activations ----------------------------------------------------------------------------------


def sigmoid(a):
    """1 / (1 + exp(-a)), without overflow at either end."""
    positive = np.real(a) >= 0
    e = np.exp(np.where(positive, -a, a))
    return np.where(positive, 1, e) / (1 + e)


def relu(a):
    """a where it is positive, 0 elsewhere."""
    return np.where(np.real(a) > 0, a, 0)


def identity(a):
    """a itself."""
    return a


def gelu(a):
    """a times the share of the normal distribution below it, by the formula with tanh."""
    return 0.5 * a * (1 + np.tanh((2 / math.pi) ** 0.5 * (a + 0.044715 * a**3)))


ACTIVATIONS = {"tanh": np.tanh, "relu": relu, "sigmoid": sigmoid, "identity": identity, "gelu": gelu}


# --- Cells: one step forward, (x_t, state_{t-1}) -> state_t, the hidden state first ---------------
# `mask` (H,) is that of recurrent dropout: it multiplies h where h enters a product with weights.


def lstm(x, h, c, W_x, W_h, b, P=None, mask=1):
    """LSTM step, gates i f g o, peepholes P (3, H) to i f o: x (D,), h (H,), c (H,) -> new h, c."""
    a_i, a_f, a_g, a_o = np.split(x @ W_x + (mask * h) @ W_h + b, 4)
    P_i, P_f, P_o = (0, 0, 0) if P is None else P
    i = sigmoid(a_i + P_i * c)
    f = sigmoid(a_f + P_f * c)
    c_new = f * c + i * np.tanh(a_g)
    o = sigmoid(a_o + P_o * c_new)
    return o * np.tanh(c_new), c_new


def lstm_peepholes(x, h, c, W_x, W_h, b, P, mask=1):
    """LSTM step that must have its peepholes."""
    return lstm(x, h, c, W_x, W_h, b, P, mask)


def gru(x, h, W_x, W_h, b, b_h, mask=1):
    """GRU step, reset after, gates r z g, z keeps the past: x (D,), h (H,) -> new (h,)."""
    x_r, x_z, x_g = np.split(x @ W_x + b, 3)
    h_r, h_z, h_g = np.split((mask * h) @ W_h, 3)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    g = np.tanh(x_g + r * (h_g + b_h))
    return ((1 - z) * g + z * h,)


def gru_before(x, h, W_x, W_h, b, mask=1):
    """GRU step, reset before, gates r z g, z keeps the past: x (D,), h (H,) -> new (h,)."""
    x_r, x_z, x_g = np.split(x @ W_x + b, 3)
    W_hr, W_hz, W_hg = np.split(W_h, 3, axis=1)
    r = sigmoid(x_r + (mask * h) @ W_hr)
    z = sigmoid(x_z + (mask * h) @ W_hz)
    g = np.tanh(x_g + (r * mask * h) @ W_hg)
    return ((1 - z) * g + z * h,)


def elman(x, h, W_x, W_h, b, activation="tanh", mask=1):
    """Elman step: x (D,), h (H,) -> new (h,)."""
    return (ACTIVATIONS[activation](x @ W_x + (mask * h) @ W_h + b),)


def mgu(x, h, W_x, W_h, b, forget_gate="full", mask=1):
    """Minimal gated unit, gates f g, where f replaces the past: x (D,), h (H,) -> new (h,).

    W_x, W_h and b have columns only for the gates that read the input, read the state, have a bias.
    """
    H = len(h)
    a_f = 0
    if forget_gate == "full":
        a_f = a_f + x @ W_x[:, :H]
    if forget_gate != "bias_only":
        a_f = a_f + (mask * h) @ W_h[:, :H]
    if forget_gate != "no_input_no_bias":
        a_f = a_f + b[:H]
    f = sigmoid(a_f)
    # g has the last columns of each, or the only ones
    g = np.tanh(x @ W_x[:, -H:] + (f * mask * h) @ W_h[:, -H:] + b[-H:])
    return ((1 - f) * h + f * g,)


def indrnn(x, h, W_x, w_h, b, activation="relu", mask=1):
    """IndRNN step, one recurrent weight per unit, w_h (H,): x (D,), h (H,) -> new (h,)."""
    return (ACTIVATIONS[activation](x @ W_x + w_h * mask * h + b),)


def mingru(x, h, W_x, b, mask=1):
    """Minimal GRU step, gates z g, where z admits the new: x (D,), h (H,) -> new (h,)."""
    a_z, a_g = np.split(x @ W_x + b, 2)
    z = sigmoid(a_z)
    return ((1 - z) * h + z * a_g,)


def linoss(x, h, y, v, W_x, b, w_A, w_dt, activation="gelu", mask=1):
    """LinOSS step, terms g o: x (D,), position y (H,), velocity v (H,) -> new h, y, v; h is not read.

    The implicit scheme: y_new - dt v_new = y and v_new + dt A y_new = v + dt g, solved for each unit.
    """
    g, o = np.split(x @ W_x + b, 2)
    A, dt = relu(w_A), sigmoid(w_dt)
    one = np.ones_like(dt)
    matrices = np.moveaxis(np.array([[one, -dt], [dt * A, one]]), -1, 0)
    y, v = np.linalg.solve(matrices, np.array([y, v + dt * g]).T[:, :, None])[:, :, 0].T
    return ACTIVATIONS[activation](y + o), y, v


def jordan(x, y, o, W_x, W_h, b, W_y, b_y, activation="tanh", output_activation="sigmoid", mask=1):
    """Jordan step, the output fed back: x (D,), y (K,) -> new y and o, y before its activation."""
    u = ACTIVATIONS[activation](x @ W_x + (mask * y) @ W_h + b)
    o = u @ W_y + b_y
    return ACTIVATIONS[output_activation](o), o


# name: (step, number of state vectors)
STEPS = {
    "lstm": (lstm, 2),
    "lstm_peepholes": (lstm_peepholes, 2),
    "gru": (gru, 1),
    "gru_before": (gru_before, 1),
    "elman": (elman, 1),
    "elman_relu": (partial(elman, activation="relu"), 1),
    "elman_identity": (partial(elman, activation="identity"), 1),
    "mgu": (mgu, 1),
    "mgu_no_input": (partial(mgu, forget_gate="no_input"), 1),
    "mgu_no_input_no_bias": (partial(mgu, forget_gate="no_input_no_bias"), 1),
    "mgu_bias_only": (partial(mgu, forget_gate="bias_only"), 1),
    "indrnn": (indrnn, 1),
    "indrnn_tanh": (partial(indrnn, activation="tanh"), 1),
    "mingru": (mingru, 1),
    "linoss": (linoss, 3),
    "linoss_relu": (partial(linoss, activation="relu"), 3),
    "jordan": (jordan, 2),
    "jordan_relu_identity": (partial(jordan, activation="relu", output_activation="identity"), 2),
}
CARRYING = ("lstm", "gru", "mgu", "mingru")  # the kinds of cells whose h follows from the h before


def state_names(cell):
    """Names of the states that can be given; a Jordan cell's "h" is its output y."""
    return {"lstm": ("h", "c"), "linoss": ("h", "y", "v")}.get(cell.partition("_")[0], ("h",))


def count_units(weights):
    """Of a layer: without a product with the state, only IndRNN has one gate, others two."""
    if "W_h" in weights:
        return len(weights["W_h"])
    return weights["W_x"].shape[1] // (1 if "w_h" in weights else 2)


# --- One layer over one sequence ------------------------------------------------------------------


def layer_states(cell, weights, x, initial=None, mask=1, kept=None, nudge=None):
    """States of one layer on x (T, D): a list of T + 1 tuples, entry 0 is the state before step 0.

    initial : dict of `state_names` to (H,), default zeros
    mask : (H,), recurrent dropout
    kept : dict of `state_names` to (T, H), zoneout's share of the old value at each step: 0 or 1 in
        training, the rate in prediction
    nudge : (T, H), added to h after each step: the gradient by it is dL/dh_t
    """
    step, n_states = STEPS[cell]
    state = [np.zeros(count_units(weights), dtype=weights["b"].dtype) for _ in range(n_states)]
    for name, value in (initial or {}).items():
        state[state_names(cell).index(name)] = value
    states = [tuple(state)]
    for t in range(len(x)):
        state = list(step(x[t], *states[-1], **weights, mask=mask))
        for name, share in (kept or {}).items():
            k = state_names(cell).index(name)
            state[k] = share[t] * states[-1][k] + (1 - share[t]) * state[k]
        if nudge is not None:
            state[0] = state[0] + nudge[t]
        states.append(tuple(state))
    return states


def run_layer(cell, weights, x, **options):
    """Hidden states (T, H) of one layer on one sequence x (T, D); options of `layer_states`."""
    return np.array([state[0] for state in layer_states(cell, weights, x, **options)[1:]])


# --- What stands around the layers ----------------------------------------------------------------


def convolve(x, W, b, stride=1, activation="relu"):
    """x (T, C) -> (ceil(T / stride), n_channels), zeros on both sides; W (width * C, n_channels)."""
    T, C = x.shape
    width = len(W) // C
    y = []
    for start in range(0, T, stride):
        a = b
        for k in range(width):
            t = start + k - (width - 1) // 2
            if 0 <= t < T:
                a = a + x[t] @ W[k * C : (k + 1) * C]
        y.append(ACTIVATIONS[activation](a))
    return np.array(y)


def embed(x, tables):
    """The channels of x (D,) that have no table, then row x[c] of the table of each other channel c."""
    plain = [x[c] for c in range(len(x)) if str(c) not in tables]
    return np.concatenate([plain, *(tables[c][int(x[int(c)].real)] for c in sorted(tables, key=int))])


def decayed(x, w, b):
    """x (3 C,) holds last values v, whether they were seen now m, and times since d: v decayed, and m, (2 C,)."""
    v, m, d = np.split(x, 3)
    rate = relu(w * d + b)
    return np.concatenate([m * v + (1 - m) * np.exp(-rate) * v, m])


def front(weights, x, convolution=None):
    """What the first layer reads in the place of x (T, D)."""
    if "convolution.W" in weights:
        return convolve(x, weights["convolution.W"], weights["convolution.b"], **convolution or {})
    tables = named_below(weights, "embedding.")
    if "decay.w" in weights:
        n = 3 * len(weights["decay.w"])
        x = np.array([[*decayed(x_t[:n], weights["decay.w"], weights["decay.b"]), *x_t[n:]] for x_t in x])
        tables = {str(int(channel) - n // 3): table for channel, table in tables.items()}
    return np.array([embed(x_t, tables) for x_t in x]) if tables else x


def layer_norm(h, gain, shift):
    """Mean 0 and variance 1 over the units of h (n_out,), then gain and shift (n_out,)."""
    centred = h - h.mean()
    return centred / np.sqrt((centred**2).mean() + 1e-5) * gain + shift


def attention(y, W, b, v):
    """Share (T,) of each step of y (T, n_out) in the pooled vector: a softmax over the steps."""
    e = np.array([np.tanh(y_t @ W + b) @ v for y_t in y])
    share = np.exp(e - e.real.max())
    return share / share.sum()


def ends(y, bidirectional):
    """Of each direction what it gives after its own last step: y (T, n_out) -> (n_out,)."""
    if not bidirectional:
        return y[-1]
    H = y.shape[1] // 2
    return np.concatenate([y[-1, :H], y[0, H:]])


def largest(y):
    """Each unit's value at the step where it is largest, the first such: y (T, n_out) -> (n_out,)."""
    return np.array([column[np.argmax(column.real)] for column in y.T])


# --- The network: a stack of layers, pooling and a readout ----------------------------------------


def layer_weights(weights, layer, direction="forward"):
    """Weights of one layer and direction of the flat dict, under their short names."""
    return named_below(weights, f"layers.{layer}.{direction}.")


def named_below(arrays, prefix):
    """The arrays whose names begin with the prefix, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def n_layers_of(weights):
    return sum(name.endswith(".forward.W_x") for name in weights)


def is_bidirectional(weights):
    return "layers.0.backward.W_x" in weights


def run_direction(weights, x, cell, layer, direction, initial, masks, zoneout, nudges):
    """What one direction of a layer hands on, (T, H), in the order of the steps of x (T, C)."""
    name = f"layers.{layer}.{direction}"
    kept = named_below(masks, f"{name}.zoneout.")
    if kept or zoneout:
        assert cell.startswith(CARRYING), "only these cells carry their state"
        kept = {state: kept.get(state, [zoneout] * len(x)) for state in state_names(cell)}
    nudge = nudges.get(name)
    backward = direction == "backward"
    if backward:
        x, nudge = x[::-1], None if nudge is None else nudge[::-1]
        kept = {state: share[::-1] for state, share in kept.items()}
    mask, initial = masks.get(f"{name}.recurrent", 1), named_below(initial, f"{name}.")
    states = layer_states(cell, layer_weights(weights, layer, direction), x, initial, mask, kept, nudge)
    # a Jordan cell that is the readout itself hands on the output before its activation
    is_readout = cell.startswith("jordan") and "readout.W" not in weights and layer == n_layers_of(weights) - 1
    y = np.array([state[1 if is_readout else 0] for state in states[1:]])
    return y[::-1] if backward else y


def after_layer(weights, layer, h, below):
    """Normalise h (n_out,), if the network does, and add what comes from below, if anything."""
    norm = named_below(weights, f"layers.{layer}.norm.")
    h = layer_norm(h, **norm) if norm else h
    return h if below is None else h + below


def check_names(weights, cell, initial, masks, nudges):
    """A misspelt name must not pass for an option that changes nothing."""
    states = state_names(cell)
    layers = {name.removesuffix(".W_x") for name in weights if name.endswith(".W_x")}
    of_layers = {f"{name}.{mask}" for name in layers for mask in ("recurrent", *(f"zoneout.{s}" for s in states))}
    inputs = {f"layers.{layer}.input" for layer in range(n_layers_of(weights))}
    readout_input = {"readout.input"} if "readout.W" in weights else set()
    assert set(initial) <= {f"{name}.{state}" for name in layers for state in states}, initial.keys()
    assert set(masks) <= of_layers | inputs | readout_input, masks.keys()
    assert set(nudges) <= layers, nudges.keys()


def run_stack(weights, x, cell, residual=False, convolution=None, initial=None, masks=None, zoneout=0.0, nudges=None):
    """List [x (T, D), output of layer 0 (T, n_out), ..., of the last] for one sequence.

    Entry 0 is what the front made of x if the network has one. Outputs are normalised, have
    the residual added, and are before dropout. Options of `forward` but for pooling.
    """
    initial, masks, nudges = initial or {}, masks or {}, nudges or {}
    check_names(weights, cell, initial, masks, nudges)
    x = front(weights, x, convolution)
    directions = ("forward", "backward") if is_bidirectional(weights) else ("forward",)
    outputs = [x]
    for layer in range(n_layers_of(weights)):
        masked = outputs[-1] * masks.get(f"layers.{layer}.input", 1)
        options = initial, masks, zoneout, nudges
        h = np.hstack([run_direction(weights, masked, cell, layer, d, *options) for d in directions])
        below = outputs[-1] if residual and layer > 0 else [None] * len(h)
        outputs.append(np.array([after_layer(weights, layer, *step) for step in zip(h, below, strict=True)]))
    return outputs


def pool(weights, x, cell, pooling, **options):
    """Pooled vector (n_out,) of one sequence, or with "steps" those of all steps (T, n_out)."""
    y = run_stack(weights, x, cell, **options)[-1]
    if pooling == "last":
        return ends(y, is_bidirectional(weights))
    if pooling == "steps":
        return y
    if pooling == "mean":
        return y.sum(axis=0) / len(y)
    if pooling == "max":
        return largest(y)
    if pooling == "attention":
        return attention(y, **named_below(weights, "pooling.")) @ y
    raise ValueError(pooling)


def forward(weights, x, cell, *, pooling="last", **options):
    """Raw prediction (K,) of a network for one sequence x (T, D), or (T, K) with "steps".

    pooling : "last", "mean", "max", "attention" or "steps"
    residual : whether each layer but the first adds what it was given, default False
    convolution : dict of "stride" and "activation", default 1 and "relu"
    initial : dict of "layers.{l}.{direction}.h" and ".c" to (H,), default zeros
    masks : dict of masks of this sequence, default none
        "layers.{l}.input" (C,), input dropout for l = 0 and dropout between layers above
        "layers.{l}.{direction}.recurrent" (H,), recurrent dropout
        "layers.{l}.{direction}.zoneout.h" and ".c" (T, H), 1 where the old value is kept;
        row t belongs to step t of the sequence in both directions
        "readout.input" (n_out,), dropout on the pooled vector
    zoneout : rate whose expectation is taken where no mask of zoneout is given, as in prediction
    nudges : dict of "layers.{l}.{direction}" to (T, H), added to h after each step

    A Jordan network whose top layer is its readout has no "readout.W".
    """
    pooled = pool(weights, x, cell, pooling, **options)
    if "readout.W" not in weights:
        return pooled
    mask = (options.get("masks") or {}).get("readout.input", 1)
    return readout(pooled * mask, weights["readout.W"], weights["readout.b"])


def attention_weights(weights, x, cell, **options):
    """Share (T,) of each step in the pooled vector of one sequence; options of `run_stack`."""
    return attention(run_stack(weights, x, cell, **options)[-1], **named_below(weights, "pooling."))


def readout(pooled, W, b):
    """Raw prediction (K,) from the pooled vector (n_out,)."""
    return pooled @ W + b


def raw_predictions(weights, sequences, cell, *, initial=None, masks=None, nudges=None, **structure):
    """Raw predictions (N, K) of a list of N sequences (T_i, D), or (sum of T_i, K) with "steps".

    initial, masks and nudges are lists of N dicts as `forward` takes them; structure are its other
    options.
    """
    none = [None] * len(sequences)
    rows = zip(sequences, initial or none, masks or none, nudges or none, strict=True)
    raw = [forward(weights, x, cell, initial=i, masks=m, nudges=n, **structure) for x, i, m, n in rows]
    return np.concatenate(raw) if structure.get("pooling") == "steps" else np.array(raw)
