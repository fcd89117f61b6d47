"""Learning rate finder."""

import dataclasses
from numbers import Integral, Real

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import Interval

from .._core.parameters import keep
from .._core.warn import warn_user
from ..optimizers import get_optimizer
from ._base import BaseCallback, check_notes, is_epoch, notes_of


class LearningRateFinder(BaseCallback):
    """Find a learning rate before the first epoch, and train with it.

    A trial run increases the learning rate with each update [1]_, on the same mini-batch. Training uses the rate at
    which the loss falls fastest in place of `learning_rate_init`; the parameter does not change. The trial does not
    change the weights. With `warm_start` or `partial_fit`, there is only a trial in the first call. The estimator
    stores the rate in ``learning_rate_init_``, also when it is copied or saved.

    Parameters
    ----------
    lowest, highest : float, default=1e-5 and 1.0
        First and last learning rate of the trial.
    n_updates : int, default=100
        Number of updates of the trial, from 10 to a million. The rates increase geometrically. The trial ends early if
        the loss explodes.

    Attributes
    ----------
    learning_rate_ : float or None
        The learning rate that was found. None if the loss did not fall.
    learning_rates_ : ndarray of shape (n_done,)
        Learning rates of the trial.
    losses_ : ndarray of shape (n_done,)
        Loss of the mini-batch before each update.

    References
    ----------
    .. [1] L. N. Smith, "Cyclical learning rates for training neural networks",
       WACV, 2017. :arxiv:`1506.01186`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.callbacks import LearningRateFinder
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(150, 7, 1))
    >>> y = X.mean(axis=(1, 2)) > 0
    >>> finder = LearningRateFinder()
    >>> clf = RNNClassifier(hidden_layer_sizes=8, tol=0.01, random_state=0).set_callbacks(finder).fit(X, y)
    >>> 1e-4 < finder.learning_rate_ < 1
    True
    """

    _parameter_constraints = {
        "lowest": [Interval(Real, 0, None, closed="neither")],
        "highest": [Interval(Real, 0, None, closed="neither")],
        "n_updates": [Interval(Integral, 10, 10**6, closed="both")],
    }

    def __init__(self, *, lowest=1e-5, highest=1.0, n_updates=100):
        keep(locals())

    def setup(self, estimator, context):
        super().setup(estimator, context)
        if self.lowest >= self.highest:
            raise ValueError(f"lowest={self.lowest} must be below highest={self.highest}.")
        if not get_optimizer(estimator.solver).stochastic:
            raise ValueError(f"solver={estimator.solver!r} has no learning rate: remove LearningRateFinder.")

    def on_fit_task_begin(self, estimator, context):
        if is_epoch(context):
            return
        training, notes = estimator._training, notes_of(self, estimator)
        if "rates" in notes:  # a checkpoint has them
            self.learning_rates_, self.losses_ = notes["rates"], notes["losses"]
        elif training.state.n_updates and hasattr(estimator, "learning_rate_init_"):  # found by the fit that is resumed
            notes["rate"] = estimator.learning_rate_init_
        else:
            self._try(training, notes)
            if notes["rate"] is None:
                warn_user(
                    f"No learning rate from {self.lowest} to {self.highest} made the loss fall: learning_rate_init="
                    f"{estimator.learning_rate_init} is kept."
                )
        self.learning_rate_ = notes["rate"]
        if self.learning_rate_ is not None:
            training.settings = dataclasses.replace(training.settings, learning_rate=self.learning_rate_)

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if not is_epoch(context):
            self._finish(estimator, estimator)

    def _try(self, training, notes):
        rates = np.geomspace(self.lowest, self.highest, self.n_updates)
        losses = np.array(training.range_test(rates))
        self.learning_rates_, self.losses_ = rates[: len(losses)], losses
        notes |= {"rates": self.learning_rates_, "losses": losses, "rate": best_rate(rates, losses)}

    def _finish(self, estimator, fitted):
        notes = notes_of(self, estimator)
        if "rate" in notes:  # not if the trial was interrupted
            fitted.learning_rate_init_ = notes["rate"]

    def _check_notes(self, notes, fitted):
        def is_curve(value):
            return isinstance(value, np.ndarray) and value.ndim == 1 and value.dtype == np.float64

        is_rate = lambda v: v is None or (isinstance(v, float) and 0 < v < np.inf)  # noqa: E731
        check_notes(notes, {"rates": is_curve, "losses": is_curve, "rate": is_rate})
        if notes and set(notes) not in ({"rate"}, {"rate", "rates", "losses"}):
            raise ValueError("notes have not rate, rates and losses")
        if "rates" in notes and len(notes["rates"]) != len(notes["losses"]):
            raise ValueError(f"notes have {len(notes['rates'])} rates, but {len(notes['losses'])} losses")

    def plot(self, ax=None):
        """Plot the losses of the trial and the learning rate that was found.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        matplotlib.axes.Axes
            The plot, with a logarithmic scale of rates.

        Raises
        ------
        NotFittedError
            If no estimator has been fitted with this callback.
        """
        if not hasattr(self, "losses_"):
            raise NotFittedError("This LearningRateFinder has made no trial yet: fit an estimator with it first.")
        if ax is None:
            try:
                import matplotlib.pyplot as plt  # noqa: PLC0415
            except ImportError as error:
                raise ImportError('LearningRateFinder.plot needs matplotlib: pip install "skrnn[plot]".') from error
            ax = plt.figure().add_subplot()
        ax.semilogx(self.learning_rates_, self.losses_)
        if self.learning_rate_ is not None:
            ax.axvline(self.learning_rate_, color="k", linestyle=":")
        ax.set(xlabel="learning rate", ylabel="loss of a mini-batch")
        return ax


def best_rate(rates, losses):
    """The rate at which the loss falls fastest, before its minimum; None if it does not fall."""
    lowest = int(np.argmin(losses)) if len(losses) else 0
    if lowest == 0:
        return None
    return float(rates[np.argmin(np.diff(losses[: lowest + 1]))])
