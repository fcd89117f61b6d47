"""The sequences in an X that needs no conversion, for predictions that take little longer than a validation."""

import numpy as np

from ._array import SequenceArray
from ._layout import offsets_of

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
MOST_NUMBERS = 2**20  # with more, a validation is short against all else, and goes through them piece by piece


def quick_steps(estimator, X):
    """Steps and offsets of the sequences in X, as `validate_sequences` finds them without a word; None: see there.

    The caller must go there as well if a number is not finite: trailing steps of NaN are padding in a 3-D array.
    """
    read = _READERS.get(type(X))  # of subclasses nothing is known
    found = read and read(X, estimator)
    return found if found and _are_names_alike(estimator, getattr(X, "channel_names", None)) else None


def _of_container(X, estimator):
    steps, offsets = X.values, X.offsets  # which anyone may have replaced
    fits = (
        type(steps) is type(offsets) is np.ndarray
        and steps.ndim == 2
        and steps.shape[1] == estimator.n_channels_
        and steps.dtype in FLOATS
        and steps.size <= MOST_NUMBERS
        and offsets.dtype == np.int64
        and len(offsets) > 1
        and offsets[0] == 0
        and offsets[-1] == len(steps)
        and np.count_nonzero(offsets[1:] > offsets[:-1]) == len(offsets) - 1
    )
    return (steps, offsets) if fits else None


def _of_array(X, estimator):
    n_channels = estimator.n_channels_
    if X.ndim == 2 and n_channels == 1 and X.shape[1] == estimator.n_features_in_:  # a table
        X = X[:, :, np.newaxis]
    if X.ndim != 3 or X.shape[2] != n_channels or X.dtype not in FLOATS or not 0 < X.size <= MOST_NUMBERS:
        return None
    n, T, C = X.shape
    return X.reshape(n * T, C), np.arange(0, n * T + 1, T, np.int64)


def _of_arrays(X, estimator):
    n_channels = estimator.n_channels_
    if set(map(type, X)) != {np.ndarray} or not {array.dtype for array in X} <= FLOATS:
        return None
    if len(X) == 1 and X[0].ndim == 2:  # in half of the time
        return _of_array(X[0][np.newaxis], estimator)
    try:
        lengths = list(map(len, X))
        if 0 in lengths or sum(lengths) * n_channels > MOST_NUMBERS:
            return None
        steps = np.concatenate(X)
    except (TypeError, ValueError):  # arrays without dimensions, or of different ones
        return None
    if steps.ndim == n_channels == 1:
        steps = steps[:, np.newaxis]
    return (steps, offsets_of(lengths)) if steps.shape[1:] == (n_channels,) else None


_READERS = {SequenceArray: _of_container, np.ndarray: _of_array, list: _of_arrays, tuple: _of_arrays}


def _are_names_alike(estimator, names):
    """Whether `check_names` has nothing to compare with the names of channels, or finds the same."""
    if names is None:
        return getattr(estimator, "feature_names_in_", None) is None
    fitted = getattr(estimator, "channel_names_", None)
    return fitted is not None and names == tuple(fitted)
