"""Estimators of sequences out whose targets are one for each sequence, so that the tests of all estimators hold there.

What is one target for the tests is a sequence of that one; of targets that are no list or array, the error is tested
elsewhere.
"""

import numpy as np

from skrnn import CTCClassifier, Seq2SeqClassifier, Seq2SeqRegressor


def one_each(y):
    """A sequence of one target for each target."""
    return None if y is None else [[target] for target in np.asarray(y).tolist()]


class OneEach:
    """Mixed into an estimator."""

    def fit(self, X, y, sample_weight=None, *, y_val=None, **options):
        return super().fit(X, one_each(y), sample_weight, y_val=one_each(y_val), **options)

    def partial_fit(self, X, y, sample_weight=None, **options):
        return super().partial_fit(X, one_each(y), sample_weight, **options)

    def score(self, X, y, sample_weight=None):
        return super().score(X, one_each(y), sample_weight)


class _Labels(OneEach):
    def output(self, X):
        """Probabilities of each label alone, (n_sequences, n_classes)."""
        n = len(self.predict(X))
        return np.exp(np.column_stack([self.score_samples(X, [[label]] * n) for label in self.classes_.tolist()]))


class OneLabel(_Labels, Seq2SeqClassifier):
    """The first of its kind."""


class OneUnaligned(_Labels, CTCClassifier):
    """The second."""


class OneNumber(OneEach, Seq2SeqRegressor):
    """The third."""

    def output(self, X):
        """The numbers, (n_sequences,)."""
        return np.concatenate(self.predict(X, 1))
