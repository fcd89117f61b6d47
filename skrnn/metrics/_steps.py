"""Metrics over the time steps of all sequences, each a sample for scikit-learn."""

from sklearn.metrics import accuracy_score, f1_score, mean_squared_error, r2_score

from ..sequences._ragged import step_weights
from ._flatten import flatten_pair


def step_accuracy_score(y_true, y_pred, *, sample_weight=None):
    """Share of time steps with the correct label.

    All steps have the same weight, so long sequences count more than short ones.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True label of each time step.

    y_pred : like `y_true`
        Predicted labels, for the same steps.

    sample_weight : array-like of shape (n_sequences,) or ragged like `y_true`, default=None
        Weight of each sequence, for all its steps, or of each step.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ. The message names the first such sequence.

    See Also
    --------
    sequence_accuracy_score : Share of sequences with the correct label at all steps.
    step_log_loss : Negative log-likelihood per time step, of probabilities.
    sklearn.metrics.accuracy_score : The same for one label per sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_accuracy_score
    >>> step_accuracy_score([["DET", "NOUN", "VERB"], ["VERB"]], [["DET", "VERB", "VERB"], ["VERB"]])
    0.75
    """
    true, pred, offsets = flatten_pair(y_true, y_pred)
    return accuracy_score(true, pred, sample_weight=step_weights(sample_weight, offsets))


def step_f1_score(y_true, y_pred, *, labels=None, average="macro", sample_weight=None, zero_division="warn"):
    """F1 score of labels of time steps.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True label of each time step.

    y_pred : like `y_true`
        Predicted labels, for the same steps.

    labels : array-like, default=None
        Labels to average over, and their order if ``average=None``. If None, all labels of `y_true` and `y_pred`.

    average : {"macro", "micro", "weighted", "samples"} or None, default="macro"
        As in `sklearn.metrics.f1_score`: "macro" averages over labels with equal weights, None returns one score per
        label.

    sample_weight : array-like of shape (n_sequences,) or ragged like `y_true`, default=None
        Weight of each sequence, for all its steps, or of each step.

    zero_division : {"warn", 0.0, 1.0, numpy.nan}, default="warn"
        Score of labels that neither occur nor are predicted; "warn" means 0 with a warning.

    Returns
    -------
    float or ndarray of shape (n_labels,)
        Between 0 and 1.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ. The message names the first such sequence.

    See Also
    --------
    span_f1_score : F1 score of entities of several steps.
    sklearn.metrics.f1_score : The same for one label per sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_f1_score
    >>> y_true, y_pred = [[0, 0, 1], [1, 0]], [[0, 1, 1], [1, 0]]
    >>> step_f1_score(y_true, y_pred, average=None)
    array([0.8, 0.8])
    """
    true, pred, offsets = flatten_pair(y_true, y_pred)
    weight = step_weights(sample_weight, offsets)
    return f1_score(true, pred, labels=labels, average=average, sample_weight=weight, zero_division=zero_division)


def step_r2_score(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """Coefficient of determination over the time steps of all sequences.

    The score compares with a model that predicts the mean over all steps.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True value, or row of values, of each time step.

    y_pred : like `y_true`
        Predicted values, for the same steps.

    sample_weight : array-like of shape (n_sequences,) or ragged like `y_true`, default=None
        Weight of each sequence, for all its steps, or of each step.

    multioutput : {"uniform_average", "variance_weighted", "raw_values"} or array-like, default="uniform_average"
        How to average the scores of several outputs, as in `sklearn.metrics.r2_score`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        At most 1.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ. The message names the first such sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_r2_score
    >>> step_r2_score([[1.0, 2.0, 3.0], [4.0]], [[1.5, 2.0, 3.0], [3.5]])
    0.9
    """
    true, pred, offsets = flatten_pair(y_true, y_pred)
    return r2_score(true, pred, sample_weight=step_weights(sample_weight, offsets), multioutput=multioutput)


def step_mean_squared_error(y_true, y_pred, *, sample_weight=None, multioutput="uniform_average"):
    """Mean squared error over the time steps of all sequences.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True value, or row of values, of each time step.

    y_pred : like `y_true`
        Predicted values, for the same steps.

    sample_weight : array-like of shape (n_sequences,) or ragged like `y_true`, default=None
        Weight of each sequence, for all its steps, or of each step.

    multioutput : {"uniform_average", "raw_values"} or array-like, default="uniform_average"
        How to average the errors of several outputs, as in `sklearn.metrics.mean_squared_error`.

    Returns
    -------
    float or ndarray of shape (n_outputs,)
        At least 0, in the square of the unit of y.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ. The message names the first such sequence.

    Examples
    --------
    >>> from skrnn.metrics import step_mean_squared_error
    >>> step_mean_squared_error([[1.0, 2.0, 3.0], [4.0]], [[1.5, 2.0, 3.0], [3.5]])
    0.125
    """
    true, pred, offsets = flatten_pair(y_true, y_pred)
    return mean_squared_error(true, pred, sample_weight=step_weights(sample_weight, offsets), multioutput=multioutput)
