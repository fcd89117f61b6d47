"""A classifier with staged predictions that is no network, and data for it."""

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin


class MeanClassifier(ClassifierMixin, BaseEstimator):
    """Compares the mean so far with the means of the classes; trained in a moment."""

    def __init__(self, sharpness=1.0):
        self.sharpness = sharpness

    def fit(self, X, y, sample_weight=None, groups=None):
        self.classes_, codes = np.unique(y, return_inverse=True)
        means = np.array([np.mean(x, axis=0) for x in X])
        weights = np.ones(len(codes)) if sample_weight is None else sample_weight
        which = range(len(self.classes_))
        self.centres_ = np.array([np.average(means[codes == k], axis=0, weights=weights[codes == k]) for k in which])
        self.n_seen_, self.weights_, self.groups_ = len(means), sample_weight, groups
        return self

    def _proba(self, means):
        scores = -self.sharpness * ((means[:, np.newaxis] - self.centres_) ** 2).sum(axis=2)
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        return p / p.sum(axis=1, keepdims=True)

    def staged_predict_proba(self, X):
        X = [np.asarray(x, float) for x in X]
        for t in range(1, max(map(len, X)) + 1):
            yield self._proba(np.array([x[:t].mean(axis=0) for x in X]))

    def predict_proba(self, X):
        return self._proba(np.array([np.mean(x, axis=0) for x in X]))

    def predict(self, X):
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


def make_noisy(n, n_steps=(10, 20), n_classes=2, seed=0):
    """Sequences of noise around one of some points; sequences of class 0 are easy."""
    rng = np.random.default_rng(seed)
    y, lengths = np.arange(n) % n_classes, rng.integers(n_steps[0], n_steps[1] + 1, n)
    centres = np.where(np.arange(n_classes)[:, np.newaxis] == 0, -3.0, np.arange(n_classes)[:, np.newaxis])
    return [rng.normal(size=(t, 2)) + centres[k] for t, k in zip(lengths, y, strict=True)], np.array(list("abcdefgh"))[
        y
    ]
