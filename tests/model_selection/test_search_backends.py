"""Searches in threads and in other processes: results never depend on who trains."""

import pytest
from joblib import parallel_config
from searches import CLF, FOLDS, RATES, X, Y, mark, same_results
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNSearchCV
from skrnn.preprocessing import PerStep

SCORING = {"accuracy": "accuracy", "mark": mark}
SEARCH = RNNSearchCV(CLF, RATES, n_candidates="all", cv=FOLDS, scoring=SCORING, refit="accuracy")
PIPELINE = clone(SEARCH).set_params(
    estimator=make_pipeline(PerStep(StandardScaler()), CLF),
    param_distributions={f"rnnclassifier__{name}": values for name, values in RATES.items()},
)


@pytest.fixture(scope="module")
def alone():
    return {search: clone(search).fit(X, Y) for search in (SEARCH, PIPELINE)}


@pytest.mark.parametrize("search", [SEARCH, PIPELINE], ids=["network", "pipeline"])
@pytest.mark.parametrize("n_jobs", [2, 3])
def test_threads(search, n_jobs, alone):
    found = clone(search).set_params(n_jobs=n_jobs).fit(X, Y)
    same_results(found, alone[search])
    assert mark(found.best_estimator_) == mark(alone[search].best_estimator_)


def test_threads_of_each_network(alone):
    found = clone(SEARCH).set_params(n_jobs=2, estimator__n_jobs=2).fit(X, Y)
    same_results(found, alone[SEARCH])


@pytest.mark.parametrize("search", [SEARCH, PIPELINE], ids=["network", "pipeline"])
def test_processes(search, alone):
    with parallel_config(backend="loky"):
        same_results(clone(search).set_params(n_jobs=2).fit(X, Y), alone[search])


def test_dask(alone):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask"),
    ):
        for search in (SEARCH, PIPELINE):
            same_results(clone(search).set_params(n_jobs=-1).fit(X, Y), alone[search])
