"""What users do with scikit-learn, each as a function from a container of sequences to results that can be compared.

The containers hold the same sequences, so what comes out has to be the same for all of them.
"""

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import sklearn
from joblib import parallel_config
from meta_data import (
    GROUPS,
    LONGER,
    WEIGHTS,
    Y2,
    Y3,
    Y_LABELS,
    Y_REAL,
    Backwards,
    N,
    Summary,
    clf,
    columns,
    packed,
    reg,
    rows,
)
from sklearn import ensemble, multiclass, multioutput
from sklearn import model_selection as ms
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.feature_selection import RFE, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import RocCurveDisplay
from sklearn.pipeline import FeatureUnion, make_pipeline, make_union
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier
from sklearn.utils import indexable, resample, shuffle
from sklearn.utils.validation import _num_samples

SIZES = {"hidden_layer_sizes": [2, 4]}
TRAIN, TEST = np.arange(0, N, 2), np.arange(1, N, 2)
TRIALS = {}  # the battery of 41
FURTHER = {}


NOT_LIKE_A_TABLE = set()  # where a table of numbers is more than sequences of its columns


def trial(title, of=TRIALS, *, like_table=True):
    def register(run):
        of[title] = run
        if not like_table:
            NOT_LIKE_A_TABLE.add(title)
        return run

    return register


def fitted_half(meta, X, y, method="predict_proba"):
    """What a meta-estimator that is fitted on half of the rows says of the others."""
    return getattr(meta.fit(rows(X, TRAIN), y[TRAIN]), method)(rows(X, TEST))


def search_results(search, X, **params):
    search.fit(X, Y2, **params)
    return search.cv_results_["mean_test_score"], search.predict_proba(X)


# ------------------------------------------------------------------------------------------- utilities, splits
@trial("indexing utilities")
def indexing(X):
    (same,) = indexable(X)
    assert _num_samples(same) == N
    picked = [rows(same, index) for index in ([3, 1, 1], np.arange(N) < 2, np.array([5]))]
    assert {type(part) for part in picked} == {type(X)}
    return [list(packed(part)) for part in picked]


@trial("train_test_split")
def splitting(X):
    parts = ms.train_test_split(X, Y2, stratify=Y2, random_state=0)
    assert type(parts[0]) is type(parts[1]) is type(X)
    return *map(list, map(packed, parts[:2])), *parts[2:]


@trial("shuffle, resample")
def shuffling(X):
    parts = shuffle(X, random_state=0), resample(X, n_samples=7, random_state=0, stratify=Y3)
    assert {type(part) for part in parts} == {type(X)}
    return [list(packed(part)) for part in parts]


@trial("Pipeline")
def pipeline(X):
    pipe = make_pipeline(Backwards(), Summary(), StandardScaler(), LogisticRegression())
    proba = fitted_half(pipe, X, Y2)
    return proba, pipe[:2].transform(X), pipe[1:].predict(pipe[:1].transform(X))


# --------------------------------------------------------------------------------------------- model selection
@trial("cross_val_score, cross_validate")
def cross_validation(X):
    found = ms.cross_validate(clf(), X, Y2, cv=3, scoring=["accuracy", "roc_auc"], error_score="raise")
    return ms.cross_val_score(reg(), X, Y_REAL, cv=3), found["test_accuracy"], found["test_roc_auc"]


@trial("cross_val_predict")
def cross_prediction(X):
    return ms.cross_val_predict(clf(), X, Y3, cv=3, method="predict_proba")


@trial("GroupKFold with groups")
def groups(X):
    return ms.cross_val_predict(reg(), X, Y_REAL, groups=GROUPS, cv=ms.GroupKFold(4))


@trial("GridSearchCV")
def grid_search(X):
    return search_results(ms.GridSearchCV(clf(), SIZES, cv=2, error_score="raise"), X)


@trial("GridSearchCV(Pipeline)")
def grid_search_of_pipeline(X):
    pipe = make_pipeline(Backwards(), clf())
    grid = {"rnnclassifier__hidden_layer_sizes": [2, 4]}
    return search_results(ms.GridSearchCV(pipe, grid, cv=2, error_score="raise"), X)


@trial("GridSearchCV in 2 processes (loky)")
def grid_search_in_processes(X):
    with parallel_config(backend="loky", n_jobs=2, max_nbytes=1):  # all arrays as read-only memory maps
        return search_results(ms.GridSearchCV(clf(), SIZES, cv=2, error_score="raise"), X)


@trial("sample_weight routed in GridSearchCV")
def routed_weights(X):
    with sklearn.config_context(enable_metadata_routing=True):
        weighted = clf().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        search = ms.GridSearchCV(weighted, SIZES, cv=2, error_score="raise")
        return search_results(search, X, sample_weight=WEIGHTS)


