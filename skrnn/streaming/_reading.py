"""Steps and numbers of streams as users give them, checked."""

import numpy as np

from ..sequences._steps import is_text, step_array


class StepReader:
    """Reads what is given as a step.

    Parameters
    ----------
    encoder : InputEncoder
        What the network reads of the channels.
    names : list of str or None
        Names of the channels.
    """

    def __init__(self, encoder, names):
        self._n_channels, self._is_text, self._names = encoder.n_channels, encoder.is_text, names

    def read(self, x, n, may_be_one):
        """A step of n streams as an array (n, n_channels) of floats or tokens, and whether it is given without an axis.

        may_be_one : whether x may be of shape (n_channels,)
        """
        _check_names(x, self._names)
        is_scalar = np.ndim(x) == 0
        step = step_array([x] if is_scalar else x, "x")
        if is_text(step) != self._is_text:
            kinds = ("numbers", "tokens (str)") if self._is_text else ("tokens (str)", "numbers")
            raise ValueError(f"x holds {kinds[0]}, but fit saw {kinds[1]}.")
        step = step if self._is_text else step.astype(np.float64, copy=False)
        step = np.asarray(step[0]) if is_scalar else step
        of_all, of_one = (n, self._n_channels), (self._n_channels,)
        if step.ndim == 0 and self._n_channels == 1 and may_be_one:
            step = step.reshape(of_one)
        if step.shape == of_all:
            return step, False
        if may_be_one and step.shape == of_one:
            return step[np.newaxis], True
        wanted = f"{of_all}, or {of_one}" if may_be_one else f"{of_all}"
        raise ValueError(f"x has shape {step.shape}, but a step of this stream is of shape {wanted}.")


def _check_names(x, expected):
    """Refuse columns of a frame, or the index of a Series, that are no names of the channels."""
    names = getattr(x, "columns", None)
    if names is None and np.ndim(x) == 1 and not callable(index := getattr(x, "index", len)):
        names = index if all(isinstance(name, str) for name in index) else None
    if names is not None and expected is not None and list(names) != list(expected):
        raise ValueError(f"x has the columns {list(names)}, but fit saw {list(expected)}.")


def read_index(index, n_streams):
    """Numbers of streams, or a mask of them, as an array."""
    which = np.asarray(index) if np.size(index) else np.zeros(0, np.intp)
    if which.dtype.kind == "b" and which.shape == (n_streams,):
        return which
    if which.dtype.kind not in "iu" or not ((-n_streams <= which) & (which < n_streams)).all():
        raise ValueError(
            f"index must be numbers of streams, from 0 to {n_streams - 1}, or a mask of {n_streams} booleans; got "
            f"{index!r:.100}."
        )
    return which.astype(np.intp)


def read_numbers(index, n_streams):
    """Numbers of one stream or several, each once, (n,)."""
    which = read_index(index, n_streams)
    if which.ndim == 0:
        return which[np.newaxis]
    if which.dtype.kind == "b":
        which = np.flatnonzero(which)
    if which.ndim != 1 or not len(which) or len(np.unique(which % n_streams)) < len(which):
        raise ValueError(f"index must name one stream or several, each once; got {index!r:.100}.")
    return which
