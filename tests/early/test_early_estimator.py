"""`EarlyClassifier` as an estimator, and what it refuses."""

import pickle
import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from early_models import MeanClassifier, make_noisy
from numpy.testing import assert_array_equal
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, GradientBoostingClassifier, StackingClassifier, VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, ShuffleSplit, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from skrnn import EarlyClassifier, RNNClassifier, SequenceArray
from skrnn.preprocessing import PerStep

PAGE = Path(__file__).resolve().parents[2] / "docs" / "meta_estimators.rst"
X, Y = make_noisy(60)
IS_B = (Y == "b").astype(int)
TINY = RNNClassifier(4, bidirectional=False, max_iter=4, learning_rate_init=0.05, random_state=0)


def refused(message, X=X, y=Y, *, estimator=None, given=(), **parameters):
    with pytest.raises(ValueError, match=message):
        EarlyClassifier(MeanClassifier() if estimator is None else estimator, **parameters).fit(X, y, **dict(given))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [EarlyClassifier(RNNClassifier(8, bidirectional=False, max_iter=30, learning_rate_init=0.05, random_state=0),
                     cv=2, prefixes=False, random_state=0)],
    expected_failed_checks=lambda _: {
        "check_sample_weight_equivalence_on_dense_data": "folds of copies are others than those of weights"
    },
)  # fmt: skip
def test_common_checks(estimator, check):
    check(estimator)


def test_parameters_are_those_of_a_meta_estimator():
    early = EarlyClassifier(TINY, cost_of_delay=0.2)
    assert is_classifier(early)
    assert early.get_params()["estimator__hidden_layer_sizes"] == 4
    early.set_params(estimator__max_iter=2, cv=2)
    assert clone(early).estimator.max_iter == 2
    assert not hasattr(early.fit(X, Y).estimator, "classes_")
    assert early.estimator_.n_iter_ == 2


def test_forms_of_x():
    X = np.random.default_rng(0).normal(size=(30, 6, 2)).cumsum(axis=1)
    y = np.arange(30) % 2
    early = EarlyClassifier(TINY, cv=2, random_state=0)
    expected = clone(early).fit(X, y).predict_proba(X)
    for form in (list(X), SequenceArray.from_list(list(X)), SequenceArray.from_list(list(X)).to_series().to_frame("s")):
        assert_array_equal(clone(early).fit(form, y).predict_proba(form), expected)
    table = clone(early).fit(pd.DataFrame(X[:, :, 0], columns=list("abcdef")), y)
    assert list(table.feature_names_in_) == list("abcdef")
    assert table.n_features_in_ == 6


def test_copies_have_the_same_bits_for_any_n_jobs():
    early = EarlyClassifier(TINY, cv=3, random_state=0)
    expected = clone(early).fit(X, Y)
    for other in (pickle.loads(pickle.dumps(expected)), clone(early).set_params(n_jobs=2).fit(X, Y)):
        assert_array_equal(other.predict_proba(X), expected.predict_proba(X))
        assert_array_equal(other.cv_results_["cost"], expected.cv_results_["cost"])


def test_searches_and_pipelines():
    early = EarlyClassifier(MeanClassifier(), cv=2)
    search = GridSearchCV(early, {"estimator__sharpness": [0.1, 1.0], "cost_of_delay": [0.1, 0.3]}, cv=2).fit(
        SequenceArray.from_list(X), Y
    )
    assert search.best_score_ > 0.9
    assert search.best_estimator_.predict_early(X)[1].mean() < 10
    assert make_pipeline(PerStep(StandardScaler()), early).fit(X, Y).score(X, Y) > 0.9


EARLY = EarlyClassifier(MeanClassifier(), cv=2)
COMBINATIONS = {
    "Pipeline([..., EarlyClassifier])": make_pipeline(PerStep(StandardScaler()), EARLY),
    "GridSearchCV(EarlyClassifier)": GridSearchCV(EARLY, {"estimator__sharpness": [0.1, 1.0]}, cv=2),
    "CalibratedClassifierCV(EarlyClassifier)": CalibratedClassifierCV(EARLY, cv=2),
    "TunedThresholdClassifierCV(EarlyClassifier)": TunedThresholdClassifierCV(EARLY, cv=2),
    "VotingClassifier(EarlyClassifier)": VotingClassifier([("a", EARLY), ("b", EARLY)], voting="soft"),
    "StackingClassifier(EarlyClassifier)": StackingClassifier([("a", EARLY)], cv=2),
    "BaggingClassifier(EarlyClassifier)": BaggingClassifier(EARLY, 2, random_state=0),
    "OneVsRestClassifier(EarlyClassifier)": OneVsRestClassifier(EARLY),
    "EarlyClassifier(FrozenEstimator)": EarlyClassifier(FrozenEstimator(MeanClassifier().fit(X, IS_B)), cv=2),
    "EarlyClassifier(Pipeline)": EarlyClassifier(make_pipeline(TINY)),
    "EarlyClassifier(GridSearchCV)": EarlyClassifier(GridSearchCV(TINY, {})),
    "EarlyClassifier(BaggingClassifier)": EarlyClassifier(BaggingClassifier(TINY)),
}


@pytest.mark.parametrize(("row", "outcome"), re.findall(r"^``(.*?Early.*?)`` +(\w+)", PAGE.read_text(), re.MULTILINE))
def test_rows_of_the_page_of_meta_estimators(row, outcome):
    model, sequences = clone(COMBINATIONS[row]), SequenceArray.from_list(X)
    if outcome == "yes":
        assert model.fit(sequences, IS_B).score(sequences, IS_B) > 0.9
    else:
        with pytest.raises(ValueError, match="has no staged_predict_proba"):
            model.fit(sequences, IS_B)


