"""Gates and states of a layer while it reads one sequence."""

from numbers import Integral

import numpy as np

from .._core.members import refuse_several
from ..network.traces import trace
from ._plot import SEQUENTIAL, SIGNED, Display, grid_of, limit, one_sequence, require, show_map, whole_ticks
from ._time_axis import name_stride


class GateDisplay(Display):
    """Gates and states of a recurrent layer over the steps of a sequence, a map for each.

    Parameters
    ----------
    values : dict of str to array-like of shape (n_steps, n_units)
        Gates and states by name, in the letters of the equations of the cell.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes that hold the maps; they are not visible.
    axes_ : ndarray of matplotlib.axes.Axes
        An entry for each map.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNClassifier
    >>> from skrnn.inspection import GateDisplay
    >>> X, y = np.random.default_rng(0).normal(size=(50, 5, 2)), np.arange(50) % 2
    >>> clf = RNNClassifier(4, cell="gru", max_iter=3, tol=0.01, random_state=0).fit(X, y)
    >>> display = GateDisplay.from_estimator(clf, X[0])
    >>> {name: values.shape for name, values in display.values.items()}
    {'g': (5, 4), 'r': (5, 4), 'z': (5, 4), 'h': (5, 4)}
    """

    def __init__(self, values):
        self.values = values

    @classmethod
    def from_estimator(cls, estimator, x, *, layer=-1, direction="forward", ax=None):
        """Run an estimator on one sequence, and plot the gates and states of a layer.

        Parameters
        ----------
        estimator : object
            A fitted estimator that reads sequences.
        x : array-like of shape (n_steps, n_channels), or X of one sequence
            The sequence.
        layer : int, default=-1
            Number of the layer, from the input up.
        direction : {"forward", "backward"}, default="forward"
            Which direction of a bidirectional layer.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        GateDisplay
            The display.
        """
        require(estimator, "structure_")
        refuse_several(estimator, "GateDisplay")
        structure = estimator.structure_
        n_layers = len(structure.hidden_layer_sizes)
        if not isinstance(layer, Integral) or isinstance(layer, bool) or not -n_layers <= layer < n_layers:
            raise ValueError(f"layer={layer!r}, but the network has {n_layers} layers, from 0 to {n_layers - 1}.")
        directions = ("forward", "backward")[: 1 + structure.bidirectional]
        if direction not in directions:
            raise ValueError(f"direction={direction!r} is none of the directions of the network, {directions}.")
        predictor = estimator._predictor(one_sequence(x, estimator.n_channels_))
        with predictor.executor:
            display = cls(trace(predictor, layer, direction)).plot(ax=ax)
        name_stride(display.axes_[-1], estimator)
        return display

    def _size(self):
        return 7.0, 0.8 + 1.4 * len(self.values)

    def _draw(self, ax):
        n = len(self.values)
        ax.set_axis_off()
        grid = grid_of(ax, n, 1, hspace=0.12)
        self.axes_ = np.array([self.figure_.add_subplot(grid[k]) for k in range(n)])
        for panel, (name, values) in zip(self.axes_, self.values.items(), strict=True):
            values = np.asarray(values, float)
            is_gate = values.min() >= 0 and values.max() <= 1
            low, high = (0, 1) if is_gate else (-limit(values), limit(values))
            show_map(panel, values, low=low, high=high, cmap=SEQUENTIAL if is_gate else SIGNED, label=f"${name}_t$")
            panel.set(ylabel="unit")
            panel.yaxis.set_ticks([0, values.shape[1] - 1] if values.shape[1] > 1 else [0])
            panel.tick_params(labelbottom=panel is self.axes_[-1])
            whole_ticks(panel)
        self.axes_[-1].set_xlabel("step")
