"""``Stream``: what a fitted network makes of sequences whose steps come one by one."""

import hashlib
from functools import partial

import numpy as np

from .._core.warn import warn_user
from ..sequences._steps import are_finite, is_text, step_array


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
    decoders : dict of str to callable
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
        packed = [network.pack(theta, network.memory.allocate_packed()) for theta in thetas]
        self._make = partial(Rows, network, packed, encoder, kind)
        self.n_streams, self.n_channels, self._decoders = n_streams, encoder.n_channels, decoders
        self._is_text, self._names, self._parts = encoder.is_text, names, {}
        self._rows = rows = self._make(n_streams)
        self._shape = n_streams, encoder.n_channels
        of_one = [(encoder.n_channels,)] if n_streams == 1 else []
        self._quick_shapes = [self._shape, *of_one] if rows.inputs.is_plain else []
        self._states, self._network = dict(rows.states), _fingerprint(thetas, encoder)

    def step(self, x, index=None):
        """Read a step, and predict from all steps so far.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels. A single token may be a str.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step; x has a row for each, or is of shape (n_channels,) for an int.
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
            was.
        """
        return self._advance(x, index, self._decoders["step"])

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
        if "step_proba" not in self._decoders:
            raise AttributeError("step_proba is for classifiers: use step.")
        return self._advance(x, index, self._decoders["step_proba"])

    def _advance(self, x, index, decode):
        if index is not None:
            return self._advance_some(x, index, decode)
        rows = self._rows
        # What follows takes a microsecond; `_read` and `encode` take ten.
        if type(x) is np.ndarray and x.shape in self._quick_shapes and x.dtype.char in "fd" and rows.take(x):
            is_one = x.ndim == 1
        else:
            step, is_one = self._read(x, self.n_streams, self.n_streams == 1)
            rows.inputs.encode(step)
        rows.stepper.run()
        out = rows.stepper.out
        if rows.stepper.n_wrong[0]:
            _warn()
        return decode(out)[0] if is_one else decode(out)

    def _advance_some(self, x, index, decode):
        """A step of some streams, in rows of their own."""
        which, is_one = self._numbers(index), np.ndim(index) == 0
        step, n = self._read(x, len(which), is_one)[0], len(which)
        # Rows that are left over take some step from the beginning, which is forgotten.
        size = next(size for size in (4**k for k in range(32)) if size >= n)
        if size not in self._parts:
            self._parts[size] = self._make(size)
        part = self._parts[size]
        for name, array in part.states.items():
            array[:n] = self._states[name][which]
            if size > n:
                array[n:] = 0
        step = step if size == n else np.concatenate([step, np.repeat(step[:1], size - n, axis=0)])
        if not (part.inputs.is_plain and part.take(step)):
            part.inputs.encode(step, which)
        part.stepper.run()
        for name, array in part.states.items():
            self._states[name][which] = array[:n]
        out = part.stepper.out[:n].copy()
        if not are_finite(out):
            _warn()
        return decode(out)[0] if is_one else decode(out)

    def _numbers(self, index):
        which = self._checked(index)
        if which.ndim == 0:
            return which[np.newaxis]
        if which.dtype.kind == "b":
            which = np.flatnonzero(which)
        if which.ndim != 1 or not len(which) or len(np.unique(which % self.n_streams)) < len(which):
            raise ValueError(f"index must name one stream or several, each once; got {index!r:.100}.")
        return which

    def _read(self, x, n, may_be_one):
        """A step of n streams as an array (n, n_channels) of floats or tokens, and whether it is given for one."""
        _check_names(x, self._names)
        is_scalar = np.ndim(x) == 0
        step = step_array([x] if is_scalar else x, "x")
        if is_text(step) != self._is_text:
            kinds = ("numbers", "tokens (str)") if self._is_text else ("tokens (str)", "numbers")
            raise ValueError(f"x holds {kinds[0]}, but fit saw {kinds[1]}.")
        step = step if self._is_text else step.astype(np.float64, copy=False)
        step = np.asarray(step[0]) if is_scalar else step
        of_one = (self.n_channels,)
        if step.ndim == 0 and self.n_channels == 1 and may_be_one:
            step = step.reshape(of_one)
        if step.shape == (n, self.n_channels):
            return step, False
        if may_be_one and step.shape == of_one:
            return step[np.newaxis], True
        wanted = f"{(n, self.n_channels)}, or {of_one}" if may_be_one else f"{(n, self.n_channels)}"
        raise ValueError(f"x has shape {step.shape}, but a step of this stream is of shape {wanted}.")

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
        arrays = {name: np.asarray(array) for name, array in _items(state)}
        expected = {"network": self._network, **self._states}
        if arrays.keys() != expected.keys():
            odd = sorted(arrays.keys() ^ expected.keys())
            raise ValueError(f"The state is of another network: {odd} are in only one of the two.")
        for name, array in expected.items():
            if arrays[name].ndim and len(arrays[name]) != len(array) and name != "network":
                raise ValueError(f"The state is of {len(arrays[name])} streams, but this has {self.n_streams}.")
            if arrays[name].shape != array.shape or arrays[name].dtype != array.dtype:
                raise ValueError(
                    f"The state is of another network: {name} is of shape {arrays[name].shape} and "
                    f"{arrays[name].dtype} there, but {array.shape} and {array.dtype} here."
                )
        if not np.array_equal(arrays["network"], self._network):
            raise ValueError("The state is of another network: it has other weights, or other scales of its channels.")
        for name, array in arrays.items():
            if array.dtype.kind == "i" and name.endswith(("steps", "positions")) and (array < 0).any():
                raise ValueError(f"The state has a stream with fewer than 0 {name}.")
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
        which = np.asarray(index) if np.size(index) else np.zeros(0, np.intp)
        if which.dtype.kind == "b" and which.shape == (self.n_streams,):
            return which
        if which.dtype.kind not in "iu" or not ((-self.n_streams <= which) & (which < self.n_streams)).all():
            raise ValueError(
                f"index must be numbers of streams, from 0 to {self.n_streams - 1}, or a mask of {self.n_streams} "
                f"booleans; got {index!r:.100}."
            )
        return which if which.dtype.kind == "b" else which.astype(np.intp)

    def __reduce__(self):
        raise TypeError("A Stream cannot be pickled or copied: save its state, and make another from the estimator.")


