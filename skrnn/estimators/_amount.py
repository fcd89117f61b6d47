"""How long to train, and how large the mini-batches and the penalty are, by what there is to train on.

The numbers were chosen by experiment: see docs/defaults.rst.
"""

from typing import NamedTuple

# Batches large enough for the processor to work well and small enough for many updates in an epoch; epochs enough for
# updates enough. Targets of the steps of a sequence say less than those of as many sequences, and more than one.
SMALLEST_BATCH, LARGEST_BATCH, BATCHES_PER_EPOCH = 16, 64, 16
FEWEST_EPOCHS, MOST_EPOCHS, UPDATES = 20, 200, 1500
# Penalty of targets of which nothing but noise is left when the part of the variance that is noise is this large.
STRONGEST_PENALTY, NOISY = 3e-3, 0.15


class Amount(NamedTuple):
    """What there is to train on: sequences, and the mean number of targets that each of them has."""

    n_sequences: int
    n_targets: float


def batch_size_of(parameters, n_sequences):
    size = parameters.batch_size
    if size == "auto":
        size = min(max(n_sequences // BATCHES_PER_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return min(size, n_sequences)


def n_epochs_of(parameters, amount, batch_size):
    """Epochs, fewer where each sequence has many targets."""
    if parameters.max_iter != "auto":
        return parameters.max_iter
    n_batches, share = -(-amount.n_sequences // batch_size), amount.n_targets**-0.25
    most = max(int(MOST_EPOCHS * share), FEWEST_EPOCHS)
    return min(max(int(-(-UPDATES * share // n_batches)), FEWEST_EPOCHS), most)


def penalty_of(parameters, noise):
    """The strength of the penalty; noise : ``noise()`` gives the part of the variance of the target that is noise."""
    if parameters.alpha != "auto":
        return parameters.alpha
    return STRONGEST_PENALTY * min(1.0, noise() / NOISY)
