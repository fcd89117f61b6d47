"""``EarlyStream``: decisions on sequences whose steps come one by one."""

import numpy as np


class EarlyStream:
    """Decides on sequences as their steps come in. The `stream` of a fitted `EarlyClassifier` makes it.

    Parameters
    ----------
    stream : Stream
        What predicts step by step.
    early : EarlyClassifier
        Fitted, with the classes and the threshold.
    calibration : Calibration
        Of its probabilities.

    Attributes
    ----------
    n_streams : int
        Number of sequences that come side by side.
    n_steps_read : ndarray of shape (n_streams,)
        Number of steps up to the decision, 0 where there is none yet.
    proba : ndarray of shape (n_streams, n_classes)
        Calibrated probabilities at the decision, before it those of the last step.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import EarlyClassifier, RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> y = rng.integers(0, 2, size=80)
    >>> X = rng.normal(size=(80, 20, 1)) + np.where(y, 1, -1)[:, np.newaxis, np.newaxis]
    >>> network = RNNClassifier(8, bidirectional=False, max_iter=20, random_state=0)
    >>> early = EarlyClassifier(network, prefixes=False, cv=2).fit(X, y)
    >>> stream = early.stream()
    >>> for x in X[0]:
    ...     label = stream.step(x)
    ...     if label is not None:
    ...         break
    >>> bool(label == y[0]), bool(stream.n_steps_read[0] == early.predict_early(X[:1])[1][0])
    (True, True)
    """

    def __init__(self, stream, early, calibration):
        self._stream, self._calibration = stream, calibration
        self._classes, self._threshold, self._every = early.classes_, early.threshold_, early.decides_every_
        self.n_streams, self.n_steps_read = stream.n_streams, np.zeros(stream.n_streams, np.int64)
        self.proba = np.full((stream.n_streams, len(self._classes)), 1 / len(self._classes))
        stream._states.add({"early.n_steps_read": self.n_steps_read, "early.proba": self.proba})

    def step(self, x, index=None):
        """Read a step.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels. Those of a stream that is decided change nothing.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step: see `skrnn.streaming.Stream.step`. None: all of them.

        Returns
        -------
        label or ndarray of shape (n_streams,)
            The class of each stream that is decided, now or before, and None for the others.
        """
        stream = self._stream
        proba = stream._advance("step_proba", x, index)
        had_step = np.arange(self.n_streams) if index is None else np.atleast_1d(np.arange(self.n_streams)[index])
        of_these, steps = np.atleast_2d(proba), stream.n_steps[had_step]
        waits = self.n_steps_read[had_step] == 0
        which, steps = had_step[waits], steps[waits]
        with np.errstate(all="ignore"):  # the network has read the step, so now nothing may fail
            self.proba[which] = self._calibration(of_these[waits], steps)
        is_sure = (steps % self._every == 0) & (self.proba[which].max(axis=1) >= self._threshold)
        self.n_steps_read[which[is_sure]] = steps[is_sure]
        stream._warn_if_not_finite()
        labels = self._labels()[had_step]
        return labels if proba.ndim == 2 else labels[0]

    def end(self):
        """Say that the sequences have ended: what is not decided is decided now.

        Returns
        -------
        ndarray of shape (n_streams,)
            The class of each stream; None where there was no step.
        """
        waits = self.n_steps_read == 0
        self.n_steps_read[waits] = self._stream.n_steps[waits]
        return self._labels()

    def reset(self, index=None):
        """Begin anew.

        Parameters
        ----------
        index : int, array-like of int, or mask of shape (n_streams,), default=None
            Which streams; None: all.
        """
        self._stream.reset(index)

    @property
    def n_steps(self):
        """Number of steps that each stream has read, ndarray of shape (n_streams,)."""
        return self._stream.n_steps

    @property
    def state(self):
        """All that the streams remember, decisions among it: see `skrnn.streaming.Stream.state`."""
        return self._stream.state

    @state.setter
    def state(self, state):
        self._stream.state = state

    def _labels(self):
        labels = self._classes[self.proba.argmax(axis=1)].astype(object)
        labels[self.n_steps_read == 0] = None
        return labels
