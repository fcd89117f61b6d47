"""Streams of networks that read changes from step to step: bit by bit the predictions for the sequences so far."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.convolution import Conv

N, T, C = 5, 8, 2
FORWARD = {"hidden_layer_sizes": 5, "bidirectional": False, "max_iter": 1, "random_state": 0, "differences": True}


def draw(seed=0, dtype=np.float64):
    """Random walks far from 0, with channels of different size."""
    rng = np.random.default_rng(seed)
    return (20 + [1, 0.01] * rng.normal(size=(N, T, C)).cumsum(axis=1)).astype(dtype), np.arange(N) % 3


def classifier(**options):
    X, y = draw()
    return RNNClassifier(**FORWARD | options).fit(X, y), X


def assert_streams(estimator, X, method, step="step_proba"):
    """Each step of all sequences side by side, of the last one alone, as arrays and as lists, and of some."""
    together, alone, listed, some = estimator.stream(N), estimator.stream(), estimator.stream(), estimator.stream(N)
    for t in range(T):
        expected = getattr(estimator, method)([x[: t + 1] for x in X])
        if method != "transform" and estimator.per_step_:
            expected = [rows[-1] for rows in expected]
        assert_array_equal(getattr(together, step)(X[:, t]), expected)
        assert_array_equal(getattr(alone, step)(X[-1, t]), expected[-1])
        assert_array_equal(getattr(listed, step)(X[-1, t].tolist()), expected[-1])
        for which in ([3, 0], 1, [4, 2]):
            assert_array_equal(getattr(some, step)(X[which, t], which), np.asarray(expected)[which])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [{}, {"pooling": "max", "standardize": False}, {"convolution": Conv(4, 3)}, {"convolution": Conv(4, 2, 2)}],
    ids=str,
)
def test_predictions_so_far(options, dtype):
    clf, X = classifier(dtype=dtype, **options)
    assert clf.inputs_.differences
    assert_streams(clf, X, "predict_proba")
    assert_streams(clf, X.astype(np.float32), "predict_proba")


def test_targets_of_steps_and_features():
    X, y = draw(1)
    target = [rows[:, 0] for rows in X]
    assert_streams(RNNRegressor(**FORWARD).fit(X, target), X, "predict", "step")
    assert_streams(SequenceTransformer(**FORWARD, objective="forecast").fit(X), X, "transform", "step")
    assert_streams(SequenceTransformer(**FORWARD, objective="supervised").fit(X, y), X, "transform", "step")


def test_a_stream_that_begins_anew_has_no_step_before():
    clf, X = classifier()
    stream = clf.stream(N)
    stream.step(X[:, 3])
    stream.reset([1, 2])
    expected = [x[[0]] if i in (1, 2) else x[[3, 0]] for i, x in enumerate(X)]
    assert_array_equal(stream.step_proba(X[:, 0]), clf.predict_proba(expected))
    stream.reset()
    assert_array_equal(stream.step_proba(X[:, 0]), clf.predict_proba(X[:, :1]))


def test_states_hold_the_step_before():
    clf, X = classifier()
    stream, other = clf.stream(N), clf.stream(N)
    for t in range(3):
        stream.step(X[:, t])
    state = stream.state
    assert_array_equal(state["inputs.before"], (X[:, 2] - clf.inputs_.mean) / clf.inputs_.scale)
    other.state = state
    stream.step(X[:, 5])  # of which the copy knows nothing
    assert_array_equal(other.step_proba(X[:, 3]), clf.predict_proba(X[:, :4]))


def test_states_belong_to_a_scale_of_changes():
    clf, _ = classifier()
    state = clf.stream().state
    clf.inputs_.difference_scale = clf.inputs_.difference_scale * 2
    with pytest.raises(ValueError, match="other scales"):
        clf.stream().state = state


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_a_step_that_is_refused_leaves_no_trace(bad):
    clf, X = classifier()
    stream, alone = clf.stream(N), clf.stream()
    stream.step(X[:, 0])
    alone.step(X[2, 0])
    before = stream.state
    wrong = X[:, 1].copy()
    wrong[2, 1] = bad
    for x, index, number in ((wrong, None, 2), (wrong[2:], [2, 3, 4], 2), (wrong[2], 2, 2)):
        with pytest.raises(ValueError, match=f"x of stream {number}, channel 1, is"):
            stream.step(x, index)
    with pytest.raises(ValueError, match="x of stream 0, channel 1, is"):
        alone.step(wrong[2])
    for name, array in stream.state.items():
        assert_array_equal(array, before[name])
    expected = clf.predict_proba(X[:, :2])
    assert_array_equal(stream.step_proba(X[:, 1]), expected)
    assert_array_equal(alone.step_proba(X[2, 1]), expected[2])


def test_a_change_that_is_too_large_is_refused():
    """Though both values are finite in the numbers of the network."""
    X, y = draw()
    clf = RNNClassifier(**FORWARD, standardize=False).fit(X, y)
    stream = clf.stream()
    stream.step(np.array([3e38, 0]))
    for x in (np.array([-3e38, 0]), [-3e38, 0]):
        with pytest.raises(ValueError, match="stream 0, channel 0, changes by what is not finite, or too large"):
            stream.step(x)
    assert stream.n_steps == 1
    assert_array_equal(stream.step_proba(np.array([3e38, 0])), clf.predict_proba([[[3e38, 0]] * 2])[0])
