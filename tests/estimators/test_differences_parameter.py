"""The parameter ``differences``: what it chooses, what it refuses, and that all that is fitted goes with it."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

import skrnn
from skrnn import (
    EarlyClassifier,
    RNNClassifier,
    RNNForecaster,
    RNNRegressor,
    SequenceArray,
    SequenceOutlierDetector,
    SequenceTransformer,
)
from skrnn.interchange import from_estimator, to_estimator, to_torch
from skrnn.network.data import StreamedData

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0}
N, T, C = 24, 12, 2


def waves(n=N, dtype=np.float64, seed=0):
    """Smooth series, and whether the first channel rises in the middle."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 6, (n, 1, C))
    X = 5 + 3 * np.sin(phase + np.linspace(0, 2, T)[:, np.newaxis])
    return X.astype(dtype), np.cos(phase[:, 0, 0] + 1) > 0


def noise(n=N):
    return np.random.default_rng(0).normal(size=(n, T, C)), np.arange(n) % 2


# ------------------------------------------------------------------------------------------------------- what is read
def test_auto_is_for_smooth_series_with_a_target_for_each():
    (X, y), (rough, y_rough) = waves(), noise()
    for make in (RNNClassifier, RNNRegressor):
        assert make().differences == "auto"
        model = make(**QUICK).fit(X, y)
        assert model.inputs_.differences is True
        assert model.weights_["layers.0.forward.W_x"].shape[0] == model.structure_.n_inputs == 2 * C
        assert not make(**QUICK).fit(rough, y_rough).inputs_.differences
        assert not make(**QUICK).fit(X, [x[:, 0] > 5 for x in X]).inputs_.differences
        assert make(**QUICK, differences=True).fit(rough, y_rough).inputs_.differences
        assert make(**QUICK, differences=True).fit(X, [x[:, 0] > 5 for x in X]).inputs_.differences
        assert not make(**QUICK, differences=False).fit(X, y).inputs_.differences


def test_bools_of_numpy():
    X, y = waves()
    for value in (True, False):
        model = RNNClassifier(**QUICK, differences=np.bool_(value)).fit(X, y)
        assert model.inputs_.differences is value
        assert pickle.loads(pickle.dumps(model)).inputs_.differences is value


def test_other_estimators_read_no_changes():
    X, y = waves()
    assert not SequenceTransformer(**QUICK).fit(X).inputs_.differences
    assert not SequenceOutlierDetector(**QUICK).fit(X).inputs_.differences
    assert "differences" not in SequenceOutlierDetector().get_params()
    forecaster = RNNForecaster(horizon=2, window=5, max_iter=1, hidden_layer_sizes=4, random_state=0)
    assert np.isfinite(forecaster.fit(np.sin(np.arange(80) / 8)).predict()).all()
    early = EarlyClassifier(RNNClassifier(**QUICK, bidirectional=False)).fit(X, y)
    assert early.predict(X).shape == (N,)


def test_sequences_to_hold_out_do_not_decide():
    (X, y), (rough, y_rough) = waves(), noise()
    model = RNNClassifier(**QUICK, early_stopping=True).fit(X, y, X_val=rough, y_val=y_rough == 1)
    assert model.inputs_.differences


@pytest.mark.parametrize("options", [{"missing": "mask"}, {"missing": "decay"}, {"time_channel": 0}], ids=str)
def test_what_has_no_changes_is_refused(options):
    X, y = waves()
    X[:, :, 0] = np.arange(T)
    for make in (RNNClassifier, RNNRegressor, SequenceTransformer):
        with pytest.raises(ValueError, match=r'differences=True .* numbers only.* Use differences="auto" or False'):
            make(**QUICK, differences=True, **options).fit(X, y)
    assert not RNNClassifier(**QUICK, **options).fit(X, y).inputs_.differences


def test_tokens_and_categories_are_refused():
    X, y = waves()
    X[:, :, 0] = np.arange(T) // 4
    words = [["a", "b", "c"]] * N
    for data, options in ((X, {"categorical_features": [0]}), (words, {})):
        with pytest.raises(ValueError, match="numbers only, without tokens, categorical_features"):
            RNNClassifier(**QUICK, differences=True, **options).fit(data, y)
        assert not RNNClassifier(**QUICK, **options).fit(data, y).inputs_.differences
    for wrong in ("yes", None, 2):
        with pytest.raises(ValueError, match="differences"):
            RNNClassifier(**QUICK, differences=wrong).fit(X, y)


# --------------------------------------------------------------------------------------------------------- all sizes
def test_memory_changes_no_bit(tmp_path, monkeypatch):
    """Sequences on disk, encoded as they are read."""
    X, _ = waves(4000, np.float32)
    y = X[:, -1, 0]
    np.save(tmp_path / "X.npy", X.reshape(-1, C))
    mapped = SequenceArray(np.load(tmp_path / "X.npy", mmap_mode="r"), np.arange(4001) * T)
    options = QUICK | {"batch_size": 16}
    expected = RNNRegressor(**options).fit(X, y)
    read, made = StreamedData.read, []
    monkeypatch.setattr(StreamedData, "read", lambda self, stretch: made.append(1) or read(self, stretch))
    found = RNNRegressor(**options, max_memory=1 / 2**10).fit(mapped, y)
    assert made
    assert found.inputs_.differences
    assert_array_equal(found.predict(mapped), expected.predict(X))


