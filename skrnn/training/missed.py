"""Updates that rows of a table have missed: what makes up for them, for each optimizer that lets rows wait.

A row whose code is not in a batch has gradient 0. Its steps may wait until somebody asks for the row. They are made one
by one then, with the bits of `BaseOptimizer.step`, until what the optimizer remembers has faded: until a step is, at
equal learning rates, smaller than the first that was missed by the bits of the significand and 16 more. From there on
nothing moves, and what is remembered is multiplied by powers of its decay rates; so the work of a row is bounded.
"""

import math

import numpy as np

from ..kernels import tables as kernels
from ..optimizers import SGD, Adam, AdamW, RMSprop


def _of_adam(solver, scales):
    """Steps fade if the mean does so faster than the root of the mean square."""
    constants = float(solver.beta_1), float(solver.beta_2), float(solver.epsilon)
    fading = solver.beta_1 / math.sqrt(solver.beta_2) if solver.beta_2 > solver.beta_1**2 else 1.0
    return kernels.make_up_adam, fading, (scales, *constants)


def _of_rmsprop(solver, scales):
    return kernels.make_up_rmsprop, solver.rho, (float(solver.rho),)


def _of_sgd(solver, scales):
    return kernels.make_up_sgd, solver.momentum, (float(solver.momentum), bool(solver.nesterov))


# Kernel; by what factor steps fade at least, each to the next; arguments behind the common ones. Not for classes of
# users, even if they derive from these.
_MISSED = {SGD: _of_sgd, RMSprop: _of_rmsprop, Adam: _of_adam, AdamW: _of_adam}


def can_wait(optimizer):
    """Whether missed steps can be made up for; not where a step is the user's own."""
    return type(optimizer) in _MISSED


def make_up_call(optimizer, arrays, last, codes, now, scales):
    """The kernel that makes up for the steps that rows of a table have missed, and its arguments.

    Parameters
    ----------
    optimizer : BaseOptimizer
    arrays : list of ndarray of shape (n_rows, n_columns)
        Parameters, then each array that the optimizer remembers.
    last : ndarray of shape (n_rows,)
        Updates that each row has seen.
    codes : ndarray
        Numbers of the rows that are asked for.
    now : int
        Updates that there have been.
    scales : ndarray of shape (n_updates, 2)
        What `keep_calls` have kept of each update.
    """
    kernel, fading, rest = _MISSED[type(optimizer)](optimizer, scales)
    n_bits = np.finfo(arrays[0].dtype).nmant + 17
    n_each = 2**62 if fading >= 1 else math.ceil(n_bits / -math.log2(max(fading, 2.0**-n_bits)))
    return kernel, (*arrays, last, codes, now, n_each, *rest)


def keep_calls(optimizer, t, n_updates, learning_rate, scales):
    """Kernels that keep what missed steps need of update t, with their arguments; there may be none.

    t, learning_rate : as for a step; n_updates : number of the update among those that `scales` is for, from 1.
    """
    if type(optimizer) not in (Adam, AdamW):  # a step of the others is 0, or does not depend on the rate
        return []
    what = t, n_updates, learning_rate, scales, float(optimizer.beta_1), float(optimizer.beta_2)
    return [(kernels.keep_scales, what)]
