"""Predictions in stages: of sequences that no fit has seen, and of those to decide on."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.utils.validation import has_fit_parameter

from ..sequences import SequenceArray

MOST_STAGES = 100


@dataclass
class Stages:
    """Probabilities of held-out sequences after 1, 2, ... times `every` steps, the last one after all.

    proba : ndarray of shape (n, n_stages, n_classes); lengths : ndarray of shape (n,); n_usual : a usual length
    """

    proba: np.ndarray
    lengths: np.ndarray
    every: int
    n_usual: float

    @property
    def steps(self):
        """How many steps of each sequence each stage has read, (n, n_stages)."""
        ends = np.arange(1, self.proba.shape[1] + 1) * self.every
        return np.minimum(ends, self.lengths[:, np.newaxis])

    @property
    def has_ended(self):
        return self.steps == self.lengths[:, np.newaxis]

    @property
    def is_new(self):
        """Whether a stage has read more than the one before."""
        return np.diff(self.steps, axis=1, prepend=0) > 0


@dataclass
class TrainingPart:
    """Sequences with their classes, and what else a fit takes; `cuts`: the length of a prefix of each, or None."""

    sequences: SequenceArray
    y: np.ndarray
    weights: np.ndarray | None
    groups: np.ndarray | None
    cuts: np.ndarray | None

    def __getitem__(self, rows):
        return TrainingPart(*(None if each is None else each[rows] for each in vars(self).values()))

    def without_prefixes(self):
        return TrainingPart(self.sequences, self.y, self.weights, self.groups, None)

    def fit(self, estimator):
        """A clone of the estimator, fitted on the sequences and then on their prefixes."""
        X, y, weights, groups = self.sequences, self.y, self.weights, self.groups
        if self.cuts is not None:
            X = SequenceArray.concatenate([X, prefixes(X, self.cuts)])
            y, weights = np.concatenate([y, y]), None if weights is None else np.concatenate([weights, weights])
            if groups is None and getattr(estimator, "early_stopping", False) is True:
                groups = np.arange(len(self.y))  # a sequence and its prefix are held out together, or not
            groups = None if groups is None else np.concatenate([groups, groups])
        given = {"sample_weight": weights, "groups": groups if has_fit_parameter(estimator, "groups") else None}
        return clone(estimator).fit(X, y, **{name: value for name, value in given.items() if value is not None})


def prefixes(sequences, lengths):
    """The first steps of each sequence."""
    first = np.repeat(sequences.offsets[:-1], sequences.lengths)
    kept = np.arange(len(first)) - first < np.repeat(lengths, sequences.lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return SequenceArray(sequences.values[kept], offsets, sequences.channel_names)


def spacing(lengths):
    """Steps from one stage to the next."""
    return -(-int(lengths.max()) // MOST_STAGES)


def stages_of(estimator, sequences, every):
    """Yield (steps so far, probabilities) at every such step and at the last one; refuses stages that are no steps."""
    n_steps, t, last = int(sequences.lengths.max()), 0, None
    for t, proba in enumerate(estimator.staged_predict_proba(sequences), 1):
        if t % every == 0 and t < n_steps:
            yield t, proba
        elif t > n_steps:
            break
        last = proba
    if t != n_steps:
        more = "or more " if t > n_steps else ""
        raise ValueError(
            f"staged_predict_proba of {type(estimator).__name__} gave {t} {more}stages for sequences of up to "
            f"{n_steps} steps: stages must be those after each step."
        )
    yield t, last


def held_out(estimator, part, folds, classes, every):
    """Stages (n_test, n_stages, n_classes) of the sequences of a fold, for a fit on the others."""
    train, test = folds
    fitted, X = part[train].fit(estimator), part.sequences[test]
    if not np.isin(fitted.classes_, classes).all():  # of one that is frozen
        own, known = (np.asarray(each).tolist() for each in (fitted.classes_, classes))
        raise ValueError(f"The estimator knows the classes {own}, but y has {known}: encode y as in its fit.")
    columns = np.searchsorted(classes, fitted.classes_)
    n_stages = -(-int(part.sequences.lengths.max()) // every)
    out = np.zeros((len(test), n_stages, len(classes)), np.float32)
    for k, (_, proba) in enumerate(stages_of(fitted, X, every)):
        out[:, k:, columns] = proba[:, np.newaxis]  # also of later ones, at which all of them have ended
    return out
