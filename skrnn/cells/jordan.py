"""Jordan network: the context is the previous output."""

from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import relu, sigmoid, tanh
from ..kernels.lanes import where_positive, zeros_like
from ._base import BIAS, BOTH, BaseCell


@kernel
def inner_forward_tanh(a, y):
    u = tanh(a[0])
    return (u,), u


@kernel
def inner_backward_tanh(saved, y_before, shared, du):
    (u,) = saved
    return (du * (1 - u * u),), zeros_like(du)


@kernel
def inner_forward_relu(a, y):
    u = relu(a[0])
    return (u,), u


@kernel
def inner_backward_relu(saved, y_before, shared, du):
    return (where_positive(saved[0], du),), zeros_like(du)


@kernel
def forward_sigmoid(a, s, y, p):
    y = sigmoid(a[0])
    return (y,), a, y


@kernel
def backward_sigmoid(saved, s_before, y_before, p, ds, dy):
    (y,), (do,) = saved, ds
    return (do + dy * y * (1 - y),), (zeros_like(dy),), zeros_like(dy), p


@kernel
def forward_tanh(a, s, y, p):
    y = tanh(a[0])
    return (y,), a, y


@kernel
def backward_tanh(saved, s_before, y_before, p, ds, dy):
    (y,), (do,) = saved, ds
    return (do + dy * (1 - y * y),), (zeros_like(dy),), zeros_like(dy), p


@kernel
def forward_identity(a, s, y, p):
    return a, a, a[0]


@kernel
def backward_identity(saved, s_before, y_before, p, ds, dy):
    return (ds[0] + dy,), (zeros_like(dy),), zeros_like(dy), p


class Jordan(BaseCell):
    r"""Jordan network [1]_: the context is the previous output, not the hidden state.

    .. math::
        u_t &= \phi(x_t W_x + y_{t-1} W_h + b) \\
        o_t &= u_t W_y + b_y \\
        y_t &= \psi(o_t)

    ``W_x`` (D, H), ``W_h`` (K, H), ``b`` (H,), ``W_y`` (H, K), ``b_y`` (K,).

    In the last layer, the K outputs are those of the network: :math:`o_t` is the raw prediction at step t, without a
    further readout, and the network only knows its previous predictions of the past. Other layers, and bidirectional
    layers, have K = H outputs :math:`y_t`, which the next layer or a readout reads.

    Parameters
    ----------
    activation : {"tanh", "relu"}, default="tanh"
        Activation function :math:`\phi` of the hidden units.
    output_activation : {"sigmoid", "tanh", "identity"}, default="sigmoid"
        Activation function :math:`\psi` of the context.

    References
    ----------
    .. [1] M. I. Jordan, "Serial order: a parallel distributed processing approach", Technical report 8604, Institute
       for Cognitive Science, University of California, San Diego, 1986.

    Examples
    --------
    >>> from skrnn import RNNRegressor
    >>> from skrnn.cells import Jordan
    >>> RNNRegressor(cell=Jordan(output_activation="identity")).cell
    Jordan(output_activation='identity')
    """

    gates = ("u", "o")
    columns = (("u", BOTH), ("o", BIAS))
    states = ("o",)
    inner = ("u",)
    fed_by_inner = "o"
    is_output = True
    _inner_names = ("W_y", "b_y")
    _parameter_constraints = {
        "activation": [StrOptions({"tanh", "relu"})],
        "output_activation": [StrOptions({"sigmoid", "tanh", "identity"})],
    }
    activations = {
        "tanh": (inner_forward_tanh, inner_backward_tanh),
        "relu": (inner_forward_relu, inner_backward_relu),
    }
    output_activations = {
        "sigmoid": (forward_sigmoid, backward_sigmoid),
        "tanh": (forward_tanh, backward_tanh),
        "identity": (forward_identity, backward_identity),
    }

    def __init__(self, activation="tanh", output_activation="sigmoid"):
        self.activation = activation
        self.output_activation = output_activation

    @property
    def inner_forward(self):
        return self.activations[self.activation][0]

    @property
    def inner_backward(self):
        return self.activations[self.activation][1]

    @property
    def forward(self):
        return self.output_activations[self.output_activation][0]

    @property
    def backward(self):
        return self.output_activations[self.output_activation][1]
