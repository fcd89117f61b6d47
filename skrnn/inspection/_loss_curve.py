"""Loss and validation scores over the epochs of a fit."""

import numpy as np

from .._core.members import refuse_several
from ._plot import Display, legend_above, require, style, whole_ticks


class LossCurveDisplay(Display):
    """Training loss, and validation score if there is one, over the epochs.

    Parameters
    ----------
    loss : array-like of shape (n_epochs,)
        Training loss of each epoch.
    validation_score : array-like of shape (n_epochs,), default=None
        Score on the held-out sequences after each epoch.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes with the loss.
    score_ax_ : matplotlib.axes.Axes or None
        The axes with the scores, on the right.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.inspection import LossCurveDisplay
    >>> X, y = np.random.default_rng(0).normal(size=(50, 5, 2)), np.arange(50) % 2
    >>> clf = RNNClassifier(4, max_iter=3, tol=0.01, random_state=0).fit(X, y)
    >>> display = LossCurveDisplay.from_estimator(clf)
    >>> display.ax_.get_xlabel()
    'epoch'
    """

    def __init__(self, loss, validation_score=None):
        self.loss, self.validation_score = loss, validation_score
        if not len(loss):
            raise ValueError("loss is empty: there is no epoch to show.")

    @classmethod
    def from_estimator(cls, estimator, *, ax=None):
        """Plot the curves of a fitted estimator.

        Parameters
        ----------
        estimator : object
            A fitted estimator of this package.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        LossCurveDisplay
            The display.
        """
        require(estimator, "loss_curve_")
        refuse_several(estimator, "LossCurveDisplay")
        return cls(estimator.loss_curve_, estimator.validation_scores_).plot(ax=ax)

    def _draw(self, ax):
        self.score_ax_ = None
        lines = _curve(ax, self.loss, 0, "training loss")
        margin = 0.5 if len(self.loss) < 30 else 0.01 * len(self.loss)
        ax.set(xlabel="epoch", ylabel="training loss", xlim=(1 - margin, len(self.loss) + margin))
        if np.min(self.loss) > 0 and np.max(self.loss) > 30 * np.min(self.loss):
            ax.set_yscale("log")
        if self.validation_score is not None:
            self.score_ax_ = ax.twinx()
            lines += _curve(self.score_ax_, self.validation_score, 1, "validation score")
            self.score_ax_.set_ylabel("validation score")
            legend_above(ax, lines)
        whole_ticks(ax)


def _curve(ax, values, k, label):
    marker = "o" if len(values) <= 30 else None
    return ax.plot(np.arange(1, len(values) + 1), values, marker=marker, markersize=3, label=label, **style(k))
