"""Decisions before a sequence has ended: how many, when, and how good they are."""

import numpy as np

from ._plot import STYLES, Display, above, legend_above, require, whole_ticks

MOST_MARKERS, MOST_BARS = 30, 60


class EarlyDecisionDisplay(Display):
    """Accuracy and share of decided sequences over the steps read, and below it when decisions fell.

    The curve is the accuracy if all sequences are decided after the same number of steps. The diamond, "early", is the
    accuracy if each is decided at its own time, over the mean number of steps read: it is worth it above the curve.

    Parameters
    ----------
    accuracy : array-like of shape (n_steps,)
        Accuracy of a decision for all sequences after step 1, 2 and so on.
    n_steps_read : array-like of int of shape (n_sequences,)
        After how many steps each sequence was decided.
    is_right : array-like of bool of shape (n_sequences,)
        Whether these decisions are right.

    Attributes
    ----------
    ax_ : matplotlib.axes.Axes
        The axes with the numbers of decisions.
    accuracy_ax_ : matplotlib.axes.Axes
        The axes with the accuracy and the share of decided sequences, above.
    figure_ : matplotlib.figure.Figure
        The figure.

    Examples
    --------
    >>> from skrnn.inspection import EarlyDecisionDisplay
    >>> after_steps = [[[0.5, 0.5], [0.1, 0.9]], [[0.8, 0.2], [0.2, 0.8]]]  # of two sequences, after step 1 and 2
    >>> display = EarlyDecisionDisplay.from_predictions(after_steps, [2, 1], ["no", "yes"])
    >>> display.accuracy, display.is_right
    (array([1., 1.]), array([ True,  True]))
    """

    def __init__(self, accuracy, n_steps_read, is_right):
        self.accuracy, self.n_steps_read, self.is_right = accuracy, n_steps_read, is_right

    @classmethod
    def from_estimator(cls, estimator, X, y, *, ax=None):
        """Decide on sequences early, and plot the decisions.

        Parameters
        ----------
        estimator : object
            A fitted estimator with ``predict_early``, which returns labels and numbers of steps, ``classes_``, and in
            ``estimator_`` a classifier with ``staged_predict_proba``.
        X : array-like of shape (n_sequences, n_steps, n_channels), list of array-like, SequenceArray or frame
            The sequences, preferably held-out ones.
        y : array-like of shape (n_sequences,)
            The classes.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        EarlyDecisionDisplay
            The display.
        """
        require(estimator, "predict_early")
        labels, n_steps_read = estimator.predict_early(X)
        after_steps = estimator.estimator_.staged_predict_proba(X)
        known = {"y_pred": labels, "classes": estimator.classes_, "ax": ax}
        return cls.from_predictions(after_steps, n_steps_read, y, **known)

    @classmethod
    def from_predictions(cls, probabilities, n_steps_read, y_true, *, y_pred=None, classes=None, ax=None):
        """Plot decisions.

        Parameters
        ----------
        probabilities : iterable of array-like of shape (n_sequences, n_classes)
            Probabilities of the classes after step 1, 2 and so on, like those of ``staged_predict_proba``. A sequence
            that has ended keeps its last ones.
        n_steps_read : array-like of int of shape (n_sequences,)
            After how many steps each sequence was decided.
        y_true : array-like of shape (n_sequences,)
            The classes.
        y_pred : array-like of shape (n_sequences,), default=None
            What was decided. None means the most probable class after so many steps.
        classes : array-like of shape (n_classes,), default=None
            Labels of the columns of probabilities. None means those of `y_true`, sorted.
        ax : matplotlib.axes.Axes, default=None
            The axes to plot into; if None, those of a new figure.

        Returns
        -------
        EarlyDecisionDisplay
            The display.
        """
        y_true = np.asarray(y_true)
        n_read = _whole_numbers(n_steps_read, y_true)
        classes = np.unique(y_true) if classes is None else np.asarray(classes)
        accuracy, decided = [], np.empty(len(y_true), dtype=classes.dtype)
        for n, after in enumerate(probabilities, start=1):  # one after the other: all together may be large
            labels = classes[_checked(after, n, y_true, classes).argmax(axis=1)]
            accuracy.append(np.mean(labels == y_true))
            decided = np.where(n_read == n, labels, decided)
        if not np.isin(y_true, classes).any():
            raise ValueError(f"none of y_true is among the classes {classes.tolist()}.")
        if n_read.max() > len(accuracy):
            raise ValueError(
                f"n_steps_read has {n_read.max()}, but there are probabilities after {len(accuracy)} steps only."
            )
        if y_pred is not None:
            decided = np.asarray(y_pred)
            if decided.shape != y_true.shape:
                raise ValueError(f"y_pred has the shape {decided.shape}, but y_true {y_true.shape}.")
        return cls(np.array(accuracy), n_read, decided == y_true).plot(ax=ax)

    def _size(self):
        return 7.0, 4.6

    def _draw(self, ax):
        accuracy, n_read = np.asarray(self.accuracy, float), np.asarray(self.n_steps_read)
        is_right, steps = np.asarray(self.is_right, bool), np.arange(1, len(accuracy) + 1)
        self.accuracy_ax_ = top = above(ax, (2, 1))
        few = {"marker": "o", "markersize": 3} if len(steps) <= MOST_MARKERS else {}
        top.plot(steps, accuracy, label="accuracy, all here", **STYLES[0], **few)
        decided = np.bincount(n_read, minlength=len(steps) + 1)[1:].cumsum() / len(n_read)
        top.step(steps, decided, where="post", label="share decided", **STYLES[1])
        mean = n_read.mean()
        label = f"early: {is_right.mean():.3f} at {mean:.{1 if mean < 100 else 0}f}"
        top.plot(mean, is_right.mean(), "D", color="black", markersize=7, label=label, zorder=5)
        top.set(ylim=(-0.03, 1.03), ylabel="share")
        edges = np.linspace(0, len(steps), min(len(steps), MOST_BARS) + 1).round() + 0.5
        looks = {"color": [STYLES[0]["color"], STYLES[1]["color"]], "label": ["right", "wrong"]}
        ax.hist([n_read[is_right], n_read[~is_right]], bins=edges, stacked=True, rwidth=0.9, **looks)
        ax.set(xlabel="steps read", ylabel="decisions")
        ax.margins(x=0.01)
        legend_above(top, [*top.get_legend_handles_labels()[0], *ax.get_legend_handles_labels()[0]], n_columns=3)
        whole_ticks(ax)


def _whole_numbers(n_steps_read, y_true):
    """Numbers of steps (n_sequences,), 1 or more."""
    n_read = np.asarray(n_steps_read)
    if n_read.shape != y_true.shape or n_read.ndim != 1 or not len(n_read):
        raise ValueError(f"n_steps_read has the shape {n_read.shape}, y_true {y_true.shape}: both are (n_sequences,).")
    if n_read.dtype.kind not in "iu" or n_read.min() < 1:
        raise ValueError("n_steps_read must be whole numbers of steps, 1 or more.")
    return n_read


def _checked(after, n, y_true, classes):
    """Probabilities after step n."""
    found = np.asarray(after, float)
    if found.shape != (len(y_true), len(classes)):
        raise ValueError(
            f"the probabilities after step {n} have the shape {found.shape}: expected {(len(y_true), len(classes))}, a "
            f"row for each of y_true and a column for each of {classes.tolist()}. Pass classes to name the columns."
        )
    return found
