"""Searches that end before their time, and go on."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import sklearn
from scipy.stats import loguniform
from searches import CLF, FOLDS, RATES, StopAt, X, Y, mark, same_results
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import skrnn
from skrnn import RNNSearchCV
from skrnn.model_selection import _halving
from skrnn.preprocessing import PerStep

pytestmark = pytest.mark.filterwarnings("ignore:Training interrupted", "ignore:Maximum number")
HOW = {"n_candidates": "all", "cv": FOLDS, "scoring": {"mark": mark, "score": "accuracy"}, "refit": "score"}


class CrashError(Exception):
    """Ends a search."""


def crash_in_rung(monkeypatch, number, error=CrashError):
    """Let the first run of a rung raise an error after it has trained."""
    advance = _halving.advance

    def crashing(work, estimator, train, test, run, rung):
        reached = advance(work, estimator, train, test, run, rung)
        if rung.number == number:
            raise error
        return reached

    monkeypatch.setattr(_halving, "advance", crashing)


ESTIMATORS = {
    "plain": CLF,
    "without seed": clone(CLF).set_params(random_state=None),
    "noisy": clone(CLF).set_params(dropout=0.2, early_stopping=True),
    "networks": clone(CLF).set_params(n_networks=2),
}


@pytest.mark.parametrize(("name", "number"), [("plain", 0), ("plain", 1), *((name, 2) for name in ESTIMATORS)])
def test_a_resumed_search_is_the_uninterrupted_one(name, number, tmp_path, monkeypatch):
    path, estimator = tmp_path / "search.skrnn", ESTIMATORS[name]
    search = RNNSearchCV(estimator, RATES, **HOW, factor=2, checkpoint=path)
    with monkeypatch.context() as patched:
        crash_in_rung(patched, number)
        with pytest.raises(CrashError):
            search.fit(X, Y)
    assert path.exists() == (number > 0)
    search.fit(X, Y)
    assert search.n_candidates_ == [5, 3, 2]
    if estimator.random_state is not None:
        same_results(search, clone(search).set_params(checkpoint=None).fit(X, Y))
    crash_in_rung(monkeypatch, 0)
    again = clone(search).fit(X, Y)  # nothing is left to do
    same_results(again, search)


def test_candidates_that_were_drawn_without_a_seed(tmp_path):
    space = {"alpha": loguniform(1e-4, 1)}
    how = {"n_candidates": 4, "cv": FOLDS, "checkpoint": tmp_path / "search.skrnn"}
    one, other = (RNNSearchCV(CLF, space, **how).fit(X, Y) for _ in range(2))
    same_results(one, other)


def test_pipelines_fit_their_transformers_again(tmp_path, monkeypatch):
    pipe = make_pipeline(PerStep(FunctionTransformer(np.tanh)), PerStep(SimpleImputer()), CLF)
    rates = {f"rnnclassifier__{name}": values for name, values in RATES.items()}
    search = RNNSearchCV(pipe, rates, **HOW, checkpoint=tmp_path / "search.skrnn")
    with monkeypatch.context() as patched:
        crash_in_rung(patched, 1)
        with pytest.raises(CrashError):
            search.fit(X, Y)
    whole = clone(search).set_params(checkpoint=None).fit(X, Y)
    crash_in_rung(monkeypatch, 0)
    same_results(search.fit(X, Y), whole)


class Drawn(TransformerMixin, BaseEstimator):
    """Multiplies X by a number that each fit draws anew."""

    def fit(self, X, y=None):
        self.factor_ = np.random.default_rng().normal()
        return self

    def transform(self, X):
        return [self.factor_ * x for x in X]


def mark_of_lone_fit(estimator, X, y):
    """Whether a pipeline is a lone fit on what its own transformers make of the training part, as a score."""
    lone = clone(estimator[-1]).set_callbacks(StopAt(len(estimator[-1].loss_curve_)))
    return float(mark(lone.fit(estimator[:-1].transform(TRAINED), Y[1::2])) == mark(estimator))


TRAINED = X[1::2]


def test_transformers_that_are_drawn_anew(tmp_path, monkeypatch):
    """A candidate whose transformers give other values after a crash is trained anew, not resumed."""
    pipe, split = (
        make_pipeline(Drawn(), clone(CLF).set_params(standardize=False)),
        (np.arange(1, 40, 2), np.arange(0, 40, 2)),
    )
    rates = {f"rnnclassifier__{name}": values for name, values in RATES.items()}
    how = HOW | {"scoring": mark_of_lone_fit, "refit": False, "cv": [split]}
    search = RNNSearchCV(pipe, rates, **how, checkpoint=tmp_path / "search.skrnn")
    with monkeypatch.context() as patched:
        crash_in_rung(patched, 1)
        with pytest.raises(CrashError):
            search.fit(X, Y)
    search.fit(X, Y)
    assert search.cv_results_["mean_test_score"].tolist() == [1.0] * 7
    assert search.cv_results_["n_epochs"].tolist() == [3] * 5 + [9] * 2


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"factor": 4}, "another search: factor differ"),
        ({"param_distributions": {"alpha": [1, 2]}}, "another search: candidates differ"),
        ({"estimator__alpha": 3, "scoring": "accuracy", "refit": True}, "estimator, refit, scoring differ"),
        ({"cv": KFold(3)}, "cv differ"),
        ({"X": [*X[:39], X[0]]}, "X differ"),
        ({"y": ~Y}, "y differ"),
        (
            {"sample_weight": np.ones(40), "scoring": ["accuracy"], "refit": False},
            "refit, sample_weight, scoring differ",
        ),
    ],
)
def test_files_of_other_searches(change, match, tmp_path):
    search = RNNSearchCV(CLF, RATES, **HOW, checkpoint=tmp_path / "search.skrnn").fit(X, Y)
    content = search.checkpoint.read_bytes()
    data = {"X": X, "y": Y} | {name: value for name, value in change.items() if name in ("X", "y", "sample_weight")}
    other = clone(search).set_params(**{name: value for name, value in change.items() if name not in data})
    with pytest.raises(ValueError, match=match):
        other.fit(**data)
    assert search.checkpoint.read_bytes() == content
    same_results(clone(search).set_params(n_jobs=2, verbose=1).fit(X, Y), search)


class Weighted:
    """A score with a parameter, of no class of scikit-learn."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, estimator, X, y):
        return self.factor * estimator.score(X, y)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("random_state", np.random.RandomState),
        ("validation_split", lambda seed: ShuffleSplit(random_state=np.random.RandomState(seed))),
        ("scoring", Weighted),
        ("scoring", lambda seed: Weighted(seed).__call__),
        ("scoring", lambda seed: partial(score_of, seed=seed)),
    ],
)
def test_objects_are_compared_by_what_they_hold(name, make, tmp_path):
    """Not by where they lie in memory."""

    def search(seed):
        given, space = {name: make(seed)}, {"learning_rate_init": [0.01, 0.1]}
        how = {"n_candidates": "all", "cv": FOLDS, "refit": False, "checkpoint": tmp_path / "search.skrnn"}
        if name == "scoring":
            return RNNSearchCV(CLF, space, **how | given)
        return RNNSearchCV(clone(CLF).set_params(**given), space, **how)

    one = search(1).fit(X, Y)
    same_results(search(1).fit(X, Y), one)
    with pytest.raises(ValueError, match=f"{'scoring' if name == 'scoring' else 'estimator'} differ"):
        search(2).fit(X, Y)


