"""Searches in threads and in other processes: results never depend on who trains."""

import sys
from dataclasses import fields

import numpy as np
import pytest
from joblib import parallel_config
from searches import CLF, FOLDS, RATES, X, Y, mark, same_results
from sklearn.base import clone
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skrnn import RNNSearchCV, SequenceArray
from skrnn.model_selection._runs import Work
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


def test_sequences_in_an_array_of_objects_have_the_size_of_those_in_a_list():
    objects = np.empty(len(X), object)
    objects[:] = list(X)
    others = [None] * (len(fields(Work)) - 2)
    assert sys.getsizeof(Work(objects, Y, *others)) == sys.getsizeof(Work(list(X), Y, *others))
    assert sys.getsizeof(Work(objects, Y, *others)) > sum(np.asarray(x).nbytes for x in X)


@pytest.mark.parametrize("X", [X, np.concatenate(X), SequenceArray.from_list(X)], ids=["list", "table", "sequences"])
def test_dask_is_sent_the_data_once_for_a_rung(X, monkeypatch):
    """And to the other worker from there; not with each of 30 fits."""
    distributed = pytest.importorskip("distributed")
    sent, y = [], np.arange(len(X)) % 2

    def counted(work):
        sent.append(1)
        return vars(work)

    monkeypatch.setattr(Work, "__getstate__", counted, raising=False)
    search = clone(SEARCH).set_params(cv=KFold(5), param_distributions={"alpha": [1, 2, 3, 4]}, refit=False)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
        parallel_config(backend="dask", n_jobs=2),
    ):
        search.fit(X, y)
    assert search.n_candidates_ == [4, 2]
    assert 2 <= len(sent) < 10
