"""Labels without alignment (connectionist temporal classification): how probable a sequence of labels is.

Raw predictions have a column for each of K symbols: the labels, and as the last one a blank. A path takes one symbol at
each step; it spells what is left of it if equal neighbours are merged, and then blanks removed. The probability of a
sequence of labels is the sum over all paths that spell it, -log of which is the loss.

The paths of L labels go through S = 2 L + 1 states: blank, label 0, blank, label 1, ..., blank. From a state they stay,
go to the next, or from a label to the next one, if that is another. All probabilities are logarithms in float64, so
neither many steps nor sure predictions make a sum 0. Row i of `targets` holds the labels of sequence i, and -1 behind
the last one.

A kernel works off one sequence after the other, so no bit depends on the others.
"""

import math
from typing import NamedTuple

import numpy as np

from ._jit import VECTOR_BYTES, bind, kernel, stage
from .activations import exp, log1p_unit, log_sum_exp
from .denormals import flush_denormals, restore_denormals
from .lanes import load, maximum, store

LANES = VECTOR_BYTES // 8
LOG_ZERO = -1e30  # logarithm of 0: what is added to it does not change it, and differences of two are numbers
LN_2 = math.log(2)
PAD = 2  # columns for states before the first, from which a path may not come, or behind the last
EMITTED, SKIP, NOW, NEXT, N_ROWS = range(5)  # rows of `Scratch.states`


class Scratch(NamedTuple):
    """What one thread works in, for sequences of up to T steps and S states; all float64 but the last two."""

    alpha: np.ndarray  # (T, S + PAD)           log-probabilities of the paths up to a step, which end in a state
    states: np.ndarray  # (N_ROWS, S + PAD)     of one step: predictions; log 1 or 0 for a skip to a state; beta, twice
    norms: np.ndarray  # (2, T)                 log of the sum of exp(raw) of each step, in two parts
    symbols: np.ndarray  # (3, K)               raw predictions of a step, posteriors, slopes
    rows: np.ndarray  # (T,)                    row of each step, int64
    of_states: np.ndarray  # (S,)               symbol of each state, int64

    @classmethod
    def of(cls, n_steps, n_labels, n_symbols):
        """Room for sequences of up to so many steps and labels."""
        S = 2 * n_labels + 1
        floats = (n_steps, S + PAD), (N_ROWS, S + PAD), (2, n_steps), (3, n_symbols)
        return cls(*map(np.zeros, floats), np.zeros(n_steps, np.int64), np.zeros(S, np.int64))


@kernel
def _add_logs(a, b, c):
    """log(e^a + e^b + e^c), of lanes. NaN stays: it is in a difference.

    The sum of exponentials of differences to the largest is 1 to 3, half of it less 1 in the range of the logarithm.
    """
    largest = maximum(maximum(a, b), c)
    return largest + (LN_2 + log1p_unit(0.5 * (exp(a - largest) + exp(b - largest) + exp(c - largest)) - 1.0))


@kernel
def _largest(a, b, c):
    return maximum(maximum(a, b), c)


# ------------------------------------------------------------------------------------------------ parts of a sequence
@kernel
def _normalize(raw, T, K, a):
    """Fill `norms`; the log-probability of symbol k is ``(raw[row, k] - norms[0, t]) - norms[1, t]``."""
    for t in range(T):
        for k in range(K):
            a.symbols[0, k] = raw[a.rows[t], k]
        a.norms[0, t], a.norms[1, t] = log_sum_exp(a.symbols, 0, K)