@trial("RandomizedSearchCV")
def randomized_search(X):
    search = ms.RandomizedSearchCV(clf(), {"alpha": [0.1, 1, 3]}, n_iter=2, cv=2, random_state=0, error_score="raise")
    return search_results(search, X)


@trial("HalvingGridSearchCV by max_iter")
def halving_search(X):
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401

    grid = {"hidden_layer_sizes": [2, 3, 4]}
    resource = {"resource": "max_iter", "min_resources": 3, "max_resources": 9}
    return search_results(ms.HalvingGridSearchCV(clf(), grid, cv=2, **resource, error_score="raise"), X)


@trial("learning_curve, validation_curve")
def curves(X):
    learning = ms.learning_curve(clf(), X, Y2, cv=2, train_sizes=[0.5, 1.0], error_score="raise")
    alphas = {"param_name": "alpha", "param_range": [0.1, 1]}
    return *learning, *ms.validation_curve(clf(), X, Y2, cv=2, **alphas, error_score="raise")


@trial("permutation_test_score")
def permutation_test(X):
    return ms.permutation_test_score(clf(), X, Y2, cv=2, n_permutations=3, random_state=0)


@trial("TunedThresholdClassifierCV")
def tuned_threshold(X):
    tuned = ms.TunedThresholdClassifierCV(clf(), cv=2, thresholds=5).fit(X, Y2)
    return tuned.best_score_, tuned.best_threshold_, tuned.predict(X), tuned.predict_proba(X)


@trial("FixedThresholdClassifier")
def fixed_threshold(X):
    fixed = ms.FixedThresholdClassifier(clf(), threshold=0.45)
    return fitted_half(fixed, X, Y2, "predict"), fixed.predict_proba(X)


# --------------------------------------------------------------------------------------------------- ensembles
@trial("StackingClassifier")
def stacking_classifier(X):
    return fitted_half(ensemble.StackingClassifier([("a", clf()), ("b", clf(random_state=1))], cv=2), X, Y3)


@trial("StackingRegressor")
def stacking_regressor(X):
    stack = ensemble.StackingRegressor([("a", reg()), ("b", reg(random_state=1))], Ridge(), cv=2)
    return fitted_half(stack, X, Y_REAL, "predict")


@trial("Stacking, passthrough to a network", like_table=False)
def stacking_passthrough(X):
    stack = ensemble.StackingClassifier([("a", clf())], clf(hidden_layer_sizes=3), cv=2, passthrough=True)
    proba = fitted_half(stack, X, Y2)
    channels = packed(X).n_channels
    assert stack.final_estimator_.n_channels_ == channels + 1  # the probability is a static covariate
    return proba


@trial("VotingClassifier, VotingRegressor")
def voting(X):
    soft = ensemble.VotingClassifier([("a", clf()), ("b", clf(random_state=1))], voting="soft")
    mean = ensemble.VotingRegressor([("a", reg()), ("b", reg(random_state=1))])
    return fitted_half(soft, X, Y2), fitted_half(mean, X, Y_REAL, "predict")


@trial("BaggingClassifier, BaggingRegressor", like_table=False)
def bagging(X):
    bag = ensemble.BaggingClassifier(clf(), n_estimators=2, random_state=0)
    proba = fitted_half(bag, X, Y2)
    mean = ensemble.BaggingRegressor(reg(), n_estimators=2, random_state=0)
    return proba, fitted_half(mean, X, Y_REAL, "predict")


@trial("AdaBoostClassifier, AdaBoostRegressor")
def boosting(X):
    boost = ensemble.AdaBoostClassifier(clf(**LONGER), n_estimators=2, random_state=0)
    mean = ensemble.AdaBoostRegressor(reg(), n_estimators=2, random_state=0)
    return fitted_half(boost, X, Y2), fitted_half(mean, X, Y_REAL, "predict")


@trial("CalibratedClassifierCV")
def calibration(X):
    return fitted_half(CalibratedClassifierCV(clf(), cv=2), X, Y2)


@trial("CalibratedClassifierCV(ensemble=False)")
def isotonic_calibration(X):
    return fitted_half(CalibratedClassifierCV(clf(), cv=2, ensemble=False, method="isotonic"), X, Y2)


@trial("CalibratedClassifierCV(FrozenEstimator)")
def calibration_of_frozen(X):
    ready = clf().fit(rows(X, TRAIN), Y2[TRAIN])
    return CalibratedClassifierCV(FrozenEstimator(ready), cv=2).fit(rows(X, TEST), Y2[TEST]).predict_proba(X)


@trial("SelfTrainingClassifier")
def self_training(X):
    y = np.where(np.arange(N) % 3 == 0, -1, Y3)
    found = SelfTrainingClassifier(clf(), threshold=0.4, max_iter=2).fit(X, y)
    assert found.labeled_iter_.max() > 0
    return found.transduction_, found.predict_proba(X)


