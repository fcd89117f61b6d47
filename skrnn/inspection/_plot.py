"""What the displays share: `plot`, axes, and colours that can be told apart in grey as well."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..sequences import SequenceArray
from ._target import advice

# Dark to light, with a style of its own each.
STYLES = (
    {"color": "#08306b", "linestyle": "-"},
    {"color": "#d95f02", "linestyle": "--"},
    {"color": "#41ab5d", "linestyle": "-."},
    {"color": "#9e9ac8", "linestyle": ":"},
)
SEQUENTIAL, SIGNED = "viridis", "cividis"  # both from dark to light
MOST_TICKS, MOST_LETTERS, MOST_BARS, MOST_COLUMNS = 40, 60, 200, 1000


def style(k):
    """Colour and line style of the curve with number k."""
    return STYLES[k % len(STYLES)]


class Display:
    """Base of displays: they hold numbers, which `plot` draws by their `_draw`."""

    @classmethod
    def from_predictions(cls, *numbers, ax=None, **names):
        """Plot numbers that are there.

        Parameters
        ----------
        *numbers : array-like
            Parameters of the display.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.
        **names : object
            Parameters of the display, by name.

        Returns
        -------
        object
            The display.
        """
        return cls(*numbers, **names).plot(ax=ax)

    def plot(self, ax=None):
        """Plot the numbers of the display.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        self : object
            The display, which now has `ax_` and `figure_`.
        """
        self.ax_ = axes_for(ax, type(self).__name__, self._size())
        self.figure_ = self.ax_.figure
        self._draw(self.ax_)
        return self

    def _size(self):
        """Width and height of a new figure, in inches."""
        return 7.0, 3.6


def axes_for(ax, owner, figsize):
    """The axes to plot into: `ax`, or those of a new figure."""
    try:
        import matplotlib.pyplot as plt  # noqa: PLC0415
    except ImportError as error:
        raise ImportError(f'{owner}.plot needs matplotlib: pip install "skrnn[plot]".') from error
    return plt.subplots(figsize=figsize, layout="constrained")[1] if ax is None else ax


def require(estimator, name):
    """Refuse an estimator that has not what a display shows."""
    if name.endswith("_"):
        check_is_fitted(estimator)
    if not hasattr(estimator, name):
        who = type(estimator).__name__
        raise ValueError(f"{who} has no {name}, which this display needs.{advice(estimator)}")


def one_sequence(x, n_channels):
    """An X of the only sequence that is given, by itself or as an X, for a network of so many channels."""
    shape = np.shape(x) if not isinstance(x, SequenceArray) else ()
    is_row = len(shape) == 2 and shape[0] == 1 != shape[1] and n_channels == 1  # X of a table, or of tokens
    is_many = isinstance(x, SequenceArray) or len(shape) == 3 or is_row
    if is_many and len(x) != 1:
        raise ValueError(f"A display shows one sequence, but X has {len(x)}: pass one of them, like X[0].")
    return x if is_many else [x]


def grid_of(ax, *shape, **options):
    """Places for several axes where `ax` is."""
    place = ax.get_subplotspec()
    if place is None:
        raise ValueError("This display divides ax, which must be one of a grid, as those of plt.subplots() are.")
    return place.subgridspec(*shape, **options)


def limit(values):
    """The largest absolute value, or 1 if there is none above 0."""
    largest = np.nanmax(np.abs(values), initial=0.0)
    return float(largest) if largest > 0 else 1.0


def height_of_map(n_rows):
    """Height of a figure of a map, or of bars for one row, in inches."""
    return 3.0 if n_rows == 1 else min(7.0, 1.8 + 0.25 * n_rows)


def above(ax, heights):
    """New axes in the upper part of the place of `ax`, which keeps the lower one, with the heights of both."""
    upper, lower = grid_of(ax, 2, 1, hspace=0.08, height_ratios=heights)
    ax.set_subplotspec(lower)
    new = ax.figure.add_subplot(upper, sharex=ax)
    new.tick_params(labelbottom=False)
    return new


def legend_above(ax, handles=None, n_columns=4):
    """A legend above the axes, where no curve is."""
    if handles is None:
        handles, _ = ax.get_legend_handles_labels()
    if handles:
        place = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0)}
        ax.legend(handles=handles, ncols=min(len(handles), n_columns), frameon=False, **place)


def show_map(ax, values, *, low, high, cmap, label):
    """An image of `values` (n_steps, n_rows) over steps, with a bar of colours."""
    values = np.asarray(values, float)
    extent = -0.5, len(values) - 0.5, values.shape[1] - 0.5, -0.5
    what = {"aspect": "auto", "cmap": cmap, "vmin": low, "vmax": high, "interpolation": "nearest", "extent": extent}
    image = ax.imshow(_most_telling(values).T, **what)
    ax.figure.colorbar(image, ax=ax, label=label, pad=0.02)
    return image


def _most_telling(values):
    """The values; of neighbours that share a pixel, the one farthest from 0, as a mean would hide single steps."""
    width = -(-len(values) // MOST_COLUMNS)
    if width == 1:
        return values
    padded = np.pad(values, ((0, -len(values) % width), (0, 0)))
    groups = padded.reshape(-1, width, values.shape[1])
    return np.take_along_axis(groups, np.abs(groups).argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]


def name_ticks(axis, names):
    """Ticks with names, unless there are too many; returns whether there are."""
    if names is None or len(names) > MOST_TICKS:
        return False
    names = [str(name) for name in names]
    is_wide = axis.axis_name == "x" and sum(map(len, names)) > MOST_LETTERS
    axis.set_ticks(range(len(names)), labels=names, rotation=90 if is_wide else 0)
    return True


def whole_ticks(ax):
    """Ticks of steps at whole numbers."""
    from matplotlib.ticker import MaxNLocator  # noqa: PLC0415

    ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def show_shares(ax, shares):
    """Shares of steps as bars, or where there are many as an area."""
    steps = np.arange(len(shares))
    if len(shares) <= MOST_BARS:
        ax.bar(steps, shares, width=0.8, color=STYLES[0]["color"])
    else:
        ax.fill_between(steps, shares, step="mid", color=STYLES[0]["color"], linewidth=0.4)
    ax.axhline(0, color="0.3", linewidth=0.8)
    ax.margins(x=0.01)
