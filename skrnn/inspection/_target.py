"""What is explained: a sum of raw predictions, given by a weight for each."""

from numbers import Integral

import numpy as np

from ..estimators import RNNClassifier, RNNRegressor
from ..losses import DistributionLoss


def check_explainable(estimator):
    """Refuse what has no raw predictions for each sequence, or for each step of it."""
    if not isinstance(estimator, (RNNClassifier, RNNRegressor)):
        name = type(estimator).__name__
        raise ValueError(
            f"Attributions are those of an RNNClassifier or RNNRegressor, not of {name}.{advice(estimator)}"
        )
    estimator._check_is_fitted()
    if isinstance(getattr(estimator, "loss_function_", None), DistributionLoss):
        raise ValueError(
            f"loss={estimator.loss_function_!r} predicts several numbers for each target, and attributions are of one: "
            "explain a network with a loss of single numbers, such as 'squared_error'."
        )


def advice(estimator):
    """What to pass instead of an estimator that holds the one that is meant."""
    if hasattr(estimator, "steps"):
        return " Of a Pipeline, pass the last step, and X as the steps before transform it."
    if hasattr(estimator, "estimator"):
        return " Of a meta-estimator, pass an estimator that it has fitted, like best_estimator_."
    held = [name for name in ("network_", "forecaster_") if hasattr(estimator, name)]
    return f" Pass its {held[0]}." if held else ""


def directions(estimator, target, raw):
    """Weights of the raw predictions `raw` (n_rows, K) in what is explained."""
    out, rows = np.zeros(raw.shape), np.arange(len(raw))
    if isinstance(estimator, RNNRegressor):
        k = _number(target, raw.shape[1], "output")
        out[:, k] = estimator.target_scale_[k]
    elif estimator.multilabel_:
        out[:, _number(target, raw.shape[1], "label")] = 1
    elif raw.shape[1] == 1:
        codes = raw[:, 0] > 0 if target is None else np.full(len(raw), _code(target, estimator.classes_))
        out[:, 0] = np.where(codes, 1, -1)
    else:
        out[rows, raw.argmax(axis=1) if target is None else _code(target, estimator.classes_)] = 1
    return out


def check_target(estimator, target):
    """Refuse a target that there is not, before anything is computed."""
    directions(estimator, target, np.zeros((1, estimator.n_outputs_)))


def _code(target, classes):
    known = classes.tolist()
    if target not in known:
        raise ValueError(f"target={target!r} is none of the classes {known}.")
    return known.index(target)


def _number(target, n, what):
    if target is None and n == 1:
        return 0
    if not isinstance(target, Integral) or isinstance(target, bool) or not 0 <= target < n:
        raise ValueError(f"target must be the number of one of {n} {what}s, from 0 to {n - 1}; got {target!r}.")
    return int(target)
