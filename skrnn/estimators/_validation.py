"""What only estimators of networks ask of sequences, and of parameters that name channels."""

from contextlib import contextmanager
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import InvalidParameterError

from .._core.warn import warn_user
from ..sequences._convert import check_steps, check_values
from ..sequences._layout import place
from ..sequences._steps import are_finite, is_text
from ..sequences._validate import validate_sequences


def validate_inputs(estimator, X, dtype, *, missing, reset=False, text=None):
    """The sequences in X in their own precision, known to be finite in `dtype` too, but for NaN if some are `missing`.

    Sets or compares what `validate_sequences` does. text: whether they must be tokens; None: as they are.
    """
    sequences = validate_sequences(estimator, X, reset=reset)
    if is_text(sequences.values):
        check_steps(sequences)
    else:
        check_values(sequences, dtype, allow_nan=missing != "error")
    if text is not None and text != is_text(sequences.values):
        kinds = ("numbers", "tokens (str)") if text else ("tokens (str)", "numbers")
        raise ValueError(f"X holds {kinds[0]}, but {type(estimator).__name__} was fitted on {kinds[1]}.")
    return sequences


def warn_if_not_finite(rows, offsets, what):
    """Warn of outputs of a network, one row for each sequence or for each step, that are not finite; gives them back.

    Called by what runs the network in a method that users call.
    """
    if not are_finite(rows):
        finite = np.isfinite(rows).all(axis=1)
        row = int(finite.argmin())
        i = place(offsets, row)[0] if len(rows) > len(offsets) - 1 else row
        warn_user(
            f"The {what} of some sequences are not finite, those of sequence {i} first: the states of the network grow "
            "without bound on them. Bring X to the size of what was fitted, or fit again, with another cell, a smaller "
            "learning_rate_init or smaller initial weights.",
            RuntimeWarning,
        )
    return rows


def warn_of_weights(weights):
    """Warn of weights of attention, an array for each sequence, that are not finite; gives them back."""
    sums = np.array([[of_sequence.sum()] for of_sequence in weights])
    warn_if_not_finite(sums, np.arange(len(weights) + 1), "attention weights")
    return weights


def check_count(value, name):
    """Refuse an argument `name` of a method that is to be a whole number of at least 1; True is none."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1; got {value!r:.100}.")


@contextmanager
def naming(what):
    """Say in errors which arguments they are about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from error


def channel_roles(parameters, of_X, sequences):
    """Channels of codes, and the time channel or None: as the parameters say, or tokens.

    of_X : the attributes that describe X, by name.
    """
    if is_text(sequences.values):
        if parameters.categorical_features is not None or parameters.time_channel is not None:
            raise ValueError("X holds tokens (str) only: leave out categorical_features and time_channel.")
        return list(range(sequences.n_channels)), None
    categorical = channel_numbers(of_X, parameters.categorical_features, "categorical_features")
    time_channel = next(iter(channel_numbers(of_X, parameters.time_channel, "time_channel")), None)
    if time_channel in categorical:
        raise ValueError(f"Channel {time_channel} cannot be both the time_channel and one of categorical_features.")
    return categorical, time_channel


def channel_numbers(of_X, which, name):
    """Numbers of the channels that a parameter `name` gives by number, by the name of a column, or as a mask."""
    if which is None:
        return []
    listed = [which] if np.ndim(which) == 0 else list(which)
    kinds = {type(one.item() if isinstance(one, np.generic) else one) for one in listed}
    n_channels = of_X["n_channels_"]
    if len(kinds) > 1 or not kinds <= {bool, int, str}:
        wanted = "numbers of channels, names of columns, or a mask"
        raise InvalidParameterError(f"{name} must hold {wanted}; got {which!r}.")
    which = np.atleast_1d(which)
    if which.dtype.kind == "b":
        if which.shape != (n_channels,):
            raise ValueError(f"{name} as a mask needs an entry for each of {n_channels} channels, got {which.shape}.")
        return np.flatnonzero(which).tolist()
    names = _names_of_channels(of_X, which)
    if which.dtype.kind == "U" and not names:
        raise ValueError(f"{name}={which.tolist()!r} names columns, but X has no column name for each channel.")
    channels = []
    for one in which.tolist():
        known = names if isinstance(one, str) else range(-n_channels, n_channels)
        if one not in known:
            raise ValueError(f"{name}: there is no channel {one!r}; X has {names or n_channels} channels.")
        if isinstance(one, str) and names.count(one) > 1:
            raise ValueError(f"{name}: {names.count(one)} channels have the name {one!r}: give numbers of channels.")
        channels.append(names.index(one) if isinstance(one, str) else one % n_channels)
    if len(set(channels)) < len(channels):
        raise ValueError(f"{name}={which.tolist()!r} names a channel twice.")
    return channels


def _names_of_channels(of_X, wanted):
    """Names of the channels; of a frame whose columns are channels with names of their own, those that are wanted."""
    known = (list(of_X.get(name, [])) for name in ("channel_names_", "feature_names_in_"))
    known = [names for names in known if len(names) == of_X["n_channels_"]]
    return next((names for names in known if set(wanted.tolist()) <= set(names)), known[0] if known else [])
