"""The weights that attention gives to the steps of one sequence."""

import numpy as np

from ._plot import (
    SEQUENTIAL,
    Display,
    height_of_map,
    name_ticks,
    one_sequence,
    require,
    show_map,
    show_shares,
    whole_ticks,
)
from ._time_axis import name_stride


class AttentionDisplay(Display):
    """Weights of attention over the steps of a sequence: bars, or of a decoder a map with a row for each output.

    Attention weights say which steps were read, not what they have changed: see `attribute`.

    Parameters
    ----------
    weights : array-like of shape (n_steps,) or (n_outputs, n_steps)
        Weights, which sum to 1 over the steps.
    steps, outputs : list of str, default=None
        Names, shown if they are few.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skrnn.inspection import AttentionDisplay
    >>> AttentionDisplay([[0.9, 0.1], [0.2, 0.8]], steps=["la", "vie"], outputs=["the", "life"]).plot().weights[0]
    [0.9, 0.1]
    """

    def __init__(self, weights, *, steps=None, outputs=None):
        self.weights, self.steps, self.outputs = weights, steps, outputs

    @classmethod
    def from_estimator(cls, estimator, x, *, ax=None):
        """Compute the weights of a fitted estimator, and plot them.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``attention_weights``, like a `Seq2SeqClassifier`, or an `RNNClassifier` with
            ``pooling="attention"``.
        x : array-like of shape (n_steps, n_channels), or X of one sequence
            The sequence.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        AttentionDisplay
            The display.
        """
        require(estimator, "attention_weights")
        require(estimator, "n_channels_")
        X = one_sequence(x, estimator.n_channels_)
        steps = outputs = None
        if hasattr(estimator, "attention") and hasattr(estimator, "classes_"):
            predicted = estimator.predict(X)
            weights, outputs = estimator.attention_weights(X, predicted)[0], predicted[0].tolist()
        else:
            weights = estimator.attention_weights(X)[0]
        if estimator.inputs_.is_text and estimator.inputs_.n_channels == 1:
            steps = [str(token) for token in np.asarray(X[0]).ravel()]
        display = cls(weights, steps=steps, outputs=outputs).plot(ax=ax)
        name_stride(display.ax_, estimator)
        return display

    def _size(self):
        return 7.0, height_of_map(1 if np.ndim(self.weights) == 1 else len(self.weights))

    def _draw(self, ax):
        weights = np.asarray(self.weights, float)
        ax.set_xlabel("step")
        if weights.ndim == 1:
            show_shares(ax, weights)
            ax.set_ylabel("weight")
        else:
            show_map(ax, weights.T, low=0, high=weights.max(initial=1e-12), cmap=SEQUENTIAL, label="weight")
            ax.set_ylabel("output")
            name_ticks(ax.yaxis, self.outputs or range(len(weights)))
        whole_ticks(ax)
        if self.steps is not None and len(self.steps) == weights.shape[-1]:
            name_ticks(ax.xaxis, self.steps)
