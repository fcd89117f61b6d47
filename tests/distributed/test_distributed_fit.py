"""A fit on the workers of a cluster has the bits of a fit on one machine."""

import itertools

import joblib
import numpy as np
import pytest
from sklearn.base import clone

from skrnn import CTCClassifier, RNNClassifier, RNNRegressor, Seq2SeqClassifier, SequenceArray

pytest.importorskip("distributed")

from clusters import cluster_of

from skrnn.distributed import fit

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
WORDS = np.array(["a", "bee", "sea", "dee", "e", "eff"])


@pytest.fixture(scope="module", params=[1, 2, 3])
def client(request):
    with cluster_of(request.param) as client:
        yield client


@pytest.fixture(scope="module")
def two():
    with cluster_of(2) as client:
        yield client


def ragged(n=70, n_channels=2, seed=0):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 12, n)
    return SequenceArray(rng.normal(size=(lengths.sum(), n_channels)), np.cumsum([0, *lengths]))


def parts_of(X, n=3):
    """X as delayed parts of unequal size."""
    dask = pytest.importorskip("dask")
    bounds = [0, *sorted(np.random.default_rng(n).integers(0, len(X), n - 1)), len(X)]
    return [dask.delayed(X[a:b]) for a, b in itertools.pairwise(bounds)]


def same(estimator, X, y, client, given=None, **more):
    """Fit here and there, and compare all bits."""
    here, there = clone(estimator).fit(X, y, **more), clone(estimator)
    fit(there, X if given is None else given, y, client=client, **more)
    for name in ("weights_", "loss_curve_", "gradient_norm_curve_", "validation_scores_", "inputs_"):
        one, other = (getattr(each, name) for each in (here, there))
        one, other = (each if name != "inputs_" else each.to_plain() for each in (one, other))
        assert joblib.hash(one) == joblib.hash(other), name
    return here, there


SHORT = {"hidden_layer_sizes": 5, "max_iter": 3, "tol": None, "random_state": 0, "batch_size": 40}


def test_the_bits_do_not_depend_on_the_number_of_workers(client):
    X = ragged()
    y = np.arange(len(X)) % 3
    same(RNNClassifier(**SHORT), X, y, client, parts_of(X))


def steps_of(X, values):
    return [values[a:b] for a, b in itertools.pairwise(X.offsets)]


def _per_step():
    X = ragged()
    return RNNRegressor(**SHORT), X, steps_of(X, np.cumsum(X.values[:, 0]))


def _held_out():
    X = ragged()
    return RNNClassifier(**SHORT, early_stopping=True), X, np.arange(len(X)) % 3


def _networks():
    X = ragged()
    return RNNRegressor(**SHORT, n_networks=3), X, X.values[X.offsets[1:] - 1, 0]


def _lbfgs():
    X = ragged()
    return RNNRegressor(**SHORT | {"solver": "lbfgs", "dtype": "float64"}), X, X.values[X.offsets[1:] - 1, 0]


def _pieces():
    X = ragged()
    return RNNRegressor(**SHORT, truncation=4, bidirectional=False), X, steps_of(X, np.cumsum(X.values[:, 0]))


def _tails():
    X = ragged()
    return RNNRegressor(**SHORT, truncation=4, bidirectional=False), X, X.values[X.offsets[1:] - 1, 0]


def _masks():
    X = ragged()
    return RNNClassifier(**SHORT, dropout=0.3, recurrent_dropout=0.2), X, np.arange(len(X)) % 2


def _gaps(missing):
    X = ragged()
    X.values[np.random.default_rng(1).random(X.values.shape) < 0.3] = np.nan
    X.values[:, 1] = np.concatenate([np.arange(n) * 1.5 for n in X.lengths])
    return RNNClassifier(**SHORT, missing=missing, time_channel=1), X, np.arange(len(X)) % 2


def _augmented():
    from skrnn import Augmentation

    X = ragged()
    return RNNClassifier(**SHORT, augmentation=Augmentation()), X, np.arange(len(X)) % 2


def _augmented_networks():
    clf, X, y = _augmented()
    return clf.set_params(n_networks=2, early_stopping=True, n_jobs=2), X, y


def _smooth():
    begins = np.random.default_rng(0).uniform(0, 6, (60, 1))
    X = np.sin(np.linspace(0, 6, 30) + begins)[:, :, np.newaxis]
    return RNNClassifier(**SHORT), SequenceArray.from_padded(X), X[:, 0, 0] > 0


def _convolution():
    from skrnn import Conv

    X = ragged()
    return RNNClassifier(**SHORT, convolution=Conv(4, width=3, stride=2)), X, np.arange(len(X)) % 2


def _words():
    X = ragged(n_channels=1)
    tokens = WORDS[(np.abs(X.values) * 3).astype(int) % len(WORDS)]
    return RNNClassifier(**SHORT), SequenceArray(tokens, X.offsets), np.arange(len(X)) % 2


def _large_table():
    X = ragged(n_channels=1)
    tokens = np.array([f"w{k}" for k in range(len(X.values))]).reshape(-1, 1)
    few = SHORT | {"batch_size": 4, "max_iter": 2}
    return RNNClassifier(**few), SequenceArray(tokens, X.offsets), np.arange(len(X)) % 2


def _codes():
    X = ragged()
    X.values[:, 0] = np.arange(len(X.values)) % 5
    return RNNClassifier(**SHORT, categorical_features=[0]), X, np.arange(len(X)) % 2


def _segments():
    X = ragged(40)
    return RNNRegressor(**SHORT, max_memory=0.0003), X, X.values[X.offsets[1:] - 1, 0]


def _answers():
    X = ragged()
    y = [[str(k % 3)] * (1 + k % 3) for k in range(len(X))]
    return Seq2SeqClassifier(**SHORT, teacher_forcing=0.5), X, y


def _rows_of_labels():
    X = SequenceArray.from_list(list(np.random.default_rng(0).normal(size=(40, 9, 2))))
    return CTCClassifier(**SHORT), X, [list("ab"[: 1 + k % 2]) for k in range(40)]


CASES = {
    "targets of steps": _per_step,
    "early stopping": _held_out,
    "several networks": _networks,
    "L-BFGS": _lbfgs,
    "pieces": _pieces,
    "tails": _tails,
    "masks": _masks,
    "mask": lambda: _gaps("mask"),
    "decay": lambda: _gaps("decay"),
    "augmentation": _augmented,
    "augmentation of several networks": _augmented_networks,
    "smooth sequences": _smooth,
    "convolution": _convolution,
    "tokens": _words,
    "a table larger than a batch": _large_table,
    "codes": _codes,
    "segments": _segments,
    "sequences of labels": _answers,
    "CTC": _rows_of_labels,
}


@pytest.mark.parametrize("case", CASES)
def test_all_that_is_trained_has_the_bits_of_one_machine(two, case):
    estimator, X, y = CASES[case]()
    same(estimator, X, y, two, parts_of(X))
