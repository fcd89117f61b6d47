"""Independently recurrent network."""

from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import relu, tanh
from ..kernels.lanes import where_positive
from ._base import INPUT, BaseCell


@kernel
def forward_relu(a, s, h, p):
    h = relu(a[0] + p[0] * h)
    return (h,), s, h


@kernel
def backward_relu(saved, s_before, h_before, p, ds, dh):
    da = where_positive(saved[0], dh)
    return (da,), ds, da * p[0], (da * h_before,)


@kernel
def forward_tanh(a, s, h, p):
    h = tanh(a[0] + p[0] * h)
    return (h,), s, h


@kernel
def backward_tanh(saved, s_before, h_before, p, ds, dh):
    (h,) = saved
    da = dh * (1 - h * h)
    return (da,), ds, da * p[0], (da * h_before,)


class IndRNN(BaseCell):
    r"""Independently recurrent network [1]_: each unit depends on its own past only; the next layer mixes units.

    .. math::
        h_t = \phi(x_t W_x + w_h \odot h_{t-1} + b)

    ``W_x`` (D, H), ``w_h`` (H,), ``b`` (H,). Over T steps, the gradient of a unit is multiplied by up to
    :math:`|w_h|^T`. After each update, :math:`|w_h|` is clipped to :math:`2^{1/T}`, where T is the length of the
    longest training sequence, so that gradients do not explode and, near the bound, do not vanish. :math:`w_h` is
    initialised between 0 and the bound, or between :math:`2^{-1/T}` and the bound in a last layer of which only the
    state after the last step is used. Use two layers or more.

    Parameters
    ----------
    activation : {"relu", "tanh"}, default="relu"
        Activation function :math:`\phi`.

    References
    ----------
    .. [1] S. Li, W. Li, C. Cook, C. Zhu, Y. Gao, "Independently recurrent neural network (IndRNN): building a longer
       and deeper RNN", CVPR 2018. :arxiv:`1803.04831`

    Examples
    --------
    >>> from skrnn import RNNRegressor
    >>> RNNRegressor((128, 128), "indrnn")
    RNNRegressor(cell='indrnn', hidden_layer_sizes=(128, 128))
    """

    gates = ("h",)
    columns = (("h", INPUT),)
    vectors = {"w_h": 1}
    saves_h = True
    _parameter_constraints = {"activation": [StrOptions({"relu", "tanh"})]}
    activations = {"relu": (forward_relu, backward_relu), "tanh": (forward_tanh, backward_tanh)}

    def __init__(self, activation="relu"):
        self.activation = activation

    @property
    def forward(self):
        return self.activations[self.activation][0]

    @property
    def backward(self):
        return self.activations[self.activation][1]

    def initial_vectors(self, rng, name, shape, n_steps, is_last):
        bound = 2.0 ** (1 / n_steps)
        return rng.uniform(1 / bound if is_last else 0, bound, shape)

    def bounds(self, n_steps):
        return {"w_h": 2.0 ** (1 / n_steps)}
