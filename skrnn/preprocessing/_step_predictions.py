"""Predictions of ``PerStep`` around a classifier or regressor of rows: one for each step."""

import numpy as np
from sklearn.base import is_classifier, is_regressor
from sklearn.utils import get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ..sequences._ragged import split_steps, step_weights


def inner_has(method):
    """A check for `available_if`: whether the transformer, the fitted one if there is one, has a method."""

    def check(per_step):
        # getattr raises the AttributeError that says what is missing
        getattr(getattr(per_step, "transformer_", per_step.transformer), method)
        return True

    return check


def _inner_is_judged_by_targets(per_step):
    """Whether there is a classifier or regressor; others, like a PCA, score by themselves."""
    if is_classifier(per_step.transformer) or is_regressor(per_step.transformer):
        return True
    raise AttributeError(f"{type(per_step.transformer).__name__} is neither a classifier nor a regressor.")


class StepPredictions:
    """The methods of `PerStep` that a classifier or regressor in it has."""

    @available_if(inner_has("predict"))
    def predict(self, X):
        """Predict each step.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences with the same channels as in `fit`.

        Returns
        -------
        y : ndarray of object of shape (n_sequences,)
            For each sequence, an array with a prediction for each step, also for those of the `washout`.
        """
        return self._of_steps("predict", X)

    @available_if(inner_has("predict_proba"))
    def predict_proba(self, X):
        """Predict the probabilities of classes at each step.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences with the same channels as in `fit`.

        Returns
        -------
        proba : ndarray of object of shape (n_sequences,)
            For each sequence, an array of shape (n_steps, n_classes).
        """
        return self._of_steps("predict_proba", X)

    @available_if(_inner_is_judged_by_targets)
    def score(self, X, y, sample_weight=None):
        """Score the predictions of all steps behind the `washout`, as the estimator of rows does.

        Parameters
        ----------
        X : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps, n_channels), frame, 2-D table}
            Sequences with the same channels as in `fit`.
        y : {SequenceArray, list of arrays, array-like of shape (n_sequences, n_steps)}
            A target for each step.
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weight of each sequence or step.

        Returns
        -------
        float
            The R^2 of a regressor, or the accuracy of a classifier.
        """
        check_is_fitted(self)
        sequences = self._validated(X)
        rows, targets = self._rows_of_fit(sequences.offsets), self._required_targets(y, sequences.offsets)
        weights = step_weights(sample_weight, sequences.offsets, "X")
        params = {} if weights is None else {"sample_weight": weights[rows]}
        return self.transformer_.score(sequences.values[rows], targets[rows], **params)

    @property
    def classes_(self):
        """Classes of the classifier."""
        return self.transformer_.classes_

    def _of_steps(self, method, X):
        """What a method of the estimator of rows gives, for each sequence."""
        check_is_fitted(self)
        sequences = self._validated(X)
        return split_steps(self._rows_through(method, sequences), sequences.offsets)

    def _rows_of_fit(self, offsets):
        """Which rows of all steps `fit` and `score` look at: those behind the `washout` of their sequences."""
        if not self.washout:
            return slice(None)
        steps = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
        rows = np.flatnonzero(steps >= self.washout)
        if not len(rows):
            raise ValueError(
                f"washout={self.washout} leaves no step: the longest sequence has {np.diff(offsets).max()}. Take a "
                "smaller washout, or longer sequences."
            )
        return rows

    def _add_tags_of_predictor(self, tags):
        """Let scikit-learn see a regressor or classifier where there is one inside."""
        if hasattr(self.transformer, "predict"):
            inner = get_tags(self.transformer)
            tags.estimator_type, tags.regressor_tags = inner.estimator_type, inner.regressor_tags
            tags.classifier_tags = inner.classifier_tags
