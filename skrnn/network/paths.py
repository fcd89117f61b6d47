"""What raw predictions of steps say about labels that are not aligned with them: see `kernels.ctc`.

A sequence n has the rows ``begins[n] .. begins[n] + lengths[n] - 1`` of `raw`, the last column of which is the blank.
Labels are codes: arrays of them, or rows of a matrix of targets (see `codes`).
"""

import numpy as np

from ..kernels import ctc, prefixes
from .codes import padded


def best_paths(raw, begins):
    """The labels of the most probable path of each sequence; sequences stand one after the other."""
    symbols = raw.argmax(axis=1)
    is_new = np.ones(len(symbols), bool)
    is_new[1:] = symbols[1:] != symbols[:-1]
    is_new[begins] = True
    is_label = is_new & (symbols < raw.shape[1] - 1)
    ends = np.cumsum(np.add.reduceat(is_label, begins, dtype=np.intp))
    return np.split(symbols[is_label], ends[:-1])


def most_probable(raw, begins, lengths, width):
    """The labels that a search over prefixes finds for each sequence, best first, with their log-probabilities.

    The search keeps `width` prefixes. What it ends with, and the labels of the best path, are scored exactly; where
    these are equal, the order is that of the search.
    """
    K = raw.shape[1]
    search = prefixes.Search.of(int(max(lengths)), width, K)
    found = []
    for n, best in enumerate(best_paths(raw, begins)):
        n_kept = prefixes.search_prefixes(raw, int(begins[n]), int(lengths[n]), K, tuple(search))
        of_sequence = [_spelled(search.nodes, node) for node in search.kept[:n_kept]]
        if best.tolist() not in of_sequence:
            of_sequence.append(best.tolist())
        found.append(of_sequence)
    counts = [len(of_sequence) for of_sequence in found]
    flat = [labels for of_sequence in found for labels in of_sequence]
    log_p = log_probabilities(raw, np.repeat(begins, counts), np.repeat(lengths, counts), padded(flat))
    result = []
    for of_sequence, scores in zip(found, np.split(log_p, np.cumsum(counts)[:-1]), strict=True):
        order = np.argsort(-scores, kind="stable")
        result.append([(np.array(of_sequence[i], np.intp), float(scores[i])) for i in order])
    return result


def _spelled(nodes, node):
    """The labels of the prefix that is a node."""
    labels = []
    while node > 0:
        labels.append(int(nodes[prefixes.LABEL, node]))
        node = nodes[prefixes.PARENT, node]
    return labels[::-1]


def log_probabilities(raw, begins, lengths, targets):
    """log p of each row of targets; -infinity if no path of so many steps spells it."""
    out = np.empty(len(targets))
    scratch = tuple(ctc.Scratch.of(int(max(lengths)), targets.shape[1], raw.shape[1]))
    ctc.log_probabilities(raw, begins, lengths, raw.shape[1], targets, scratch, out)
    return out


def alignment(raw, begins, lengths, targets):
    """For each label the step at which the most probable path that spells the row comes to it, as an array for each."""
    out = np.full(targets.shape, -1)
    scratch = tuple(ctc.Scratch.of(int(max(lengths)), targets.shape[1], raw.shape[1]))
    ctc.align(raw, begins, lengths, raw.shape[1], targets, scratch, out)
    return [steps[row >= 0] for steps, row in zip(out, targets, strict=True)]
