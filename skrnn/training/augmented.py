"""Sequences to train on that are drawn anew in each epoch."""

from typing import NamedTuple

import numpy as np

from .._core.streams import epoch_seed, hashed
from ..augmentation import Augmentation

N_SPEEDS = 6  # moments at which the speed of a sequence is drawn
PURPOSE = 0x61756721  # any number that nothing else is drawn with


class Augmenter(NamedTuple):
    """How to change sequences, of which so many columns are channels, and those behind them changes of channels."""

    augmentation: Augmentation
    n_channels: int

    def drawn(self, rows, seed, epoch):
        """Speeds, windows and factors of the sequences `rows` in an epoch; no sequence depends on the others."""
        how = self.augmentation
        columns = np.arange(N_SPEEDS + 2 + self.n_channels)
        words = hashed(epoch_seed(seed, epoch), PURPOSE, np.asarray(rows)[:, np.newaxis], columns)
        uniform = (words >> np.uint64(11)) * 2.0**-53
        speeds, shares, factors = np.split(uniform, [N_SPEEDS, N_SPEEDS + 2], axis=1)
        share = how.crop + (1 - how.crop) * shares[:, 0]
        begin = shares[:, 1] * (1 - share)
        windows = np.column_stack([begin, np.minimum(begin + share, 1)])
        return float(how.time_warp) ** (2 * speeds - 1), windows, float(how.scale) ** (2 * factors - 1)
