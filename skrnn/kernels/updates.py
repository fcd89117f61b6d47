"""One step of each stochastic optimizer, in one pass over the parameters; the norm of the gradient.

All arrays are of shape (1, P) and of one dtype, and updated in place. The formulas are in the optimizers' docstrings.

Averages of gradients that have become 0 for good (a dead unit, a token no longer seen) shrink below the normal range,
where a step takes thirty times as long; hence the mode of `denormals`.
"""

import math

from ._jit import VECTOR_BYTES, kernel, stage
from .denormals import flush_denormals, restore_denormals
from .lanes import load, square_root, store, sum_of_squares


@stage
def sgd_step(x, v, g, learning_rate, momentum, nesterov):
    """Parameters x and velocities v after a step with gradients g."""
    descent = learning_rate * g
    v = momentum * v - descent
    moved = v
    if nesterov:
        moved = momentum * v - descent
    return x + moved, v


@stage
def adam_scales(t, learning_rate, beta_1, beta_2):
    """Factors of step t: of the step, which corrects the bias of the mean, and of the mean square."""
    return learning_rate * (1 / (1 - beta_1**t)), 1 / (1 - beta_2**t)


@stage
def adam_step(x, average, v, g, scales, beta_1, beta_2, epsilon):
    """Parameters x, means and mean squares v after a step with gradients g."""
    average = beta_1 * average + (1 - beta_1) * g
    v = beta_2 * v + (1 - beta_2) * g * g
    return x - scales[0] * (average / (square_root(scales[1] * v) + epsilon)), average, v


@kernel
def sgd(theta, gradient, velocity, learning_rate, momentum, nesterov):
    """Step of `SGD`."""
    lanes, P = VECTOR_BYTES // theta.itemsize, theta.shape[1]
    mode = flush_denormals()
    for j in range(0, P, lanes):
        m = P - j
        x, v, g = load(theta, 0, j, m), load(velocity, 0, j, m), load(gradient, 0, j, m)
        x, v = sgd_step(x, v, g, learning_rate, momentum, nesterov)
        store(velocity, 0, j, m, v)
        store(theta, 0, j, m, x)
    restore_denormals(mode)


@kernel
def rmsprop(theta, gradient, square, learning_rate, rho, epsilon):
    """Step of `RMSprop`."""
    lanes, P = VECTOR_BYTES // theta.itemsize, theta.shape[1]
    mode = flush_denormals()
    for j in range(0, P, lanes):
        m = P - j
        g = load(gradient, 0, j, m)
        v = rho * load(square, 0, j, m) + (1 - rho) * g * g
        store(square, 0, j, m, v)
        store(theta, 0, j, m, load(theta, 0, j, m) - learning_rate * (g / (square_root(v) + epsilon)))
    restore_denormals(mode)


@kernel
def adam(theta, gradient, mean, square, t, learning_rate, beta_1, beta_2, epsilon, weight_decay, decay_mask):
    """Step of `Adam`, and of `AdamW` if weight_decay > 0; decay_mask is read only then."""
    lanes, P = VECTOR_BYTES // theta.itemsize, theta.shape[1]
    decay = learning_rate * weight_decay
    scales = adam_scales(t, learning_rate, beta_1, beta_2)
    mode = flush_denormals()
    for j in range(0, P, lanes):
        m = P - j
        x, average, v = load(theta, 0, j, m), load(mean, 0, j, m), load(square, 0, j, m)
        if decay > 0:
            x = x - decay * load(decay_mask, 0, j, m) * x
        x, average, v = adam_step(x, average, v, load(gradient, 0, j, m), scales, beta_1, beta_2, epsilon)
        store(mean, 0, j, m, average)
        store(square, 0, j, m, v)
        store(theta, 0, j, m, x)
    restore_denormals(mode)


@kernel
def clip_by_norm(gradient, limit):
    """Norm of the gradient, which is scaled to norm `limit` if it has more."""
    lanes, P = VECTOR_BYTES // gradient.itemsize, gradient.shape[1]
    total = 0.0
    for j in range(0, P, lanes):
        total += sum_of_squares(load(gradient, 0, j, P - j))
    norm = math.sqrt(total)
    if limit < norm < math.inf:
        for j in range(0, P, lanes):
            store(gradient, 0, j, P - j, load(gradient, 0, j, P - j) * (limit / norm))
    return norm
