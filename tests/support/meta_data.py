"""Small data in every container, and short estimators, to put through the meta-estimators of scikit-learn."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import _safe_indexing

from skrnn import RNNClassifier, RNNRegressor
from skrnn.sequences import SequenceArray, as_sequence_array

rng = np.random.default_rng(0)
N = 40
LENGTHS = rng.permutation(np.tile([2, 3, 4, 5], N // 4))
X = SequenceArray(rng.normal(size=(LENGTHS.sum(), 2)), np.cumsum([0, *LENGTHS]))
TABLE = rng.normal(size=(N, 4))
WORDS = SequenceArray(rng.choice(["a", "bc", "def"], size=LENGTHS.sum()), X.offsets)
Y3 = rng.permutation(np.arange(N) % 3)
Y2 = np.where(rng.permutation(np.arange(N) % 2), "up", "down")
Y_REAL = rng.normal(10, 5, N)
Y_LABELS = np.stack([Y3 > 0, Y2 == "up"], axis=1).astype(int)
GROUPS = np.arange(N) // 5
WEIGHTS = rng.uniform(0.5, 2, N)

CONTAINERS = {
    "SequenceArray": X,
    "frame": X.to_series(name="signal").to_frame(),
    "channels": pd.DataFrame(
        {name: SequenceArray(X.values[:, [i]], X.offsets).to_series() for i, name in enumerate(["pulse", "oxygen"])}
    ),
    "objects": pd.DataFrame({"signal": X.to_list()}),
    "polars": X.to_polars("signal").to_frame() if find_spec("polars") and find_spec("pyarrow") else None,
    "list": X.to_list(),
    "3-D": X.to_padded(),
    "tokens": WORDS,
    "token lists": [words[:, 0].tolist() for words in WORDS],
}
# Two epochs, with a large learning rate: probabilities then differ between sequences.
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 4, "tol": 1e9, "n_iter_no_change": 1}
SHORT |= {"learning_rate": "constant", "learning_rate_init": 0.1, "random_state": 0}
SHORT |= {"bidirectional": False, "pooling": "last", "dropout": 0.0}
# More epochs, for meta-estimators that refuse what is no better than chance.
LONGER = {"max_iter": 40, "n_iter_no_change": 20}


def clf(**params):
    return RNNClassifier(**{**SHORT, **params})


def reg(**params):
    return RNNRegressor(**{**SHORT, **params})


def rows(X, index):
    """The rows of a container, as the utilities of scikit-learn take them."""
    return _safe_indexing(X, np.asarray(index))


def columns(X):
    """What a ColumnTransformer is told to take all columns of a container."""
    return list(X.columns) if hasattr(X, "columns") else list(range(getattr(X, "shape", (N, 1))[1]))


def packed(X):
    """The sequences of a container, or of the rows of a table."""
    sequences = as_sequence_array(X)
    return SequenceArray.from_padded(np.asarray(X)[:, :, np.newaxis]) if sequences is None else sequences


class Backwards(TransformerMixin, BaseEstimator, auto_wrap_output_keys=None):
    """From sequences to sequences: their steps in reverse order."""

    def fit(self, X, y=None):
        self.n_channels_ = packed(X).n_channels
        return self

    def transform(self, X):
        return SequenceArray.from_list([steps[::-1] for steps in packed(X)])


class Summary(TransformerMixin, BaseEstimator):
    """From sequences to a table: a statistic of each channel; of tokens, that of their lengths."""

    def __init__(self, of=np.mean):
        self.of = of

    def fit(self, X, y=None):
        self.n_features_ = packed(X).n_channels
        return self

    def transform(self, X):
        steps = (np.char.str_len(s) if s.dtype.kind == "U" else s for s in packed(X))
        return np.stack([self.of(s, axis=0) for s in steps]).astype(float)

    def get_feature_names_out(self, input_features=None):
        return np.array([f"{self.of.__name__}{i}" for i in range(self.n_features_)], dtype=object)
