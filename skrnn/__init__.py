"""Recurrent neural networks for people who work in scikit-learn.

>>> from sklearn.datasets import load_digits
>>> from skrnn import RNNClassifier
>>> X, y = load_digits(return_X_y=True)
>>> X = X.reshape(-1, 8, 8)  # an image is a sequence of 8 rows of 8 pixels
>>> clf = RNNClassifier(cell="gru", tol=0.02, random_state=0).fit(X[:1500], y[:1500])
>>> clf.score(X[1500:], y[1500:]) > 0.9
True
"""

from importlib import import_module

from ._core.version import __version__
from ._precompile import precompile
from .augmentation import Augmentation
from .convolution import Conv
from .early import EarlyClassifier
from .estimators import (
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceGenerator,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from .forecasting import RNNForecaster
from .model_selection import RNNSearchCV
from .persistence._estimators import load, save
from .sequences import Sequence, SequenceArray

__all__ = [
    "Augmentation",
    "CTCClassifier",
    "Conv",
    "EarlyClassifier",
    "RNNClassifier",
    "RNNForecaster",
    "RNNRegressor",
    "RNNSearchCV",
    "Seq2SeqClassifier",
    "Seq2SeqRegressor",
    "Sequence",
    "SequenceArray",
    "SequenceGenerator",
    "SequenceOutlierDetector",
    "SequenceTransformer",
    "__version__",
    "load",
    "precompile",
    "save",
]

# Parts of the public interface that `import skrnn` does not load; they are at the first use of their name.
LATER = (
    "adapters",
    "callbacks",
    "checks",
    "distributed",
    "export",
    "inspection",
    "interchange",
    "preprocessing",
    "streaming",
    "structure",
)


def __getattr__(name):
    if name in LATER:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *LATER})