def score_of(estimator, X, y, seed):
    return estimator.score(X, y) + seed


def test_functions_without_a_name_are_refused(tmp_path):
    """Another one of tomorrow could not be told from this one."""
    search = RNNSearchCV(CLF, RATES, **HOW | {"scoring": lambda *_: 1.0, "refit": True}, checkpoint=tmp_path / "s")
    with pytest.raises(ValueError, match=r"cannot tell whether another run has the same scoring.*lambda"):
        search.fit(X, Y)
    pipe = make_pipeline(PerStep(FunctionTransformer(lambda x: x)), CLF)
    search = RNNSearchCV(pipe, {"rnnclassifier__alpha": [1]}, **HOW, checkpoint=tmp_path / "s")
    with pytest.raises(ValueError, match="the same estimator"):
        search.fit(X, Y)


def test_other_requests_of_metadata(tmp_path):
    how = HOW | {"scoring": None, "refit": False, "checkpoint": tmp_path / "search.skrnn"}
    with sklearn.config_context(enable_metadata_routing=True):
        for asks in (True, False):
            clf = clone(CLF).set_fit_request(sample_weight=asks).set_score_request(sample_weight=True)
            search = RNNSearchCV(clf, RATES, **how)
            if asks:
                search.fit(X, Y, sample_weight=np.ones(40))
                continue
            with pytest.raises(ValueError, match="routing differ"):
                search.fit(X, Y, sample_weight=np.ones(40))


