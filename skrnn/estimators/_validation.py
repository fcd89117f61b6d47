"""From what users pass to what the network reads, with errors that say where the trouble is."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..sequences import SequenceArray, as_sequence_array, check_sequences


def validate_sequences(estimator, X, dtype, *, reset):
    """The sequences in X in their own precision, known to be finite in `dtype` too.

    Sets (`reset`) or compares ``n_features_in_``, ``feature_names_in_`` and ``n_channels_`` of the estimator. A 2-D
    table is one univariate sequence of fixed length per row, and behaves for scikit-learn as any table does.
    """
    sequences = as_sequence_array(X)
    if sequences is None and not reset and _is_list_of_sequences(X, estimator):
        sequences = SequenceArray.from_list(X)
    if sequences is None:
        table = validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32])
        if not reset and estimator.n_channels_ > 1:
            raise ValueError(
                f"X is a 2-D table, which holds a univariate sequence in each row, but {type(estimator).__name__} was "
                f"fitted on sequences of {estimator.n_channels_} channels. For one sequence pass X[np.newaxis]."
            )
        n, T = table.shape
        sequences = SequenceArray(table.reshape(-1, 1), np.arange(n + 1) * T)
    elif hasattr(X, "columns"):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif reset:
        estimator.n_features_in_ = sequences.n_channels
        vars(estimator).pop("feature_names_in_", None)
    check_sequences(sequences, dtype)
    if reset:
        estimator.n_channels_ = sequences.n_channels
    elif sequences.n_channels != estimator.n_channels_:
        raise ValueError(
            f"X has {sequences.n_channels} channels per step, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}."
        )
    return sequences


def _is_list_of_sequences(X, estimator):
    """Whether a list that could be a table, because its items are equally long, holds univariate sequences."""
    if not isinstance(X, (list, tuple)) or estimator.n_channels_ > 1 or np.ndim(X[0]) != 1:
        return False
    return estimator.n_features_in_ == 1 or isinstance(X[0], np.ndarray)
