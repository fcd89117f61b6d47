"""From what users pass as X to sequences, of the width that an estimator was fitted on."""

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from .sequences import SequenceArray, as_sequence_array

FLOATS = [np.float64, np.float32]


def validate_sequences(estimator, X, *, reset):
    """The sequences in X, in their own precision and with what NaN they have.

    Sets (`reset`) or compares ``n_features_in_``, ``feature_names_in_`` and ``n_channels_`` of the estimator. A 2-D
    table is one univariate sequence of fixed length per row, and behaves for scikit-learn as any table does.
    """
    sequences = as_sequence_array(X)
    if sequences is None and not reset and _is_list_of_sequences(X, estimator):
        sequences = SequenceArray.from_list(X)
    if sequences is None:
        table = validate_data(estimator, X, reset=reset, dtype=FLOATS, ensure_all_finite=False)
        if not reset and estimator.n_channels_ > 1:
            raise ValueError(
                f"X is a 2-D table, which holds a univariate sequence in each row, but {type(estimator).__name__} was "
                f"fitted on sequences of {estimator.n_channels_} channels. For one sequence pass X[np.newaxis]."
            )
        sequences = rows_as_sequences(table)
    else:
        check_names(estimator, X, sequences.n_channels, reset=reset)
    if reset:
        estimator.n_channels_ = sequences.n_channels
    elif sequences.n_channels != estimator.n_channels_:
        raise ValueError(
            f"X has {sequences.n_channels} channels per step, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}."
        )
    return sequences


def check_names(estimator, X, n_channels, *, reset):
    """Set (`reset`) or compare ``n_features_in_`` and ``feature_names_in_``, for an X that holds sequences."""
    if hasattr(X, "columns"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif reset:
        estimator.n_features_in_ = n_channels
        vars(estimator).pop("feature_names_in_", None)
    else:  # warns of names that X lacks; how many columns of a frame made the channels does not count
        validate_data(estimator, X, reset=False, skip_check_array=True, ensure_2d=False)


def pack(X):
    """The sequences in X, of any width."""
    sequences = as_sequence_array(X)
    return rows_as_sequences(check_array(X, dtype=FLOATS, ensure_all_finite=False)) if sequences is None else sequences


def rows_as_sequences(table):
    """One univariate sequence for each row of a table (n, T)."""
    n, T = table.shape
    return SequenceArray(table.reshape(-1, 1), np.arange(n + 1) * T)


def _is_list_of_sequences(X, estimator):
    """Whether a list that could be a table, because its items are equally long, holds univariate sequences."""
    if not isinstance(X, (list, tuple)) or estimator.n_channels_ > 1 or np.ndim(X[0]) != 1:
        return False
    return estimator.n_features_in_ == 1 or isinstance(X[0], np.ndarray)
