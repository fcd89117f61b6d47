"""Predictions in stages are those for sequences that end earlier."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError

from skrnn import RNNClassifier, RNNRegressor

LENGTHS = [5, 1, 9, 9, 3, 7]


def draw(seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(n, 3)) for n in LENGTHS], np.arange(len(LENGTHS)) % 3


@pytest.mark.parametrize("n_jobs", [1, 2])
@pytest.mark.parametrize("bidirectional", [True, False])
def test_stages(bidirectional, n_jobs):
    X, y = draw()
    what = {"bidirectional": bidirectional, "n_jobs": n_jobs, "max_iter": 2, "random_state": 0}
    clf = RNNClassifier(6, **what).fit(X, y)
    parts = [[x[: t + 1] for x in X] for t in range(max(LENGTHS))]
    expected = [(clf.predict_proba(part), clf.predict(part)) for part in parts]
    if not bidirectional and n_jobs == 1:
        clf.set_params(max_memory=1e-6)  # sequences are encoded when they are read
    stages = list(zip(clf.staged_predict_proba(X), clf.staged_predict(X), strict=True))
    assert len(stages) == max(LENGTHS)
    for found, right in zip(stages, expected, strict=True):
        assert_array_equal(found[0], right[0])
        assert_array_equal(found[1], right[1])


@pytest.mark.parametrize("bidirectional", [True, False])
def test_stages_of_numbers(bidirectional):
    X, _ = draw()
    y = np.random.default_rng(0).normal(size=(len(X), 2))
    reg = RNNRegressor(6, bidirectional=bidirectional, missing="decay", max_iter=2, random_state=0).fit(X, y)
    for t, found in enumerate(reg.staged_predict(X)):
        assert_array_equal(found, reg.predict([x[: t + 1] for x in X]))


def test_errors_come_at_once():
    X, y = draw()
    with pytest.raises(NotFittedError):
        RNNClassifier().staged_predict_proba(X)
    clf = RNNClassifier(6, max_iter=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="channels"):
        clf.staged_predict_proba([x[:, :2] for x in X])
    of_steps = RNNClassifier(6, max_iter=1).fit(X, [np.arange(n) % 2 for n in LENGTHS[:1] + LENGTHS[1:]])
    with pytest.raises(ValueError, match="Stages are for targets of sequences"):
        of_steps.staged_predict(X)
