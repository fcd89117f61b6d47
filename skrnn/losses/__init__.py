"""Losses: value and gradient with respect to raw predictions, and the inverse link to predictions.

Select a loss by name or pass an instance, for example ``RNNRegressor(loss=Huber(delta=1.0))``. The last layer of the
network outputs raw predictions, which `predict` of the loss converts to predictions.
"""

from ._base import BaseLoss
from ._classes import BinomialLogLoss, LogLoss, MultinomialLogLoss
from ._distributions import DistributionLoss, NegativeBinomial, Normal, Quantiles, StudentT
from ._numbers import AbsoluteError, Huber, Poisson, Quantile, SquaredError

REGRESSION_LOSSES = {  # of one raw prediction for each target, by the names that `loss` takes
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "poisson": Poisson,
    "quantile": Quantile,
}
DISTRIBUTION_LOSSES = {
    "quantiles": Quantiles,
    "normal": Normal,
    "student_t": StudentT,
    "negative_binomial": NegativeBinomial,
}

__all__ = [
    "DISTRIBUTION_LOSSES",
    "REGRESSION_LOSSES",
    "AbsoluteError",
    "BaseLoss",
    "BinomialLogLoss",
    "DistributionLoss",
    "Huber",
    "LogLoss",
    "MultinomialLogLoss",
    "NegativeBinomial",
    "Normal",
    "Poisson",
    "Quantile",
    "Quantiles",
    "SquaredError",
    "StudentT",
]
