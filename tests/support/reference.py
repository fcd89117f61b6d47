"""The oracle of the tests: every cell, loss, gradient and update rule, slow and obvious.

Written from the equations alone; it shares no code with skrnn. Pure functions, one sequence and one
step at a time, in the dtype of the weights they are given (use float64).

Letters: T steps, N sequences, D inputs, H hidden, G gates, K outputs. Row vectors throughout, so a
layer multiplies from the right: x (D,) @ W_x (D, G*H). A gradient of the objective with respect to
`a` is `da`. `weights` is a flat dict with the names of the public attribute `weights_`:
"layers.{l}.forward.W_x", ".W_h", ".b" (and ".b_h" for the GRU), "readout.W", "readout.b". Inside
one layer the names are "W_x", "W_h", "b", "b_h".

The forward pass of every cell and network is in reference_network.py. Here are the gradients: by
hand for stacks of LSTM, GRU and Elman layers under a readout of the last step, which prove the
complex step right, and that (`directional_derivatives`, `complex_step`) for all the rest.
"""

from functools import partial

import numpy as np
from reference_network import *  # noqa: F403
from reference_network import STEPS, elman, layer_states, layer_weights, raw_predictions, relu, run_stack, sigmoid

# --- Cells: one step back, from d(state_t) to dx_t, d(state_{t-1}) and this step's dweights -------


def lstm_backward(x, h, c, dh_new, dc_new, W_x, W_h, b):
    """Back through `lstm(x, h, c, ...)`: -> dx, (dh, dc), dweights."""
    a_i, a_f, a_g, a_o = np.split(x @ W_x + h @ W_h + b, 4)
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)
    tanh_c = np.tanh(f * c + i * g)
    # h_new = o tanh(c_new)
    do = dh_new * tanh_c
    dc_new = dc_new + dh_new * o * (1 - tanh_c**2)
    # c_new = f c + i g
    df = dc_new * c
    dc = dc_new * f
    di = dc_new * g
    dg = dc_new * i
    # i = sigmoid(a_i), f = sigmoid(a_f), g = tanh(a_g), o = sigmoid(a_o)
    da_i = di * i * (1 - i)
    da_f = df * f * (1 - f)
    da_g = dg * (1 - g**2)
    da_o = do * o * (1 - o)
    # a = x W_x + h W_h + b
    da = np.concatenate([da_i, da_f, da_g, da_o])
    dweights = {"W_x": np.outer(x, da), "W_h": np.outer(h, da), "b": da}
    return da @ W_x.T, (da @ W_h.T, dc), dweights


def gru_backward(x, h, dh_new, W_x, W_h, b, b_h):
    """Back through `gru(x, h, ...)`: -> dx, (dh,), dweights."""
    x_r, x_z, x_g = np.split(x @ W_x + b, 3)
    h_r, h_z, h_g = np.split(h @ W_h, 3)
    r = sigmoid(x_r + h_r)
    z = sigmoid(x_z + h_z)
    g = np.tanh(x_g + r * (h_g + b_h))
    # h_new = (1 - z) g + z h
    dg = dh_new * (1 - z)
    dz = dh_new * (h - g)
    dh = dh_new * z
    # g = tanh(x_g + r (h_g + b_h))
    da_g = dg * (1 - g**2)
    dr = da_g * (h_g + b_h)
    dh_g = da_g * r
    # r = sigmoid(x_r + h_r), z = sigmoid(x_z + h_z)
    da_r = dr * r * (1 - r)
    da_z = dz * z * (1 - z)
    # [x_r x_z x_g] = x W_x + b and [h_r h_z h_g] = h W_h
    da_x = np.concatenate([da_r, da_z, da_g])
    da_h = np.concatenate([da_r, da_z, dh_g])
    dweights = {"W_x": np.outer(x, da_x), "W_h": np.outer(h, da_h), "b": da_x, "b_h": dh_g}
    return da_x @ W_x.T, (dh + da_h @ W_h.T,), dweights


