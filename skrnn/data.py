"""Sequences in the form that the network reads, with their targets and weights."""

import numpy as np

from .kernels.batches import plan_rows


class Data:
    """Sequences in the form that the network reads, with their targets and weights.

    Parameters
    ----------
    values : ndarray of shape (n_steps, n_channels)
        Steps of all sequences, in the dtype of the network.
    offsets : ndarray of shape (n_sequences + 1,)
        Where each sequence starts in `values`.
    target : ndarray of shape (n_rows, n_targets), default=None
        A row for each sequence, or for each step.
    weight : ndarray of shape (n_rows,), default=None
        Weights of these rows; None: 1.

    Attributes
    ----------
    weight : ndarray of shape (n_sequences,)
        Weights of the sequences: of one whose steps have targets, the sum of theirs.
    row_weight : ndarray of shape (n_rows,)
    """

    def __init__(self, values, offsets, target=None, weight=None):
        self.values, self.offsets, self.begins, self.lengths = values, offsets, offsets[:-1], np.diff(offsets)
        self.dtype = values.dtype
        self.set_target(target, weight)

    def set_target(self, target, weight=None):
        """Give the sequences or their steps targets, or None, and weights."""
        self.target = self.row_weight = self.weight = None
        if target is None:
            return
        self.target = np.ascontiguousarray(target, self.dtype)
        self.row_weight = self.weight = np.ones(len(target)) if weight is None else weight
        if len(target) > len(self.lengths):
            self.weight = np.add.reduceat(self.row_weight, self.begins)

    def read(self, stretch):
        """Values, and where in them each part of a sequence begins that is in `stretch`."""
        return self.values, self.begins[stretch.sequences] + stretch.first_steps

    def rows_of(self, plan, stretch):
        """Rows of the steps of a `stretch` whose plan this is, in the order of its live rows."""
        rows = np.empty(plan.starts[-1] - plan.starts[1], np.int64)
        plan_rows(plan.starts, self.begins[stretch.sequences] + stretch.first_steps, rows)
        return rows

    def target_rows(self, indices):
        """Rows of the targets of the sequences `indices`, in their order."""
        return indices if len(self.target) == len(self.lengths) else self.step_rows(indices)

    def step_rows(self, indices):
        """Rows of the steps of the sequences `indices`, in their order."""
        lengths = self.lengths[indices]
        ends = np.cumsum(lengths)
        return np.arange(lengths.sum()) + np.repeat(self.begins[indices] - ends + lengths, lengths)

    def by_length(self, indices):
        """The sequences `indices`, longest first."""
        return indices[np.argsort(-self.lengths[indices], kind="stable")]

    def longest(self, indices):
        """Steps of the longest of the sequences `indices` that have a weight."""
        return self.lengths[indices[self.weight[indices] > 0]].max()

    def most_steps(self, n_rows):
        """Steps that `n_rows` sequences have at most."""
        return int(np.sort(self.lengths)[-n_rows:].sum())
