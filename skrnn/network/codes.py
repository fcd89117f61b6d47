"""Sequences of labels as targets: rows of a matrix of codes, with -1 behind the last."""

import numpy as np


def padded(codes):
    """Arrays of codes as rows of a matrix, which has one column at least."""
    targets = np.full((len(codes), max(1, max(map(len, codes), default=1))), -1.0)
    for row, of_sequence in zip(targets, codes, strict=True):
        row[: len(of_sequence)] = of_sequence
    return targets


def unpadded(targets):
    """Rows of a matrix as arrays of codes."""
    return [row[row >= 0].astype(np.intp) for row in targets]


def count_equal_neighbours(labels):
    """How many of some labels are equal to the one before: a path needs a blank between."""
    return int((labels[1:] == labels[:-1]).sum())


class LabelSequenceLoss:
    """-log p of a sequence of labels that is not aligned with the steps; the last of the raw predictions is a blank.

    The loss of a sequence is the sum over all paths that spell its labels (see `kernels.ctc`), not divided by their
    number.
    """

    def n_raw(self, n_targets):
        """Number of raw predictions of a step for so many symbols."""
        return n_targets
