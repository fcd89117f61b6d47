"""Validation of X: conversion to sequences, with the channels and names that an estimator was fitted on."""

from numbers import Number

import numpy as np
from sklearn.utils.validation import check_array, check_consistent_length, validate_data

from .._core.warn import warn_user
from . import SequenceArray, as_sequence_array
from ._containers import items_of
from ._steps import (
    CHANNELS_FIRST,
    check_container,
    count,
    is_missing,
    is_sequence,
    refuse_times,
    sequence_steps,
)

FLOATS = [np.float64, np.float32]


def validate_sequences(estimator, X, *, reset):
    """The sequences in X, in their own precision and with what NaN they have.

    Sets (`reset`) or compares ``n_features_in_``, ``feature_names_in_``, ``n_channels_`` and ``channel_names_`` of the
    estimator. A 2-D table is one univariate sequence of fixed length per row, and behaves for scikit-learn as any table
    does.
    """
    X = items_of(X, "X")
    sequences = as_sequence_array(X)
    if sequences is None and not reset:
        _refuse_one_sequence(estimator, X)
    if sequences is None and not reset and _is_list_of_sequences(X, estimator):
        sequences = SequenceArray.from_list(X)
    if sequences is None:
        table = _check_table(X, lambda X, **kw: validate_data(estimator, X, reset=reset, **kw))
        sequences = rows_as_sequences(table)
        if reset:
            vars(estimator).pop("channel_names_", None)
    else:
        check_names(estimator, X, sequences, reset=reset)
    if reset:
        estimator.n_channels_ = sequences.n_channels
    elif sequences.n_channels != estimator.n_channels_:
        shape = "(n_sequences, n_steps, n_channels)" if getattr(X, "ndim", 0) == 3 else "(n_steps, n_channels) each"
        swapped = (sequences.lengths == estimator.n_channels_).all()
        raise ValueError(
            f"X has {sequences.n_channels} channels per step, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}." + (f" The axes of X must be {shape}; {CHANNELS_FIRST}" if swapped else "")
        )
    return sequences


def _refuse_one_sequence(estimator, X):
    """Raise if X is a table, and what was fitted is sequences that a table cannot be."""
    is_frame, n_channels = hasattr(X, "columns"), estimator.n_channels_
    is_like_fitted = is_frame and list(X.columns) == list(getattr(estimator, "channel_names_", []))
    if is_like_fitted or n_channels > 1:
        _check_table(X, check_array)  # whose errors say more
        raise ValueError(
            f"X is a 2-D table, which holds a univariate sequence in each row, but {type(estimator).__name__} was "
            f"fitted on sequences of {count(n_channels, 'channel')}. For one sequence pass "
            + ("[X]." if is_frame else "X[np.newaxis].")
        )


def check_names(estimator, X, sequences, *, reset):
    """Set (`reset`) or compare ``n_features_in_`` and the names of features and channels, for an X of sequences.

    Features are the columns of a frame, otherwise the channels. Channels are compared where both names are known, and
    columns where both are frames, unless these are channels. Where nothing that was fitted has a name, a frame of one
    column is its sequences, like a Series.
    """
    names, is_frame = sequences.channel_names, hasattr(X, "columns")
    if reset:
        _set_names(estimator, "channel_names_", names)
        if is_frame:
            validate_data(estimator, X, reset=True, skip_check_array=True)
        else:
            estimator.n_features_in_ = sequences.n_channels
            _set_names(estimator, "feature_names_in_", names)
        return
    fitted, features = (getattr(estimator, name, None) for name in ("channel_names_", "feature_names_in_"))
    of_channels = fitted is not None and features is not None and np.array_equal(fitted, features)
    if is_frame and len(X.columns) == 1 and fitted is features is None:
        return
    if is_frame and (names is None or not of_channels):
        validate_data(estimator, X, reset=False, skip_check_array=True)
    elif names is None or fitted is None:
        _warn_of_names(estimator, names is not None, features is not None)
    if names is not None and fitted is not None and names != tuple(fitted):
        _refuse_names(names, fitted)


def _set_names(estimator, attribute, names):
    if names is None:
        vars(estimator).pop(attribute, None)
    else:
        setattr(estimator, attribute, np.array(names, dtype=object))


