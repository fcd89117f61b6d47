"""Elman network (simple recurrent network)."""

from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import relu, tanh
from ..kernels.lanes import where_positive, zeros_like
from ._base import BOTH, BaseCell


@kernel
def forward_tanh(a, s, h, p):
    h = tanh(a[0])
    return (h,), s, h


@kernel
def backward_tanh(saved, s_before, h_before, p, ds, dh):
    (h,) = saved
    return (dh * (1 - h * h),), ds, zeros_like(dh), p


@kernel
def forward_relu(a, s, h, p):
    h = relu(a[0])
    return (h,), s, h


@kernel
def backward_relu(saved, s_before, h_before, p, ds, dh):
    return (where_positive(saved[0], dh),), ds, zeros_like(dh), p


@kernel
def forward_identity(a, s, h, p):
    return a, s, a[0]


@kernel
def backward_identity(saved, s_before, h_before, p, ds, dh):
    return (dh,), ds, zeros_like(dh), p


class Elman(BaseCell):
    r"""Elman network [1]_: the context is the previous hidden state.

    .. math::
        h_t = \phi(x_t W_x + h_{t-1} W_h + b)

    ``W_x`` (D, H), ``W_h`` (H, H), ``b`` (H,).

    Parameters
    ----------
    activation : {"tanh", "relu", "identity"}, default="tanh"
        Activation function :math:`\phi`. "relu" with ``recurrent_init="identity"`` is the IRNN [2]_.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time",
       Cognitive Science 14(2), 1990.
    .. [2] Q. V. Le, N. Jaitly, G. E. Hinton, "A simple way to initialize recurrent networks of rectified linear
       units", 2015. :arxiv:`1504.00941`

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import Elman
    >>> RNNClassifier(cell=Elman(activation="relu")).get_params()["cell__activation"]
    'relu'
    """

    gates = ("h",)
    columns = (("h", BOTH),)
    saves_h = True
    _parameter_constraints = {"activation": [StrOptions({"tanh", "relu", "identity"})]}
    activations = {
        "tanh": (forward_tanh, backward_tanh),
        "relu": (forward_relu, backward_relu),
        "identity": (forward_identity, backward_identity),
    }

    def __init__(self, activation="tanh"):
        self.activation = activation

    @property
    def forward(self):
        return self.activations[self.activation][0]

    @property
    def backward(self):
        return self.activations[self.activation][1]
