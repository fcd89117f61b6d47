"""What fits or scores side by side in a context of joblib, each with results that are compared bit for bit."""

import numpy as np
from sklearn.model_selection import GridSearchCV

from skrnn import EarlyClassifier, RNNClassifier, RNNForecaster, RNNRegressor
from skrnn.inspection import step_importance

QUICK = {"max_iter": 2, "tol": 1.0, "n_iter_no_change": 1, "random_state": 0}
X = np.random.default_rng(0).normal(size=(60, 6, 2))
LABELS = (X[:, -1, 0] > 0).astype(int)


def backtest():
    y = np.sin(0.7 * np.arange(90)) + 0.01 * np.arange(90)
    frame = RNNForecaster(3, **QUICK).backtest([y, y[::-1]], n_windows=3)
    return frame.to_numpy(dtype=float)


def importance():
    reg = RNNRegressor(4, **QUICK).fit(X, X[:, -1, 0])
    return step_importance(reg, X, X[:, -1, 0], n_segments=2, n_repeats=2, random_state=0).importances


def several_networks():
    return RNNClassifier(4, n_networks=3, **QUICK).fit(X, LABELS).predict_proba(X)


def search():
    grid = {"hidden_layer_sizes": [3, 4], "n_jobs": [None, 2, -1]}
    found = GridSearchCV(RNNClassifier(**QUICK), grid, cv=2, scoring="neg_log_loss").fit(X, LABELS)
    return np.array([found.cv_results_["mean_test_score"], *found.predict_proba(X)[:6].T[:, :6]])


def early():
    return EarlyClassifier(RNNClassifier(4, **QUICK), cv=2, random_state=0).fit(X, LABELS).predict_proba(X)


WORK = [backtest, importance, several_networks, search, early]
