"""Training that goes on with other parameters: used, refused by name, or dropped with a word; never another model."""

import copy
import warnings

import numpy as np
import pytest
from faults import assert_refused
from numpy.testing import assert_array_equal
from sklearn.base import clone

import skrnn
from skrnn import RNNClassifier, RNNRegressor
from skrnn.callbacks import Checkpoint
from skrnn.cells import GRU
from skrnn.convolution import Conv
from skrnn.losses import BaseLoss, Huber, Quantile
from skrnn.optimizers import SGD, Adam

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 4, 2))
Y = RNG.normal(size=40) ** 2 + 1
TIMES = np.dstack([X, np.tile(np.arange(4.0), (40, 1))])
CODES = np.dstack([X, RNG.integers(0, 3, (40, 4)), np.tile(np.arange(4.0), (40, 1))])
TOKENS = [list(word) for word in ["abca", "bcbc", "caab", "aabb"] * 10]
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 2, "random_state": 0, "batch_size": 16}
each_way = pytest.mark.parametrize("way", ["warm_start", "partial_fit"])


def goes_on(way, model, *data):
    return model.partial_fit(*data) if way == "partial_fit" else model.set_params(warm_start=True).fit(*data)


def assert_same_weights(one, other):
    for name, array in one.weights_.items():
        assert_array_equal(array, other.weights_[name], err_msg=name)


# --------------------------------------------------------------------------------------------------------------- losses
@each_way
def test_another_quantile_is_trained_from_then_on(way):
    settings = SHORT | {"max_iter": 60, "learning_rate_init": 0.03, "learning_rate": "constant"}
    model = RNNRegressor(**settings, loss="quantile", quantile=0.1).fit(X, Y)
    mean, scale, low = model.target_mean_, model.target_scale_, (model.predict(X) >= Y).mean()
    model.set_params(quantile=0.9)
    for _ in range(1 if way == "warm_start" else 60):
        goes_on(way, model, X, Y)
    assert repr(model.loss_function_) == repr(Quantile(0.9))
    assert low < 0.3 < 0.7 < (model.predict(X) >= Y).mean()
    assert_array_equal(model.target_mean_, mean)
    assert_array_equal(model.target_scale_, scale)


@each_way
@pytest.mark.parametrize("loss", ["absolute_error", "huber", Huber(delta=np.float32(2))])
def test_another_loss_of_distances_is_trained_from_then_on(loss, way):
    """The same bits as with that loss put into the place of the one before."""
    model = RNNRegressor(**SHORT).fit(X, Y)
    other = copy.deepcopy(model).set_params(loss=loss)
    goes_on(way, other, X, Y)
    model.loss_function_ = other.loss_function_
    assert_same_weights(goes_on(way, model.set_params(loss=clone(loss, safe=False)), X, Y), other)
    assert type(other.loss_function_).__name__ in ("AbsoluteError", "Huber")


class Ratio(BaseLoss):
    """A loss of one's own that does not scale the target."""


@each_way
@pytest.mark.parametrize(("then", "now"), [("squared_error", "poisson"), ("poisson", "huber"), ("huber", Ratio())])
def test_a_loss_whose_raw_predictions_mean_something_else_is_refused(then, now, way):
    model = RNNRegressor(**SHORT, loss=then).fit(X, Y).set_params(loss=now, warm_start=True)
    assert_refused(model, lambda e: goes_on(way, e, X, Y), r"\(loss: .*, now .*\): change the parameters back")


@each_way
def test_a_quantile_without_its_loss_is_refused_later_too(way):
    model = RNNRegressor(**SHORT).fit(X, Y).set_params(quantile=0.9, warm_start=True)
    assert_refused(model, lambda e: goes_on(way, e, X, Y), 'quantile=0.9 needs loss="quantile"')


# --------------------------------------------------------------------------------------------------------------- inputs
INPUTS = [
    (X, {}, {"missing": "mask"}, r"missing: 'error', now 'mask'"),
    (X, {"missing": "mask"}, {"missing": "error"}, r"missing: 'mask', now 'error'"),
    (X, {"differences": True}, {"differences": False}, "differences: True, now False"),
    (X, {}, {"standardize": False}, "standardize: True, now False"),
    (X, {"standardize": False}, {"standardize": True}, "standardize: False, now True"),
    (np.zeros((40, 4, 2)), {}, {"standardize": False}, "standardize: True, now False"),
    (CODES, {}, {"categorical_features": [2]}, r"categorical_features: \[\], now \[2\]"),
    (CODES, {"categorical_features": [2]}, {"categorical_features": None}, r"categorical_features: \[2\], now \[\]"),
    (CODES, {"categorical_features": [2]}, {"embedding_dim": 7}, "embeddings"),
    (TIMES, {}, {"time_channel": 2}, "time_channel: None, now 2"),
    (TIMES, {"time_channel": -1}, {"time_channel": None}, "time_channel: 2, now None"),
    (TOKENS, {}, {"min_count": 3}, "min_count: 1, now 3"),
    (TOKENS, {}, {"subwords": True}, "subwords: False, now True"),
    (TOKENS, {"subwords": True}, {"subwords": False}, "min_count: 2, now 1.*|subwords: True, now False"),
    (TOKENS, {"subwords": True}, {"min_count": 3}, "min_count: 2, now 3"),
]


