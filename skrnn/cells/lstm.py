"""Long short-term memory."""

from .._jit import kernel
from ..kernels.activations import sigmoid, tanh
from ..kernels.lanes import zeros_like
from ._base import BOTH, BaseCell


@kernel
def forward(a, s, h):
    a_i, a_f, a_g, a_o = a
    (c,) = s
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
    c = f * c + i * g
    return (i, f, g, o), (c,), o * tanh(c)


@kernel
def backward(gates, s_before, s, h_before, h, ds, dh):
    i, f, g, o = gates
    (c_before,), (c,), (dc,) = s_before, s, ds
    tanh_c = tanh(c)
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    di, df, dg = dc * g, dc * c_before, dc * i
    da = (di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o))
    return da, (dc * f,), zeros_like(dh)


class LSTM(BaseCell):
    r"""Long short-term memory with input, forget and output gates [1]_ [2]_.

    .. math::
        i_t &= \sigma(x_t W_{xi} + h_{t-1} W_{hi} + b_i) \\
        f_t &= \sigma(x_t W_{xf} + h_{t-1} W_{hf} + b_f) \\
        g_t &= \tanh(x_t W_{xg} + h_{t-1} W_{hg} + b_g) \\
        o_t &= \sigma(x_t W_{xo} + h_{t-1} W_{ho} + b_o) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        h_t &= o_t \odot \tanh(c_t)

    The columns of ``W_x`` (D, 4H), ``W_h`` (H, 4H) and ``b`` (4H,) are in the order i, f, g, o. The forget gate starts
    open: its bias is 1 [3]_.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long short-term memory",
       Neural Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with LSTM", Neural
       Computation 12(10), 2000.
    .. [3] R. Jozefowicz, W. Zaremba, I. Sutskever, "An empirical exploration of recurrent network architectures",
       ICML 2015.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import LSTM
    >>> RNNClassifier(cell=LSTM()).cell
    LSTM()
    """

    gates = ("i", "f", "g", "o")
    columns = (("i", BOTH), ("f", BOTH), ("g", BOTH), ("o", BOTH))
    states = ("c",)
    initial_bias = {"f": 1.0}
    forward, backward = staticmethod(forward), staticmethod(backward)
