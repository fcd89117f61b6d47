"""``RNNSearchCV``: successive halving over epochs, in which training goes on where it stopped."""

import os
import time
import uuid
from numbers import Integral, Real

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics._scorer import _MultimetricScorer
from sklearn.model_selection import check_cv
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import check_random_state, get_tags, indexable
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import _check_method_params

from .._core.output import say
from .._core.warn import warn_user
from ._candidates import check_candidates, drawn, with_parameters
from ._halving import Halving
from ._pause import STOPPED
from ._record import Record, describe_search
from ._results import columns, rows_of, sizes
from ._rungs import best_of
from ._runs import Work, keep_states

FOUND = (
    *("cv_results_", "multimetric_", "n_splits_", "scorer_", "n_iterations_", "n_candidates_", "n_resources_"),
    *("best_index_", "best_params_", "best_score_", "best_estimator_", "refit_time_", "feature_names_in_"),
)


class RNNSearchCV(BaseSearchCV):
    """Search for the best parameters by halving over epochs, in which training goes on where it stopped.

    All candidates are trained for a small share of their epochs, and compared by cross-validation. One in `factor` goes
    on, for `factor` times as many epochs, and so on until few are left, which train to the end: successive halving
    [1]_ [2]_. Where candidates are compared is called a rung. A candidate that goes on is not trained anew, but goes
    on from the state in which it stopped: parameters, memory of the solver, position in the schedule.

    Each candidate has its own full schedule, from the first epoch on: at a rung it is what a fit would be that a
    callback ends there, bit for bit, and after the last rung what `fit` alone gives with its parameters. Results do
    not depend on `n_jobs`, nor on who trains: see :ref:`rungs`.

    Parameters
    ----------
    estimator : estimator of skrnn, or Pipeline with one as its last step
        What is searched over; it is cloned, and stays as it is. It must be trained by epochs, so not with the solver
        "lbfgs". Its `max_iter` is the number of epochs of the last rung, equal for all candidates; with "auto", each
        has what that means for its parameters and its data.
    param_distributions : dict or list of dicts
        Lists of values, or distributions (objects with a method ``rvs``), by name of the parameter, as in
        `sklearn.model_selection.RandomizedSearchCV`.
    n_candidates : int or "all"
        How many candidates are drawn. "all" takes all combinations of lists, so a list of dicts with a value for each
        parameter gives the candidates themselves.
    factor : float, default=3
        One candidate in `factor` goes on, rounded up; above 1. None halves nothing: all are trained to the end.
    min_resources : int, default=1
        Epochs of the first rung at least. Rungs with less are left out.
    scoring : str, callable, list, tuple or dict, default=None
        As in `sklearn.model_selection.GridSearchCV`. Of several scores, candidates are compared by the one that `refit`
        names, or by the first.
    n_jobs : int, default=None
        How many fits run side by side, in threads; in processes or on a cluster if `joblib.parallel_config` says so,
        as with ``backend="loky"`` or ``backend="dask"``.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all data. With several scores, the name of the one that decides. A callable
        gets `cv_results_` and returns the row to fit.
    cv : int, cross-validation generator or iterable, default=None
        How to split, as in `sklearn.model_selection.GridSearchCV`. It is asked once, so all rungs have the same splits.
    verbose : int, default=0
        Whether to print a line for each rung.
    random_state : int, RandomState instance or None, default=None
        Draws the candidates. The fits have the `random_state` of the estimator.
    error_score : "raise" or float, default=np.nan
        Score of a fit that raises an error; it is not trained any further.
    return_train_score : bool, default=False
        Whether `cv_results_` contains scores on the training parts, too.
    checkpoint : str or path-like, default=None
        File that keeps the rungs that are done, with the states from which training goes on. If it exists, `fit` goes
        on with it; the search must be the same (but for `n_jobs` and `verbose`), with the same data. Functions are
        compared by their names, so a lambda is refused. Each search needs a file of its own, also where a
        meta-estimator fits several.

    Attributes
    ----------
    cv_results_ : dict of arrays
        A row for each candidate at each of its rungs, with the columns of `sklearn.model_selection.GridSearchCV` and
        four more: "iter", the rung; "candidate", its number; "n_resources", the epochs up to this rung (the most of all
        splits); "n_epochs", those that were trained in the mean, less where training has ended by itself. Times are
        those since the rung before. Ranks are among all rows.
    best_estimator_ : estimator
        The best candidate, fitted on all data, if `refit` says so.
    best_params_ : dict
        Its parameters.
    best_score_ : float
        Its mean score; not there if `refit` is a callable.
    best_index_ : int
        Its row: the best of the last rung, the first of equal ones.
    n_candidates_ : list of int
        Candidates at each rung.
    n_resources_ : list of int
        Epochs up to each rung.
    n_iterations_ : int
        Number of rungs.
    n_splits_ : int
        Number of splits.
    scorer_ : callable or dict
        What scores.
    multimetric_ : bool
        Whether there are several scores.
    refit_time_ : float
        Seconds of the fit on all data.
    classes_ : ndarray
        Those of `best_estimator_`, of a classifier.
    feature_names_in_ : ndarray of str
        Those of `best_estimator_`, if X has names.

    See Also
    --------
    sklearn.model_selection.RandomizedSearchCV : For all estimators, and without halving.
    skrnn.callbacks.Checkpoint : Go on with a single fit.

    Notes
    -----
    Ctrl-C ends a search: it keeps the rungs that are done, and warns. The best candidate so far is then not fitted on
    all data. A candidate that diverges ends with the last weights that give finite predictions, and is scored by them.

    References
    ----------
    .. [1] K. Jamieson and A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
       AISTATS, 2016. :arxiv:`1502.07943`
    .. [2] L. Li et al., "Hyperband: a novel bandit-based approach to hyperparameter optimization", JMLR 18(185), 2018.
       :arxiv:`1603.06560`

    Examples
    --------
    >>> import numpy as np
    >>> from scipy.stats import loguniform
    >>> from skrnn import RNNClassifier, RNNSearchCV
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 7, 1))
    >>> y = X.mean(axis=(1, 2)) > 0
    >>> clf = RNNClassifier(hidden_layer_sizes=8, max_iter=27, random_state=0)
    >>> space = {"learning_rate_init": loguniform(1e-4, 1e-1)}
    >>> search = RNNSearchCV(clf, space, n_candidates=9, cv=3, random_state=0).fit(X, y)
    >>> search.n_candidates_, search.n_resources_
    ([9, 3], [9, 27])
    >>> bool(search.best_score_ > 0.8)
    True
    >>> bool(search.score(X, y) > 0.8)
    True
    """

    _parameter_constraints = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, list],
        "n_candidates": [Interval(Integral, 1, None, closed="left"), StrOptions({"all"})],
        "factor": [Interval(Real, 1, None, closed="neither"), None],
        "min_resources": [Interval(Integral, 1, None, closed="left")],
        "checkpoint": [str, os.PathLike, None],
        "random_state": ["random_state"],
    }
    _parameter_constraints.pop("pre_dispatch")

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_candidates,
        factor=3,
        min_resources=1,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
        checkpoint=None,
    ):
        super().__init__(
            estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            error_score=error_score,
            return_train_score=return_train_score,
        )
        self.param_distributions = param_distributions
        self.n_candidates = n_candidates
        self.factor = factor
        self.min_resources = min_resources
        self.random_state = random_state
        self.checkpoint = checkpoint

    def __sklearn_tags__(self):
        tags, of_estimator = super().__sklearn_tags__(), get_tags(self.estimator)
        tags.input_tags.allow_nan = of_estimator.input_tags.allow_nan
        tags.input_tags.three_d_array = of_estimator.input_tags.three_d_array
        return tags

    def __sklearn_is_fitted__(self):
        return hasattr(self, "best_estimator_" if self.refit else "cv_results_")

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, **params):
        """Compare the candidates, and fit the best one on all data.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            What the estimator is fitted on.
        y : array-like, default=None
            Targets, as the estimator takes them.
        **params : dict of str to object
            Parameters of `fit` of the estimator, of the scorer and of the splitter, as in
            `sklearn.model_selection.GridSearchCV`. Those with an entry for each sequence are split like X.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        ValueError
            If a parameter is invalid, if candidates cannot be halved, if all fits fail, or if `checkpoint` is the file
            of another search.
        """
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        halving, record, fit_params = self._prepared(X, y, params)
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            rungs = halving.rungs(parallel)
            weights = params.get("sample_weight")
            seen = {"estimator": self, "X": X, "y": y}
            seen["metadata"] = None if weights is None else {"sample_weight": weights}
            context = self._init_callback_context(max_subtasks=len(rungs) + bool(self.refit))
            context.call_on_fit_task_begin(**seen)
            interrupted = self._climb(halving, rungs, record, parallel, (context, seen))
        found = self._found(halving, rungs, record.done)
        if interrupted:
            warn_user(interrupted, ConvergenceWarning)
        elif self.refit:
            found |= self._refitted(found["best_params_"], X, y, fit_params, context, seen)
        for name in FOUND:  # those of an earlier search
            vars(self).pop(name, None)
        vars(self).update(found)
        context.call_on_fit_task_end(**seen)
        return self

    def _prepared(self, X, y, params):
        """The `Halving`, its `Record`, and the metadata that the estimator asks for."""
        scorers, _ = self._get_scorers()
        routed = self._get_routed_params_for_fit(params)
        splits = self._splits(X, y, routed.splitter.split)
        record = Record(self.checkpoint)
        random_state = self.random_state
        if random_state is None:  # what is drawn is kept with the rungs, so that they can be gone on with
            if record.seed is None:
                record.seed = int(check_random_state(None).randint(2**31 - 1))
            random_state = record.seed
        candidates = drawn(self.param_distributions, self.n_candidates, random_state)
        max_iter = check_candidates(self.estimator, candidates)
        of_estimator, of_scorer = routed.estimator.fit, routed.scorer.score
        how = scorers, self.return_train_score, self.error_score
        work = Work(X, y, of_estimator, of_scorer, *how, uuid.uuid4().hex, self.checkpoint is not None)
        compared_by = self.refit if isinstance(self.refit, str) else None
        how = self.factor, self.min_resources, compared_by
        if self.checkpoint is not None:
            record.find(describe_search(self, candidates, splits, {"X": X, "y": y} | params))
        return Halving(work, clone(self.estimator), candidates, splits, max_iter, *how), record, of_estimator

    def _splits(self, X, y, params):
        """Pairs of rows to train on and to score."""
        cv = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = [tuple(map(np.asarray, split)) for split in cv.split(X, y, **params)]
        if not splits:
            raise ValueError(f"cv={self.cv!r} gives no split.")
        return splits

    def _climb(self, halving, rungs, record, parallel, observed):
        """Run the rungs that are left; returns the text of a warning if the user has ended it, else None."""
        context, seen = observed
        done = record.done
        try:
            for rung in rungs[len(done) :]:
                task = context.subcontext(task_name="rung").call_on_fit_task_begin(**seen)
                if self.verbose:
                    share = "all epochs" if rung.divisor == 1 else f"1/{rung.divisor:g} of the epochs"
                    say(f"Rung {rung.number + 1} of {len(rungs)}: {rung.n_candidates} candidates, {share}")
                done.append(halving.climb(rung, done, parallel))
                self._check_scores(done)
                n_left = rungs[len(done)].n_candidates if len(done) < len(rungs) else 0
                keep_states(done, halving.going_on(done[-1], n_left))
                record.write()
                task.call_on_fit_task_end(**seen)
        except KeyboardInterrupt:
            STOPPED.add(halving.work.token)
            if not done:
                raise
            return (
                f"Search interrupted by user: the results are those of {len(done)} of {len(rungs)} rungs, and the best "
                "estimator is not fitted on all data. Fit again for a complete search, which goes on if it has a "
                "checkpoint."
            )
        return None

    def _check_scores(self, done):
        """Refuse a `refit` that does not say which of several scores decides; returns whether there are several."""
        scores = done[0].runs[0][0].result["test_scores"]
        if isinstance(scores, dict):
            self._check_refit_for_multimetric(scores)
        return isinstance(scores, dict)

    def _found(self, halving, rungs, done):
        """The attributes that say how candidates have scored, by name."""
        rows, multimetric = rows_of(rungs, done), self._check_scores(done)
        results = [run.result for _, _, runs in rows for run in runs]
        metric = self.refit if multimetric else "score"
        parameters = [halving.candidates[candidate] for _, candidate, _ in rows]
        table = self._format_results(parameters, len(halving.splits), results, columns(rows))
        scorer = halving.work.scorer
        found = {
            "cv_results_": table,
            "multimetric_": multimetric,
            "n_splits_": len(halving.splits),
            "scorer_": scorer._scorers if isinstance(scorer, _MultimetricScorer) else scorer,
        }
        if self.refit or not multimetric:
            best = found["best_index_"] = self._select_best_index(self.refit, metric, table)
            found["best_params_"] = table["params"][best]
            if not callable(self.refit):
                found["best_score_"] = table[f"mean_test_{metric}"][best]
        return found | sizes(table)

    @staticmethod
    def _select_best_index(refit, refit_metric, results):
        """The row of the candidate to fit on all data: the best of the last rung, or what `refit` says."""
        if callable(refit):
            return BaseSearchCV._select_best_index(refit, refit_metric, results)
        last = np.flatnonzero(results["iter"] == results["iter"].max())
        return last[best_of(results[f"mean_test_{refit_metric}"][last], 1)[0]]

    def _refitted(self, parameters, X, y, fit_params, context, seen):
        """The attributes of the fit of the best candidate on all data, by name."""
        best = with_parameters(self.estimator, parameters)
        task = context.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(best):
            task.call_on_fit_task_begin(**seen)
            start = time.time()
            best.fit(X, y, **fit_params)
            found = {"best_estimator_": best, "refit_time_": time.time() - start}
        if hasattr(best, "feature_names_in_"):
            found["feature_names_in_"] = best.feature_names_in_
        task.call_on_fit_task_end(**seen)
        return found
