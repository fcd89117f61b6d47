"""Forecasters whose networks learn quantiles or distributions: what holds for all of them."""

import pickle

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, TimeSeriesSplit

import skrnn
from skrnn import RNNForecaster
from skrnn.losses import DISTRIBUTION_LOSSES

QUICK = {"hidden_layer_sizes": 4, "max_iter": 2, "random_state": 0, "horizon": 3}
HEADS = {
    "quantiles": {"quantiles": (0.1, 0.5, 0.9)},
    "outer": {"quantiles": [0.9, 0.95]},
    "median": {"quantiles": np.array([0.5])},
    "normal": {"distribution": "normal"},
    "student_t": {"distribution": "student_t"},
    "negative_binomial": {"distribution": "negative_binomial"},
}
STRATEGIES = "direct", "recursive"
LEVELS = (0.01, 0.05, 0.1, 0.3, 0.5, 0.75, 0.9, 0.97)
each_head = pytest.mark.parametrize("head", HEADS)
each_strategy = pytest.mark.parametrize("strategy", STRATEGIES)


def counts(n, seed=0, mean=3.0):
    rng = np.random.default_rng(seed)
    return rng.poisson(mean * (1 + 0.8 * np.sin(2 * np.pi * np.arange(n) / 6))).astype(float)


@pytest.fixture(scope="module")
def fitted():
    """A forecaster for each head and strategy, on the same two series."""
    found = {}
    for strategy in STRATEGIES:
        for head, parameters in HEADS.items():
            forecaster = RNNForecaster(strategy=strategy, **parameters, **QUICK)
            found[head, strategy] = forecaster.fit([counts(90), counts(100, 1)])
    return found


# ---------------------------------------------------------------------------------------------------------- properties
@each_strategy
@each_head
def test_quantiles_intervals_and_paths(fitted, head, strategy):
    forecaster = fitted[head, strategy]
    found = np.stack(list(forecaster.predict_quantiles(quantiles=LEVELS).values()))
    assert found.shape == (len(LEVELS), 2, 3)
    assert np.isfinite(found).all()
    assert (np.diff(found, axis=0) >= 0).all()
    lower, upper = forecaster.predict_interval(coverage=0.9)
    assert_allclose(lower, forecaster.predict_quantiles(quantiles=[0.05])[0.05], rtol=1e-9)
    assert (lower < upper).all()
    paths = forecaster.sample_paths(n_paths=400, random_state=0)
    assert paths.shape == (2, 400, 3)
    assert_array_equal(paths, forecaster.sample_paths(n_paths=400, random_state=0))
    assert_allclose(paths[:, :7], forecaster.sample_paths(n_paths=7, random_state=0), rtol=1e-9)
    assert 0.75 < np.mean((lower[:, np.newaxis] <= paths) & (paths <= upper[:, np.newaxis])) <= 1
    if head == "negative_binomial":
        for numbers in (found, lower, upper, paths):
            assert_array_equal(numbers, np.rint(numbers))
            assert (numbers >= 0).all()


@each_strategy
@each_head
def test_a_series_depends_on_no_other(fitted, head, strategy):
    forecaster, others = fitted[head, strategy], [counts(70, 2), counts(75, 3)]
    both = forecaster.predict_quantiles(y=others, quantiles=LEVELS)
    for i in range(2):
        alone = forecaster.predict_quantiles(y=[others[i]], quantiles=LEVELS)
        for level in LEVELS:
            assert_allclose(alone[level][0], both[level][i], rtol=1e-7, atol=1e-9)


@each_strategy
@each_head
def test_files_and_pickles(fitted, head, strategy, tmp_path):
    forecaster = fitted[head, strategy]
    skrnn.save(forecaster, tmp_path / "forecaster.skrnn")
    for other in (skrnn.load(tmp_path / "forecaster.skrnn"), pickle.loads(pickle.dumps(forecaster))):
        assert_array_equal(other.predict(), forecaster.predict())
        assert_array_equal(other.predict_interval()[0], forecaster.predict_interval()[0])
        for random_state in (0, 1):
            expected = forecaster.sample_paths(n_paths=5, random_state=random_state)
            assert_array_equal(other.sample_paths(n_paths=5, random_state=random_state), expected)
        assert vars(other).keys() == vars(forecaster).keys()
    assert clone(forecaster).get_params().keys() == forecaster.get_params().keys()


@each_head
def test_missing_values_covariates_and_times(head):
    index = pd.date_range("2026-01-05", periods=110, freq="h")
    y = pd.DataFrame({"a": counts(110), "b": counts(110, 1)}, index)
    y.iloc[[5, 6, 60, 99], 0] = np.nan
    X = pd.DataFrame({"price": np.arange(110.0) % 5, "wind": np.arange(110.0) % 3}, index)
    for strategy in STRATEGIES:
        forecaster = RNNForecaster(strategy=strategy, past_covariates=["wind"], **HEADS[head], **QUICK)
        forecaster.fit(y[:100], X[:100])
        lower, upper = forecaster.predict_interval(X[["price"]])
        assert lower.index.equals(index[100:103])
        assert (lower.to_numpy() < upper.to_numpy()).all()
        assert forecaster.sample_paths(X[["price"]], n_paths=4).shape == (2, 4, 3)
        updated = forecaster.update(y[100:102], X[100:102]).predict_interval(X[["price"]])[0]
        assert updated.index.equals(index[102:105])