def test_large_files_are_read(tmp_path):
    """States of many candidates may take more than any file of an estimator."""
    path = tmp_path / "search.skrnn"
    with open(path, "wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(2**32 + 1)
    with pytest.raises(ValueError, match="cannot be read"):
        RNNSearchCV(CLF, RATES, **HOW, checkpoint=path).fit(X, Y)


def test_files_that_are_no_searches(tmp_path):
    path = tmp_path / "search.skrnn"
    search = RNNSearchCV(CLF, RATES, **HOW, checkpoint=path)
    path.write_bytes(b"rubbish")
    with pytest.raises(ValueError, match=r"search\.skrnn is not a file of skrnn"):
        search.fit(X, Y)
    skrnn.save(clone(CLF).fit(X, Y), path)
    with pytest.raises(ValueError, match=r"search\.skrnn is not the checkpoint of a search"):
        search.fit(X, Y)
    with pytest.raises(FileNotFoundError, match="no directory"):
        search.set_params(checkpoint=tmp_path / "none" / "search.skrnn").fit(X, Y)


# ---------------------------------------------------------------------------------------------------------- the user
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_keeps_the_rungs_that_are_done(tmp_path, monkeypatch):
    whole = RNNSearchCV(CLF, RATES, **HOW, factor=2).fit(X, Y)
    search = clone(whole).set_params(checkpoint=tmp_path / "search.skrnn")
    with monkeypatch.context() as patched:
        crash_in_rung(patched, 2, KeyboardInterrupt)
        with pytest.warns(ConvergenceWarning, match="interrupted by user: the results are those of 2 of 3 rungs"):
            search.fit(X, Y)
    assert search.n_candidates_ == [5, 3]
    assert search.best_params_ in search.cv_results_["params"]
    assert not hasattr(search, "best_estimator_")
    with pytest.raises(NotFittedError):
        search.predict(X)
    same_results(search.fit(X, Y), whole)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_within_an_epoch_does_not_count_as_a_fit(monkeypatch):
    """Fits catch it themselves, and keep what they have reached."""
    from skrnn.training.epoch import Epochs

    run, calls = Epochs.run, []

    def interrupted(self, *arguments):
        calls.append(1)
        if len(calls) == 5 * 2 * 3 + 4:  # in the second epoch of the second rung
            signal.raise_signal(signal.SIGINT)
        return run(self, *arguments)

    monkeypatch.setattr(Epochs, "run", interrupted)
    search = RNNSearchCV(CLF, RATES, **HOW)
    with pytest.warns(ConvergenceWarning, match="1 of 2 rungs"):
        search.fit(X, Y)
    calls[:] = [1] * 20
    with pytest.raises(KeyboardInterrupt):  # nothing is reached
        search.fit(X, Y)


SCRIPT = """
import sys
from searches import CLF, FOLDS, RATES, X, Y, mark
import skrnn
from skrnn import RNNSearchCV
CLF.max_iter = 200
scoring = {"mark": mark, "score": "accuracy"}
search = RNNSearchCV(CLF, RATES, n_candidates="all", cv=FOLDS, scoring=scoring, refit="score", checkpoint=sys.argv[1])
search.fit(X, Y)
"""


def test_killed(tmp_path):
    """The process is killed as soon as there is a file."""
    path, support = tmp_path / "search.skrnn", Path(__file__).parents[1] / "support"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(support), *sys.path])}
    command = [sys.executable, "-W", "ignore", "-c", SCRIPT, str(path)]
    process = subprocess.Popen(command, env=environment)
    while not path.exists() and process.poll() is None:
        time.sleep(0.002)
    process.kill()
    process.wait()
    search = RNNSearchCV(clone(CLF).set_params(max_iter=200), RATES, **HOW, checkpoint=path).fit(X, Y)
    same_results(search, clone(search).set_params(checkpoint=None).fit(X, Y))
