"""RNNClassifier and RNNRegressor as a user meets them."""

import pickle

import numpy as np
import pandas as pd
import pytest
import reference as ref
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from skrnn import RNNClassifier, RNNRegressor, SequenceArray
from skrnn.cells import LSTM, Elman
from skrnn.losses import Huber, MultinomialLogLoss
from skrnn.optimizers import SGD

pytestmark = pytest.mark.filterwarnings("ignore:Maximum number of iterations")
QUICK = {"hidden_layer_sizes": 6, "max_iter": 3, "random_state": 0}


def sequences(n=24, n_channels=3, seed=0, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(length, n_channels)).astype(dtype) for length in rng.integers(1, 9, size=n)]


def labels(X, n_classes=2):
    return np.array([int(np.floor(abs(x[:, 0].sum()) * 2)) % n_classes for x in X])


@pytest.fixture
def ragged():
    X = sequences()
    return X, labels(X, 3)


# ------------------------------------------------------------------------------------------------------ tasks
def test_classes_of_any_kind_come_back(ragged):
    X, y = ragged
    for names in (np.array(["b", "a", "c"]), np.array([10, -3, 7]), np.array([0.5, 1.5, 2.5]).astype(object)):
        if names.dtype == object:
            names = np.array(["x", "yy", "z"], dtype=object)
        clf = RNNClassifier(**QUICK).fit(X, names[y])
        assert clf.classes_.tolist() == sorted(names)
        assert set(clf.predict(X)) <= set(names)
        assert clf.predict_proba(X).shape == (len(X), 3)


def test_binary_probabilities_agree_with_the_prediction():
    X = sequences()
    clf = RNNClassifier(**QUICK).fit(X, labels(X) == 1)
    p = clf.predict_proba(X)
    assert p.shape == (len(X), 2)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(clf.predict(X), p[:, 1] > 0.5)
    np.testing.assert_allclose(clf.predict_log_proba(X), np.log(p), rtol=1e-5)


def test_labels_of_an_indicator_matrix_are_independent():
    X = sequences(60)
    Y = np.column_stack([[x[:, k].mean() > 0 for x in X] for k in range(3)]).astype(int)
    clf = RNNClassifier(16, max_iter=150, random_state=0, alpha=0).fit(X, Y)
    assert clf.predict(X).shape == Y.shape
    assert clf.predict_proba(X).shape == Y.shape
    assert clf.score(X, Y) > 0.9


def test_several_outputs_are_learnt_in_their_own_units():
    X = sequences(100)
    Y = np.column_stack([[1e6 + 1e4 * x[:, 0].sum() for x in X], [1e-4 * x[-1, 1] for x in X]])
    reg = RNNRegressor(24, max_iter=150, random_state=0, alpha=0).fit(X, Y)
    assert reg.predict(X).shape == Y.shape
    assert reg.score(X, Y) > 0.9


def test_a_column_of_targets_keeps_its_shape():
    X = sequences()
    y = np.arange(len(X), dtype=float)
    assert RNNRegressor(**QUICK).fit(X, y).predict(X).shape == (len(X),)
    assert RNNRegressor(**QUICK).fit(X, y[:, np.newaxis]).predict(X).shape == (len(X), 1)


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "poisson", "quantile", Huber(delta=0.5)])
def test_every_regression_loss_learns(loss):
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(3, 8), 1)) for _ in range(120)]
    y = np.array([np.exp(0.5 * x.mean() + 1) for x in X])
    reg = RNNRegressor(16, loss=loss, max_iter=80, random_state=0, alpha=0).fit(X, y)
    assert reg.score(X, y) > 0.8
    if loss == "poisson":
        assert (reg.predict(X) > 0).all()


def test_a_quantile_lies_where_it_should():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 4, 1))
    y = X[:, :, 0].sum(axis=1) + rng.normal(size=400)
    for q in (0.1, 0.9):
        reg = RNNRegressor(8, loss="quantile", quantile=q, max_iter=60, random_state=0).fit(X, y)
        assert np.mean(y <= reg.predict(X)) == pytest.approx(q, abs=0.06)


@pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", "sgd", "lbfgs", SGD(momentum=0.5, nesterov=False)])
def test_every_solver_learns(solver):
    X = sequences(60, n_channels=1)
    y = np.array([x.mean() > 0 for x in X])
    rate = 0.1 if "sgd" in str(solver).lower() else 0.01
    clf = RNNClassifier(8, solver=solver, learning_rate_init=rate, max_iter=80, random_state=0, alpha=0)
    assert clf.fit(X, y).score(X, y) > 0.9
    assert len(clf.loss_curve_) == clf.n_iter_
    assert clf.loss_curve_[-1] < clf.loss_curve_[0]


# ------------------------------------------------------------------------------------------------------ inputs
def test_all_forms_of_the_same_sequences_give_the_same_bits():
    X3 = np.random.default_rng(0).normal(size=(20, 5, 2))
    y = labels(list(X3))
    forms = [
        X3,
        list(X3),
        SequenceArray.from_padded(X3),
        np.asfortranarray(X3),
        X3.tolist(),
        pd.DataFrame({"a": list(X3[:, :, 0]), "b": list(X3[:, :, 1])}),
        np.concatenate([X3, np.full((20, 2, 2), np.nan)], axis=1),
    ]
    expected = RNNClassifier(**QUICK).fit(X3, y).predict_proba(X3)
    for X in forms:
        np.testing.assert_array_equal(RNNClassifier(**QUICK).fit(X, y).predict_proba(X), expected)


def test_a_table_is_one_univariate_sequence_per_row():
    X = np.random.default_rng(0).normal(size=(20, 5))
    y = labels(list(X[:, :, np.newaxis]))
    table = RNNClassifier(**QUICK).fit(X, y)
    np.testing.assert_array_equal(
        table.predict_proba(X), RNNClassifier(**QUICK).fit(X[:, :, np.newaxis], y).predict_proba(X[:, :, np.newaxis])
    )
    assert (table.n_features_in_, table.n_channels_) == (5, 1)


def test_univariate_lists_are_sequences_whatever_their_lengths():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=n) for n in (5, 9, 7, 6, 5, 8)]
    clf = RNNClassifier(**QUICK).fit(X, [0, 1] * 3)
    together = clf.predict_proba(X)
    for i in range(len(X)):
        np.testing.assert_array_equal(clf.predict_proba(X[i : i + 1])[0], together[i])
    np.testing.assert_array_equal(clf.predict_proba([X[0], X[4]]), together[[0, 4]])
    np.testing.assert_array_equal(clf.predict_proba([X[0].tolist()])[0], together[0])


def test_one_sequence_that_is_passed_like_a_table_is_refused():
    X = np.random.default_rng(0).normal(size=(8, 4, 3))
    clf = RNNClassifier(**QUICK).fit(X, [0, 1] * 4)
    with pytest.raises(ValueError, match=r"X\[np.newaxis\]"):
        clf.predict(X[0])


def test_values_that_overflow_only_when_standardized_are_named():
    X = np.random.default_rng(0).normal(size=(8, 4, 1)) * 1e-30
    clf = RNNClassifier(**QUICK).fit(X, [0, 1] * 4)
    X[2, 1] = 1e10
    with pytest.raises(ValueError, match=r"X, standardized, .*sequence 2, step 1, channel 0"):
        clf.predict(X)


def test_small_probabilities_have_logarithms():
    X = sequences(40, n_channels=1)
    for y in (np.array([x[-1, 0] > 0 for x in X]), np.digitize([x[-1, 0] for x in X], [-0.5, 0.5])):
        clf = RNNClassifier(8, solver="lbfgs", max_iter=300, alpha=0, dtype="float64").fit(X, y)
        log_p = clf.predict_log_proba([1e3 * x for x in X])
        assert np.isfinite(log_p).all()
        np.testing.assert_allclose(np.exp(log_p).sum(axis=1), 1)


