"""Fitted attributes of a target, as files hold them: what makes predictions of the outputs of the network."""

import math

import numpy as np

from ..losses import BaseLoss


def check_classes(estimator, require):
    """Refuse attributes of a classifier that do not belong together; ``require(name, holds)`` checks one."""
    require("multilabel_", lambda v: isinstance(v, (bool, np.bool_)))
    require("classes_", lambda v: isinstance(v, np.ndarray) and v.ndim == 1 and np.array_equal(np.unique(v), v))
    n_classes = len(estimator.classes_)
    n_expected = n_classes if estimator.multilabel_ else {1: None, 2: 1}.get(n_classes, n_classes)
    require("n_outputs_", lambda v: v == n_expected)
    _check_width(estimator, estimator._loss())


def check_numbers(estimator, require):
    """The same for a regressor."""
    require("loss_function_", lambda v: isinstance(v, BaseLoss))
    loss, n = estimator.loss_function_, estimator.n_outputs_
    loss._validate_params()
    require("target_shape_", lambda v: _is_shape(v) and math.prod(v) == n)
    for name in ("target_mean_", "target_scale_"):
        require(name, lambda v: _is_vector(v) and len(v) == n)
    require("target_scale_", lambda v: (v > 0).all())
    _check_width(estimator, loss)


def check_reconstruction(estimator, require):
    """The same for a transformer."""
    names = [name for name in ("reconstruction_mean_", "reconstruction_scale_") if hasattr(estimator, name)]
    for name in names:
        require(name, lambda v: _is_vector(v) and len(v) and estimator.structure_.n_outputs % len(v) == 0)
    if len({len(getattr(estimator, name)) for name in names}) > 1 or len(names) == 1:
        raise ValueError("reconstruction_mean_ and reconstruction_scale_ do not belong together")


def _check_width(estimator, loss):
    n, n_raw = estimator.n_outputs_, estimator.structure_.n_outputs
    if n_raw != loss.n_raw(n):
        raise ValueError(f"the network has {n_raw} outputs, which are not those of {n} targets")


def _is_shape(value):
    return isinstance(value, tuple) and len(value) < 3 and all(type(size) is int and size > 0 for size in value)


def _is_vector(value):
    is_of_floats = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.float64
    return is_of_floats and np.isfinite(value).all()
