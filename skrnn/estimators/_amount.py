"""How long to train, and how large the mini-batches and the penalty are, by what there is to train on.

The numbers were chosen by experiment: see docs/defaults.rst.
"""

import math
from typing import NamedTuple

# Batches large enough for the processor to work well and small enough for many updates in an epoch; epochs enough for
# updates enough. Targets of the steps of a sequence say less than those of as many sequences, and more than one.
SMALLEST_BATCH, LARGEST_BATCH, BATCHES_PER_EPOCH = 16, 64, 16
FEWEST_EPOCHS, MOST_EPOCHS, UPDATES = 20, 200, 1500
# Words: most of the parameters are vectors of rare codes, which fit their few sequences after some epochs.
MANY_TOKENS = 1000
EPOCHS_OF_WORDS, UPDATES_OF_WORDS = 5, 200  # where each sequence has one target
EPOCHS_OF_TAGGED_WORDS, UPDATES_OF_TAGGED_WORDS = 10, 500
# Penalty of targets of which nothing but noise is left when the part of the variance that is noise is this large.
STRONGEST_PENALTY, NOISY = 3e-3, 0.15


class Amount(NamedTuple):
    """What there is to train on.

    n_sequences : sequences that have a weight; n_targets : of each sequence, in the mean; n_tokens : of the largest
    vocabulary, 0 without any. The last two are 1 and 0 where they have no say.
    """

    n_sequences: int
    n_targets: float = 1.0
    n_tokens: int = 0


def batch_size_of(parameters, n_sequences):
    size = parameters.batch_size
    if size == "auto":
        size = min(max(n_sequences // BATCHES_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return min(size, n_sequences)


def n_epochs_of(parameters, amount, batch_size):
    """Epochs: as many as make enough updates, within bounds."""
    if parameters.max_iter != "auto":
        return parameters.max_iter
    n_batches = -(-amount.n_sequences // batch_size)
    updates, fewest, most = _bounds(amount)
    return int(min(max(-(-updates // n_batches), fewest), most))


def _bounds(amount):
    """Updates, fewest and most epochs."""
    if amount.n_tokens < MANY_TOKENS:
        divisor = math.sqrt(math.sqrt(amount.n_targets))  # a power would be rounded by the library of the machine
        return UPDATES / divisor, FEWEST_EPOCHS, max(MOST_EPOCHS / divisor, FEWEST_EPOCHS)
    if amount.n_targets > 1:
        return UPDATES_OF_TAGGED_WORDS, EPOCHS_OF_TAGGED_WORDS, FEWEST_EPOCHS
    return UPDATES_OF_WORDS, EPOCHS_OF_WORDS, FEWEST_EPOCHS


def penalty_of(parameters, noise, repeats):
    """The strength of the penalty.

    noise : ``noise()`` gives the part of the variance of the target that is noise; repeats : ``repeats()`` gives how
    often the targets of a sample say the same: so many times as strong is the pull of their noise.
    """
    if parameters.alpha != "auto":
        return parameters.alpha
    return STRONGEST_PENALTY * min(1.0, noise() / NOISY) * repeats()
