"""scikit-learn's common checks of ``RNNSearchCV``."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor, RNNSearchCV

# as in the checks of estimators themselves, see tests/estimators/test_estimator_checks.py
SMALL = {"hidden_layer_sizes": 8, "max_iter": 40, "learning_rate_init": 0.05, "dtype": "float64", "random_state": 0}
SMALL |= {"batch_size": 32, "dropout": 0.0, "tol": 1e-3}
HOW = {"n_candidates": "all", "cv": 2, "error_score": "raise"}
SEARCHES = [
    RNNSearchCV(estimator(**SMALL), {"alpha": [1e-4, 1e-3]}, **HOW) for estimator in (RNNClassifier, RNNRegressor)
]
# those that GridSearchCV fails, too
FAILS = {
    RNNClassifier: {"check_classifiers_one_label_sample_weights": "the message names classes, and comes from a fold"},
    RNNRegressor: {"check_supervised_y_2d": "a column of targets is no mistake for a regressor of several targets"},
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")  # of splitters, for infinite y
@parametrize_with_checks(SEARCHES, expected_failed_checks=lambda search: FAILS[type(search.estimator)])
def test_common_checks(estimator, check):
    check(estimator)
