"""``Stream``: what a fitted network makes of sequences whose steps come one by one."""

from functools import partial

import numpy as np

from .._core.warn import warn_user
from ._reading import StepReader, read_index, read_numbers
from ._states import States, fingerprint


class Stream:
    """Predictions of sequences that come step by step. The `stream` of a fitted estimator makes it.

    A step takes the same time and memory, however many came before. Predictions are those of the estimator for the
    sequences so far, to the bit. The stream keeps the weights that the estimator had when it was made. It belongs to
    one thread at a time.

    Parameters
    ----------
    network : Network
        One that reads forward only.
    thetas : list of ndarray
        Its parameters; of several networks of its structure, results are averaged.
    encoder : InputEncoder
        What the network reads of the channels.
    n_streams : int
        Number of sequences that come side by side.
    kind : Raw or Pooled
        What is wanted of all steps so far: see `skrnn.network.results`.
    decoders : dict of str to Decoder
        By the names of methods, what makes predictions of rows of it.
    names : list of str, default=None
        Names of the channels.

    Attributes
    ----------
    n_streams : int
        Number of sequences that come side by side.
    n_channels : int
        Number of channels of a step.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 8, 2))
    >>> clf = RNNClassifier(8, bidirectional=False, max_iter=2, random_state=0).fit(X, X.mean(axis=(1, 2)) > 0)
    >>> stream = clf.stream()
    >>> for x in X[0]:
    ...     proba = stream.step_proba(x)
    >>> bool((proba == clf.predict_proba(X[:1])[0]).all())
    True
    """

    def __init__(self, network, thetas, encoder, n_streams, kind, decoders, names=None):
        from ._rows import Rows  # noqa: PLC0415 (brings the compiler)

        packed = [network.pack(theta, network.memory.allocate_packed()) for theta in thetas]
        self._make = partial(Rows, network, packed, encoder, kind, decoders)
        self.n_streams, self.n_channels = n_streams, encoder.n_channels
        self._rows, self._parts, self._is_finite = self._make(n_streams), {}, True
        self._has_proba, self._reader = "step_proba" in decoders, StepReader(encoder, names)
        self._states = States(self._rows.states, fingerprint(thetas, encoder))

    def step(self, x, index=None):
        """Read a step, and predict from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels. A single token may be a str.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step; x has a row for each. For an int it may be of shape (n_channels,).
            None: all of them.

        Returns
        -------
        ndarray of shape (n_streams, ...)
            What `predict`, or the `transform` of a transformer, gives for the sequences so far; where steps have
            targets, what it gives for the last step. Without the first axis for x of shape (n_channels,).

        Raises
        ------
        ValueError
            If x has another shape than the steps of `fit`, or a value that `predict` refuses. The stream is left as it
            was. A warning, which may have been turned into an error, comes when the step is read.
        """
        found = self._advance("step", x, index)
        self._warn_if_not_finite()
        return found

    def step_proba(self, x, index=None):
        """Read a step, and predict probabilities from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step, see `step`.

        Returns
        -------
        ndarray of shape (n_streams, n_classes), or (n_classes,)
            What `predict_proba` gives for the sequences so far.

        Raises
        ------
        AttributeError
            If the estimator is no classifier.
        ValueError
            If x is not as in `fit`: see `step`.
        """
        if not self._has_proba:
            raise AttributeError("step_proba is for classifiers: use step.")
        found = self._advance("step_proba", x, index)
        self._warn_if_not_finite()
        return found

    def _advance(self, method, x, index):
        """Read a step; what `method` predicts then. Who calls warns, when all is done, if that is not finite."""
        if index is not None:
            return self._advance_some(method, x, index)
        rows, found = self._rows, None
        if type(x) is np.ndarray and x.dtype.char in "fd":
            found = rows.advance_quickly(method, x)
        if found is None:
            step, is_one = self._reader.read(x, self.n_streams, self.n_streams == 1)
            found = rows.advance(method, step)
            found = found[0] if is_one else found
        self._is_finite = not rows.n_wrong[0]
        return found

    def _advance_some(self, method, x, index):
        """A step of some streams, in rows of their own."""
        which, step, is_one = self._read(x, index)
        size = next(size for size in (4**k for k in range(32)) if size >= len(which))
        if size not in self._parts:
            self._parts[size] = self._make(size)
        found, self._is_finite = self._parts[size].advance_some(method, step, which, self._states.arrays)
        return found[0] if is_one else found

    def _read(self, x, index):
        """Numbers of streams, a step of each, and whether x has no axis of them."""
        if index is None:
            return np.arange(self.n_streams), *self._reader.read(x, self.n_streams, self.n_streams == 1)
        which = read_numbers(index, self.n_streams)
        return which, *self._reader.read(x, len(which), np.ndim(index) == 0)

    def _warn_if_not_finite(self):
        if not self._is_finite:
            warn_user(
                "The predictions of some streams are not finite: the states of the network grow without bound on them. "
                "Bring x to the size of what was fitted, or reset the streams.",
                RuntimeWarning,
            )

    # ------------------------------------------------------------------------------------------------------ states
    @property
    def n_steps(self):
        """Number of steps that each stream has read, ndarray of shape (n_streams,)."""
        return self._states.arrays["steps"].copy()

    @property
    def state(self):
        """All that the streams remember: a dict of arrays, for `numpy.savez` and the like. It may be set again."""
        return self._states.copy()

    @state.setter
    def state(self, state):
        self._states.set(state)

    def reset(self, index=None):
        """Begin anew.

        Parameters
        ----------
        index : int, array-like of int, or mask of shape (n_streams,), default=None
            Which streams; None: all.
        """
        self._states.clear(slice(None) if index is None else read_index(index, self.n_streams))

    def __reduce__(self):
        raise TypeError("A Stream cannot be pickled or copied: save its state, and make another from the estimator.")
