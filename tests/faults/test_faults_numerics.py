"""Faults of arithmetic: whatever overflows or vanishes, a fitted model holds finite weights."""

import time
import warnings
from contextlib import nullcontext

import numpy as np
import pytest
from faults import ESTIMATORS, QUICK, assert_refused, cube, each_estimator, output, ragged, targets
from scipy.special import expit
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from skrnn import CTCClassifier, RNNClassifier, RNNRegressor, SequenceGenerator
from skrnn.cells import Elman
from skrnn.initializers import Identity
from skrnn.training.epoch import Epochs
from skrnn.training.objective import Objective

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def assert_finite(model, X):
    assert all(np.isfinite(weights).all() for weights in model.weights_.values())
    assert np.isfinite(output(model, X)).all()


@pytest.mark.parametrize("rate", [1e6, 1e30, 1e300])
@pytest.mark.parametrize("solver", ["sgd", "adam", "rmsprop"])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@each_estimator
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_learning_rates_that_are_far_too_large(name, clip_norm, solver, rate):
    """The loss or its gradient becomes infinite, or not: weights that are not finite are in no fitted model."""
    X = cube(24)
    model = clone(ESTIMATORS[name]).set_params(solver=solver, learning_rate_init=rate, clip_norm=clip_norm, max_iter=9)
    assert_finite(model.set_params(batch_size=6).fit(X, targets(X)), X)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("clip_norm", [None, 1.0])
def test_one_element_of_a_gradient_that_is_not_finite(clip_norm, bad, monkeypatch):
    """Seen before the update, which it would spread to all parameters; the weights before it are kept."""
    X = cube(24)
    settings = QUICK | {"batch_size": 8, "clip_norm": clip_norm, "tol": 0.0, "shuffle": False}
    expected = RNNRegressor(**settings | {"max_iter": 1}).fit(X, targets(X))
    original, calls = Objective.run, []

    def spoilt(self, *args):
        original(self, *args)
        calls.append(self.theta.copy())
        if len(calls) == 4:
            self.gradient[5] = bad

    monkeypatch.setattr(Epochs, "_can_be_driven", lambda self: False)
    monkeypatch.setattr(Objective, "run", spoilt)
    model = RNNRegressor(**settings | {"max_iter": 5})
    with pytest.warns(ConvergenceWarning, match="diverged in epoch 2, batch 1"):
        model.fit(X, targets(X))
    assert len(calls) == 4
    assert_finite(model, X)
    # The fourth update never happened, and that the third one was good is not known without a loss after it.
    flat = np.concatenate([weights.ravel() for weights in model.weights_.values()])
    assert any(np.array_equal(flat, theta) for theta in (calls[2], calls[3]))
    assert expected.t_ == model.t_ == 3


@pytest.mark.long
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_hundred_thousand_steps():
    """No gradient that vanished makes it slow, none that exploded makes it infinite."""
    X = np.random.default_rng(0).normal(size=(2, 100_000, 1))
    for cell in (Elman(), Elman(activation="relu")):
        settings, seconds = QUICK | {"cell": cell, "max_iter": 1}, []
        RNNRegressor(**settings).fit(X[:, :100], [0.0, 1.0])  # compiles
        for init in ("orthogonal", Identity(scale=1.01), Identity(scale=0.5)):
            start = time.process_time()
            model = RNNRegressor(**settings, recurrent_init=init).fit(X, [0.0, 1.0])
            seconds.append(time.process_time() - start)
            assert all(np.isfinite(weights).all() for weights in model.weights_.values())
        assert max(seconds) < 20 * min(seconds)


EXPLODING = QUICK | {"cell": Elman(activation="relu"), "recurrent_init": Identity(scale=3.0)}


OUT = {"labels out": ([[0]] * 3,), "unaligned labels": ([[0]] * 3,), "numbers out": ([[0.0]] * 3,)}
# What they are given besides X, by the estimators that need it, and those that do not have them for this network.
METHODS = {
    "predict": {"numbers out": (2,)},
    "predict_proba": {},
    "transform": {},
    "score_samples": OUT,
    "decision_function": {},
    "step_scores": {},
    "channel_scores": {},
    "attention_weights": OUT,
    "perplexity": {},
}
SKIPPED = {"classifier": ("attention_weights",), "regressor": ("attention_weights",)}


def test_attention_that_is_not_a_number_says_so():
    X = np.random.default_rng(0).normal(size=(8, 400, 1))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = RNNClassifier(**EXPLODING, pooling="attention", convolution=None).fit(X, targets(X))
    with pytest.warns(RuntimeWarning, match="attention weights .* those of sequence 1 first"):
        model.attention_weights([X[0, :4], X[1]])


@pytest.mark.parametrize("content", ["numbers", "notes", "tokens"])
def test_what_explodes_is_not_sampled(content):
    """NaN has no likeliest token and no note that is on."""
    values = np.random.default_rng(0).normal(size=(8, 400, 1))
    X = {"numbers": values, "notes": (values > 0) * 1.0, "tokens": [["a", "b"] * 200] * 8}[content]
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = SequenceGenerator(**EXPLODING).fit(X)
    with pytest.raises(ValueError, match=r"no finite output for step .* of sample"):
        model.sample(2, max_length=500, random_state=0)