def elman_backward(x, h, dh_new, W_x, W_h, b, activation="tanh"):
    """Back through `elman(x, h, ...)`: -> dx, (dh,), dweights; the slope of relu at 0 is 0."""
    (h_new,) = elman(x, h, W_x, W_h, b, activation)
    # h_new = act(a), the slope of act in terms of h_new
    da = dh_new * {"tanh": 1 - h_new**2, "relu": h_new > 0, "identity": 1}[activation]
    # a = x W_x + h W_h + b
    dweights = {"W_x": np.outer(x, da), "W_h": np.outer(h, da), "b": da}
    return da @ W_x.T, (da @ W_h.T,), dweights


BACKWARD = {
    "lstm": lstm_backward,
    "gru": gru_backward,
    "elman": elman_backward,
    "elman_relu": partial(elman_backward, activation="relu"),
    "elman_identity": partial(elman_backward, activation="identity"),
}
# name: (step, step back or None, number of state vectors)
CELLS = {name: (step, BACKWARD.get(name), n_states) for name, (step, n_states) in STEPS.items()}


# --- One layer and one network, back --------------------------------------------------------------


def layer_gradient(cell, weights, x, dh):
    """Back-propagation through time: dh (T, H), from outside each step -> dx (T, D), dweights."""
    _, step_back, n_states = CELLS[cell]
    states = layer_states(cell, weights, x)
    dx = np.zeros((len(x), len(weights["W_x"])), dtype=dh.dtype)
    dweights = {name: np.zeros_like(value) for name, value in weights.items()}
    dstate = (np.zeros_like(dh[0]),) * n_states
    for t in reversed(range(len(x))):
        dstate = (dstate[0] + dh[t], *dstate[1:])
        dx[t], dstate, dweights_t = step_back(x[t], *states[t], *dstate, **weights)
        for name in dweights:
            dweights[name] += dweights_t[name]
    return dx, dweights


def sequence_gradient(weights, x, cell, d_raw):
    """Gradient of d_raw (K,) . raw for one sequence x (T, D): -> dx (T, D), dweights."""
    outputs = run_stack(weights, x, cell)
    # raw = h_last W + b
    dweights = {"readout.W": np.outer(outputs[-1][-1], d_raw), "readout.b": d_raw}
    dh = np.zeros_like(outputs[-1])
    dh[-1] = d_raw @ weights["readout.W"].T
    # the dx of a layer is the dh of the layer below
    for layer in reversed(range(len(outputs) - 1)):
        dh, dlayer = layer_gradient(cell, layer_weights(weights, layer), outputs[layer], dh)
        for name, value in dlayer.items():
            dweights[f"layers.{layer}.forward.{name}"] = value
    return dh, dweights


def raw_gradient(weights, sequences, cell, d_raw):
    """Gradient of sum(d_raw * raw), d_raw (N, K), with respect to every weight, by name."""
    total = {name: np.zeros_like(value) for name, value in weights.items()}
    for x, d_raw_i in zip(sequences, d_raw, strict=True):
        _, dweights = sequence_gradient(weights, x, cell, d_raw_i)
        for name in total:
            total[name] += dweights[name]
    return total


# --- Losses: (raw (N, K), y) -> value per sample (N,), gradient with respect to raw (N, K) --------
# For complex raw, as in the complex step, only the value means something.


def absolute(r):
    """|r|; of complex numbers that of the real part, which the complex step goes through."""
    return np.where(np.real(r) < 0, -r, r)


def log_loss_binary(raw, y):
    """-log P(y), P(1) = sigmoid(raw): raw (N, 1), y (N,) in {0, 1}."""
    return log_loss_multilabel(raw, np.reshape(y, raw.shape))


def log_loss_multilabel(raw, y):
    """Binary log loss summed over K labels: raw (N, K), y (N, K) in {0, 1}."""
    # -log sigmoid(raw) where y = 1, -log sigmoid(-raw) where y = 0
    wrong_way = np.where(y == 1, -raw, raw)
    # log(1 + exp(a)), the larger part taken out
    value = (relu(wrong_way) + np.log1p(np.exp(-absolute(wrong_way)))).sum(axis=1)
    d_wrong_way = sigmoid(wrong_way)
    return value, np.where(y == 1, -d_wrong_way, d_wrong_way)


