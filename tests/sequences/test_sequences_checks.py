"""The final check before the kernels."""

import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from ragged import ragged

from skrnn.sequences import SequenceArray, as_sequence_array, check_sequences


@pytest.fixture
def items():
    return ragged([3, 1, 4, 1, 5, 9, 2])


@pytest.fixture
def X(items):  # noqa: N802
    return SequenceArray.from_list(items)


# -- the final check ---------------------------------------------------------------------------


def layouts():
    """Equal numbers in every layout; all but the last are held in float64 or less."""
    a = np.arange(24).reshape(6, 4) % 7
    read_only = a.astype(float)
    read_only.setflags(write=False)
    unaligned = np.frombuffer(b"0" + a.astype(float).tobytes(), np.float64, offset=1)
    yield "C", a.astype(float)
    yield "float32", a.astype(np.float32)
    yield "float16", a.astype(np.float16)
    yield "int", a
    yield "big-endian", a.astype(">f8")
    yield "big-endian-float32", a.astype(">f4")
    yield "F", np.asfortranarray(a.astype(float))
    yield "read-only", read_only
    yield "unaligned", unaligned.reshape(6, 4)
    yield "strided", np.repeat(a.astype(float), 2, axis=0)[::2]
    yield "strided-columns", np.repeat(a.astype(float), 2, axis=1)[:, ::2]
    yield "negative", a.astype(float)[::-1, ::-1].copy()[::-1, ::-1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("kind", "values"), list(layouts()), ids=[kind for kind, _ in layouts()])
def test_layouts_give_the_same_numbers(kind, values, dtype):
    before = values.copy()
    flags = str(values.flags)
    for X in (SequenceArray(values, [0, 2, 6]), as_sequence_array([values[:2], values[2:]])):
        checked = check_sequences(X, dtype)
        assert_array_equal(checked.values, np.arange(24).reshape(6, 4) % 7)
        assert checked.values.dtype == dtype
        assert checked.values.dtype.isnative
        assert checked.values.flags.carray
        assert checked.offsets.dtype == np.int64
        assert checked.offsets.flags.carray
    assert_array_equal(values, before)
    assert str(values.flags) == flags


def test_broadcast_values():
    values = np.broadcast_to(np.arange(3.0), (4, 3))
    checked = check_sequences(SequenceArray(values, [0, 4]), np.float64)
    assert checked.values.flags.carray
    assert_array_equal(checked.values, values)


def test_fine_arrays_are_not_copied(X):
    checked = check_sequences(X, np.float64)
    assert checked.values is X.values
    assert checked.offsets is X.offsets
    view = X[1:4]
    assert np.shares_memory(check_sequences(view, np.float64).values, X.values)


def test_read_only_offsets_are_copied(X):
    X.offsets.setflags(write=False)
    assert check_sequences(X, np.float64).offsets.flags.carray


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.nan, "Input X contains NaN: sequence 3, step 17, channel 2."),
        (np.inf, "Input X contains infinity: sequence 3, step 17, channel 2."),
        (-np.inf, "Input X contains infinity: sequence 3, step 17, channel 2."),
    ],
)
def test_non_finite_values(bad, message, dtype):
    items = ragged([3, 30, 1, 20, 5], n_channels=4)
    items[3][17, 2] = bad
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_sequences(SequenceArray.from_list(items), dtype)


def test_opposite_infinities():
    with pytest.raises(ValueError, match="infinity: sequence 0, step 1, channel 0"):
        check_sequences(SequenceArray.from_list([[1, np.inf, -np.inf]]), np.float64)


@pytest.mark.parametrize("sign", [1, -1])
def test_too_large_for_float32(sign):
    X = SequenceArray.from_list([[1, 2], [3, sign * 1e300]])
    message = "1e\\+300, which is too large for float32: sequence 1, step 1, channel 0."
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=message):
            check_sequences(X, np.float32)
        assert check_sequences(X, np.float64).values[3, 0] == sign * 1e300


@pytest.mark.parametrize(("dtype", "large"), [(np.float32, 3e38), (np.float64, 1.7e308)])
def test_a_sum_that_overflows_is_no_fault(dtype, large):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(check_sequences(SequenceArray.from_list([[large] * 9]), dtype)) == 1


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            SequenceArray(np.zeros((0, 3)), [0]),
            "Found array with 0 sample(s) (shape=(0, 1)) while a",
        ),
        (SequenceArray(np.zeros((3, 2)), [0, 2, 2, 3]), "sequence 1 has no time step"),
        (SequenceArray(np.zeros((3, 0)), [0, 3]), "the sequences of Z have no channel"),
        (
            SequenceArray([1, np.nan], [0, 2]),
            "Input Z contains NaN: sequence 0, step 1, channel 0.",
        ),
    ],
)
def test_check_refuses(X, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_sequences(X, np.float32, name="Z")
