"""Parameters of a convolution over time before the recurrent layers."""

from numbers import Integral

from sklearn.utils._param_validation import Interval, StrOptions

from ._core.parameters import PlainEstimator, keep


class Conv(PlainEstimator):
    r"""Convolution over time, before the recurrent layers [1]_.

    Each output channel is a weighted sum over `width` neighbouring steps. Sequences are padded with zeros, equally on
    both sides; if `width` is even, with one more on the right.

    .. math::
        y_t = \phi\Big(\sum_{k=0}^{w-1} x_{t s + k - \lfloor (w-1)/2 \rfloor} W_k + b\Big)

    The weights are ``W`` (width * n_inputs, n_channels), ordered by step, and ``b`` (n_channels,).

    Parameters
    ----------
    n_channels : int, default=32
        Number of output channels.
    width : int, default=5
        Number of steps :math:`w` that each output depends on.
    stride : int, default=1
        Number of steps :math:`s` between outputs. With 2, the sequences become half as long for the recurrent layers.
    activation : {"relu", "tanh", "identity"}, default="relu"
        Activation function :math:`\phi`.

    References
    ----------
    .. [1] A. Waibel, T. Hanazawa, G. Hinton, K. Shikano and K. J. Lang, "Phoneme recognition using time-delay neural
       networks", IEEE Transactions on Acoustics, Speech, and Signal Processing 37(3), 1989.

    Examples
    --------
    >>> from skrnn.convolution import Conv
    >>> Conv(n_channels=16, width=7, stride=3).n_steps(100)
    34
    """

    _parameter_constraints = {
        "n_channels": [Interval(Integral, 1, None, closed="left")],
        "width": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions({"relu", "tanh", "identity"})],
    }

    def __init__(self, n_channels=32, width=5, stride=1, activation="relu"):
        keep(locals())

    def n_steps(self, lengths):
        """Compute the lengths of the outputs.

        Parameters
        ----------
        lengths : int or ndarray of int
            Number of steps of each sequence.

        Returns
        -------
        int or ndarray of int
            Number of steps of each output: the length divided by `stride`, rounded up.

        Examples
        --------
        >>> import numpy as np
        >>> from skrnn.convolution import Conv
        >>> Conv(stride=2).n_steps(np.array([1, 2, 5]))
        array([1, 1, 3])
        """
        return -(-lengths // self.stride)
