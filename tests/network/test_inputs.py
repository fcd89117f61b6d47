"""How channels become numbers: against loops over sequences, steps and channels."""

import numpy as np
import pytest
from encoders import fit_inputs
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.network.encoding import default_embedding_dim, last_seen, step_times
from skrnn.sequences import SequenceArray

NAN = np.nan


def random_sequences(rng, lengths, n_numbers=2, share_missing=0.0):
    """Numbers, then a channel of codes from 0 to 4, then times that rise unevenly."""
    sequences = []
    for T in lengths:
        numbers = rng.normal(3, 2, (T, n_numbers))
        numbers[rng.random((T, n_numbers)) < share_missing] = NAN
        codes, times = rng.integers(0, 5, T), 10 + np.cumsum(rng.exponential(size=T) + 0.1)
        sequences.append(np.column_stack([numbers, codes, times]))
    return SequenceArray.from_list(sequences)


def slow_columns(x, times, mean, scale, time_scale, missing):
    """What `encode` makes of the numbers x (T, C) of one sequence: values, indicators, times since."""
    T, C = x.shape
    values, seen, since = np.zeros((T, C)), np.zeros((T, C)), np.zeros((T, C))
    for c in range(C):
        last, last_time = 0.0, times[0]
        for t in range(T):
            if not np.isnan(x[t, c]):
                last, last_time, seen[t, c] = (x[t, c] - mean[c]) / scale[c], times[t], 1
                values[t, c] = last
            elif missing == "decay":
                values[t, c] = last
            since[t, c] = (times[t] - last_time) / time_scale[c]
    return np.hstack([values, seen, since])


@pytest.mark.parametrize("missing", ["mask", "decay"])
@pytest.mark.parametrize("time_channel", [None, 3])
@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.floats(0, 1), st.integers(0, 99))
@settings(max_examples=25, deadline=None, database=None)
def test_missing_values_equal_a_slow_loop(missing, time_channel, lengths, share, seed):
    rng = np.random.default_rng(seed)
    X = random_sequences(rng, lengths, share_missing=share)
    inputs = fit_inputs(X, np.ones(len(X)), missing=missing, time_channel=time_channel, categorical=[2])
    encoded = np.split(inputs.encode(X, np.float64), X.offsets[1:-1])
    numbers = [0, 1, 3]  # the steps' times, or their differences, are a column too
    for x, columns in zip(X, encoded, strict=True):
        given = x[:, numbers].copy()
        if time_channel is not None:
            given[:, 2] = np.diff(x[:, 3], prepend=x[0, 3])
        times = x[:, 3] if time_channel is not None else np.arange(len(x))
        mean, scale = inputs.mean[numbers], inputs.scale[numbers]
        expected = slow_columns(given, times, mean, scale, inputs.time_scale, missing)
        assert_allclose(columns[:, :9], expected, rtol=1e-12, atol=1e-12)
    assert inputs.n_columns == encoded[0].shape[1] == 10


@pytest.mark.small
def test_means_and_scales_are_those_of_what_was_measured():
    rng = np.random.default_rng(0)
    X = random_sequences(rng, [6, 2, 9, 4], share_missing=0.4)
    weight = np.array([1.0, 0.0, 3.0, 0.5])
    inputs = fit_inputs(X, weight, missing="mask")
    steps, weights = X.values, np.repeat(weight, X.lengths)
    for c in range(2):
        seen = ~np.isnan(steps[:, c])
        mean = np.average(steps[seen, c], weights=weights[seen])
        scale = np.sqrt(np.average((steps[seen, c] - mean) ** 2, weights=weights[seen]))
        assert_allclose([inputs.mean[c], inputs.scale[c]], [mean, scale], rtol=1e-12)
    complete = SequenceArray(np.nan_to_num(X.values), X.offsets)
    for name in ("mean", "scale"):
        expected = getattr(fit_inputs(complete, weight), name)
        assert_allclose(getattr(fit_inputs(complete, weight, missing="mask"), name), expected, rtol=1e-12)


def test_a_channel_that_was_never_measured():
    X = SequenceArray.from_list([[[1.0, NAN], [2.0, NAN]], [[4.0, NAN]]])
    for missing in ("mask", "decay"):
        inputs = fit_inputs(X, np.ones(2), missing=missing)
        encoded = inputs.encode(X, np.float32)
        assert_array_equal(encoded[:, [1, 3]], 0)
        later = inputs.encode(SequenceArray.from_list([[[2.0, 7.0]]]), np.float32)
        assert_array_equal(later[0, [1, 3]], [7, 1])


def test_scale_of_times_does_not_look_at_sequences_without_weight():
    X = SequenceArray.from_list([[[1.0], [NAN], [NAN]], [[1.0], *[[NAN]] * 50]])
    assert fit_inputs(X, np.array([1.0, 0.0]), missing="mask").time_scale == pytest.approx(1.5)
    assert fit_inputs(X, np.ones(2), missing="mask").time_scale > 10


