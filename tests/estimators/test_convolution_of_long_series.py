"""When ``convolution="auto"`` puts a convolution in front of a classifier, with warps in time, and when it does not."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

import skrnn
from skrnn import Augmentation, Conv, RNNClassifier, RNNRegressor

QUICK = {"hidden_layer_sizes": 2, "max_iter": 2, "random_state": 0}


def noise(n=20, T=100, n_channels=1):
    return np.random.default_rng(0).normal(size=(n, T, n_channels)), np.arange(n) % 2


def same(one, other):
    return one.weights_.keys() == other.weights_.keys() and all(
        np.array_equal(one.weights_[name], other.weights_[name]) for name in one.weights_
    )


@pytest.mark.parametrize(("T", "stride"), [(100, 4), (320, 4), (321, 8), (640, 8), (641, 16)])
def test_long_series_are_read_through_a_convolution_and_warped(T, stride):
    X, y = noise(T=T)
    auto = RNNClassifier(**QUICK).fit(X, y)
    by_hand = {"convolution": Conv(32, 2 * stride + 1, stride), "augmentation": Augmentation()}
    assert same(auto, RNNClassifier(**by_hand, **QUICK).fit(X, y))
    assert same(auto, RNNClassifier(n_jobs=2, **QUICK).fit(X, y))
    assert auto.structure_.convolution.stride == stride


def test_smooth_series_have_their_changes_too():
    t = np.linspace(0, 12, 120)
    X = np.sin(t * np.arange(1, 21)[:, np.newaxis] / 5)[:, :, np.newaxis]
    y = np.arange(20) % 2
    auto = RNNClassifier(**QUICK).fit(X, y)
    by_hand = {"convolution": Conv(32, 9, 4), "augmentation": Augmentation(), "differences": True}
    assert same(auto, RNNClassifier(**by_hand, **QUICK).fit(X, y))


def test_the_median_of_those_that_are_trained_on_decides():
    X, y = noise(T=100)
    ragged = [x[: 100 - 99 * (k % 5 == 0)] for k, x in enumerate(X)]
    assert RNNClassifier(**QUICK).fit(ragged, y).structure_.convolution is not None
    weight = np.array([float(len(x) == 1 or k in (1, 2)) for k, x in enumerate(ragged)])
    weighted = RNNClassifier(**QUICK).fit(ragged, y, sample_weight=weight)
    assert weighted.structure_.convolution is None
    held_out = RNNClassifier(early_stopping=True, **QUICK).fit(X[:, :99], y, X_val=X, y_val=y)
    assert held_out.structure_.convolution is None


def test_many_series_are_left_alone(monkeypatch):
    X, y = noise()
    monkeypatch.setattr("skrnn.estimators._convolved.FEW_CONVOLVED", len(X) - 1)
    assert same(RNNClassifier(**QUICK).fit(X, y), RNNClassifier(convolution=None, **QUICK).fit(X, y))
    assert RNNClassifier(**QUICK).fit(X[1:], y[1:]).structure_.convolution is not None


def test_copies_of_many_numbers_are_not_made_unasked(monkeypatch):
    X, y = noise(n_channels=2)
    walks = np.cumsum(X, axis=1)  # smooth
    monkeypatch.setattr("skrnn.estimators._augmented.FEW_NUMBERS", X.size - 1)
    for series in (X, walks):
        assert same(RNNClassifier(**QUICK).fit(series, y), RNNClassifier(augmentation=None, **QUICK).fit(series, y))
    monkeypatch.setattr("skrnn.estimators._augmented.FEW_NUMBERS", X.size)
    assert RNNClassifier(**QUICK).fit(walks, y).structure_.convolution is not None


@pytest.mark.parametrize(
    "changes",
    [
        {"convolution": None},
        {"augmentation": None},
        {"augmentation": Augmentation(scale=1.1)},
        {"differences": False},
        {"differences": True},
        {"bidirectional": False},
        {"truncation": 10},
        {"missing": "mask"},
        {"missing": "decay"},
        {"categorical_features": [0]},
        {"time_channel": 0},
    ],
    ids=str,
)
def test_what_is_set_by_hand_means_what_it_did(changes):
    X, y = noise(n_channels=2)
    X = np.cumsum(1 + np.abs(X).round(), axis=1)
    left = RNNClassifier(**QUICK | changes).fit(X, y)
    assert left.structure_.convolution is None
    assert same(left, RNNClassifier(**QUICK | changes | {"convolution": None}).fit(X, y))


def test_other_kinds_are_left_alone():
    X, y = noise()
    tags = [np.full(len(x), label) for x, label in zip(X, y, strict=True)]
    tokens = [np.where(x[:, 0] > 0, "a", "b").tolist() for x in X]
    assert RNNClassifier(**QUICK).fit(X, tags).structure_.convolution is None
    assert RNNClassifier(bidirectional=True, **QUICK).fit(X, tags).structure_.convolution is None
    assert RNNClassifier(**QUICK).fit(tokens, y).structure_.convolution is None
    assert RNNRegressor(**QUICK).fit(X, y).structure_.convolution is None
    assert RNNClassifier(bidirectional=True, **QUICK).fit(X, y).structure_.convolution is not None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_trainings_without_epochs_are_left_alone():
    X, y = noise()
    assert RNNClassifier(**QUICK).partial_fit(X, y, classes=[0, 1]).structure_.convolution is None
    assert RNNClassifier(solver="lbfgs", **QUICK).fit(X, y).structure_.convolution is None


def test_a_training_that_goes_on_keeps_its_network():
    X, y = noise()
    with_conv = RNNClassifier(warm_start=True, **QUICK).fit(X, y)
    with_conv.fit(X[:, :50], y).partial_fit(X, y)
    assert repr(with_conv.structure_.convolution) == repr(Conv(32, 9, 4))
    without = RNNClassifier(warm_start=True, **QUICK).fit(X[:, :50], y).fit(X, y)
    assert without.structure_.convolution is None
    with pytest.raises(ValueError, match="convolution"):
        with_conv.set_params(convolution=None).fit(X, y)


def test_several_networks_files_and_clones(tmp_path):
    X, y = noise()
    clf = RNNClassifier(n_networks=2, **QUICK).fit(X, y)
    assert clf.structure_.convolution is not None
    skrnn.save(clf, tmp_path / "clf.skrnn")
    loaded = skrnn.load(tmp_path / "clf.skrnn")
    assert loaded.convolution == "auto"
    np.testing.assert_array_equal(loaded.predict_proba(X), clf.predict_proba(X))
    assert clone(loaded).convolution == "auto"


def test_features_and_streams_are_those_of_the_network():
    X, y = noise()
    clf = RNNClassifier(**QUICK).fit(X, y)
    transformer = clf.as_transformer()
    assert repr(transformer.convolution) == repr(Conv(32, 9, 4))
    assert transformer.transform(X).shape == (20, 4)
    np.testing.assert_array_equal(list(clf.staged_predict_proba(X))[-1], clf.predict_proba(X))
    assert [states.shape for states in clf.hidden_states(X)] == [(25, 4)] * 20


def test_auto_is_a_word_of_classifiers_only():
    with pytest.raises(InvalidParameterError, match="convolution"):
        RNNRegressor(convolution="auto", **QUICK).fit(*noise())
    with pytest.raises(InvalidParameterError, match="convolution"):
        RNNClassifier(convolution="none", **QUICK).fit(*noise())


def enough(error):
    """The GiB that an error says are enough."""
    return float(re.search(r"max_memory(?: to |=)([\d.e-]+)(?: GiB)? or more", str(error.value))[1])


def test_the_memory_that_an_error_asks_for_is_enough():
    X, y = noise(T=1000)
    with pytest.raises(MemoryError, match="back-propagation") as error:
        RNNClassifier(max_memory=1e-3, **QUICK).fit(X, y)
    clf = RNNClassifier(max_memory=enough(error), **QUICK).fit(X, y)
    assert clf.structure_.convolution is not None


def test_memory_is_asked_for_the_network_with_its_convolution():
    X, y = noise(n=4, T=1000)
    with_conv = {"convolution": Conv(32, 33, 16), "augmentation": Augmentation()}
    with pytest.raises(MemoryError) as of_auto:
        RNNClassifier(max_memory=2e-3, **QUICK).fit(X, y)
    with pytest.raises(MemoryError) as of_both:
        RNNClassifier(max_memory=2e-3, **with_conv, **QUICK).fit(X, y)
    assert str(of_auto.value) == str(of_both.value)


def test_an_error_says_what_goes_with_the_copies_that_it_names():
    X, y = noise(n=100, T=1000)
    with pytest.raises(MemoryError, match='augmentation=None, with which convolution="auto"') as error:
        RNNClassifier(max_memory=5e-3, **QUICK).fit(np.tile(X, 2), y)
    assert RNNClassifier(max_memory=enough(error), **QUICK).fit(np.tile(X, 2), y).structure_.convolution is not None
    with pytest.raises(MemoryError, match=r"augmentation=None\.$"):
        RNNClassifier(augmentation=Augmentation(), max_memory=5e-3, **QUICK).fit(np.tile(X, 2), y)
