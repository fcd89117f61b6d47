"""How encoders and decoders are trained: weights, held-out sequences, epochs more; meta-estimators; copies."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from outputs import EXACT, LABELS, MAKE, NUMBERS, N, X, as_objects, clf, outputs, packed, reg
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import skrnn
from skrnn.callbacks import EarlyStopping
from skrnn.metrics import get_scorer, token_error_rate
from skrnn.preprocessing import PerStep

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each_kind = pytest.mark.parametrize("kind", MAKE)
CONTAINERS = {"list": list, "object array": as_objects, "SequenceArray": packed}
STOPPING = {"early_stopping": True, "max_iter": 4, "validation_fraction": 0.25}


def assert_same_weights(one, other, **tolerance):
    for name, array in one.weights_.items():
        assert_allclose(array, other.weights_[name], err_msg=name, **tolerance)


def take(rows, which):
    return [rows[i] for i in which]


# -------------------------------------------------------------------------------------------------------- weights
@each_kind
def test_a_weight_is_a_number_of_copies(kind):
    make, y = MAKE[kind]
    weight = np.arange(N) % 3
    weight[[int(np.argmax([len(row) for row in y]))]] = 1  # what "auto" is found by
    copies = np.repeat(np.arange(N), weight)
    copied = make(**EXACT, alpha=1.0).fit(take(X, copies), take(y, copies))
    weighted = make(**EXACT, alpha=1.0).fit(X, y, sample_weight=weight)
    assert_allclose(weighted.loss_curve_, copied.loss_curve_, rtol=1e-8)
    assert_same_weights(weighted, copied, rtol=1e-6, atol=1e-9)


@each_kind
def test_a_sequence_of_weight_zero_is_not_there(kind):
    """Not even what is learned of X, or the order of mini-batches."""
    make, y = MAKE[kind]
    far = [*X, np.full((5, 2), 1e3)]
    more = [*y, y[0]] if kind == "labels" else [*y, np.full((2, 2), 1e6)]
    alone = make().fit(X, y, sample_weight=np.ones(N))
    assert_same_weights(make().fit(far, more, sample_weight=np.append(np.ones(N), 0)), alone, rtol=1e-6, atol=1e-7)


@each_kind
def test_weights_that_are_none(kind):
    make, y = MAKE[kind]
    with pytest.raises(ValueError, match="sequence 3 has -1"):
        make().fit(X, y, [*np.ones(3), -1, *np.ones(N - 4)])
    with pytest.raises(ValueError, match="a weight for each step"):
        make().fit(X, y, [np.ones(len(row)) for row in y])
    for wrong in (np.ones(N - 1), np.zeros(N)):
        with pytest.raises(ValueError, match="weight"):
            make().fit(X, y, wrong)


# ------------------------------------------------------------------------------------------- held-out sequences
def test_outputs_of_held_out_sequences_are_scored_by_their_edits():
    estimator = clf(**STOPPING, n_iter_no_change=9).fit(X, LABELS, X_val=X[:6], y_val=LABELS[:6])
    assert len(estimator.validation_scores_) == 4
    best = 1 - token_error_rate(LABELS[:6], estimator.predict(X[:6]))
    assert_allclose(estimator.best_validation_score_, best)
    weight = np.arange(1.0, 7)
    given = {"X_val": X[:6], "y_val": LABELS[:6], "sample_weight_val": weight}
    estimator = clf(**STOPPING).fit(X, LABELS, **given)
    best = 1 - token_error_rate(LABELS[:6], estimator.predict(X[:6]), sample_weight=weight)
    assert_allclose(estimator.best_validation_score_, best)


def test_or_by_the_likelihood_of_their_labels():
    options = STOPPING | {"validation_scoring": "likelihood", "dtype": "float64"}
    estimator = clf(**options).fit(X, LABELS, X_val=X[:6], y_val=LABELS[:6])
    n_steps = sum(len(row) + 1 for row in LABELS[:6])
    mean = estimator.score_samples(X[:6], LABELS[:6]).sum() / n_steps
    assert_allclose(estimator.best_validation_score_, mean, rtol=1e-9)


def test_numbers_of_held_out_sequences_are_scored_as_they_are_put_out():
    estimator = reg(**STOPPING, dtype="float64").fit(X, NUMBERS, X_val=X[:6], y_val=NUMBERS[:6])
    assert_allclose(estimator.best_validation_score_, estimator.score(X[:6], NUMBERS[:6]), rtol=1e-9)
    weight = np.arange(1.0, 7)
    estimator = reg(**STOPPING, dtype="float64").fit(
        X, NUMBERS, X_val=X[:6], y_val=NUMBERS[:6], sample_weight_val=weight
    )
    assert_allclose(estimator.best_validation_score_, estimator.score(X[:6], NUMBERS[:6], weight), rtol=1e-9)


@each_kind
def test_groups_stay_together_in_what_is_held_out(kind):
    make, y = MAKE[kind]
    groups = np.arange(N) // 4
    estimator = make(**STOPPING, **EXACT, validation_split=GroupKFold(3)).fit(X, y, groups=groups)
    trained, held_out = next(iter(GroupKFold(3).split(X, groups=groups)))
    expected = make(**STOPPING, **EXACT).fit(
        take(X, trained), take(y, trained), X_val=take(X, held_out), y_val=take(y, held_out)
    )
    assert_allclose(estimator.loss_curve_, expected.loss_curve_, rtol=1e-9)
    assert_allclose(estimator.validation_scores_, expected.validation_scores_, rtol=1e-7)


@pytest.mark.parametrize("scoring", ["output", "likelihood"])
def test_held_out_sequences_that_overflow_end_the_training_not_the_program(scoring):
    far = [*X[:5], np.full((4000, 2), 1e37)]
    estimator = clf(**STOPPING, cell="indrnn", standardize=False, validation_scoring=scoring)
    estimator.fit(X, LABELS, X_val=far, y_val=LABELS[:6])
    assert not np.isfinite(estimator.validation_scores_).any()


def test_y_val_that_is_unlike_y():
    with pytest.raises(ValueError, match="y_val must be like y, which holds texts, but holds numbers"):
        clf(**STOPPING).fit(X, LABELS, X_val=X[:5], y_val=[[1]] * 5)
    with pytest.raises(ValueError, match="y_val must be like y"):
        reg(**STOPPING).fit(X, NUMBERS, X_val=X[:5], y_val=[row[:, :1] for row in NUMBERS[:5]])
    with pytest.raises(ValueError, match=r"y_val.*inconsistent numbers"):
        clf(**STOPPING).fit(X, LABELS, X_val=X[:5], y_val=LABELS[:4])


@each_kind
def test_callbacks_stop_by_the_outputs(kind):
    make, y = MAKE[kind]
    estimator = make(max_iter=30, learning_rate_init=0.3)
    estimator.set_callbacks(EarlyStopping(X[:6], y[:6], n_iter_no_change=1)).fit(X, y)
    assert estimator.n_iter_ < 30


# ---------------------------------------------------------------------------------------------------- epochs more
@each_kind
def test_partial_fit_goes_on(kind):
    make, y = MAKE[kind]
    given = {"classes": list("abcd")} if kind == "labels" else {}
    estimator = make().partial_fit(X, y, **given)
    for _ in range(20):
        estimator.partial_fit(X, y)
    assert len(estimator.loss_curve_) == 21
    assert estimator.loss_curve_[-1] < estimator.loss_curve_[0]
    copy = pickle.loads(pickle.dumps(estimator))
    assert copy.partial_fit(X, y).loss_curve_ == estimator.partial_fit(X, y).loss_curve_


def test_partial_fit_knows_its_classes_from_the_first_call_on():
    with pytest.raises(ValueError, match="first call of partial_fit needs classes"):
        clf().partial_fit(X, LABELS)
    with pytest.raises(ValueError, match=r"\['c'\]: the first is label \d of sequence \d"):
        clf().partial_fit(X, LABELS, classes=["a", "b"])
    estimator = clf().partial_fit(X, LABELS, classes=list("cbad"))
    assert estimator.classes_.tolist() == list("abcd")
    assert estimator.partial_fit(X, LABELS, classes=list("abcd")).t_ > 0
    with pytest.raises(ValueError, match="are not those of the calls before"):
        estimator.partial_fit(X, LABELS, classes=list("abc"))


def test_longer_outputs_of_later_calls_are_put_out():
    estimator = clf(warm_start=True).fit(X, [["a"]] * N)
    assert estimator.max_output_length_ == 2
    assert estimator.fit(X, [["a"] * 5] * N).max_output_length_ == 10
    assert estimator.fit(X, [["a"]] * N).max_output_length_ == 10
    estimator = clf().partial_fit(X, [["a"]] * N, classes=["a", "b"])
    assert estimator.partial_fit(X, [["b"] * 3] * N).max_output_length_ == 6
    estimator = reg(warm_start=True).fit(X, np.ones((N, 3, 2)))
    assert estimator.fit(X, np.zeros((N, 3, 2))).n_out_steps_ == 3
    assert estimator.fit(X, NUMBERS).n_out_steps_ is None
    assert estimator.fit(X, np.ones((N, 3, 2))).n_out_steps_ is None


@each_kind
def test_warm_start_goes_on_from_the_weights(kind):
    make, y = MAKE[kind]
    estimator = make(warm_start=True).fit(X, y)
    before = list(estimator.loss_curve_)
    estimator.fit(X, y)
    assert estimator.loss_curve_[:2] == before
    assert len(estimator.loss_curve_) == 4
    for name, value in {"hidden_layer_sizes": 6, "attention": "dot", "bidirectional": False}.items():
        with pytest.raises(ValueError, match="warm_start"):
            clone(estimator).fit(X, y).set_params(**{name: value}).fit(X, y)
    with pytest.raises(ValueError, match="fit has not seen" if kind == "labels" else "rows of 1 number"):
        estimator.fit(X, [["z"]] * N if kind == "labels" else [row[:, :1] for row in y])


# ------------------------------------------------------------------------------------------------- the same again
@each_kind
@pytest.mark.parametrize("options", [{}, {"teacher_forcing": 0.5, "cell": "lstm", "attention": "dot"}], ids=str)
def test_fits_have_the_same_bits_for_any_number_of_threads(kind, options):
    make, y = MAKE[kind]
    expected = make(**options).fit(X, y)
    for n_jobs in (2, 3, 8):
        assert_same_weights(make(n_jobs=n_jobs, **options).fit(X, y), expected, rtol=0, atol=0)


@each_kind
def test_copies_put_out_the_same(kind, tmp_path):
    make, y = MAKE[kind]
    estimator = make().fit(X, y)
    skrnn.save(estimator, tmp_path / "estimator")
    for copy in (pickle.loads(pickle.dumps(estimator)), skrnn.load(tmp_path / "estimator"), clone(estimator).fit(X, y)):
        assert outputs(copy, X) == outputs(estimator, X)
        assert copy.get_params() == estimator.get_params()
        assert copy.score(X, y) == estimator.score(X, y)


def test_progress_is_shown(capsys):
    clf(verbose=True).fit(X, LABELS)
    assert "Epoch 2, loss = " in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- meta-estimators
@each_kind
@pytest.mark.parametrize("of_y", CONTAINERS)
@pytest.mark.parametrize("of_X", CONTAINERS)
def test_cross_validation(of_X, of_y, kind):
    make, y = MAKE[kind]
    expected = cross_val_score(make(), X, list(y), cv=3, error_score="raise")
    found = cross_val_score(make(), CONTAINERS[of_X](X), CONTAINERS[of_y](y), cv=3, error_score="raise")
    assert_array_equal(found, expected)


@each_kind
def test_searches(kind):
    make, y = MAKE[kind]
    grid = {"hidden_layer_sizes": [3, 4], "attention": ["dot", None]}
    for search in (GridSearchCV(make(), grid, cv=2), RandomizedSearchCV(make(), grid, n_iter=2, cv=2, random_state=0)):
        search.set_params(error_score="raise").fit(X, y)
        assert search.score(X, y) == search.best_estimator_.score(X, y)
    weighted = GridSearchCV(make(), grid, cv=2, error_score="raise").fit(X, y, sample_weight=np.ones(N))
    assert len(weighted.cv_results_["mean_test_score"]) == 4


def test_scorers():
    names = "neg_token_error_rate", "sequence_accuracy"
    found = cross_validate(clf(), X, LABELS, cv=2, scoring={name: get_scorer(name) for name in names})
    estimator = clf().fit(X[:12], LABELS[:12])
    expected = -token_error_rate(LABELS[12:], estimator.predict(X[12:]))
    assert expected in found["test_neg_token_error_rate"]
    found = cross_validate(reg(), X, np.ones((N, 3, 2)), cv=2, error_score="raise")
    assert found["test_score"].shape == (2,)


def test_pipelines_and_predictions_of_all_folds():
    pipeline = make_pipeline(PerStep(StandardScaler()), clf())
    for y in (LABELS, as_objects(LABELS)):
        predicted = cross_val_predict(pipeline, X, y, cv=3)
        assert len(predicted) == N
        assert all(set(row) <= set("abc") for row in predicted)
        search = GridSearchCV(pipeline, {"seq2seqclassifier__beam_width": [1, 3]}, cv=2, error_score="raise")
        assert len(search.fit(X, y).predict(X)) == N
    pipeline = make_pipeline(PerStep(StandardScaler()), reg()).fit(X, NUMBERS)
    lengths = [len(row) for row in NUMBERS]
    rows = np.concatenate(NUMBERS), np.concatenate(pipeline.predict(X, n_steps=lengths))
    assert_allclose(pipeline.score(X, NUMBERS), r2_score(*rows))


@each_kind
def test_split_by_scikit_learn(kind):
    make, y = MAKE[kind]
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    assert np.isfinite(make().fit(X_train, y_train).score(X_test, y_test))


def test_a_small_bound_of_memory_is_kept_or_refused():
    with pytest.raises(MemoryError, match="raise max_memory to"):
        clf(max_memory=1e-6).fit(X, LABELS)
    estimator = clf(**EXACT).fit(X, LABELS)
    small = clf(**EXACT, max_memory=4e-4).fit(X, LABELS)
    assert_allclose(small.loss_curve_, estimator.loss_curve_, rtol=1e-10)
    expected = outputs(estimator, X)
    assert outputs(estimator.set_params(max_memory=4e-4), X) == expected
    with pytest.raises(MemoryError, match="raise max_memory to"):
        estimator.set_params(max_memory=1e-7).predict(X)
