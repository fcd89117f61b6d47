"""``RNNSearchCV`` against lone fits, whose bits are those of its candidates."""

import pickle

import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform
from searches import CLF, FOLDS, RATES, SHORT, Y_REAL, StopAt, X, Y, lone_fit, mark, rows, same_results
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, GroupKFold, ParameterSampler, ShuffleSplit
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNClassifier, RNNRegressor, RNNSearchCV, SequenceTransformer
from skrnn.callbacks import EarlyStopping, LearningRateFinder
from skrnn.cells import Elman
from skrnn.preprocessing import PerStep

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ALL = SHORT | {"tol": 0.0, "n_iter_no_change": 99}
KINDS = {
    "cosine": (CLF, Y),
    "constant": (RNNRegressor(**ALL, learning_rate="constant"), Y_REAL),
    "plateau": (RNNRegressor(**ALL, learning_rate="plateau"), Y_REAL),
    "noise": (RNNClassifier(**ALL, dropout=0.3, recurrent_dropout=0.2), Y),
    "held out, with a tail": (RNNClassifier(**SHORT | {"n_iter_no_change": 1}, early_stopping=True), Y),
    "ends early": (RNNClassifier(**SHORT | {"tol": 0.5, "n_iter_no_change": 2}), Y),
    "two networks": (RNNClassifier(**SHORT, n_networks=2), Y),
    "sgd": (RNNClassifier(**SHORT, solver="sgd"), Y),
    "auto": (RNNClassifier(**SHORT | {"max_iter": "auto"}), Y),
    "transformer": (SequenceTransformer(**SHORT), Y),
}


def check_against_lone_fits(search, estimator, y, cv=FOLDS):
    results = search.cv_results_
    for row, parameters in enumerate(results["params"]):
        for fold, (train, _) in enumerate(cv):
            n_epochs = results["n_resources"][row]
            lone = lone_fit(estimator, parameters, n_epochs, rows(X, train), y[train])
            assert results[f"split{fold}_test_score"][row] == mark(lone)


