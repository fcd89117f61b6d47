"""A fit as data flow: nothing of it touches the estimator before its result is taken over."""

import numpy as np
import pandas as pd
import pytest
from faults import QUICK, cube, ragged, targets
from numpy.testing import assert_array_equal
from sklearn.base import clone

from skrnn import Conv, RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.callbacks import EarlyStopping
from skrnn.estimators import _fit
from skrnn.estimators._fit import FitRequest, prepare
from skrnn.estimators._fitted import NAMES
from skrnn.estimators._given import read_given
from skrnn.estimators._start import start

X, Y = cube(), cube().mean(axis=(1, 2))
CLASSES = np.arange(8) % 2
STEPS = [x[:, 0] for x in X]


class KernelError(Exception):
    """A kernel has run."""


@pytest.fixture
def no_kernel(monkeypatch):
    def run(*arguments):
        raise KernelError

    for name in ("encoding", "moments", "differences"):
        monkeypatch.setattr(f"skrnn.network.{name}.kernel_of", lambda name: run)


def test_without_an_error_a_kernel_runs(no_kernel):
    with pytest.raises(KernelError):
        RNNRegressor(**QUICK).fit(X, Y)


REFUSED = {
    "one class": (RNNClassifier(), np.zeros(8), "at least 2 classes"),
    "class weight": (RNNClassifier(class_weight={7: 1.0}), CLASSES, "not in class_weight"),
    "continuous classes": (RNNClassifier(), Y, "Unknown label type"),
    "not finite": (RNNRegressor(), np.r_[Y[:7], np.nan], "contains NaN"),
    "too large": (RNNRegressor(standardize_target=False), Y * 1e300, "y is too large"),
    "negative counts": (RNNRegressor(loss="poisson"), -abs(Y), "needs y >= 0"),
    "quantile": (RNNRegressor(quantile=0.3), Y, 'needs loss="quantile"'),
    "sizes": (RNNRegressor(hidden_layer_sizes=[3, 0]), Y, "hidden_layer_sizes must be"),
    "solver and noise": (RNNRegressor(solver="lbfgs", input_dropout=0.1), Y, "needs a loss that does not change"),
    "solver and truncation": (RNNRegressor(solver="lbfgs", truncation=2), Y, "needs the whole gradient"),
    "truncation and pooling": (RNNRegressor(truncation=2, pooling="mean"), Y, "which pooling='mean' needs all at once"),
    "truncation and directions": (RNNRegressor(truncation=2, bidirectional=True), Y, "set bidirectional=False"),
    "truncation and convolution": (RNNRegressor(truncation=2, convolution=Conv(2, 3)), Y, "sees several"),
    "structure": (RNNRegressor(cell="elman", zoneout=0.1), Y, "computes its h anew"),
    "steps and stride": (RNNRegressor(convolution=Conv(2, 3, stride=2)), STEPS, "leaves fewer steps"),
    "steps and pooling": (RNNRegressor(pooling="max"), STEPS, "but y has a target for each step"),
    "biases": (RNNRegressor(cell="elman", bias_init="chrono"), Y, "biases of gates that remember"),
    "held out": (RNNRegressor(early_stopping=True, validation_fraction=0.01), Y, "validation_fraction"),
    "directions of a forecast": (SequenceTransformer(bidirectional=True), None, "which a network of both directions"),
    "forecast of one step": (SequenceTransformer(truncation=2, residual=True, hidden_layer_sizes=[2, 3]), None, "same"),
}


@pytest.mark.parametrize(("model", "y", "message"), REFUSED.values(), ids=REFUSED)
def test_all_is_refused_before_a_kernel_runs(model, y, message, no_kernel):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)
    assert not set(vars(model)) & NAMES


def test_memory_is_refused_before_a_kernel_runs(no_kernel):
    with pytest.raises(MemoryError, match="but max_memory is"):
        RNNRegressor(max_memory=1e-6).fit(X, Y)


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (RNNClassifier(**QUICK), CLASSES),
        (RNNRegressor(**QUICK), Y),
        (RNNRegressor(**QUICK), STEPS),
        (SequenceTransformer(**QUICK), None),
        (SequenceTransformer(**QUICK, objective="supervised"), CLASSES),
    ],
)
def test_a_fit_in_steps_leaves_the_estimator_as_it_was(model, y):
    before = dict(vars(model))
    spec, request = model._spec(), FitRequest(X, y, None)
    prepared = prepare(spec, request, read_given(model, spec, request, resumes=False))
    started = start(prepared)
    started.training(None).run(prepared.optimizer, started.rows, prepared.split.held_out)
    found = started.fitted().attributes()
    assert vars(model) == before
    expected = clone(model).fit(X, y)
    assert found["loss_curve_"] == expected.loss_curve_
    for name, weight in expected.weights_.items():
        assert_array_equal(found["weights_"][name], weight)


def test_optional_attributes_of_an_earlier_fit_go():
    model = SequenceTransformer(**QUICK, objective="reconstruct")
    frame = pd.DataFrame(X[:, :, 0], columns=list("abcde")[: X.shape[1]])
    model.fit(frame)
    assert {"feature_names_in_", "reconstruction_mean_"} <= set(vars(model))
    model.set_params(objective="forecast").fit([["a", "b"], ["b", "a", "a"]] * 4)
    assert not {"feature_names_in_", "reconstruction_mean_", "reconstruction_scale_"} & set(vars(model))
    assert "vocabulary_" in vars(model)
    model.fit(X)
    assert "vocabulary_" not in vars(model)


def test_attributes_that_users_set_stay():
    model = RNNRegressor(**QUICK).fit(X, Y)
    model.note_ = "mine"
    assert model.fit(ragged(), targets(ragged())).note_ == "mine"


def test_initial_weights_are_no_concern_of_a_fit_that_is_resumed():
    model = RNNRegressor(**QUICK, warm_start=True).fit(X, Y)
    t = model.set_params(bias_init="chrono").fit(X, Y).t_
    with pytest.raises(ValueError, match="biases of gates that remember"):
        clone(model).fit(X, Y)
    assert t > clone(model.set_params(bias_init="cell")).fit(X, Y).t_


def test_names_of_targets_are_read_once_before_training(monkeypatch):
    calls = []
    names = _fit.target_names
    monkeypatch.setattr(_fit, "target_names", lambda y: calls.append(y) or names(y))
    frame = pd.DataFrame({"a": Y, "b": -Y})
    model = RNNRegressor(**QUICK).set_callbacks(EarlyStopping(X, frame)).fit(X, frame)
    assert len(calls) == 1
    assert model.target_names_.tolist() == ["a", "b"]
