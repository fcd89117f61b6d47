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
from ._rungs import best_of
from ._runs import Work


class RNNSearchCV(BaseSearchCV):
    """Search for the best parameters, by successive halving over epochs."""

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
        done = record.done
        with Parallel(n_jobs=self.n_jobs, prefer="threads") as parallel:
            rungs = halving.rungs(parallel)
            weights = params.get("sample_weight")
            seen = {"estimator": self, "X": X, "y": y}
            seen["metadata"] = None if weights is None else {"sample_weight": weights}
            context = self._init_callback_context(max_subtasks=len(rungs) + bool(self.refit))
            context.call_on_fit_task_begin(**seen)
            interrupted = self._climb(halving, rungs, record, parallel, (context, seen))
        self._take_over(halving, rungs, done)
        if interrupted:
            warn_user(interrupted, ConvergenceWarning)
        elif self.refit:
            self._refit(X, y, fit_params, context, seen)
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
            random_state = record.seed = record.seed or int(check_random_state(None).randint(2**31 - 1))
        candidates = drawn(self.param_distributions, self.n_candidates, random_state)
        max_iter = check_candidates(self.estimator, candidates)
        of_estimator, of_scorer = routed.estimator.fit, routed.scorer.score
        work = Work(
            *(X, y, of_estimator, of_scorer, scorers, self.return_train_score, self.error_score, uuid.uuid4().hex)
        )
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
                n_left = rungs[len(done)].n_candidates if len(done) < len(rungs) else 0
                record.write(halving.going_on(done[-1], n_left))
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

    def _take_over(self, halving, rungs, done):
        """Set the attributes that say how candidates have scored."""
        n_splits, metric = len(halving.splits), "score"
        rows = [(rung, candidate, runs) for rung, each in zip(rungs, done, strict=False) for candidate, runs in each]
        results = [run.result for _, _, runs in rows for run in runs]
        self.multimetric_ = isinstance(results[0]["test_scores"], dict)
        if self.multimetric_:
            self._check_refit_for_multimetric(results[0]["test_scores"])
            metric = self.refit
        n_resources = [max(rung.n_epochs(run.n_most) for run in runs) for rung, _, runs in rows]
        more = {
            "iter": [rung.number for rung, _, _ in rows],
            "candidate": [candidate for _, candidate, _ in rows],
            "n_resources": n_resources,
            "n_epochs": [np.mean([run.n_epochs for run in runs]) for _, _, runs in rows],
        }
        parameters = [halving.candidates[candidate] for _, candidate, _ in rows]
        found = self._format_results(parameters, n_splits, results, more)
        for name in (
            "best_index_",
            "best_score_",
            "best_params_",
            "best_estimator_",
            "refit_time_",
            "feature_names_in_",
        ):
            vars(self).pop(name, None)  # of an earlier search
        if self.refit or not self.multimetric_:
            self.best_index_ = self._select_best_index(self.refit, metric, found)
            self.best_params_ = found["params"][self.best_index_]
            if not callable(self.refit):
                self.best_score_ = found[f"mean_test_{metric}"][self.best_index_]
        scorer = halving.work.scorer
        self.scorer_ = scorer._scorers if isinstance(scorer, _MultimetricScorer) else scorer
        self.n_splits_, self.n_iterations_, self.cv_results_ = n_splits, len(done), found
        self.n_candidates_ = [rung.n_candidates for rung in rungs[: len(done)]]
        self.n_resources_ = [
            max(n for n, row in zip(n_resources, rows, strict=True) if row[0] is rung) for rung in rungs[: len(done)]
        ]

    @staticmethod
    def _select_best_index(refit, refit_metric, results):
        """The row of the candidate to fit on all data: the best of the last rung, or what `refit` says."""
        if callable(refit):
            return BaseSearchCV._select_best_index(refit, refit_metric, results)
        last = np.flatnonzero(results["iter"] == results["iter"].max())
        return last[best_of(results[f"mean_test_{refit_metric}"][last], 1)[0]]

    def _refit(self, X, y, fit_params, context, seen):
        """Fit the best candidate on all data."""
        best = with_parameters(self.estimator, self.best_params_)
        task = context.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(best):
            task.call_on_fit_task_begin(**seen)
            start = time.time()
            best.fit(X, y, **fit_params)
            self.refit_time_ = time.time() - start
        self.best_estimator_ = best
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
        task.call_on_fit_task_end(**seen)