def test_time_between_steps_is_a_channel():
    X = SequenceArray.from_list([[[1.0, 5.0], [2.0, 7.0], [3.0, 11.0]], [[4.0, -3.0], [5.0, 0.0]]])
    inputs = fit_inputs(X, np.ones(2), time_channel=1, standardize=False)
    assert_array_equal(inputs.encode(X, np.float64), [[1, 0], [2, 2], [3, 4], [4, 0], [5, 3]])
    moved = SequenceArray(X.values + np.array([0, 100]), X.offsets)
    assert_array_equal(inputs.encode(moved, np.float64), inputs.encode(X, np.float64))


def test_codes_and_unknown_codes():
    X = SequenceArray.from_list([[3.0, 3.0, 7.0], [7.0, 3.0, 0.0]])
    inputs = fit_inputs(X, np.ones(2), categorical=[0])
    assert inputs.categories[0] == {3: 1, 7: 2, 0: 3}
    assert inputs.embeddings(6) == ((0, 4, 6),)
    assert_array_equal(inputs.encode(X, np.float32)[:, 0], [1, 1, 2, 2, 1, 3])
    new = SequenceArray.from_list([[5.0, 0.0, 99.0]])
    assert_array_equal(inputs.encode(new, np.float32)[:, 0], [0, 3, 0])


def test_codes_come_after_numbers_whatever_their_place():
    X = SequenceArray(np.array([[2.0, 10.0, 1.0], [0.0, 20.0, 1.0]]), [0, 1, 2])
    inputs = fit_inputs(X, np.ones(2), categorical=[2, 0], standardize=False)
    assert_array_equal(inputs.encode(X, np.float64), [[10, 1, 2], [20, 1, 1]])
    assert [column for column, _, _ in inputs.embeddings("auto")] == [1, 2]


def test_rare_tokens_share_a_code():
    X = SequenceArray.from_list([["a", "b", "a"], ["c", "b"]])
    inputs = fit_inputs(X, np.ones(2), categorical=[0], min_count=2)
    assert inputs.categories[0] == {"a": 1, "b": 2}
    assert inputs.is_text
    assert_array_equal(inputs.encode(X, np.float32)[:, 0], [1, 2, 1, 0, 2])
    only_first = fit_inputs(X, np.array([1.0, 0.0]), categorical=[0])
    assert only_first.categories[0] == {"a": 1, "b": 2}


@pytest.mark.parametrize(("n_codes", "expected"), [(2, 2), (7, 5), (100, 21), (900, 64), (10**6, 64)])
def test_default_embedding_dim(n_codes, expected):
    assert abs(default_embedding_dim(n_codes) - expected) <= 8


def test_last_seen():
    seen = np.array([[0, 1], [1, 0], [0, 0], [0, 0], [1, 1], [0, 0]], bool)
    assert_array_equal(last_seen(seen, np.array([0, 3, 6])), [[0, 0], [1, 0], [1, 0], [3, 3], [4, 4], [4, 4]])


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (
            [[[1.0, 2.0], [1.0, 3.0]], [[1.0, 5.0], [1.0, 5.0]]],
            "rise from step to step; sequence 1, step 1 has 5.0 after 5.0",
        ),
        ([[[1.0, 2.0], [1.0, 3.0], [0.0, 1.0]]], "sequence 0, step 2 has 1.0 after 3.0"),
        ([[[1.0, 2.0]], [[1.0, NAN]]], "finite .* sequence 1, step 0 has nan"),
    ],
)
def test_times_that_are_refused(sequences, message):
    X = SequenceArray.from_list(sequences)
    with pytest.raises(ValueError, match=message):
        step_times(X, 1)


@pytest.mark.parametrize("wrong", [-1.0, 0.5, NAN, np.inf])
def test_codes_that_are_refused(wrong):
    X = SequenceArray.from_list([[[0.0, 1.0]], [[1.0, 2.0], [1.0, wrong]]])
    with pytest.raises(ValueError, match=r"channel 1 must hold integers from 0 on; sequence 1, step 1"):
        fit_inputs(X, np.ones(2), categorical=[1])
    inputs = fit_inputs(X[:1], np.ones(1), categorical=[1])
    with pytest.raises(ValueError, match="categorical channel 1"):
        inputs.encode(X, np.float32)


def test_a_vocabulary_of_nothing():
    X = SequenceArray.from_list([["a", "b"], ["c"]])
    with pytest.raises(ValueError, match="Lower min_count"):
        fit_inputs(X, np.ones(2), categorical=[0], min_count=2)


def test_a_channel_that_is_constant_but_for_rounding_is_not_blown_up():
    values = np.full((50, 1), 0.1, np.float32)
    values[::2] = np.nextafter(np.float32(0.1), np.float32(1))
    assert fit_inputs(SequenceArray(values, [0, 20, 50]), np.ones(2)).scale == 1


