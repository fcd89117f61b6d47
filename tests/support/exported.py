"""Small fitted estimators with random weights, and data for them, to be exported."""

import numpy as np

from skrnn.cells import LSTM
from skrnn.convolution import Conv

N_CHANNELS = 3

# Name: parameters of the estimator, and the kind of data (see `sequences`).
OPTIONS = {
    "default": ({}, "numbers"),
    "cell elman": ({"cell": "elman"}, "numbers"),
    "cell gru": ({"cell": "gru"}, "numbers"),
    "cell lstm": ({"cell": LSTM(peepholes=True)}, "numbers"),
    "cell indrnn": ({"cell": "indrnn"}, "numbers"),
    "cell jordan": ({"cell": "jordan", "bidirectional": True}, "numbers"),
    "cell mgu": ({"cell": "mgu"}, "numbers"),
    "cell mingru": ({"cell": "mingru"}, "numbers"),
    "cell linoss": ({"cell": "linoss", "hidden_layer_sizes": (4, 4)}, "numbers"),
    "two layers": ({"hidden_layer_sizes": (5, 4)}, "numbers"),
    "bidirectional": ({"bidirectional": True, "hidden_layer_sizes": (4, 3)}, "numbers"),
    "pooling last": ({"pooling": "last", "bidirectional": True}, "numbers"),
    "pooling mean": ({"pooling": "mean"}, "numbers"),
    "pooling max": ({"pooling": "max"}, "numbers"),
    "pooling attention": ({"pooling": "attention"}, "numbers"),
    "layer_norm": ({"layer_norm": True, "hidden_layer_sizes": (4, 4)}, "numbers"),
    "residual": ({"residual": True, "hidden_layer_sizes": (4, 4)}, "numbers"),
    "zoneout": ({"zoneout": 0.3, "cell": "lstm"}, "numbers"),
    "dropout": ({"dropout": 0.2, "input_dropout": 0.2, "recurrent_dropout": 0.2}, "numbers"),
    "convolution": ({"convolution": Conv(4, width=4, stride=3, activation="tanh")}, "numbers"),
    'missing "mask"': ({"missing": "mask"}, "missing"),
    'missing "decay"': ({"missing": "decay"}, "missing"),
    "time_channel": ({"missing": "decay", "time_channel": N_CHANNELS}, "times"),
    "categorical_features": ({"categorical_features": [0]}, "categories"),
    "tokens": ({"min_count": 9}, "tokens"),
    "standardize": ({"standardize": False}, "numbers"),
    "float64": ({"dtype": "float64"}, "numbers"),
    'targets "step"': ({"targets": "step"}, "numbers"),
}


def sequences(rng, kind="numbers", n=24, longest=8):
    """Sequences of 1 to `longest` steps, one of each length at least."""
    lengths = rng.permutation(np.concatenate([np.arange(1, longest + 1), rng.integers(1, longest, n - longest)]))
    X = [rng.normal(loc=2.0, size=(T, N_CHANNELS)) for T in lengths]
    if kind == "tokens":
        return [rng.choice(["a", "b", "c", "d é", "rare"], T, p=[0.3, 0.3, 0.2, 0.15, 0.05]).tolist() for T in lengths]
    if kind in ("missing", "times"):
        X = [np.where(rng.random(x.shape) < 0.3, np.nan, x) for x in X]
    if kind == "times":
        X = [np.column_stack([x, 1e9 + np.cumsum(rng.uniform(0.1, 2, len(x)))]) for x in X]
    if kind == "categories":
        X = [np.column_stack([rng.integers(0, 4, len(x)), x[:, 1:]]) for x in X]
    return X


def classes(rng, X, per_step=False):
    """Three classes, for each sequence or each step."""
    labels = np.array(["high", "low", "middle"])
    if per_step:
        return [labels[rng.integers(0, 3, len(x))] for x in X]
    return labels[rng.permutation(np.arange(len(X)) % 3)]


def numbers(rng, X, per_step=False):
    """Two numbers, for each sequence or each step."""
    if per_step:
        return [rng.normal(100, 20, size=(len(x), 2)) for x in X]
    return rng.normal(100, 20, size=(len(X), 2))


def fitted(estimator, X, y, seed=0):
    """The estimator fitted for an epoch, with random weights."""
    estimator = estimator.set_params(max_iter=1, random_state=0).fit(X, y)
    rng = np.random.default_rng(seed)
    for w in estimator.weights_.values():
        w[...] = 0.8 / np.sqrt(len(w) if w.ndim > 1 else 1) * rng.normal(size=w.shape)
    return estimator


def padded(X, fill=np.nan, dtype=np.float32):
    """X (n, T, C), filled up with a value that must not matter, and lengths."""
    lengths = np.array([len(x) for x in X])
    out = np.full((len(X), lengths.max(), np.shape(X[0])[1]), fill, dtype)
    for row, x in zip(out, X, strict=True):
        row[: len(x)] = x
    return out, lengths
