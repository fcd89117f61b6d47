"""Random numbers that only depend on their purpose: there is no generator whose state would have to be stored.

The mixing function is the finalizer of SplitMix64 (G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom
number generators", OOPSLA 2014, :doi:`10.1145/2660193.2660195`).
"""

import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FACTORS = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFTS = np.uint64(30), np.uint64(27), np.uint64(31)


def hashed(*words):
    """Integers of 64 bits from words, each an int below 2^64 or an array of such."""
    x = np.zeros(1, np.uint64)
    for word in words:
        x = x ^ np.asarray(word).astype(np.uint64)
        x = x + GOLDEN  # arrays wrap around without a warning
        x = (x ^ (x >> SHIFTS[0])) * FACTORS[0]
        x = (x ^ (x >> SHIFTS[1])) * FACTORS[1]
        x = x ^ (x >> SHIFTS[2])
    return x


def shuffled(rows, seed, epoch):
    """The rows in the order of an epoch; which of two comes first does not depend on the others."""
    return rows[np.argsort(hashed(seed, epoch, rows), kind="stable")]


def epoch_seed(seed, epoch):
    """A number of 64 bits for what is drawn in an epoch beside its order."""
    return int(hashed(seed, epoch, np.iinfo(np.int64).max)[0])


def member_seed(seed, k):
    """The seed of network number k of those that are trained together; that of the first is the seed of all."""
    return seed if k == 0 else int(hashed(seed, np.iinfo(np.uint64).max, k)[0] >> np.uint64(33))
