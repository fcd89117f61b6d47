"""Sequences that differ a little each time when a network is trained on them."""

from numbers import Real

from sklearn.utils._param_validation import Interval

from ._core.parameters import PlainEstimator, keep


class Augmentation(PlainEstimator):
    r"""Random changes of numeric sequences, drawn anew in each epoch of training [1]_.

    Values between two steps are interpolated, so a sequence keeps its length. Only sequences to train on are changed;
    held-out sequences and those to predict are read as they are. What is drawn depends on ``random_state``, the epoch
    and the sequence alone.

    Parameters
    ----------
    time_warp : float, default=2
        Largest factor :math:`w` by which a sequence runs faster or slower at times. The speed at six moments, spread
        evenly over the sequence, is drawn from :math:`1/w` to :math:`w`, uniformly in its logarithm, and is linear
        between them. The first and the last step stay where they are. 1: steps keep their places.
    crop : float, default=1
        Smallest share of the steps that is kept. A part of this share or more is drawn, and stretched over the whole
        length. 1: all steps are kept.
    scale : float, default=1
        Largest factor :math:`s` of the values. For each channel, one is drawn from :math:`1/s` to :math:`s`, uniformly
        in its logarithm; with ``standardize=True`` it is a factor of the distance from the mean. 1: values stay as
        they are.

    References
    ----------
    .. [1] T. T. Um, F. M. J. Pfister, D. Pichler, S. Endo, M. Lang, S. Hirche, U. Fietzek and D. Kulić, "Data
       augmentation of wearable sensor data for Parkinson's disease monitoring using convolutional neural networks",
       International Conference on Multimodal Interaction, 2017, :doi:`10.1145/3136755.3136817`.

    Examples
    --------
    >>> from skrnn import RNNClassifier
    >>> from skrnn.augmentation import Augmentation
    >>> model = RNNClassifier(augmentation=Augmentation(time_warp=1.5, scale=1.2))
    """

    _parameter_constraints = {
        "time_warp": [Interval(Real, 1, 100, closed="both")],
        "crop": [Interval(Real, 0, 1, closed="right")],
        "scale": [Interval(Real, 1, 100, closed="both")],
    }

    def __init__(self, time_warp=2.0, crop=1.0, scale=1.0):
        keep(locals())

    @property
    def moves_steps(self):
        """Whether values come to stand at other steps."""
        return self.time_warp > 1 or self.crop < 1
