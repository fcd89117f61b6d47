"""Small data whose targets are sequences of their own length, and short estimators of them."""

from functools import cache

import numpy as np

from skrnn import Seq2SeqClassifier, Seq2SeqRegressor
from skrnn.sequences import SequenceArray

RNG = np.random.default_rng(0)
N = 24
LENGTHS, OUT_LENGTHS = RNG.integers(1, 6, N), RNG.integers(1, 5, N)
X = [RNG.normal(size=(n, 2)) for n in LENGTHS]
LABELS = [RNG.choice(list("abc"), size=n).tolist() for n in OUT_LENGTHS]
NUMBERS = [RNG.normal(size=(n, 2)) for n in OUT_LENGTHS]
SHORT = {"hidden_layer_sizes": 5, "max_iter": 2, "random_state": 0, "batch_size": 8, "early_stopping": False}
EXACT = {"dtype": "float64", "dropout": 0.0, "batch_size": 1000}  # weights are copies: no masks, one batch


def clf(**options):
    return Seq2SeqClassifier(**SHORT | options)


def reg(**options):
    return Seq2SeqRegressor(**SHORT | options)


MAKE = {"labels": (clf, LABELS), "numbers": (reg, NUMBERS)}


@cache
def fitted(**options):
    """A classifier that was fitted to all of it."""
    return clf(**options).fit(X, LABELS)


def outputs(estimator, X):
    """What it puts out, as lists."""
    given = {"n_steps": 3} if isinstance(estimator, Seq2SeqRegressor) else {}
    return [row.tolist() for row in estimator.predict(X, **given)]


def as_objects(rows):
    cells = np.empty(len(rows), dtype=object)
    cells[:] = [np.asarray(row) for row in rows]
    return cells


def packed(rows):
    values = np.concatenate([np.asarray(row) for row in rows])
    return SequenceArray(values.reshape(len(values), -1), np.cumsum([0, *map(len, rows)]))


def log_softmax(raw):
    raw = raw.astype(np.float64)
    top = raw.max(axis=1, keepdims=True)
    return raw - top - np.log(np.exp(raw - top).sum(axis=1, keepdims=True))


def of_next_label(estimator, x, labels):
    """Log-probabilities of each label and of the end behind `labels`, as the decoder says when it reads them."""
    predictor, _ = estimator._given_outputs([x], [labels])
    with predictor.executor:
        return log_softmax(predictor.predict_raw())
