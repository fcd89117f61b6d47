"""Search for the most probable sequences of labels, given what a model says of the next label.

Nothing here knows a network: a model is a function of the labels so far.
"""

from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """Hypotheses that have ended, sorted by sequence, and for each sequence the best first.

    Attributes
    ----------
    sequence : ndarray of int64 of shape (n_found,)
        The sequence that each belongs to.

    labels : ndarray of int64 of shape (n_labels_total,)
        Labels of all, one behind the other, without start and end.

    offsets : ndarray of int64 of shape (n_found + 1,)
        Where the labels of each begin.

    log_probability : ndarray of float64 of shape (n_found,)
        Sum of the log-probabilities of its labels and the end.

    score : ndarray of float64 of shape (n_found,)
        Log-probability over ``(n_labels + 1) ** length_penalty``.

    is_cut : ndarray of bool of shape (n_found,)
        Whether `max_length` ended it, where the model would have gone on.
    """

    sequence: np.ndarray
    labels: np.ndarray
    offsets: np.ndarray
    log_probability: np.ndarray
    score: np.ndarray
    is_cut: np.ndarray


def search(step, start, n_sequences, *, end, beam_width, n_best, max_length, length_penalty):
    """Search for the best label sequences of several sequences at once.

    The rules:

    - A hypothesis is scored by its log-probability over ``length ** length_penalty``. The end counts in both, so an
      empty sequence has length 1. A penalty of 0 leaves the log-probability.
    - A step extends all hypotheses of a sequence by all labels, and keeps the `beam_width` most probable ones, sorted.
      Of equally probable ones, those of the hypothesis that stood further in front come first, and of one hypothesis
      those of the smaller label. Kept ones that end are put aside and are never extended; the others go on.
    - The path that takes the most probable label each time is always kept, in the last place if need be. So no beam is
      worse than ``beam_width=1``, which is this path alone.
    - A hypothesis of `max_length` labels ends, with the log-probability of the end. All log-probabilities thus are
      those of whole sequences.
    - The search of a sequence stops when `n_best` have ended and none that goes on can get a better score, at the best
      length that it can still reach. Of equal scores, what has ended first comes first.
    - Labels of log-probability -inf are never taken.

    Sequences do not see each other: as long as `step` computes each row alone, results are equal bit for bit for any
    `n_sequences` and order.

    Parameters
    ----------
    step : callable
        ``step(labels, parents)`` reads a label in each hypothesis and returns the log-probabilities of the next one, an
        array of floats of shape (n_rows, n_labels), which is overwritten here and may not contain NaN. There is a row
        for each hypothesis that goes on, sorted by sequence: at first one for each sequence, never more than
        ``n_sequences * beam_width``, and none for sequences whose search has stopped. `labels`, int64 of shape
        (n_rows,), holds the last label of each. `parents`, alike, holds the row in the call before of the hypothesis
        that each continues; in the first call ``arange(n_sequences)``. So if `state` and `sequence` have a row for each
        sequence before the first call, ``state[parents]`` is what each row goes on from, and ``sequence[parents]`` the
        sequence that it belongs to.

    start : int or array of int of shape (n_sequences,)
        What the first call reads.

    n_sequences : int
        Number of sequences.

    end : int
        The label of the end, below ``n_labels``.

    beam_width : int
        Hypotheses that are kept of each sequence, at least 1. May exceed ``n_labels``.

    n_best : int
        Hypotheses that are wanted of each sequence, from 1 to `beam_width`.

    max_length : int or array of int of shape (n_sequences,)
        Most labels without the end, at least 0.

    length_penalty : float
        Exponent of the length; positive values favour longer sequences.

    Returns
    -------
    Found
        Up to `n_best` for each sequence. There are fewer only if fewer have a probability above 0.

    Raises
    ------
    ValueError
        If a log-probability is NaN.
    """
    beams = _Beams(n_sequences, end, beam_width, n_best, max_length, length_penalty)
    labels, parents = np.broadcast_to(np.asarray(start, dtype=np.int64), (n_sequences,)), np.arange(n_sequences)
    while len(labels):
        labels, parents = beams.advance(step(labels, parents))
    return beams.found()


