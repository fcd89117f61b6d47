"""Small fitted estimators of all kinds, to be saved and copied."""

from functools import cache

import numpy as np
import pandas as pd

from skrnn import (
    Conv,
    CTCClassifier,
    RNNClassifier,
    RNNRegressor,
    Seq2SeqClassifier,
    Seq2SeqRegressor,
    SequenceGenerator,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from skrnn.cells import GRU
from skrnn.initializers import Chrono, Orthogonal
from skrnn.losses import Huber
from skrnn.optimizers import AdamW
from skrnn.schedules import OneCycle

# Ends after a few epochs without a warning.
SHORT = {"hidden_layer_sizes": 5, "tol": 10.0, "n_iter_no_change": 1, "batch_size": 16, "random_state": 0}
RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(2, 8, size=40)]
Y = np.array([x[:, 0].sum() for x in X])
LABELS = np.digitize(Y, [-1, 1])
TOKENS = [[f"w{int(v) % 4}" for v in 3 * x[:, 0]] for x in X]
STEPS = [np.digitize(x[:, 1], [0]) for x in X]
CODES = [np.column_stack([x[:, 0], np.arange(len(x)) % 3]) for x in X]
GAPS = [np.where(RNG.random(x.shape) < 0.2, np.nan, x) for x in X]
TIMES = [np.column_stack([x, np.arange(len(x)) ** 1.5]) for x in GAPS]
FRAME = pd.DataFrame(RNG.normal(size=(40, 3)), columns=["a", "b", "c"])


def classifier(X=X, y=LABELS, **options):
    return lambda: (RNNClassifier(**SHORT | options).fit(X, y), X)


def regressor(X=X, y=Y, **options):
    return lambda: (RNNRegressor(**SHORT | options).fit(X, y), X)


def detector(X=X, **options):
    return lambda: (SequenceOutlierDetector(**SHORT | options).fit(X), X)


def transformer(X=X, y=None, **options):
    return lambda: (SequenceTransformer(**SHORT | options).fit(X, y), X)


def generator(X=X, **options):
    return lambda: (SequenceGenerator(**SHORT | options).fit(X), X)


MAKE = {
    "classes of numbers": classifier(y=LABELS - 1, class_weight={-1: 2.0, 0: 1, 1: 1}),
    "two classes of text": classifier(y=np.where(Y > 0, "up", "down")),
    "classes as objects": classifier(y=np.where(Y > 0, "up", "down").astype(object), cell="gru"),
    "classes of bool": classifier(y=Y > 0),
    "classes of days": classifier(y=np.array(["2020-01-01", "2024-02-29"], "M8[D]")[(Y > 0).astype(int)]),
    "labels": classifier(y=np.column_stack([Y > 0, Y < 1, Y > -1]).astype(int)),
    "classes of steps": classifier(y=STEPS),
    "early stopping": classifier(early_stopping=True, validation_fraction=0.3),
    "float64": classifier(dtype="float64", cell="gru"),
    "names of columns": classifier(X=FRAME, y=LABELS),
    "tokens": classifier(X=TOKENS, bidirectional=True),
    "categories": classifier(X=CODES, categorical_features=[1]),
    "mask": classifier(X=GAPS, missing="mask"),
    "decay": classifier(X=TIMES, missing="decay", time_channel=2),
    "part by part": lambda: (RNNClassifier(**SHORT).partial_fit(X, LABELS, classes=[0, 1, 2]), X),
    "instances": classifier(
        cell=GRU(reset="before"),
        convolution=Conv(3, 3, activation="tanh"),
        solver=AdamW(weight_decay=0.1),
        learning_rate=OneCycle(),
        recurrent_init=Orthogonal(0.9),
        bias_init=Chrono(5),
        hidden_layer_sizes=np.array([4, 4]),
        layer_norm=True,
        residual=True,
        dropout=0.1,
        pooling="attention",
    ),
    "numbers": regressor(),
    "several numbers of Huber": regressor(y=np.column_stack([Y, -Y]), loss=Huber(2.0)),
    "quantile": regressor(loss="quantile", quantile=0.9, cell="jordan"),
    "counts of steps": regressor(y=[s + 1.0 for s in STEPS], loss="poisson"),
    "outliers": detector(),
    "outliers by reconstruction": detector(X=TIMES, objective="reconstruct", missing="mask", time_channel=2),
    "forecast": transformer(),
    "reconstruct": transformer(objective="reconstruct", n_points=4, pooling=["last", "max"]),
    "supervised": transformer(y=LABELS, objective="supervised"),
    "reservoir": transformer(objective="reservoir"),
    "as transformer": lambda: (fitted("two classes of text")[0].as_transformer(pooling=("last", "max")), X),
    "labels out": lambda: (Seq2SeqClassifier(**SHORT, cell="lstm", beam_width=2).fit(X, TOKENS), X),
    "numbers out": lambda: (Seq2SeqRegressor(**SHORT, attention="dot", loss=Huber(2.0)).fit(X, FRAME.to_numpy()), X),
    "labels out, part by part": lambda: (
        Seq2SeqClassifier(**SHORT).partial_fit(X, TOKENS, classes=[f"w{n}" for n in range(4)]),
        X,
    ),
    "unaligned labels": lambda: (CTCClassifier(**SHORT, beam_width=2).fit(X, [[f"w{label}"] for label in LABELS]), X),
    "unaligned durations": lambda: (CTCClassifier(**SHORT).fit(X, [[np.timedelta64(n, "s")] for n in LABELS]), X),
    "words": classifier(X=TOKENS, subwords=True, min_count=1),
    "generator of tokens": generator(X=TOKENS, min_count=2),
    "generator of notes": generator(X=[(x > 0).astype(int) for x in X], notes="dependent"),
    "generator of numbers": generator(n_components=2),
    "pandas output": lambda: (fitted("reservoir")[0].set_output(transform="pandas"), X),
}


@cache
def fitted(name):
    """A fitted estimator, and the X that it was fitted to."""
    return MAKE[name]()


def outputs(estimator, X):
    """All that it predicts, as a list of arrays."""
    found = []
    for method in ("predict", "predict_proba", "transform", "hidden_states"):
        if hasattr(estimator, method):
            found += [np.asarray(one) for one in getattr(estimator, method)(X)]
    if isinstance(estimator, SequenceGenerator):
        found += [estimator.score_samples(X), *map(np.asarray, estimator.sample(2, max_length=9, random_state=0))]
    for method in ("step_scores", "channel_scores"):
        if hasattr(estimator, method):
            found.append(np.concatenate(getattr(estimator, method)(X)))
    if hasattr(estimator, "inverse_transform"):
        found.append(estimator.inverse_transform(estimator.transform(X)).values)
    return found


def same(a, b):
    """Whether two plain values are equal in type, order, sign of zero and bits."""
    if isinstance(a, np.ndarray):
        if not (type(b) in (np.ndarray, np.memmap) and a.shape == b.shape and a.dtype.newbyteorder("=") == b.dtype):
            return False
        if a.dtype.kind == "O":
            return all(same(x, y) for x, y in zip(a.ravel().tolist(), b.ravel().tolist(), strict=True))
        return a.astype(b.dtype).tobytes() == b.tobytes()
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return same(list(a.items()), list(b.items()))
    return repr(a) == repr(b)
