"""How a step is drawn from its raw predictions, with numbers between 0 and 1.

A choice has `n_draws` of them for each step; ``choose(raw, u, begins)`` gives the steps (n, ...), first ones where it
`begins`, and what the network reads of them (n, n_inputs); ``ends(steps)`` says which of them are ends.
"""

from numbers import Real

import numpy as np
from scipy.special import expit, ndtri

from ._validation import check_count
from .tasks._generation import NOTES, TOKENS


def check_choice(content, temperature, top_k, top_p):
    """Refuse what nothing can be drawn with."""
    if not (_is_number(temperature) and 0 <= temperature < np.inf):
        raise ValueError(
            f"temperature must be a number of at least 0, where 0 takes the likeliest; got {temperature!r}."
        )
    if content != TOKENS and not (top_k is None and top_p is None):
        raise ValueError(f"top_k and top_p choose among tokens, but the sequences hold {content}: leave them out.")
    if top_k is not None:
        check_count(top_k, "top_k")
    if top_p is not None and not (_is_number(top_p) and 0 < top_p <= 1):
        raise ValueError(f"top_p must be a share above 0 and at most 1, or None; got {top_p!r}.")


def _is_number(value):
    return isinstance(value, Real) and not isinstance(value, bool)


def choice_of(task, encoder, weights, temperature, top_k, top_p):
    """How steps of a fitted task are drawn; weights : those of the network by name."""
    if task.content == TOKENS:
        return TokenChoice(task, temperature, top_k, top_p)
    if task.content == NOTES:
        coupling = [weights[f"coupling.{name}"].astype(np.float64) for name in "WV"] if task.n_hidden else None
        return NoteChoice(task, temperature, coupling)
    return NumberChoice(task, temperature, encoder)


def draw_index(p, u):
    """For each row of p (n, K), not negative and not all 0, an index with a probability in proportion to p."""
    total = np.cumsum(p, axis=1)
    return (total / total[:, -1:] <= u[:, np.newaxis]).sum(axis=1)


def softmax(logits, temperature):
    """Probabilities in proportion, at a temperature above 0."""
    return np.exp((logits - logits.max(axis=1, keepdims=True)) / temperature)


class TokenChoice:
    """A class of `NextToken`.

    Parameters
    ----------
    task : NextToken
    temperature : float
    top_k : int or None
    top_p : float or None
    """

    n_draws = 1

    def __init__(self, task, temperature, top_k, top_p):
        self.end, self.n_tokens, self.has_unknown = task.end, len(task.known), task.has_unknown
        self.temperature, self.top_k, self.top_p = temperature, top_k, top_p

    def choose(self, raw, u, begins=False):
        if self.has_unknown:  # it cannot be written down
            raw = raw[:, :-1]
        if begins and self.end is not None:
            raw = raw[:, : self.end]
        if self.temperature == 0:
            chosen = raw.argmax(axis=1)
        else:
            chosen = draw_index(self._restricted(softmax(raw, self.temperature)), u[:, 0])
        return chosen, (chosen + 1)[:, np.newaxis]

    def _restricted(self, p):
        """Probabilities, with 0 for classes that `top_k` and `top_p` leave out; of equal ones the first is kept."""
        if self.top_k is None and self.top_p is None:
            return p
        order = np.argsort(-p, axis=1, kind="stable")
        ranked = np.take_along_axis(p, order, axis=1)
        if self.top_k is not None:
            ranked[:, self.top_k :] = 0
        if self.top_p is not None:
            before = np.cumsum(ranked, axis=1)
            before = (before - ranked) / before[:, -1:]
            before[:, 0] = 0
            ranked[before >= self.top_p] = 0
        out = np.zeros_like(p)
        np.put_along_axis(out, order, ranked, axis=1)
        return out

    def ends(self, steps):
        return np.zeros(len(steps), bool) if self.end is None else steps == self.end


class NoteChoice:
    """0-1 notes, each on its own, or with the weights of a `Coupling` given those before it in its step."""

    def __init__(self, task, temperature, coupling=None):
        self.n_draws, self.temperature, self.coupling = task.n_outputs, temperature, coupling

    def choose(self, raw, u, begins=False):
        if self.coupling is None:
            notes = self._decide(raw, u)
            return notes, notes
        (W, V), K = self.coupling, self.n_draws
        notes, summed = np.zeros((len(raw), K)), raw[:, K:].copy()
        units = expit(summed)
        for k in range(K):
            notes[:, k] = self._decide(raw[:, k] + (units * V[k]).sum(axis=1), u[:, k])
            is_on = notes[:, k] > 0
            if is_on.any():
                summed[is_on] += W[k]
                units[is_on] = expit(summed[is_on])
        return notes, notes

    def _decide(self, raw, u):
        return (raw > 0 if self.temperature == 0 else u < expit(raw / self.temperature)).astype(np.float64)

    def ends(self, steps):
        return np.zeros(len(steps), bool)


class NumberChoice:
    """Numbers of a mixture of Gaussians; a temperature is that of its weights, and of its variances.

    Parameters
    ----------
    task : NextNumbers
    temperature : float
    encoder : InputEncoder
    """

    def __init__(self, task, temperature, encoder):
        self.task, self.temperature, self.encoder = task, temperature, encoder
        self.n_draws = 1 + task.n_outputs

    def choose(self, raw, u, begins=False):
        logits, means, scales = self.task.loss.parts(raw, self.task.n_outputs)
        rows = np.arange(len(raw))
        if self.temperature == 0:
            numbers = means[rows, logits.argmax(axis=1)]
        else:
            k = draw_index(softmax(logits, self.temperature), u[:, 0])
            numbers = means[rows, k] + np.sqrt(self.temperature) * scales[rows, k] * ndtri(u[:, 1:])
        numbers = self.task.mean + self.task.scale * numbers
        return numbers, (numbers - self.encoder.mean) / self.encoder.scale

    def ends(self, steps):
        return np.zeros(len(steps), bool)
