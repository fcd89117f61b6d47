"""Random masks that depend on what they are for, and on nothing else: not on the shard, its order or the thread.

Each number is a hash of a key, the identity of a sequence, maybe a step, and a column. The mixing function is
``lowbias32``, found by a search for the least bias among functions of two multiplications and three shifts (C. Wellons,
"Prospecting for hash functions", 2018, https://nullprogram.com/blog/2018/07/31/). A row of a mask has two words of 32
bits, which take in key, identity and step one word after the other; each number of the row mixes its column with the
one, then with the other.
"""

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import lower_builtin, type_callable

from ._jit import VECTOR_BYTES, kernel
from .lanes import I32, Lanes, lanes, splat, store, vector_type

WORD = 0xFFFFFFFF
SALTS = 0x9E3779B9, 0x7F4A7C15  # the two halves of 2^64 / golden ratio: any two different words would do
FACTORS = 0x7FEB352D, 0x846CA68B
SHIFTS = 16, 15, 16


@kernel
def mix(x):
    """lowbias32 of one word, in signed integers of 64 bits."""
    x = ((x ^ (x >> SHIFTS[0])) * FACTORS[0]) & WORD
    x = ((x ^ (x >> SHIFTS[1])) * FACTORS[1]) & WORD
    return x ^ (x >> SHIFTS[2])


@kernel
def _seed(salt, low, high, identity):
    """A word from the two words of a key and an identity."""
    return mix(mix(mix(mix(salt ^ low) ^ high) ^ (identity & WORD)) ^ ((identity >> 32) & WORD))


def chance(array, column, active, seed_0, seed_1, threshold):
    """Lanes of the dtype of `array` for `active` columns from `column`: 1 with probability threshold / 2^32, else 0."""
    x = np.arange(column, column + min(max(active, 0), lanes(array.dtype)), dtype=np.uint32)
    for seed in (seed_0, seed_1):
        x += np.uint32(seed)
        for shift, factor in zip(SHIFTS[:2], FACTORS, strict=True):
            x = (x ^ (x >> np.uint32(shift))) * np.uint32(factor)
        x ^= x >> np.uint32(SHIFTS[2])
    return (x < np.uint32(threshold)).astype(array.dtype)


@type_callable(chance)
def _type_chance(context):
    def typer(array, column, active, seed_0, seed_1, threshold):
        return Lanes(array.dtype)

    return typer


@lower_builtin(chance, types.Array, *[types.Integer] * 5)
def _lower_chance(context, builder, sig, args):
    _, column, _, *seeds, threshold = args
    vector = vector_type(sig.args[0].dtype)
    words = ir.VectorType(I32, vector.count)

    def constant(value):
        return ir.Constant(words, [value] * vector.count)

    def word(value):
        return splat(builder, builder.trunc(value, I32), vector.count)

    x = builder.add(word(column), ir.Constant(words, list(range(vector.count))))
    for seed in seeds:
        x = builder.add(x, word(seed))
        for shift, factor in zip(SHIFTS[:2], FACTORS, strict=True):
            x = builder.mul(builder.xor(x, builder.lshr(x, constant(shift))), constant(factor))
        x = builder.xor(x, builder.lshr(x, constant(SHIFTS[2])))
    return builder.uitofp(builder.icmp_unsigned("<", x, word(threshold)), vector)


@kernel
def draw_dropout(low, high, identities, threshold, scale, n_columns, out):
    """out[n, j] = 0 with probability threshold / 2^32, else `scale`: a function of the key, identities[n] and j alone.

    low, high : words of the key; identities : what tells each sequence from all others.
    """
    lanes = VECTOR_BYTES // out.itemsize
    for n in range(identities.shape[0]):
        identity = int(identities[n])
        seed_0, seed_1 = _seed(SALTS[0], low, high, identity), _seed(SALTS[1], low, high, identity)
        for j in range(0, n_columns, lanes):
            m = n_columns - j
            store(out, n, j, m, (1 - chance(out, j, m, seed_0, seed_1, threshold)) * scale)


@kernel
def draw_zoneout(low, high, identities, threshold, n_columns, starts, first_steps, out):
    """out[row of step t of sequence n, j] = 1 with probability threshold / 2^32, else 0.

    A function of the key, identities[n], the step and j alone. The rows lie as in `pooling`; the first step of sequence
    n is first_steps[n].
    """
    lanes = VECTOR_BYTES // out.itemsize
    for t in range(starts.shape[0] - 2):
        first = starts[t + 1] - starts[1]
        for n in range(starts[t + 2] - starts[t + 1]):
            identity = int(identities[n])
            step = int(first_steps[n]) + t
            seed_0 = mix(_seed(SALTS[0], low, high, identity) ^ step)
            seed_1 = mix(_seed(SALTS[1], low, high, identity) ^ step)
            for j in range(0, n_columns, lanes):
                m = n_columns - j
                store(out, first + n, j, m, chance(out, j, m, seed_0, seed_1, threshold))


@kernel
def chosen(low, high, identity, step, threshold):
    """Whether a single chance of threshold / 2^32 comes true, for a step of a sequence."""
    return mix(mix(_seed(SALTS[0], low, high, identity) ^ step) ^ SALTS[1]) < threshold


def words_of(key):
    """The two words of a key of 64 bits."""
    return key & WORD, (key >> 32) & WORD


def threshold_of(rate):
    """The hashes below it are chosen, with probability `rate`."""
    return min(round(rate * 2**32), WORD)
