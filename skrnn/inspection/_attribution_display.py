"""The attributions of one sequence."""

import numpy as np

from ..sequences._containers import items_of
from ._attribution import attribute
from ._plot import SIGNED, Display, height_of_map, limit, name_ticks, one_sequence, show_map, show_shares, whole_ticks
from ._target import check_explainable


class AttributionDisplay(Display):
    """Attributions of the values of a sequence: bars over the steps, or a map if there are several channels.

    Parameters
    ----------
    attributions : array-like of shape (n_steps, n_channels)
        A number for each value.
    tokens : list of str, default=None
        Names of the steps, shown if they are few.
    channel_names : list of str, default=None
        Names of the channels.
    label : str, default="attribution"
        What the numbers are.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    See Also
    --------
    attribute : The numbers, for many sequences.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.inspection import AttributionDisplay
    >>> X, y = np.random.default_rng(0).normal(size=(50, 5, 2)), np.arange(50) % 2
    >>> clf = RNNClassifier(4, max_iter=3, tol=0.01, random_state=0).fit(X, y)
    >>> AttributionDisplay.from_estimator(clf, X[0]).attributions.shape
    (5, 2)
    """

    def __init__(self, attributions, *, tokens=None, channel_names=None, label="attribution"):
        self.attributions, self.tokens = attributions, tokens
        self.channel_names, self.label = channel_names, label

    @classmethod
    def from_estimator(
        cls, estimator, x, *, target=None, method="integrated_gradients", baseline="mean", n_nodes=32, ax=None
    ):
        """Attribute the prediction of one sequence, and plot the attributions.

        Parameters
        ----------
        estimator : RNNClassifier or RNNRegressor
            A fitted estimator.
        x : array-like of shape (n_steps, n_channels), or X of one sequence
            The sequence.
        target : int, str or other class label, default=None
            See `attribute`.
        method : {"integrated_gradients", "gradient", "occlusion"}, default="integrated_gradients"
            See `attribute`.
        baseline : "mean" or array-like of shape (n_channels,), default="mean"
            See `attribute`.
        n_nodes : int, default=32
            See `attribute`.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        AttributionDisplay
            The display.
        """
        check_explainable(estimator)
        X = one_sequence(x, estimator.n_channels_)
        what = {"target": target, "method": method, "baseline": baseline, "n_nodes": n_nodes}
        found = attribute(estimator, X, **what).attributions
        names, tokens = found.channel_names, None
        if estimator.inputs_.is_text and found.n_channels == 1:
            tokens = [str(token) for token in np.asarray(items_of(X[0], "x")).ravel()]
        label = "gradient" if method == "gradient" else "attribution"
        return cls(found[0], tokens=tokens, channel_names=names, label=label).plot(ax=ax)

    def _size(self):
        return 7.0, height_of_map(np.shape(self.attributions)[1])

    def _draw(self, ax):
        values = np.asarray(self.attributions, float)
        ax.set_xlabel("step")
        if values.shape[1] == 1:
            show_shares(ax, values[:, 0])
            ax.set_ylabel(self.label)
        else:
            largest = limit(values)
            show_map(ax, values, low=-largest, high=largest, cmap=SIGNED, label=self.label)
            ax.set_ylabel("channel")
            name_ticks(ax.yaxis, self.channel_names or range(values.shape[1]))
        whole_ticks(ax)
        if name_ticks(ax.xaxis, self.tokens):
            ax.set_xlabel("")
