"""The scikit-learn surface: translates between scikit-learn and the network; holds no mathematics."""

from ._classifier import RNNClassifier
from ._regressor import RNNRegressor

__all__ = ["RNNClassifier", "RNNRegressor"]
