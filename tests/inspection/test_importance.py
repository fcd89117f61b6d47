"""Importance of channels within segments of time."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrnn import RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.inspection import step_importance
from skrnn.preprocessing import PerStep


class Mean:
    """An estimator whose prediction is known: the sum of channel 1 in the first half of a sequence."""

    n_channels_ = 2

    def fit(self, X, y):
        return self

    def predict(self, X):
        return np.array([x[: len(x) // 2, 1].sum() for x in X])

    def score(self, X, y):
        return -np.abs(self.predict(X) - y).mean()


def ragged(rng, n=60):
    return [rng.normal(size=(T, 2)) for T in rng.integers(4, 12, size=n) * 2]


def test_what_is_not_read_has_importance_zero():
    X = ragged(np.random.default_rng(0))
    result = step_importance(Mean(), X, Mean().predict(X), n_segments=4, n_repeats=3, random_state=0)
    assert result.importances.shape == (2, 4, 3)
    assert_allclose(result.importances_mean, result.importances.mean(axis=2))
    assert_allclose(result.importances_std, result.importances.std(axis=2))
    assert_array_equal(result.importances[0], 0)
    assert_array_equal(result.importances[1, 2:], 0)
    assert (result.importances[1, :2] > 0.1).all()


def test_it_depends_on_the_random_state_alone():
    X = ragged(np.random.default_rng(0))
    y = Mean().predict(X)
    before = [x.copy() for x in X]
    one, two, other = (step_importance(Mean(), X, y, n_repeats=1, random_state=k).importances for k in (0, 0, 1))
    assert_array_equal(one, two)
    assert (one != other).any()
    assert all(np.array_equal(x, kept) for x, kept in zip(X, before, strict=True))
    packed = step_importance(Mean(), SequenceArray.from_list(X), y, n_repeats=1, random_state=0).importances
    assert_array_equal(one, packed)


def test_of_a_network_by_any_scorer():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(100, 6, 2))
    reg = RNNRegressor(6, max_iter=20, tol=0.01, random_state=0).fit(X, X[:, 4, 1])
    what = {"n_segments": 3, "n_repeats": 2, "scoring": "neg_mean_absolute_error", "random_state": 0}
    importances = step_importance(reg, X, X[:, 4, 1], **what).importances_mean
    assert np.unravel_index(importances.argmax(), importances.shape) == (1, 2)


def test_time_stamps_are_not_exchanged():
    rng = np.random.default_rng(0)
    X = [np.column_stack([rng.normal(size=T), np.cumsum(rng.random(T) + 0.1)]) for T in (3, 5, 8, 4)]
    reg = RNNRegressor(3, max_iter=1, tol=10.0, time_channel=1, random_state=0, early_stopping=False)
    reg.fit(X, [0.0, 1.0, 2.0, 3.0])
    result = step_importance(reg, X, [0.0, 1.0, 2.0, 3.0], n_segments=2, random_state=0)
    assert np.isfinite(result.importances[0]).all()
    assert np.isnan(result.importances[1]).all()


@pytest.mark.parametrize("last", ["regressor", "features", "search"])
def test_time_stamps_of_pipelines_are_not_exchanged(last):
    rng = np.random.default_rng(0)
    X = [np.column_stack([rng.normal(size=T), np.cumsum(rng.random(T) + 0.1)]) for T in (3, 5, 8, 4)]
    y = [0.0, 1.0, 2.0, 3.0]
    options = {"max_iter": 1, "time_channel": 1, "random_state": 0}
    ends = {
        "regressor": [RNNRegressor(3, **options, tol=10.0, early_stopping=False)],
        "features": [SequenceTransformer(3, **options), LinearRegression()],
        "search": [GridSearchCV(RNNRegressor(3, **options, tol=10.0, early_stopping=False), {"alpha": [0]}, cv=2)],
    }
    pipeline = make_pipeline("passthrough", PerStep(StandardScaler()), *ends[last]).fit(SequenceArray.from_list(X), y)
    result = step_importance(pipeline, X, y, n_segments=2, random_state=0)
    assert np.isfinite(result.importances[0]).all()
    assert np.isnan(result.importances[1]).all()
    turned = FunctionTransformer(lambda rows: np.column_stack([rows[:, 0], rows[:, 1] - rows[0, 1]]))
    moved = make_pipeline(PerStep(turned), *ends[last]).fit(SequenceArray.from_list(X), y)
    with pytest.raises(ValueError, match=r"reads time stamps, and behind the step 'perstep'.*from '.*' on"):
        step_importance(moved, X, y, n_segments=2)


@pytest.mark.parametrize("name", ["n_segments", "n_repeats"])
@pytest.mark.parametrize("n", [0, True, 1.5])
def test_numbers_of_segments_are_checked(name, n):
    with pytest.raises(ValueError, match=f"{name} must be a whole number"):
        step_importance(Mean(), np.zeros((3, 4, 2)), [0.0] * 3, **{name: n})
