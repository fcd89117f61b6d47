"""Gated recurrent unit, reset gate after the product."""

from .._jit import kernel
from ..kernels.activations import sigmoid, tanh
from ._base import BOTH, INPUT, STATE, BaseCell


@kernel
def forward(a, s, h):
    a_gx, a_r, a_z, a_gh = a
    r, z = sigmoid(a_r), sigmoid(a_z)
    g = tanh(a_gx + r * a_gh)
    return (g, r, z, a_gh), s, (1 - z) * g + z * h


@kernel
def backward(gates, s_before, s, h_before, h, ds, dh):
    g, r, z, a_gh = gates
    dg, dz = dh * (1 - z), dh * (h_before - g)
    da_g = dg * (1 - g * g)
    dr = da_g * a_gh
    return (da_g, dr * r * (1 - r), dz * z * (1 - z), da_g * r), ds, dh * z


class GRU(BaseCell):
    r"""Gated recurrent unit [1]_ with the reset gate applied after the product with the state.

    .. math::
        r_t &= \sigma(x_t W_{xr} + h_{t-1} W_{hr} + b_r) \\
        z_t &= \sigma(x_t W_{xz} + h_{t-1} W_{hz} + b_z) \\
        g_t &= \tanh(x_t W_{xg} + b_g + r_t \odot (h_{t-1} W_{hg} + b_h)) \\
        h_t &= (1 - z_t) \odot g_t + z_t \odot h_{t-1}

    z keeps the past. The columns of ``W_x`` (D, 3H), ``W_h`` (H, 3H) and ``b`` (3H,) are in the order r, z, g; ``b_h``
    (H,) is the bias inside the reset. This is the form of cuDNN and of ``torch.nn.GRU``, whose two biases of r and z
    are one here.

    References
    ----------
    .. [1] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
       translation", EMNLP 2014.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> RNNClassifier(cell="gru", hidden_layer_sizes=32)
    RNNClassifier(cell='gru', hidden_layer_sizes=32)
    """

    gates = ("r", "z", "g")
    columns = (("g", INPUT), ("r", BOTH), ("z", BOTH), ("g", STATE))
    forward, backward = staticmethod(forward), staticmethod(backward)