# --------------------------------------------------------------------------------- several classes or targets
@trial("OneVsRestClassifier")
def one_vs_rest(X):
    return fitted_half(multiclass.OneVsRestClassifier(clf()), X, Y3)


@trial("OneVsOneClassifier")
def one_vs_one(X):
    return fitted_half(multiclass.OneVsOneClassifier(clf()), X, Y3, "decision_function")


@trial("OutputCodeClassifier")
def output_code(X):
    code = multiclass.OutputCodeClassifier(clf(), code_size=4, random_state=0)
    labels = fitted_half(code, X, Y3, "predict")
    assert any(not hasattr(one, "weights_") for one in code.estimators_)  # a bit that is the same for all classes
    return labels


@trial("MultiOutputClassifier")
def multi_output_classifier(X):
    return fitted_half(multioutput.MultiOutputClassifier(clf()), X, Y_LABELS)


@trial("MultiOutputRegressor")
def multi_output_regressor(X):
    return fitted_half(multioutput.MultiOutputRegressor(reg()), X, np.stack([Y_REAL, WEIGHTS], axis=1), "predict")


@trial("ClassifierChain, RegressorChain", like_table=False)
def chains(X):
    chain = multioutput.ClassifierChain(clf(), cv=2, random_state=0)
    proba = fitted_half(chain, X, Y_LABELS)
    channels = packed(X).n_channels
    # what the links before predict is a static covariate
    assert [link.n_channels_ for link in chain.estimators_] == [channels, channels + 1]
    both = np.stack([Y_REAL, WEIGHTS], axis=1)
    return proba, fitted_half(multioutput.RegressorChain(reg()), X, both, "predict")


# ------------------------------------------------------------------------------------------- columns, targets
@trial("ColumnTransformer")
def column_transformer(X):
    kinds = [("mean", Summary(), columns(X)), ("max", Summary(np.max), columns(X))]
    pipe = make_pipeline(ColumnTransformer(kinds), LogisticRegression())
    return fitted_half(pipe, X, Y2), pipe[:1].transform(X)


@trial("FeatureUnion")
def feature_union(X):
    return fitted_half(make_pipeline(make_union(Summary(), Summary(np.max)), LogisticRegression()), X, Y2)


@trial("FeatureUnion with set_output")
def feature_union_to_pandas(X):
    union = FeatureUnion([("a", Summary()), ("b", Summary(np.max))]).set_output(transform="pandas")
    table = union.fit(X).transform(rows(X, TEST))
    assert list(table.index) == list(TEST if hasattr(X, "index") and hasattr(X, "columns") else range(len(TEST)))
    return list(table.columns), table.to_numpy()


@trial("TransformedTargetRegressor")
def transformed_target(X):
    log = TransformedTargetRegressor(reg(), func=np.log, inverse_func=np.exp)
    return fitted_half(log, X, np.abs(Y_REAL) + 1, "predict")


# -------------------------------------------------------------------------------------- inspection, dispatch
@trial("permutation_importance", like_table=False)
def importance(X):
    with warnings.catch_warnings():
        # of a polars frame it makes an array without names, with estimators of scikit-learn as well
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        found = permutation_importance(clf().fit(X, Y2), X, Y2, n_repeats=2, random_state=0, scoring="neg_log_loss")
    return found.importances


def pyplot():
    pytest.importorskip("matplotlib").use("agg")
    return pytest.importorskip("matplotlib.pyplot")


@trial("RocCurveDisplay.from_estimator")
def roc_curve(X):
    plt = pyplot()
    shown = RocCurveDisplay.from_estimator(clf().fit(X, Y2), X, Y2)
    plt.close(shown.figure_)
    return shown.fpr, shown.tpr, shown.roc_auc


@trial("RocCurveDisplay.from_cv_results")
def roc_curves(X):
    plt = pyplot()
    found = ms.cross_validate(clf(), X, Y2, cv=2, return_estimator=True, return_indices=True, error_score="raise")
    shown = RocCurveDisplay.from_cv_results(found, X, Y2)
    plt.close(shown.figure_)
    return *shown.fpr, *shown.tpr, *shown.roc_auc


@trial("array_api_dispatch=True")
def dispatch(X):
    with sklearn.config_context(array_api_dispatch=True):
        return ms.cross_val_predict(clf(), X, Y2, cv=2, method="predict_proba")


@trial("Stacking, passthrough to a linear model", FURTHER, like_table=False)
def stacking_passthrough_to_linear(X):
    return fitted_half(ensemble.StackingClassifier([("a", clf())], cv=2, passthrough=True), X, Y2)


