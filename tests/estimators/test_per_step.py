"""Targets at each step, tokens, categories and missing values, through the estimators."""

import pickle

import numpy as np
import pandas as pd
import pytest
import reference as ref
from networks import oracle_options
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils import shuffle

from skrnn import RNNClassifier, RNNRegressor
from skrnn.sequences import SequenceArray

SHORT = {"hidden_layer_sizes": 8, "cell": "gru", "max_iter": 3, "tol": 0.0, "n_iter_no_change": 99, "random_state": 0}
SHORT |= {"batch_size": 16}
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, 12, 60)
X = [RNG.normal(size=(T, 2)) for T in LENGTHS]
Y = [np.cumsum(x[:, 0]) for x in X]
LABELS = [np.where(y > 0.5, "up", np.where(y < -0.5, "down", "flat")) for y in Y]
WORDS = [[f"w{k}" for k in RNG.integers(0, 9, T)] for T in LENGTHS]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def ragged(rows):
    cells = np.empty(len(rows), object)
    for i, row in enumerate(rows):
        cells[i] = row
    return cells


# --------------------------------------------------------------------------------------------- targets at each step
def test_a_running_sum_is_learned():
    reg = RNNRegressor(16, "gru", max_iter=40, tol=0.0, random_state=0).fit(X[:50], Y[:50])
    assert reg.score(X[50:], Y[50:]) > 0.9
    predicted = reg.predict(X[50:])
    assert predicted.dtype == object
    assert [p.shape for p in predicted] == [(len(x),) for x in X[50:]]
    assert_allclose(reg.score(X[50:], Y[50:]), r2_score(np.concatenate(Y[50:]), np.concatenate(predicted)))


def test_raw_predictions_equal_the_oracle():
    reg = RNNRegressor(**SHORT, dtype="float64", bidirectional=True).fit(X, Y)
    encoded = [(x - reg.input_mean_) / reg.input_scale_ for x in X]
    raw = ref.raw_predictions(reg.weights_, encoded, "gru", **oracle_options(reg.structure_))
    expected = raw[:, 0] * reg.target_scale_ + reg.target_mean_
    assert_allclose(np.concatenate(reg.predict(X)), expected, rtol=1e-10)
    assert_allclose(reg.target_mean_, np.concatenate(Y).mean())


@pytest.mark.parametrize(
    "y", [LABELS, ragged(LABELS), [row.tolist() for row in LABELS]], ids=["list", "object", "lists"]
)
def test_classes_whatever_holds_them(y):
    clf = RNNClassifier(**SHORT).fit(X, y)
    assert clf.classes_.tolist() == ["down", "flat", "up"]
    assert clf.per_step_
    expected = RNNClassifier(**SHORT).fit(SequenceArray.from_list(X), SequenceArray.from_list(LABELS)).predict_proba(X)
    for p, q, log_p, labels in zip(expected, *(getattr(clf, m)(X) for m in METHODS), strict=True):
        assert_array_equal(p, q)
        assert_allclose(np.log(q), log_p, rtol=1e-4, atol=1e-5)
        assert_allclose(q.sum(axis=1), 1, rtol=1e-5)
        assert_array_equal(labels, clf.classes_[q.argmax(axis=1)])
    predicted = np.concatenate(clf.predict(X))
    assert clf.score(X, y) == accuracy_score(np.concatenate(LABELS), predicted)


METHODS = "predict_proba", "predict_log_proba", "predict"


def test_two_classes_several_numbers_and_labels():
    clf = RNNClassifier(**SHORT).fit(X, [y > 0 for y in Y])
    assert clf.predict_proba(X)[3].shape == (LENGTHS[3], 2)
    assert clf.predict(X)[3].dtype == bool
    reg = RNNRegressor(**SHORT).fit(X, [np.column_stack([y, -y]) for y in Y])
    assert reg.predict(X)[3].shape == (LENGTHS[3], 2)
    clf = RNNClassifier(**SHORT).fit(X, [np.column_stack([y > 0, y < 1]).astype(int) for y in Y])
    assert clf.predict(X)[3].shape == (LENGTHS[3], 2)
    assert 0 <= clf.score(X, [np.column_stack([y > 0, y < 1]).astype(int) for y in Y]) <= 1


