"""``RNNSearchCV`` against lone fits, whose bits are those of its candidates."""

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from skrnn import RNNClassifier, RNNSearchCV
from skrnn.callbacks._base import BaseCallback, is_epoch

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 2)) for T in RNG.integers(3, 9, 60)]
Y = np.array([x[:, 0].mean() > 0 for x in X])
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 9, "batch_size": 8, "random_state": 0}
CLF = RNNClassifier(**SHORT)
RATES = {"learning_rate_init": [0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3]}
FOLDS = list(KFold(2, shuffle=True, random_state=0).split(X))


def rows(values, numbers):
    return [values[k] for k in numbers] if isinstance(values, list) else values[numbers]


class StopAt(BaseCallback):
    """Ends a fit after so many epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_fit_task_end(self, estimator, context):
        return is_epoch(context) and estimator._training.state.n_epochs == self.n_epochs


def lone_score(estimator, parameters, n_epochs, fold):
    train, test = FOLDS[fold]
    lone = clone(estimator).set_params(**parameters).set_callbacks(StopAt(n_epochs))
    return lone.fit(rows(X, train), Y[train]).score(rows(X, test), Y[test])


def test_each_candidate_is_a_lone_fit_that_stops_at_the_rung():
    search = RNNSearchCV(CLF, RATES, n_candidates="all", cv=FOLDS).fit(X, Y)
    results = search.cv_results_
    assert search.n_candidates_ == [9, 3]
    assert search.n_resources_ == [3, 9]
    for row, parameters in enumerate(results["params"]):
        for fold in range(2):
            lone = lone_score(CLF, parameters, results["n_resources"][row], fold)
            assert results[f"split{fold}_test_score"][row] == lone