def test_means_of_arrays_in_any_layout():
    rng = np.random.default_rng(1)
    expected = rng.normal(5, 3, (40, 3))
    for values in (expected, np.asfortranarray(expected), expected[::-1][::-1], expected.astype(np.float32)):
        values.setflags(write=False)
        inputs = fit_inputs(SequenceArray(values, [0, 15, 40]), np.ones(2))
        assert_allclose(inputs.mean, expected.mean(axis=0), rtol=1e-6)
        assert_allclose(inputs.scale, expected.std(axis=0), rtol=1e-6)


# ------------------------------------------------------------------------------ near the limits of floating point
SMALL_NETWORK = {"hidden_layer_sizes": 3, "cell": "elman", "max_iter": 2, "random_state": 0}
MAKERS = {
    "regressor": lambda **more: RNNRegressor(**SMALL_NETWORK, **more),
    "gaps": lambda **more: RNNRegressor(**SMALL_NETWORK, missing="mask", **more),
    "times": lambda **more: RNNRegressor(**SMALL_NETWORK, time_channel=1, missing="decay", **more),
    "classifier": lambda **more: RNNClassifier(**SMALL_NETWORK, **more),
    "forecast": lambda **more: SequenceTransformer(**SMALL_NETWORK, **more),
    "reconstruct": lambda **more: SequenceTransformer(**SMALL_NETWORK, objective="reconstruct", **more),
    "reservoir": lambda **more: SequenceTransformer(**SMALL_NETWORK, objective="reservoir", **more),
}
CUBE = np.random.default_rng(0).normal(size=(12, 4, 2)).round(3)
CUBE[:, :, 1] = np.abs(CUBE[:, :, 1]).cumsum(axis=1) + 0.01 * np.arange(4)  # rises, as times do


def made_of(estimator, X):
    estimator.fit(X, np.arange(12) % 2)
    outputs = estimator.transform(X) if hasattr(estimator, "transform") else estimator.predict(X)
    if hasattr(estimator, "inverse_transform"):
        return estimator.inverse_transform(outputs).values / X[0, 0, 0]
    return outputs


@pytest.mark.parametrize("size", [1e-310, 1e-250, 1e-160, 1e-130])
@pytest.mark.parametrize("name", MAKERS)
def test_the_smallest_spreads_are_scaled(name, size):
    """The unit of X does not matter, down to the smallest numbers that there are."""
    assert_allclose(made_of(MAKERS[name](), CUBE * size), made_of(MAKERS[name](), CUBE), rtol=1e-4, atol=1e-6)


def test_spreads_at_the_very_end():
    X = SequenceArray.from_list([[[5e-324], [0.0]], [[0.0]], [[5e-324]]])
    inputs = fit_inputs(X, np.ones(3))
    assert inputs.scale[0] == 5e-324
    assert np.isfinite(inputs.encode(X, np.float32)).all()
    zeros = SequenceArray.from_list([np.zeros((2, 1)), np.zeros((1, 1))])
    for dtype in (np.float32, np.float64):
        of_zeros = fit_inputs(SequenceArray(zeros.values.astype(dtype), zeros.offsets), np.ones(2))
        assert (of_zeros.mean[0], of_zeros.scale[0]) == (0, 1)
    copies = fit_inputs(SequenceArray.from_list([[[1e-200]], [[1e-200]], [[3e-200]]]), np.ones(3))
    weights = fit_inputs(SequenceArray.from_list([[[1e-200]], [[3e-200]]]), np.array([2.0, 1.0]))
    assert_allclose([weights.mean, weights.scale], [copies.mean, copies.scale], rtol=1e-15)


@pytest.mark.parametrize("size", [1e155, 1e250, 1e307])
@pytest.mark.parametrize("name", MAKERS)
def test_the_largest_numbers_are_refused_or_scaled_without_a_warning(name, size):
    X = CUBE * size / np.abs(CUBE).max() * 10
    with pytest.raises(ValueError, match=r"channel [01] are too large.*set standardize=False"):
        MAKERS[name](dtype="float64").fit(X, np.arange(12) % 2)
    with pytest.raises(ValueError, match="too large for float32"):
        MAKERS[name]().fit(X, np.arange(12) % 2)
    raw = MAKERS[name](dtype="float64", standardize=False)
    if name in ("forecast", "reconstruct"):
        with pytest.raises(ValueError, match=r"channel [01] are too large.*set standardize_target=False"):
            raw.fit(X)
        return
    assert np.isfinite(made_of(raw, X)).all()


def test_times_that_overflow_are_refused():
    X = np.array([[[1.0, -1.7e308], [np.nan, 1.7e308]]] * 4)
    for standardize in (True, False):
        reg = RNNRegressor(**SMALL_NETWORK, dtype="float64", time_channel=1, missing="mask", standardize=standardize)
        with pytest.raises(ValueError, match="channel 1 are too large"):
            reg.fit(X, np.arange(4))