class _Beams:
    """The hypotheses of all sequences that go on, in rows, and those that have ended.

    Rows are sorted by sequence, then by log-probability. All have `n_labels` labels.
    """

    def __init__(self, n_sequences, end, beam_width, n_best, max_length, length_penalty):
        self._end, self._width, self._penalty = end, beam_width, length_penalty
        self._limit = np.broadcast_to(np.asarray(max_length, dtype=np.int64), (n_sequences,))
        self._longest = np.array([self._divisor(limit + 1) for limit in self._limit.tolist()])
        self._n_labels = 0
        self._sequence = np.arange(n_sequences)
        self._total = np.zeros(n_sequences)  # log-probabilities
        self._is_greedy = np.ones(n_sequences, dtype=bool)
        self._history = []  # labels and parents of the rows after each step
        self._ended = []  # arrays of what ended in each step: sequence, row, number of labels, total, score, is cut
        self._best = np.full((n_sequences, n_best), -np.inf)  # scores of the best that have ended, in falling order

    def _divisor(self, length):
        """What the log-probability of a hypothesis of this length, with its end, is divided by."""
        try:
            return float(length) ** self._penalty
        except OverflowError:
            raise ValueError(
                f"length_penalty={self._penalty} is too large for outputs of {length} labels, the end included: "
                f"{length} to this power overflows. A penalty of 1 ranks by the mean for each label."
            ) from None

    def advance(self, log_p):
        """Go a step on; returns the labels and parents of the rows that go on."""
        is_cut = self._end_the_longest(log_p)
        labels, log_p = _most_probable(log_p, min(self._width, log_p.shape[1]))
        if np.isnan(log_p[:, 0]).any():  # NaN counts as the largest
            i = int(self._sequence[np.isnan(log_p[:, 0]).argmax()])
            raise ValueError(f"the log-probabilities after {self._n_labels} labels of sequence {i} contain NaN.")
        totals = self._total[:, np.newaxis] + log_p
        row, rank = self._keep(totals)
        label, total, sequence = labels[row, rank], totals[row, rank], self._sequence[row]
        ends = label == self._end
        if ends.any():
            self._put_aside(sequence[ends], row[ends], total[ends], is_cut[row[ends]])
        self._n_labels += 1
        on = np.flatnonzero(~ends)
        on = on[self._can_win(sequence[on], total[on])]
        self._sequence, self._total = sequence[on], total[on]
        self._is_greedy = self._is_greedy[row[on]] & (rank[on] == 0)
        self._history.append((label[on], row[on]))
        return self._history[-1]

    def _end_the_longest(self, log_p):
        """Leave no label but the end to rows that are at their limit; tells which of them would have gone on."""
        is_longest = self._limit[self._sequence] == self._n_labels
        rows = np.flatnonzero(is_longest)
        if len(rows) == 0:
            return is_longest
        is_longest[rows] = log_p[rows].argmax(axis=1) != self._end
        of_end = log_p[rows, self._end]
        log_p[rows] = -np.inf
        log_p[rows, self._end] = of_end
        return is_longest

    def _keep(self, totals):
        """Row, and rank of the label in its row, of the candidates that are kept, sorted as rows are."""
        n_ranks = totals.shape[1]
        first = np.flatnonzero(np.diff(self._sequence, prepend=-1))  # row of each sequence
        block = np.repeat(np.arange(len(first)), np.diff(first, append=len(totals)))
        place = np.arange(len(totals)) - first[block]
        table = np.full((len(first), self._width, n_ranks), -np.inf)
        table[block, place] = totals
        table = table.reshape(len(first), -1)
        kept = np.argsort(-table, axis=1, kind="stable")[:, : self._width]
        greedy = np.flatnonzero(self._is_greedy & (totals[:, 0] > -np.inf))
        lost = (kept[block[greedy]] != place[greedy, np.newaxis] * n_ranks).all(axis=1)
        kept[block[greedy[lost]], -1] = place[greedy[lost]] * n_ranks
        is_possible = np.take_along_axis(table, kept, axis=1) > -np.inf
        return (first[:, np.newaxis] + kept // n_ranks)[is_possible], (kept % n_ranks)[is_possible]

    def _put_aside(self, sequence, row, total, is_cut):
        score = total / self._divisor(self._n_labels + 1)
        self._ended.append((sequence, row, np.full(len(row), self._n_labels), total, score, is_cut))
        which, index = np.unique(sequence, return_inverse=True)
        new = np.full((len(which), self._width), -np.inf)
        new[index, np.arange(len(index)) - np.searchsorted(index, index)] = score
        best = np.hstack([self._best[which], new])
        best.sort(axis=1)
        self._best[which] = best[:, ::-1][:, : self._best.shape[1]]

    def _can_win(self, sequence, total):
        """Whether rows belong to a sequence of which one may still get among the best.

        A log-probability only falls, so the score is at most what it would be now, at the shortest or the longest
        length that can be reached. On a tie, the one that has ended earlier wins.
        """
        bound = total / np.maximum(self._divisor(self._n_labels + 1), self._longest[sequence])
        is_open = np.zeros(len(self._limit), dtype=bool)
        is_open[sequence[bound > self._best[sequence, -1]]] = True
        return is_open[sequence]

    def found(self):
        """The best of what has ended."""
        if not self._ended:
            nothing = np.zeros(0, dtype=np.int64)
            return Found(nothing, nothing, np.zeros(1, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, bool))
        sequence, row, n_labels, total, score, is_cut = map(np.concatenate, zip(*self._ended, strict=True))
        order = np.lexsort((-score, sequence))  # stable: of equal ones, what ended first comes first
        rank = np.arange(len(order)) - np.searchsorted(sequence[order], sequence[order])
        order = order[rank < self._best.shape[1]]
        offsets = np.concatenate([[0], np.cumsum(n_labels[order])])
        labels = self._labels(row[order], n_labels[order], offsets)
        return Found(sequence[order], labels, offsets, total[order], score[order], is_cut[order])

    def _labels(self, row, n_labels, offsets):
        """The labels on the way to each row, walked back."""
        labels = np.empty(offsets[-1], dtype=np.int64)
        for t in range(n_labels.max(initial=0) - 1, -1, -1):
            on = np.flatnonzero(n_labels > t)
            of_rows, parents = self._history[t]
            labels[offsets[on] + t] = of_rows[row[on]]
            row[on] = parents[row[on]]
        return labels


def _most_probable(log_p, n):
    """The n most probable labels of each row, and their log-probabilities; of equal ones the smaller label first.

    A pass for each costs less than to sort, or partition, a large vocabulary, and finds the smaller label.
    """
    rows = np.arange(len(log_p))
    labels, found = np.empty((len(log_p), n), dtype=np.int64), np.empty((len(log_p), n))
    for k in range(n):
        labels[:, k] = log_p.argmax(axis=1)
        found[:, k] = log_p[rows, labels[:, k]]
        log_p[rows, labels[:, k]] = -np.inf
    return labels, found
