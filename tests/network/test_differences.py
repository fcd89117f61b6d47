"""Changes from step to step as columns: against NumPy, their scale, and which series are smooth."""

import numpy as np
import pytest
from encoders import fit_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.network.differences import SMOOTH, are_smooth, difference_scale
from skrnn.network.encoding import InputEncoder, learn_columns
from skrnn.sequences import SequenceArray
from skrnn.sequences._chunks import Scan

LENGTHS = [6, 1, 9, 2]


def walks(lengths=LENGTHS, n_channels=2, seed=0, dtype=np.float64):
    """Random walks far from 0, of channels of different size."""
    rng = np.random.default_rng(seed)
    sizes = 10.0 ** -np.arange(n_channels)
    return SequenceArray.from_list(
        [(7 + sizes * rng.normal(size=(n, n_channels)).cumsum(axis=0)).astype(dtype) for n in lengths]
    )


# ---------------------------------------------------------------------------------------------------------- encoding
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 3), st.integers(0, 99))
@settings(max_examples=25, deadline=None, database=None)
def test_columns_are_values_and_their_changes(dtype, lengths, n_channels, seed):
    X = walks(lengths, n_channels, seed, dtype)
    inputs = fit_inputs(X, np.ones(len(X)), differences=True)
    expected = []
    for x in X:
        z = (x.astype(float) - inputs.mean) / inputs.scale
        changes = np.concatenate([np.zeros((1, n_channels)), (z[1:] - z[:-1]) / inputs.difference_scale])
        expected.append(np.hstack([z, changes]))
    for encoded in (inputs.encode(X, dtype), inputs.encode_finite(X.values, X.offsets, dtype)):
        assert_array_equal(encoded, np.concatenate(expected).astype(dtype))
    assert inputs.n_columns == 2 * n_channels
    assert inputs.check(X, dtype) == np.abs(encoded).max()


def test_without_scales_changes_are_as_they_are():
    X = SequenceArray.from_list([[[1.0], [4.0], [2.0]], [[5.0]]])
    inputs = fit_inputs(X, np.ones(2), differences=True, standardize=False)
    assert_array_equal(inputs.encode(X, np.float64), [[1, 0], [4, 3], [2, -2], [5, 0]])


def test_a_part_depends_on_the_step_before():
    X = walks([9])
    inputs = fit_inputs(X, np.ones(1), differences=True)
    assert not inputs.sees_one_step
    assert inputs.n_steps_before(X.values, 5, 5) == 1
    assert inputs.n_steps_before(X.values, 0, 0) == 0


def test_changes_that_are_not_finite_are_refused():
    """Though the values are finite; the error names the channel that they are of."""
    X = SequenceArray.from_list([np.zeros((2, 2)), [[0, 1.0], [0, 3e38], [0, -3e38]]])
    inputs = fit_inputs(walks(), np.ones(4), differences=True, standardize=False)
    for read in (inputs.encode, inputs.check):
        with pytest.raises(ValueError, match="the change of X contains infinity: sequence 1, step 2, channel 1"):
            read(X, np.float32)
    assert inputs.encode_finite(X.values, X.offsets, np.float32) is None
    X.values[3, 1] = np.nan
    with pytest.raises(ValueError, match="X, standardized, contains NaN: sequence 1, step 1, channel 1"):
        inputs.encode(X, np.float32)


# -------------------------------------------------------------------------------------------------------------- scale
@pytest.mark.parametrize("of_steps", [False, True])
def test_scale_is_the_root_mean_square_of_changes(of_steps):
    rng = np.random.default_rng(1)
    X = walks()
    weight = rng.uniform(0, 2, len(X.values) if of_steps else len(X))
    weight[0] = 0
    inputs = fit_inputs(X, weight, differences=True)
    rows = weight if of_steps else np.repeat(weight, X.lengths)
    total, squares = 0.0, np.zeros(2)
    for i, x in enumerate(X):
        for t in range(1, len(x)):
            of_row = rows[X.offsets[i] + t] * (rows[X.offsets[i] + t - 1] > 0)
            total += of_row
            squares += of_row * ((x[t] - x[t - 1]) / inputs.scale) ** 2
    assert_allclose(inputs.difference_scale, np.sqrt(squares / total), rtol=1e-12)