# ----------------------------------------------------------------------------------------------------- nested
@trial("GridSearchCV(OneVsOne)", FURTHER)
def search_of_one_vs_one(X):
    search = ms.GridSearchCV(
        multiclass.OneVsOneClassifier(clf()), {"estimator__alpha": [0.1, 1]}, cv=2, error_score="raise"
    )
    return search.fit(X, Y3).cv_results_["mean_test_score"], search.decision_function(X)


@trial("OneVsOne(Bagging)", FURTHER, like_table=False)
def one_vs_one_of_bagging(X):
    bag = ensemble.BaggingClassifier(clf(), n_estimators=2, random_state=0)
    return fitted_half(multiclass.OneVsOneClassifier(bag), X, Y3, "decision_function")


@trial("Bagging(Pipeline)", FURTHER, like_table=False)
def bagging_of_pipeline(X):
    pipe = make_pipeline(Backwards(), clf())
    return fitted_half(ensemble.BaggingClassifier(pipe, n_estimators=2, random_state=0), X, Y2)


@trial("Stacking(GridSearchCV)", FURTHER)
def stacking_of_search(X):
    search = ms.GridSearchCV(clf(), SIZES, cv=2, error_score="raise")
    return fitted_half(ensemble.StackingClassifier([("a", search)], cv=2), X, Y2)


@trial("CalibratedClassifierCV(Pipeline)", FURTHER)
def calibration_of_pipeline(X):
    return fitted_half(CalibratedClassifierCV(make_pipeline(Backwards(), clf()), cv=2), X, Y2)


@trial("ClassifierChain(Bagging)", FURTHER, like_table=False)
def chain_of_bagging(X):
    bag = ensemble.BaggingClassifier(clf(), n_estimators=2, random_state=0)
    return fitted_half(multioutput.ClassifierChain(bag), X, Y_LABELS)


@trial("SelfTraining(OneVsRest)", FURTHER)
def self_training_of_one_vs_rest(X):
    y = np.where(np.arange(N) % 3 == 0, -1, Y3)
    rest = multiclass.OneVsRestClassifier(clf())
    return SelfTrainingClassifier(rest, threshold=0.4, max_iter=2).fit(X, y).predict_proba(X)


@trial("Bagging(AdaBoost)", FURTHER, like_table=False)
def bagging_of_boosting(X):
    boost = ensemble.AdaBoostClassifier(clf(**LONGER), n_estimators=2, random_state=0)
    with np.errstate(divide="ignore"):  # AdaBoost takes the logarithm of weights, and Bagging gives it zeros
        return fitted_half(ensemble.BaggingClassifier(boost, n_estimators=2, random_state=0), X, Y2)


# ------------------------------------------------------------------------- backends, routing, choice of channels
@trial("cross_val_predict in 2 threads", FURTHER)
def threads(X):
    with parallel_config(backend="threading", n_jobs=2):
        return ms.cross_val_predict(clf(), X, Y2, cv=3, method="predict_proba")


@trial("Pipeline(memory=...)", FURTHER)
def memory(X):
    with TemporaryDirectory() as folder:
        pipe = make_pipeline(Backwards(), clf(), memory=folder)
        first, again = (pipe.fit(X, Y2).predict_proba(X) for _ in range(2))
        assert len(list(Path(folder).rglob("output.pkl"))) == 1
    return first, again


@trial("groups routed to GroupKFold", FURTHER)
def routed_groups(X):
    with sklearn.config_context(enable_metadata_routing=True):
        params = {"groups": GROUPS, "sample_weight": WEIGHTS}
        weighted = reg().set_fit_request(sample_weight=True)
        return ms.cross_val_predict(weighted, X, Y_REAL, cv=ms.GroupKFold(4), params=params)


@trial("weights routed in Stacking(Pipeline)", FURTHER)
def routed_weights_in_stacking(X):
    with sklearn.config_context(enable_metadata_routing=True):
        pipe = make_pipeline(Backwards(), clf().set_fit_request(sample_weight=True))
        final = LogisticRegression().set_fit_request(sample_weight=True)
        return (
            ensemble.StackingClassifier([("a", pipe)], final, cv=2).fit(X, Y2, sample_weight=WEIGHTS).predict_proba(X)
        )


def strength(network):
    """How strongly the network reads each channel."""
    return np.linalg.norm(network.weights_["layers.0.forward.W_x"], axis=1)


@trial("SequentialFeatureSelector", FURTHER, like_table=False)
def selection(X):
    selector = SequentialFeatureSelector(clf(), n_features_to_select=1, cv=2)
    return make_pipeline(selector, clf()).fit(X, Y2).predict_proba(X)


@trial("RFE", FURTHER, like_table=False)
def elimination(X):
    selector = RFE(clf(), n_features_to_select=1, importance_getter=strength)
    return make_pipeline(selector, clf()).fit(X, Y2).predict_proba(X)