def test_predictions_do_not_depend_on_batch_mates(ragged):
    X, y = ragged
    clf = RNNClassifier(**QUICK).fit(X, y)
    together = clf.predict_proba(X)
    for i in range(len(X)):
        np.testing.assert_array_equal(clf.predict_proba([X[i]])[0], together[i])


def test_input_is_not_changed(ragged):
    X, y = ragged
    copies, y_copy = [x.copy() for x in X], y.copy()
    RNNClassifier(**QUICK).fit(X, y).predict(X)
    assert all((a == b).all() for a, b in zip(X, copies, strict=True))
    np.testing.assert_array_equal(y, y_copy)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 1), (3, 4, 1)])
def test_smallest_data(shape):
    X = np.random.default_rng(0).normal(size=shape)
    reg = RNNRegressor(hidden_layer_sizes=1, max_iter=2, random_state=0).fit(X, np.arange(shape[0], dtype=float))
    assert np.isfinite(reg.predict(X)).all()


def test_constant_and_zero_channels_stay_finite():
    X = np.random.default_rng(0).normal(size=(12, 4, 3))
    X[:, :, 1], X[:, :, 2] = 7.3e8, 0.0
    clf = RNNClassifier(**QUICK).fit(X, labels(list(X)))
    assert np.isfinite(clf.predict_proba(X)).all()
    assert clf.input_scale_[1] == clf.input_scale_[2] == 1


# ----------------------------------------------------------------------------------------------------- weights
def test_zero_weight_is_as_if_the_sequence_were_not_there(ragged):
    X, y = ragged
    keep = np.arange(len(X)) % 4 != 0
    settings = QUICK | {"batch_size": 100, "dtype": "float64", "shuffle": False, "dropout": 0.0}
    with_zeros = RNNClassifier(**settings).fit(X, y, keep.astype(float))
    without = RNNClassifier(**settings).fit([x for x, k in zip(X, keep, strict=True) if k], y[keep])
    np.testing.assert_allclose(with_zeros.predict_proba(X), without.predict_proba(X), rtol=1e-7)


def test_class_weight_equals_sample_weight(ragged):
    X, y = ragged
    settings = QUICK | {"standardize": False}
    by_class = RNNClassifier(class_weight={0: 1.0, 1: 5.0, 2: 0.5}, **settings).fit(X, y)
    by_sample = RNNClassifier(**settings).fit(X, y, np.array([1.0, 5.0, 0.5])[y])
    np.testing.assert_array_equal(by_class.predict_proba(X), by_sample.predict_proba(X))


@pytest.mark.parametrize("cell", ["lstm", "gru", "elman"])
def test_weights_are_the_whole_network(ragged, cell):
    X, y = ragged
    settings = QUICK | {"hidden_layer_sizes": (5, 4), "dtype": "float64", "bidirectional": False, "pooling": "last"}
    clf = RNNClassifier(cell=cell, **settings).fit(X, y)
    standardized = [(x - clf.input_mean_) / clf.input_scale_ for x in X]
    raw = ref.raw_predictions(clf.weights_, standardized, cell)
    e = np.exp(raw - raw.max(axis=1, keepdims=True))
    np.testing.assert_allclose(clf.predict_proba(X), e / e.sum(axis=1, keepdims=True), rtol=1e-9)


def test_hidden_states_are_those_of_the_reference(ragged):
    X, y = ragged
    settings = QUICK | {"hidden_layer_sizes": (5, 4), "dtype": "float64", "bidirectional": False}
    clf = RNNClassifier(cell="lstm", **settings).fit(X, y)
    states = clf.hidden_states(X)
    for x, h in zip(X, states, strict=True):
        expected = ref.run_stack(clf.weights_, (x - clf.input_mean_) / clf.input_scale_, "lstm")[-1]
        np.testing.assert_allclose(h, expected, rtol=1e-9)


