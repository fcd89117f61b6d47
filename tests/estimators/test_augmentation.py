"""The parameter `augmentation`: when "auto" changes sequences, what is refused, and that bits stay the same."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

import skrnn
from skrnn import Augmentation, RNNClassifier, RNNRegressor

QUICK = {"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0}
STRONG = Augmentation(time_warp=4, crop=0.5, scale=2)


def waves(n=40, T=30, step=0.1, seed=0):
    """Sines of two frequencies: smooth with small steps in time."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    phases = rng.uniform(0, 6, n)
    t = np.arange(T) * step
    return np.sin((1 + y)[:, None] * t + phases[:, None])[:, :, None], y


def same(one, other):
    return all(np.array_equal(one.weights_[name], other.weights_[name]) for name in one.weights_)


@pytest.mark.parametrize("Estimator", [RNNClassifier, RNNRegressor])
def test_networks_learn_from_changed_sequences(Estimator):
    X, y = waves()
    plain = Estimator(augmentation=None, **QUICK).fit(X, y)
    changed = Estimator(augmentation=STRONG, **QUICK).fit(X, y)
    assert not same(plain, changed)
    assert same(changed, Estimator(augmentation=STRONG, n_jobs=2, **QUICK).fit(X, y))


def test_auto_changes_smooth_series_of_which_there_are_few(monkeypatch):
    X, y = waves()
    auto = RNNClassifier(**QUICK).fit(X, y)
    assert auto.inputs_.differences
    assert same(auto, RNNClassifier(augmentation=Augmentation(), **QUICK).fit(X, y))
    assert not same(auto, RNNClassifier(augmentation=None, **QUICK).fit(X, y))
    monkeypatch.setattr("skrnn.estimators._augmented.FEW_SEQUENCES", len(X) - 1)
    assert same(RNNClassifier(**QUICK).fit(X, y), RNNClassifier(augmentation=None, **QUICK).fit(X, y))


@pytest.mark.parametrize("changes", [{}, {"differences": True}, {"differences": False}])
def test_auto_leaves_alone_what_it_did_not_find_smooth(changes):
    X, y = waves(step=0.1 if changes else 2.5)
    auto, none = (RNNClassifier(augmentation=how, **QUICK, **changes).fit(X, y) for how in ("auto", None))
    assert same(auto, none)


def test_auto_leaves_partial_fit_and_targets_of_steps_alone():
    X, y = waves()
    auto, none = (RNNClassifier(augmentation=how, **QUICK).partial_fit(X, y, classes=[0, 1]) for how in ("auto", None))
    assert same(auto, none)
    tags = [np.full(len(x), label) for x, label in zip(X, y, strict=True)]
    auto, none = (RNNClassifier(augmentation=how, **QUICK).fit(X, tags) for how in ("auto", None))
    assert same(auto, none)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_auto_leaves_solvers_without_epochs_alone(monkeypatch):
    def augment(*_):
        pytest.fail("nothing would ever be drawn")

    monkeypatch.setattr("skrnn.network.data.Data.to_vary", augment)
    assert RNNClassifier(solver="lbfgs", **QUICK).fit(*waves()).inputs_.differences


def test_held_out_sequences_are_scored_as_they_are():
    """With a learning rate of almost 0, scores of held-out sequences do not move; losses of changed ones do."""
    X, y = waves()
    still = QUICK | {"learning_rate_init": 1e-30, "dropout": 0, "learning_rate": "constant"}
    model = RNNRegressor(augmentation=STRONG, early_stopping=True, **still).fit(X, y)
    assert len(set(model.validation_scores_)) == 1
    assert len(set(model.loss_curve_)) == len(model.loss_curve_) > 1


def test_scale_goes_with_targets_of_steps():
    X, y = waves()
    tags = [np.full(len(x), label) for x, label in zip(X, y, strict=True)]
    how = Augmentation(time_warp=1, scale=1.5)
    changed = RNNClassifier(augmentation=how, **QUICK).fit(X, tags)
    assert not same(changed, RNNClassifier(augmentation=None, **QUICK).fit(X, tags))
    with pytest.raises(ValueError, match="moves values to other steps"):
        RNNClassifier(augmentation=Augmentation(scale=1.5), **QUICK).fit(X, tags)


@pytest.mark.parametrize(
    ("X", "changes"),
    [
        ([["a", "b"], ["b"], ["a"], ["c", "a"]], {}),
        (np.where(np.arange(32).reshape(4, 8, 1) % 5, 1.0, np.nan), {"missing": "mask"}),
        (np.arange(64.0).reshape(4, 8, 2), {"time_channel": 0}),
        (np.arange(64.0).reshape(4, 8, 2) % 3, {"categorical_features": [1]}),
    ],
    ids=["tokens", "gaps", "times", "categories"],
)
def test_what_is_no_number_is_refused(X, changes):
    y = [0, 1, 0, 1]
    with pytest.raises(ValueError, match="augmentation changes channels of numbers"):
        RNNClassifier(augmentation=Augmentation(), **QUICK, **changes).fit(X, y)
    RNNClassifier(**QUICK, **changes).fit(X, y)  # "auto" leaves it alone


def test_other_refusals():
    X, y = waves()
    with pytest.raises(ValueError, match="does not go with augmentation"):
        RNNRegressor(augmentation=Augmentation(), solver="lbfgs", **QUICK).fit(X, y)
    with pytest.raises(MemoryError, match="are kept twice"):
        RNNRegressor(augmentation=Augmentation(), max_memory=2e-5, **QUICK).fit(X, y)
    with pytest.raises(InvalidParameterError, match="crop"):
        RNNClassifier(augmentation=Augmentation(crop=0), **QUICK).fit(X, y)
    with pytest.raises(InvalidParameterError, match="augmentation"):
        RNNRegressor(augmentation="auto", **QUICK).fit(X, y)


def test_saved_and_cloned(tmp_path):
    X, y = waves()
    model = RNNClassifier(augmentation=STRONG, **QUICK).fit(X, y)
    assert clone(model).augmentation.get_params() == STRONG.get_params()
    skrnn.save(model, tmp_path / "model.skrnn")
    loaded = skrnn.load(tmp_path / "model.skrnn")
    assert loaded.augmentation.get_params() == STRONG.get_params()
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_several_networks_see_other_changes():
    X, y = waves()
    model = RNNClassifier(augmentation=STRONG, n_networks=2, **QUICK).fit(X, y)
    first, second = model.networks()
    assert same(first, RNNClassifier(augmentation=STRONG, **QUICK).fit(X, y))
    assert not same(first, second)
