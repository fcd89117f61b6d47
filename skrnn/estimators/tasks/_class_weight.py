"""What `class_weight` says, as factors of the weights of rows."""

from numbers import Real

import numpy as np

from ..._core.warn import warn_user


def class_factors(class_weight, classes, codes, weight, trained, multilabel):
    """By what `class_weight` multiplies the weights of rows.

    classes : those that numbers stand for; codes : (n_rows, 1) their numbers, or (n_rows, n_labels) indicators if
    `multilabel`; weight : of the rows without it; trained : the rows whose weights "balanced" sums.
    """
    if not multilabel:
        _refuse_list(class_weight)
        return _factors_of_classes(class_weight, classes, codes[:, 0], weight, trained)
    factors = np.ones(len(codes))
    for label, of_label in enumerate(_of_labels(class_weight, codes.shape[1])):
        factors *= _factors_of_classes(of_label, np.arange(2), codes[:, label], weight, trained, f" of label {label}")
    return factors


def _refuse_list(class_weight):
    if isinstance(class_weight, list):
        raise ValueError(
            "class_weight is a list, which is for an indicator matrix y, with a dictionary for each label; y holds "
            "classes: give one dictionary, {class: weight}."
        )


def _of_labels(class_weight, n_labels):
    """A dictionary or "balanced" for each label."""
    if isinstance(class_weight, str):
        return [class_weight] * n_labels
    advice = 'give "balanced", or a list with a dictionary {0: weight, 1: weight} for each label.'
    if isinstance(class_weight, dict):
        raise ValueError(f"class_weight is a dictionary, but y is an indicator matrix: {advice}")
    if len(class_weight) != n_labels:
        raise ValueError(f"class_weight has {len(class_weight)} entries, but y has {n_labels} labels: {advice}")
    for label, of_label in enumerate(class_weight):
        if not isinstance(of_label, dict):
            raise ValueError(f"class_weight of label {label} is {of_label!r}: {advice}")
    return class_weight


def _factors_of_classes(class_weight, classes, codes, weight, trained, of_label=""):
    """Factors of rows by their classes."""
    if isinstance(class_weight, dict):
        return _given_weights(class_weight, classes, of_label)[codes]
    counts = np.bincount(codes[trained], weights=weight[trained], minlength=len(classes))
    present = counts > 0
    with np.errstate(over="ignore"):  # of sums of weights near 0; the products are looked at
        balanced = counts.sum() / (present.sum() * np.where(present, counts, 1.0))
    return np.where(present, balanced, 1.0)[codes]


def _is_weight(value):
    try:
        return isinstance(value, (Real, np.bool_)) and 0 <= float(value) < np.inf
    except OverflowError:  # of integers
        return False


def _given_weights(class_weight, classes, of_label):
    """Weight of each class from a dictionary, 1 for those that it does not name."""
    numbers = {name: k for k, name in enumerate(classes)} | {name: k for k, name in enumerate(classes.tolist())}
    weights, unknown = np.ones(len(classes)), []
    for name, value in class_weight.items():
        if not _is_weight(value):
            raise ValueError(
                f"class_weight must be finite and not negative, but is {value!r} for the class {name!r}{of_label}."
            )
        if name in numbers:
            weights[numbers[name]] = value
        else:
            unknown.append(name)
    if unknown and len(unknown) == len(class_weight):
        raise ValueError(
            f"The classes of y{of_label}, {classes.tolist()[:10]}, are not in class_weight, which names {unknown[:10]}."
        )
    if unknown:
        warn_user(f"class_weight{of_label} names {unknown}, which are not among the classes of y: {classes.tolist()}.")
    return weights