def log_loss_multinomial(raw, y):
    """-log softmax(raw)[y]: raw (N, K), y (N,) in {0, ..., K - 1}."""
    value, d_raw = np.zeros_like(raw[:, 0]), np.zeros_like(raw)
    for n in range(len(raw)):
        shifted = raw[n] - raw[n].real.max()
        total = np.exp(shifted).sum()
        value[n] = np.log(total) - shifted[y[n]]
        d_raw[n] = np.exp(shifted) / total
        d_raw[n, y[n]] -= 1
    return value, d_raw


def squared_error(raw, y):
    """0.5 (raw - y)^2 summed over outputs: raw (N, K), y (N, K), or (N,) for one output."""
    r = raw - np.reshape(y, raw.shape)
    return (0.5 * r**2).sum(axis=1), r


def absolute_error(raw, y):
    """|raw - y| summed over outputs; the slope at 0 is 0."""
    r = raw - np.reshape(y, raw.shape)
    return absolute(r).sum(axis=1), np.sign(r)


def huber(raw, y, delta=1.35):
    """0.5 r^2 where |r| <= delta, delta (|r| - delta / 2) outside, summed over outputs."""
    r = raw - np.reshape(y, raw.shape)
    inside = np.abs(r) <= delta
    value = np.where(inside, 0.5 * r**2, delta * (absolute(r) - delta / 2))
    return value.sum(axis=1), np.where(inside, r, delta * np.sign(r))


def poisson(raw, y):
    """exp(raw) - y raw (log link) summed over outputs; infinite where exp(raw) is too large."""
    y = np.reshape(y, raw.shape)
    with np.errstate(over="ignore"):
        mean = np.exp(raw)
    return (mean - y * raw).sum(axis=1), mean - y


def quantile(raw, y, quantile=0.5):
    """Pinball loss: quantile (y - raw) below y, (1 - quantile) (raw - y) above; slope 0 at y."""
    r = raw - np.reshape(y, raw.shape)
    value = np.where(np.real(r) < 0, -quantile * r, (1 - quantile) * r)
    d_raw = np.zeros_like(r)
    d_raw[r < 0] = -quantile
    d_raw[r > 0] = 1 - quantile
    return value.sum(axis=1), d_raw


# --- The objective: weighted mean loss + L2 penalty -----------------------------------------------


def weighted_mean(value, d_raw, sample_weight=None):
    """sum_i w_i l_i / sum_i w_i and its gradient with respect to raw (N, K)."""
    w = np.ones_like(value) if sample_weight is None else np.asarray(sample_weight)
    return (w * value).sum() / w.sum(), d_raw * (w / w.sum())[:, None]


def penalty(weights, alpha):
    """0.5 alpha sum of squares of every matrix of a product, not of biases and weights of units, and its gradient."""
    value = 0.0
    dweights = {name: np.zeros_like(theta) for name, theta in weights.items()}
    for name, theta in weights.items():
        if name.endswith((".W_x", ".W_h", ".W_y", ".W")):
            value += 0.5 * alpha * (theta**2).sum()
            dweights[name] = alpha * theta
    return value, dweights


def objective(weights, sequences, y, cell, loss, sample_weight=None, alpha=0.0):
    """What training minimises, and its gradient by name; `loss` is one of the functions above."""
    value, d_raw = loss(raw_predictions(weights, sequences, cell), y)
    value, d_raw = weighted_mean(value, d_raw, sample_weight)
    dweights = raw_gradient(weights, sequences, cell, d_raw)
    penalty_value, dpenalty = penalty(weights, alpha)
    return value + penalty_value, {name: dweights[name] + dpenalty[name] for name in weights}


def objective_value(weights, sequences, y, cell, loss, sample_weight=None, alpha=0.0, **options):
    """What training minimises, of any network; options as in `raw_predictions`."""
    value, d_raw = loss(raw_predictions(weights, sequences, cell, **options), y)
    return weighted_mean(value, d_raw, sample_weight)[0] + penalty(weights, alpha)[0]


