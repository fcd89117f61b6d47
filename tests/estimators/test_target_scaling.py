"""How the target of a regression is standardised: robustly where the loss is, by weights as copies, or not at all."""

import numpy as np
import pytest
from faults import QUICK, assert_refused, cube
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import HuberRegressor
from sklearn.metrics import d2_pinball_score

from skrnn import RNNRegressor, SequenceTransformer
from skrnn.estimators.tasks._scaling import centre_and_scale
from skrnn.losses import AbsoluteError, BaseLoss, Huber, Poisson, Quantile, SquaredError

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ROBUST = ["huber", "absolute_error", "quantile"]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 6, 2))
CLEAN = 5 * X[:, :, 0].mean(axis=1) + 3 * X[:, -1, 1] + RNG.normal(size=400) + 10
SETTINGS = {"hidden_layer_sizes": 16, "cell": "elman", "max_iter": 30, "random_state": 0}


def error_of_the_others(y, **parameters):
    """Median absolute error where y was not changed."""
    error = np.abs(RNNRegressor(**SETTINGS | parameters).fit(X, y).predict(X) - CLEAN)
    return np.median(error[y == CLEAN])


# ------------------------------------------------------------------------------------------------------- outliers
@pytest.mark.parametrize("loss", ROBUST)
@pytest.mark.parametrize(
    "parameters",
    [{}, {"dtype": "float64"}, {"solver": "lbfgs"}, {"early_stopping": True, "max_iter": 20}],
    ids=lambda p: next(iter(p.values()), "default"),
)
def test_outliers_of_any_size_leave_the_error_of_the_others(loss, parameters):
    """At the level of scikit-learn's HuberRegressor on the flattened sequences, for an affine truth."""
    level = error_of_the_others(CLEAN, loss=loss, **parameters)
    flat = X.reshape(400, -1)
    expected = np.median(np.abs(HuberRegressor(max_iter=1000).fit(flat, CLEAN).predict(flat) - CLEAN))
    assert level < 1.2 * expected
    for size in (1e3, 1e5, 1e8):
        y = CLEAN.copy()
        y[7], y[300] = size, -size
        assert error_of_the_others(y, loss=loss, **parameters) < 1.2 * expected


@pytest.mark.parametrize("loss", ROBUST)
def test_an_outlier_is_as_good_as_any_other(loss):
    """Beyond the others its size changes nothing but the loss itself: the predictions are the same."""
    predictions = []
    for size in (1e4, 1e8, 1e30):
        y = CLEAN.copy()
        y[7] = size
        predictions.append(RNNRegressor(**SETTINGS | {"max_iter": 3}, loss=loss).fit(X, y).predict(X))
    assert_allclose(predictions[1:], [predictions[0]] * 2, rtol=1e-3)


def test_what_overflows_float32_is_refused():
    for loss in ("huber", "absolute_error"):
        y = CLEAN.copy()
        y[7] = 1e39 if loss == "huber" else 1e40
        model = RNNRegressor(**QUICK, loss=loss)
        assert_refused(model, lambda e, y=y: e.fit(X, y), "y is too large for float32")
        assert np.isfinite(model.set_params(dtype="float64").fit(X, y).predict(X)).all()
    model = RNNRegressor(**QUICK, standardize_target=False)
    assert_refused(
        model, lambda e: e.fit(cube(), np.arange(8) * 1e30), "y is too large for float32, its loss overflows"
    )


def test_a_target_without_weight_may_be_anything():
    y, weight = CLEAN[:20].copy(), np.ones(20)
    y[19], weight[19] = 1e300, 0
    alone = RNNRegressor(**QUICK).fit(X[:19], y[:19])
    assert_allclose(RNNRegressor(**QUICK).fit(X[:20], y, weight).predict(X), alone.predict(X), rtol=1e-5)
    steps = [np.array([0.0, 1e300, 1.0, 2.0])] * 8
    reg = RNNRegressor(**QUICK).fit(cube(), steps, [np.array([1.0, 0.0, 1.0, 1.0])] * 8)
    assert_allclose(reg.target_mean_, 1)
    assert np.isfinite(reg.loss_curve_).all()


@pytest.mark.parametrize("loss", [*ROBUST, "squared_error"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.97])
def test_targets_of_which_many_are_zero_are_scaled(loss, share):
    """By those that are not, where the quartiles are the same."""
    y = 1e6 * np.where(RNG.random(400) < share, 0, RNG.exponential(size=400))
    reg = RNNRegressor(**QUICK, loss=loss).fit(X, y)
    assert 1e5 < reg.target_scale_[0] < 1e7
    assert np.isfinite(reg.predict(X)).all()


# --------------------------------------------------------------------------------------------- centre and scale
def scaled(y, loss, weight=None):
    y = np.asarray(y, dtype=float).reshape(len(y), -1)
    return centre_and_scale(y, np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float), loss)


def test_centres_and_scales():
    normal = np.random.default_rng(1).normal(7, 3, size=(20_000, 1))
    assert_allclose(scaled(normal, SquaredError()), [normal.mean(axis=0), normal.std(axis=0)], rtol=1e-12)
    centre, scale = scaled(normal, Huber())
    assert centre == np.median(normal)
    assert_allclose(scale, np.subtract(*np.percentile(normal, [75, 25])) / 1.349, rtol=1e-3)
    assert_allclose(scale, 3, rtol=0.03)
    assert_array_equal(scaled(normal, Poisson()), [[0], [1]])
    assert_array_equal(scaled(np.full(9, 5.0), Quantile()), [[5], [1]])
    assert_array_equal(scaled(np.full(9, 5.0), SquaredError()), [[5], [1]])
    rare = np.repeat([4.0, 6.0, 1e9], [90, 9, 1])
    assert_array_equal(scaled(rare, AbsoluteError()), [[4], [2]])
    rounded = np.where(np.arange(99) % 2, 0.3, 0.1 + 0.2)
    assert_array_equal(scaled(np.append(rounded, 5.3), AbsoluteError())[1], [5])


