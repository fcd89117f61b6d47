"""Kernels of fitted estimators, compiled before they are needed: for images of containers, and servers."""

import numpy as np

from .estimators._base import BaseRNN
from .sequences import SequenceArray

METHODS = ("predict", "predict_proba", "predict_log_proba", "transform", "step_scores")
LENGTHS = (1, 5, 9)


def precompile(estimator):
    """Compile all kernels that a fitted estimator needs to predict, and keep them on disk.

    Later processes load them, also from a folder that cannot be written. ``python -m skrnn precompile FILE`` does the
    same for a file of `skrnn.save`.

    Parameters
    ----------
    estimator : object
        A fitted estimator of this package, or one of scikit-learn with fitted ones inside, such as a pipeline.

    Returns
    -------
    str
        The folder that holds the kernels.

    Raises
    ------
    ValueError
        If the estimator is not fitted, or holds none of this package.
    OSError
        If there is no folder that can be written.

    Examples
    --------
    >>> import skrnn
    >>> X = [[0.0, 1.0], [1.0, 0.0]] * 8
    >>> clf = skrnn.RNNClassifier(8, max_iter=1, random_state=0).fit(X, [0, 1] * 8)
    >>> folder = skrnn.precompile(clf)
    """
    from .kernels import _jit  # noqa: PLC0415 (brings the compiler)

    parts = _networks_in(estimator)
    if not parts:
        raise ValueError(
            f"{type(estimator).__name__} holds no fitted estimator of skrnn: what is to be compiled depends on the "
            "network, so fit it first, or pass the estimator that is inside."
        )
    folder = _jit.cache_folder()
    if folder is None:
        raise OSError(
            "No folder can be written to keep kernels in: set the environment variable NUMBA_CACHE_DIR to one."
        )
    for part in parts:
        _use(part)
    return folder


def _networks_in(estimator):
    """Fitted estimators of this package in another, however deep among attributes and in lists, sets and dicts."""
    found, waiting, seen = [], [estimator], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, BaseRNN):
            found += [value] if hasattr(value, "weights_") else []
        elif hasattr(value, "get_params") and not isinstance(value, type):
            waiting += vars(value).values()
        elif isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, (list, tuple, set)) or (isinstance(value, np.ndarray) and value.dtype == object):
            waiting += list(np.ravel(value)) if isinstance(value, np.ndarray) else value
    return found


def _use(estimator):
    """Predict on sequences that are made up, in each precision that users may pass, and step by step."""
    for dtype in (np.float32, np.float64):
        X = _made_up(estimator, dtype)
        for name in METHODS:
            if hasattr(estimator, name):
                getattr(estimator, name)(X)
    if hasattr(estimator, "sample"):
        estimator.score_samples(estimator.sample(2, max_length=2, random_state=0))
    if hasattr(estimator, "stream"):
        try:
            stream = estimator.stream()
        except ValueError:  # it cannot read step by step
            return
        stream.step(X[0][:1])


def _made_up(estimator, dtype):
    """Sequences like those of `fit`."""
    inputs, n_steps = estimator.inputs_, sum(LENGTHS)
    values = np.empty((n_steps, inputs.n_channels), dtype)
    values[:] = inputs.mean
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    if inputs.is_text:
        values = values.astype("U")
    for channel, known in inputs.categories.items():
        values[:, channel] = next(iter(known))
    if inputs.time_channel is not None:
        values[:, inputs.time_channel] = np.arange(n_steps)
    return SequenceArray(values, offsets, getattr(estimator, "channel_names_", None))
