"""The axioms of attributions, on networks whose weights are random."""

import numpy as np
import pytest
from networks import CELLS
from numpy.testing import assert_allclose

from skrnn import Conv, RNNClassifier
from skrnn.inspection import attribute

LENGTHS = [7, 4, 9, 1, 4]
QUICK = {"max_iter": 1, "tol": 10.0, "n_iter_no_change": 1, "early_stopping": False, "random_state": 0}


def fitted(X, y, cell="gru", estimator=RNNClassifier, scale=0.7, **options):
    """An estimator of float64 whose weights are random, and not small."""
    options = {"hidden_layer_sizes": (5, 5), "dtype": "float64", "bidirectional": False, "pooling": "last"} | options
    clf = estimator(cell=cell, **QUICK, **options).fit(X, y)
    rng = np.random.default_rng(1)
    for weight in clf.weights_.values():
        size = scale / np.sqrt(weight.shape[0] if weight.ndim == 2 else 1)
        weight[...] = size * rng.normal(size=weight.shape)
    return clf


def sequences(rng, C=3, lengths=LENGTHS):
    return [2 + 3 * rng.normal(size=(T, C)) for T in lengths]


def margin(clf, X):
    """The raw prediction of the second of two classes."""
    p = clf.predict_log_proba(X)
    return p[:, 1] - p[:, 0]


def differences(f, x, places=None, h=1e-5):
    """Central differences of f(x) by the entries of x, where these are numbers."""
    out = np.zeros(x.shape)
    for place in zip(*np.nonzero(~np.isnan(x)), strict=True) if places is None else places:
        more, less = x.copy(), x.copy()
        more[place] += h
        less[place] -= h
        out[place] = (f(more) - f(less)) / (2 * h)
    return out


OPTIONS = {
    "plain": {},
    "both directions": {"bidirectional": True, "pooling": "mean"},
    "attention, residual": {"pooling": "attention", "residual": True},
    "mean, layer_norm": {"pooling": "mean", "layer_norm": True},
    "convolution": {"convolution": Conv(6, width=4, stride=2, activation="tanh")},
    "convolution, mask": {"convolution": Conv(6, width=3, activation="tanh"), "missing": "mask"},
    "mask": {"missing": "mask"},
    "decay": {"missing": "decay"},
    "without scales": {"standardize": False},
    "dropout": {"dropout": 0.5, "input_dropout": 0.5, "recurrent_dropout": 0.5, "zoneout": 0.2, "cell": "lstm"},
}


def data_for(options):
    rng = np.random.default_rng(0)
    X, y = sequences(rng), [0, 1, 0, 1, 1]
    if "missing" in options:
        for x in X:
            x[rng.random(x.shape) < 0.4] = np.nan
    return X, y


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_gradient_equals_central_differences(options):
    X, y = data_for(options)
    clf = fitted(X, y, **options)
    found = attribute(clf, X, target=1, method="gradient").attributions
    for x, gradient in zip(X, found, strict=True):
        expected = differences(lambda x: margin(clf, [x])[0], x)
        assert_allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        assert np.abs(expected).max() > 1e-4


@pytest.mark.parametrize("name", CELLS)
def test_gradient_of_every_cell_equals_central_differences(name):
    X, y = data_for({})
    clf = fitted(X, y, CELLS[name], scale=0.4)
    found = attribute(clf, X[:2], target=1, method="gradient").attributions
    for x, gradient in zip(X[:2], found, strict=True):
        assert_allclose(gradient, differences(lambda x: margin(clf, [x])[0], x), rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_shares_add_up_to_what_they_explain(options):
    X, y = data_for(options)
    clf = fitted(X, y, **options)
    result = attribute(clf, X, target=1)
    sums = [shares.sum() for shares in result.attributions]
    mean = clf.inputs_.mean
    start = margin(clf, [np.where(np.isnan(x), np.nan, mean) for x in X])
    change = margin(clf, X) - start
    assert_allclose(result.difference, change, rtol=1e-9, atol=1e-12)
    assert_allclose(result.error, sums - change, atol=1e-12)
    assert np.abs(result.error).max() < 1e-4 * np.abs(change).max()