def test_single_steps_have_no_changes():
    X = walks([1, 1, 1])
    inputs = fit_inputs(X, np.ones(3), differences=True)
    assert_array_equal(inputs.difference_scale, 1)
    assert_array_equal(inputs.encode(X, np.float64)[:, 2:], 0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rounding_is_not_blown_up(dtype):
    """Neither of a constant channel, nor of one that is constant within each sequence."""
    constant, eps = dtype(1 / 3), np.finfo(dtype).eps
    values = np.full((12, 3), constant)
    values[::2, 0] *= 1 + eps
    values[6:, 1] = 1000.1  # constant in two sequences
    values[1::2, 1] *= 1 + eps
    values[:, 2] = np.arange(12)
    X = SequenceArray(values, [0, 6, 12])
    inputs = fit_inputs(X, np.ones(2), differences=True)
    changes = np.abs(inputs.encode(X, dtype)[:, 3:])
    assert_array_equal(inputs.difference_scale[:2], 1)
    assert changes[:, :2].max() < 1e-4
    assert_allclose(changes[[1, 5, 7], 2], 1, rtol=1e-5)


def test_small_changes_that_are_no_rounding_are_scaled():
    t = np.linspace(0, 1, 5000)[:, np.newaxis]
    X = SequenceArray.from_list([100 + t])
    inputs = fit_inputs(X, np.ones(1), differences=True)
    assert_allclose(np.abs(inputs.encode(X, np.float64)[1:, 1]), 1, rtol=1e-6)


def test_scale_needs_no_changes():
    X = walks([1])
    assert_array_equal(difference_scale(Scan(X, np.ones(1)), np.zeros(2), np.ones(2)), 1)


# ------------------------------------------------------------------------------------------------------------- smooth
def smooth(*arrays, weight=None):
    X = SequenceArray.from_list([np.asarray(x, float).reshape(len(x), -1) for x in arrays])
    weight = np.ones(len(X.values)) if weight is None else np.asarray(weight, float)
    return are_smooth(Scan(X, weight), np.arange(X.n_channels))


def test_what_is_smooth():
    rng, t = np.random.default_rng(0), np.linspace(0, 6, 200)
    assert smooth(np.sin(t))
    assert smooth(1e6 + np.sin(t))
    assert smooth(np.sin(t), 2 + np.cos(t))
    assert not smooth(rng.normal(size=200))
    assert not smooth(np.sin(40 * t))


@given(st.integers(0, 999), st.floats(0.0, 0.3))
@settings(max_examples=50, deadline=None, database=None)
def test_most_channels_decide(seed, share):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(60, 3)) * share * rng.random(3) + np.sin(np.linspace(0, 5, 60))[:, np.newaxis]
    changes = np.diff(x, axis=0)
    ratios = np.sqrt(np.square(changes).mean(axis=0)) / x.std(axis=0)
    goes_on = (changes[1:] * changes[:-1]).sum(axis=0) > 0
    assert smooth(x) == (((ratios < SMOOTH) & goes_on).sum() >= 2)


def test_changes_across_sequences_do_not_count():
    assert smooth(*[[level, level + 0.01, level + 0.02] for level in (0.0, 3.0, -5.0, 1.0)])


def test_noise_is_not_smooth_however_far_apart_its_levels_are():
    rng = np.random.default_rng(0)
    assert not smooth(*[rng.normal(size=(50, 1)) + 10 * rng.normal() for _ in range(60)])
    static = np.repeat(rng.normal(size=(60, 1, 3)), 50, axis=1)
    assert not smooth(*np.concatenate([rng.normal(size=(60, 50, 2)), static], axis=2))


def test_weights_are_as_good_as_copies():
    rng, t = np.random.default_rng(0), np.linspace(0, 6, 50)
    wave, rough = np.sin(t), np.sin(t) + 0.45 * rng.normal(size=50)
    for n_wave, n_rough in ((20, 1), (1, 20)):
        weight = np.repeat([n_wave, n_rough], 50)
        assert smooth(wave, rough, weight=weight) == smooth(*[wave] * n_wave, *[rough] * n_rough)


def test_nothing_is_smooth_without_changes():
    assert not smooth([1.0], [2.0], [3.0])
    assert not smooth(np.full(9, 2.5))
    assert not smooth(np.sin(np.linspace(0, 6, 200)), weight=np.zeros(200))


def test_constant_channels_have_no_say():
    t = np.linspace(0, 6, 200)
    flat = np.ones((200, 3))
    assert smooth(np.column_stack([np.sin(t), flat]))
    assert not smooth(np.column_stack([np.random.default_rng(0).normal(size=200), flat]))


def test_rows_without_weight_are_not_looked_at():
    t, noise = np.linspace(0, 6, 200), np.random.default_rng(0).normal(size=200)
    assert smooth(np.sin(t), 10 * noise, weight=np.repeat([1, 0], 200))
    assert not smooth(np.sin(t), 10 * noise, weight=np.repeat([0, 1], 200))
    assert not smooth(np.sin(t), 10 * noise)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [1e160, 1e307, 1e-170])