def test_sequences_of_one_length():
    """Rows as long as the sequences, of whatever type, have steps; a matrix has several outputs."""
    cube, steps = np.stack([x[:1].repeat(4, axis=0) for x in X]), [np.arange(4.0) * k for k in range(60)]
    assert RNNRegressor(**SHORT).fit(cube, steps).per_step_
    assert RNNRegressor(**SHORT).fit(cube, ragged(steps)).per_step_
    assert RNNRegressor(**SHORT).fit(cube, np.stack(steps)[:, :, None]).per_step_
    assert RNNClassifier(**SHORT).fit(cube, [list("abab"), list("aaab")] * 30).per_step_
    assert RNNRegressor(**SHORT).fit(cube, np.stack(steps).tolist()).per_step_
    reg = RNNRegressor(**SHORT).fit(cube, np.stack(steps))
    assert not reg.per_step_
    assert reg.predict(cube).shape == (60, 4)


def test_weights_of_steps_are_numbers_of_repetitions():
    """A step of weight 0 may have any target; a weight for each sequence holds for its steps."""
    weight = [np.ones(T) for T in LENGTHS]
    spoiled = [y.copy() for y in Y]
    for k in (3, 7, 20):
        weight[k][-1], spoiled[k][-1] = 0, 1e6
    one = RNNRegressor(**SHORT).fit(X, Y, sample_weight=weight).weights_
    other = RNNRegressor(**SHORT).fit(X, spoiled, sample_weight=weight).weights_
    for name, array in one.items():
        assert_array_equal(array, other[name])
    of_sequences = np.arange(60) % 3 + 0.0
    reg = RNNRegressor(**SHORT).fit(X, Y, sample_weight=of_sequences)
    again = RNNRegressor(**SHORT).fit(
        X, Y, sample_weight=[np.full(T, w) for T, w in zip(LENGTHS, of_sequences, strict=True)]
    )
    assert_allclose(np.concatenate(reg.predict(X)), np.concatenate(again.predict(X)), rtol=0.05, atol=0.02)
    weighted = reg.score(X, Y, sample_weight=of_sequences)
    rows = np.concatenate(Y), np.concatenate(reg.predict(X))
    assert_allclose(weighted, r2_score(*rows, sample_weight=np.repeat(of_sequences, LENGTHS)))


def test_class_weight_moves_predictions():
    rare = [np.where(y > 2, "rare", "often") for y in Y]
    plain = RNNClassifier(**SHORT | {"max_iter": 20}).fit(X, rare)
    balanced = clone(plain).set_params(class_weight="balanced").fit(X, rare)
    share = [np.mean(np.concatenate(clf.predict(X)) == "rare") for clf in (plain, balanced)]
    assert share[1] > share[0]


def test_early_stopping_search_and_cross_validation():
    clf = RNNClassifier(**SHORT, early_stopping=True).fit(X, LABELS)
    assert len(clf.validation_scores_) == 3
    search = GridSearchCV(RNNClassifier(**SHORT), {"hidden_layer_sizes": [4, 8]}, cv=2).fit(X, ragged(LABELS))
    assert search.best_score_ > 0.3
    predicted = cross_val_predict(RNNRegressor(**SHORT), SequenceArray.from_list(X), ragged(Y), cv=2)
    assert [len(p) for p in predicted] == LENGTHS.tolist()


def test_gradient_reaches_only_earlier_steps():
    reg = RNNRegressor(**SHORT).fit(X, Y)
    norms = reg.gradient_norms(X, Y)
    assert [n.shape for n in norms] == [(T, 1) for T in LENGTHS]
    assert all((n > 0).all() for n in norms)


