"""scikit-learn's common checks on estimators of sequences out; y of one dimension is made an output of one step."""

import numpy as np
import pytest
from sklearn.base import RegressorMixin
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import Seq2SeqClassifier, Seq2SeqRegressor

SMALL = {"hidden_layer_sizes": 8, "max_iter": 200, "learning_rate_init": 0.05, "dtype": "float64", "random_state": 0}
SMALL |= {"batch_size": 32, "dropout": 0.0, "tol": None}
NOT_OURS = {"check_supervised_y_2d": "a column is an output of one step for each sequence, not y in a wrong shape"}


def of_one_step(y):
    y = y if y is None else np.asarray(y)
    return y[:, np.newaxis] if y is not None and y.ndim == 1 else y


class Labels(Seq2SeqClassifier):
    """Puts out the first label; methods that need y or classes besides X are left out, as checks pass X only."""

    partial_fit = score_samples = property()

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, of_one_step(y), sample_weight)

    def predict(self, X):
        return np.array([row[0] if len(row) else self.classes_[0] for row in super().predict(X)])

    def score(self, X, y, sample_weight=None):
        return np.average(np.asarray(y) == self.predict(X), weights=sample_weight)


class Numbers(Seq2SeqRegressor):
    """Puts out one row."""

    partial_fit = property()

    def fit(self, X, y, sample_weight=None):
        return super().fit(X, of_one_step(y), sample_weight)

    def predict(self, X, n_steps=None):
        return np.concatenate(super().predict(X, n_steps))

    score = RegressorMixin.score


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [Labels(**SMALL | {"max_iter": 5}), Numbers(**SMALL)], expected_failed_checks=lambda e: NOT_OURS, xfail_strict=None
)
def test_common_checks(estimator, check):
    check(estimator)
