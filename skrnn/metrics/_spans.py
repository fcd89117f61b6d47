"""Metrics for entities, which are spans of time steps with IOB tags."""

import numpy as np
from sklearn.metrics import f1_score, precision_recall_fscore_support

from ..sequences._layout import place
from ..sequences._ragged import sequence_weights
from ..sequences._steps import is_text
from ._flatten import flatten_pair

OUTSIDE, BEGIN, INSIDE = 0, 1, 2
POSITIONS = {"O": OUTSIDE, "B": BEGIN, "I": INSIDE}
NO_SPAN = -1  # the label of a true span that is not found, and of a predicted one that is not there


def span_f1_score(y_true, y_pred, *, labels=None, average="micro", sample_weight=None, zero_division="warn"):
    """F1 score of entities in IOB tags, as computed by the script conlleval.

    A predicted entity is correct if its first step, its last step and its type are correct [1]_. Tags are "O" outside
    entities, "B-type" at the first step of an entity and "I-type" at further steps, or "B" and "I" if there is only one
    type. A tag "I-type" that does not follow an entity of the same type begins a new one, so both IOB1 and IOB2 are
    supported.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series} of n_sequences
        True tag of each time step.

    y_pred : like `y_true`
        Predicted tags, for the same steps.

    labels : array-like of str, default=None
        Types to average over, and their order if ``average=None``. If None, all types of `y_true` and `y_pred`,
        sorted. The type of entities without a type is "".

    average : {"micro", "macro", "weighted"} or None, default="micro"
        "micro" counts all entities together, like conlleval; "macro" averages over types with equal weights,
        "weighted" with the numbers of true entities as weights; None returns one score per type.

    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of each sequence, for all its entities.

    zero_division : {"warn", 0.0, 1.0, numpy.nan}, default="warn"
        The score if there are neither true nor predicted entities; "warn" means 0 with a warning.

    Returns
    -------
    float or ndarray of shape (n_types,)
        Between 0 and 1.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ, or a tag is invalid. The message names the sequence.

    See Also
    --------
    span_precision_recall_fscore_support : Precision, recall, F-score and number of entities.
    step_f1_score : F1 score of tags.

    References
    ----------
    .. [1] E. F. Tjong Kim Sang, S. Buchholz,
       "Introduction to the CoNLL-2000 shared task: chunking", CoNLL 2000. :arxiv:`cs/0009008`

    Examples
    --------
    >>> from skrnn.metrics import span_f1_score
    >>> y_true = [["O", "B-city", "I-city", "O", "B-day"], ["B-day"]]
    >>> y_pred = [["O", "B-city", "O", "O", "B-day"], ["B-day"]]
    >>> round(span_f1_score(y_true, y_pred), 3)
    0.667
    """
    keywords = {"labels": labels, "average": average, "sample_weight": sample_weight, "zero_division": zero_division}
    return _scored(f1_score, y_true, y_pred, **keywords)


def span_precision_recall_fscore_support(
    y_true, y_pred, *, beta=1.0, labels=None, average="micro", sample_weight=None, zero_division="warn"
):
    """Precision, recall, F-score and number of entities in IOB tags, as computed by the script conlleval.

    `span_f1_score` describes which entities are correct.

    Parameters
    ----------
    y_true : {object array of arrays, list of arrays or lists, Series} of n_sequences
        True tag of each time step.

    y_pred : like `y_true`
        Predicted tags, for the same steps.

    beta : float, default=1.0
        Weight of recall relative to precision in the F-score.

    labels : array-like of str, default=None
        Types to average over, and their order if ``average=None``. If None, all types of `y_true` and `y_pred`,
        sorted. The type of entities without a type is "".

    average : {"micro", "macro", "weighted"} or None, default="micro"
        "micro" counts all entities together, like conlleval; "macro" averages over types with equal weights,
        "weighted" with the numbers of true entities as weights; None returns arrays with one entry per type.

    sample_weight : array-like of shape (n_sequences,), default=None
        Weight of each sequence, for all its entities.

    zero_division : {"warn", 0.0, 1.0, numpy.nan}, default="warn"
        Value of 0/0, such as the precision if no entity is predicted; "warn" means 0 with a warning.

    Returns
    -------
    precision : float or ndarray of shape (n_types,)
        Share of predicted entities that are correct.

    recall : float or ndarray of shape (n_types,)
        Share of true entities that are found.

    fscore : float or ndarray of shape (n_types,)
        Weighted harmonic mean of the two.

    support : None or ndarray of shape (n_types,)
        Number of true entities of each type; None if averaged.

    Raises
    ------
    ValueError
        If lengths of `y_true` and `y_pred` differ, or a tag is invalid. The message names the sequence.

    Examples
    --------
    >>> from skrnn.metrics import span_precision_recall_fscore_support
    >>> y_true = [["O", "B-city", "I-city", "O", "B-day"], ["B-day", "O"]]
    >>> y_pred = [["O", "B-city", "I-city", "O", "B-day"], ["B-day", "B-day"]]
    >>> precision, recall, fscore, support = span_precision_recall_fscore_support(y_true, y_pred, average=None)
    >>> print(precision.round(2), recall, support)  # of the types city and day
    [1.   0.67] [1. 1.] [1 2]
    """
    keywords = {"labels": labels, "average": average, "sample_weight": sample_weight, "zero_division": zero_division}
    return _scored(precision_recall_fscore_support, y_true, y_pred, beta=beta, **keywords)