def test_long_sequences_in_segments():
    rng = np.random.default_rng(0)
    X = list(rng.normal(size=(2, 3000, 2)).cumsum(axis=1))
    for bidirectional in (False, True):
        model = RNNRegressor(**QUICK, differences=True, bidirectional=bidirectional, pooling="mean").fit(X, [0, 1])
        assert model.inputs_.differences
        whole, states = model.predict(X), model.hidden_states(X)
        model.set_params(max_memory=0.004)
        assert_array_equal(model.predict(X), whole)
        for few, many in zip(model.hidden_states(X), states, strict=True):
            assert_array_equal(few, many)


def test_neighbours_and_threads_change_no_bit():
    X, y = waves()
    clf = RNNClassifier(**QUICK).fit(X, y)
    expected = clf.predict_proba(X)
    assert_array_equal(np.concatenate([clf.predict_proba(X[i : i + 1]) for i in range(N)]), expected)
    assert_array_equal(clf.set_params(n_jobs=2).predict_proba(X), expected)
    assert_array_equal(clone(clf).fit(X, y).predict_proba(X), expected)


# ------------------------------------------------------------------------------------------------------- what is kept
def test_training_goes_on_with_the_same_columns():
    (X, y), (rough, y_rough) = waves(), noise()
    clf = RNNClassifier(**QUICK, warm_start=True).fit(X, y)
    scale = clf.inputs_.difference_scale.copy()
    clf.fit(rough, y_rough == 1)  # "auto" stays what it was
    assert_array_equal(clf.inputs_.difference_scale, scale)
    clf.set_params(differences=True).fit(X, y)
    with pytest.raises(ValueError, match=r"another model .*\(differences: True, now False\)"):
        clf.set_params(differences=False).fit(X, y)
    clf = RNNClassifier(**QUICK, warm_start=True).fit(rough, y_rough)
    with pytest.raises(ValueError, match=r"another model .*\(differences: False, now True\)"):
        clf.set_params(differences=True).fit(rough, y_rough)


def test_partial_fit_goes_on_with_what_the_first_call_saw():
    (X, y), (rough, y_rough) = waves(), noise()
    clf = RNNClassifier(**QUICK).partial_fit(X, y, classes=[False, True]).partial_fit(rough, y_rough == 1)
    assert clf.inputs_.differences
    clf = RNNClassifier(**QUICK).partial_fit(rough, y_rough, classes=[0, 1]).partial_fit(X, y.astype(int))
    assert not clf.inputs_.differences


def test_files_and_pickles(tmp_path):
    X, y = waves()
    clf = RNNClassifier(**QUICK).fit(X, y)
    skrnn.save(clf, tmp_path / "clf.skrnn")
    for again in (skrnn.load(tmp_path / "clf.skrnn"), pickle.loads(pickle.dumps(clf))):
        assert again.get_params()["differences"] == "auto"
        assert_array_equal(again.predict_proba(X), clf.predict_proba(X))


def test_pickles_of_versions_without_differences():
    X, y = waves()
    clf = RNNClassifier(**QUICK, differences=False).fit(X, y)
    state = clf.__getstate__()
    del state["differences"]
    state["inputs_"] = {name: value for name, value in state["inputs_"].items() if "difference" not in name}
    again = RNNClassifier.__new__(RNNClassifier)
    again.__setstate__(state)
    assert_array_equal(again.predict_proba(X), clf.predict_proba(X))
    assert again.set_params(warm_start=True).fit(X, y).inputs_.differences is False


# --------------------------------------------------------------------------------------------------------- neighbours
@pytest.mark.parametrize("objective", ["forecast", "reconstruct", "supervised", "reservoir"])
def test_features(objective, tmp_path):
    X, y = waves()
    options = {} if objective == "reservoir" else {"max_iter": 2}
    transformer = SequenceTransformer(4, objective=objective, differences=True, random_state=0, **options).fit(X, y)
    assert transformer.inputs_.differences
    features = transformer.transform(X)
    assert np.isfinite(features).all()
    assert_array_equal(transformer.transform(X[3:4]), features[3:4])
    moved = transformer.transform(X + np.linspace(0, 1, T)[:, np.newaxis])
    assert not np.array_equal(moved, features)
    skrnn.save(transformer, tmp_path / "t.skrnn")
    assert_array_equal(skrnn.load(tmp_path / "t.skrnn").transform(X), features)


def test_layers_read_values_and_their_changes():
    torch = pytest.importorskip("torch")
    X, y = waves()
    reg = RNNRegressor(**QUICK, cell="gru", bidirectional=False, pooling="last", dtype="float64").fit(X, y)
    z = (X - reg.input_mean_) / reg.input_scale_
    changes = np.diff(z, axis=1, prepend=z[:, :1]) / reg.inputs_.difference_scale
    layers = from_estimator(reg)
    read = torch.tensor(np.concatenate([z, changes], axis=2).swapaxes(0, 1))
    states = to_torch(layers)(read)[0].detach().numpy().swapaxes(0, 1)
    assert_allclose(states, np.stack(reg.hidden_states(X)), rtol=1e-9, atol=1e-12)
    assert_array_equal(to_estimator(layers, reg).predict(X), reg.predict(X))
    advice = "fit it with hidden_layer_sizes, bidirectional, convolution, differences and inputs"
    with pytest.raises(ValueError, match=advice):
        to_estimator(layers, clone(reg).set_params(differences=False).fit(X, y))
