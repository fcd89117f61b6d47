"""Weights are copies: integer weights give the network of repeated rows, a weight of 0 that of the others alone."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from skrnn import RNNClassifier, RNNRegressor, SequenceTransformer

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
ONE_BATCH = {
    "hidden_layer_sizes": 3,
    "cell": "elman",
    "solver": "sgd",
    "learning_rate_init": 0.1,
    "batch_size": 200,
    "shuffle": False,
    "max_iter": 4,
    "dtype": "float64",
    "random_state": 0,
}
OF_CLASSES = ONE_BATCH | {"bidirectional": False, "dropout": 0.0}
RNG = np.random.default_rng(3)
LENGTHS = RNG.integers(1, 7, size=30)
X = [RNG.normal(size=(T, 2)) for T in LENGTHS]
Y = np.array([x[:, 0].sum() for x in X])
STEPS = [x[:, 0].cumsum() for x in X]
LABELS = np.where(Y > 1, "up", np.where(Y < -1, "down", "flat"))
INDICATORS = np.column_stack([Y > 1, Y < 0.5]).astype(int)
TOKENS = [RNG.choice(list("aaabbcdefghij"), size=T).tolist() for T in LENGTHS]
CODED = [np.column_stack([x[:, 0], RNG.integers(0, 9, len(x))]) for x in X]
WEIGHT = np.arange(30) % 3
COPIES = np.repeat(np.arange(30), WEIGHT)


def assert_same_networks(one, other, rtol=1e-7):
    """The same up to rounding: what is learned of X and y, and the weights."""
    assert_allclose(one.input_mean_, other.input_mean_, rtol=rtol, atol=1e-12)
    assert_allclose(one.input_scale_, other.input_scale_, rtol=rtol)
    assert_allclose(one.loss_curve_, other.loss_curve_, rtol=rtol)
    assert one.inputs_.categories == other.inputs_.categories
    for name, array in one.weights_.items():
        assert_allclose(array, other.weights_[name], rtol=rtol, atol=1e-10, err_msg=name)


def taken(rows, which):
    return rows[which] if isinstance(rows, np.ndarray) else [rows[i] for i in which]


NETWORKS = {
    "numbers": (RNNRegressor(**ONE_BATCH, alpha=1.0), X, Y),
    "numbers, quantile": (RNNRegressor(**ONE_BATCH, loss="quantile", quantile=0.8), X, Y),
    "numbers, huber": (RNNRegressor(**ONE_BATCH, loss="huber"), X, Y),
    "numbers, poisson": (RNNRegressor(**ONE_BATCH, loss="poisson"), X, np.abs(Y)),
    "numbers, lbfgs": (RNNRegressor(**ONE_BATCH | {"solver": "lbfgs"}), X, Y),
    "numbers of steps": (RNNRegressor(**ONE_BATCH, alpha=1.0), X, STEPS),
    "categories": (RNNRegressor(**ONE_BATCH, categorical_features=[1]), CODED, Y),
    "tokens": (RNNRegressor(**ONE_BATCH, min_count=4), TOKENS, Y),
    "gaps": (RNNRegressor(**ONE_BATCH, missing="decay"), [np.where(x > 0.7, np.nan, x) for x in X], Y),
    "classes": (RNNClassifier(**OF_CLASSES), X, LABELS),
    "balanced": (RNNClassifier(**OF_CLASSES, class_weight="balanced"), X, LABELS),
    "weights of classes": (RNNClassifier(**OF_CLASSES, class_weight={"up": 3.0}), X, LABELS),
    "two classes": (RNNClassifier(**OF_CLASSES, class_weight="balanced"), X, LABELS == "up"),
    "labels": (RNNClassifier(**OF_CLASSES), X, INDICATORS),
    "balanced labels": (RNNClassifier(**OF_CLASSES, class_weight="balanced"), X, INDICATORS),
    "classes of steps": (RNNClassifier(**OF_CLASSES, class_weight="balanced", alpha=1.0), X, [s > 0 for s in STEPS]),
    "forecast": (SequenceTransformer(**ONE_BATCH, alpha=1.0), X, None),
    "forecast of tokens": (SequenceTransformer(**ONE_BATCH, min_count=4), TOKENS, None),
    "reconstruct": (SequenceTransformer(**ONE_BATCH, objective="reconstruct", n_points=4), X, None),
    "supervised": (SequenceTransformer(**ONE_BATCH, objective="supervised"), X, Y),
    "reservoir": (SequenceTransformer(**ONE_BATCH, objective="reservoir"), X, None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_are_copies(name):
    estimator, sequences, y = NETWORKS[name]
    weighted = clone(estimator).fit(sequences, y, sample_weight=WEIGHT)
    copied = clone(estimator).fit(taken(sequences, COPIES), None if y is None else taken(y, COPIES))
    assert_same_networks(weighted, copied, rtol=1e-4 if "lbfgs" in name else 1e-7)
    for attribute in ("target_mean_", "target_scale_"):
        if hasattr(weighted, attribute):
            assert_allclose(getattr(weighted, attribute), getattr(copied, attribute), rtol=1e-12)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_weight_of_zero_is_not_there_in_mini_batches_either(name):
    """Batches and their order are those of the others alone."""
    estimator, sequences, y = NETWORKS[name]
    estimator = clone(estimator).set_params(batch_size=4, max_iter=2, shuffle=True)
    beside = clone(estimator).fit(sequences, y, sample_weight=np.repeat([1.0, 0.0], [18, 12]))
    alone = clone(estimator).fit(sequences[:18], None if y is None else y[:18])
    assert beside.t_ == alone.t_
    assert_same_networks(beside, alone, rtol=1e-9)


def test_weights_of_zero_do_not_count_for_automatic_sizes():
    settings = {"hidden_layer_sizes": 1, "cell": "elman", "random_state": 0}
    sequences, y = np.zeros((600, 1, 1)), np.arange(600.0)
    beside = RNNRegressor(**settings).fit(sequences, y, sample_weight=np.repeat([1.0, 0.0], [300, 300]))
    alone = RNNRegressor(**settings).fit(sequences[:300], y[:300])
    assert (beside.t_, beside.n_iter_) == (alone.t_, alone.n_iter_)


@pytest.mark.parametrize("y", [LABELS, INDICATORS, [s > 0 for s in STEPS]], ids=["classes", "labels", "steps"])
def test_balanced_counts_the_training_rows_by_weight(y):
    """Held-out rows and rows of weight 0 do not change what the others weigh."""
    clf = RNNClassifier(**OF_CLASSES | {"max_iter": 1}, class_weight="balanced")
    alone = clone(clf).fit(X[:18], taken(y, range(18)))
    others = [X[0]] * 6, taken(y, [0] * 6)
    held_out = clone(clf).fit(X[:18], taken(y, range(18)), X_val=others[0], y_val=others[1])
    beside = clone(clf).fit([*X[:18], *others[0]], taken(y, [*range(18), *[0] * 6]), np.repeat([1.0, 0.0], [18, 6]))
    assert held_out.loss_curve_ == alone.loss_curve_
    assert_allclose(beside.loss_curve_, alone.loss_curve_, rtol=1e-12)


def test_balanced_in_a_warm_start_counts_by_weight_too():
    clf = RNNClassifier(**OF_CLASSES, class_weight="balanced", warm_start=True)
    one = clone(clf).fit(X, LABELS).fit(X, LABELS, sample_weight=WEIGHT)
    other = clone(clf).fit(X, LABELS).fit(taken(X, COPIES), LABELS[COPIES])
    assert_same_networks(one, other)


def test_balanced_equals_the_weights_that_it_stands_for():
    counts = {label: WEIGHT[label == LABELS].sum() for label in np.unique(LABELS)}
    given = {label: WEIGHT.sum() / (3 * count) for label, count in counts.items()}
    one, other = (RNNClassifier(**OF_CLASSES, class_weight=w).fit(X, LABELS, WEIGHT) for w in ("balanced", given))
    assert_same_networks(one, other)
    ratios = [30 / (2 * np.bincount(column)) for column in INDICATORS.T]
    factors = np.prod([ratio[column] for ratio, column in zip(ratios, INDICATORS.T, strict=True)], axis=0)
    by_class = RNNClassifier(**OF_CLASSES | {"standardize": False}, class_weight="balanced").fit(X, INDICATORS)
    by_row = RNNClassifier(**OF_CLASSES | {"standardize": False}).fit(X, INDICATORS, factors)
    assert_same_networks(by_class, by_row)


# ------------------------------------------------------------------------------------------------ weights of steps
@pytest.mark.parametrize("standardize", [True, False])
@pytest.mark.parametrize("truncation", [None, 3])
@pytest.mark.parametrize("kind", ["numbers", "classes"])
def test_steps_of_weight_zero_are_not_there(kind, truncation, standardize):
    """Behind the last step that counts there may be anything: the network reads forward."""
    more = [np.vstack([x, RNG.normal(size=(1 + i % 4, 2))]) for i, x in enumerate(X)]
    weight = [np.repeat([1.0, 0.0], [len(x), len(longer) - len(x)]) for x, longer in zip(X, more, strict=True)]
    if kind == "numbers":
        estimator, y, filler = RNNRegressor(**ONE_BATCH), STEPS, 1e3
    else:
        estimator = RNNClassifier(**OF_CLASSES, class_weight="balanced")
        y, filler = [(s > 0).astype(int) for s in STEPS], 1
    estimator.set_params(alpha=1.0, truncation=truncation, standardize=standardize)
    longer_y = [np.append(row, np.full(len(w) - len(row), filler)) for row, w in zip(y, weight, strict=True)]
    beside = clone(estimator).fit(more, longer_y, sample_weight=weight)
    assert_same_networks(beside, clone(estimator).fit(X, y))


def test_tokens_behind_the_last_weight_are_known_to_networks_that_read_them():
    tokens, y = [["a", "b", "end"], ["b", "a", "end"], ["a", "a"]], [[0, 1, 0], [1, 0, 0], [0, 0]]
    weight = [[0, 1, 0], [1, 1, 0], [0, 1]]
    forward = RNNClassifier(**OF_CLASSES).fit(tokens, y, sample_weight=weight)
    assert forward.vocabulary_ == {"a": 1, "b": 2}
    both = RNNClassifier(**OF_CLASSES | {"bidirectional": True}).fit(tokens, y, sample_weight=weight)
    assert sorted(both.vocabulary_) == ["a", "b", "end"]


@pytest.mark.parametrize("of_classes", [{0: 1.0, 1: 5.0}, {0: 2.0, 1: 0.5, 2: 0.0}], ids=str)
def test_class_weights_of_steps_equal_their_sample_weights(of_classes):
    """Against the penalty too, where a weight of 0 takes steps away."""
    settings = OF_CLASSES | {"alpha": 1.0, "standardize": False}
    y = [np.digitize(s, [0.0, 1.0][: len(of_classes) - 1]) for s in STEPS]
    weight = [np.array(list(of_classes.values()))[row] for row in y]
    by_class = RNNClassifier(**settings, class_weight=of_classes).fit(X, y)
    assert_same_networks(by_class, RNNClassifier(**settings).fit(X, y, sample_weight=weight))


def test_a_sequence_without_a_next_step_does_not_weaken_the_penalty():
    alone = SequenceTransformer(**ONE_BATCH, alpha=1.0, standardize=False).fit([x for x in X if len(x) > 1])
    assert_same_networks(SequenceTransformer(**ONE_BATCH, alpha=1.0, standardize=False).fit(X), alone)


# ------------------------------------------------------------------------------------------------------ vocabularies
def test_a_vocabulary_counts_weights():
    tokens = [["a", "b"], ["c"], ["b"], ["d"]]
    reg = RNNRegressor(**ONE_BATCH, min_count=2).fit(tokens, np.arange(4.0), sample_weight=[2, 1, 0.5, 2.5])
    assert reg.vocabulary_ == {"b": 1, "d": 2, "a": 3}
    one = RNNRegressor(**ONE_BATCH, min_count=2).fit(tokens, np.arange(4.0), sample_weight=[0.2, 0.2, 2, 1.8])
    assert one.vocabulary_ == {"b": 1}


def test_fractions_of_weights_lose_no_token_by_default():
    """Weights that sum up to 1 are common; with min_count=1 each token that has a weight is known."""
    tokens = [["a", "b"], ["c"], ["b"], ["d"]]
    reg = RNNRegressor(**ONE_BATCH).fit(tokens, np.arange(4.0), sample_weight=[0.25, 0.25, 0.5, 0])
    assert reg.vocabulary_ == {"b": 1, "a": 2, "c": 3}
    tenths = RNNRegressor(**ONE_BATCH, min_count=3).fit([["a"]] * 30 + [["b"]], np.arange(31.0), [0.1] * 30 + [5])
    assert tenths.vocabulary_ == {"b": 1, "a": 2}


def test_codes_of_categories_are_in_the_order_of_weights():
    coded = [np.array([[7.0]]), np.array([[3.0]]), np.array([[3.0]])]
    settings = ONE_BATCH | {"categorical_features": [0]}
    assert RNNRegressor(**settings).fit(coded, np.arange(3.0), [5, 1, 1]).inputs_.categories == {0: {7.0: 1, 3.0: 2}}
    assert RNNRegressor(**settings).fit(coded, np.arange(3.0)).inputs_.categories == {0: {3.0: 1, 7.0: 2}}
