"""What ``RNNSearchCV`` refuses, and by which words."""

import numpy as np
import pytest
from scipy.stats import loguniform
from searches import CLF, RATES, SHORT, X, Y
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import EarlyClassifier, RNNClassifier, RNNSearchCV, SequenceTransformer
from skrnn.callbacks import Checkpoint
from skrnn.model_selection._halving import Halving
from skrnn.optimizers import LBFGS
from skrnn.preprocessing import PerStep


def refused(message, estimator=CLF, space=RATES, *, X=X, y=Y, **parameters):
    with pytest.raises(ValueError, match=message):
        RNNSearchCV(estimator, space, **{"n_candidates": 3, "cv": 2} | parameters).fit(X, y)


@pytest.mark.parametrize("value", [0, -1, 2.5, "many", None])
def test_numbers_of_candidates(value):
    refused("'n_candidates' parameter of RNNSearchCV", n_candidates=value)


@pytest.mark.parametrize("value", [1, 0.5, 0, -3, "three", np.nan])
def test_factors(value):
    refused("'factor' parameter of RNNSearchCV", factor=value)


@pytest.mark.parametrize("value", [0, -1, 1.5, "smallest", None])
def test_epochs_that_are_none(value):
    refused("'min_resources' parameter of RNNSearchCV", min_resources=value)


def test_fewer_epochs_than_the_first_rung():
    refused("min_resources=10 is more than all epochs of a fit, max_iter=9", min_resources=10)


@pytest.mark.parametrize("solver", ["lbfgs", LBFGS()])
def test_solvers_without_epochs(solver):
    refused("solver=.* cannot be halved, since it has no epochs.*use solver=", clone(CLF).set_params(solver=solver))
    refused("cannot be halved.*candidate {'solver': 'lbfgs'}", space={"solver": ["adam", "sgd", "lbfgs"]})


def test_estimators_of_others():
    refused("networks of skrnn; the estimator.*LogisticRegression: use sklearn", LogisticRegression(), {"C": [1, 2, 3]})
    early = EarlyClassifier(CLF)
    refused("EarlyClassifier", early, {"cost_of_delay": [0.1, 0.2, 0.3]})
    features = make_pipeline(SequenceTransformer(**SHORT), LogisticRegression())
    refused("last step of the pipeline, is LogisticRegression", features, {"logisticregression__C": [1, 2, 3]})
    reservoir = SequenceTransformer(4, objective="reservoir")
    refused("not trained by epochs", reservoir, {"leak_rate": [0.1, 0.2, 0.3]}, scoring=lambda *_: 0.0)


def test_other_numbers_of_epochs():
    refused("max_iter, which must be the same for all; it is 3 for .* and 5 for", space={"max_iter": [3, 5, 5]})
    equal = RNNSearchCV(CLF, {"max_iter": [3], "alpha": [0.1, 1]}, n_candidates="all", cv=2, refit=False).fit(X, Y)
    assert equal.cv_results_["n_resources"].tolist() == [3, 3]


@pytest.mark.parametrize("max_iter", [-1, "many", 2.5])
def test_numbers_of_epochs_that_are_none(max_iter):
    refused("The 'max_iter' parameter of RNNClassifier", RNNClassifier(max_iter=max_iter))


def test_unknown_parameters():
    """By scikit-learn's own words."""
    refused("Invalid parameter 'learning_rte' for estimator RNNClassifier", space={"learning_rte": [1, 2, 3]})
    pipe = make_pipeline(PerStep(StandardScaler()), CLF)
    refused("Invalid parameter 'alpha' for estimator Pipeline", pipe, {"alpha": [1, 2, 3]})


def test_all_combinations_of_a_distribution():
    refused("alpha is a distribution", space={"alpha": loguniform(0.1, 1)}, n_candidates="all")
    refused("alpha is a distribution", space=[RATES, {"alpha": loguniform(0.1, 1)}], n_candidates="all")


@pytest.mark.parametrize("n_candidates", ["all", 3])
def test_spaces_without_candidates(n_candidates):
    refused("param_distributions=.* has no candidates", space=[], n_candidates=n_candidates)
    with pytest.raises(TypeError, match="not a dict"):  # by scikit-learn's own words
        RNNSearchCV(CLF, ["alpha"], n_candidates=n_candidates).fit(X, Y)


def test_scores_that_refit_does_not_name_are_refused_at_the_first_rung(monkeypatch):
    climbed, climb = [], Halving.climb
    monkeypatch.setattr(Halving, "climb", lambda self, rung, *rest: climbed.append(rung) or climb(self, rung, *rest))
    for refit in ("acuracy", True):
        scoring = {"scoring": lambda *_: {"accuracy": 1.0, "b": 2.0}, "refit": refit}
        refused("refit must be set to a scorer key", n_candidates="all", **scoring)
    assert [rung.number for rung in climbed] == [0, 0]


def test_progress_bars_belong_to_the_search():
    with_bar, message = clone(CLF).set_callbacks(ProgressBar()), "RNNClassifier has a ProgressBar.*of the search"
    refused(message, with_bar)
    refused(message, make_pipeline(PerStep(StandardScaler()), with_bar), {"rnnclassifier__alpha": [1, 2, 3]})
    pipe = make_pipeline(PerStep(StandardScaler()), CLF).set_callbacks(ProgressBar())
    refused("Pipeline has a ProgressBar", pipe, {"rnnclassifier__alpha": [1, 2, 3]})


def test_no_splits_and_other_faults():
    refused("gives no split", cv=[])
    refused("'error_score' parameter of RNNSearchCV", error_score="none")
    with_checkpoint = clone(CLF).set_callbacks(Checkpoint("a.skrnn"))
    refused("Checkpoint among its callbacks.*pass checkpoint", with_checkpoint)


def test_a_failed_search_leaves_the_last_one():
    search = RNNSearchCV(CLF, RATES, n_candidates=2, cv=2, random_state=0).fit(X, Y)
    before = dict(vars(search))
    with pytest.raises(ValueError, match="All the"):
        search.fit(X[:5], np.arange(5.0) + 0.5)
    for name, value in before.items():
        assert vars(search)[name] is value, name
