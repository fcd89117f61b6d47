"""The scikit-learn surface: translates between scikit-learn and the network; holds no mathematics."""

from ._classifier import RNNClassifier
from ._generator import SequenceGenerator
from ._regressor import RNNRegressor
from ._transformer import SequenceTransformer

__all__ = ["RNNClassifier", "RNNRegressor", "SequenceGenerator", "SequenceTransformer"]
