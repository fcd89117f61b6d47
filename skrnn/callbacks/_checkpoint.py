"""Saving a fit as it goes, and going on with it."""

from pathlib import Path

from .._version import __version__
from ..persistence import read_estimator, write_estimator
from ._base import BaseCallback, is_epoch, own_callbacks


class Checkpoint(BaseCallback):
    """Saves a fit after each epoch, so that it can go on where it was if the program ends before it.

    A fit that was interrupted and resumed gives the same bits as one that was not. The file is also one that
    `skrnn.load` reads: it gives the estimator as it would be had training ended there. It is replaced as a whole, so a
    program that is killed while it writes leaves the one before.

    Among the callbacks of this package it comes last, so that what the others remember is in the file. A file belongs
    to one fit: estimators that are cloned, as in a grid search, would write to the same.

    Parameters
    ----------
    path : str or path-like
        Where to save.
    every : int, default=1
        Epochs from one time to the next.
    resume : bool, default=False
        Whether `fit` goes on from the file if there is one. The fit must then be the same: estimator, parameters (but
        `n_jobs` and `verbose`), data, and version of this package. A fit that had ended is not trained any more.

    Raises
    ------
    ValueError
        By `fit`, if the file is of another fit; the message says what differs.

    See Also
    --------
    skrnn.load : Loads the estimator from the file.

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
    ...     clf.set_callbacks(Checkpoint(path, resume=True)).fit(X, y)  # the same again after a crash goes on
    ...     saved = skrnn.load(path)
    RNNClassifier(hidden_layer_sizes=8, max_iter=5, random_state=0)
    >>> bool((saved.predict(X) == clf.predict(X)).all())
    True
    """

    def __init__(self, path, *, every=1, resume=False):
        self.path = path
        self.every = every
        self.resume = resume

    def setup(self, estimator, context):
        if not Path(self.path).parent.is_dir():
            raise FileNotFoundError(f"There is no directory for the checkpoint {self.path}.")
        if not isinstance(own_callbacks(estimator)[-1], Checkpoint):
            raise ValueError("Checkpoint comes last among the callbacks, for it saves what the others remember.")

    def training_state(self, fingerprint):
        """Find the state of training from which `fit` is to go on.

        Parameters
        ----------
        fingerprint : dict of str to str
            What the fit depends on.

        Returns
        -------
        dict or None
            None to start from the beginning.
        """
        self._fingerprint = {"skrnn": __version__, **fingerprint}
        if not self.resume or not Path(self.path).exists():
            return None
        _, training = read_estimator(self.path)
        if training is None:
            raise ValueError(f"{self.path} holds an estimator, but no training to go on with: it is no checkpoint.")
        known = training["fingerprint"]
        names = sorted(name for name in known | self._fingerprint if known.get(name) != self._fingerprint.get(name))
        if names:
            raise ValueError(
                f"{self.path} is the checkpoint of another fit: {', '.join(names)} differ. Make them what they were, "
                "or start anew with resume=False."
            )
        return training["state"]

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        state = estimator._training.state
        # What an interruption leaves in the middle of an epoch is not a place to go on from.
        if state.n_epochs % self.every == 0 if is_epoch(context) else state.ended:
            training = {"fingerprint": self._fingerprint, "state": state.to_plain()}
            write_estimator(fitted_estimator if is_epoch(context) else estimator, self.path, training)
