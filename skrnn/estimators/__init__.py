"""The scikit-learn surface: translates between scikit-learn and the network; holds no mathematics."""

from ._classifier import RNNClassifier
from ._ctc import CTCClassifier
from ._regressor import RNNRegressor
from ._transformer import SequenceTransformer

__all__ = ["CTCClassifier", "RNNClassifier", "RNNRegressor", "SequenceTransformer"]
