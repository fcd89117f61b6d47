"""Metrics of label sequences whose lengths may differ from the true ones."""

import numpy as np
from sklearn.metrics import accuracy_score

from ..sequences._ragged import sequence_weights
from ._labels import label_list, label_rows


def edit_distance(a, b):
    """Smallest number of labels to insert, delete or replace that turns one sequence into another.

    This is the distance of Levenshtein. It is computed for a whole column of the table of partial distances at a time,
    in the bits of integers [1]_: two sequences of 1000 labels take a few milliseconds.

    Parameters
    ----------
    a : str, list or 1-D array
        Labels of any type. A str is a sequence of characters.

    b : str, list or 1-D array
        Labels of the other sequence.

    Returns
    -------
    int
        0 if the sequences are equal, at most the length of the longer one.

    Raises
    ------
    ValueError
        If a sequence is no list or array, or a label is missing.

    See Also
    --------
    token_error_rate : Edits of many sequences over the number of true labels.

    References
    ----------
    .. [1] H. Hyyrö, "A bit-vector algorithm for computing Levenshtein and Damerau edit distances", Nordic Journal of
       Computing 10, 2003, after G. Myers, Journal of the ACM 46, 1999.

    Examples
    --------
    >>> from skrnn.metrics import edit_distance
    >>> edit_distance("kitten", "sitting")
    3
    >>> edit_distance(["the", "cat", "sat"], ["the", "cat"])
    1
    """
    a, b = (list(given) if isinstance(given, str) else label_list(given, name) for given, name in ((a, "a"), (b, "b")))
    return _distance(a, b)


def token_error_rate(y_true, y_pred, *, sample_weight=None):
    """Number of edits that turn the predicted sequences into the true ones, per true label.

    The edits of all sequences are added up and divided by the number of all true labels. If the labels are words, this
    is the word error rate of speech recognition; if they are phones or characters, the phone or character error rate.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True labels of each sequence; a sequence may be empty.

    y_pred : like `y_true`
        Predicted labels. Each sequence has a length of its own.

    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of each sequence, for its edits and its true labels.

    Returns
    -------
    float
        At least 0. It may exceed 1, if too many labels are predicted. If no true sequence holds a label, it is 0 if
        nothing is predicted, and infinity otherwise.

    Raises
    ------
    ValueError
        If a sequence is no list or array, or a label is missing; the message names the sequence. If `y_true` and
        `y_pred` differ in the number of sequences.

    See Also
    --------
    edit_distance : Edits between two sequences.
    sequence_accuracy_score : Share of sequences without an edit.

    Examples
    --------
    >>> from skrnn.metrics import token_error_rate
    >>> token_error_rate([["HH", "AW", "S"], ["K", "AE", "T"]], [["HH", "AW", "Z"], ["K", "AE", "T", "S", "S"]])
    0.5
    """
    true, pred = label_rows(y_true, y_pred)
    weight = _weights(sample_weight, len(true))
    n_edits = weight @ _distances(true, pred)
    n_true = weight @ np.array([len(row) for row in true])
    if n_true == 0:
        return float("inf") if n_edits else 0.0
    return float(n_edits / n_true)


def mean_edit_distance(y_true, y_pred, *, sample_weight=None):
    """Mean over sequences of the edits between the true and the predicted one, which a scorer needs."""
    true, pred = label_rows(y_true, y_pred)
    return float(np.average(_distances(true, pred), weights=_weights(sample_weight, len(true))))


def sequence_accuracy_score(y_true, y_pred, *, sample_weight=None):
    """Share of sequences that are predicted exactly: of the right length, with the right label at every step.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series, SequenceArray} of n_sequences
        True label, or row of labels, of each step; a sequence may be empty.

    y_pred : like `y_true`
        Predicted labels. A sequence of another length than the true one is wrong.

    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of each sequence.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If a sequence is no list or array, or a label is missing; the message names the sequence. If `y_true` and
        `y_pred` differ in the number of sequences.

    See Also
    --------
    token_error_rate : Edits per true label.
    step_accuracy_score : Share of time steps with the correct label.

    Examples
    --------
    >>> from skrnn.metrics import sequence_accuracy_score
    >>> sequence_accuracy_score([["DET", "NOUN", "VERB"], ["VERB"]], [["DET", "VERB", "VERB"], ["VERB"]])
    0.5
    """
    true, pred = label_rows(y_true, y_pred)
    is_right = np.array([a == b for a, b in zip(true, pred, strict=True)])
    weight = sequence_weights(sample_weight, len(is_right))
    return accuracy_score(np.ones_like(is_right), is_right, sample_weight=weight)


def _weights(sample_weight, n_sequences):
    weight = sequence_weights(sample_weight, n_sequences)
    if weight is None:
        return np.ones(n_sequences)
    if not weight.any():
        raise ValueError("sample_weight is 0 for all sequences: at least one must count.")
    return weight


def _distances(true, pred):
    return np.array([_distance(a, b) for a, b in zip(true, pred, strict=True)])


def _distance(a, b):
    """Walk over b; bit i of an integer tells how the distance changes from row i of the table to row i + 1.

    Two neighbours of the table differ by at most 1: `rises` and `falls` are the bits of +1 and -1, and `right_rises`
    and `right_falls` those from one column to the next. The distance itself is only followed in the last row.
    """
    if not a or not b:
        return len(a) + len(b)
    places = {}
    for i, label in enumerate(a):
        places[label] = places.get(label, 0) | 1 << i
    full, last = (1 << len(a)) - 1, 1 << len(a) - 1
    rises, falls, distance = full, 0, len(a)
    for label in b:
        equal = places.get(label, 0)
        same = (((equal & rises) + rises) ^ rises) | equal | falls  # no change along the diagonal
        right_rises = falls | full & ~(same | rises)
        right_falls = same & rises
        distance += bool(right_rises & last) - bool(right_falls & last)
        right_rises = right_rises << 1 | 1  # the first row grows by 1 with each label of b
        right_falls <<= 1
        rises = (right_falls | ~(same | right_rises)) & full
        falls = same & right_rises & full
    return distance
