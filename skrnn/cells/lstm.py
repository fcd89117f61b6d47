"""Long short-term memory, with or without peepholes."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from ..kernels._jit import kernel
from ..kernels.activations import sigmoid, tanh
from ..kernels.lanes import zeros_like
from ._base import BOTH, BaseCell


@kernel
def forward(a, s, h, p):
    a_i, a_f, a_g, a_o = a
    (c,) = s
    i, f, g, o = sigmoid(a_i), sigmoid(a_f), tanh(a_g), sigmoid(a_o)
    c = f * c + i * g
    return (i, f, g, o), (c,), o * tanh(c)


@kernel
def forward_peepholes(a, s, h, p):
    a_i, a_f, a_g, a_o = a
    (c,), (p_i, p_f, p_o) = s, p
    i, f, g = sigmoid(a_i + p_i * c), sigmoid(a_f + p_f * c), tanh(a_g)
    c = f * c + i * g
    o = sigmoid(a_o + p_o * c)
    return (i, f, g, o), (c,), o * tanh(c)


@kernel
def backward(gates, s_before, h_before, p, ds, dh):
    i, f, g, o = gates
    (c_before,), (dc,) = s_before, ds
    tanh_c = tanh(f * c_before + i * g)
    do = dh * tanh_c
    dc = dc + dh * o * (1 - tanh_c * tanh_c)
    di, df, dg = dc * g, dc * c_before, dc * i
    da = (di * i * (1 - i), df * f * (1 - f), dg * (1 - g * g), do * o * (1 - o))
    return da, (dc * f,), zeros_like(dh), p


@kernel
def backward_peepholes(gates, s_before, h_before, p, ds, dh):
    i, f, g, o = gates
    (c_before,), (dc,), (p_i, p_f, p_o) = s_before, ds, p
    c = f * c_before + i * g
    tanh_c = tanh(c)
    da_o = dh * tanh_c * o * (1 - o)
    dc = dc + dh * o * (1 - tanh_c * tanh_c) + da_o * p_o
    da_i, da_f, da_g = dc * g * i * (1 - i), dc * c_before * f * (1 - f), dc * i * (1 - g * g)
    dc_before = dc * f + da_i * p_i + da_f * p_f
    return (da_i, da_f, da_g, da_o), (dc_before,), zeros_like(dh), (da_i * c_before, da_f * c_before, da_o * c)


class LSTM(BaseCell):
    r"""Long short-term memory with input, forget and output gates [1]_ [2]_.

    .. math::
        i_t &= \sigma(x_t W_{xi} + h_{t-1} W_{hi} + b_i) \\
        f_t &= \sigma(x_t W_{xf} + h_{t-1} W_{hf} + b_f) \\
        g_t &= \tanh(x_t W_{xg} + h_{t-1} W_{hg} + b_g) \\
        c_t &= f_t \odot c_{t-1} + i_t \odot g_t \\
        o_t &= \sigma(x_t W_{xo} + h_{t-1} W_{ho} + b_o) \\
        h_t &= o_t \odot \tanh(c_t)

    With peepholes [3]_, the gates depend on the cell state: :math:`p_i \odot c_{t-1}` is added in the brackets of
    :math:`i_t`, :math:`p_f \odot c_{t-1}` in those of :math:`f_t`, and :math:`p_o \odot c_t`, with the new state, in
    those of :math:`o_t`.

    The columns of ``W_x`` (D, 4H), ``W_h`` (H, 4H) and ``b`` (4H,) are in the order i, f, g, o; the rows of ``P``
    (3, H), which only exists with peepholes, are in the order i, f, o.

    Parameters
    ----------
    peepholes : bool, default=False
        Whether the gates depend on the cell state. Peephole weights are initialised to 0.
    forget_bias : float, default=1.0
        Initial bias of the forget gate. With 1, it is initially open [4]_.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long short-term memory",
       Neural Computation 9(8), 1997.
    .. [2] F. A. Gers, J. Schmidhuber, F. Cummins, "Learning to forget: continual prediction with LSTM", Neural
       Computation 12(10), 2000.
    .. [3] F. A. Gers, N. N. Schraudolph, J. Schmidhuber, "Learning precise timing with LSTM recurrent networks",
       Journal of Machine Learning Research 3, 2002.
    .. [4] R. Jozefowicz, W. Zaremba, I. Sutskever, "An empirical exploration of recurrent network architectures",
       ICML 2015.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import LSTM
    >>> RNNClassifier(cell=LSTM(peepholes=True)).cell
    LSTM(peepholes=True)
    """

    gates = ("i", "f", "g", "o")
    columns = (("i", BOTH), ("f", BOTH), ("g", BOTH), ("o", BOTH))
    states = ("c",)
    carries_state = True
    remembers = {"f": 1, "i": -1}
    _parameter_constraints = {"peepholes": ["boolean"], "forget_bias": [Interval(Real, None, None, closed="neither")]}

    def __init__(self, peepholes=False, forget_bias=1.0):
        self.peepholes = peepholes
        self.forget_bias = forget_bias

    @property
    def vectors(self):
        return {"P": 3} if self.peepholes else {}

    @property
    def initial_bias(self):
        return {"f": self.forget_bias}

    @property
    def forward(self):
        return forward_peepholes if self.peepholes else forward

    @property
    def backward(self):
        return backward_peepholes if self.peepholes else backward
