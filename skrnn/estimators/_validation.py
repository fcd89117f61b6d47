"""From what users pass to what the network reads, with errors that say where the trouble is."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..sequences import SequenceArray, as_sequence_array, check_sequences


def validate_sequences(estimator, X, dtype, *, missing, reset):
    """The sequences in X in their own precision, known to be finite in `dtype` too, but for NaN if some are `missing`.

    Sets (`reset`) or compares ``n_features_in_``, ``feature_names_in_`` and ``n_channels_`` of the estimator. A 2-D
    table is one univariate sequence of fixed length per row, and behaves for scikit-learn as any table does.
    """
    sequences = as_sequence_array(X)
    if sequences is None and not reset and _is_list_of_sequences(X, estimator):
        sequences = SequenceArray.from_list(X)
    if sequences is None:
        finite = True if missing == "error" else "allow-nan"
        table = validate_data(estimator, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=finite)
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
    if not holds_tokens(sequences):
        check_sequences(sequences, dtype, allow_nan=missing != "error")
    if reset:
        estimator.n_channels_ = sequences.n_channels
    elif sequences.n_channels != estimator.n_channels_:
        raise ValueError(
            f"X has {sequences.n_channels} channels per step, but {type(estimator).__name__} was fitted on "
            f"{estimator.n_channels_}."
        )
    elif holds_tokens(sequences) != bool(estimator.inputs_.is_text):
        kinds = ("tokens (str)", "numbers")[:: 1 if holds_tokens(sequences) else -1]
        raise ValueError(f"X holds {kinds[0]}, but {type(estimator).__name__} was fitted on {kinds[1]}.")
    return sequences


def holds_tokens(sequences):
    """Whether the steps are tokens, not numbers."""
    return sequences.values.dtype.kind == "U"


def channel_roles(estimator, sequences):
    """Channels of codes, and the time channel or None: what the parameters of the estimator say, or tokens."""
    if holds_tokens(sequences):
        if estimator.categorical_features is not None or estimator.time_channel is not None:
            raise ValueError("X holds tokens (str) only: leave out categorical_features and time_channel.")
        return list(range(sequences.n_channels)), None
    categorical = channel_numbers(estimator, estimator.categorical_features, "categorical_features")
    time_channel = next(iter(channel_numbers(estimator, estimator.time_channel, "time_channel")), None)
    if time_channel in categorical:
        raise ValueError(f"Channel {time_channel} cannot be both the time_channel and one of categorical_features.")
    return categorical, time_channel


def channel_numbers(estimator, which, name):
    """Numbers of the channels that a parameter `name` gives by number, by the name of a column, or as a mask."""
    if which is None:
        return []
    which, names = np.atleast_1d(which), list(getattr(estimator, "feature_names_in_", []))
    n_channels = estimator.n_channels_
    if which.dtype.kind == "b":
        if which.shape != (n_channels,):
            raise ValueError(f"{name} as a mask needs an entry for each of {n_channels} channels, got {which.shape}.")
        return np.flatnonzero(which).tolist()
    if which.dtype.kind == "U" and len(names) != n_channels:
        raise ValueError(f"{name}={which.tolist()!r} names columns, but X has no column name for each channel.")
    channels = []
    for one in which.tolist():
        known = names if isinstance(one, str) else range(-n_channels, n_channels)
        if one not in known:
            raise ValueError(f"{name}: there is no channel {one!r}; X has {names or n_channels} channels.")
        channels.append(names.index(one) if isinstance(one, str) else one % n_channels)
    if len(set(channels)) < len(channels):
        raise ValueError(f"{name}={which.tolist()!r} names a channel twice.")
    return channels


def _is_list_of_sequences(X, estimator):
    """Whether a list that could be a table, because its items are equally long, holds univariate sequences."""
    if not isinstance(X, (list, tuple)) or estimator.n_channels_ > 1 or np.ndim(X[0]) != 1:
        return False
    return estimator.n_features_in_ == 1 or isinstance(X[0], np.ndarray)
