"""Importance of the channels within segments of time, by permutation."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin
from sklearn.metrics import check_scoring
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import validate_params

from .._core.jobs import side_by_side
from ..estimators._validation import check_count
from ..preprocessing import PerStep
from ..sequences import SequenceArray
from ..sequences._validate import validate_sequences


@validate_params({"random_state": ["random_state"]}, prefer_skip_nested_validation=True)
def step_importance(estimator, X, y, *, n_segments=10, n_repeats=5, scoring=None, random_state=None):
    """Measure how much the score depends on each channel within each segment of time.

    The values of a channel within a segment are exchanged between the sequences at random, as
    `sklearn.inspection.permutation_importance` does with columns of a matrix. The importance is by how much the score
    falls. Segments are equal parts of each sequence: the first of ten is the first tenth of its steps. A value
    that is exchanged comes from the same part of another sequence, at the nearest relative time.

    Parameters
    ----------
    estimator : object
        A fitted estimator that takes sequences, or a pipeline.
    X : array-like of shape (n_sequences, n_steps, n_channels), list of array-like, SequenceArray or frame
        The sequences, preferably held-out ones.
    y : array-like
        Their targets, in the form that `estimator.score` or the scorer takes; targets of steps stay where they are.
    n_segments : int, default=10
        Number of segments. A sequence of fewer steps has none in some of them.
    n_repeats : int, default=5
        Number of times that each channel and segment is exchanged.
    scoring : str or callable, default=None
        The score; None is the one of the estimator.
    random_state : int, RandomState instance or None, default=None
        Source of the permutations.

    Returns
    -------
    result : Bunch
        With the attributes:

        importances_mean : ndarray of shape (n_channels, n_segments)
            Mean of the importances over the repeats.
        importances_std : ndarray of shape (n_channels, n_segments)
            Their standard deviation.
        importances : ndarray of shape (n_channels, n_segments, n_repeats)
            The importances.

    See Also
    --------
    attribute : Attributions for each sequence.

    Notes
    -----
    Time stamps cannot be exchanged, as they have to rise: the channel that the estimator was told by ``time_channel``
    has importance NaN. So has that of a network in a pipeline, behind `PerStep` with transformers that put out a column
    for each that they read, like `StandardScaler`.

    In a ``joblib.parallel_config`` context, channels and segments are jobs side by side.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> from skrnn.inspection import step_importance
    >>> X = np.random.default_rng(0).normal(size=(200, 6, 2))
    >>> y = X[:, 2, 0]  # one value decides
    >>> reg = RNNRegressor(8, max_iter=30, tol=0.01, random_state=0).fit(X, y)
    >>> importances = step_importance(reg, X, y, n_segments=3, random_state=0).importances_mean
    >>> [int(k) for k in np.unravel_index(importances.argmax(), importances.shape)]
    [0, 1]
    """
    check_count(n_segments, "n_segments")
    check_count(n_repeats, "n_repeats")
    scorer, rng = check_scoring(estimator, scoring=scoring), check_random_state(random_state)
    sequences, fixed = _packed(X), _time_channel(estimator)
    out = np.full((sequences.n_channels, n_segments, n_repeats), np.nan)
    parts = [(c, (s, n_segments)) for c in range(sequences.n_channels) if c != fixed for s in range(n_segments)]
    orders = [[rng.permutation(len(sequences)) for _ in range(n_repeats)] for _ in parts]
    with warnings.catch_warnings():  # of a table whose columns had names
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        before = scorer(estimator, sequences, y)
        jobs = [(scorer, estimator, sequences, y, *part, some) for part, some in zip(parts, orders, strict=True)]
        for (channel, (segment, _)), scores in zip(parts, side_by_side(_scores, jobs), strict=True):
            out[channel, segment] = before - scores
    return Bunch(importances_mean=out.mean(axis=2), importances_std=out.std(axis=2), importances=out)


def _scores(scorer, estimator, sequences, y, channel, part, orders):
    """The score after each exchange of a channel in a part of the sequences, as orders say."""
    return np.array([scorer(estimator, _exchanged(sequences, channel, part, order), y) for order in orders])


def _time_channel(estimator):
    """The channel of X in which a network, also of a pipeline or a search, finds time stamps; None if it reads none."""
    held = next((name for name in ("best_estimator_", "estimator_") if hasattr(estimator, name)), None)
    if held is not None:
        return _time_channel(getattr(estimator, held))
    if not hasattr(estimator, "steps"):
        return getattr(getattr(estimator, "inputs_", None), "time_channel", None)
    steps = [(name, step) for name, step in estimator.steps if step is not None and step != "passthrough"]
    channels = [_time_channel(step) for _, step in steps]
    where = next((k for k, channel in enumerate(channels) if channel is not None), None)
    if where is None:
        return None
    for name, step in steps[:where]:
        if not (isinstance(step, PerStep) and isinstance(step.transformer_, OneToOneFeatureMixin)):
            raise ValueError(
                f"The network {steps[where][0]!r} reads time stamps, and behind the step {name!r} they may stand in "
                "another channel than in X, where they must not be exchanged: pass the steps of the pipeline from "
                f"{steps[where][0]!r} on, and X as the steps before transform it."
            )
    return channels[where]


def _packed(X):
    """X as a `SequenceArray`, in whatever form it is."""
    return validate_sequences(BaseEstimator(), X, reset=True)


def _exchanged(sequences, channel, part, order):
    """The sequences with one channel, in one part of each, from the sequences `order`."""
    segment, n_segments = part
    lengths = sequences.lengths
    begins, ends = lengths * segment // n_segments, lengths * (segment + 1) // n_segments
    values = sequences.values.copy()
    for i, j in enumerate(order):
        n, m = ends[i] - begins[i], ends[j] - begins[j]
        if n and m:  # a part without a step gives nothing
            source = sequences.offsets[j] + begins[j] + np.arange(n) * m // n
            first = sequences.offsets[i] + begins[i]
            values[first : first + n, channel] = sequences.values[source, channel]
    return SequenceArray(values, sequences.offsets, sequences.channel_names)
