"""`SequenceOutlierDetector` as an estimator: forms of X, the same bits, copies, searches, pipelines, callbacks."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_outlier_detector
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn import SequenceArray, SequenceOutlierDetector
from skrnn.callbacks import EarlyStopping
from skrnn.preprocessing import PerStep

SMALL = {"hidden_layer_sizes": 6, "max_iter": 5, "random_state": 0}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 24, 2)).cumsum(axis=1)
LONG = [RNG.normal(size=(700, 2)).cumsum(axis=0)]
OBJECTIVES = pytest.mark.parametrize("objective", ["forecast", "reconstruct"])


def scores(detector, X):
    return [detector.score_samples(X), *detector.step_scores(X), *detector.channel_scores(X)]


def assert_same(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert_array_equal(one, other)


def test_it_is_an_outlier_detector():
    assert is_outlier_detector(SequenceOutlierDetector())


@OBJECTIVES
def test_forms_of_x(objective):
    detector = SequenceOutlierDetector(**SMALL, objective=objective)
    expected = scores(clone(detector).fit(X), X)
    for form in (list(X), SequenceArray.from_list(list(X)), X.tolist(), X.astype(object)):
        assert_same(scores(clone(detector).fit(form), form), expected)
    table = clone(detector).fit(X[:, :, 0])
    assert_same(scores(table, X[:, :, 0]), scores(clone(detector).fit(X[:, :, :1]), X[:, :, :1]))
    assert [len(one) for one in table.step_scores(X[:3, :, 0])] == [24] * 3


@OBJECTIVES
def test_scores_are_the_same_bits_for_any_threads_and_neighbours(objective):
    detector = SequenceOutlierDetector(**SMALL, objective=objective).fit(X)
    on_two = SequenceOutlierDetector(**SMALL, objective=objective, n_jobs=2).fit(X)
    expected = scores(detector, X)
    assert_same(scores(on_two, X), expected)
    ragged = [x[:n] for x, n in zip(X, RNG.integers(1, 25, 30), strict=True)]
    together = detector.step_scores(ragged)
    for one, found in zip(ragged, together, strict=True):
        assert_array_equal(detector.step_scores([one])[0], found)


@OBJECTIVES
def test_a_stream_that_does_not_fit_into_memory_has_the_same_scores(objective):
    detector = SequenceOutlierDetector(**SMALL, objective=objective).fit(LONG)
    expected = scores(detector, LONG)
    assert_same(scores(detector.set_params(max_memory=1e-4), LONG), expected)


@OBJECTIVES
def test_copies_have_the_same_scores(objective, tmp_path):
    detector = SequenceOutlierDetector(**SMALL, objective=objective, contamination=0.1).fit(X)
    skrnn.save(detector, tmp_path / "detector.skrnn")
    for copied in (pickle.loads(pickle.dumps(detector)), skrnn.load(tmp_path / "detector.skrnn")):
        assert_same(scores(copied, X), scores(detector, X))
        assert_array_equal(copied.predict(X), detector.predict(X))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("offset_", np.nan),
        ("smoothing_", 0),
        ("error_covariance_", np.eye(3)),
        ("lag_weights_", np.zeros((2, 3, 2))),
        ("channel_scale_", -np.ones(2)),
        ("network_share_", None),
    ],
)
def test_attributes_that_contradict_each_other_are_not_saved(name, value, tmp_path):
    detector = SequenceOutlierDetector(**SMALL).fit(X)
    setattr(detector, name, value)
    with pytest.raises(ValueError, match=f"{name} cannot be"):
        skrnn.save(detector, tmp_path / "detector.skrnn")


def test_another_fit_leaves_nothing_of_the_one_before():
    detector = SequenceOutlierDetector(**SMALL).fit(X).set_params(objective="reconstruct").fit(X)
    assert not hasattr(detector, "lag_weights_")
    assert_same(scores(detector, X), scores(SequenceOutlierDetector(**SMALL, objective="reconstruct").fit(X), X))


def test_scores_are_those_of_the_fit_whatever_is_set_later():
    detector = SequenceOutlierDetector(**SMALL).fit(X)
    expected = scores(detector, X)
    assert_same(
        scores(detector.set_params(objective="reconstruct", smoothing=3, n_points=4, missing="mask"), X), expected
    )


def test_a_search_by_labels():
    wrong = X[20:].copy()
    wrong[:, 10:14] = 0
    labels = np.repeat([1, 0], [30, 10])
    everything = np.concatenate([X, wrong])

    def scorer(estimator, X, y):
        return roc_auc_score(y, estimator.score_samples(X))

    grid = {"smoothing": [1, 5], "objective": ["forecast", "reconstruct"]}
    order = np.random.default_rng(0).permutation(40)
    search = GridSearchCV(SequenceOutlierDetector(**SMALL), grid, scoring=scorer, cv=3, error_score="raise")
    search.fit(everything[order], labels[order])
    assert search.best_score_ > 0.5
    assert set(search.predict(X)) <= {-1, 1}


def test_in_a_pipeline():
    pipeline = make_pipeline(PerStep(StandardScaler()), SequenceOutlierDetector(**SMALL)).fit(X)
    assert pipeline.score_samples(X).shape == pipeline.decision_function(X).shape == (30,)
    assert_array_equal(pipeline.predict(X), np.where(pipeline.decision_function(X) >= 0, 1, -1))
    assert_array_equal(
        make_pipeline(PerStep(StandardScaler()), SequenceOutlierDetector(**SMALL)).fit_predict(X), pipeline.predict(X)
    )


def test_a_callback_sees_a_detector_that_is_whole():
    labels = np.repeat([1, -1], 15)
    seen = []

    def scorer(estimator, X, y):
        seen.append(estimator.offset_)
        return (estimator.predict(X) == y).mean()

    stop = EarlyStopping(X, labels, scoring=scorer, n_iter_no_change=2)
    detector = SequenceOutlierDetector(**SMALL | {"max_iter": 30}).set_callbacks(stop).fit(X)
    assert 2 < len(seen) < 31
    assert np.isfinite(detector.offset_)


def test_codes_and_times_are_read_but_not_judged():
    codes, times = RNG.integers(0, 3, (30, 24)), np.cumsum(RNG.random((30, 24)), axis=1)
    marked = np.concatenate([X, codes[:, :, np.newaxis], times[:, :, np.newaxis]], axis=2)
    detector = SequenceOutlierDetector(**SMALL, categorical_features=[2], time_channel=3, missing="decay").fit(marked)
    assert detector.error_covariance_.shape == (2, 2)
    assert_array_equal(detector.channel_scores(marked)[0][:, 2:], 0)
    others = marked.copy()
    others[:, :, 2] = (others[:, :, 2] + 1) % 3
    assert not np.array_equal(detector.score_samples(others), detector.score_samples(marked))