# --------------------------------------------------------------------------------------------- reproducibility
def test_same_seed_same_bits_for_any_number_of_threads(ragged):
    X, y = ragged
    X, y = X * 6, np.tile(y, 6)
    fitted = [
        RNNClassifier(**(QUICK | {"n_jobs": n_jobs, "batch_size": 64, "hidden_layer_sizes": 40})).fit(X, y)
        for n_jobs in (None, 1, 2, 3, 8)
    ]
    for clf in fitted[1:]:
        for name, w in fitted[0].weights_.items():
            np.testing.assert_array_equal(clf.weights_[name], w)


def test_fit_leaves_the_global_generator_and_parameters_alone(ragged):
    X, y = ragged
    before = np.random.get_state()[1].copy()
    clf = RNNClassifier(cell=Elman(activation="relu"), **QUICK)
    parameters = str(clf.get_params())
    clf.fit(X, y)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    assert str(clf.get_params()) == parameters


def test_pickle_clone_and_nested_parameters(ragged):
    X, y = ragged
    clf = RNNClassifier(cell=Elman(), solver=SGD(), **QUICK).fit(X, y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(clf)).predict_proba(X), clf.predict_proba(X))
    other = clone(clf).set_params(cell__activation="relu", solver__momentum=0.5)
    assert other.cell.activation == "relu"
    assert clf.cell.activation == "tanh"
    with pytest.raises(NotFittedError):
        other.predict(X)


def test_parameters_that_change_after_fit_do_not_matter(ragged):
    X, y = ragged
    clf = RNNClassifier(**QUICK).fit(X, y)
    expected = clf.predict_proba(X)
    clf.set_params(hidden_layer_sizes=50, dtype="float64", cell="gru")
    np.testing.assert_array_equal(clf.predict_proba(X), expected)


# ---------------------------------------------------------------------------------------------------- training
def test_early_stopping_restores_the_best_weights():
    X = sequences(120, n_channels=2)
    y = labels(X)
    clf = RNNClassifier(
        32, early_stopping=True, validation_fraction=0.3, n_iter_no_change=5, random_state=0, max_iter=80
    )
    clf.fit(X, y)
    assert len(clf.validation_scores_) == clf.n_iter_ < 80
    assert clf.best_validation_score_ == max(clf.validation_scores_)
    assert clf.best_loss_ is None
    _, held_out = train_test_split(
        np.arange(120),
        test_size=0.3,
        random_state=np.random.RandomState(0).randint(2**31 - 1),
        stratify=np.unique(y, return_inverse=True)[1],
    )
    held_out = np.sort(held_out)
    assert clf.score([X[i] for i in held_out], y[held_out]) == pytest.approx(clf.best_validation_score_)


def test_history_without_early_stopping(ragged):
    X, y = ragged
    clf = RNNClassifier(**QUICK, batch_size=100).fit(X, y)
    assert clf.validation_scores_ is None
    assert clf.best_validation_score_ is None
    assert clf.n_iter_ == len(clf.loss_curve_) == clf.t_ == 3
    assert (clf.loss_, clf.best_loss_) == (clf.loss_curve_[-1], min(clf.loss_curve_))


def test_training_ends_when_the_loss_stands_still(ragged):
    X, y = ragged
    clf = RNNClassifier(hidden_layer_sizes=4, tol=10.0, n_iter_no_change=4, max_iter=50, random_state=0).fit(X, y)
    assert clf.n_iter_ == 5


def test_verbose_prints_a_line_per_epoch(ragged, capsys):
    X, y = ragged
    RNNClassifier(verbose=True, **QUICK).fit(X, y)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("Epoch 1, loss = ")


