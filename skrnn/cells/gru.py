"""Gated recurrent unit, reset gate after or before the product."""

from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import sigmoid, tanh
from ._base import BOTH, INPUT, STATE, BaseCell


@kernel
def forward_after(a, s, h, p):
    a_gx, a_r, a_z, a_gh = a
    r, z = sigmoid(a_r), sigmoid(a_z)
    g = tanh(a_gx + r * a_gh)
    return (g, r, z, a_gh), s, (1 - z) * g + z * h


@kernel
def backward_after(saved, s_before, h_before, p, ds, dh):
    g, r, z, a_gh = saved
    dg, dz = dh * (1 - z), dh * (h_before - g)
    da_g = dg * (1 - g * g)
    dr = da_g * a_gh
    return (da_g, dr * r * (1 - r), dz * z * (1 - z), da_g * r), ds, dh * z, p


@kernel
def inner_forward(a, h):
    r = sigmoid(a[0])
    return (r,), r * h


@kernel
def inner_backward(saved, h_before, shared, du):
    (r,) = saved
    return (du * h_before * r * (1 - r),), du * r


@kernel
def forward_before(a, s, h, p):
    z, g = sigmoid(a[0]), tanh(a[1])
    return (z, g), s, (1 - z) * g + z * h


@kernel
def backward_before(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    dg, dz = dh * (1 - z), dh * (h_before - g)
    return (dz * z * (1 - z), dg * (1 - g * g)), ds, dh * z, p


class GRU(BaseCell):
    r"""Gated recurrent unit [1]_ with the reset gate applied after or before the product with the state.

    .. math::
        r_t &= \sigma(x_t W_{xr} + h_{t-1} W_{hr} + b_r) \\
        z_t &= \sigma(x_t W_{xz} + h_{t-1} W_{hz} + b_z) \\
        g_t &= \tanh(x_t W_{xg} + b_g + r_t \odot (h_{t-1} W_{hg} + b_h)) \qquad \text{(after)} \\
        g_t &= \tanh(x_t W_{xg} + b_g + (r_t \odot h_{t-1}) W_{hg}) \qquad \text{(before)} \\
        h_t &= (1 - z_t) \odot g_t + z_t \odot h_{t-1}

    z keeps the past. The columns of ``W_x`` (D, 3H), ``W_h`` (H, 3H) and ``b`` (3H,) are in the order r, z, g. The bias
    ``b_h`` (H,) only exists with ``reset="after"``.

    Parameters
    ----------
    reset : {"after", "before"}, default="after"
        Whether the reset gate acts after or before the product with the state. "after" is used by cuDNN and
        ``torch.nn.GRU`` (with two biases for r and z, which are one here), and needs one product less per step.
        "before" is used in the paper.

    References
    ----------
    .. [1] K. Cho et al., "Learning phrase representations using RNN encoder-decoder for statistical machine
       translation", EMNLP 2014.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import GRU
    >>> RNNClassifier(cell=GRU(reset="before"), hidden_layer_sizes=32)
    RNNClassifier(cell=GRU(reset='before'), hidden_layer_sizes=32)
    """

    gates = ("r", "z", "g")
    carries_state = True
    remembers = {"z": 1}
    _parameter_constraints = {"reset": [StrOptions({"after", "before"})]}
    inner_forward, inner_backward = staticmethod(inner_forward), staticmethod(inner_backward)

    def __init__(self, reset="after"):
        self.reset = reset

    @property
    def columns(self):
        if self.reset == "after":
            return ("g", INPUT), ("r", BOTH), ("z", BOTH), ("g", STATE)
        return ("r", BOTH), ("z", BOTH), ("g", INPUT)

    @property
    def inner(self):
        return () if self.reset == "after" else ("r",)

    @property
    def fed_by_inner(self):
        return None if self.reset == "after" else "g"

    @property
    def forward(self):
        return forward_after if self.reset == "after" else forward_before

    @property
    def backward(self):
        return backward_after if self.reset == "after" else backward_before