@each_way
@pytest.mark.parametrize(("data", "then", "now", "message"), INPUTS)
@pytest.mark.parametrize("estimator", [RNNRegressor, RNNClassifier])
def test_another_treatment_of_inputs_is_refused_by_name(estimator, data, then, now, message, way):
    y = Y if estimator is RNNRegressor else Y > 1.5
    model = estimator(**SHORT, **then).fit(data, y).set_params(**now, warm_start=True)
    assert_refused(model, lambda e: goes_on(way, e, data, y), message)


@each_way
def test_what_is_written_otherwise_is_the_same(way):
    """Numbers of NumPy, names and masks of channels, lists and tuples, and parameters that change nothing."""
    then = SHORT | {"dropout": 0.25, "hidden_layer_sizes": (4, 4), "cell": GRU(), "categorical_features": [2]}
    now = {
        "dropout": np.float64(0.25),
        "hidden_layer_sizes": np.array([4, 4], np.int8),
        "cell": GRU(reset=np.str_("after")),
        "categorical_features": np.array([False, False, True, False]),
        "time_channel": np.int8(-1),
        "bidirectional": np.False_,
        "min_count": 5,
        "loss": "squared_error",
    }
    models = [RNNRegressor(**then, time_channel=3).fit(CODES, Y) for _ in range(2)]
    assert_same_weights(goes_on(way, models[0], CODES, Y), goes_on(way, models[1].set_params(**now), CODES, Y))


def test_components_of_numpys_numbers_are_the_same_network():
    model = RNNRegressor(**SHORT, convolution=Conv(3, 2)).fit(X, Y)
    model.set_params(convolution=Conv(np.uint8(3), np.int64(2))).partial_fit(X, Y)
    assert_refused(model.set_params(convolution=Conv(3, 3)), lambda e: e.partial_fit(X, Y), "convolution: .*width=3")


def test_files_keep_what_was_learned_with(tmp_path):
    skrnn.save(RNNRegressor(**SHORT).fit(X, Y), tmp_path / "model.skrnn")
    model = skrnn.load(tmp_path / "model.skrnn").set_params(standardize=False)
    assert_refused(model, lambda e: e.partial_fit(X, Y), "standardize: True, now False")


# -------------------------------------------------------------------------------------------------------------- solvers
@pytest.mark.parametrize(
    ("then", "now"), [("adam", "sgd"), ("sgd", "rmsprop"), ("sgd", "adam"), ("adam", "adamw"), ("rmsprop", SGD(0.5))]
)
def test_what_another_solver_remembers_is_dropped_with_a_word(then, now):
    model = RNNRegressor(**SHORT, solver=then).partial_fit(X, Y).partial_fit(X, Y)
    assert model.solver_name_.lower() == then
    forgetful = copy.deepcopy(model).set_params(solver=now)
    for name in ("solver_state_", "solver_name_"):
        vars(forgetful).pop(name)
    with pytest.warns(UserWarning, match=f"{model.solver_name_} remembers .* is dropped") as caught:
        model.set_params(solver=now).partial_fit(X, Y)
    assert caught[0].filename == __file__
    assert_same_weights(model, forgetful.partial_fit(X, Y))
    model.partial_fit(X, Y)  # without a warning


def test_the_same_solver_with_other_parameters_goes_on():
    model = RNNRegressor(**SHORT, solver="adam").partial_fit(X, Y)
    before = model.solver_state_[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(solver=Adam(beta_1=0.5)).partial_fit(X, Y)
    assert not np.array_equal(before, model.solver_state_[0])


# ---------------------------------------------------------------------------------------------------------- checkpoints
def test_a_checkpoint_goes_on_with_numpys_numbers(tmp_path):
    callback = Checkpoint(tmp_path / "run.skrnn", resume=True)
    settings = {"alpha": 0.5, "batch_size": 8, "shuffle": False, "solver": SGD(0.5), "hidden_layer_sizes": (4,)}
    first = RNNRegressor(**SHORT | settings).set_callbacks(callback).fit(X, Y)
    other = {
        "alpha": np.float16(0.5),
        "batch_size": np.uint64(8),
        "shuffle": np.False_,
        "solver": SGD(np.float32(0.5), np.True_),
        "hidden_layer_sizes": np.array([4]),
    }
    again = RNNRegressor(**SHORT | other).set_callbacks(callback).fit(X, Y)
    assert_same_weights(first, again)
    wrong = RNNRegressor(**SHORT | other | {"alpha": 0.25}).set_callbacks(callback)
    with pytest.raises(ValueError, match="another fit: alpha differ"):
        wrong.fit(X, Y)
