"""Random masks: what they depend on, what they do not, and that they look random."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba.core import config
from numpy.testing import assert_array_equal

from skrnn.kernels.batches import N_COUNTS, plan_steps
from skrnn.kernels.masks import draw_dropout, draw_zoneout, mix, threshold_of, words_of

GUARD = -77.0
KEY = 0x0123456789ABCDEF
DTYPES = [np.float32, np.float64]
each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


def dropout(identities, rate, n_columns, key=KEY, dtype=np.float32, gap=3):
    out = np.full((len(identities) + 1, n_columns + gap), GUARD, dtype)
    draw_dropout(*words_of(key), np.asarray(identities), threshold_of(rate), 1 / (1 - rate), n_columns, out)
    assert (out[len(identities) :] == GUARD).all()
    assert (out[:, n_columns:] == GUARD).all()
    return out[: len(identities), :n_columns]


def zoneout(identities, lengths, rate, n_columns, key=KEY, dtype=np.float32, gap=3):
    """The mask of each sequence, (steps, columns)."""
    starts = np.empty(max(lengths) + 2, np.int64)
    plan_steps(np.array(lengths), starts, np.zeros(N_COUNTS, np.int64))
    out = np.full((sum(lengths) + 1, n_columns + gap), GUARD, dtype)
    first_steps = np.zeros(len(identities), np.int64)
    what = np.asarray(identities), threshold_of(rate), n_columns, starts, first_steps, out
    draw_zoneout(*words_of(key), *what)
    assert (out[sum(lengths) :] == GUARD).all()
    assert (out[:, n_columns:] == GUARD).all()
    return [out[starts[1 : T + 1] - starts[1] + n, :n_columns] for n, T in enumerate(lengths)]


def deviations(counts, n, rate):
    """Number of successes in standard deviations from what is expected of n draws."""
    return (np.asarray(counts) - n * rate) / np.sqrt(n * rate * (1 - rate))


@pytest.mark.small
@pytest.mark.parametrize("x", [0, 1, 2, 0x12345678, 0xFFFFFFFF])
def test_mix_is_lowbias32(x):
    expected = np.array([x], np.uint32)
    expected ^= expected >> 16
    expected *= np.uint32(0x7FEB352D)
    expected ^= expected >> 15
    expected *= np.uint32(0x846CA68B)
    expected ^= expected >> 16
    assert mix(x) == expected[0]


@pytest.mark.small
@each_dtype
def test_values(dtype):
    for n_columns in range(1, 41):
        mask = dropout([5, 0, 9], 0.25, n_columns, dtype=dtype)
        assert set(np.unique(mask)) <= {dtype(0), dtype(1 / 0.75)}
        for mask in zoneout([5, 0, 9], [4, 2, 1], 0.25, n_columns, dtype=dtype):
            assert set(np.unique(mask)) <= {dtype(0), dtype(1)}


@pytest.mark.small
def test_no_rate():
    assert (dropout(range(20), 0.0, 50) == 1).all()
    assert not any(mask.any() for mask in zoneout([1, 2], [30, 20], 0.0, 50))


@pytest.mark.small
def test_the_numbers_stay():
    """Other numbers here mean another network for everybody who trains with a mask and a fixed random state."""

    def as_hexadecimal(mask):
        return [bytes(np.packbits(row > 0)).hex() for row in mask]

    assert as_hexadecimal(dropout([0, 1, 2**40 + 3], 0.5, 48)) == ["7375145f86b5", "2dfd463927a9", "85380421bf00"]
    assert as_hexadecimal(zoneout([2**40 + 3], [2], 0.5, 48)[0]) == ["405cd1314d5d", "b1a2567d90e4"]


@pytest.mark.small
def test_one_column_after_the_other_whatever_the_width_and_dtype():
    wide = dropout([3, 4], 0.3, 70, dtype=np.float64) > 0
    zones = zoneout([3, 4], [3, 2], 0.3, 70, dtype=np.float64)
    for dtype in DTYPES:
        for n_columns in (1, 2, 7, 8, 9, 16, 17, 33):
            assert_array_equal(dropout([3, 4], 0.3, n_columns, dtype=dtype) > 0, wide[:, :n_columns])
            for a, b in zip(zoneout([3, 4], [3, 2], 0.3, n_columns, dtype=dtype), zones, strict=True):
                assert_array_equal(a, b[:, :n_columns])


@pytest.mark.small
def test_a_mask_depends_on_its_sequence_only():
    identities = [7, 2**33 + 1, 0, 12]
    together = dropout(identities, 0.3, 40)
    zones = zoneout(identities, [6, 4, 4, 1], 0.3, 40)
    for n, identity in enumerate(identities):
        assert_array_equal(dropout([identity], 0.3, 40)[0], together[n])
        alone = zoneout([identity], [9], 0.3, 40)[0]
        assert_array_equal(alone[: len(zones[n])], zones[n])


@pytest.mark.small
@pytest.mark.parametrize("bit", [0, 1, 31, 32, 63])
def test_every_bit_of_key_and_identity_counts(bit):
    same = dropout([0], 0.5, 200)
    assert 0.35 < (dropout([0], 0.5, 200, key=KEY ^ (1 << bit)) == same).mean() < 0.65
    other = np.array([1 << bit], np.uint64).astype(np.int64)
    assert 0.35 < (dropout(other, 0.5, 200) == same).mean() < 0.65
    zone = zoneout([0], [3], 0.5, 200)[0]
    assert 0.4 < (zoneout([0], [3], 0.5, 200, key=KEY ^ (1 << bit))[0] == zone).mean() < 0.6
    assert 0.4 < (zoneout(other, [3], 0.5, 200)[0] == zone).mean() < 0.6


def test_keys_of_any_integer_type():
    expected = dropout([1, 2], 0.5, 30, key=2**64 - 5)
    for key in (np.uint64(2**64 - 5), -5, np.int64(-5)):
        assert_array_equal(dropout([1, 2], 0.5, 30, key=key), expected)


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.9])
def test_rates_of_rows_and_columns(rate):
    """Of 10^6 numbers; rows and columns whose share is further off than chance allows would be the same in each fit."""
    zeros = dropout(range(1000), rate, 1000) == 0
    assert abs(deviations(zeros.sum(), zeros.size, rate)) < 4
    for axis in (0, 1):
        off = deviations(zeros.sum(axis=axis), 1000, rate)
        assert abs(off).max() < 5.5
        assert 0.85 < off.std() < 1.15
    ones = np.stack(zoneout(range(100), [100] * 100, rate, 100))
    assert abs(deviations(ones.sum(), ones.size, rate)) < 4
    for axis in range(3):
        off = deviations(ones.sum(axis=axis), 100, rate)
        assert 0.95 < off.std() < 1.05


def test_mean_of_a_dropout_mask_is_one():
    assert abs(dropout(range(1000), 0.2, 1000, dtype=np.float64).mean() - 1) < 4 * np.sqrt(0.2 / 0.8 / 1e6)


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_neighbours_are_independent(rate):
    """Columns, sequences, steps and keys, at all small distances: correlations as small as chance makes them."""
    ones = np.stack(zoneout(range(64), [64] * 64, rate, 256)).astype(float) - rate
    variance = rate * (1 - rate)
    for axis in range(3):
        for distance in (1, 2, 3, 4, 8, 16, 32):
            a = np.take(ones, range(distance, ones.shape[axis]), axis)
            b = np.take(ones, range(ones.shape[axis] - distance), axis)
            assert abs((a * b).sum()) < 4.5 * variance * np.sqrt(a.size)
    masks = [dropout(range(500), rate, 500, key=key, dtype=np.float64) - 1 for key in (0, 1, 2, 2**32, 2**63)]
    for k, a in enumerate(masks):
        for b in masks[:k]:
            assert abs((a * b).sum()) < 4.5 * rate / (1 - rate) * np.sqrt(a.size)


def test_groups_of_bits_are_uniform():
    """Eight neighbouring columns make a byte; all 256 are equally frequent, as are those of eight steps."""
    bits = np.stack(zoneout(range(64), [64] * 64, 0.5, 512)).astype(int)
    powers = 2 ** np.arange(8)
    for byte in (bits.reshape(-1, 8) @ powers, bits.reshape(64, 8, 8, 512).transpose(0, 1, 3, 2) @ powers):
        counts = np.bincount(byte.ravel(), minlength=256)
        chi_square = ((counts - counts.mean()) ** 2).sum() / counts.mean()
        assert 255 - 5 * np.sqrt(2 * 255) < chi_square < 255 + 5 * np.sqrt(2 * 255)


@pytest.mark.long
@pytest.mark.skipif(config.DISABLE_JIT, reason="compares with the compiler")
def test_same_bits_without_the_compiler():
    """A trained network can be repeated on any machine, with or without vector registers."""
    program = (
        "import numpy as np, zlib; from skrnn.kernels.masks import draw_dropout, draw_zoneout, threshold_of, words_of\n"
        "key, identities, threshold = words_of(2**64 - 59), np.array([-3, 5, 2**50]), threshold_of(0.3)\n"
        "out, starts = np.zeros((9, 37)), np.array([0, 3, 6, 8, 9])\n"
        "for dtype in (np.float32, np.float64):\n"
        "    out = np.zeros((6, 37), dtype)\n"
        "    draw_dropout(*key, identities, threshold, 1 / 0.7, 35, out)\n"
        "    zone = np.zeros((6, 37), dtype)\n"
        "    draw_zoneout(*key, identities, threshold, 35, starts, np.zeros(3, np.int64), zone)\n"
        "    print(zlib.crc32(out.tobytes()), zlib.crc32(zone.tobytes()))\n"
    )
    runs = [
        subprocess.run(
            [sys.executable, "-W", "error", "-c", program],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "NUMBA_DISABLE_JIT": flag},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for flag in ("0", "1")
    ]
    assert runs[0] == runs[1]
