"""The runs of a search: all candidates on all splits, rung after rung."""

from dataclasses import dataclass, replace
from numbers import Integral

import numpy as np
from sklearn.model_selection._validation import _insert_error_scores, _warn_or_raise_about_fit_failures
from sklearn.utils.parallel import delayed

from ._candidates import with_parameters
from ._rungs import best_of, rungs_of
from ._runs import DoneRung, Run, Work, advance, n_most_epochs


@dataclass(frozen=True)
class Halving:
    """A search as far as its result does not depend on how it runs.

    estimator : without the parameters of a candidate; candidates : parameters of each; splits : pairs of rows to train
    on and to score; max_iter : that of all candidates; compared_by : name of the score that decides, or None for the
    only one or the first.
    """

    work: Work
    estimator: object
    candidates: list
    splits: list
    max_iter: object
    factor: float | None
    min_resources: int
    compared_by: str | None

    def rungs(self, parallel):
        """The rungs of the search; how many epochs "auto" means is asked of the fits on the first split."""
        n_most, fewest = self.max_iter, self.min_resources
        if n_most == "auto":
            estimators, train = map(self._with_parameters, range(len(self.candidates))), self.splits[0][0]
            found = parallel(delayed(n_most_epochs)(self.work, estimator, train) for estimator in estimators)
            n_most = min((n for n in found if n is not None), default=fewest)
        elif not isinstance(n_most, Integral) or n_most < 1:  # which all fits refuse
            n_most = fewest
        if n_most < fewest:
            raise ValueError(
                f"min_resources={fewest} is more than all epochs of a fit, max_iter={n_most}: candidates cannot be "
                "compared after so many."
            )
        return rungs_of(len(self.candidates), self.factor, fewest, n_most)

    def climb(self, rung, done, parallel):
        """Train candidates up to a rung, from where those that `done` says have gone on; gives the `DoneRung`."""
        splits = range(len(self.splits))
        if done:
            going_on = self.going_on(done[-1], rung.n_candidates)
            before = dict(zip(done[-1].candidates, done[-1].runs, strict=True))
            runs = {(c, s): before[c][s] for c in going_on for s in splits}
        else:
            going_on = range(len(self.candidates))
            runs = {(c, s): Run() for c in going_on for s in splits}
        waiting = [key for key, run in runs.items() if not run.ended]
        # those that took longest come first, so that none is left when the others have ended
        waiting.sort(key=lambda key: -runs[key].result.get("fit_time", 0.0))
        reached = parallel(
            delayed(advance)(self.work, self._with_parameters(c), *self.splits[s], runs[c, s], rung) for c, s in waiting
        )
        for key in runs.keys() - set(waiting):  # what has ended scores the same at all rungs to come
            runs[key] = replace(runs[key], result=runs[key].result | {"fit_time": 0.0, "score_time": 0.0})
        runs |= dict(zip(waiting, reached, strict=True))
        results = [run.result for run in runs.values()]
        if any(run.has_failed for run in reached):
            _warn_or_raise_about_fit_failures(results, self.work.error_score)
        if callable(self.work.scorer):  # the names of its scores are known only now
            _insert_error_scores(results, self.work.error_score)
        return DoneRung(list(going_on), [[runs[c, s] for s in splits] for c in going_on])

    def going_on(self, done, n):
        """The numbers of the `n` best candidates of a rung."""
        scores = np.array([mean_score(runs, self.compared_by) for runs in done.runs])
        return [done.candidates[place] for place in best_of(scores, n)]

    def _with_parameters(self, candidate):
        return with_parameters(self.estimator, self.candidates[candidate])


def mean_score(runs, name):
    """Mean over splits of a score: the one of this name, the only one, or the first."""
    scores = [run.result["test_scores"] for run in runs]
    if isinstance(scores[0], dict):
        scores = [one[name if name in one else next(iter(one))] for one in scores]
    return np.average(np.array(scores, np.float64))
