"""SequenceTransformer: what it computes, what each objective learns, and how it lives in scikit-learn."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import Conv, RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.cells import Jordan

OBJECTIVES = ("forecast", "reconstruct", "supervised", "reservoir")
POOLINGS = ("last", "mean", "max")
QUICK = {"max_iter": 3, "random_state": 0}
pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")


def random_sequences(n=40, n_channels=2, seed=0, longest=9):
    rng = np.random.default_rng(seed)
    X = [rng.normal(size=(k, n_channels)) for k in rng.integers(2, longest, size=n)]
    return X, np.array([x[0, 0] > 0 for x in X]).astype(int)


def waves(n=60, seed=0):
    """Two channels that go on as they went before: a sine of any speed and phase, and its derivative."""
    rng = np.random.default_rng(seed)
    X = []
    for length in rng.integers(15, 30, size=n):
        at = rng.uniform(0, 6) + rng.uniform(0.2, 0.4) * np.arange(length)
        X.append(np.column_stack([100 + 5 * np.sin(at), np.cos(at)]))
    return X


# ------------------------------------------------------------------------------------------------ what it computes
def pooled_by_hand(states, poolings, H, backward=0):
    """Features of one sequence from its hidden states (n_steps, H), the last `backward` columns of which run back."""
    last = np.concatenate([states[-1, : H - backward], states[0, H - backward :]])
    ways = {"last": last, "mean": states.mean(axis=0), "max": states.max(axis=0)}
    return np.concatenate([ways[name] for name in poolings])


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"cell": "gru", "hidden_layer_sizes": (5, 7), "layer_norm": True},
        {"cell": "elman", "bidirectional": True},
        {"cell": "mgu", "convolution": Conv(4, width=3, stride=2), "pooling": ["max", "last"]},
        {"cell": "indrnn", "hidden_layer_sizes": (6, 6), "residual": True, "pooling": "mean"},
        {"cell": "jordan", "dropout": 0.2, "hidden_layer_sizes": (6, 3)},
    ],
    ids=lambda p: "-".join(map(str, p)) or "defaults",
)
def test_features_are_pooled_hidden_states(parameters, objective):
    reads_ahead = parameters.get("bidirectional") or parameters.get("convolution")
    objective = "reconstruct" if objective == "forecast" and reads_ahead else objective
    X, y = random_sequences()
    parameters = {"hidden_layer_sizes": 6, "dtype": "float64", "n_points": 4, **QUICK, **parameters}
    transformer = SequenceTransformer(objective=objective, **parameters).fit(X, y)
    features, states = transformer.transform(X), transformer.hidden_states(X)
    H = states[0].shape[1]
    poolings = np.atleast_1d(transformer.pooling)
    backward = H // 2 if transformer.bidirectional else 0
    np.testing.assert_allclose(features, [pooled_by_hand(s, poolings, H, backward) for s in states], rtol=1e-12)
    assert features.dtype == np.float64
    names = [f"sequencetransformer_{pooling}{unit}" for pooling in poolings for unit in range(H)]
    assert transformer.get_feature_names_out().tolist() == names


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=50), st.booleans(), st.integers(0, 100))
def test_a_row_does_not_depend_on_the_others(lengths, bidirectional, seed):
    rng = np.random.default_rng(seed)
    X = SequenceArray(rng.normal(size=(sum(lengths), 2)), np.cumsum([0, *lengths]))
    transformer = SequenceTransformer(7, objective="reservoir", bidirectional=bidirectional, random_state=seed).fit(X)
    features = transformer.transform(X)
    chosen = rng.permutation(len(X))[: 1 + len(X) // 3]
    np.testing.assert_array_equal(transformer.transform(X[chosen]), features[chosen])


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_threads_change_no_bit(objective):
    X, y = random_sequences(150, 4, longest=40)
    first, second = (
        SequenceTransformer(64, objective=objective, n_jobs=n, **QUICK).fit(X, y).transform(X) for n in (1, 2)
    )
    np.testing.assert_array_equal(first, second)


def test_the_poolings_of_a_fitted_transformer_may_be_changed():
    X, _ = random_sequences()
    transformer = SequenceTransformer(5, objective="reservoir", random_state=0).fit(X)
    all_of_them = transformer.transform(X)
    np.testing.assert_array_equal(transformer.set_params(pooling="mean").transform(X), all_of_them[:, 5:10])
    assert transformer.get_feature_names_out()[0] == "sequencetransformer_mean0"


# ---------------------------------------------------------------------------------------------------- objectives
def test_forecast_predicts_the_next_step():
    """The readout of the trained network, applied by hand, explains the next step of sequences it has not seen."""
    transformer = SequenceTransformer(32, "gru", max_iter=60, random_state=0, learning_rate_init=0.01).fit(waves())
    W, b = transformer.weights_["readout.W"], transformer.weights_["readout.b"]
    X = waves(20, seed=1)
    mean, scale = transformer.input_mean_, transformer.input_scale_
    predicted = np.concatenate([h[5:-1] @ W + b for h in transformer.hidden_states(X)]) * scale + mean
    assert r2_score(np.concatenate([x[6:] for x in X]), predicted) > 0.95


def test_forecast_of_tokens_predicts_the_next_token():
    X = [[*"abcabcab"], [*"bcabca"], [*"cabcabc"]] * 10
    transformer = SequenceTransformer(16, max_iter=60, learning_rate_init=0.03, random_state=0).fit(X)
    assert transformer.per_step_
    assert transformer.n_outputs_ == 4  # three, and the unknown one
    assert transformer.loss_ < 0.1  # log 3 where nothing is known
    assert transformer.transform(X).shape == (30, 48)


def test_forecast_of_a_categorical_channel_predicts_the_next_category():
    X = np.tile([[0], [1], [2], [3]], (20, 3, 1)).astype(float)
    parameters = {"categorical_features": [0], "max_iter": 60, "learning_rate_init": 0.03, "random_state": 0}
    transformer = SequenceTransformer(16, **parameters).fit(X)
    assert transformer.n_outputs_ == 5  # four, and the unknown one
    assert transformer.loss_ < 0.1


def test_forecast_predicts_numbers_where_there_are_both():
    X = np.dstack(
        [np.random.default_rng(0).integers(0, 3, size=(20, 6)), np.random.default_rng(1).normal(size=(20, 6))]
    )
    assert SequenceTransformer(4, categorical_features=[0], **QUICK).fit(X).n_outputs_ == 1


def test_forecast_does_not_look_at_sequences_of_one_step():
    X, _ = random_sequences(30)
    one = [np.full((1, 2), 1.0)]
    in_one_batch = {"batch_size": 100, "shuffle": False, "dtype": "float64", "alpha": 0.0}
    transformer = SequenceTransformer(4, standardize=False, **in_one_batch, **QUICK)
    with_it = clone(transformer).fit(X + one).transform(X)
    np.testing.assert_allclose(with_it, transformer.fit(X).transform(X), rtol=1e-6, atol=1e-9)
    with pytest.raises(ValueError, match="two steps or more"):
        transformer.fit(one * 5)


@pytest.mark.parametrize("missing", ["mask", "decay"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_missing_values(objective, missing):
    X, y = random_sequences(60, 3, longest=20)
    for x in X:
        x[np.random.default_rng(len(x)).random(x.shape) < 0.5] = np.nan
    X[0][:] = np.nan
    features = SequenceTransformer(6, objective=objective, missing=missing, **QUICK).fit(X, y).transform(X)
    assert np.isfinite(features).all()


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_time_stamps(objective):
    X, y = random_sequences(60)
    rng = np.random.default_rng(1)
    X = [np.column_stack([np.cumsum(rng.uniform(1, 5, size=len(x))), x]) for x in X]  # time in channel 0
    parameters = {"objective": objective, "time_channel": 0, "n_points": 3, "max_iter": 100, "random_state": 0}
    transformer = SequenceTransformer(16, learning_rate_init=0.02, **parameters).fit(X, y)
    assert transformer.transform(X).shape == (60, 48)
    if objective == "forecast":
        assert transformer.n_outputs_ == 3
    if objective == "reconstruct":
        ends = [x[-1, 0] for x in transformer.inverse_transform(transformer.transform(X))]
        assert np.corrcoef(ends, [x[-1, 0] for x in X])[0, 1] > 0.8


def test_missing_values_are_not_predicted():
    """A channel that is missing at all steps but the first adds nothing to the loss, whatever it holds there."""
    X = np.random.default_rng(0).normal(size=(30, 6, 2))
    X[:, 1:, 1] = np.nan
    parameters = {"missing": "mask", "alpha": 0.0, "max_iter": 1, "learning_rate_init": 1e-12, "standardize": False}
    transformer = SequenceTransformer(4, random_state=0, **parameters).fit(X)
    states = np.concatenate([h[:-1] for h in transformer.hidden_states(X)])
    raw = states @ transformer.weights_["readout.W"] + transformer.weights_["readout.b"]
    target = X[:, 1:, 0].ravel()
    target = (target - target.mean()) / target.std()
    assert transformer.loss_ == pytest.approx(0.5 * np.mean((raw[:, 0] - target) ** 2), rel=1e-3)


@pytest.mark.parametrize(
    ("parameters", "bound"),
    # All that a Jordan network remembers is what it would put out.
    [({}, 0.9), ({"bidirectional": True, "pooling": "last"}, 0.9), ({"cell": Jordan()}, 0.4)],
    ids=str,
)
def test_reconstruct_gives_the_sequence_back(parameters, bound):
    X = waves(120)
    parameters = {"n_points": 6, "max_iter": 200, "learning_rate_init": 0.02, "random_state": 0} | parameters
    transformer = SequenceTransformer(32, objective="reconstruct", **parameters)
    found = transformer.inverse_transform(transformer.fit_transform(X))
    assert isinstance(found, SequenceArray)
    assert found.lengths.tolist() == [6] * 120
    expected = [[np.interp(np.linspace(0, len(x) - 1, 6), np.arange(len(x)), c) for c in x.T] for x in X]
    expected = np.swapaxes(expected, 1, 2).reshape(-1, 2)
    assert r2_score(expected, found.values) > bound


def test_inverse_transform_is_there_only_where_it_has_a_meaning():
    X, _ = random_sequences()
    for parameters in ({}, {"objective": "reservoir"}, {"objective": "reconstruct", "pooling": ("mean", "max")}):
        transformer = SequenceTransformer(4, **parameters, **QUICK).fit(X)
        assert not hasattr(transformer, "inverse_transform")
        with pytest.raises(AttributeError, match="inverse_transform") as info:
            transformer.inverse_transform(transformer.transform(X))
        assert "reconstruct" in str(info.value.__cause__)
    transformer = SequenceTransformer(4, objective="reconstruct", **QUICK)
    with pytest.raises(NotFittedError):
        transformer.inverse_transform(np.zeros((2, 12)))
    with pytest.raises(ValueError, match="X has 5 features, but transform gives 12"):
        transformer.fit(X).inverse_transform(np.zeros((2, 5)))


def test_inverse_transform_leaves_out_categories():
    X = np.dstack([np.random.default_rng(0).normal(size=(20, 6)), np.tile([0.0, 1, 2], (20, 2))])
    transformer = SequenceTransformer(4, objective="reconstruct", categorical_features=[1], **QUICK)
    assert transformer.inverse_transform(transformer.fit_transform(X)).n_channels == 1


@pytest.mark.parametrize(
    ("estimator", "target"),
    [
        (RNNClassifier, lambda x: "high" if x.mean() > 0 else "low"),
        (RNNClassifier, lambda x: (x > 0.5).any(axis=0).astype(int)),
        (RNNRegressor, lambda x: x.sum() + 0.5),
        (RNNRegressor, lambda x: x.mean(axis=0) + 0.25),
        (RNNClassifier, lambda x: ["up" if v > 0 else "down" for v in x[:, 0]]),
        (RNNRegressor, lambda x: x[:, 0] * 2.5),
    ],
    ids=["classes", "labels", "a number", "numbers", "class per step", "number per step"],
)
def test_supervised_trains_as_classifier_or_regressor(estimator, target):
    X, _ = random_sequences()
    y = [target(x) for x in X]
    y = y if np.ndim(y[0]) == 1 and len({np.shape(v) for v in y}) > 1 else np.array(y)
    supervised = SequenceTransformer(5, objective="supervised", alpha=0.01, **QUICK).fit(X, y)
    # what differs by default
    common = {"bidirectional": False, "pooling": "last", "dropout": 0.0}
    direct = estimator(5, alpha=0.01, **common, **QUICK).fit(X, y)
    assert supervised.loss_curve_ == direct.loss_curve_
    for name, weights in direct.weights_.items():
        np.testing.assert_array_equal(supervised.weights_[name], weights)


def test_equal_weights_of_steps_are_as_none():
    """In the means and scales of the channels, too, where sequences of several lengths count by their steps."""
    X, _ = random_sequences()
    y = [(x[:, 0] > 0).astype(int) for x in X]
    supervised = SequenceTransformer(5, objective="supervised", **QUICK)
    ones = clone(supervised).fit(X, y, sample_weight=[np.ones(len(x)) for x in X])
    np.testing.assert_array_equal(ones.input_mean_, supervised.fit(X, y).input_mean_)


def test_supervised_trains_on_the_first_pooling():
    X, y = random_sequences()
    transformer = SequenceTransformer(5, objective="supervised", pooling=("max", "last"), **QUICK).fit(X, y)
    assert transformer.structure_.pooling == "max"


@pytest.mark.parametrize("cell", ["elman", "lstm", "indrnn"])
def test_a_reservoir_has_the_spectral_radius(cell):
    X, _ = random_sequences()
    transformer = SequenceTransformer(9, cell, objective="reservoir", spectral_radius=0.6, random_state=0).fit(X)
    recurrent = transformer.weights_.get(
        "layers.0.forward.W_h", np.diag(transformer.weights_.get("layers.0.forward.w_h", [0]))
    )
    for k in range(0, recurrent.shape[1], 9):
        assert abs(np.linalg.eigvals(recurrent[:, k : k + 9])).max() == pytest.approx(0.6, rel=1e-4)
    assert "readout.W" not in transformer.weights_
    assert transformer.loss_curve_ == []


def test_a_reservoir_is_drawn_from_the_random_state():
    X, _ = random_sequences()
    one, same, other = (
        SequenceTransformer(5, objective="reservoir", random_state=seed).fit_transform(X) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("objective", ["forecast", "reconstruct"])
def test_early_stopping_scores_what_is_held_out(objective):
    transformer = SequenceTransformer(16, objective=objective, early_stopping=True, max_iter=20, random_state=0)
    transformer.fit(waves())
    assert transformer.best_validation_score_ > 0.3
    assert transformer.best_validation_score_ <= 1


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_weight_zero_is_as_if_not_there(objective):
    X, y = random_sequences(30)
    parameters = {"dtype": "float64", "batch_size": 30, "shuffle": False, "alpha": 0.0, **QUICK}
    weights = np.arange(30) % 3
    transformer = SequenceTransformer(4, objective=objective, **parameters)
    heavy = clone(transformer).fit(X, y, sample_weight=weights).transform(X)
    without = [i for i in range(30) if weights[i]]
    scaled = transformer.fit([X[i] for i in without], y[without], sample_weight=weights[without]).transform(X)
    np.testing.assert_allclose(heavy, scaled, rtol=1e-6, atol=1e-9)


# ------------------------------------------------------------------------------------------------- in scikit-learn
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_pickle_and_clone(objective):
    X, y = random_sequences()
    transformer = SequenceTransformer(5, objective=objective, **QUICK).fit(X, y)
    features = transformer.transform(X)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(transformer)).transform(X), features)
    np.testing.assert_array_equal(clone(transformer).fit(X, y).transform(X), features)


@pytest.mark.parametrize("container", ["list", "SequenceArray", "3-D", "table", "frame", "tokens"])
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_every_kind_of_x(objective, container):
    sequences, y = random_sequences()
    frame = pd.DataFrame({"a": [x[:, 0] for x in sequences], "b": [x[:, 1] for x in sequences]})
    X = {
        "list": sequences,
        "SequenceArray": SequenceArray.from_list(sequences),
        "3-D": np.array([x[:2] for x in sequences]),
        "table": np.array([x[:2, 0] for x in sequences]),
        "frame": frame,
        "tokens": [["up" if v > 0 else "down" for v in x[:, 0]] for x in sequences],
    }[container]
    transformer = SequenceTransformer(5, objective=objective, **QUICK)
    if container == "tokens" and objective == "reconstruct":
        with pytest.raises(ValueError, match="tokens or categories only"):
            transformer.fit(X, y)
        return
    assert transformer.fit_transform(X, y).shape == (40, 15)


@pytest.mark.parametrize("output", ["pandas", "polars"])
@pytest.mark.parametrize("selects", ["frame", "SequenceArray"])
def test_in_a_column_transformer(output, selects):
    pytest.importorskip(output)
    sequences, _ = random_sequences()
    X, columns = SequenceArray.from_list(sequences), [0]
    if selects == "frame":
        X = pd.DataFrame({"x": [x[:, 0] for x in sequences], "age": np.arange(40.0)})
        columns = ["x"]
    steps = [("rnn", SequenceTransformer(3, objective="reservoir", pooling=("last", "max")), columns)]
    if selects == "frame":
        steps.append(("scale", StandardScaler(), ["age"]))
    table = ColumnTransformer(steps).set_output(transform=output).fit_transform(X)
    assert type(table).__module__.startswith(output)
    expected = [f"rnn__sequencetransformer_{pooling}{unit}" for pooling in ("last", "max") for unit in range(3)]
    assert list(table.columns)[:6] == expected
    assert table.shape == (40, 6 + (selects == "frame"))


def test_in_a_feature_union():
    X, _ = random_sequences()
    parts = [
        (name, SequenceTransformer(3, objective=name, pooling="mean", **QUICK)) for name in ("forecast", "reservoir")
    ]
    union = FeatureUnion(parts)
    assert union.fit_transform(X).shape == (40, 6)
    assert union.get_feature_names_out()[3] == "reservoir__sequencetransformer_mean0"


def test_grid_search_over_objectives():
    X, y = random_sequences(60)
    pipeline = make_pipeline(SequenceTransformer(8, **QUICK), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipeline, {"sequencetransformer__objective": OBJECTIVES}, cv=3, error_score="raise")
    search.fit(SequenceArray.from_list(X), y)
    assert search.best_params_["sequencetransformer__objective"] in OBJECTIVES
    assert search.best_score_ > 0.5


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize("estimator", [RNNClassifier, RNNRegressor])
def test_a_fitted_estimator_as_transformer(estimator, per_step):
    X, y = random_sequences()
    ragged = [(x[:, 0] > 0).astype(int) for x in X]
    fitted = estimator(5, "gru", alpha=0.5, **QUICK).fit(X, ragged if per_step else y)
    transformer = fitted.as_transformer(pooling=POOLINGS)
    expected = [pooled_by_hand(states, POOLINGS, 5) for states in fitted.hidden_states(X)]
    np.testing.assert_allclose(transformer.transform(X), expected, rtol=1e-5)
    assert transformer.weights_ is fitted.weights_
    assert transformer.get_params()["cell"] == "gru"
    assert transformer.alpha == 0.5
    assert transformer.objective == "supervised"
    again = clone(transformer).fit(X, ragged if per_step else y)
    assert again.weights_.keys() == fitted.weights_.keys()


@pytest.mark.parametrize(("trained", "features"), [("last", "last"), ("max", "max"), ("attention", "last")])
def test_as_transformer_pools_as_trained(trained, features):
    X, y = random_sequences()
    assert RNNClassifier(4, pooling=trained, **QUICK).fit(X, y).as_transformer().pooling == features


def test_as_transformer_needs_a_fit_and_known_poolings():
    with pytest.raises(NotFittedError):
        RNNClassifier().as_transformer()
    X, y = random_sequences()
    with pytest.raises(ValueError, match="pooling"):
        RNNClassifier(4, **QUICK).fit(X, y).as_transformer("attention")


def test_frozen_weights_stay_what_they_are_in_a_pipeline():
    X, y = random_sequences(80)
    clf = RNNClassifier(8, learning_rate_init=0.02, random_state=0).fit(X, y)
    expected = clf.hidden_states(X)[0].max(axis=0)
    pipeline = make_pipeline(FrozenEstimator(clf.as_transformer()), LogisticRegression())
    assert clone(pipeline).fit(X, y).score(X, y) >= 0.95
    np.testing.assert_array_equal(pipeline[0].transform(X)[0], expected)
    assert pipeline[0].get_feature_names_out()[7] == "sequencetransformer_max7"


@pytest.mark.filterwarnings("default:Maximum number of iterations")
@pytest.mark.parametrize("estimator", [SequenceTransformer, RNNClassifier])
def test_warnings_point_at_the_line_that_fits(estimator):
    X, y = random_sequences()
    with pytest.warns(ConvergenceWarning) as record:
        estimator(4, learning_rate="constant", tol=1e-3, **QUICK).fit(X, y)
    assert record[0].filename == __file__


# ------------------------------------------------------------------------------------------------------- bad input
@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"objective": "predict"}, "objective"),
        ({"pooling": "attention"}, "pooling"),
        ({"pooling": ()}, "pooling must be one or several"),
        ({"pooling": ("last", "last")}, "pooling must be one or several, each once"),
        ({"pooling": ("last", "attention")}, "pooling must be one or several"),
        ({"pooling": [0]}, "pooling must be one or several"),
        ({"n_points": 1}, "n_points"),
        ({"spectral_radius": 0.0}, "spectral_radius"),
        ({"input_scale": -1.0}, "input_scale"),
        ({"bidirectional": True}, "both directions reads"),
        ({"convolution": Conv(width=2)}, "together with the present one"),
        ({"objective": "supervised"}, "requires y to be passed, but the target y is None"),
        ({"objective": "reservoir", "recurrent_init": "zeros"}, "spectral radius 0"),
    ],
    ids=str,
)
def test_bad_parameters(parameters, match):
    X, _ = random_sequences()
    transformer = SequenceTransformer(**{**QUICK, "hidden_layer_sizes": 4, **parameters})
    with pytest.raises(ValueError, match=match):
        transformer.fit(X)
    assert not [name for name in vars(transformer) if name.endswith("_")]


def test_a_convolution_that_reads_one_step_may_forecast():
    X, _ = random_sequences()
    assert SequenceTransformer(4, convolution=Conv(3, width=1), **QUICK).fit_transform(X).shape == (40, 12)


def test_several_tokens_in_each_step_have_no_next_token():
    with pytest.raises(ValueError, match="each step of X has 2"):
        SequenceTransformer(4, **QUICK).fit([[["a", "b"], ["c", "d"]]] * 5)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_bad_data(objective):
    X, y = random_sequences()
    transformer = SequenceTransformer(4, objective=objective, **QUICK).fit(X, y)
    features = transformer.transform(X)
    broken = [x.copy() for x in X]
    broken[3][1, 0] = np.nan
    for method in (lambda: transformer.fit(broken, y), lambda: transformer.transform(broken)):
        with pytest.raises(ValueError, match="sequence 3"):
            method()
    with pytest.raises(ValueError, match="3 channels"):
        transformer.transform(np.zeros((2, 5, 3)))
    with pytest.raises(ValueError, match="no channel 7"):
        clone(transformer).set_params(categorical_features=[7]).fit(X, y)
    np.testing.assert_array_equal(transformer.transform(X), features)


def test_what_can_be_inverted_is_what_was_fitted():
    X, _ = random_sequences()
    transformer = SequenceTransformer(4, **QUICK, objective="reconstruct", n_points=6)
    features = transformer.fit_transform(X)
    transformer.set_params(n_points=5, objective="reservoir")
    assert transformer.inverse_transform(features).lengths.tolist() == [6] * len(X)
    transformer.fit(X)
    assert not hasattr(transformer, "inverse_transform")
    assert not hasattr(transformer.set_params(objective="reconstruct"), "inverse_transform")
