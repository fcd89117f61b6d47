"""Minimal gated unit and its simplified variants."""

from sklearn.utils._param_validation import StrOptions

from ..kernels._jit import kernel
from ..kernels.activations import sigmoid, tanh
from ._base import BIAS, BOTH, INPUT, STATE, STATE_WITHOUT_BIAS, BaseCell


@kernel
def inner_forward(a, h):
    f = sigmoid(a[0])
    return (f,), f * h


@kernel
def inner_backward(saved, h_before, shared, du):
    (f,), (df,) = saved, shared
    df = df + du * h_before
    return (df * f * (1 - f),), du * f


@kernel
def forward(a, s, h, p):
    f, g = a[0], tanh(a[1])
    return (f, g), s, (1 - f) * h + f * g


@kernel
def backward(saved, s_before, h_before, p, ds, dh):
    f, g = saved
    return (dh * (g - h_before), dh * f * (1 - g * g)), ds, dh * (1 - f), p


class MGU(BaseCell):
    r"""Minimal gated unit [1]_: one gate in place of the two of a GRU.

    .. math::
        f_t &= \sigma(x_t W_{xf} + h_{t-1} W_{hf} + b_f) \\
        g_t &= \tanh(x_t W_{xg} + (f_t \odot h_{t-1}) W_{hg} + b_g) \\
        h_t &= (1 - f_t) \odot h_{t-1} + f_t \odot g_t

    f admits new input. The columns of ``W_x`` (D, 2H), ``W_h`` (H, 2H) and ``b`` (2H,) are in the order f, g. Weights
    that the chosen `forget_gate` does not use have no columns for f.

    Parameters
    ----------
    forget_gate : {"full", "no_input", "no_input_no_bias", "bias_only"}, default="full"
        Inputs of the gate f. The last three are the variants MGU1, MGU2 and MGU3 of [2]_, with fewer weights.

    References
    ----------
    .. [1] G.-B. Zhou, J. Wu, C.-L. Zhang, Z.-H. Zhou, "Minimal gated unit for recurrent neural networks",
       International Journal of Automation and Computing 13(3), 2016. :arxiv:`1603.09420`
    .. [2] J. C. Heck, F. M. Salem, "Simplified minimal gated unit variations for recurrent neural networks", MWSCAS
       2017. :arxiv:`1701.03452`

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.cells import MGU
    >>> RNNClassifier(cell=MGU(forget_gate="no_input")).cell
    MGU(forget_gate='no_input')
    """

    gates = ("f", "g")
    inner = ("f",)
    fed_by_inner = "g"
    n_shared = 1
    carries_state = True
    feeds = {"full": BOTH, "no_input": STATE, "no_input_no_bias": STATE_WITHOUT_BIAS, "bias_only": BIAS}
    _parameter_constraints = {"forget_gate": [StrOptions(set(feeds))]}
    inner_forward, inner_backward = staticmethod(inner_forward), staticmethod(inner_backward)
    forward, backward = staticmethod(forward), staticmethod(backward)

    def __init__(self, forget_gate="full"):
        self.forget_gate = forget_gate

    @property
    def remembers(self):
        return {} if self.forget_gate == "no_input_no_bias" else {"f": -1}

    @property
    def columns(self):
        return ("f", self.feeds[self.forget_gate]), ("g", INPUT)
