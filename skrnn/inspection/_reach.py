"""How far back in time the gradient of the loss reaches."""

import numpy as np

from ._plot import Display, legend_above, require, style, whole_ticks
from ._time_axis import name_stride


class GradientReachDisplay(Display):
    """Norm of the gradient of the loss by the states of each layer, over the steps back from the end of a sequence.

    Of several sequences the median is shown, and the range from the first to the last decile.

    Parameters
    ----------
    norms : list of array-like of shape (n_steps, n_layers)
        Norms for each sequence, as ``gradient_norms`` of an estimator gives them.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.inspection import GradientReachDisplay
    >>> X, y = np.random.default_rng(0).normal(size=(50, 5, 2)), np.arange(50) % 2
    >>> clf = RNNClassifier(4, max_iter=3, tol=0.01, random_state=0).fit(X, y)
    >>> GradientReachDisplay.from_estimator(clf, X, y).ax_.get_yscale()
    'log'
    """

    def __init__(self, norms):
        self.norms = norms
        if not len(norms):
            raise ValueError("norms is empty: there is no sequence to show.")

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Compute the norms of a fitted estimator, and plot them.

        Parameters
        ----------
        estimator : RNNClassifier or RNNRegressor
            A fitted estimator.
        X : array-like of shape (n_sequences, n_steps, n_channels), list of array-like, SequenceArray or frame
            The sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
            Their targets.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        GradientReachDisplay
            The display.
        """
        require(estimator, "gradient_norms")
        display = cls(estimator.gradient_norms(X, y)).plot(ax=ax)
        name_stride(display.ax_, estimator)
        return display

    def _draw(self, ax):
        norms = [np.asarray(each, float) for each in self.norms]
        longest, n_layers = max(map(len, norms)), norms[0].shape[1]
        back = np.arange(-longest + 1, 1)
        for k in range(n_layers):
            low, middle, high = _quantiles([each[:, k] for each in norms], longest)
            ax.plot(back, middle, label=f"layer {k}", **style(k))
            if len(norms) > 1:
                ax.fill_between(back, low, high, color=style(k)["color"], alpha=0.2, linewidth=0)
        ax.set(xlabel="step, from the end of the sequence", ylabel=r"$\Vert \partial L / \partial h_t \Vert$")
        ax.set_yscale("log")
        ax.margins(x=0.01)
        if n_layers > 1:
            legend_above(ax)
        whole_ticks(ax)


def _quantiles(curves, longest):
    """Deciles 1, 5 and 9 at each step, counted from the end; a norm of 0 is not shown on the logarithmic scale."""
    padded = np.full((len(curves), longest), np.nan)
    for row, curve in zip(padded, curves, strict=True):
        row[longest - len(curve) :] = np.where(curve > 0, curve, np.nan)
    out = np.full((3, longest), np.nan)
    shown = ~np.isnan(padded).all(axis=0)
    out[:, shown] = np.nanquantile(padded[:, shown], (0.1, 0.5, 0.9), axis=0)
    return out
