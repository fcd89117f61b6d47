"""``PerStep`` around classifiers and regressors, alone and behind the states of a reservoir."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier, is_regressor
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import SequenceTransformer, load, save
from skrnn.preprocessing import PerStep
from skrnn.streaming import stream

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in (9, 4, 12, 7, 10, 8)]
Y = [x[:, 0] - 2 * x[:, 1] + 3 for x in X]
CLASSES = [np.where(x[:, 0] > 0, "up", "down") for x in X]


def rows_of(sequences, washout=0):
    return np.concatenate([each[washout:] for each in sequences])


@pytest.mark.parametrize("washout", [0, 5])
def test_a_regressor_is_fitted_on_the_steps_behind_the_washout(washout):
    model = PerStep(Ridge(0.5), washout=washout).fit(X, Y)
    by_hand = Ridge(0.5).fit(rows_of(X, washout), rows_of(Y, washout))
    for x, found in zip(X, model.predict(X), strict=True):
        assert_allclose(found, by_hand.predict(x))
    assert model.score(X, Y) == pytest.approx(by_hand.score(rows_of(X, washout), rows_of(Y, washout)))
    assert is_regressor(model)
    assert not any(hasattr(model, name) for name in ("transform", "fit_transform", "predict_proba"))


def test_a_classifier_has_classes_and_probabilities():
    model = PerStep(LogisticRegression()).fit(X, CLASSES)
    by_hand = LogisticRegression().fit(rows_of(X), rows_of(CLASSES))
    assert_allclose(rows_of(model.predict_proba(X)), by_hand.predict_proba(rows_of(X)))
    assert_array_equal(rows_of(model.predict(X)), by_hand.predict(rows_of(X)))
    assert model.classes_.tolist() == ["down", "up"]
    assert is_classifier(model)
    assert model.score(X, CLASSES) == by_hand.score(rows_of(X), rows_of(CLASSES))


def test_weights_follow_the_washout():
    weights = [RNG.uniform(size=len(x)) for x in X]
    model = PerStep(Ridge(0.5), washout=5).fit(X, Y, sample_weight=weights)
    by_hand = Ridge(0.5).fit(rows_of(X, 5), rows_of(Y, 5), sample_weight=rows_of(weights, 5))
    assert_allclose(model.transformer_.coef_, by_hand.coef_)
    expected = by_hand.score(rows_of(X, 5), rows_of(Y, 5), sample_weight=rows_of(weights, 5))
    assert model.score(X, Y, sample_weight=weights) == pytest.approx(expected)


def test_a_transformer_is_fitted_behind_the_washout_and_transforms_all():
    scaler = PerStep(StandardScaler(), washout=5)
    made = scaler.fit_transform(X)
    assert made.lengths.tolist() == [len(x) for x in X]
    assert not hasattr(PerStep(PCA()), "score")  # which is one of rows alone
    assert_allclose(scaler.transformer_.mean_, rows_of(X, 5).mean(axis=0))


@pytest.mark.parametrize("y", [None, np.arange(6)])
def test_targets_of_steps_are_needed(y):
    with pytest.raises(ValueError, match="a target for each step"):
        PerStep(Ridge()).fit(X, y)
    with pytest.raises(ValueError, match="a target for each step"):
        PerStep(Ridge()).fit(X, Y).score(X, y)


@pytest.mark.parametrize("shape", [(6, 4), (6, 4, 1), (6, 4, 2)], ids=str)
def test_a_matrix_of_targets_of_steps(shape):
    """Where each step needs a target, a matrix is read as rows of steps, like the list of its rows."""
    batch = np.stack([x[:4] for x in X])
    y = batch[:, :, : shape[-1]].reshape(shape) if len(shape) == 3 else batch[:, :, 0]
    found, expected = (PerStep(Ridge()).fit(batch, given) for given in (y, list(y)))
    for a, b in zip(found.predict(batch), expected.predict(batch), strict=True):
        assert_array_equal(a, b)
    assert found.score(batch, y) == expected.score(batch, list(y))
    with pytest.raises(ValueError, match="sequence 0 has 3 steps in y, but 4 in X"):
        PerStep(Ridge()).fit(batch, y[:, :3])


def test_a_washout_that_leaves_nothing():
    with pytest.raises(ValueError, match="washout=12 leaves no step: the longest sequence has 12"):
        PerStep(Ridge(), washout=12).fit(X, Y)
    with pytest.raises(ValueError, match="washout"):
        PerStep(Ridge(), washout=-1).fit(X, Y)


def test_pickles_of_earlier_versions_have_no_washout():
    state = PerStep(StandardScaler()).fit(X).__getstate__()
    del state["washout"]
    older = PerStep.__new__(PerStep)
    older.__setstate__(state)
    assert older.washout == 0
    assert older.transform(X) == pickle.loads(pickle.dumps(older)).transform(X)


# ------------------------------------------------------------------------------------------------ behind a reservoir
def echo(**options):
    return SequenceTransformer(
        30, "elman", objective="reservoir", pooling="steps", dtype="float64", random_state=0, **options
    )


def delayed(sequences, delay):
    """The first channel, as it was some steps ago: what a model of single steps cannot know."""
    return [np.concatenate([np.zeros(delay), x[:-delay, 0]]) for x in sequences]


LONG = [RNG.normal(size=(n, 2)) for n in (150, 201, 120, 180)]


def test_a_readout_of_states_remembers():
    y = delayed(LONG, 3)
    model = make_pipeline(echo(), PerStep(Ridge(1e-6), washout=20)).fit(LONG[:3], y[:3])
    assert model.score(LONG[3:], y[3:]) > 0.9
    assert PerStep(Ridge(), washout=20).fit(LONG[:3], y[:3]).score(LONG[3:], y[3:]) < 0.1
    assert [len(each) for each in model.predict(LONG)] == [150, 201, 120, 180]


def test_a_search_over_both_parts():
    y = delayed(LONG, 8)
    model = make_pipeline(echo(), PerStep(Ridge(1e-6), washout=20))
    grid = {"sequencetransformer__spectral_radius": [0.1, 0.95], "perstep__transformer__alpha": [1e-6, 1e6]}
    search = GridSearchCV(model, grid, cv=KFold(2), error_score="raise").fit(LONG, y)
    assert [*search.best_params_.values()] == [1e-6, 0.95]


@pytest.mark.parametrize("end", [PerStep(Ridge()), PerStep(StandardScaler())], ids=str)
def test_streams(end):
    model = make_pipeline(PerStep(StandardScaler()), echo(leak_rate=0.5), end).fit(X, Y)
    live = stream(model)
    expected = (model.predict if hasattr(model, "predict") else model.transform)(X)
    for x, found in zip(X, expected, strict=True):
        live.reset()
        assert_allclose([live.step(step) for step in x], found, rtol=1e-9, atol=1e-9)


def test_probabilities_in_streams():
    model = make_pipeline(echo(), PerStep(LogisticRegression())).fit(X, CLASSES)
    live, expected = stream(model, 2), model.predict_proba(X)
    for t in range(4):
        found = live.step_proba(np.array([X[0][t], X[1][t]]))
        assert_allclose(found, [expected[0][t], expected[1][t]], rtol=1e-9)


def test_files(tmp_path):
    model = make_pipeline(echo(), PerStep(Ridge(), washout=2)).fit(X, Y)
    save(model, tmp_path / "model.skrnn")
    for found, expected in zip(load(tmp_path / "model.skrnn").predict(X), model.predict(X), strict=True):
        assert_array_equal(found, expected)