@pytest.mark.parametrize("loss", [SquaredError(), Huber(), Quantile(0.9)])
def test_weights_are_copies_in_centre_and_scale(loss):
    y, weight = RNG.normal(size=(50, 2)) ** 3, RNG.integers(0, 4, size=50)
    assert_allclose(scaled(y, loss, weight), scaled(np.repeat(y, weight, axis=0), loss), rtol=1e-12)
    assert_allclose(scaled(y, loss, 0.1 * weight), scaled(y, loss, weight), rtol=1e-12)


@pytest.mark.parametrize("loss", ["squared_error", *ROBUST])
@pytest.mark.parametrize("size", [1e-310, 1e-300, 1e-170, 1e-50, 1e50, 1e150])
def test_units_do_not_matter(loss, size):
    """Down to the smallest numbers that there are: predictions in another unit are the same numbers."""
    expected = RNNRegressor(**QUICK, loss=loss).fit(X, CLEAN).predict(X)
    other = RNNRegressor(**QUICK, loss=loss).fit(X, CLEAN * size).predict(X) / size
    assert_allclose(other, expected, rtol=1e-4)


class Capped(BaseLoss):
    """The absolute error, which ends at 5."""

    scales_target = True
    resists_outliers = True

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        r = raw[: len(y), :K] - y
        d_raw[: len(y), :K] = np.where(np.abs(r) < 5, np.sign(r), 0) * weight[:, np.newaxis]
        return float((np.minimum(np.abs(r), 5) * weight[:, np.newaxis]).sum())

    def initial_raw(self, y, weight, K=None):
        return np.median(y, axis=0)


def test_a_loss_of_ones_own_says_whether_it_resists():
    y = CLEAN.copy()
    y[7] = 1e6
    assert error_of_the_others(y, loss=Capped()) < 1
    assert not BaseLoss.resists_outliers


# ----------------------------------------------------------------------------------------------- early stopping
def test_early_stopping_scores_by_the_loss_where_it_resists():
    """D^2 of the pinball loss: 1 less the ratio to the loss of the best constant."""
    reg = RNNRegressor(**SETTINGS | {"max_iter": 3}, loss="quantile", quantile=0.9)
    reg.fit(X[:300], CLEAN[:300], X_val=X[300:], y_val=CLEAN[300:])
    best = d2_pinball_score(CLEAN[300:], reg.predict(X[300:]), alpha=0.9)
    assert_allclose(reg.best_validation_score_, best, rtol=1e-4)
    reg.fit(X[:300], CLEAN[:300], X_val=X[300:], y_val=np.full(100, 3.0))
    assert reg.best_validation_score_ == 0


# ------------------------------------------------------------------------------------------------- the two switches
def test_standardize_is_of_inputs_and_standardize_target_of_the_target():
    for inputs in (True, False):
        for target in (True, False):
            reg = RNNRegressor(**QUICK, standardize=inputs, standardize_target=target).fit(3 * X + 1, CLEAN)
            assert (reg.input_scale_[0] == 1) is not inputs
            expected = [CLEAN.mean()], [CLEAN.std()]
            assert_allclose([reg.target_mean_, reg.target_scale_], expected if target else [[0], [1]], rtol=1e-12)
            first = RNNRegressor(**QUICK | {"max_iter": 1}, standardize_target=target, learning_rate_init=1e-9)
            assert_allclose(np.mean(first.fit(X, CLEAN).predict(X)), CLEAN.mean(), atol=3)


def test_the_raw_target_is_what_is_trained_on():
    """By the loss in its own units."""
    plain = RNNRegressor(**QUICK | {"max_iter": 1}, learning_rate_init=1e-12, alpha=0.0)
    scaled = plain.fit(X, CLEAN).loss_
    assert plain.set_params(standardize_target=False).fit(X, 10 * CLEAN).loss_ > 10 * scaled
    residual = 10 * CLEAN - plain.predict(X)
    assert_allclose(plain.loss_, 0.5 * np.mean(residual**2), rtol=1e-4)


@pytest.mark.parametrize("objective", ["supervised", "forecast", "reconstruct"])
def test_the_transformer_has_the_same_switches(objective):
    settings = QUICK | {"max_iter": 1, "learning_rate_init": 1e-12, "alpha": 0.0}
    transformer = SequenceTransformer(**settings, objective=objective, n_points=3)
    small = transformer.fit(X, CLEAN).loss_
    large = transformer.set_params(standardize_target=False).fit(100 * X, 100 * CLEAN).loss_
    assert large > 1e3 * small
    if objective == "reconstruct":
        assert_array_equal([transformer.reconstruction_mean_, transformer.reconstruction_scale_], [[0, 0], [1, 1]])


def test_as_transformer_keeps_the_switch():
    reg = RNNRegressor(**QUICK, standardize_target=False).fit(X, CLEAN)
    assert reg.as_transformer().standardize_target is False