@kernel
def _lay_out(targets, i, K, a):
    """The symbol of each state, and which may be reached from the label before, over a blank; returns their number."""
    n_labels = 0
    while n_labels < targets.shape[1] and targets[i, n_labels] >= 0:
        n_labels += 1
    S = 2 * n_labels + 1
    for s in range(S):
        a.of_states[s] = int(targets[i, s // 2]) if s % 2 else K - 1
        skips = s % 2 == 1 and s > 1 and a.of_states[s] != a.of_states[s - 2]
        a.states[SKIP, s] = 0.0 if skips else LOG_ZERO
    for s in range(S, S + PAD):
        a.states[SKIP, s] = LOG_ZERO
    return S


@kernel
def _emit(raw, t, S, a):
    """Log-probabilities of the symbols of all states at a step."""
    row, top, rest = a.rows[t], a.norms[0, t], a.norms[1, t]
    for s in range(S):
        a.states[EMITTED, s] = (raw[row, a.of_states[s]] - top) - rest


# ruff: noqa: F821 (`combine` is bound below)
def _forward(raw, T, S, a):
    """Fill ``alpha[t, PAD + s]``: `combine` over all paths that are in state s at step t."""
    for t in range(T):
        for j in range(PAD):
            a.alpha[t, j] = LOG_ZERO
        _emit(raw, t, S, a)
        if t == 0:
            for s in range(S):
                a.alpha[0, PAD + s] = a.states[EMITTED, s] if s < 2 else LOG_ZERO
            continue
        for j in range(0, S, LANES):
            m = S - j
            skipped = load(a.alpha, t - 1, j, m) + load(a.states, SKIP, j, m)
            before = combine(load(a.alpha, t - 1, PAD + j, m), load(a.alpha, t - 1, PAD - 1 + j, m), skipped)
            store(a.alpha, t, PAD + j, m, before + load(a.states, EMITTED, j, m))


_sum_forward = bind(_forward, "sum", combine=_add_logs)
_best_forward = bind(_forward, "best", combine=_largest)


@kernel
def _log_total(a, T, S):
    """Log-probability of all paths, after `_sum_forward`; of no path: -infinity."""
    last = a.alpha[T - 1, PAD + S - 1]
    if S > 1:
        other = a.alpha[T - 1, PAD + S - 2]
        last = max(last, other) + math.log1p(math.exp(-abs(last - other)))
    return -math.inf if last < 0.5 * LOG_ZERO else last


@kernel
def _backward(raw, T, S, K, a, total, weight, d_raw):
    """Slopes of -total times `weight`: at each step probabilities minus posteriors of the symbols."""
    for s in range(S):
        a.states[NOW, s] = 0.0 if s >= S - 2 else LOG_ZERO
    for s in range(S, S + PAD):
        a.states[NEXT, s] = LOG_ZERO
    for t in range(T - 1, -1, -1):
        _emit(raw, t, S, a)
        for j in range(0, S, LANES):
            m = S - j
            beta = load(a.states, NOW, j, m)
            store(a.states, NEXT, j, m, beta + load(a.states, EMITTED, j, m))
            store(a.states, NOW, j, m, exp(load(a.alpha, t, PAD + j, m) + beta - total))
        _slopes(raw, t, S, K, a, weight, d_raw)
        for j in range(0, S, LANES):
            m = S - j
            skipped = load(a.states, NEXT, j + 2, m) + load(a.states, SKIP, j + 2, m)
            store(a.states, NOW, j, m, _add_logs(load(a.states, NEXT, j, m), load(a.states, NEXT, j + 1, m), skipped))


@kernel
def _slopes(raw, t, S, K, a, weight, d_raw):
    """Slopes of one step; ``states[NOW]`` holds the posteriors of the states."""
    row, top, rest = a.rows[t], a.norms[0, t], a.norms[1, t]
    for k in range(K):
        a.symbols[0, k] = (raw[row, k] - top) - rest
        a.symbols[1, k] = 0.0
    for s in range(S):
        a.symbols[1, a.of_states[s]] += a.states[NOW, s]
    for j in range(0, K, LANES):
        m = K - j
        store(a.symbols, 2, j, m, (exp(load(a.symbols, 0, j, m)) - load(a.symbols, 1, j, m)) * weight)
    for k in range(K):
        d_raw[row, k] = a.symbols[2, k]


# ------------------------------------------------------------------------------------------------------------ the loss
@stage
def loss(raw, K, starts, sequences, targets, weights, total, scratch, d_raw):
    """The sum over the sequences n of a shard of ``weights[n] / total`` times -log p, and its slopes in d_raw.

    raw, d_raw   (rows, at least K); step t of sequence n is row ``starts[t + 1] - starts[1] + n``
    sequences    their numbers, by which `targets` and `weights` are read
    scratch      fields of `Scratch`, as a plain tuple

    The loss of a sequence of no path is infinite, and has slopes 0.
    """
    a, value = Scratch(*scratch), 0.0
    mode = flush_denormals()
    for n in range(sequences.shape[0]):
        number, T = sequences[n], 0
        while starts.shape[0] > T + 2 and starts[T + 2] - starts[T + 1] > n:
            a.rows[T] = starts[T + 1] - starts[1] + n
            T += 1
        share, S, log_p = weights[number] / total, 1, 0.0
        if share > 0:
            _normalize(raw, T, K, a)
            S = _lay_out(targets, number, K, a)
            _sum_forward(raw, T, S, a)
            log_p = _log_total(a, T, S)
            value -= share * log_p
        if share > 0 and log_p != -math.inf:
            _backward(raw, T, S, K, a, log_p, share, d_raw)
        else:
            _clear(a.rows, T, K, d_raw)
    restore_denormals(mode)
    return value


@kernel
def _clear(rows, T, K, d_raw):
    for t in range(T):
        for k in range(K):
            d_raw[rows[t], k] = 0


# ----------------------------------------------------------------------------- sequences whose rows are neighbours
@kernel
def _begin(raw, row, T, K, targets, i, a):
    for t in range(T):
        a.rows[t] = row + t
    _normalize(raw, T, K, a)
    return _lay_out(targets, i, K, a)


@kernel
def log_probabilities(raw, begins, lengths, K, targets, scratch, out):
    """Out[n] = log p of ``targets[n]`` for the lengths[n] rows of raw from begins[n] on; -infinity without a path."""
    a = Scratch(*scratch)
    for n in range(out.shape[0]):
        T = lengths[n]
        S = _begin(raw, begins[n], T, K, targets, n, a)
        _sum_forward(raw, T, S, a)
        out[n] = _log_total(a, T, S)


@kernel
def align(raw, begins, lengths, K, targets, scratch, out):
    """out[n, i] = the first step at which the most probable path is in label i of targets[n]; -1 if there is no path.

    Of equal paths it takes the one that, seen from the end, stays where it is.
    """
    a = Scratch(*scratch)
    for n in range(out.shape[0]):
        T = lengths[n]
        S = _begin(raw, begins[n], T, K, targets, n, a)
        _best_forward(raw, T, S, a)
        s = S - 1
        if S > 1 and a.alpha[T - 1, PAD + S - 2] > a.alpha[T - 1, PAD + S - 1]:
            s = S - 2
        if a.alpha[T - 1, PAD + s] < 0.5 * LOG_ZERO:
            for i in range(S // 2):
                out[n, i] = -1
            continue
        for t in range(T - 1, -1, -1):
            if s % 2:
                out[n, s // 2] = t
            if t > 0:
                s = _state_before(a, t, s)


@kernel
def _state_before(a, t, s):
    """The state from which the best path came to state s of step t."""
    best, before = a.alpha[t - 1, PAD + s], s
    if a.alpha[t - 1, PAD + s - 1] > best:
        best, before = a.alpha[t - 1, PAD + s - 1], s - 1
    if a.alpha[t - 1, PAD + s - 2] + a.states[SKIP, s] > best:
        before = s - 2
    return before
