"""A cell that is not in skrnn, for the page "Add a cell": a leaky network that learns its leak."""

from skrnn._jit import kernel
from skrnn.cells._base import BOTH, BaseCell
from skrnn.kernels.activations import sigmoid, tanh


@kernel
def forward(a, s, h):
    a_z, a_g = a
    z, g = sigmoid(a_z), tanh(a_g)
    return (z, g), s, (1 - z) * g + z * h


@kernel
def backward(gates, s_before, s, h_before, h, ds, dh):
    z, g = gates
    dz, dg = dh * (h_before - g), dh * (1 - z)
    return (dz * z * (1 - z), dg * (1 - g * g)), ds, dh * z


class Leaky(BaseCell):
    r"""Leaky network whose leak depends on input and state.

    .. math::
        z_t &= \sigma(x_t W_{xz} + h_{t-1} W_{hz} + b_z) \\
        g_t &= \tanh(x_t W_{xg} + h_{t-1} W_{hg} + b_g) \\
        h_t &= (1 - z_t) \odot g_t + z_t \odot h_{t-1}

    The columns of ``W_x`` (D, 2H), ``W_h`` (H, 2H) and ``b`` (2H,) are in the order z, g.
    """

    gates = ("z", "g")
    columns = (("z", BOTH), ("g", BOTH))
    initial_bias = {"z": 1.0}
    forward, backward = staticmethod(forward), staticmethod(backward)
