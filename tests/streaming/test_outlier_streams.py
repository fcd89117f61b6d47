"""Scores of steps as they come in are those of the whole, bit by bit."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skrnn import SequenceOutlierDetector

SMALL = {"hidden_layer_sizes": 6, "max_iter": 2, "random_state": 0}


def draw(n_steps=300, seed=0):
    rng = np.random.default_rng(seed)
    rhythm = np.sin(0.3 * np.arange(n_steps))
    noise = rng.normal(0, 0.1, (n_steps, 3)) * [1, 1, 0]
    return np.column_stack([rhythm, 2 * rhythm, np.ones(n_steps)]) + noise


def assert_streams(detector, sequences):
    """Side by side; they have as many steps."""
    stream, expected = detector.stream(len(sequences)), detector.step_scores(sequences)
    found = [stream.step(np.array(now)) for now in zip(*sequences, strict=True)]
    assert_array_equal(np.transpose(found), expected)
    alone = detector.stream()
    assert_array_equal([alone.step(x) for x in sequences[-1]], expected[-1])


@pytest.mark.parametrize("smoothing", [1, 7, "auto"])
def test_scores(smoothing):
    X = draw()
    detector = SequenceOutlierDetector(**SMALL, smoothing=smoothing).fit([X[:200]])
    later = X[200:].copy()
    later[50:60, 1] = later[49, 1]
    later[70, 2] = 5.0  # a channel that never changed
    assert_streams(detector, [later[:40], later[40:80], later[60:]])


@pytest.mark.parametrize("missing", ["mask", "decay"])
def test_missing_values(missing):
    X = draw()
    X[np.random.default_rng(0).random(X.shape) < 0.2] = np.nan
    X[200:206] = np.nan
    detector = SequenceOutlierDetector(**SMALL, smoothing=5, missing=missing).fit([X[:200]])
    assert_streams(detector, [X[200:230], X[220:250]])


def test_states_and_beginnings():
    X = draw()
    detector = SequenceOutlierDetector(**SMALL, smoothing=5).fit([X[:200]])
    stream, other = detector.stream(2), detector.stream(2)
    for t in range(20):
        stream.step(X[[200 + t, 230 + t]])
    other.state = stream.state
    stream.reset(1)
    for t in range(20):
        now, kept = stream.step(X[[220 + t, 260 + t]]), other.step(X[[220 + t, 250 + t]])
        assert now[0] == kept[0] == detector.step_scores([X[200 : 221 + t]])[0][-1]
        assert now[1] == detector.step_scores([X[260 : 261 + t]])[0][-1]
        assert kept[1] == detector.step_scores([X[230 : 251 + t]])[0][-1]


def test_streams_that_do_not_keep_step():
    X = draw()
    detector = SequenceOutlierDetector(**SMALL, smoothing=5).fit([X[:200]])
    stream, histories, rng = detector.stream(4), [[] for _ in range(4)], np.random.default_rng(0)
    for _ in range(40):
        which = rng.permutation(4)[: rng.integers(1, 5)]
        step = X[rng.integers(200, 300, len(which))]
        found = stream.step(step, which)
        for k, x, score in zip(which, step, found, strict=True):
            histories[k].append(x)
            assert score == detector.step_scores([np.array(histories[k])])[0][-1]
    assert np.ndim(stream.step(X[0], index=2)) == 0


def test_a_fit_to_come_changes_nothing():
    X = draw()
    detector = SequenceOutlierDetector(**SMALL, smoothing=5).fit([X[:200]])
    stream, expected = detector.stream(), detector.step_scores([X[200:230]])[0]
    detector.fit([3 * X[:150, :2]])
    assert_array_equal([stream.step(x) for x in X[200:230]], expected)


def test_a_warning_that_is_an_error_comes_behind_the_step():
    """The stream goes on as if it had only been said."""
    X = draw()
    detector = SequenceOutlierDetector(**SMALL, smoothing=5).fit([X[:200]])
    detector.weights_["readout.b"][0] = np.inf
    one, other = detector.stream(2), detector.stream(2)
    for t in range(200, 208):
        step = X[[t, t + 30]]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(RuntimeWarning, match="not finite"):
                one.step(step)
        with pytest.warns(RuntimeWarning, match="not finite"):
            other.step(step)
    assert_array_equal(one.n_steps, 8)
    expected = other.state
    for name, array in one.state.items():
        assert_array_equal(array, expected[name], err_msg=name)


def test_what_is_refused():
    X = draw()
    with pytest.raises(NotFittedError):
        SequenceOutlierDetector().stream()
    detector = SequenceOutlierDetector(**SMALL).fit([X])
    with pytest.raises(ValueError, match="n_streams must be a whole number"):
        detector.stream(0)
    stream = detector.stream()
    with pytest.raises(ValueError, match=r"x has shape \(2,\)"):
        stream.step([0, 0])
    with pytest.raises(ValueError, match="channel 1, is missing"):
        stream.step([0, np.nan, 0])
    with pytest.raises(AttributeError, match="step_proba is for classifiers"):
        stream.step_proba(X[0])
    assert stream.n_steps == 0
    reconstructs = SequenceOutlierDetector(**SMALL, objective="reconstruct").fit([X])
    with pytest.raises(ValueError, match='no streams: use objective="forecast"'):
        reconstructs.stream()
