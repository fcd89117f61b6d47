"""Recurrent neural networks for people who work in scikit-learn.

>>> from sklearn.datasets import load_digits
>>> from skrnn import RNNClassifier
>>> digits = load_digits()                           # an image is a sequence of 8 rows of 8 pixels
>>> clf = RNNClassifier("gru", max_iter=5, random_state=0)    # doctest: +SKIP
"""

from ._version import __version__
from .estimators import RNNClassifier, RNNRegressor
from .sequences import Sequence, SequenceArray

__all__ = ["RNNClassifier", "RNNRegressor", "Sequence", "SequenceArray", "__version__"]
