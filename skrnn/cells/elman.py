"""Elman network (simple recurrent network)."""

from sklearn.utils._param_validation import StrOptions

from .._jit import kernel
from ..kernels.activations import relu, tanh
from ..kernels.lanes import where_positive, zeros_like
from ._base import BOTH, BaseCell


@kernel
def forward_tanh(a, s, h):
    h = tanh(a[0])
    return (h,), s, h


@kernel
def backward_tanh(gates, s_before, s, h_before, h, ds, dh):
    return (dh * (1 - h * h),), ds, zeros_like(dh)


@kernel
def forward_relu(a, s, h):
    h = relu(a[0])
    return (h,), s, h


@kernel
def backward_relu(gates, s_before, s, h_before, h, ds, dh):
    return (where_positive(h, dh),), ds, zeros_like(dh)


class Elman(BaseCell):
    r"""Elman network [1]_: the context is the previous hidden state.

    .. math::
        h_t = \phi(x_t W_x + h_{t-1} W_h + b)

    ``W_x`` (D, H), ``W_h`` (H, H), ``b`` (H,).

    Parameters
    ----------
    activation : {"tanh", "relu"}, default="tanh"
        The function :math:`\phi`.

    References
    ----------
    .. [1] J. L. Elman, "Finding structure in time",
       Cognitive Science 14(2), 1990.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import Elman
    >>> RNNClassifier(cell=Elman(activation="relu")).get_params()["cell__activation"]
    'relu'
    """

    gates = ("h",)
    columns = (("h", BOTH),)
    _parameter_constraints = {"activation": [StrOptions({"tanh", "relu"})]}
    activations = {"tanh": (forward_tanh, backward_tanh), "relu": (forward_relu, backward_relu)}

    def __init__(self, activation="tanh"):
        self.activation = activation

    @property
    def forward(self):
        return self.activations[self.activation][0]

    @property
    def backward(self):
        return self.activations[self.activation][1]
