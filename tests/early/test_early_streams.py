"""Decisions step by step, and early classifiers in files."""

import numpy as np
import pytest
from early_models import MeanClassifier, make_noisy
from numpy.testing import assert_array_equal

import skrnn
from skrnn import EarlyClassifier, RNNClassifier
from skrnn.persistence._estimators import estimator_from_plain, estimator_to_plain

X, Y = make_noisy(90, n_classes=3)
NETWORK = RNNClassifier(6, bidirectional=False, max_iter=20, learning_rate_init=0.03, random_state=0)
EARLY = EarlyClassifier(NETWORK, cost_of_delay=0.05, cv=2, random_state=0)


@pytest.fixture(scope="module")
def early():
    return EARLY.fit(X, Y)


def test_streams_decide_as_predict_early_does(early):
    labels, n_read = early.predict_early(X)
    assert n_read.min() < 5 < n_read.max()
    stream, proba = early.stream(), early.predict_proba(X)
    for x, label, n, p in zip(X, labels, n_read, proba, strict=True):
        stream.reset()
        found = [stream.step(step) for step in x]
        assert found[: n - 1] == [None] * (n - 1)
        assert set(found[n - 1 : -1]) <= {label}
        assert stream.end()[0] == label
        assert stream.n_steps_read[0] == n
        assert_array_equal(stream.proba[0], p)


def test_streams_side_by_side(early):
    some = np.array([x[:10] for x in X[:8]])
    labels, n_read = early.predict_early(some)
    stream = early.stream(8)
    assert_array_equal(stream.end(), np.full(8, None))
    for t in range(10):
        found = stream.step(some[:, t])
        assert_array_equal(
            found, np.where((n_read <= t + 1) & ((n_read < 10) | (stream.n_steps_read > 0)), labels, None)
        )
    assert_array_equal(stream.end(), labels)
    stream.reset([1, 3])
    assert_array_equal(stream.n_steps_read == 0, np.isin(np.arange(8), [1, 3]))


def test_states_of_other_streams_are_refused(early):
    stream, before = early.stream(), early.stream().state
    for state in (None, [1, 2], {}, early.estimator_.stream().state):
        with pytest.raises(ValueError, match=r"is a dict of arrays, got|early.proba.* only one of the two"):
            stream.state = state
    with pytest.raises(ValueError, match="of 2 streams, but this has 1"):
        stream.state = early.stream(2).state
    stream.state = before


def test_streams_need_an_estimator_that_has_them():
    with pytest.raises(ValueError, match="MeanClassifier has no stream"):
        EarlyClassifier(MeanClassifier(), prefixes=False).fit(X, Y).stream()


def test_files(early, tmp_path):
    skrnn.save(early, tmp_path / "early.skrnn")
    other = skrnn.load(tmp_path / "early.skrnn")
    assert_array_equal(other.predict_proba(X), early.predict_proba(X))
    assert_array_equal(other.predict_early(X)[1], early.predict_early(X)[1])
    assert other.get_params()["estimator__hidden_layer_sizes"] == 6
    skrnn.save(EARLY.__class__(NETWORK), tmp_path / "unfitted.skrnn")
    assert skrnn.load(tmp_path / "unfitted.skrnn").cost_of_delay == 0.1


@pytest.mark.parametrize(
    ("name", "value"),
    [("calibration_", np.zeros(3)), ("threshold_", np.nan), ("decides_every_", 0), ("n_usual_steps_", "no")],
)
def test_damaged_files_are_refused(early, name, value):
    plain = estimator_to_plain(early)
    plain["state"][name] = {"value": value}
    with pytest.raises(ValueError, match=name):
        estimator_from_plain(plain)
