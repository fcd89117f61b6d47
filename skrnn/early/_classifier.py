"""``EarlyClassifier``: classes of sequences before they end."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import check_cv
from sklearn.utils import Bunch, assert_all_finite, check_consistent_length, check_random_state, column_or_1d
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, has_fit_parameter

from ..estimators.tasks._read import check_cells
from ..persistence._pipelines import saved_by_state
from ..sequences._containers import items_of
from ..sequences._validate import check_as_many, validate_sequences
from ._calibration import Calibration
from ._rule import Rule
from ._stages import Stages, TrainingPart, held_out, spacing, stages_of
from ._stream import EarlyStream


@saved_by_state
class EarlyClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Classifies a sequence as soon as enough of it is known.

    The classifier reads a sequence step by step, and decides at the first step after which the probability of the most
    likely class reaches a threshold. Cross-validation calibrates the probabilities for each number of steps, and
    chooses the threshold that costs least: the share of errors, plus `cost_of_delay` times the share of the steps
    that are read. What comes after a decision has no influence on it, nor has the length of a sequence that goes on.

    Parameters
    ----------
    estimator : estimator
        A classifier with ``staged_predict_proba(X)``, which yields probabilities after 1, 2, ... steps, such as
        `RNNClassifier`. Set its ``bidirectional=False``: a network that reads backward, too, has to read the
        steps anew for each stage.
    cost_of_delay : float, default=0.1
        What it costs to read all steps, in the unit of an error: with 0.1 it is worth 10 points of accuracy to
        decide at the first step instead of the last. With 0 only errors count.
    prefixes : bool or "auto", default="auto"
        Whether the estimator is trained on a prefix of each sequence, of random length, beside the sequences: networks
        that only know whole sequences often know little of beginnings, but prefixes may cost accuracy at the end.
        "auto" cross-validates both, in twice the time, and takes what costs less.
    cv : int, cross-validation splitter or iterable, default=5
        Splits of the cross-validation; an int is the number of stratified folds.
    random_state : int, RandomState instance or None, default=None
        Source of the lengths of the prefixes. The estimator has its own.
    n_jobs : int, default=None
        Number of folds that are fitted at the same time; None is 1.

    Attributes
    ----------
    estimator_ : estimator
        Fitted on all sequences, and on prefixes if ``prefixes_``.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    threshold_ : float
        Probability from which on a sequence is decided; 2 if all are read to their end.
    prefixes_ : bool
        Whether the estimator was trained on prefixes, too.
    calibration_ : ndarray of shape (2,)
        Probabilities are raised to the power ``exp(calibration_[0] + calibration_[1] * share)``, and scaled to a sum
        of 1. The share is the steps read over ``n_usual_steps_``, at most 1.
    n_usual_steps_ : float
        Median length of the sequences of `fit`.
    decides_every_ : int
        Steps between decisions: 1 for sequences of up to 100 steps, so that there are at most 100.
    cv_results_ : dict of str to ndarray of shape (n_thresholds,)
        What other thresholds would have given in cross-validation: "threshold", "accuracy", "share_read", "cost";
        "confidence", the mean calibrated probability at decisions; and "expected_cost", the cost with a mean of both in
        the place of the accuracy, of which the confidence weighs as much as 20 sequences.
    best_index_ : int
        Place of ``threshold_`` in ``cv_results_``, where the expected cost is least.
    n_channels_ : int
        Number of channels of a step.
    n_features_in_ : int
        Number of columns of X, or channels.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, if X had them.
    channel_names_ : ndarray of shape (n_channels,)
        Names of the channels, if they had them.

    See Also
    --------
    RNNClassifier : Classifier of whole sequences, with predictions in stages.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import EarlyClassifier, RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, size=120)
    >>> X = rng.normal(size=(120, 20, 1)) + np.where(y, 1, -1)[:, np.newaxis, np.newaxis]
    >>> network = RNNClassifier(8, bidirectional=False, max_iter=20, random_state=0)
    >>> early = EarlyClassifier(network, cv=3, random_state=0).fit(X[:80], y[:80])
    >>> labels, n_steps_read = early.predict_early(X[80:])
    >>> bool((labels == y[80:]).mean() > 0.9), bool(n_steps_read.mean() < 10)
    (True, True)
    """

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict_proba"])],
        "cost_of_delay": [Interval(Real, 0, np.inf, closed="left")],
        "prefixes": ["boolean", StrOptions({"auto"})],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    def __init__(self, estimator, *, cost_of_delay=0.1, prefixes="auto", cv=5, random_state=None, n_jobs=None):
        self.estimator = estimator
        self.cost_of_delay = cost_of_delay
        self.prefixes = prefixes
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X, y, sample_weight=None, *, groups=None):
        """Cross-validate when to decide, and fit the estimator.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            Sequences. The estimator gets a `SequenceArray`.
        y : array-like of shape (n_sequences,)
            Classes.
        sample_weight : array-like of shape (n_sequences,), default=None
            Weights of the sequences: for the estimator, the calibration and the costs.
        groups : array-like of shape (n_sequences,), default=None
            Groups of the sequences, for `cv` and for the estimator if its `fit` takes them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The result of the previous call is kept.
        """
        self._validate_params()
        _check_staged(self.estimator)
        found = type(self)(**self.get_params(deep=False))
        part = found._read(X, y, sample_weight, groups)
        found.classes_ = np.unique(part.y)
        found._cross_validate(part)
        found.estimator_ = (part if found.prefixes_ else part.without_prefixes()).fit(self.estimator)
        _replace_fitted(self, found)
        return self

    def _read(self, X, y, sample_weight, groups):
        """All that is given as a `TrainingPart`."""
        if y is None:
            raise ValueError("EarlyClassifier requires y to be passed, but the target y is None.")
        sequences = validate_sequences(self, X, reset=True)
        y = _classes(y)
        check_classification_targets(y)
        check_as_many(sequences, y)
        if sample_weight is not None:
            if not has_fit_parameter(self.estimator, "sample_weight"):
                raise ValueError(f"fit of {type(self.estimator).__name__} takes no sample_weight: leave it out.")
            sample_weight = _check_sample_weight(sample_weight, y, dtype=np.float64, ensure_non_negative=True)
        groups = None if groups is None else np.asarray(items_of(groups, "groups"))
        check_consistent_length(sequences, y, sample_weight, groups)
        cuts = None
        if self.prefixes is not False:
            draws = check_random_state(self.random_state).uniform(size=len(y))
            cuts = 1 + (draws * sequences.lengths).astype(np.int64)
        return TrainingPart(sequences, y, sample_weight, groups, cuts)

    def _cross_validate(self, part):
        """Learn when to decide, with prefixes and without; keep what costs less."""
        cv = check_cv(self.cv, part.y, classifier=True)
        folds = list(cv.split(np.zeros(len(part.y)), part.y, part.groups))
        self.decides_every_ = spacing(part.sequences.lengths)
        self.n_usual_steps_ = float(np.median(part.sequences.lengths))
        tried = {"auto": (False, True)}.get(self.prefixes, (bool(self.prefixes),))
        learned = {which: self._learn(part if which else part.without_prefixes(), folds) for which in tried}
        self.prefixes_ = min(learned, key=lambda which: learned[which][1].expected_cost)
        calibration, rule = learned[self.prefixes_]
        self.calibration_, self.threshold_ = calibration.coefficients, rule.threshold
        self.cv_results_, self.best_index_ = rule.results, rule.best

    def _learn(self, part, folds):
        """Calibration and rule by predictions for sequences that no fit has seen."""
        work = (delayed(held_out)(self.estimator, part, fold, self.classes_, self.decides_every_) for fold in folds)
        try:
            proba = np.concatenate(Parallel(n_jobs=self.n_jobs)(work))
        except ValueError:
            part.without_prefixes().fit(self.estimator)  # the same error names the sequence by its place in X
            raise
        y, tested = np.searchsorted(self.classes_, part.y), np.concatenate([test for _, test in folds])
        weights = np.ones(len(y)) if part.weights is None else part.weights
        # what a fold has not seen in training cannot be told from errors
        known = np.concatenate([np.isin(y[test], y[train]) for train, test in folds]) & (weights[tested] > 0)
        if not known.any():
            raise ValueError("No class is in both parts of a split: use fewer folds, or more sequences of each class.")
        tested, proba = tested[known], proba[known]
        stages = Stages(proba, part.sequences.lengths[tested], self.decides_every_, self.n_usual_steps_)
        y, weights = y[tested], weights[tested]
        calibration = Calibration.learn(stages, y, weights)
        return calibration, Rule(stages, calibration(proba, stages.steps), y, weights, self.cost_of_delay)

    # -------------------------------------------------------------------------------------------------- predictions
    def _calibration(self):
        return Calibration(self.calibration_, self.n_usual_steps_)

    def _decide(self, X):
        """Calibrated probabilities at the time of decision, steps read, and lengths."""
        check_is_fitted(self)
        sequences = validate_sequences(self, X, reset=False)
        lengths, calibration = sequences.lengths, self._calibration()
        out, n_read = np.empty((len(lengths), len(self.classes_))), np.zeros(len(lengths), np.int64)
        for t, proba in stages_of(self.estimator_, sequences, self.decides_every_):
            waiting = np.flatnonzero(n_read == 0)
            steps = np.minimum(lengths[waiting], t)
            now = calibration(np.asarray(proba)[waiting], steps)
            is_decided = (now.max(axis=1) >= self.threshold_) | (lengths[waiting] <= t)
            rows = waiting[is_decided]
            out[rows], n_read[rows] = now[is_decided], steps[is_decided]
            if n_read.all():
                break
        return out, n_read, lengths

    def predict_early(self, X):
        """Predict classes, and say how many steps were read for it.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            Sequences. A sequence that ends before it is decided is decided at its end.

        Returns
        -------
        labels : ndarray of shape (n_sequences,)
            Predicted classes.
        n_steps_read : ndarray of shape (n_sequences,)
            Number of steps up to the decision.
        """
        proba, n_read, _ = self._decide(X)
        return self.classes_[proba.argmax(axis=1)], n_read

    def predict(self, X):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            Sequences.

        Returns
        -------
        labels : ndarray of shape (n_sequences,)
            Predicted classes, at the time of decision.
        """
        return self.predict_early(X)[0]

    def predict_proba(self, X):
        """Predict probabilities at the time of decision.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            Sequences.

        Returns
        -------
        proba : ndarray of shape (n_sequences, n_classes)
            Calibrated probabilities.
        """
        return self._decide(X)[0]

    def stream(self, n_streams=1):
        """Give what decides as the steps of sequences come in.

        Parameters
        ----------
        n_streams : int, default=1
            Number of sequences that come side by side.

        Returns
        -------
        EarlyStream
            Its `step` takes a step of each sequence, and gives the class or None; `end` decides on what has ended.

        Raises
        ------
        ValueError
            If the fitted estimator has no `stream`, or cannot read step by step.
        """
        check_is_fitted(self)
        if not hasattr(self.estimator_, "stream"):
            raise ValueError(f"{type(self.estimator_).__name__} has no stream: use predict_early.")
        return EarlyStream(self.estimator_.stream(n_streams), self, self._calibration())

    def evaluate(self, X, y, sample_weight=None):
        """Measure accuracy and earliness.

        Parameters
        ----------
        X : array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray or frame
            Sequences.
        y : array-like of shape (n_sequences,)
            Their classes.
        sample_weight : array-like of shape (n_sequences,), default=None
            Their weights.

        Returns
        -------
        result : Bunch
            With the attributes:

            accuracy : float
                Share of right decisions.
            share_read : float
                Mean share of the steps that were read, also known as earliness.
            harmonic_mean : float
                Of the accuracy and of the share that was not read.
            cost : float
                Share of errors plus `cost_of_delay` times ``share_read``.
        """
        proba, n_read, lengths = self._decide(X)
        y = _classes(y)
        check_consistent_length(proba, y, sample_weight)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        accuracy = float(accuracy_score(y, self.classes_[proba.argmax(axis=1)], sample_weight=sample_weight))
        share = float(np.average(n_read / lengths, weights=sample_weight))
        total = accuracy + 1 - share
        return Bunch(
            accuracy=accuracy,
            share_read=share,
            harmonic_mean=2 * accuracy * (1 - share) / total if total else 0.0,
            cost=1 - accuracy + self.cost_of_delay * share,
        )

    def __setstate__(self, state):
        super().__setstate__(state)
        if hasattr(self, "estimator_"):
            _check_fitted(self)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = tags.input_tags.two_d_array = True
        return tags


def _check_fitted(early):
    """Refuse fitted attributes, of a file or pickle, that do not belong together."""
    holds = {
        "classes_": lambda v: isinstance(v, np.ndarray) and v.shape == (len(early.estimator_.classes_),),
        "calibration_": lambda v: isinstance(v, np.ndarray) and v.shape == (2,) and np.isfinite(v.astype(float)).all(),
        "threshold_": lambda v: isinstance(v, float) and v >= 0,
        "n_usual_steps_": lambda v: isinstance(v, float) and 0 < v < np.inf,
        "decides_every_": lambda v: isinstance(v, int) and v > 0,
        "n_channels_": lambda v: isinstance(v, Integral) and v > 0,
    }
    for name, check in holds.items():
        if not check(vars(early).get(name)):
            raise ValueError(f"{name} cannot be {vars(early).get(name)!r:.100}")


def _check_staged(estimator):
    if hasattr(estimator, "staged_predict_proba"):
        return
    name, advice = type(estimator).__name__, "such as RNNClassifier"
    if hasattr(estimator, "steps"):
        advice = "so make EarlyClassifier the last step of the pipeline, around its last estimator"
    elif hasattr(estimator, "param_grid") or hasattr(estimator, "param_distributions"):
        advice = "so search over an EarlyClassifier, whose parameters estimator__<name> are those of the network"
    raise ValueError(f"{name} has no staged_predict_proba: estimator must predict after each step, {advice}.")


def _classes(y):
    y = column_or_1d(np.asarray(items_of(y, "y")), warn=True)
    if y.dtype == object:
        check_cells(y, "y", "sequence")
    assert_all_finite(y, input_name="y")
    return y


def _replace_fitted(estimator, found):
    """Give the estimator the fitted attributes of another one, and none of its own."""
    for name in [name for name in vars(estimator) if name.endswith("_") and not name.startswith("_")]:
        delattr(estimator, name)
    vars(estimator).update({name: v for name, v in vars(found).items() if name.endswith("_") and name[0] != "_"})