@pytest.mark.filterwarnings("default:Training diverged")
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_divergence_keeps_finite_weights_and_says_so(solver):
    X = sequences()
    y = np.array([x.sum() for x in X])
    reg = RNNRegressor(6, cell="elman", solver=solver, learning_rate_init=1e30, clip_norm=None, random_state=0)
    with pytest.warns(ConvergenceWarning, match="diverged in epoch .*learning_rate_init"):
        reg.fit(X, y)
    # Those of the last loss that was finite, not the huge ones that the update after it made.
    assert all(np.abs(w).max() < 100 for w in reg.weights_.values())
    assert np.isfinite(reg.predict(X)).all()


@pytest.mark.filterwarnings("default:Training diverged")
def test_divergence_seen_by_early_stopping_ends_like_any_other():
    X = sequences(40)
    y = np.array([x.sum() for x in X])
    cell = Elman(activation="relu")
    reg = RNNRegressor(6, cell=cell, solver="sgd", learning_rate_init=1e12, clip_norm=None, early_stopping=True)
    with pytest.warns(ConvergenceWarning):
        reg.set_params(random_state=0).fit(X, y)
    assert np.isfinite(reg.predict(X)).all()


def test_running_out_of_epochs_warns(ragged):
    X, y = ragged
    with pytest.warns(ConvergenceWarning, match="Maximum number of iterations"):
        RNNClassifier(**QUICK, learning_rate="constant", tol=1e-3).fit(X, y)


def test_interrupted_training_keeps_what_it_has(ragged, monkeypatch):
    from skrnn.training.state import Monitor

    def interrupt(self, loss, theta):
        self.state.loss_curve.append(loss)
        if len(self.state.loss_curve) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Monitor, "end_epoch", interrupt)
    X, y = ragged
    with pytest.warns(ConvergenceWarning, match="interrupted by user"):
        clf = RNNClassifier(hidden_layer_sizes=4, random_state=0).fit(X, y)
    assert clf.n_iter_ == 2
    assert np.isfinite(clf.predict_proba(X)).all()


# --------------------------------------------------------------------------------------------------- bad input
def bad_value(value):
    X = sequences(8)
    X[3] = np.vstack([X[3], X[3], X[3]])
    X[3][2, 1] = value
    return X


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (bad_value(np.nan), "NaN: sequence 3, step 2, channel 1"),
        (bad_value(np.inf), "infinity: sequence 3, step 2, channel 1"),
        (bad_value(1e300), "too large for float32: sequence 3, step 2, channel 1"),
        ([], "0 sample"),
        ([np.ones((2, 3))] * 4 + [np.ones((0, 3))] + [np.ones((2, 3))] * 3, "sequence 4 has no time step"),
        ([np.ones((2, 3))] * 4 + [np.ones((3, 2))] + [np.ones((2, 3))] * 3, "sequence 4 has 2 channels"),
        ([np.ones((2, 3))] * 4 + [np.ones(3)] + [np.ones((2, 3))] * 3, r"sequence 4 has shape \(3,\)"),
        (np.ones((1, 8, 3, 3)), "dim 4"),
    ],
)
def test_bad_sequences_are_named_and_nothing_fitted_is_lost(X, message):
    good = sequences(8)
    clf = RNNClassifier(**QUICK).fit(good, [0, 1] * 4)
    before = dict(vars(clf))
    with pytest.raises(ValueError, match=message):
        clf.fit(X, [0, 1] * (len(X) // 2))
    assert vars(clf).keys() == before.keys()
    assert all(vars(clf)[k] is before[k] for k in before)
    if len(X) == 8:
        with pytest.raises(ValueError, match=message):
            clf.predict(X)


@pytest.mark.parametrize(
    ("y", "weight", "message"),
    [
        ([0, 1] * 3, None, "inconsistent numbers of samples"),
        ([0] * 8, None, "one class"),
        (np.linspace(0, 1, 8), None, "Unknown label type"),
        (None, None, "requires y to be passed"),
        ([0, 1] * 4, np.zeros(8), "weight.*zero"),
        ([0, 1] * 4, -np.ones(8), "Negative values"),
        ([0, 1] * 4, np.full(8, np.nan), "NaN"),
        ([0, 1] * 4, [1.0, 0.0] * 4, "one class"),
        ([[0], [1, 1]] * 4, None, "sequence 0 has 1 step in y, but 7 in X"),
        ([[-1, 1], [1, -1]] * 4, None, "0 and 1 only"),
    ],
)
def test_bad_targets_and_weights(y, weight, message):
    with pytest.raises(ValueError, match=message):
        RNNClassifier(**QUICK).fit(sequences(8), y, weight)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "poisson"}, "y >= 0"),
        ({"quantile": 0.3}, 'loss="quantile"'),
        ({"loss": Huber(delta=-1.0)}, "delta"),
        ({"loss": MultinomialLogLoss()}, "RNNClassifier"),
        ({"hidden_layer_sizes": (4, 0)}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": ()}, "hidden_layer_sizes"),
        ({"hidden_layer_sizes": 2.5}, "hidden_layer_sizes"),
        ({"cell": "transformer"}, "elman"),
        ({"cell": Elman(activation="cubic")}, "activation"),
        ({"cell": LSTM}, "cell"),
        ({"solver": SGD(momentum=1.5)}, "momentum"),
        ({"learning_rate_init": float("nan")}, "learning_rate_init"),
        ({"batch_size": 0}, "batch_size"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"early_stopping": True, "validation_fraction": 0.05}, "validation_fraction"),
    ],
)
def test_bad_parameters_are_refused_at_fit(parameters, message):
    reg = RNNRegressor(**(QUICK | parameters))
    with pytest.raises(ValueError, match=message):
        reg.fit(sequences(8), -np.arange(8.0))


