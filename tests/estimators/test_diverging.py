"""What a call that diverges leaves behind: finite predictions, and a warning, whichever update it was."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

import skrnn.training.stability
from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer
from skrnn.callbacks import Checkpoint, EarlyStopping
from skrnn.cells import GRU, Elman, IndRNN
from skrnn.convolution import Conv
from skrnn.initializers import Uniform
from skrnn.network.inference import Predictor

RNG = np.random.default_rng(0)
X = [RNG.normal(size=(n, 2)) for n in RNG.integers(20, 60, size=24)]
Y = [x.sum() for x in X]
STEPS = [x[:, 0] for x in X]
SHORT = {"hidden_layer_sizes": 8, "random_state": 0}
EXPLODING = SHORT | {"cell": Elman("identity"), "solver": "sgd", "learning_rate_init": 0.5, "clip_norm": None}

pytestmark = pytest.mark.filterwarnings("error")


def assert_finite(model):
    """Predictions of what it was fitted to are finite, without a warning."""
    for row in np.ravel(model.predict(X) if hasattr(model, "predict") else model.transform(X)):
        assert np.isfinite(np.asarray(row, dtype=float)).all()
    for array in (*model.weights_.values(), *getattr(model, "solver_state_", [])):
        assert np.isfinite(array).all()


def labels(y):
    return [np.array(row) > 0 for row in y] if np.ndim(y[0]) else np.array(y) > 0


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("batch_size", [5, 24])
@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"truncation": 15}])
@pytest.mark.parametrize("y", [Y, STEPS], ids=["sequences", "steps"])
def test_fit_and_warm_starts(y, options, batch_size, seed):
    model = RNNRegressor(**EXPLODING | options | {"random_state": seed}, batch_size=batch_size, max_iter=1 + seed)
    for _ in range(3):
        with pytest.warns(ConvergenceWarning, match="diverged in .*learning_rate_init, or set clip_norm"):
            model.fit(X, y)
        assert_finite(model)
        model.set_params(warm_start=True)


@pytest.mark.parametrize("batch_size", [5, 24])
@pytest.mark.parametrize("kind", ["numbers", "steps", "classes", "classes of steps"])
def test_partial_fit(kind, batch_size):
    y = STEPS if "steps" in kind else Y
    model = RNNRegressor(**EXPLODING, batch_size=batch_size)
    if "classes" in kind:
        model, y = RNNClassifier(**EXPLODING | {"learning_rate_init": 50.0}, batch_size=batch_size), labels(y)
    classes = {"classes": [False, True]} if "classes" in kind else {}
    for _ in range(4):
        with warnings.catch_warnings(record=True) as record:
            warnings.simplefilter("always")
            model.partial_fit(X, y, **classes)
        assert_finite(model)
        assert all("diverged" in str(warning.message) for warning in record)
    assert record, "nothing diverged"


@pytest.mark.parametrize("objective", ["forecast", "reconstruct", "supervised"])
def test_transformers(objective):
    model = SequenceTransformer(**EXPLODING | {"learning_rate_init": 50.0}, objective=objective, max_iter=1)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, Y)
    assert_finite(model)


def test_the_last_update_is_named_and_what_the_solver_remembers_is_forgotten():
    model = RNNRegressor(**EXPLODING, batch_size=24)
    with pytest.warns(
        ConvergenceWarning, match="diverged in the last update of epoch 1: .*finite predictions are kept"
    ):
        model.partial_fit(X, Y)
    assert model.t_ == len(model.gradient_norm_curve_) > model.solver_t_ == 0
    assert not any(slot.any() for slot in model.solver_state_)
    model.set_params(learning_rate_init=1e-4)
    model.partial_fit(X, Y)
    assert_finite(model)


def test_sequences_that_the_last_mini_batches_did_not_hold():
    """One is so long that it alone overflows: in the first mini-batch of an epoch that ends with short ones."""
    long_first = [RNG.normal(size=(3000, 2)), *(x[:3] for x in X)]
    for max_iter in (1, 2, 5):
        model = RNNRegressor(**EXPLODING | {"learning_rate_init": 0.02}, shuffle=False, batch_size=1, max_iter=max_iter)
        with pytest.warns(ConvergenceWarning, match="diverged"):
            model.fit(long_first, [0.0, *Y])
        assert np.isfinite(model.predict(long_first)).all()


def test_the_best_weights_of_early_stopping_are_finite_on_the_training_part_too():
    model = RNNRegressor(**EXPLODING | {"learning_rate_init": 0.02}, max_iter=3, early_stopping=True)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit([RNG.normal(size=(3000, 2)), *X], [0.0, *Y], X_val=[x[:3] for x in X], y_val=Y)
    assert np.isfinite(model.predict([np.ones((3000, 2))])).all()


def test_callbacks_see_networks_with_finite_predictions(tmp_path):
    callbacks = EarlyStopping(X, Y), Checkpoint(tmp_path / "run.skrnn")
    model = RNNRegressor(**EXPLODING, max_iter=3).set_callbacks(*callbacks)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, Y)
    assert_finite(model)
    assert_finite(skrnn.load(tmp_path / "run.skrnn"))


def test_initial_weights_that_give_nothing_finite_are_said_to():
    model = RNNRegressor(**EXPLODING | {"recurrent_init": Uniform(100.0)})
    with pytest.warns(ConvergenceWarning, match="None of its weights gives finite predictions"):
        model.partial_fit(X, Y)
    assert all(np.isfinite(weight).all() for weight in model.weights_.values())


def test_lbfgs():
    model = RNNRegressor(**SHORT, cell=Elman("identity"), solver="lbfgs", recurrent_init=Uniform(100.0), max_iter=3)
    with pytest.warns(ConvergenceWarning, match="diverged"):
        model.fit(X, Y)


# ------------------------------------------------------------------------------------------------------ the bound
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "options",
    [
        *({"cell": cell} for cell in ("gru", "lstm", "mgu", "elman", "jordan", "indrnn", "mingru")),
        {"hidden_layer_sizes": (8, 8, 8), "layer_norm": True, "residual": True, "bidirectional": True},
        {"convolution": Conv(4, 3), "pooling": "attention"},
        {"cell": IndRNN(), "hidden_layer_sizes": (8, 8)},
    ],
    ids=lambda options: "-".join(map(str, options)) + str(options.get("cell", "")),
)
def test_a_bound_settles_it_in_ordinary_fits(options, dtype, monkeypatch):
    """No sequence goes through the network once more."""
    monkeypatch.setattr(Predictor, "predict_raw", None)
    RNNRegressor(**SHORT | {"max_iter": 3} | options, dtype=dtype).fit(X, Y).partial_fit(X, Y)


@pytest.mark.parametrize("scale", [1e3, 1e8, 1e12, 1e18, 1e25, 1e37])
@pytest.mark.parametrize(
    "cell", ["gru", "lstm", "elman", "jordan", "indrnn", "mingru", GRU(reset="before"), Elman("relu")]
)
def test_what_the_bound_settles_is_finite(cell, scale):
    """Of weights of any size: either nothing is said, or predictions and their squares are finite."""
    from skrnn.network.network import network_of

    model = RNNRegressor(**SHORT | {"hidden_layer_sizes": (8, 8)}, cell=cell, layer_norm=cell != "jordan", max_iter=1)
    model.fit(X, Y)
    model.weights_ = {name: (scale * weight).astype(np.float32) for name, weight in model.weights_.items()}
    network = network_of(model.structure_)
    with np.errstate(over="ignore"):
        bounded = skrnn.training.stability.is_bounded(network, network.flatten(model.weights_), 10.0, 60)
    if bounded:
        assert np.isfinite(np.square(model.predict(X), dtype=np.float32)).all()
    assert bounded or scale > 1e3 or isinstance(cell, Elman) or cell == "indrnn"
