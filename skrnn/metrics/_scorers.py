"""The metrics as scorers, for ``scoring=`` of scikit-learn's tools."""

from sklearn.base import BaseEstimator
from sklearn.metrics import make_scorer

from ._log_loss import step_log_loss
from ._spans import span_f1_score
from ._steps import step_accuracy_score, step_f1_score, step_mean_squared_error, step_r2_score
from ._tokens import mean_edit_distance, sequence_accuracy_score, token_error_rate


class StepLogLossScorer(BaseEstimator):
    """Minus `step_log_loss` of ``predict_proba``.

    A scorer of `make_scorer` takes probabilities for a matrix, and does not know the class of each column.
    """

    def __call__(self, estimator, X, y_true, sample_weight=None):
        labels = getattr(estimator, "classes_", None)
        return -step_log_loss(y_true, estimator.predict_proba(X), labels=labels, sample_weight=sample_weight)

    def score(self, *estimator_X_y, sample_weight=None):
        """Call the scorer; from this signature, scikit-learn makes ``set_score_request``."""
        return self(*estimator_X_y, sample_weight=sample_weight)


SCORERS = {
    "neg_edit_distance": (mean_edit_distance, {"greater_is_better": False}),
    "neg_token_error_rate": (token_error_rate, {"greater_is_better": False}),
    "sequence_accuracy": (sequence_accuracy_score, {}),
    "span_f1": (span_f1_score, {}),
    "span_f1_macro": (span_f1_score, {"average": "macro"}),
    "step_accuracy": (step_accuracy_score, {}),
    "step_f1_macro": (step_f1_score, {}),
    "step_f1_weighted": (step_f1_score, {"average": "weighted"}),
    "step_neg_mean_squared_error": (step_mean_squared_error, {"greater_is_better": False}),
    "step_r2": (step_r2_score, {}),
}
LOG_LOSS = "step_neg_log_loss"


def get_scorer(scoring):
    """Get a scorer by name.

    Other packages cannot add names to scikit-learn, so use ``scoring=get_scorer("span_f1")`` in place of
    ``scoring="span_f1"``. For several scores, pass a dict of names and scorers.

    Parameters
    ----------
    scoring : str
        A name of `get_scorer_names`.

    Returns
    -------
    callable
        Scorer with the signature ``scorer(estimator, X, y_true, sample_weight=None)``; higher is better. Each call
        returns a new one, so ``set_score_request`` does not affect others.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    See Also
    --------
    sklearn.metrics.make_scorer : Make a scorer from a metric with other parameters.

    Examples
    --------
    >>> from skrnn.metrics import get_scorer
    >>> get_scorer("step_f1_macro")
    make_scorer(step_f1_score, response_method='predict')
    """
    if scoring == LOG_LOSS:
        return StepLogLossScorer()
    if not isinstance(scoring, str) or scoring not in SCORERS:
        raise ValueError(f"{scoring!r} is not a scorer of skrnn.metrics; choose from {', '.join(get_scorer_names())}.")
    metric, keywords = SCORERS[scoring]
    return make_scorer(metric, **keywords)


def get_scorer_names():
    """Get the names of all scorers.

    Returns
    -------
    list of str
        Names in alphabetical order.

    Examples
    --------
    >>> from skrnn.metrics import get_scorer_names
    >>> get_scorer_names()[:3]
    ['neg_edit_distance', 'neg_token_error_rate', 'sequence_accuracy']
    """
    return sorted([*SCORERS, LOG_LOSS])
