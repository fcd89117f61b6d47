"""Early stopping by any score."""

import math
from numbers import Integral, Real

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils._param_validation import Interval

from .._core.parameters import keep
from ._base import BaseCallback, check_notes, is_epoch, notes_of


class EarlyStopping(BaseCallback):
    """End a fit when a score on validation data stops improving, and restore the best weights.

    This callback accepts any score, and ends a fit at once. The parameter `early_stopping` of the estimators looks at
    accuracy or R^2, and lets a learning rate that falls to 0 do so first.

    Parameters
    ----------
    X_val, y_val : array-like
        Validation sequences, which are not used for training, and their targets.
    scoring : str or callable, default=None
        Name of a score of scikit-learn, or a callable ``scoring(estimator, X, y) -> float``; higher is better. If None,
        the score of the estimator.
    n_iter_no_change : int, default=10
        Number of epochs without improvement before the fit ends.
    tol : float, default=0.0
        Minimum improvement.

    Attributes
    ----------
    scores_ : list of float
        Score after each epoch of the last complete fit.
    best_score_ : float
        Best score.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.callbacks import EarlyStopping
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(150, 7, 1))
    >>> y = X.mean(axis=(1, 2)) > 0
    >>> stopping = EarlyStopping(X[100:], y[100:], scoring="roc_auc", n_iter_no_change=3)
    >>> clf = RNNClassifier(hidden_layer_sizes=8, random_state=0).set_callbacks(stopping).fit(X[:100], y[:100])
    >>> stopping.best_score_ > 0.9, clf.n_iter_ == len(stopping.scores_)
    (True, True)
    """

    _parameter_constraints = {
        "X_val": "no_validation",
        "y_val": "no_validation",
        "scoring": [str, callable, None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, X_val, y_val, *, scoring=None, n_iter_no_change=10, tol=0.0):
        keep(locals())

    def setup(self, estimator, context):
        super().setup(estimator, context)
        check_scoring(estimator, self.scoring)  # raises before the first epoch if the name is unknown

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        notes = notes_of(self, estimator)
        if not is_epoch(context):
            self._finish(estimator, estimator)
            self.scores_, self.best_score_ = list(notes.get("scores", [])), notes.get("best", -math.inf)
            return False
        score = float(check_scoring(estimator, self.scoring)(fitted_estimator, self.X_val, self.y_val))
        best = notes.get("best", -math.inf)
        notes.setdefault("scores", []).append(score)
        notes["n_idle"] = 0 if score > best + self.tol else notes.get("n_idle", 0) + 1
        if score > best:
            notes |= {"best": score, "best_weights": fitted_estimator.weights_}
        if notes["n_idle"] < self.n_iter_no_change:
            return False
        estimator._training.state.ended = True  # for a checkpoint that comes after this
        return True

    def _check_notes(self, notes, fitted):
        def are_weights(value, like=fitted.weights_):
            if isinstance(like, list):  # of several networks
                return isinstance(value, list) and len(value) == len(like) and all(map(are_weights, value, like))
            arrays = isinstance(value, dict) and all(isinstance(weight, np.ndarray) for weight in value.values())
            return arrays and _shapes(value) == _shapes(like)

        allowed = {
            "scores": lambda v: isinstance(v, list) and all(isinstance(score, float) for score in v),
            "n_idle": lambda v: type(v) is int and v >= 0,
            "best": lambda v: isinstance(v, float),
            "best_weights": are_weights,
        }
        check_notes(notes, allowed)
        if ("scores" in notes) != ("n_idle" in notes) or ("best" in notes) != ("best_weights" in notes):
            raise ValueError("notes have a score without weights, or the other way round")

    def _finish(self, estimator, fitted):
        fitted.weights_ = notes_of(self, estimator).get("best_weights", fitted.weights_)


def _shapes(weights):
    return {name: (weight.shape, weight.dtype) for name, weight in weights.items()}
