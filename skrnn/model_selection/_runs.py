"""A candidate on a split: trained up to a rung, scored there, and trained on at the next."""

import copy
import sys
import time
from dataclasses import dataclass, field, replace
from traceback import format_exc

import joblib
from sklearn.base import BaseEstimator
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection._validation import _score
from sklearn.pipeline import Pipeline
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from ..sequences import SequenceArray
from ._candidates import last_step
from ._pause import KnownError, Pause


@dataclass(frozen=True)
class Work:
    """What all runs of a search share: data, metadata of fits and scores, and how to score."""

    X: object
    y: object
    fit_params: dict
    score_params: dict
    scorer: object
    return_train_score: bool
    error_score: object
    token: str
    has_record: bool

    def __sizeof__(self):
        """With the data: joblib sends what is large to a cluster of Dask once for a rung, not with each task."""
        return super().__sizeof__() + _size(self.X) + _size(self.y)


def _size(data):
    """Bytes of data as users pass them."""
    if isinstance(data, (list, tuple)) or getattr(getattr(data, "dtype", None), "hasobject", False):
        return sum(map(_size, data))
    if isinstance(data, SequenceArray):
        data = data.values
    return data.nbytes if hasattr(data, "nbytes") else sys.getsizeof(data)


@dataclass(frozen=True)
class Run:
    """What a candidate has reached on a split.

    pipeline : with fitted transformers, and with a `Receiver` of what its last step is to be fitted on; None where the
    candidate is no pipeline, or where transformers are to be fitted; mark : hash of what its last step is fitted on, in
    searches with a record; state : of training, in plain values; ended : whether there is nothing left to train;
    result : what scikit-learn's searches know of a fit and its scores.
    """

    pipeline: object = None
    mark: str | None = None
    state: dict | None = None
    n_epochs: int = 0
    n_most: int = 0
    ended: bool = False
    result: dict = field(default_factory=dict)

    @property
    def has_failed(self):
        return self.result.get("fit_error") is not None


@dataclass(frozen=True)
class DoneRung:
    """Candidates that have been compared: their numbers, and the `Run` of each on each split."""

    candidates: list
    runs: list

    def __iter__(self):
        return zip(self.candidates, self.runs, strict=True)


def keep_states(done, going_on):
    """Forget the states and pipelines that no later rung needs."""
    for rung in done:
        for candidate, runs in rung:
            if rung is not done[-1] or candidate not in going_on:
                runs[:] = [replace(run, pipeline=None, state=None) for run in runs]


class Receiver(BaseEstimator):
    """Stands in the place of the last step of a pipeline, and takes what that would be fitted on."""

    def __init__(self, estimator):
        self.estimator = estimator

    def get_metadata_routing(self):
        """What the last step asks for."""
        return self.estimator.get_metadata_routing()

    def fit(self, X, y=None, **params):
        """Take all that is given."""
        self.given_ = X, y, params
        return self


def advance(work, estimator, train, test, run, rung):
    """Train up to a rung, from where a run is, and score; gives the `Run` that is there.

    estimator : a clone with the parameters of the candidate; train, test : the split.
    """
    start, error = time.time(), None
    fit_params = _check_method_params(work.X, params=work.fit_params, indices=train)
    pause = Pause(rung, work.token)
    try:
        run, network, given = _front(work, estimator, train, fit_params, run)
        _train(network, given, pause, run.state)
    except Exception:
        if work.error_score == "raise" and not pause.interrupted:
            raise
        error = format_exc()
    if pause.interrupted:  # the fit itself keeps what it has reached
        raise KeyboardInterrupt
    if error is not None:
        return Run(ended=True, result=_failed(work, error, time.time() - start, len(test)))
    fit_time = time.time() - start
    fitted = network if run.pipeline is None else _with_last_step(run.pipeline, network)
    result = {"fit_error": None, "fit_time": fit_time, "n_test_samples": len(test)}
    result |= _scores(work, fitted, train, test)
    result["score_time"] = time.time() - start - fit_time
    return Run(run.pipeline, run.mark, pause.state, pause.n_epochs, pause.n_most, pause.ended, result)


def n_most_epochs(work, estimator, train):
    """Epochs of a fit on a split, which may depend on the data; None if it fails."""
    fit_params = _check_method_params(work.X, params=work.fit_params, indices=train)
    pause = Pause(None, work.token)
    try:
        _, network, given = _front(work, estimator, train, fit_params, Run())
        _train(network, given, pause, None)
    except KnownError:
        return pause.n_most
    except Exception:  # the run will say so
        return None


def _front(work, estimator, train, fit_params, run):
    """The run with a pipeline that is fitted as far as its last step, that step, and what it is to be fitted on."""
    network = last_step(estimator)
    if run.pipeline is None:
        X, y = _safe_split(estimator, work.X, work.y, train)
        if not isinstance(estimator, Pipeline):
            return run, network, (X, y, fit_params)
        pipeline = _with_last_step(estimator, Receiver(network)).fit(X, y, **fit_params)
        mark = joblib.hash(last_step(pipeline).given_, coerce_mmap=True) if work.has_record else None
        # transformers without a seed may give other values than those that the state has been reached with
        run = replace(run if mark == run.mark else Run(), pipeline=pipeline, mark=mark)
    return run, network, last_step(run.pipeline).given_


def _with_last_step(pipeline, last):
    """A shallow copy of a pipeline with another last step."""
    other = copy.copy(pipeline)
    name, step = pipeline.steps[-1]
    step = _with_last_step(step, last) if isinstance(step, Pipeline) else last
    other.steps = [*pipeline.steps[:-1], (name, step)]
    return other


def _train(network, given, pause, state):
    """Fit from a state of training until the pause, which stands behind the other callbacks."""
    X, y, params = given
    pause.state = state
    others = getattr(network, "_skl_callbacks", [])
    network.set_callbacks(*others, pause)
    try:
        network.fit(X, y, **params)
    finally:
        network.set_callbacks(*others)


def _scores(work, fitted, train, test):
    """Scores on the test part, and on the training part if they are asked for."""
    parts, scores = {"test_scores": test}, {}
    if work.return_train_score:
        parts["train_scores"] = train
    for name, rows in parts.items():
        X, y = _safe_split(fitted, work.X, work.y, rows, train if rows is test else None)
        params = _check_method_params(work.X, params=work.score_params, indices=rows)
        scores[name] = _score(fitted, X, y, work.scorer, params, work.error_score)
    return scores


def _failed(work, error, fit_time, n_test):
    """The result of a fit that has raised an error."""
    scores = work.error_score
    if isinstance(work.scorer, _MultimetricScorer):
        scores = dict.fromkeys(work.scorer._scorers, work.error_score)
    result = {"fit_error": error, "fit_time": fit_time, "score_time": 0.0, "n_test_samples": n_test}
    result["test_scores"] = scores
    if work.return_train_score:
        result["train_scores"] = scores
    return result