def test_values_whose_squares_are_no_numbers(size):
    assert smooth(size * np.sin(np.linspace(0, 6, 200))) == (size < 1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("large", [1e9, 1e200])
def test_large_values_without_weight_are_not_looked_at(large):
    wave = np.sin(np.linspace(0, 6, 100))
    X = SequenceArray.from_list([large * np.ones((9, 1)) * (-1.0) ** np.arange(9)[:, np.newaxis], wave[:, np.newaxis]])
    weight = np.repeat([0.0, 1.0], [9, 100])
    assert are_smooth(Scan(X, weight), np.arange(1))
    expected = np.sqrt(np.square(np.diff(wave)).mean()) / wave.std()
    assert_allclose(fit_inputs(X, np.array([0.0, 1.0]), differences=True).difference_scale, expected)


@pytest.mark.parametrize("chunk_bytes", [8, 40, 400, 10**6])
def test_parts_are_as_good_as_the_whole(chunk_bytes, monkeypatch):
    """Also where they end in the middle of a sequence."""
    X, rng = walks([30, 1, 2, 70, 3]), np.random.default_rng(0)
    weight = rng.integers(0, 3, len(X.values)).astype(float)
    whole = fit_inputs(X, weight, differences=True).difference_scale
    monkeypatch.setattr("skrnn.sequences._chunks.CHUNK_BYTES", chunk_bytes)
    assert_allclose(fit_inputs(X, weight, differences=True).difference_scale, whole, rtol=1e-13)
    t = np.linspace(0, 6, 100)[:, np.newaxis]
    for x in (np.sin(t), np.sin(t) + rng.normal(size=(100, 1))):
        columns = learn_columns(SequenceArray.from_list([x, x + 5]), np.ones(2), differences="auto")
        assert columns.differences == (x[0, 0] == 0)


# ------------------------------------------------------------------------------------------------------------ columns
T = np.arange(20.0)
NUMBERS = SequenceArray.from_list([np.column_stack([T, np.sin(T / 5), np.cos(T / 5)])] * 3)
TOKENS = SequenceArray.from_list([[["a"], ["b"]]] * 3)


@pytest.mark.parametrize(
    ("X", "options"),
    [
        (NUMBERS, {"categorical": [0]}),
        (NUMBERS, {"time_channel": 0}),
        (NUMBERS, {"missing": "mask"}),
        (NUMBERS, {"missing": "decay"}),
        (NUMBERS, {"missing": "blank"}),
        (TOKENS, {"categorical": [0]}),
    ],
    ids=str,
)
def test_only_numbers_have_changes(X, options):
    with pytest.raises(ValueError, match=r'numbers only, without tokens, .* Use differences="auto" or False'):
        learn_columns(X, np.ones(3), differences=True, **options)
    for differences in ("auto", False):
        assert learn_columns(X, np.ones(3), differences=differences, **options).differences is False


def test_auto_reads_changes_of_what_is_smooth():
    assert learn_columns(NUMBERS, np.ones(3), differences="auto").differences is True
    noise = SequenceArray.from_list(np.random.default_rng(0).normal(size=(3, 20, 2)))
    assert learn_columns(noise, np.ones(3), differences="auto").differences is False


# -------------------------------------------------------------------------------------------------------------- files
def test_plain_and_back():
    X = walks()
    inputs = fit_inputs(X, np.ones(4), differences=True)
    again = InputEncoder.from_plain(inputs.to_plain())
    assert_array_equal(again.encode(X, np.float32), inputs.encode(X, np.float32))
    foreign = {**inputs.to_plain(), "difference_scale": inputs.difference_scale.astype(">f8")}
    assert_array_equal(InputEncoder.from_plain(foreign).encode(X, np.float32), inputs.encode(X, np.float32))


def test_files_of_earlier_versions_have_no_differences():
    X = walks()
    plain = fit_inputs(X, np.ones(4)).to_plain()
    del plain["differences"], plain["difference_scale"]
    inputs = InputEncoder.from_plain(plain)
    assert inputs.differences is False
    assert inputs.encode(X, np.float32).shape[1] == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"differences": 1},
        {"differences": False},
        {"difference_scale": None},
        {"difference_scale": np.ones(3)},
        {"difference_scale": np.array([1.0, 0.0])},
        {"difference_scale": np.array([1.0, np.nan])},
        {"difference_scale": np.ones(2, np.float32)},
        {"missing": "blank"},
        {"time_channel": 1},
        {"categories": {0: {3: 1}}},
    ],
    ids=str,
)
def test_plain_values_that_are_refused(wrong):
    plain = fit_inputs(walks(), np.ones(4), differences=True).to_plain()
    with pytest.raises(ValueError, match="difference"):
        InputEncoder.from_plain(plain | wrong)