@pytest.mark.parametrize(
    ("parameters", "weight", "message"),
    [
        ({"class_weight": {0: 0, 1: 0}}, None, "there is none"),
        # Of the two that count, none is held out.
        ({"early_stopping": True, "validation_fraction": 0.3, "random_state": 1}, [1, 1] + [0] * 18, "weight zero"),
    ],
)
def test_weights_that_leave_nothing_are_refused(parameters, weight, message):
    with pytest.raises(ValueError, match=message):
        RNNClassifier(**(QUICK | parameters)).fit(sequences(20), [0, 1] * 10, weight)


def test_lbfgs_says_why_it_ended():
    X = sequences(12)
    y = np.array([x.sum() for x in X])
    with pytest.warns(ConvergenceWarning, match=r"iterations \(2\) reached and L-BFGS"):
        RNNRegressor(4, solver="lbfgs", max_iter=2, random_state=0).fit(X, y)


def test_wrong_channels_at_predict_are_counted():
    clf = RNNClassifier(**QUICK).fit(sequences(8), [0, 1] * 4)
    with pytest.raises(ValueError, match="X has 2 channels per step, but RNNClassifier was fitted on 3"):
        clf.predict(sequences(4, n_channels=2))


@pytest.mark.parametrize("value", [1.7e308, np.inf, np.nan])
def test_targets_that_overflow_are_refused(value):
    y = np.arange(8.0)
    y[3] = value
    with pytest.raises(ValueError, match="y "):
        RNNRegressor(**QUICK).fit(sequences(8), np.where(np.arange(8) == 4, -value, y))


# ---------------------------------------------------------------------------------------- with the rest of scikit-learn
@pytest.mark.parametrize("form", [list, SequenceArray.from_list])
def test_grid_search_pipeline_and_cross_validation(form):
    X = form(sequences(30))
    y = np.arange(30) % 2
    grid = {"rnnclassifier__cell": ["gru", "elman"]}
    search = GridSearchCV(make_pipeline(RNNClassifier(**QUICK)), grid, cv=2).fit(X, y)
    assert search.predict(X).shape == (30,)
    assert cross_val_score(RNNClassifier(**QUICK), X, y, cv=2).shape == (2,)
