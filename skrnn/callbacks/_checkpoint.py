"""Saving a fit after each epoch, and resuming it."""

import copy
import os
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

from sklearn.base import clone
from sklearn.utils._param_validation import Interval

from .._core.parameters import described, keep
from .._core.version import __version__
from ..optimizers import get_optimizer
from ..persistence._estimators import estimator_to_plain, read_estimator, write_estimator
from ._base import BaseCallback, is_epoch, note_name, own_callbacks


class Checkpoint(BaseCallback):
    """Save a fit after each epoch, so that it can be resumed after a crash.

    An interrupted and resumed fit gives the same result as an uninterrupted one, bit for bit. `skrnn.load` can read the
    file, too: it returns the estimator as if training had ended at that epoch. The file is replaced atomically, so a
    program that is killed while it writes leaves the previous file.

    This must be the last one of the callbacks of skrnn, so that the file contains the state of the others. Each fit
    needs its own file: clones of an estimator, as in a grid search, would write to the same file.

    Parameters
    ----------
    path : str or path-like
        Path of the file.
    every : int, default=1
        Number of epochs between saves.
    resume : bool, default=False
        Whether `fit` resumes from the file if it exists. The fit must be the same: estimator, parameters (but not
        `n_jobs` and `verbose`), data, callbacks of skrnn, initial weights of a `warm_start`, and version of skrnn. A
        complete fit is not trained any further. The memory of "lbfgs" is not saved, so resuming an incomplete fit with
        this solver raises an error.

    Raises
    ------
    ValueError
        In `fit`, if the file belongs to another fit. The message says what differs.

    See Also
    --------
    skrnn.load : Load the estimator from the file.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import skrnn
    >>> from pathlib import Path
    >>> from skrnn import RNNClassifier
    >>> from skrnn.callbacks import Checkpoint
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 7, 1))
    >>> y = X.mean(axis=(1, 2)) > 0
    >>> clf = RNNClassifier(hidden_layer_sizes=8, max_iter=5, random_state=0)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory, "run.skrnn")
    ...     clf.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)  # run again after a crash to resume
    ...     saved = skrnn.load(path)
    RNNClassifier(hidden_layer_sizes=8, max_iter=5, random_state=0)
    >>> bool((saved.predict(X) == clf.predict(X)).all())
    True
    """

    _parameter_constraints = {
        "path": [str, os.PathLike],
        "every": [Interval(Integral, 1, None, closed="left")],
        "resume": ["boolean"],
    }

    def __init__(self, path, *, every=1, resume=False):
        keep(locals())

    def setup(self, estimator, context):
        super().setup(estimator, context)
        estimator_to_plain(clone(estimator))  # raises now, not after an epoch, if a parameter cannot be saved
        if not Path(self.path).parent.is_dir():
            raise FileNotFoundError(f"There is no directory for the checkpoint {self.path}.")
        if not isinstance(own_callbacks(estimator)[-1], Checkpoint):
            raise ValueError("Checkpoint comes last among the callbacks, because it saves the state of the others.")

    def training_state(self, estimator, describe):
        """Find the state of training from which `fit` resumes.

        Parameters
        ----------
        estimator : RNNClassifier, RNNRegressor or SequenceTransformer
            The estimator that is being fitted.
        describe : callable
            Gives a description of all that the fit depends on, a dict of str to str.

        Returns
        -------
        dict or None
            The state, or None to start from the beginning.
        """
        others = [callback._fingerprint() for callback in own_callbacks(estimator) if callback is not self]
        self._fit = {"skrnn": __version__, **describe(), "callbacks": " ".join(others)}
        if not self.resume or not Path(self.path).exists():
            return None
        fitted, training = read_estimator(self.path)
        if training is None:
            raise ValueError(f"{self.path} contains an estimator, but no state of training: it is not a checkpoint.")
        with _naming(self.path):
            fingerprint, state = _checked(training, fitted)
        names = sorted(fingerprint.keys() ^ self._fit.keys())
        both = sorted(fingerprint.keys() & self._fit.keys())
        names += [name for name in both if described(fingerprint[name]) != described(self._fit[name])]
        if names:
            raise ValueError(
                f"{self.path} is the checkpoint of another fit: {', '.join(names)} differ. Restore them, "
                "or start anew with resume=False."
            )
        with _naming(self.path):
            _check_of_fit(state, fitted, estimator)
        return training["state"]

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        state = estimator._training.state
        # The state after an interruption within an epoch cannot be resumed.
        if state.n_epochs % self.every == 0 if is_epoch(context) else state.ended:
            fitted = copy.copy(fitted_estimator)
            for callback in own_callbacks(estimator):
                callback._finish(estimator, fitted)
            write_estimator(fitted, self.path, {"fingerprint": self._fit, "state": state.to_plain()})


@contextmanager
def _naming(path):
    """Name the file in errors about its content."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path} cannot be resumed: {error}.") from error


def _checked(training, fitted):
    """Fingerprint and state of training of a checkpoint, whose estimator is `fitted`; refuses what is none."""
    from ..network.network import network_of  # noqa: PLC0415 (brings the compiler)
    from ..training.joint import JointState  # noqa: PLC0415
    from ..training.state import TrainingState  # noqa: PLC0415

    if not isinstance(training, dict) or set(training) != {"fingerprint", "state"}:
        raise ValueError("its training has no fingerprint or no state, or something besides")
    fingerprint = training["fingerprint"]
    if not isinstance(fingerprint, dict) or not all(isinstance(name, str) for name in fingerprint):
        raise ValueError("its fingerprint is not a dict with names")
    if not hasattr(fitted, "structure_"):  # also a pipeline
        raise ValueError("its estimator is not fitted")
    plain, network = training["state"], network_of(fitted.structure_)
    if isinstance(fitted.weights_, list):
        return fingerprint, JointState.from_plain(plain, network, len(fitted.weights_))
    return fingerprint, TrainingState.from_plain(plain, network)


def _check_of_fit(state, fitted, estimator):
    """Refuse what the solver and the callbacks of `estimator` have not left in a state of training."""
    n_slots, members = get_optimizer(estimator.solver).n_slots, getattr(state, "members", [state])
    if len(members) != getattr(estimator, "n_networks", 1):
        raise ValueError(f"it has {len(members)} states of training, but n_networks={estimator.n_networks}")
    for slots in (member.slots for member in members):
        if slots is not None and len(slots) != n_slots:
            raise ValueError(f"slots has {len(slots)} arrays, but solver={estimator.solver!r} remembers {n_slots}")
    callbacks = {note_name(callback, k): callback for k, callback in enumerate(own_callbacks(estimator))}
    for name, notes in state.notes.items():
        if name not in callbacks or not isinstance(notes, dict):
            raise ValueError(f"notes[{name!r}] are not those of a callback")
        callbacks[name]._check_notes(notes, fitted)