@pytest.mark.parametrize("head", ["quantiles", "student_t", "negative_binomial"])
def test_random_weights_never_cross(fitted, head):
    forecaster = pickle.loads(pickle.dumps(fitted[head, "direct"]))
    rng = np.random.default_rng(0)
    for scale in (0.1, 3.0, 30.0):
        for weights in forecaster.network_.weights_.values():
            weights[:] = scale * rng.normal(size=weights.shape)
        found = np.stack(list(forecaster.predict_quantiles(quantiles=LEVELS).values()))
        assert np.isfinite(found).all()
        assert (np.diff(found, axis=0) >= 0).all()


def test_n_jobs_do_not_matter():
    for head in ("quantiles", "negative_binomial"):
        one, two = (RNNForecaster(n_jobs=n, **HEADS[head], **QUICK).fit([counts(90), counts(100, 1)]) for n in (1, 2))
        for level in (0.1, 0.9):
            assert_array_equal(*(f.predict_quantiles(quantiles=[level])[level] for f in (one, two)))


def test_search_and_backtest():
    y = pd.Series(counts(170), pd.date_range("2026-01-05", periods=170, freq="h"))
    grid = [{"quantiles": [None, (0.1, 0.5, 0.9)]}, {"distribution": ["normal", "negative_binomial"]}]
    search = GridSearchCV(RNNForecaster(**QUICK), grid, cv=TimeSeriesSplit(2), error_score="raise").fit(y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    frame = RNNForecaster(distribution="negative_binomial", **QUICK).backtest(y, n_windows=2)
    assert (frame.forecast > 0).all()


def test_networks_learn_by_the_loss_that_is_asked_for(fitted):
    for (head, _), forecaster in fitted.items():
        cls = DISTRIBUTION_LOSSES["quantiles" if "quantiles" in HEADS[head] else head]
        assert type(forecaster.network_.loss_function_) is cls
    assert fitted["outer", "direct"].network_.loss_function_.quantiles == (0.5, 0.9, 0.95)
    assert fitted["negative_binomial", "direct"].shares_ == (0.0, 1.0)


# -------------------------------------------------------------------------------------------------------------- refused
@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"quantiles": 0.5}, r"quantiles"),
        ({"quantiles": "0.1"}, r"quantiles"),
        ({"quantiles": ["0.1", "0.9"]}, r"quantiles must be rising numbers between 0 and 1.*'0.1'"),
        ({"quantiles": ()}, r"quantiles must be rising numbers"),
        (
            {"quantiles": (0, 0.5)},
            r"quantiles must be rising numbers between 0 and 1, both excluded.*: 0 is not",
        ),
        ({"quantiles": (0.5, 1)}, r": 1 is not between"),
        ({"quantiles": (10, 90)}, r": 10 is not between"),
        ({"quantiles": (0.9, 0.1)}, r": 0.1 follows 0.9"),
        ({"quantiles": (0.1, 0.1)}, r": 0.1 follows 0.1"),
        ({"distribution": "gamma"}, r"'distribution' parameter.*'normal'"),
        ({"quantiles": (0.1,), "distribution": "normal"}, r"quantiles=\(0.1,\) and distribution='normal' both say"),
        ({"quantiles": (0.1,), "loss": "huber"}, r"loss='huber' and quantiles=\(0.1,\) both say"),
        ({"distribution": "normal", "loss": "squared_error"}, r"loss='squared_error' and distribution='normal' both"),
    ],
)
def test_parameters_that_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        RNNForecaster(**parameters, **QUICK).fit(counts(80))


def test_counts_that_are_none():
    y = pd.DataFrame({"a": counts(80), "b": counts(80, 1)})
    for value in (-1.0, 2.5):
        y.loc[33, "b"] = value
        with pytest.raises(ValueError, match=rf"series 'b' is {value:g} at step 33: distribution='negative_binomial'"):
            RNNForecaster(distribution="negative_binomial", **QUICK).fit(y)
    forecaster = RNNForecaster(distribution="negative_binomial", **QUICK).fit(counts(80))
    for call in (lambda y: forecaster.predict(y=y), forecaster.update, forecaster.score):
        with pytest.raises(ValueError, match=r"series 0 is 0.5 at step 50"):
            call(np.where(np.arange(80) == 50, 0.5, counts(80)))


@pytest.mark.parametrize("change", [None, np.zeros((0, 1)), "none"])
def test_damaged_files_are_refused(fitted, change):
    state = fitted["normal", "recursive"].__getstate__()
    with pytest.raises(ValueError, match=r"forecaster|convert"):
        RNNForecaster(3).__setstate__(state | {"_steps": change})


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("n_steps", [60, 75, 100])
@pytest.mark.parametrize("head", [{"distribution": "student_t"}, {"distribution": "negative_binomial"}], ids=str)
def test_bounds_of_heavy_tails_from_few_windows_stay_near(head, n_steps, strategy):
    """Intervals are widened where few windows tell of errors: values are, not scores, which have no bounds."""
    y = np.random.default_rng(0).poisson(3, n_steps)
    forecaster = RNNForecaster(12, strategy=strategy, hidden_layer_sizes=4, max_iter=2, random_state=0, **head).fit(y)
    for coverage in (0.9, 0.99):
        lower, upper = forecaster.predict_interval(coverage=coverage)
        assert (np.abs(np.concatenate([lower, upper])) < 1000).all()
        assert (lower <= upper).all()
        if "negative" in head["distribution"]:
            assert (lower >= 0).all()
