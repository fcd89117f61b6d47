"""Estimators of sequences out through the tools of scikit-learn: the same results whatever holds X and y."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn import model_selection as ms
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import CTCClassifier, Seq2SeqClassifier, Seq2SeqRegressor, SequenceArray, SequenceGenerator
from skrnn.metrics import get_scorer
from skrnn.preprocessing import PerStep

RNG = np.random.default_rng(0)
N = 16
ROWS = [RNG.normal(size=(n, 2)) for n in RNG.integers(5, 9, N)]
LABELS = [RNG.choice(["a", "b"], size=n).tolist() for n in RNG.integers(1, 4, N)]
NUMBERS = [RNG.normal(size=(3, 2)) for _ in range(N)]
GROUPS, WEIGHTS = np.arange(N) // 2, RNG.uniform(0.5, 2, N)
SHORT = {"hidden_layer_sizes": 3, "max_iter": 3, "learning_rate_init": 0.05, "random_state": 0, "batch_size": 8}
ESTIMATORS = {
    "labels": (Seq2SeqClassifier(**SHORT), LABELS),
    "numbers": (Seq2SeqRegressor(**SHORT), NUMBERS),
    "unaligned labels": (CTCClassifier(**SHORT), LABELS),
    "generator": (SequenceGenerator(**SHORT), None),
}


def as_objects(rows):
    cells = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        cells[i] = np.asarray(row)
    return cells


OF_X = {
    "list": list,
    "SequenceArray": SequenceArray.from_list,
    "objects": as_objects,
    "frame": lambda rows: SequenceArray.from_list(rows).to_series(name="x").to_frame(),
    "columns": lambda rows: pd.DataFrame({f"c{j}": as_objects([row[:, j] for row in rows]) for j in range(2)}),
}
OF_Y = {
    "list": list,
    "SequenceArray": lambda rows: SequenceArray.from_list([np.asarray(row) for row in rows]),
    "objects": as_objects,
    "Series": lambda rows: pd.Series(list(rows), index=np.arange(N) + 7),
}


def score(estimator, X, y, **options):
    return ms.cross_val_score(estimator, X, y, error_score="raise", **options)


def grid(estimator, X, y):
    search = ms.GridSearchCV(estimator, {"alpha": [0.0, 1.0], "hidden_layer_sizes": [2, 3]}, cv=2, error_score="raise")
    search.fit(X, y)
    return [*search.cv_results_["mean_test_score"], search.score(X, y)]


def pipeline(estimator, X, y):
    return make_pipeline(PerStep(StandardScaler()), estimator).fit(X, y).score(X, y)


def weighted(estimator, X, y):
    with sklearn.config_context(enable_metadata_routing=True):
        asks = sklearn.base.clone(estimator).set_fit_request(sample_weight=True)
        if y is not None:
            asks.set_score_request(sample_weight=True)
        return score(asks, X, y, cv=2, params={"sample_weight": WEIGHTS})


def learning_curve(estimator, X, y):
    sizes, _, found = ms.learning_curve(estimator, X, y, cv=2, train_sizes=[0.5, 1.0], error_score="raise")
    return [*sizes, *found.ravel()]


def held_out(estimator, X, y):
    X_train, X_test, *parts = ms.train_test_split(X, *([] if y is None else [y]), random_state=0)
    y_train, y_test = parts or (None, None)
    return sklearn.base.clone(estimator).fit(X_train, y_train).score(X_test, y_test)


def frozen(estimator, X, y):
    fitted = FrozenEstimator(sklearn.base.clone(estimator).fit(X, y))
    return sklearn.base.clone(fitted).fit(X, y).score(X, y)


TRIALS = {
    "folds": lambda e, X, y: score(e, X, y, cv=3),
    "folds of groups": lambda e, X, y: score(e, X, y, cv=ms.GroupKFold(2), groups=GROUPS),
    "grid": grid,
    "pipeline": pipeline,
    "weights": weighted,
    "learning curve": learning_curve,
    "held out": held_out,
    "frozen": frozen,
}


@cache
def result(name, title, of_X, of_y):
    estimator, y = ESTIMATORS[name]
    return np.ravel(TRIALS[title](estimator, OF_X[of_X](ROWS), None if y is None else OF_Y[of_y](y)))


CONTAINERS = [*((of_X, "list") for of_X in OF_X), *(("list", of_y) for of_y in OF_Y if of_y != "list")]
EACH = [(name, *both) for name in ESTIMATORS for both in CONTAINERS if name != "generator" or both[1] == "list"]


@pytest.mark.parametrize(("name", "of_X", "of_y"), EACH)
@pytest.mark.parametrize("title", TRIALS)
def test_trial(name, title, of_X, of_y):
    found = result(name, title, of_X, of_y)
    assert np.isfinite(found).all()
    assert_allclose(found, result(name, title, "list", "list"), rtol=1e-6)


@pytest.mark.parametrize("name", ["labels", "numbers", "unaligned labels"])
def test_predictions_of_folds_are_those_of_each_fold(name):
    estimator, y = ESTIMATORS[name]
    found = ms.cross_val_predict(estimator, ROWS, y, cv=2)
    half = N // 2
    expected = sklearn.base.clone(estimator).fit(ROWS[half:], y[half:]).predict(ROWS[:half])
    assert [row.tolist() for row in found[:half]] == [row.tolist() for row in expected]


@pytest.mark.parametrize("name", ["labels", "unaligned labels"])
@pytest.mark.parametrize("metric", ["neg_token_error_rate", "neg_edit_distance", "sequence_accuracy"])
def test_scorers_of_labels(name, metric):
    estimator, y = ESTIMATORS[name]
    for convert in OF_Y.values():
        found = score(estimator, ROWS, convert(y), cv=2, scoring=get_scorer(metric))
        assert_allclose(found, score(estimator, ROWS, y, cv=2, scoring=get_scorer(metric)))


@pytest.mark.parametrize("name", ESTIMATORS)
def test_importance_of_columns(name):
    """Of a generator, whose columns are what it is to predict, that of permuting them against each other."""
    estimator, y = ESTIMATORS[name]
    frame = OF_X["columns"]([row[:5] for row in ROWS])
    fitted = sklearn.base.clone(estimator).fit(frame, y if y is None else [row[:1] for row in y])
    truth = None if y is None else [row[:1] for row in y]
    found = permutation_importance(fitted, frame, truth, n_repeats=2, random_state=0).importances_mean
    assert found.shape == (2,)
    assert np.isfinite(found).all()
