"""The most probable labels without alignment, by a search over prefixes (see `ctc`).

A prefix has two probabilities: of its paths that end in a blank, and of those that end in its last label. Paths that
come to one prefix are added, however they came there: prefixes are the nodes of a tree, each of which exists once.
"""

import math
from typing import NamedTuple

import numpy as np

from ._jit import kernel
from .activations import log_sum_exp

# Rows of `Search.nodes`. A node is a prefix: a label behind the prefix that is its parent.
PARENT, LABEL, CHILD, SIBLING, PLACE, N_NODE_ROWS = range(6)  # CHILD: the newest; PLACE: among those kept, or -1
TOTAL, ENDS_BLANK, ENDS_LABEL, N_LOGS = range(4)  # rows of logarithms


class Search(NamedTuple):
    """What a prefix search works in, for up to T steps and `width` prefixes."""

    nodes: np.ndarray  # (N_NODE_ROWS, 1 + T width)  int64
    kept: np.ndarray  # (width,)                     nodes of the prefixes, best first, int64
    logs: np.ndarray  # (N_LOGS, width)              of their probabilities
    found: np.ndarray  # (2, width)                  the best of the next step: a node, and a label behind it or -1
    found_logs: np.ndarray  # (N_LOGS, width)
    log_p: np.ndarray  # (2, K)                      log-probabilities of the symbols at a step, in the first row

    @classmethod
    def of(cls, n_steps, width, n_symbols):
        """Room for sequences of up to so many steps."""
        nodes, kept = np.zeros((N_NODE_ROWS, 1 + n_steps * width), np.int64), np.zeros(width, np.int64)
        logs, found_logs = np.zeros((N_LOGS, width)), np.zeros((N_LOGS, width))
        return cls(nodes, kept, logs, np.zeros((2, width), np.int64), found_logs, np.zeros((2, n_symbols)))


@kernel
def _add(a, b):
    """log(e^a + e^b), of numbers; -infinity is log 0."""
    if a < b:
        a, b = b, a
    return a if b == -math.inf else a + math.log1p(math.exp(b - a))


@kernel
def search_prefixes(raw, row, T, K, search):
    """Find probable prefixes of rows ``row .. row + T - 1``; returns how many there are.

    The nodes of the best are in ``kept``, best first. Of equal ones the earlier stays: prefixes that were kept before,
    in their order, then longer ones, by the order of what they extend and of their labels.
    """
    a = Search(*search)
    n_nodes, n_kept = 1, 1
    _begin_node(a, 0, -1, -1)
    a.kept[0], a.nodes[PLACE, 0] = 0, 0
    a.logs[TOTAL, 0], a.logs[ENDS_BLANK, 0], a.logs[ENDS_LABEL, 0] = 0.0, 0.0, -math.inf
    for t in range(T):
        for k in range(K):
            a.log_p[0, k] = raw[row + t, k]
        top, rest = log_sum_exp(a.log_p, 0, K)
        for k in range(K):
            a.log_p[0, k] = (a.log_p[0, k] - top) - rest
        n_found = _extend(a, n_kept, K, _stay(a, n_kept, K))
        n_nodes, n_kept = _keep(a, n_kept, n_found, n_nodes), n_found
    return n_kept


@kernel
def _begin_node(a, node, parent, label):
    a.nodes[PARENT, node], a.nodes[LABEL, node] = parent, label
    a.nodes[CHILD, node] = a.nodes[SIBLING, node] = a.nodes[PLACE, node] = -1


@kernel
def _offer(a, n_found, node, label, ends_blank, ends_label):
    """Take a prefix in if it is among the best so far; returns how many these are."""
    total, width = _add(ends_blank, ends_label), a.kept.shape[0]
    if total == -math.inf or (n_found == width and not total > a.found_logs[TOTAL, width - 1]):
        return n_found
    i = min(n_found, width - 1)
    while i > 0 and total > a.found_logs[TOTAL, i - 1]:
        for k in range(2):
            a.found[k, i] = a.found[k, i - 1]
        for k in range(N_LOGS):
            a.found_logs[k, i] = a.found_logs[k, i - 1]
        i -= 1
    a.found[0, i], a.found[1, i] = node, label
    a.found_logs[TOTAL, i], a.found_logs[ENDS_BLANK, i], a.found_logs[ENDS_LABEL, i] = total, ends_blank, ends_label
    return min(n_found + 1, width)


@kernel
def _extended(a, i, label):
    """Log-probability that kept prefix i gets another `label`: an equal one needs a blank before."""
    repeats = a.nodes[LABEL, a.kept[i]] == label
    return a.logs[ENDS_BLANK if repeats else TOTAL, i] + a.log_p[0, label]


@kernel
def _stay(a, n_kept, K):
    """Offer the prefixes that are kept; also paths come to them from the prefix before, if it is kept, too."""
    n_found = 0
    for i in range(n_kept):
        node = a.kept[i]
        parent, label = a.nodes[PARENT, node], a.nodes[LABEL, node]
        ends_label = -math.inf
        if parent >= 0:
            ends_label = a.logs[ENDS_LABEL, i] + a.log_p[0, label]
            if a.nodes[PLACE, parent] >= 0:
                ends_label = _add(ends_label, _extended(a, a.nodes[PLACE, parent], label))
        n_found = _offer(a, n_found, node, -1, a.logs[TOTAL, i] + a.log_p[0, K - 1], ends_label)
    return n_found


@kernel
def _child(a, node, label):
    """The node of a prefix with a `label` behind it, or -1."""
    child = a.nodes[CHILD, node]
    while child >= 0 and a.nodes[LABEL, child] != label:
        child = a.nodes[SIBLING, child]
    return child


@kernel
def _extend(a, n_kept, K, n_found):
    """Offer all longer prefixes that are not kept anyway."""
    for i in range(n_kept):
        for label in range(K - 1):
            log_p = _extended(a, i, label)
            if n_found == a.kept.shape[0] and not log_p > a.found_logs[TOTAL, n_found - 1]:
                continue
            child = _child(a, a.kept[i], label)
            if child < 0 or a.nodes[PLACE, child] < 0:
                n_found = _offer(a, n_found, a.kept[i], label, -math.inf, log_p)
    return n_found


@kernel
def _keep(a, n_kept, n_found, n_nodes):
    """The prefixes that were found become those that are kept; returns the number of nodes."""
    for i in range(n_kept):
        a.nodes[PLACE, a.kept[i]] = -1
    for i in range(n_found):
        node, label = a.found[0, i], a.found[1, i]
        if label >= 0:
            parent, node = node, _child(a, node, label)
            if node < 0:
                node, n_nodes = n_nodes, n_nodes + 1
                _begin_node(a, node, parent, label)
                a.nodes[SIBLING, node], a.nodes[CHILD, parent] = a.nodes[CHILD, parent], node
        a.kept[i], a.nodes[PLACE, node] = node, i
        for k in range(N_LOGS):
            a.logs[k, i] = a.found_logs[k, i]
    return n_nodes