def test_labels_are_not_aligned_with_what_explodes():
    X = np.random.default_rng(0).normal(size=(8, 400, 1))
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model = CTCClassifier(**EXPLODING).fit(X, [["a"]] * 8)
    with pytest.warns(RuntimeWarning), pytest.raises(ValueError, match="no finite output for sequence 1"):
        model.align([X[0, :4], X[1]], [["a"]] * 2)


@each_estimator
def test_a_network_that_explodes_from_the_start_says_so(name):
    """In fit, and again in each prediction, which must not be NaN without a word."""
    X = np.random.default_rng(0).normal(size=(8, 400, 1))
    model = type(ESTIMATORS[name])(**EXPLODING)
    if "convolution" in model.get_params():
        model.set_params(convolution=None)  # which would leave too few steps
    predicts = pytest.warns(RuntimeWarning, match="those of sequence 0 first") if name == "detector" else nullcontext()
    with predicts, pytest.warns(ConvergenceWarning, match="diverged in epoch 1, batch 1"):
        model.fit(X, targets(X))
    assert all(np.isfinite(weights).all() for weights in model.weights_.values())
    given = [X[0, :4], X[1], X[2]]
    for method, arguments in METHODS.items():
        if name == "labels out" and method == "predict":  # there is no search among labels of probability NaN
            with pytest.raises(ValueError, match="no finite output for sequence 1"):
                model.predict(given)
        elif hasattr(model, method) and method not in SKIPPED.get(name, ()):
            with pytest.warns(RuntimeWarning, match="are not finite, those of sequence 1 first") as record:
                getattr(model, method)(given, *arguments.get(name, ()))
            assert {each.filename for each in record} == {__file__}


def test_predictions_of_steps_that_explode_name_their_sequence():
    X = [np.random.default_rng(0).normal(size=(n, 1)) for n in (2, 3, 400)]
    model = RNNRegressor(**EXPLODING).fit(X[:2], [[0.0, 1.0], [1.0, 0.0, 1.0]])
    with pytest.warns(RuntimeWarning, match="those of sequence 2 first"):
        model.predict(X)


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_pre_activations_far_beyond_saturation(cell):
    """Units sit at their bounds, without a warning of an overflow."""
    X = 1e30 * cube()
    model = RNNRegressor(**QUICK | {"cell": cell, "standardize": False}).fit(X, targets(X))
    assert_finite(model, X)
    if cell == "elman":
        np.testing.assert_allclose(np.abs(np.concatenate(model.hidden_states(X))), 1, rtol=1e-6)


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((8, 4, 2)),
        np.full((8, 4, 2), 7.3e8),
        np.broadcast_to(cube(1), (8, 4, 2)),
        [np.zeros((n, 2)) for n in range(1, 9)],
        1e-300 * cube(),
        np.nextafter(1.0, 2.0, dtype=np.float64) ** np.arange(64).reshape(8, 4, 2),
    ],
    ids=["zeros", "one number", "one sequence", "ragged zeros", "tiny numbers", "neighbours of 1"],
)
@each_estimator
def test_data_without_variance(name, X):
    model, first = clone(ESTIMATORS[name]), np.concatenate(list(X))
    if name == "detector" and np.ptp(first, axis=0).max() == 0:
        assert_refused(model, lambda e: e.fit(X), "X never changes in the steps that are trained on")
        return
    assert_finite(model.fit(X, targets(X)), X)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_raw_predictions_of_any_size(n_classes, size):
    """Probabilities sum to 1, and their logarithms are finite."""
    X = cube(12)
    model = RNNClassifier(**QUICK).fit(X, np.arange(12) % n_classes)
    bias = model.weights_["readout.b"]
    bias[:] = size * np.linspace(-1, 1, len(bias)) if len(bias) > 1 else size
    p, log_p = model.predict_proba(X), model.predict_log_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p >= 0).all()
    assert np.isfinite(log_p).all()
    np.testing.assert_array_equal(p.argmax(axis=1), log_p.argmax(axis=1))


def test_raw_predictions_of_labels_of_any_size():
    X, Y = cube(12), np.random.default_rng(0).integers(0, 2, (12, 3))
    model = RNNClassifier(**QUICK).fit(X, Y)
    model.weights_["readout.b"][:] = [-1e4, 0, 1e4]
    p = model.predict_proba(X)
    np.testing.assert_allclose(p[:, [0, 2]], expit([-1e4, 1e4]) + np.zeros((12, 1)), atol=1e-37)
    assert np.isfinite(model.predict_log_proba(X)).all()


@each_estimator
def test_ordinary_training_raises_no_warning_of_numpy(name):
    """Not even where users turn all floating point warnings into errors."""
    X = ragged()
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert_finite(clone(ESTIMATORS[name]).fit(X, targets(X)), X)
