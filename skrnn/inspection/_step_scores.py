"""Scores of the steps of a sequence."""

from numbers import Integral

import numpy as np

from ..estimators._judged import Judged
from ._plot import STYLES, Display, above, legend_above, name_ticks, require, style
from ._time_axis import label_steps, position

MOST_LARGE_MARKERS = 2000
MOST_ALIKE = 20  # ratio of ranges of channels that are drawn on one scale


class StepScoreDisplay(Display):
    """Scores of the steps of a series below the series, with a threshold and the steps that are known to be unusual.

    Parameters
    ----------
    scores : array-like of shape (n_steps,)
        A score for each step; higher is more normal.
    x : array-like of shape (n_steps,) or (n_steps, n_channels), default=None
        The series.
    threshold : float, default=None
        Steps with lower scores are unusual.
    y_true : array-like of bool of shape (n_steps,), default=None
        Which steps are known to be unusual.
    channel_names : list of str, default=None
        Names of the channels of the series, shown if they are drawn above each other.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes with the scores.
    series_ax_ : matplotlib.axes.Axes or None
        The axes with the series, above.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skrnn.inspection import StepScoreDisplay
    >>> StepScoreDisplay.from_predictions([-1, -1, -9, -1], [0.1, 0.2, 5.0, 0.1], threshold=-5).threshold
    -5
    """

    def __init__(self, scores, x=None, *, threshold=None, y_true=None, channel_names=None):
        self.scores, self.x, self.threshold, self.y_true = scores, x, threshold, y_true
        self.channel_names = channel_names
        if np.size(scores) != len(scores):
            raise ValueError(
                f"scores has the shape {np.shape(scores)}: pass one for each step, like step_scores(X)[0]."
            )
        for name in ("x", "y_true"):
            given = getattr(self, name)
            if given is not None and len(given) != len(scores):
                raise ValueError(f"{name} has {len(given)} steps, but there are {len(scores)} scores.")

    @classmethod
    def from_estimator(cls, detector, X, *, sequence=0, y_true=None, ax=None):
        """Score the steps of one sequence, and plot the scores below it, with the threshold of the detector.

        Parameters
        ----------
        detector : SequenceOutlierDetector
            A fitted detector.
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences. The index of a frame in a list is shown.
        sequence : int, default=0
            Number of the sequence to show.
        y_true : array-like of bool of shape (n_steps,), default=None
            Which of its steps are known to be unusual.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        StepScoreDisplay
            The display.
        """
        require(detector, "step_scores")
        sequences = detector._validated(X)
        if not isinstance(sequence, Integral) or isinstance(sequence, bool) or not 0 <= sequence < len(sequences):
            raise ValueError(f"sequence={sequence!r} is none of the sequences, 0 to {len(sequences) - 1}.")
        judged = Judged.of(detector).which  # neither times nor codes
        (scores,) = detector.step_scores(sequences[sequence : sequence + 1])
        x, names = sequences[sequence][:, judged], sequences.channel_names
        names = None if names is None else [str(names[c]) for c in judged]
        if isinstance(X, (list, tuple)) and hasattr(X[sequence], "iloc"):
            given = X[sequence]
            x = type(given)(x[:, 0] if given.ndim == 1 else x, index=given.index)
        known = {"threshold": detector.step_offset_, "y_true": y_true, "channel_names": names}
        return cls(scores, x, **known).plot(ax=ax)

    @classmethod
    def from_predictions(cls, scores, x=None, *, threshold=None, y_true=None, ax=None):
        """Plot scores.

        Parameters
        ----------
        scores : array-like of shape (n_steps,)
            A score for each step; higher is more normal.
        x : array-like of shape (n_steps,) or (n_steps, n_channels), default=None
            The series.
        threshold : float, default=None
            Steps with lower scores are unusual.
        y_true : array-like of bool of shape (n_steps,), default=None
            Which steps are known to be unusual.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        StepScoreDisplay
            The display.
        """
        return cls(scores, x, threshold=threshold, y_true=y_true).plot(ax=ax)

    def _size(self):
        return 7.0, 3.6 if self.x is None else 4.6

    def _draw(self, ax):
        scores, self.series_ax_ = np.asarray(self.scores, float).ravel(), None
        where = position(self.scores if self.x is None else self.x)
        if self.x is not None:
            self.series_ax_ = above(ax, (1, 1))
            self._draw_series(where)
        ax.plot(where, scores, color="0.2", linewidth=0.9)
        if self.threshold is not None:
            ax.axhline(self.threshold, color="#d95f02", linestyle="--", linewidth=1, label="threshold")
            low = scores < self.threshold
            size = 3.5 if len(scores) <= MOST_LARGE_MARKERS else 1.5
            ax.plot(where[low], scores[low], "o", color="#a63603", markersize=size, label="below it")
        for panel in filter(None, (ax, self.series_ax_)):
            self._mark(panel, where)
            panel.margins(x=0.01)
        ax.set_ylabel("score of the step")
        legend_above(self.series_ax_ or ax, ax.get_legend_handles_labels()[0])
        label_steps(ax, where)

    def _draw_series(self, where):
        """A few channels on one scale; many, or of very different scales, above each other."""
        x, ax = np.asarray(self.x, float).reshape(len(where), -1), self.series_ax_
        low, high = np.nanmin(x, axis=0, initial=np.inf), np.nanmax(x, axis=0, initial=-np.inf)
        spans = (high - low)[high > low]
        if x.shape[1] <= len(STYLES) and spans.max(initial=0) <= MOST_ALIKE * spans.min(initial=np.inf):
            for k in range(x.shape[1]):
                ax.plot(where, x[:, k], linewidth=0.9, **style(k))
            ax.set_ylabel("series")
            return
        heights = np.divide(high - x, high - low, out=np.full(x.shape, 0.5), where=high > low)
        ax.plot(where, np.arange(x.shape[1]) - 0.5 + heights, color=STYLES[0]["color"], linewidth=0.6)
        ax.set(ylabel="channel", ylim=(x.shape[1] - 0.3, -0.7))
        name_ticks(ax.yaxis, self.channel_names)

    def _mark(self, ax, where):
        """Shade the steps that are known to be unusual."""
        if self.y_true is None:
            return
        known = np.flatnonzero(np.diff(np.r_[False, np.asarray(self.y_true, bool).ravel(), False]))
        for k, (begin, end) in enumerate(known.reshape(-1, 2)):
            first, last = where[begin], where[end - 1]
            if np.asarray(where).dtype.kind in "iu":
                first, last = first - 0.5, last + 0.5
            ax.axvspan(first, last, color="0.8", label=None if k else "known outliers")