def test_results_do_not_depend_on_threads_nor_pickling():
    one = RNNClassifier(**SHORT, dropout=0.3, bidirectional=True).fit(X, LABELS)
    two = RNNClassifier(**SHORT, dropout=0.3, bidirectional=True, n_jobs=2).fit(X, LABELS)
    for name, array in one.weights_.items():
        assert_array_equal(array, two.weights_[name])
    for p, q in zip(one.predict_proba(X), pickle.loads(pickle.dumps(two)).predict_proba(X), strict=True):
        assert_array_equal(p, q)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([*Y[:5], np.ones(20), *Y[6:]], "sequence 5 has 20 steps in y, but"),
        ([*Y[:2], np.append(Y[2][:-1], np.nan), *Y[3:]], "y contains NaN: sequence 2, step "),
        ([*LABELS[:2], Y[2], *LABELS[3:]], "sequence 2 of y holds numbers, sequence 0 holds strings"),
        (Y[:-1], "inconsistent numbers of samples"),
    ],
)
def test_targets_that_are_refused(y, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**SHORT).fit(X, y)


def test_contradictions_are_refused():
    with pytest.raises(ValueError, match="pooling='attention' makes one vector of all steps"):
        RNNRegressor(**SHORT, pooling="attention").fit(X, Y)
    table = np.ones((20, 5))
    with pytest.raises(ValueError, match="same number of targets"):
        RNNRegressor(**SHORT).fit(table, [1.0, [2.0, 3.0]] * 10)
    weight = [np.ones(T) for T in LENGTHS]
    weight[4] = weight[4] * -1
    with pytest.raises(ValueError, match="must not be negative"):
        RNNRegressor(**SHORT).fit(X, Y, sample_weight=weight)
    with pytest.raises(ValueError, match=r"sequence 4 has .* steps in sample_weight"):
        RNNRegressor(**SHORT).fit(X, Y, sample_weight=[*weight[:4], np.ones(20), *weight[5:]])


# -------------------------------------------------------------------------------------------- tokens and categories
def test_tokens_with_a_vocabulary():
    is_even = [int(words[-1][1:]) % 2 for words in WORDS]
    clf = RNNClassifier(16, "gru", max_iter=100, tol=0.0, random_state=0).fit(WORDS, is_even)
    assert clf.score(WORDS, is_even) == 1
    assert sorted(clf.vocabulary_.values()) == list(range(1, 10))
    assert clf.weights_["embedding.0"].shape == (10, 6)
    assert clf.n_features_in_ == clf.n_channels_ == 1
    new = [["w1", "never seen"], ["and", "neither", "this"]]
    assert_array_equal(clf.predict_proba(new)[1], clf.predict_proba([["x", "y", "z"]])[0])
    assert not clf.weights_["embedding.0"][0].any()  # nothing was learned about tokens that never occurred
    for container in (ragged(WORDS), pd.Series(WORDS), SequenceArray.from_list(WORDS)):
        assert_array_equal(clf.predict(container), clf.predict(WORDS))


def test_rare_tokens_and_size_of_vectors():
    clf = RNNClassifier(**SHORT, min_count=30, embedding_dim=3).fit(WORDS, LABELS)
    counts = dict(zip(*np.unique(np.concatenate(WORDS), return_counts=True), strict=True))
    assert set(clf.vocabulary_) == {word for word, count in counts.items() if count >= 30}
    assert clf.weights_["embedding.0"].shape == (len(clf.vocabulary_) + 1, 3)
    refitted = clf.fit(X, Y_OF_SEQUENCES)
    assert not hasattr(refitted, "vocabulary_")


Y_OF_SEQUENCES = (LENGTHS > 5).astype(int)


