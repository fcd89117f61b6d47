"""What tests of searches share: small data, and a score by which all bits of a fit are compared."""

import hashlib

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import KFold

from skrnn import RNNClassifier
from skrnn.callbacks._base import BaseCallback, is_epoch
from skrnn.model_selection._candidates import last_step

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(T, 2)) for T in RNG.integers(3, 9, 40)]
Y_REAL = np.array([x[:, 0].sum() for x in X])
Y = Y_REAL > 0
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 9, "batch_size": 8, "random_state": 0}
CLF = RNNClassifier(**SHORT)
RATES = {"learning_rate_init": [0.001, 0.01, 0.03, 0.1, 0.3]}
FOLDS = list(KFold(2, shuffle=True, random_state=0).split(X))


def rows(values, numbers):
    return [values[k] for k in numbers] if isinstance(values, list) else values[numbers]


def mark(estimator, X=None, y=None):
    """A number that differs for fits with other weights or another history."""
    network = last_step(estimator)
    each = network.weights_ if isinstance(network.weights_, list) else [network.weights_]
    arrays = [array for weights in each for array in weights.values()]
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays))
    digest.update(repr((network.loss_curve_, network.validation_scores_, network.t_)).encode())
    return float(int.from_bytes(digest.digest()[:6]))


class StopAt(BaseCallback):
    """Ends a fit after so many epochs."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def on_fit_task_end(self, estimator, context):
        return is_epoch(context) and estimator._training.state.n_epochs == self.n_epochs


def lone_fit(estimator, parameters, n_epochs, X, y, **fit_params):
    """A fit that ends after so many epochs."""
    lone = clone(estimator).set_params(**parameters)
    network = last_step(lone)
    network.set_callbacks(*getattr(network, "_skl_callbacks", []), StopAt(n_epochs))
    return lone.fit(X, y, **fit_params)


def same_results(one, other):
    """Whether two searches have found the same, but for the time that it took."""
    assert one.cv_results_.keys() == other.cv_results_.keys()
    for name, values in one.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(values, other.cv_results_[name], err_msg=name)
    assert one.best_index_ == other.best_index_
