"""The channels that are judged: numbers that are no time stamps, in units of their own spread in training."""

import numpy as np

from ..network.encoding import number_channels
from ..network.moments import mean_and_scale
from ..sequences import SequenceArray

ROUNDING = 10  # times the precision of the values: less is no change in training
MOVED = 1e-6  # of a constant: less is no change later, when X may have another precision
LARGEST = 1e150  # whose squares are numbers


class Judged:
    """Channels, and what they usually are.

    Parameters
    ----------
    which : ndarray of shape (C,)
        Their numbers.
    mean, scale : ndarray of shape (C,)
        Over the steps that are trained on. The scale of a channel that never changed is 0.
    """

    def __init__(self, which, mean, scale):
        self.which, self.mean, self.scale = which, mean, scale
        self.constant = scale == 0

    @classmethod
    def learn(cls, sequences, roles, is_later):
        """Learn them from the steps that are not later."""
        which = numbers_without_times(sequences.n_channels, roles.categorical, roles.time_channel)
        if not len(which):
            raise ValueError("X has no channel of numbers, which are what is predicted: only tokens, codes or times.")
        values = sequences.values[~is_later][:, which].astype(np.float64)
        _refuse_useless(values, which, sequences.channel_names)
        lowest, highest = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
        constant = highest - lowest <= ROUNDING * np.finfo(sequences.values.dtype).eps * np.abs(lowest)
        if constant.all():
            raise ValueError("X never changes in the steps that are trained on: there is nothing to learn.")
        mean, scale = mean_and_scale(values, np.ones(len(values)), which, "standardize")
        return cls(which, np.where(constant, lowest, mean), np.where(constant, 0.0, scale))

    @classmethod
    def of(cls, detector):
        """Those of a fitted detector."""
        inputs = detector.inputs_
        which = numbers_without_times(inputs.n_channels, inputs.categories, inputs.time_channel)
        return cls(which, detector.channel_mean_, detector.channel_scale_)

    @property
    def attributes(self):
        """What a fitted detector keeps of them."""
        return {"channel_mean_": self.mean, "channel_scale_": self.scale}

    def standardized(self, sequences):
        """Values (n_steps, C) in standard deviations from the mean, 0 in channels that never changed in training."""
        values = sequences.values[:, self.which].astype(np.float64)
        return np.where(self.constant, 0.0, 1.0) * (values - self.mean) / np.where(self.constant, 1.0, self.scale)

    def moved(self, sequences):
        """Which values (n_steps, C) differ from the only one that their channel had in training."""
        differs = np.abs(sequences.values[:, self.which] - self.mean) > MOVED * np.abs(self.mean)
        return differs & self.constant

    def unmoved(self, sequences):
        """The sequences as if channels that never changed in training never did: the network knows nothing of it."""
        if not self.constant.any():
            return sequences
        values = sequences.values.copy()
        values[:, self.which[self.constant]] = self.mean[self.constant]
        return SequenceArray(values, sequences.offsets, sequences.channel_names)


def numbers_without_times(n_channels, categorical, time_channel):
    """The channels of numbers but that of time stamps."""
    numbers = number_channels(n_channels, categorical, time_channel)
    return numbers if time_channel is None else numbers[:-1]


def _refuse_useless(values, which, names):
    """Refuse channels that hold nothing, or more than can be squared."""
    empty, large = np.isnan(values).all(axis=0), (np.abs(values) > LARGEST).any(axis=0)
    if not (empty | large).any():
        return
    c = int(which[(empty if empty.any() else large).argmax()])
    name = f"Input X: channel {c}" if names is None else f"Input X: channel {c} ({names[c]!r})"
    if empty.any():
        raise ValueError(
            f"{name} is NaN at all steps that are trained on, so that nothing can be learned of it: leave it out."
        )
    raise ValueError(f"{name} holds values that are too large, their variance overflows: rescale them.")