def test_tokens_equal_codes():
    codes = SequenceArray.from_list([[int(word[1:]) for word in words] for words in WORDS])
    of_tokens = RNNClassifier(**SHORT).fit(WORDS, LABELS)
    of_codes = RNNClassifier(**SHORT, categorical_features=[0]).fit(codes, LABELS)
    assert of_codes.inputs_.categories[0] == {int(word[1:]): code for word, code in of_tokens.vocabulary_.items()}
    for p, q in zip(of_tokens.predict_proba(WORDS), of_codes.predict_proba(codes), strict=True):
        assert_array_equal(p, q)


def test_categories_by_column_name():
    frame = pd.DataFrame({"size": [x[:, 0] for x in X], "kind": [RNG.integers(0, 3, T) for T in LENGTHS]})
    by_name = RNNRegressor(**SHORT, categorical_features=["kind"]).fit(frame, Y)
    assert by_name.weights_["embedding.1"].shape == (4, 3)
    for which in ([1], [-1], [False, True], "kind"):
        again = RNNRegressor(**SHORT, categorical_features=which).fit(frame, Y)
        assert_array_equal(again.predict(frame)[0], by_name.predict(frame)[0])


@pytest.mark.parametrize(
    ("parameters", "data", "message"),
    [
        ({"categorical_features": ["kind"]}, X, "names columns, but X has no column name"),
        ({"categorical_features": [2]}, X, "there is no channel 2; X has 2 channels"),
        ({"categorical_features": [1, -1]}, X, "names a channel twice"),
        ({"categorical_features": [True]}, X, "an entry for each of 2 channels"),
        ({"categorical_features": [1], "time_channel": 1}, X, "cannot be both"),
        ({"categorical_features": [0]}, X, "categorical channel 0 must hold integers"),
        ({"categorical_features": [0]}, WORDS, "holds tokens .* only"),
        ({"min_count": 10**6}, WORDS, "Lower min_count"),
        ({"min_count": 0}, WORDS, "'min_count' parameter"),
        ({"missing": "mean"}, X, "'missing' parameter"),
        ({"time_channel": 0}, X, "must be finite and rise"),
    ],
)
def test_inputs_that_are_refused(parameters, data, message):
    with pytest.raises(ValueError, match=message):
        RNNRegressor(**SHORT, **parameters).fit(data, Y)


def test_tokens_and_numbers_do_not_mix():
    clf = RNNClassifier(**SHORT).fit(WORDS, LABELS)
    with pytest.raises(ValueError, match=r"X holds numbers, but RNNClassifier was fitted on tokens"):
        clf.predict([x[:, :1] for x in X])
    reg = RNNRegressor(**SHORT).fit([x[:, :1] for x in X], Y)
    with pytest.raises(ValueError, match=r"X holds tokens \(str\), but RNNRegressor was fitted on numbers"):
        reg.predict(WORDS)


# ------------------------------------------------------------------------------------------------- missing values
def gaps(share=0.4):
    spoiled = [x.copy() for x in X]
    for x in spoiled:
        x[RNG.random(x.shape) < share] = np.nan
    return spoiled


@pytest.mark.parametrize("missing", ["mask", "decay"])
def test_missing_values_beside_categories_and_tokens(missing):
    frame = [np.column_stack([x, RNG.integers(0, 3, len(x))]) for x in gaps()]
    reg = RNNRegressor(**SHORT, missing=missing, categorical_features=[2]).fit(frame, Y)
    assert np.isfinite(np.concatenate(reg.predict(frame))).all()
    assert reg.weights_["embedding.6"].shape == (4, 3)
    of_tokens = [
        RNNClassifier(**SHORT, missing=m).fit(WORDS, LABELS).predict_proba(WORDS)[5] for m in ("error", missing)
    ]
    assert_array_equal(*of_tokens)