@pytest.mark.parametrize("y", [Y, IS_B * 5])
def test_frozen_estimators_of_other_classes_are_refused(y):
    frozen = FrozenEstimator(MeanClassifier().fit(X, IS_B))
    refused(r"classes \[0, 1\], but y has \[.*\]: encode y", y=y, estimator=frozen)


def test_the_page_of_meta_estimators_has_all_rows():
    assert all(f"``{row}``" in PAGE.read_text() for row in COMBINATIONS)


def test_groups_go_to_splits_and_estimators():
    groups = np.arange(60) // 2
    early = EarlyClassifier(MeanClassifier(), cv=GroupKFold(3), prefixes=True).fit(X, Y, groups=groups)
    assert_array_equal(early.estimator_.groups_, np.concatenate([groups, groups]))
    assert early.estimator_.n_seen_ == 120
    EarlyClassifier(MeanClassifier(), cv=ShuffleSplit(4, test_size=0.5, random_state=0)).fit(X, Y)


def test_prefixes_stay_beside_their_sequences_where_some_are_held_out():
    class Stopping(MeanClassifier):
        early_stopping = True

    early = EarlyClassifier(Stopping(), prefixes=True).fit(X, Y)
    assert_array_equal(early.estimator_.groups_, np.concatenate([np.arange(60), np.arange(60)]))


def test_weights_count_in_costs_and_go_to_the_estimator():
    weights = np.where(np.arange(60) < 30, 1.0, 0.0)
    wrong = np.where(np.arange(60) < 30, Y, np.where(Y == "a", "b", "a"))
    early = EarlyClassifier(MeanClassifier(), prefixes=False).fit(X, wrong, weights)
    assert early.cv_results_["accuracy"][early.best_index_] > 0.9
    assert_array_equal(early.estimator_.weights_, weights)
    assert early.evaluate(X, wrong, weights).accuracy > 0.9


def test_classes_that_a_fold_has_not_seen_are_not_counted():
    y = Y.astype(object)
    y[3] = "z"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the splitter
        early = EarlyClassifier(MeanClassifier(), cv=3).fit(X, y.astype(str))
    assert list(early.classes_) == ["a", "b", "z"]
    assert early.predict_proba(X).shape == (60, 3)


def test_estimators_without_stages_are_refused():
    refused("LogisticRegression has no staged_predict_proba", estimator=LogisticRegression())
    refused("last step of the pipeline", estimator=make_pipeline(PerStep(StandardScaler()), TINY))
    refused("search over an EarlyClassifier, .* estimator__<name>", estimator=GridSearchCV(TINY, {}))
    table = np.random.default_rng(0).normal(size=(40, 5))
    refused("gave 6 or more stages for sequences of up to 5", table, np.arange(40) % 2,
            estimator=_Boosting(n_estimators=15), prefixes=False)  # fmt: skip
    refused("gave 3 stages for", table, np.arange(40) % 2, estimator=_Boosting(n_estimators=3), prefixes=False)


class _Boosting(GradientBoostingClassifier):
    """Has stages, but not those of steps."""

    def fit(self, X, y):
        return super().fit(np.array([np.ravel(x) for x in X]), y)

    def staged_predict_proba(self, X):
        return super().staged_predict_proba(np.array([np.ravel(x) for x in X]))


@pytest.mark.parametrize("cost", [-0.1, np.nan, np.inf, "0.1", None])
def test_costs_are_finite_and_not_negative(cost):
    refused("cost_of_delay", cost_of_delay=cost)


def test_bad_parameters():
    refused("prefixes", prefixes="yes")
    refused("cv", cv=1)
    refused("estimator", estimator="network")


def test_bad_data():
    refused("y is None", y=None)
    refused("inconsistent numbers", y=Y[:-1])
    refused("1d array", y=np.zeros((60, 2), int))
    refused("Unknown label type|continuous", y=np.linspace(0, 1, 60))
    refused("y holds 1 for sequence 1, but the text 'a' for sequence 0", y=np.array(["a", 1] * 30, dtype=object))
    refused("n_splits=5 cannot be greater", y=[str(i // 2) for i in range(60)])
    refused("Negative", given={"sample_weight": -np.ones(60)})
    refused("No class is in both parts", y=["a"] * 30 + ["b"] * 30, cv=[(np.arange(30), np.arange(30, 60))])


def test_missing_values_are_named_by_their_place_in_x():
    wrong = [x.copy() for x in X]
    wrong[57][4, 1] = np.nan
    refused("57", wrong, estimator=TINY)


def test_missing_values_that_the_estimator_takes():
    gaps = [np.where(np.random.default_rng(i).random(x.shape) < 0.2, np.nan, x) for i, x in enumerate(X)]
    early = EarlyClassifier(clone(TINY).set_params(missing="mask"), cv=2).fit(gaps, Y)
    assert early.predict_early(gaps)[1].max() <= 20


def test_a_fit_that_fails_leaves_the_last_one():
    early = EarlyClassifier(MeanClassifier()).fit(X, Y)
    expected = early.predict_proba(X)
    with pytest.raises(ValueError, match="y is None"):
        early.fit(X, None)
    assert_array_equal(early.predict_proba(X), expected)


def test_predictions_are_refused_before_a_fit_and_of_other_channels():
    early = EarlyClassifier(MeanClassifier())
    with pytest.raises(NotFittedError):
        early.predict(X)
    with pytest.raises(ValueError, match="3 channels per step, but EarlyClassifier was fitted on 2"):
        early.fit(X, Y).predict_early([np.zeros((4, 3))])
