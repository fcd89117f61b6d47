"""Numbers as targets."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.utils import check_array
from sklearn.utils._param_validation import InvalidParameterError

from ..._core.parameters import described
from ...losses import REGRESSION_LOSSES, BaseLoss, LogLoss, Quantile
from ...streaming._decoder import Link
from .._description import refuse_other_model
from ._read import UNITS, SuppliedTask, as_numbers
from ._scaling import centre_and_scale, rescaled, share_explained
from ._task import FittedTask


@dataclass(frozen=True)
class Numbers(FittedTask):
    """Numbers for each row: an array of `shape`, less `mean` and divided by `scale`, (n_outputs,) each."""

    loss: BaseLoss
    mean: np.ndarray
    scale: np.ndarray
    shape: tuple
    per_step: bool

    @property
    def n_outputs(self):
        """Numbers of a row."""
        return math.prod(self.shape)

    def encode(self, rows):
        self.check_width(rows)
        y = _checked(rows)
        self.loss.check_target(y)
        with np.errstate(over="ignore"):  # infinity is refused where it is known which weights are not 0
            return (y - self.mean) / self.scale

    def check_width(self, rows):
        """Refuse rows of another shape."""
        if rows.shape[1:] == self.shape or self.n_outputs == rows[:1].size == 1:
            return
        found, expected = _outputs(rows.shape[1:]), _outputs(self.shape)
        raise ValueError(f"y has {found} for each {UNITS[self.per_step]}, but fit saw {expected}.")

    def numbers(self, raw_prediction):
        """Predictions in the unit and shape of the target."""
        y = rescaled(self.loss.predict(raw_prediction), self.scale, self.mean)
        return y if len(self.shape) == 1 else y.reshape(len(y), *self.shape)

    def link(self):
        """What gives `numbers`, as a kernel; None if the loss has a link of its own."""
        if type(self.loss).predict is not BaseLoss.predict or self.loss.n_raw(self.n_outputs) != self.n_outputs:
            return None
        from ...kernels.links import rescale  # noqa: PLC0415 (brings the compiler)

        return Link(rescale, (self.scale.copy(), self.mean.copy()), self.shape, np.float64)

    def parts(self, raw_prediction):
        """What a `DistributionLoss` predicts of each target, in its unit; arrays (n, n_outputs)."""
        return self.loss.parts(raw_prediction.astype(np.float64), self.mean, self.scale)

    def validation_score(self, raw_prediction, y, weight):
        if self.loss.resists_outliers:
            return share_explained(self.loss, raw_prediction, y, weight)
        return r2_score(y, self.loss.predict(raw_prediction), sample_weight=weight)

    def attributes(self):
        return {
            "loss_function_": self.loss,
            "target_mean_": self.mean,
            "target_scale_": self.scale,
            "target_shape_": self.shape,
        }


class RegressionTask(SuppliedTask):
    """Numbers.

    Parameters
    ----------
    owner, targets :
        See `SuppliedTask`.
    loss : str or BaseLoss, default="squared_error"
    quantile : float or None, default=None
        For ``loss="quantile"``.
    standardize_target : bool, default=True
    """

    def __init__(self, owner, targets="auto", loss="squared_error", quantile=None, standardize_target=True):
        super().__init__(owner, targets)
        self.loss, self.quantile, self.standardize_target = loss, quantile, standardize_target

    def check(self, parameters):
        self.make_loss()

    def make_loss(self):
        """The loss that the parameters name."""
        if self.quantile is not None and self.loss != "quantile":
            raise ValueError(f'quantile={self.quantile} needs loss="quantile", got loss={self.loss!r}.')
        if isinstance(self.loss, LogLoss):
            other = self.owner.replace("Regressor", "Classifier")
            raise InvalidParameterError(f"loss={self.loss!r} is for classes: use {other}.")
        if isinstance(self.loss, BaseLoss):
            self.loss._validate_params()
            return clone(self.loss)
        if self.quantile is not None:
            return Quantile(self.quantile)
        return REGRESSION_LOSSES[self.loss]()

    def learn(self, target, trained, columns, request):
        y, shape, loss = _checked(target.rows), target.rows.shape[1:], self.make_loss()
        loss.check_target(y)
        mean, scale = np.zeros(math.prod(shape)), np.ones(math.prod(shape))
        if self.standardize_target:
            mean, scale = centre_and_scale(y[trained], target.weight[trained], loss)
        return Numbers(loss, mean, scale, shape, target.per_step)

    def resumed(self, fitted, request):
        """The task that was fitted before, with the loss of now, if raw predictions mean the same for both."""
        loss = self.make_loss()
        if described(loss) == described(fitted.loss):
            return fitted
        if not (loss.scales_target and fitted.loss.scales_target):
            refuse_other_model({"loss": fitted.loss}, {"loss": loss})
        return dataclasses.replace(fitted, loss=loss)


def restored_numbers(attributes):
    """The fitted task that public attributes describe."""
    names = "loss_function_", "target_mean_", "target_scale_", "target_shape_", "per_step_"
    return Numbers(*(getattr(attributes, name) for name in names))


def check_restored_numbers(attributes, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    require("loss_function_", lambda v: isinstance(v, BaseLoss))
    n = attributes.n_outputs_
    attributes.loss_function_._validate_params()
    require("target_shape_", lambda v: _is_shape(v) and math.prod(v) == n)
    for name in ("target_mean_", "target_scale_"):
        require(name, lambda v: is_vector(v) and len(v) == n)
    require("target_scale_", lambda v: (v > 0).all())
    return restored_numbers(attributes)


def _checked(rows):
    """A target as numbers, (n, n_outputs)."""
    y = as_numbers(rows, "y")
    if y.ndim > 3:
        raise ValueError(f"y must have up to three dimensions, (n_sequences, horizon, n_targets), got {y.shape}.")
    with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn sums, to see at once whether all are finite
        return check_array(y.reshape(len(y), math.prod(y.shape[1:])), input_name="y", estimator="RNNRegressor")


def _is_shape(value):
    return isinstance(value, tuple) and len(value) < 3 and all(type(size) is int and size > 0 for size in value)


def is_vector(value):
    """Whether a value is an array (n,) of finite floats of 64 bits."""
    is_of_floats = isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.float64
    return is_of_floats and np.isfinite(value).all()


def _outputs(shape):
    """How many targets a row of this shape has, in words."""
    return " times ".join(map(str, shape)) + " outputs" if shape else "1 output"