# --- Numerical gradient ---------------------------------------------------------------------------


def central_difference(f, theta, eps=1e-6):
    """Gradient of the scalar f(theta) at theta, an array or a dict of arrays, entry by entry."""
    if isinstance(theta, dict):
        gradient = {}
        for name, value in theta.items():

            def f_of_part(part, name=name):
                return f({**theta, name: part})

            gradient[name] = central_difference(f_of_part, value, eps)
        return gradient
    gradient = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):
        above, below = theta.copy(), theta.copy()
        above[index] += eps
        below[index] -= eps
        gradient[index] = (f(above) - f(below)) / (above[index] - below[index])
    return gradient


# --- Derivatives by the complex step --------------------------------------------------------------

TINY = 1e-30  # its square is lost beside 1, so that nothing but the derivative is left


def complex_step(f, theta):
    """Gradient of the scalar f(theta), an array or a dict of arrays, exact but for rounding.

    Squire & Trapp (1998): f(theta + i h v).imag / h is the derivative along v. f must be made of
    functions that take complex numbers, as all in this oracle are.
    """
    if isinstance(theta, dict):
        return {
            name: complex_step(lambda part, name=name: f({**theta, name: part}), value) for name, value in theta.items()
        }
    gradient = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):
        v = np.zeros_like(theta)
        v[index] = 1
        gradient[index] = derivative_along(f, theta, v)
    return gradient


def derivative_along(f, theta, v):
    """Derivative of the scalar f at the array theta along v, by the complex step."""
    value = f(theta + 1j * TINY * v)
    assert np.iscomplexobj(value), "f has dropped the imaginary part"
    return value.imag / TINY


def directional_derivatives(f, weights, rng):
    """For each name a random direction v and the derivative of f(weights) along it: (v, number)."""
    derivatives = {}
    for name, value in weights.items():
        v = rng.normal(size=value.shape)
        derivatives[name] = v, derivative_along(lambda part, name=name: f({**weights, name: part}), value, v)
    return derivatives


# --- Update rules: (theta, g, memory, ...) -> new theta and new memory, arrays --------------------


def sgd(theta, g, v, lr, momentum=0.9, nesterov=True):
    """Momentum (Polyak 1964), or Nesterov's as in Sutskever et al. (2013): -> theta, v."""
    v = momentum * v - lr * g
    step = momentum * v - lr * g if nesterov else v
    return theta + step, v


def rmsprop(theta, g, v, lr, rho=0.9, eps=1e-8):
    """RMSprop (Tieleman & Hinton 2012): -> theta, v."""
    v = rho * v + (1 - rho) * g**2
    return theta - lr * g / (np.sqrt(v) + eps), v


def adam(theta, g, m, v, t, lr, beta_1=0.9, beta_2=0.999, eps=1e-8):
    """Adam (Kingma & Ba 2015, algorithm 1), t = 1 at the first step: -> theta, m, v."""
    m = beta_1 * m + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g**2
    m_hat = m / (1 - beta_1**t)
    v_hat = v / (1 - beta_2**t)
    return theta - lr * m_hat / (np.sqrt(v_hat) + eps), m, v


def adamw(theta, g, m, v, t, lr, weight_decay, decay_mask, beta_1=0.9, beta_2=0.999, eps=1e-8):
    """AdamW (Loshchilov & Hutter 2019), decay where decay_mask is true: -> theta, m, v."""
    theta = np.where(decay_mask, theta - lr * weight_decay * theta, theta)
    return adam(theta, g, m, v, t, lr, beta_1, beta_2, eps)


def clip_by_global_norm(g, c):
    """Scale g, an array or a dict of arrays, to norm c if its norm over all entries exceeds c."""
    parts = g.values() if isinstance(g, dict) else [g]
    norm = np.sqrt(sum((part**2).sum() for part in parts))
    scale = c / norm if norm > c else 1.0
    return {k: part * scale for k, part in g.items()} if isinstance(g, dict) else g * scale