def _warn_of_names(estimator, found, fitted):
    """Warn, in the words of scikit-learn, of names that X has and fit did not see, or the other way round."""
    name = type(estimator).__name__
    if fitted:
        warn_user(f"X does not have valid feature names, but {name} was fitted with feature names")
    elif found:
        warn_user(f"X has feature names, but {name} was fitted without feature names")


def _refuse_names(names, fitted):
    """Raise, in the words of scikit-learn, the error of channels of other names, or in another order."""
    message = "The feature names should match those that were passed during fit.\n"
    unseen, missing = ([name for name in a if name not in set(b)] for a, b in ((names, fitted), (fitted, names)))
    for which, listed in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", missing)):
        if listed:
            shown = [f"- {name}\n" for name in sorted(listed)[:5]] + ["- ...\n"] * (len(listed) > 5)
            message += f"Feature names {which}:\n" + "".join(shown)
    if not (unseen or missing):
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def check_as_many(sequences, y):
    """Refuse a y that has not a row for each sequence; says what to pass if rows of a table were meant as steps."""
    try:
        check_consistent_length(sequences, y)
    except ValueError as error:
        if sequences.n_channels > 1 or np.ptp(sequences.lengths):
            raise
        steps = count(int(sequences.lengths[0]), "step")
        raise ValueError(
            f"{error}. X has {len(sequences)} sequences of {steps}. If rows of X are time steps, pass [X] for one "
            "sequence, or for several in a long frame SequenceArray.from_long(X, ...)."
        ) from None


def pack(X):
    """The sequences in X, of any width."""
    X = items_of(X, "X")
    sequences = as_sequence_array(X)
    return rows_as_sequences(_check_table(X, check_array)) if sequences is None else sequences


def _check_table(X, check):
    """The table of numbers that scikit-learn's `check` finds in X; refuses what it would turn into numbers."""
    check_container(X, "X")
    kind = getattr(getattr(X, "dtype", None), "kind", "O")
    if kind == "c":
        raise ValueError(f"Complex data not supported: X has dtype {X.dtype}.")
    if kind in "mM":
        raise ValueError(f"X must hold real numbers, got dtype {X.dtype}.")
    refuse_times(X, "X")
    for i, item in enumerate(X if isinstance(X, (list, tuple)) else ()):
        if not (isinstance(item, Number) or is_missing(item) or is_sequence(item)):
            sequence_steps(item, f"sequence {i}")  # raises
    try:
        table = _table_of_rows(X) if isinstance(X, (list, tuple)) else X
        return check(table, dtype=FLOATS, ensure_all_finite=False)
    except RuntimeError as error:  # of PyTorch
        raise ValueError(f"X is not an array of real numbers: {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        where = _place_of_no_number(X)
        if where is None:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"X must hold real numbers: {error}: {where}") from None


def _table_of_rows(rows):
    """An array of rows; refuses times, which scikit-learn would take for numbers."""
    table = np.asarray(rows)
    if table.dtype.kind in "mM":
        raise ValueError(f"X holds times, of dtype {table.dtype}, which are not numbers")
    return table


def _place_of_no_number(X):
    """Where a table holds something that is no number, or None."""
    cells = np.array(X, dtype=object) if not isinstance(X, np.ndarray) else X
    for place, cell in np.ndenumerate(cells if cells.ndim == 2 else np.empty((0, 0))):
        try:
            is_missing(cell) or float(cell)
        except (TypeError, ValueError, OverflowError):
            names = list(getattr(X, "columns", []))
            where = "sequence {}, step {}".format(*place) + (f", in the column {names[place[1]]!r}." if names else ".")
            return where + (_advice_on_texts(X, names, place[1]) if isinstance(cell, str) else "")
    return None


def _advice_on_texts(X, names, column):
    """What to do with a table that holds texts."""
    if not names and np.shape(X)[1] > 1:
        return " If each row is a sequence of tokens, pass list(X)."
    return f" Split texts into tokens: [text.split() for text in X[{repr(names[column]) if names else ':, 0'}]]."


def rows_as_sequences(table):
    """One univariate sequence for each row of a table (n, T)."""
    n, T = table.shape
    return SequenceArray(table.reshape(-1, 1), np.arange(n + 1) * T)


def _is_list_of_sequences(X, estimator):
    """Whether a list that could be a table, because its items are equally long, holds univariate sequences."""
    if not isinstance(X, (list, tuple)) or estimator.n_channels_ > 1 or np.ndim(X[0]) != 1:
        return False
    return estimator.n_features_in_ == 1 or isinstance(X[0], np.ndarray)
