"""Minimal gated recurrent unit whose gate and candidate read the input alone."""

from ..kernels._jit import kernel
from ..kernels.activations import sigmoid
from ._base import INPUT, BaseCell


@kernel
def forward(a, s, h, p):
    z, g = sigmoid(a[0]), a[1]
    return (z, g), s, (1 - z) * h + z * g


@kernel
def backward(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    return (dh * (g - h_before) * z * (1 - z), dh * z), ds, dh * (1 - z), p


class MinGRU(BaseCell):
    r"""Minimal GRU [1]_: gate and candidate depend on the input alone, so a step has no product with the state.

    .. math::
        z_t &= \sigma(x_t W_{xz} + b_z) \\
        g_t &= x_t W_{xg} + b_g \\
        h_t &= (1 - z_t) \odot h_{t-1} + z_t \odot g_t

    z admits new input. This is the form of section 3.1 of the paper, whose candidate is linear. Its form for
    logarithms, which a parallel scan needs, makes candidates positive; steps one after the other do not need that.

    The columns of ``W_x`` (D, 2H) and ``b`` (2H,) are in the order z, g. The state is a weighted mean of candidates, so
    it cannot explode. What a unit keeps cannot depend on what it or another unit holds already; in a second layer it
    can, because that layer reads states of the first. Use two layers or more.

    References
    ----------
    .. [1] L. Feng, F. Tung, M. O. Ahmed, Y. Bengio, H. Hajimirsadeghi, "Were RNNs all we needed?", 2024.
       :arxiv:`2410.01201`

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> RNNClassifier((64, 64), "mingru")
    RNNClassifier(cell='mingru', hidden_layer_sizes=(64, 64))
    """

    gates = ("z", "g")
    columns = (("z", INPUT), ("g", INPUT))
    carries_state = True
    remembers = {"z": -1}
    forward, backward = staticmethod(forward), staticmethod(backward)