@pytest.mark.parametrize("missing", ["mask", "decay"])
def test_missing_values(missing):
    spoiled, sums = gaps(), [np.nansum(x[:, 0]) for x in X]
    reg = RNNRegressor(**SHORT, missing=missing).fit(spoiled, sums)
    assert np.isfinite(reg.predict(spoiled)).all()
    assert reg.structure_.n_inputs == 6
    assert reg.n_channels_ == 2
    padded = SequenceArray.from_list(spoiled)
    assert_array_equal(reg.predict(padded), reg.predict(spoiled))
    with pytest.raises(ValueError, match="contains infinity: sequence 0, step 0, channel 1"):
        reg.predict([np.array([[np.nan, np.inf]])])
    strict = RNNRegressor(**SHORT).fit(X, sums)
    with pytest.raises(ValueError, match="contains NaN: sequence"):
        strict.predict(spoiled)


def test_a_table_with_holes():
    table = RNG.normal(size=(40, 6))
    table[RNG.random(table.shape) < 0.2] = np.nan
    reg = RNNRegressor(**SHORT, missing="mask").fit(table, np.nansum(table, axis=1))
    assert np.isfinite(reg.predict(table)).all()
    assert reg.n_features_in_ == 6


def test_a_sequence_of_nothing_but_missing_values():
    """In a padded array it looks like padding, and the error says how to tell them apart."""
    cube = RNG.normal(size=(20, 5, 2))
    cube[3] = np.nan
    reg = RNNRegressor(**SHORT, missing="mask")
    with pytest.raises(ValueError, match=r"sequence 3 has no time step: .*from_padded\(X, lengths\)"):
        reg.fit(cube, np.ones(20))
    assert np.isfinite(reg.fit(SequenceArray.from_padded(cube, [5] * 20), np.arange(20.0)).predict([cube[3]])).all()


def test_what_was_measured_tells():
    """Whether a channel was measured is all that there is to learn."""
    spoiled = gaps()
    y = [np.isnan(x[:, 1]).astype(float) for x in spoiled]
    for missing in ("mask", "decay"):
        clf = RNNClassifier(8, "gru", max_iter=100, tol=0.0, missing=missing, random_state=0).fit(spoiled, y)
        assert clf.score(spoiled, y) > 0.98


def test_how_fast_a_value_decays_is_learned():
    """The target is the last value times exp(-time since), which an Elman network of one unit cannot do otherwise."""
    rng = np.random.default_rng(3)
    sequences, targets = [], []
    for _ in range(300):
        x = np.full((8, 2), np.nan)
        seen = rng.integers(0, 7)
        x[seen, 0], x[:, 1] = rng.normal(), np.cumsum(rng.uniform(0.1, 0.4, 8))
        sequences.append(x)
        targets.append(x[seen, 0] * np.exp(-(x[-1, 1] - x[seen, 1])))
    how = {"max_iter": 60, "tol": 0.0, "random_state": 0, "missing": "decay", "time_channel": 1}
    reg = RNNRegressor(4, "elman", **how).fit(sequences[:250], targets[:250])
    assert reg.score(sequences[250:], targets[250:]) > 0.9
    assert (reg.weights_["decay.w"][:1] > 0).all()


def test_time_channel_in_any_unit():
    stamped = [np.column_stack([x, np.cumsum(RNG.exponential(size=len(x)) + 0.1)]) for x in X]
    one = RNNRegressor(**SHORT, dtype="float64", time_channel=2).fit(stamped, Y)
    hours = [x * [1, 1, 3600] + [0, 0, 1e6] for x in stamped]
    other = RNNRegressor(**SHORT, dtype="float64", time_channel=-1).fit(hours, Y)
    assert_allclose(np.concatenate(one.predict(stamped)), np.concatenate(other.predict(hours)), rtol=1e-5, atol=1e-6)


def test_order_of_samples_does_not_matter_for_predictions():
    reg = RNNRegressor(**SHORT, missing="decay").fit(gaps(), Y)
    spoiled, order = gaps(), shuffle(np.arange(60), random_state=0)
    expected = reg.predict(spoiled)
    for i, p in zip(order, reg.predict([spoiled[i] for i in order]), strict=True):
        assert_array_equal(p, expected[i])
