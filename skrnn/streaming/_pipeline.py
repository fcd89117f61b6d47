"""Streams of pipelines: what comes before a network step by step, and what comes behind it."""

import copy

import numpy as np

from ..preprocessing import PerStep
from ..sequences import SequenceArray
from ..sequences._steps import step_array


def stream(estimator, n_streams=1):
    """Give what predicts step by step, for an estimator or a pipeline.

    A pipeline may begin with `skrnn.preprocessing.PerStep`, then has an estimator with streams, such as
    `SequenceTransformer` or `RNNClassifier`, and may end with estimators of tables, which get the features so far.

    Parameters
    ----------
    estimator : object
        A fitted estimator with a method `stream`, or a fitted pipeline.
    n_streams : int, default=1
        Number of sequences that come side by side.

    Returns
    -------
    Stream or PipelineStream
        Has the methods `step`, and for classifiers `step_proba`.

    Raises
    ------
    ValueError
        If a step of the pipeline cannot work step by step; the message names it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skrnn import RNNClassifier
    >>> from skrnn.preprocessing import PerStep
    >>> from skrnn.streaming import stream
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 8, 2))
    >>> clf = RNNClassifier(8, bidirectional=False, max_iter=2, random_state=0)
    >>> pipeline = make_pipeline(PerStep(StandardScaler()), clf).fit(X, X.mean(axis=(1, 2)) > 0)
    >>> live = stream(pipeline)
    >>> for x in X[0]:
    ...     label = live.step(x)
    >>> bool(label == pipeline.predict(X[:1])[0])
    True
    """
    steps = getattr(estimator, "steps", None)
    if steps is None:
        if not hasattr(estimator, "stream") or isinstance(estimator, type):
            raise ValueError(_without_streams(estimator))
        return estimator.stream(n_streams)
    return PipelineStream(estimator, n_streams)


def _without_streams(estimator):
    if isinstance(estimator, type):
        return f"A stream is of a fitted estimator, but this is the class {estimator.__name__}."
    advice = "an estimator of skrnn, or a pipeline"
    if hasattr(estimator, "estimator"):  # a search, or another meta-estimator
        advice = "an estimator that it has fitted, like best_estimator_"
    return f"{type(estimator).__name__} has no streams: pass {advice}."


class PipelineStream:
    """Predictions of a pipeline for sequences that come step by step; made by `stream`.

    Parameters
    ----------
    pipeline : Pipeline
        A fitted one.
    n_streams : int
        Number of sequences that come side by side.

    Attributes
    ----------
    n_streams : int
        Number of sequences that come side by side.
    """

    def __init__(self, pipeline, n_streams):
        steps = [(name, step) for name, step in pipeline.steps if step is not None and step != "passthrough"]
        middle = next((k for k, (_, step) in enumerate(steps) if not isinstance(step, PerStep)), None)
        if middle is None:
            raise ValueError("The pipeline has no step with streams, such as a RNNClassifier: add one.")
        name, network = steps[middle]
        if not hasattr(network, "stream"):
            raise ValueError(
                f"Step {name!r} of the pipeline, {type(network).__name__}, has no streams. Before an estimator with "
                "streams there may be PerStep only, behind it estimators of tables."
            )
        self.n_streams, self._stream = n_streams, network.stream(n_streams)
        # Copies, as a fit to come replaces what a step has learned.
        self._before, self._behind = (
            [copy.copy(step) for _, step in part] for part in (steps[:middle], steps[middle + 1 :])
        )
        for step in self._before:
            step.transformer_ = copy.copy(step.transformer_)

    def step(self, x, index=None):
        """Read a step, and predict from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels, as the pipeline takes them.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step: see `Stream.step`.

        Returns
        -------
        ndarray of shape (n_streams, ...)
            What `predict`, or `transform` where the pipeline ends with a transformer, gives for the sequences so far.
            Without the first axis for x of shape (n_channels,).

        Raises
        ------
        ValueError
            If x is not as in `fit`.
        """
        return self._advance(x, index, "step", "predict")

    def step_proba(self, x, index=None):
        """Read a step, and predict probabilities from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels, as the pipeline takes them.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step: see `Stream.step`.

        Returns
        -------
        ndarray of shape (n_streams, n_classes), or (n_classes,)
            What `predict_proba` gives for the sequences so far.

        Raises
        ------
        AttributeError
            If the pipeline ends with no classifier.
        ValueError
            If x is not as in `fit`.
        """
        if self._behind and not hasattr(self._behind[-1], "predict_proba"):
            raise AttributeError(
                f"step_proba is for classifiers, but {type(self._behind[-1]).__name__} is none: use step."
            )
        return self._advance(x, index, "step_proba", "predict_proba")

    def _advance(self, x, index, method, last):
        is_one = np.ndim(x) < 2 and (self.n_streams == 1 if index is None else np.ndim(index) == 0)
        if self._before:
            rows = self._transformed(x)
            x = rows[0] if is_one else rows
        if not self._behind:
            return getattr(self._stream, method)(x, index)
        rows = self._named(np.atleast_2d(self._stream.step(x, index)))
        for step in self._behind[:-1]:
            rows = step.transform(rows)
        end = self._behind[-1]
        rows = getattr(end, last if hasattr(end, last) else "transform")(rows)
        return rows[0] if is_one else rows

    def _named(self, features):
        """Features as the first step behind the network wants them: with names if `fit` saw names."""
        names = getattr(self._behind[0], "feature_names_in_", None)
        if names is None:
            return features
        import pandas as pd  # noqa: PLC0415

        return pd.DataFrame(features, columns=names)

    def _transformed(self, x):
        """The rows of x behind the steps before the network."""
        names, rows = getattr(x, "columns", None), np.atleast_2d(step_array(x, "x"))
        if names is None and not any(hasattr(step, "channel_names_") for step in self._before):
            for step in self._before:  # in a fifth of the time
                rows = step.transformer_.transform(rows)
                rows = np.asarray(rows.toarray() if hasattr(rows, "toarray") else rows)
            return rows
        x = SequenceArray(rows, np.arange(len(rows) + 1), None if names is None else list(names))
        for step in self._before:
            x = step.transform(x)
        return x.values

    # ------------------------------------------------------------------------------------------------------ states
    @property
    def n_steps(self):
        """Number of steps that each stream has read, ndarray of shape (n_streams,)."""
        return self._stream.n_steps

    @property
    def state(self):
        """All that the streams remember: see `Stream.state`."""
        return self._stream.state

    @state.setter
    def state(self, state):
        self._stream.state = state

    def end(self):
        """Say that the sequences have ended, to an `EarlyClassifier` at the end of the pipeline.

        Returns
        -------
        ndarray of shape (n_streams,)
            The class of each stream; None where there was no step.
        """
        return self._stream.end()

    def reset(self, index=None):
        """Begin anew.

        Parameters
        ----------
        index : int, array-like of int, or mask of shape (n_streams,), default=None
            Which streams; None: all.
        """
        self._stream.reset(index)
