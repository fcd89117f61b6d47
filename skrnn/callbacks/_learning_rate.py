"""Finding a learning rate."""

import dataclasses

import numpy as np

from ._base import BaseCallback, is_epoch, notes_of

SMOOTHING = 0.9  # share of the mean of earlier losses in the smoothed loss


class LearningRateFinder(BaseCallback):
    """Finds a learning rate before the first epoch, and trains with it.

    A trial run raises the rate from update to update [1]_. The rate at which its smoothed loss falls fastest is the one
    that is trained with, in the place of `learning_rate_init`; the parameter itself stays as it is. The trial leaves no
    trace in the weights.

    Parameters
    ----------
    lowest, highest : float, default=1e-5 and 1.0
        First and last rate of the trial.
    n_updates : int, default=100
        Updates of the trial, each with a rate that is larger by the same factor. It ends early where the loss explodes.

    Attributes
    ----------
    learning_rate_ : float
        The rate that was found.
    learning_rates_ : ndarray of shape (n_done,)
        Rates of the trial.
    losses_ : ndarray of shape (n_done,)
        Loss of a mini-batch at each of them.

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

    def __init__(self, *, lowest=1e-5, highest=1.0, n_updates=100):
        self.lowest = lowest
        self.highest = highest
        self.n_updates = n_updates

    def on_fit_task_begin(self, estimator, context):
        if is_epoch(context):
            return
        training, notes = estimator._training, notes_of(self, estimator)
        rates = np.geomspace(self.lowest, self.highest, self.n_updates)
        if "losses" not in notes:  # else a checkpoint has them
            notes["losses"] = np.array(training.range_test(rates))
        self.losses_ = notes["losses"]
        self.learning_rates_ = rates[: len(self.losses_)]
        self.learning_rate_ = float(self.learning_rates_[steepest(self.losses_)])
        training.settings = dataclasses.replace(training.settings, learning_rate=self.learning_rate_)

    def plot(self, ax=None):
        """Plot the losses of the trial, and the rate that was found.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            Where to; None makes a figure.

        Returns
        -------
        matplotlib.axes.Axes
            With a logarithmic scale of rates.
        """
        if ax is None:
            try:
                import matplotlib.pyplot as plt  # noqa: PLC0415
            except ImportError as error:
                raise ImportError('LearningRateFinder.plot needs matplotlib: pip install "skrnn[plot]".') from error
            ax = plt.figure().add_subplot()
        ax.semilogx(self.learning_rates_, self.losses_, color="0.8")
        ax.semilogx(self.learning_rates_, smoothed(self.losses_))
        ax.axvline(self.learning_rate_, color="k", linestyle=":")
        ax.set(xlabel="learning rate", ylabel="loss of a mini-batch")
        return ax


def smoothed(losses):
    """Moving average in which earlier losses count less, without the bias of its start."""
    mean, means = 0.0, []
    for n, loss in enumerate(losses, start=1):
        mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
        means.append(mean / (1 - SMOOTHING**n))
    return np.array(means)


def steepest(losses):
    """Where the smoothed loss falls fastest, before its minimum."""
    if len(losses) < 3:
        return 0
    means = smoothed(losses)
    return int(np.argmin(np.gradient(means)[: max(int(np.argmin(means)), 1)]))