class Rows:
    """Steps of sequences side by side, from their values to the result for all so far.

    Attributes
    ----------
    stepper : Stepper, ConvolvedStepper or MeanStepper
    inputs : StepEncoder
    states : dict of str to ndarray
        See `Stepper`.
    """

    def __init__(self, network, packed, encoder, kind, n):
        from ..network.convolved_stepper import stepper_of  # noqa: PLC0415 (brings the compiler)
        from ._encoding import StepEncoder  # noqa: PLC0415

        self.stepper = stepper_of(network, packed, n, kind)
        self.inputs = StepEncoder(encoder, self.stepper.values, self.stepper.states["steps"])
        self.states = self.stepper.states | self.inputs.states

    def take(self, x):
        """Encode an array of floats of the right shape; returns whether all of it is finite then."""
        self.inputs.given[...] = x
        return self.inputs.encode_plain()


def _check_names(x, expected):
    """Refuse columns of a frame, or the index of a Series, that are no names of the channels."""
    names = getattr(x, "columns", None)
    if names is None and np.ndim(x) == 1 and not callable(index := getattr(x, "index", len)):
        names = index if all(isinstance(name, str) for name in index) else None
    if names is not None and expected is not None and list(names) != list(expected):
        raise ValueError(f"x has the columns {list(names)}, but fit saw {list(expected)}.")


def _items(state):
    """Names and arrays of a state."""
    try:
        return dict(state).items()
    except (TypeError, ValueError) as error:
        raise ValueError(f"A state is a dict of arrays, got {type(state).__name__}.") from error


def _warn():
    warn_user(
        "The predictions of some streams are not finite: the states of the network grow without bound on them. Bring x "
        "to the size of what was fitted, or reset the streams.",
        RuntimeWarning,
    )


def _fingerprint(thetas, encoder):
    """Two words that networks with other weights, scales or codes do not share."""
    digest = hashlib.sha256(b"".join(theta.tobytes() for theta in thetas))
    digest.update(np.concatenate([encoder.mean, encoder.scale]).tobytes())
    digest.update(b"" if encoder.time_scale is None else encoder.time_scale.tobytes())
    digest.update(repr(encoder.categories).encode())
    return np.frombuffer(digest.digest()[:16], np.int64)
