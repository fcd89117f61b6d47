"""What is learned of X and y is learned of what is trained on; weights; sequences to hold out that are passed."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from faults import assert_refused
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import clone
from sklearn.feature_selection import SequentialFeatureSelector
from sklearn.model_selection import GridSearchCV, GroupKFold, TimeSeriesSplit
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import RNNClassifier, RNNRegressor, SequenceArray, SequenceTransformer
from skrnn.preprocessing import PerStep

RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(2, 9, 40)
X = [RNG.normal(size=(T, 2)) for T in LENGTHS]
Y = np.array([x[:, 0].sum() for x in X])
STEPS = [np.cumsum(x[:, 0]) for x in X]
SHORT = {"hidden_layer_sizes": 4, "cell": "elman", "max_iter": 3, "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}
ONE_BATCH = {**SHORT, "dtype": "float64", "batch_size": 1000}
OUTLIER = np.full((50, 2), 1e3)
CHECKED = {"hidden_layer_sizes": 8, "max_iter": 30, "learning_rate_init": 0.05, "random_state": 0, "dtype": "float64"}
CHECKED |= {"batch_size": 32, "dropout": 0.0, "tol": 1e-3}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def assert_same_weights(one, other, **tolerance):
    for name, array in one.weights_.items():
        assert_allclose(array, other.weights_[name], err_msg=name, **tolerance)


# ------------------------------------------------------------------------------------------------------ weights
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_sequence_of_weight_zero_is_not_there(alpha):
    """Also not in the strength of the penalty, which is relative to the loss of a sequence."""
    weight = [np.ones(T) for T in LENGTHS]
    alone = RNNRegressor(**ONE_BATCH, alpha=alpha).fit(X, STEPS, sample_weight=weight)
    more = [*X, OUTLIER], [*STEPS, np.full(50, 1e6)]
    for extra in ([*weight, np.zeros(50)], np.append(np.ones(40), 0.0)):
        assert_same_weights(RNNRegressor(**ONE_BATCH, alpha=alpha).fit(*more, sample_weight=extra), alone, rtol=1e-8)


def test_a_weight_is_a_number_of_copies():
    weight = np.arange(40) % 3
    copies = np.repeat(np.arange(40), weight)
    copied = RNNRegressor(**ONE_BATCH, alpha=1.0).fit([X[i] for i in copies], [STEPS[i] for i in copies])
    weighted = RNNRegressor(**ONE_BATCH, alpha=1.0).fit(X, STEPS, sample_weight=weight)
    assert_allclose(weighted.loss_curve_, copied.loss_curve_, rtol=1e-8)
    assert_same_weights(weighted, copied, rtol=1e-6, atol=1e-9)


def test_the_penalty_of_steps_is_that_of_their_sequence():
    """n steps that all have the target of their sequence weigh n times as much against the penalty."""
    start = RNNRegressor(**ONE_BATCH | {"max_iter": 1}, alpha=1.0, learning_rate_init=1e-12).fit(X, STEPS)
    free = RNNRegressor(**ONE_BATCH | {"max_iter": 1}, alpha=0.0, learning_rate_init=1e-12).fit(X, STEPS)
    squares = sum((w**2).sum() for name, w in start.weights_.items() if ".W" in name)
    assert_allclose(start.loss_ - free.loss_, 0.5 * squares / LENGTHS.mean(), rtol=1e-6)


@pytest.mark.parametrize("weight", [np.ones((40, 3)), np.ones((40, 3)).tolist(), [np.ones(3)] * 40])
def test_weights_of_steps_in_any_container(weight):
    cube, steps = RNG.normal(size=(40, 3, 1)), RNG.normal(size=(40, 3, 1))
    reg = RNNRegressor(**SHORT).fit(cube, steps, sample_weight=weight)
    assert np.isfinite(reg.score(cube, steps, sample_weight=weight))


@pytest.mark.parametrize("estimator", [RNNRegressor(**SHORT), SequenceTransformer(**SHORT)])
def test_weights_of_steps_without_targets_of_steps_are_refused(estimator):
    ragged = [np.ones(T) for T in LENGTHS]
    with pytest.raises(ValueError, match="sample_weight has a weight for each step, but there is one target"):
        estimator.fit(X, Y, sample_weight=ragged)


@pytest.mark.parametrize("estimator", [RNNRegressor(**SHORT), RNNClassifier(**SHORT)])
def test_scores_refuse_steps_where_sequences_have_targets(estimator):
    y = (Y > 0).astype(int)
    estimator.fit(X, y)
    with pytest.raises(ValueError, match="y has a target for each step, but fit saw one target for each sequence"):
        estimator.score(X, STEPS)
    with pytest.raises(ValueError, match="sample_weight has a row for each step"):
        estimator.score(X, y, sample_weight=STEPS)


def test_a_negative_weight_is_located():
    weight = [np.ones(T) for T in LENGTHS]
    weight[5][1] = -2
    with pytest.raises(ValueError, match=r"sequence 5, step 1 has -2\.0"):
        RNNRegressor(**SHORT).fit(X, STEPS, sample_weight=weight)


# ----------------------------------------------------------------------------------------- what is held out is unseen
def held_out_of(estimator, y):
    """Sequences that early stopping holds out, found by which one changes the means of the inputs."""
    reference = estimator.fit(X, y).input_mean_
    moved = []
    for i in range(len(X)):
        changed = [*X[:i], X[i] + 1, *X[i + 1 :]]
        moved.append((estimator.fit(changed, y).input_mean_ != reference).any())
    return np.flatnonzero(~np.array(moved))


def test_targets_that_are_held_out_do_not_enter_means():
    reg = RNNRegressor(**SHORT | {"max_iter": 1}, early_stopping=True)
    held_out = held_out_of(reg, Y)
    assert len(held_out) == 4
    spoiled = Y.copy()
    spoiled[held_out] *= 1e6
    assert_array_equal(reg.fit(X, spoiled).target_scale_, reg.fit(X, Y).target_scale_)
    reg = RNNRegressor(**SHORT | {"max_iter": 1}, early_stopping=True)
    steps = [y * 1e6 if i in held_out else y for i, y in enumerate(STEPS)]
    assert_array_equal(reg.fit(X, steps).target_mean_, reg.fit(X, STEPS).target_mean_)


def test_own_numbers_that_are_held_out_do_not_enter_means():
    for objective in ("forecast", "reconstruct"):
        transformer = SequenceTransformer(**SHORT | {"max_iter": 1}, objective=objective, early_stopping=True)
        expected = transformer.fit(X).weights_
        held_out = held_out_of(transformer, None)
        spoiled = [x * 1e3 if i in held_out else x for i, x in enumerate(X)]
        for name, array in transformer.fit(spoiled).weights_.items():
            assert_array_equal(array, expected[name])


def test_forecast_knows_the_tokens_of_the_training_part():
    tokens = [list("aaabbb")] * 10 + [["z"] * 50]
    weight = np.append(np.ones(10), 0)
    one = SequenceTransformer(**ONE_BATCH).fit(tokens, sample_weight=weight)
    other = SequenceTransformer(**ONE_BATCH).fit(tokens[:10])
    assert one.n_outputs_ == other.n_outputs_
    assert_same_weights(one, other, rtol=1e-8)


def test_forecast_without_a_known_value_to_score():
    gaps = [np.full((3, 1), np.nan) if i < 37 else RNG.normal(size=(3, 1)) for i in range(40)]
    with pytest.raises(ValueError, match="no known target"):
        SequenceTransformer(**SHORT, missing="mask", early_stopping=True).fit(gaps)


# ------------------------------------------------------------------------------------------------------------ X_val
def test_sequences_to_hold_out_can_be_passed():
    """They are scored, and nothing is learned of them."""
    how = {**SHORT, "early_stopping": True, "max_iter": 5}
    reg = RNNRegressor(**how).fit(X[:30], Y[:30], X_val=X[30:], y_val=Y[30:])
    best = RNNRegressor(**how | {"early_stopping": False, "max_iter": 1 + int(np.argmax(reg.validation_scores_))})
    best.fit(X[:30], Y[:30])
    assert_same_weights(reg, best, rtol=1e-5)
    assert_allclose(reg.best_validation_score_, reg.score(X[30:], Y[30:]), rtol=1e-4)
    assert_array_equal(reg.input_mean_, best.input_mean_)
    assert_array_equal(reg.target_mean_, best.target_mean_)


def test_steps_and_tokens_to_hold_out():
    words = [[f"w{k}" for k in RNG.integers(0, 4, T)] for T in LENGTHS]
    labels = [[int(word[1:]) % 2 for word in row] for row in words]
    clf = RNNClassifier(**SHORT, early_stopping=True)
    clf.fit(words[:30], labels[:30], X_val=[*words[30:39], ["new"]], y_val=[*labels[30:39], [1]])
    assert "new" not in clf.vocabulary_
    assert len(clf.validation_scores_) == 3


def test_weights_of_what_is_held_out_count():
    weight = np.append(np.ones(5), np.zeros(5))
    reg = RNNRegressor(**SHORT, early_stopping=True)
    scores = [
        reg.fit(X[:30], Y[:30], X_val=X[30:n], y_val=Y[30:n], sample_weight_val=w).validation_scores_
        for n, w in ((40, weight), (35, None))
    ]
    assert_allclose(*scores, rtol=1e-5)


def test_what_is_held_out_goes_through_a_pipeline():
    """Routed and transformed by scikit-learn, also in a search."""
    far = [100 * x for x in X]
    reg = RNNRegressor(**SHORT, early_stopping=True, standardize=False)
    scale = PerStep(StandardScaler())
    held_out = {"X_val": far[30:], "y_val": Y[30:]}
    scaled = scale.fit_transform(far[:30])
    reg.fit(scaled, Y[:30], X_val=scale.transform(far[30:]), y_val=Y[30:])
    with config_context(enable_metadata_routing=True):
        routed = clone(reg).set_fit_request(X_val=True, y_val=True)
        pipeline = Pipeline([("scale", PerStep(StandardScaler())), ("net", routed)], transform_input=["X_val"])
        pipeline.fit(far[:30], Y[:30], **held_out)
        assert pipeline[-1].validation_scores_ == reg.validation_scores_
        search = GridSearchCV(pipeline, {"net__hidden_layer_sizes": [2, 4]}, cv=2)
        search.fit(SequenceArray.from_list(far[:30]), Y[:30], **held_out)
        assert len(search.best_estimator_[-1].validation_scores_) == 3


@pytest.mark.parametrize(
    ("parameters", "held_out", "message"),
    [
        ({"early_stopping": False}, {"X_val": X, "y_val": Y}, "set early_stopping=True"),
        ({"early_stopping": True}, {"X_val": X}, "X_val and y_val go together"),
        ({"early_stopping": True}, {"y_val": Y}, "X_val and y_val go together"),
        ({"early_stopping": True}, {"X_val": X, "y_val": STEPS}, "y_val must be like y"),
        ({"early_stopping": True}, {"X_val": [x[:, :1] for x in X], "y_val": Y}, "1 channel.* fitted on 2"),
        ({"early_stopping": True}, {"X_val": X, "y_val": Y[:5]}, "inconsistent numbers"),
        ({"early_stopping": True}, {"X_val": [[["a", "b"]]] * 40, "y_val": Y}, "X holds tokens"),
        (
            {"early_stopping": True},
            {"X_val": X, "y_val": np.zeros(40, "M8[s]")},
            "which holds numbers, but holds times",
        ),
    ],
)
def test_what_cannot_be_held_out(parameters, held_out, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**SHORT, **parameters).fit(X, Y, **held_out)


NUMBERS = np.arange(len(X)) % 2


@pytest.mark.parametrize("per_step", [False, True])
@pytest.mark.parametrize(
    ("y", "y_val", "kinds"),
    [
        (NUMBERS, NUMBERS.astype(str), ("numbers", "texts")),
        (NUMBERS.astype(str), NUMBERS, ("texts", "numbers")),
        (NUMBERS.astype(str).astype(object), NUMBERS, ("texts", "numbers")),
        ((NUMBERS == 1).astype(str), NUMBERS == 1, ("texts", "numbers")),
        (NUMBERS, NUMBERS.astype("m8[s]"), ("numbers", "durations")),
        (NUMBERS.astype("M8[s]"), NUMBERS, ("times", "numbers")),
    ],
)
def test_classes_of_another_kind_are_not_held_out(y, y_val, kinds, per_step):
    """NumPy would make texts or durations of all, and of them other classes than those of y."""
    if per_step and "numbers" in kinds and "texts" in kinds:
        y, y_val = ([np.full(len(x), label) for x, label in zip(X, rows, strict=True)] for rows in (y, y_val))
    clf = RNNClassifier(**SHORT, early_stopping=True)
    message = "y_val must be like y, which holds {}, but holds {}".format(*kinds)
    assert_refused(clf, lambda e: e.fit(X, y, X_val=X, y_val=y_val), message)


# ------------------------------------------------------------------------------------------------------------- tags
@parametrize_with_checks(
    [RNNClassifier(**CHECKED, missing="mask"), SequenceTransformer(8, objective="reservoir", missing="mask")]
)
def test_common_checks_where_values_may_be_missing(estimator, check):
    check(estimator)


def test_selection_of_features_lets_missing_values_pass():
    table = RNG.normal(size=(40, 3))
    table[RNG.random(table.shape) < 0.1] = np.nan
    selector = SequentialFeatureSelector(RNNRegressor(**SHORT, missing="mask"), n_features_to_select=1, cv=2)
    assert selector.fit(table, Y).get_support().sum() == 1


def test_a_frame_with_a_column_of_targets():
    expected = np.concatenate(RNNRegressor(**SHORT).fit(X, STEPS).predict(X))
    for frame in (pd.DataFrame({"y": STEPS}), pd.DataFrame({"y": STEPS})["y"], pl.DataFrame({"y": STEPS})):
        reg = RNNRegressor(**SHORT).fit(X, frame)
        assert_array_equal(np.concatenate(reg.predict(X)), expected)
        assert np.isfinite(reg.score(X, frame))
    with pytest.raises(ValueError, match="shape"):
        RNNRegressor(**SHORT).fit(X, pd.DataFrame({"y": STEPS, "z": STEPS}))


@pytest.mark.parametrize("which", [[1.0], [0, "age"], [None]])
def test_channels_of_other_types_are_refused(which):
    with pytest.raises(ValueError, match="must hold numbers of channels, names of columns, or a mask"):
        RNNRegressor(**SHORT, categorical_features=which).fit(X, Y)


# ------------------------------------------------------------------------------------------------- which are held out
HOLDS_OUT = {**SHORT, "early_stopping": True, "validation_fraction": 0.25}


def rows_trained_on(estimator, n_trained=30, **fit_parameters):
    """Found through their first channel, which holds the number of the sequence: only its mean is learned."""
    numbered = [np.full((1, 1), 2.0**i) for i in range(40)]
    estimator.set_params(dtype="float64").fit(numbered, Y, **fit_parameters)
    total = round(estimator.input_mean_[0] * n_trained)
    return [i for i in range(40) if total >> i & 1]


def test_the_last_sequences_are_held_out():
    assert rows_trained_on(RNNRegressor(**HOLDS_OUT, validation_split="last")) == list(range(30))


def test_whole_groups_are_held_out():
    groups = np.arange(40) // 5
    trained = rows_trained_on(RNNRegressor(**HOLDS_OUT), groups=groups)
    assert len(trained) == 30
    assert set(groups[trained]) | set(range(8)) == set(range(8))
    assert len(set(groups[trained])) == 6


def test_what_a_splitter_says_is_held_out():
    splitter = GroupKFold(4)
    groups = np.arange(40) % 4
    trained = rows_trained_on(RNNRegressor(**HOLDS_OUT, validation_split=splitter), groups=groups)
    expected = next(iter(splitter.split(X, groups=groups)))[0]
    assert trained == expected.tolist()
    assert rows_trained_on(RNNRegressor(**HOLDS_OUT, validation_split=TimeSeriesSplit(3)), 10) == list(range(10))


@pytest.mark.parametrize("bad", ["first", 0.5, None, 3])
def test_bad_splits(bad):
    with pytest.raises(ValueError, match="validation_split"):
        RNNRegressor(**HOLDS_OUT, validation_split=bad).fit(X, Y)


def test_groups_of_another_length():
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        RNNRegressor(**HOLDS_OUT).fit(X, Y, groups=np.zeros(39))


def test_groups_are_routed_through_a_search():
    with config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            RNNRegressor(**HOLDS_OUT).set_fit_request(groups=True), {"alpha": [0.1]}, cv=GroupKFold(2)
        )
        search.fit(X, Y, groups=np.arange(40) // 5)
    expected = RNNRegressor(**HOLDS_OUT, alpha=0.1).fit(X, Y, groups=np.arange(40) // 5)
    assert_array_equal(search.best_estimator_.validation_scores_, expected.validation_scores_)


def test_auto_holds_out_what_is_passed():
    auto = RNNRegressor(**SHORT, early_stopping="auto")
    assert clone(auto).fit(X, Y).validation_scores_ is None
    assert len(clone(auto).fit(X[:30], Y[:30], X_val=X[30:], y_val=Y[30:]).validation_scores_) == 3


def test_auto_holds_out_groups():
    auto = RNNRegressor(**SHORT | {"batch_size": 8}, early_stopping="auto", validation_fraction=0.25)
    assert len(auto.fit(X, Y, groups=np.arange(40) // 5).validation_scores_) == 3


@pytest.mark.parametrize(
    ("parameters", "passed", "message"),
    [
        ({"early_stopping": False}, {}, "groups say what early_stopping holds out"),
        ({"validation_split": "last"}, {}, "may cut through a group"),
        ({}, {"X_val": X, "y_val": Y}, "X_val is held out in its place"),
    ],
)
def test_groups_that_nothing_looks_at(parameters, passed, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**HOLDS_OUT | parameters).fit(X, Y, groups=np.zeros(40), **passed)


def test_errors_name_what_is_held_out():
    reg = RNNRegressor(**SHORT)
    for held_out, message in (
        ({"X_val": [x[:, :1] for x in X], "y_val": Y}, "X_val: X has 1 channels"),
        ({"X_val": X, "y_val": Y, "sample_weight_val": [1.0, 2.0]}, "sample_weight_val: "),
        ({"X_val": X[:1], "y_val": Y[:1]}, "X_val has 1 sequence"),
        ({"sample_weight_val": np.ones(40)}, "X_val and y_val go together"),
    ):
        with pytest.raises(ValueError, match=message):
            reg.fit(X, Y, **held_out)


def test_classes_that_are_only_held_out():
    labels = np.where(Y > 0, "up", "down")
    with pytest.raises(ValueError, match=r"classes \['other'\] are held out"):
        RNNClassifier(**SHORT).fit(X[:30], labels[:30], X_val=X[30:], y_val=["other"] * 10)


def test_balanced_weights_are_those_of_what_is_trained_on():
    labels = np.where(Y > 0, "up", "down")
    clf = RNNClassifier(**ONE_BATCH, class_weight="balanced", dropout=0.0)
    alone = clone(clf).fit(X[:30], labels[:30])
    beside = clone(clf).fit(X[:30], labels[:30], X_val=X[:4], y_val=labels[[0, 0, 0, 0]])
    assert beside.loss_curve_[0] == alone.loss_curve_[0]
