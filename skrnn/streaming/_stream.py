"""``Stream``: what a fitted network makes of sequences whose steps come one by one."""

import hashlib

import numpy as np

from .._core.warn import warn_user

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}


class Stream:
    """Predictions of sequences that come step by step. The `stream` of a fitted estimator makes it.

    A step takes the same time and memory, however many came before. Predictions are those of the estimator for the
    sequences so far, to the bit. The stream keeps the weights that the estimator had when it was made. It belongs to
    one thread at a time.

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

    def __init__(self, network, theta, encoder, n_streams, kind, decoders, names=None):
        from ..network.convolved_stepper import stepper_of  # noqa: PLC0415 (brings the compiler)
        from ._encoding import StepEncoder  # noqa: PLC0415

        self.n_streams, self.n_channels, self._decoders = n_streams, encoder.n_channels, decoders
        packed = network.pack(theta, network.memory.allocate_packed())
        self._stepper = stepper_of(network, packed, n_streams, kind)
        self._inputs = StepEncoder(encoder, self._stepper.values, self._stepper.states["steps"])
        self._shapes = (n_streams, encoder.n_channels), (encoder.n_channels,)
        self._quick_shapes = self._shapes[: 2 if n_streams == 1 else 1] if self._inputs.is_plain else ()
        self._states = self._stepper.states | self._inputs.states
        self._network, self._names = _fingerprint(theta, encoder), names

    def step(self, x):
        """Read a step, and predict from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels. A single token may be a str.

        Returns
        -------
        ndarray of shape (n_streams, ...)
            What `predict`, or the `transform` of a transformer, gives for the sequences so far; where steps have
            targets, what it gives for the last step. Without the first axis for x of shape (n_channels,).

        Raises
        ------
        ValueError
            If x has another shape than the steps of `fit`, or a value that `predict` refuses. The stream is left as it
            was.
        """
        return self._advance(x, self._decoders["step"])

    def step_proba(self, x):
        """Read a step, and predict probabilities from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels.

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
        if "step_proba" not in self._decoders:
            raise AttributeError("step_proba is for classifiers: use step.")
        return self._advance(x, self._decoders["step_proba"])

    def _advance(self, x, decode):
        inputs, stepper = self._inputs, self._stepper
        # What follows takes a microsecond; `_read` and `encode` take ten.
        if not (type(x) is np.ndarray and x.shape in self._quick_shapes and x.dtype in FLOATS and self._is_ready(x)):
            inputs.encode(self._read(x))
        stepper.run()
        if stepper.n_wrong[0]:
            warn_user(
                "The predictions of some streams are not finite: the states of the network grow without bound on them. "
                "Bring x to the size of what was fitted, or reset the streams.",
                RuntimeWarning,
            )
        rows = decode(stepper.out)
        return rows if self.n_streams > 1 or np.ndim(x) == 2 else rows[0]

    def _is_ready(self, x):
        """Whether the numbers of x are encoded, and finite."""
        self._inputs.given[...] = x
        return self._inputs.encode_plain()

    def _read(self, x):
        """A step as an array (n_streams, n_channels) of floats or tokens."""
        is_text, names = self._inputs.encoder.is_text, getattr(x, "columns", None)
        if names is not None and self._names is not None and list(names) != list(self._names):
            raise ValueError(f"x has the columns {list(names)}, but fit saw {list(self._names)}.")
        try:
            step = np.asarray(x, dtype=np.str_ if is_text else np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"x must hold {'tokens (str)' if is_text else 'numbers'}: {error}") from error
        if step.ndim == 0 and self.n_streams == self.n_channels == 1:
            return step.reshape(1, 1)
        if step.shape == self._shapes[0] or (self.n_streams == 1 and step.shape == self._shapes[1]):
            return step.reshape(self._shapes[0])
        one = f", or ({self.n_channels},)" if self.n_streams == 1 else ""
        raise ValueError(f"x has shape {step.shape}, but a step of this stream is of shape {self._shapes[0]}{one}.")

    # ------------------------------------------------------------------------------------------------------ states
    @property
    def n_steps(self):
        """Number of steps that each stream has read, ndarray of shape (n_streams,)."""
        return self._states["steps"].copy()

    @property
    def state(self):
        """All that the streams remember: a dict of arrays, for `numpy.savez` and the like. It may be set again."""
        return {"network": self._network.copy(), **{name: array.copy() for name, array in self._states.items()}}

    @state.setter
    def state(self, state):
        arrays = {name: np.asarray(array) for name, array in dict(state).items()}
        expected = {"network": self._network, **self._states}
        if arrays.keys() != expected.keys():
            odd = sorted(arrays.keys() ^ expected.keys())
            raise ValueError(f"The state is of another network: {odd} are in only one of the two.")
        for name, array in expected.items():
            if arrays[name].shape[:1] != array.shape[:1] and name != "network":
                raise ValueError(f"The state is of {len(arrays[name])} streams, but this has {self.n_streams}.")
            if arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
                raise ValueError(
                    f"The state is of another network: {name} is of shape {arrays[name].shape} and "
                    f"{arrays[name].dtype} there, but {array.shape} and {array.dtype} here."
                )
        if not np.array_equal(arrays["network"], self._network):
            raise ValueError("The state is of another network: it has other weights, or other scales of its channels.")
        if (arrays["steps"] < 0).any():
            raise ValueError("The state has a stream with fewer than 0 steps.")
        for name, array in self._states.items():
            array[...] = arrays[name]

    def reset(self, index=None):
        """Begin anew.

        Parameters
        ----------
        index : int, array-like of int, or mask of shape (n_streams,), default=None
            Which streams; None: all.
        """
        which = slice(None) if index is None else self._checked(index)
        for array in self._states.values():
            array[which] = 0

    def _checked(self, index):
        which = np.asarray(index)
        if which.dtype.kind == "b" and which.shape == (self.n_streams,):
            return which
        if which.dtype.kind not in "iu" or not ((-self.n_streams <= which) & (which < self.n_streams)).all():
            raise ValueError(
                f"index must be numbers of streams, from 0 to {self.n_streams - 1}, or a mask of {self.n_streams} "
                f"booleans; got {index!r:.100}."
            )
        return which

    def __reduce__(self):
        raise TypeError("A Stream cannot be pickled or copied: save its state, and make another from the estimator.")


def _fingerprint(theta, encoder):
    """Two words that networks with other weights or scales do not share."""
    digest = hashlib.sha256(theta.tobytes())
    digest.update(np.concatenate([encoder.mean, encoder.scale]).tobytes())
    return np.frombuffer(digest.digest()[:16], np.int64)
