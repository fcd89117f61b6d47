"""Linear oscillators: a diagonal state-space model."""

import numpy as np
from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import exp, relu, sigmoid
from ..kernels.lanes import maximum, minimum, where_positive, zeros_like
from ._base import INPUT, BaseCell

SATURATED = 20.0  # beyond, gelu is 0 or x in any precision, while its formula would overflow at last
SCALE, CUBIC = 0.7978845608028654, 0.044715  # of the formula for gelu: sqrt(2 / pi), and that of the cube


@kernel
def swing(g, s, p):
    """A step of the oscillators: A, the step size, the divisor, and position and velocity after it."""
    (y, v), (w_A, w_dt) = s, p
    A, dt = relu(w_A), sigmoid(w_dt)
    divisor = 1 + dt * dt * A
    y = (y + dt * (v + dt * g)) / divisor
    return A, dt, divisor, y, v + dt * (g - A * y)


@kernel
def swing_back(swung, g, p, dy, dv):
    """Gradients of g, of position and velocity before the step, and of p, from those of both after it."""
    A, dt, divisor, y, v = swung
    dy = (dy - dt * A * dv) / divisor
    dv = dv + dt * dy
    dA, d_dt = -dt * dv * y, dv * (g - A * y) + dy * v
    return dt * dv, (dy, dv), (where_positive(p[0], dA), d_dt * dt * (1 - dt))


@kernel
def gelu(x):
    """x times the share of the normal distribution below x, nearly, and the slope of that.

    The share is (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)); unlike tanh, exp has all digits at both ends.
    """
    c = minimum(maximum(x, -SATURATED), SATURATED)
    e = exp(-2 * SCALE * c * (1 + CUBIC * c * c))
    share = 1 / (1 + e)
    return x * share, share + c * share * e * share * (2 * SCALE * (1 + 3 * CUBIC * c * c))


@kernel
def forward_gelu(a, s, h, p):
    _, _, _, y, v = swing(a[0], s, p)
    return a, (y, v), gelu(y + a[1])[0]


@kernel
def backward_gelu(saved, s_before, h_before, p, ds, dh):
    g, o = saved
    swung = swing(g, s_before, p)
    do = dh * gelu(swung[3] + o)[1]
    dg, ds, dp = swing_back(swung, g, p, ds[0] + do, ds[1])
    return (dg, do), ds, zeros_like(dh), dp


@kernel
def forward_relu(a, s, h, p):
    _, _, _, y, v = swing(a[0], s, p)
    return a, (y, v), relu(y + a[1])


@kernel
def backward_relu(saved, s_before, h_before, p, ds, dh):
    g, o = saved
    swung = swing(g, s_before, p)
    do = where_positive(swung[3] + o, dh)
    dg, ds, dp = swing_back(swung, g, p, ds[0] + do, ds[1])
    return (dg, do), ds, zeros_like(dh), dp


class LinOSS(BaseCell):
    r"""Linear oscillatory state-space cell LinOSS-IM [1]_: each unit is a damped oscillator that the input drives.

    .. math::
        g_t &= x_t W_{xg} + b_g \\
        o_t &= x_t W_{xo} + b_o \\
        y_t &= y_{t-1} + \Delta \odot v_t \\
        v_t &= v_{t-1} + \Delta \odot (g_t - A \odot y_t) \\
        h_t &= \phi(y_t + o_t)

    with :math:`A = \max(w_A, 0)` and :math:`\Delta = \sigma(w_\Delta)`. The first state is the position y, the second
    the velocity v, which the paper calls z. Both equations use the values after the step: this is the implicit scheme
    for :math:`y'' = -A y + g`, and its solution is

    .. math::
        y_t = (y_{t-1} + \Delta \odot v_{t-1} + \Delta^2 \odot g_t) / (1 + \Delta^2 \odot A)

    A step multiplies the two states of a unit by a matrix of which both eigenvalues have the absolute value
    :math:`(1 + \Delta^2 A)^{-1/2}`, so for :math:`A \geq 0` nothing grows from step to step but with the input. Small
    steps :math:`\Delta` swing slowly and remember long.

    The states are linear in the input, and no step has a product with them. As in a block of the paper, the input also
    goes directly to the output, and a nonlinearity follows; the block's mixing of units is left to the next layer, or
    to the readout, so that a cell computes unit by unit. Use two layers or more.

    The columns of ``W_x`` (D, 2H) and ``b`` (2H,) are in the order g, o; ``w_A`` (H,) and ``w_dt`` (H,) belong to
    single units. Initially, A is uniform between 0 and 1 as in the paper, and the logarithm of :math:`\Delta` is
    uniform between those of 1 / T and 1/2, where T is the length of the longest training sequence, so that some units
    remember all of it; the authors' program draws :math:`\Delta` between 0.5 and 0.73.

    Parameters
    ----------
    activation : {"gelu", "relu"}, default="gelu"
        Activation function :math:`\phi`; "gelu" is that of the paper, by its formula with tanh.

    References
    ----------
    .. [1] T. K. Rusch, D. Rus, "Oscillatory state-space models", ICLR 2025.
       :arxiv:`2410.03943`

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> RNNClassifier((64, 64), "linoss")
    RNNClassifier(cell='linoss', hidden_layer_sizes=(64, 64))
    """

    gates = ("g", "o")
    columns = (("g", INPUT), ("o", INPUT))
    states = ("y", "v")
    vectors = {"w_A": 1, "w_dt": 1}
    _parameter_constraints = {"activation": [StrOptions({"gelu", "relu"})]}
    activations = {"gelu": (forward_gelu, backward_gelu), "relu": (forward_relu, backward_relu)}

    def __init__(self, activation="gelu"):
        self.activation = activation

    @property
    def forward(self):
        return self.activations[self.activation][0]

    @property
    def backward(self):
        return self.activations[self.activation][1]

    def initial_vectors(self, rng, name, shape, n_steps, is_last):
        if name == "w_A":
            return rng.uniform(0, 1, shape)
        dt = 0.5 * np.exp(rng.uniform(np.log(2 / max(n_steps, 2)), 0, shape))
        return np.log(dt / (1 - dt))