@pytest.mark.parametrize("kind", KINDS)
def test_each_candidate_is_a_lone_fit_that_ends_at_the_rung(kind):
    """Bit for bit, also where it has gone on from an earlier rung."""
    estimator, y = KINDS[kind]
    search = RNNSearchCV(estimator, RATES, n_candidates="all", cv=FOLDS, scoring=mark, refit=False).fit(X, y)
    assert search.n_candidates_ == [5, 2]
    assert search.n_resources_[0] == -(-search.n_resources_[1] // 3)
    check_against_lone_fits(search, estimator, y)


@pytest.mark.parametrize(
    "callback", [EarlyStopping(X[:10], Y[:10], n_iter_no_change=2), LearningRateFinder(n_updates=10)]
)
def test_callbacks_of_the_estimator_go_on_too(callback):
    estimator = clone(CLF).set_callbacks(callback)
    search = RNNSearchCV(estimator, RATES, n_candidates="all", cv=FOLDS, scoring=mark, refit=False).fit(X, Y)
    check_against_lone_fits(search, estimator, Y)


@pytest.mark.parametrize("n_epochs", [2, 3, 4])
@pytest.mark.parametrize("n_networks", [1, 2])
def test_what_a_callback_has_ended_is_not_resumed(n_epochs, n_networks):
    """Before the first rung, which is after three epochs, just there, and behind it."""
    estimator = clone(CLF).set_params(n_networks=n_networks).set_callbacks(StopAt(n_epochs))
    search = RNNSearchCV(estimator, RATES, n_candidates="all", cv=FOLDS, scoring=mark, refit=False).fit(X, Y)
    assert search.cv_results_["n_epochs"].tolist() == [min(n_epochs, 3)] * 5 + [n_epochs] * 2
    check_against_lone_fits(search, estimator, Y)


@pytest.mark.parametrize("rate", [1e3, 1e6])
def test_candidates_that_diverge_end_like_a_fit_alone(rate):
    """Where predictions overflow before weights do: without callbacks, nothing looks at them after each epoch."""
    alone = RNNRegressor(**SHORT | {"cell": Elman(activation="relu"), "batch_size": 20}, learning_rate_init=rate)
    space = {"alpha": [1e-5, 1e-4, 1e-3, 1e-2]}
    search = RNNSearchCV(alone, space, n_candidates="all", cv=FOLDS, scoring=mark, refit=False).fit(X, Y_REAL)
    results = search.cv_results_
    for row in np.flatnonzero(results["iter"] == results["iter"].max()):
        for fold, (train, _) in enumerate(FOLDS):
            lone = clone(alone).set_params(**results["params"][row]).fit(rows(X, train), Y_REAL[train])
            assert results[f"split{fold}_test_score"][row] == mark(lone)


def test_a_splitter_without_a_seed_holds_out_the_same_at_all_rungs():
    """Else a candidate would be stopped by what it was trained on at an earlier rung."""
    stops = RNNClassifier(**SHORT, early_stopping=True, validation_split=ShuffleSplit(1, test_size=0.3))
    search = RNNSearchCV(stops, RATES, n_candidates="all", cv=FOLDS, scoring=mark, refit=False).fit(X, Y)
    check_against_lone_fits(search, stops, Y)


@pytest.mark.parametrize("factor", [1.5, 2, 4])
@pytest.mark.parametrize("n_candidates", [1, 2, 5, 7])
def test_the_best_go_on(n_candidates, factor):
    space = {"learning_rate_init": loguniform(1e-4, 1), "alpha": loguniform(1e-6, 1)}
    search = RNNSearchCV(
        CLF, space, n_candidates=n_candidates, factor=factor, cv=FOLDS[:1], random_state=0, refit=False
    ).fit(X, Y)
    results = search.cv_results_
    assert results["params"][:n_candidates] == list(ParameterSampler(space, n_candidates, random_state=0))
    assert search.n_iterations_ == len(search.n_candidates_) == results["iter"].max() + 1
    for number in range(search.n_iterations_):
        here, next_ = results["iter"] == number, results["iter"] == number + 1
        assert here.sum() == search.n_candidates_[number]
        gone_on = np.isin(results["candidate"][here], results["candidate"][next_])
        scores = results["mean_test_score"][here]
        assert max(scores[~gone_on], default=-1) <= min(scores[gone_on], default=1)
    assert results["n_resources"].max() == 9
    last = results["iter"] == search.n_iterations_ - 1
    assert search.best_score_ == results["mean_test_score"][last].max()
    assert search.best_params_ == results["params"][search.best_index_]


def test_without_factor_it_is_a_search_of_scikit_learn():
    given = [{"learning_rate_init": [0.01, 0.1]}, {"alpha": [0.1], "cell": ["elman"]}]
    how = {"cv": FOLDS, "return_train_score": True}
    search = RNNSearchCV(CLF, given, n_candidates="all", factor=None, **how).fit(X, Y)
    grid = GridSearchCV(CLF, given, **how).fit(X, Y)
    ours = {"iter", "candidate", "n_resources", "n_epochs"}
    assert search.cv_results_.keys() - ours == set(grid.cv_results_)
    for name, values in grid.cv_results_.items():
        if "time" not in name:
            np.testing.assert_array_equal(search.cv_results_[name], values, err_msg=name)
    for name in ("best_index_", "best_params_", "best_score_", "n_splits_", "multimetric_", "n_features_in_"):
        assert getattr(search, name) == getattr(grid, name), name
    np.testing.assert_array_equal(search.classes_, grid.classes_)
    np.testing.assert_array_equal(search.predict_proba(X), grid.predict_proba(X))
    np.testing.assert_array_equal(search.predict(X), grid.predict(X))
    assert search.score(X, Y) == grid.score(X, Y)
    assert mark(search.best_estimator_) == mark(clone(CLF).set_params(**search.best_params_).fit(X, Y))


def test_candidates_that_failed():
    space = {"hidden_layer_sizes": [3, -1, 4, -2, 5]}
    search = RNNSearchCV(CLF, space, n_candidates="all", cv=FOLDS, error_score=-1.0)
    with pytest.warns(sklearn.exceptions.FitFailedWarning, match="4 fits failed out of a total of 10"):
        search.fit(X, Y)
    assert search.cv_results_["mean_test_score"][[1, 3]].tolist() == [-1, -1]
    assert search.best_params_["hidden_layer_sizes"] > 0
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        search.set_params(error_score="raise").fit(X, Y)
    with pytest.raises(ValueError, match="All the 4 fits failed"):
        search.set_params(param_distributions={"hidden_layer_sizes": [-1, -2]}, error_score=np.nan).fit(X, Y)


def test_failed_candidates_go_on_where_there_are_no_others():
    space = {"hidden_layer_sizes": [3, -1, -2, -3]}
    search = RNNSearchCV(CLF, space, n_candidates="all", cv=FOLDS)
    with (
        pytest.warns(sklearn.exceptions.FitFailedWarning, match="6 fits failed out of a total of 8"),
        pytest.warns(UserWarning, match="scores are non-finite"),
    ):
        search.fit(X, Y)
    assert search.n_candidates_ == [4, 2]
    assert search.best_params_ == {"hidden_layer_sizes": 3}


# ---------------------------------------------------------------------------------------------------- several scores
def two_scores(estimator, X, y):
    return {"mark": mark(estimator), "accuracy": accuracy_score(y, estimator.predict(X))}


@pytest.mark.parametrize("scoring", [["neg_log_loss", "accuracy"], {"a": "accuracy", "accuracy": mark}, two_scores])
def test_several_scores(scoring):
    search = RNNSearchCV(CLF, RATES, n_candidates="all", cv=FOLDS, scoring=scoring, refit="accuracy").fit(X, Y)
    results = search.cv_results_
    first = results["mean_test_accuracy"][:5]
    assert sorted(first[results["candidate"][5:]]) == sorted(first)[-2:]
    assert search.best_score_ == results["mean_test_accuracy"][5:].max()
    assert search.multimetric_
    assert {name[10:] for name in results if name.startswith("mean_test_")} >= {"accuracy"}


def test_what_refit_may_be():
    how = {"n_candidates": "all", "cv": FOLDS, "scoring": ["neg_log_loss", "accuracy"]}
    search = RNNSearchCV(CLF, RATES, **how, refit=False).fit(X, Y)
    first = search.cv_results_["mean_test_neg_log_loss"][:5]  # the first one is what candidates are compared by
    assert sorted(first[search.cv_results_["candidate"][5:]]) == sorted(first)[-2:]
    assert not hasattr(search, "best_index_")
    with pytest.raises(AttributeError, match="predict"):
        search.predict(X)
    by_hand = RNNSearchCV(CLF, RATES, **how, refit=lambda results: 4).fit(X, Y)
    assert by_hand.best_index_ == 4
    assert not hasattr(by_hand, "best_score_")
    assert by_hand.best_estimator_.learning_rate_init == RATES["learning_rate_init"][4]
    with pytest.raises(ValueError, match="refit must be set to a scorer key"):
        RNNSearchCV(CLF, RATES, **how).fit(X, Y)
    alone = RNNSearchCV(CLF, RATES, n_candidates="all", cv=FOLDS, refit=False).fit(X, Y)
    assert alone.best_params_ == alone.cv_results_["params"][alone.best_index_]


# --------------------------------------------------------------------------------------------- pipelines and metadata
class Counting(PerStep):
    """Counts its fits."""

    fits = []

    def fit(self, X, y=None):
        self.fits.append(1)
        return super().fit(X, y)

    def fit_transform(self, X, y=None):
        return self.fit(X, y).transform(X)


@pytest.mark.parametrize("nested", [False, True])
def test_pipelines(nested):
    Counting.fits.clear()
    pipe = Pipeline([("scale", Counting(StandardScaler())), ("rnn", CLF)])
    space = {"rnn__learning_rate_init": RATES["learning_rate_init"][:4], "scale__transformer__with_mean": [True]}
    if nested:
        pipe = make_pipeline(Counting(StandardScaler()), pipe)
        space = {f"pipeline__{name}": values for name, values in space.items()}
    search = RNNSearchCV(pipe, space, n_candidates="all", cv=FOLDS, scoring=mark).fit(X, Y)
    assert len(Counting.fits) == (4 * 2 + 1) * (1 + nested)  # once for each candidate and split, and for all data
    check_against_lone_fits(search, pipe, Y)
    assert mark(search.best_estimator_) == mark(clone(pipe).set_params(**search.best_params_).fit(X, Y))


def test_weights_and_groups():
    weights, groups = np.arange(40) % 3 + 0.5, np.arange(40) // 4
    how = {"n_candidates": "all", "refit": False, "cv": GroupKFold(2), "factor": 2}
    rates = {"learning_rate_init": [0.003, 0.03, 0.3]}
    with sklearn.config_context(enable_metadata_routing=True):
        scorer = make_scorer(accuracy_score).set_score_request(sample_weight=True)
        clf = clone(CLF).set_fit_request(sample_weight=True)
        search = RNNSearchCV(clf, rates, scoring=scorer, **how).fit(X, Y, sample_weight=weights, groups=groups)
        pipe = make_pipeline(PerStep(StandardScaler().set_fit_request(sample_weight=False)), clf)
        in_pipe = RNNSearchCV(pipe, {f"rnnclassifier__{k}": v for k, v in rates.items()}, scoring=scorer, **how)
        in_pipe.fit(X, Y, sample_weight=weights, groups=groups)
    splits = list(GroupKFold(2).split(X, Y, groups))
    for row, parameters in enumerate(search.cv_results_["params"]):
        for fold, (train, test) in enumerate(splits):
            given = {"sample_weight": weights[train]}
            lone = lone_fit(CLF, parameters, search.cv_results_["n_resources"][row], rows(X, train), Y[train], **given)
            score = accuracy_score(Y[test], lone.predict(rows(X, test)), sample_weight=weights[test])
            assert search.cv_results_[f"split{fold}_test_score"][row] == score
            assert in_pipe.cv_results_[f"split{fold}_test_score"][row] == score
    without = RNNSearchCV(CLF, rates, **how).fit(X, Y, sample_weight=weights, groups=groups)
    assert without.n_splits_ == 2


def test_fewer_combinations_than_candidates():
    search = RNNSearchCV(CLF, RATES, n_candidates=30, cv=FOLDS, refit=False, random_state=0)
    with pytest.warns(UserWarning, match="5 combinations, fewer than n_candidates=30: all of them are candidates"):
        search.fit(X, Y)
    assert search.n_candidates_ == [5, 2]
    drawn = list(ParameterSampler(RATES, 5, random_state=0))
    assert search.cv_results_["params"][:5] == drawn


def test_as_an_estimator():
    search = RNNSearchCV(CLF, RATES, n_candidates=3, cv=FOLDS, random_state=0)
    assert is_classifier(search)
    assert is_regressor(clone(search).set_params(estimator=RNNRegressor()))
    assert search.get_params()["estimator__cell"] == "elman"
    assert search.__sklearn_tags__().input_tags.three_d_array
    assert not hasattr(search, "transform")
    fitted = clone(search).fit(X, Y)
    same_results(pickle.loads(pickle.dumps(fitted)), fitted)
    transformers = RNNSearchCV(
        SequenceTransformer(**SHORT), {"alpha": [0, 1]}, n_candidates="all", cv=FOLDS, scoring=mark
    )
    assert transformers.fit(X).transform(X).shape[0] == 40