def _scored(metric, y_true, y_pred, *, labels, average, sample_weight, **keywords):
    """A metric of scikit-learn, whose samples are the true spans and the wrongly predicted ones."""
    if average not in ("micro", "macro", "weighted", None):
        raise ValueError(f'average must be "micro", "macro", "weighted" or None, got {average!r}.')
    true, pred, offsets = flatten_pair(y_true, y_pred)
    if not is_text(true):
        raise ValueError("y_true and y_pred must hold IOB tags, which are strings like 'B-city'; they hold numbers.")
    types, (true, pred) = _read_tags(true, pred, offsets)
    codes = _codes_of(types, labels)
    true, pred, steps = _events(_spans(*true, offsets), _spans(*pred, offsets))
    weight = sequence_weights(sample_weight, len(offsets) - 1)
    if weight is not None:
        if not weight.any():
            raise ValueError("sample_weight is 0 for all sequences: at least one must count.")
        true, pred, weight = _weighted(true, pred, weight[np.searchsorted(offsets, steps, side="right") - 1])
    if not codes:
        if average is None:
            raise ValueError("y_true and y_pred have no entity: with average=None there is no type to score.")
        codes = [len(types)]  # of a type that does not occur: scikit-learn knows what to say of 0/0
    if len(true) == 0:
        true, pred, weight = [NO_SPAN], [NO_SPAN], None
    return metric(true, pred, labels=codes, average=average, sample_weight=weight, **keywords)


def _weighted(true, pred, weight):
    """The events that count; scikit-learn refuses weights that are all 0, where 0/0 is meant."""
    counts = weight != 0
    return true[counts], pred[counts], weight[counts]


def _read_tags(true, pred, offsets):
    """Types in alphabetical order; then for both (position, code of the type) of each step."""
    tags, codes = np.unique(np.concatenate([true, pred]), return_inverse=True)
    parts = [str(tag).partition("-")[::2] for tag in tags]
    is_tag = np.array([position in POSITIONS and (position != "O" or not kind) for position, kind in parts])[codes]
    if not is_tag.all():
        step = int(is_tag.argmin())
        _refuse_tag(str(tags[codes[step]]), step, offsets)
    types = sorted({kind for position, kind in parts if position != "O"})
    code_of = {kind: code for code, kind in enumerate(types)}
    positions = np.array([POSITIONS[position] for position, _ in parts])[codes]
    kinds = np.array([code_of.get(kind, NO_SPAN) if position != "O" else NO_SPAN for position, kind in parts])[codes]
    return types, zip(np.split(positions, 2), np.split(kinds, 2), strict=True)


def _refuse_tag(tag, step, offsets):
    name, step = ("y_true", step) if step < offsets[-1] else ("y_pred", step - offsets[-1])
    i, step = place(offsets, step)
    raise ValueError(
        f"{name} has the tag {tag!r} in sequence {i}, step {step}: tags are 'O', 'B', 'I', or 'B-' and "
        "'I-' before a type."
    )


def _codes_of(types, labels):
    """Code of each type in `labels`; those that do not occur get codes of their own."""
    if labels is None:
        return list(range(len(types)))
    if len(labels) == 0:
        raise ValueError("labels must hold the types of entities to average over; it is empty.")
    known = [*types, *(label for label in labels if label not in types)]
    return [known.index(label) for label in labels]


def _spans(position, kind, offsets):
    """First step, last step and type of each span."""
    # outside, kind is NO_SPAN: a step of the type of the step before has a span before it
    goes_on = position == INSIDE
    goes_on[offsets[:-1]] = False
    goes_on[1:] &= kind[1:] == kind[:-1]
    inside = position != OUTSIDE
    start = np.flatnonzero(inside & ~goes_on)
    stop = np.flatnonzero(inside & ~np.append(goes_on[1:], False))
    return start, stop, kind[start]


def _events(true, pred):
    """True and predicted type of each event, and the step at which it begins.

    Events are the true spans, found or not, and the predicted spans that are not there.
    """
    (start, stop, kind), (start_pred, stop_pred, kind_pred) = true, pred
    _, i, j = np.intersect1d(start, start_pred, assume_unique=True, return_indices=True)
    equal = (stop[i] == stop_pred[j]) & (kind[i] == kind_pred[j])
    found = np.full(len(start), NO_SPAN)
    found[i[equal]] = kind[i[equal]]
    wrong = np.ones(len(start_pred), dtype=bool)
    wrong[j[equal]] = False
    return (
        np.append(kind, np.full(wrong.sum(), NO_SPAN)),
        np.append(found, kind_pred[wrong]),
        np.append(start, start_pred[wrong]),
    )
