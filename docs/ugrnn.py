"""A cell that is not in skrnn, for the page "Add a cell"."""

from skrnn.cells import BOTH, BaseCell, kernel, register_cell
from skrnn.kernels.activations import sigmoid, tanh


@kernel
def forward(a, s, h, p):
    z, g = sigmoid(a[0]), tanh(a[1])
    return (z, g), s, z * h + (1 - z) * g


@kernel
def backward(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    dz, dg = dh * (h_before - g), dh * (1 - z)
    return (dz * z * (1 - z), dg * (1 - g * g)), ds, dh * z, p


class UGRNN(BaseCell):
    r"""Update gate RNN [1]_: one gate decides what stays.

    .. math::
        z_t &= \sigma(x_t W_{xz} + h_{t-1} W_{hz} + b_z) \\
        g_t &= \tanh(x_t W_{xg} + h_{t-1} W_{hg} + b_g) \\
        h_t &= z_t \odot h_{t-1} + (1 - z_t) \odot g_t

    The columns of ``W_x`` (D, 2H), ``W_h`` (H, 2H) and ``b`` (2H,) are in the order z, g.

    References
    ----------
    .. [1] J. Collins, J. Sohl-Dickstein, D. Sussillo, "Capacity and trainability in recurrent neural networks", ICLR
       2017. :arxiv:`1611.09913`
    """

    gates = ("z", "g")
    columns = (("z", BOTH), ("g", BOTH))
    carries_state = True
    initial_bias = {"z": 1.0}
    remembers = {"z": 1}
    forward, backward = staticmethod(forward), staticmethod(backward)


register_cell("ugrnn", UGRNN)
