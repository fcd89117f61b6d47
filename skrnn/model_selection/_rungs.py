"""Successive halving: how many candidates train for which share of their epochs, and which of them go on."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rung:
    """Where candidates are compared.

    number : from 0 on; n_candidates : how many are trained up to here; divisor : the epochs of a candidate divided by
    this, rounded up, are those that it is trained for; 1 at the last rung; fewest : and at least so many.
    """

    number: int
    n_candidates: int
    divisor: float
    fewest: int

    def n_epochs(self, n_most):
        """After how many epochs a fit of `n_most` epochs is here."""
        return min(max(int(-(-n_most // self.divisor)), self.fewest), n_most)


def rungs_of(n_candidates, factor, fewest, n_most):
    """The rungs of a search; factor : None trains all to their end; n_most : epochs of the shortest fit.

    One in `factor` goes on, until there are no more than `factor`, which train to the end. Each rung has `factor` times
    as many epochs as the one before; rungs with less than `fewest` epochs are left out.
    """
    sizes, powers = [n_candidates], 0
    while factor is not None and sizes[-1] > factor and n_most >= fewest * factor ** (powers + 1):
        sizes.append(n_going_on(sizes[-1], factor))
        powers += 1
    divisors = [1.0 if factor is None else float(factor) ** (powers - k) for k in range(len(sizes))]
    return [Rung(k, size, divisor, fewest) for k, (size, divisor) in enumerate(zip(sizes, divisors, strict=True))]


def n_going_on(n_candidates, factor):
    """How many of so many candidates go on: one in `factor`, rounded up, but fewer than there are."""
    return min(int(-(-n_candidates // factor)), n_candidates - 1)


def best_of(scores, n):
    """Places of the `n` best scores, in their order; the first of equal ones, and numbers before what is none."""
    scores = np.where(np.isfinite(scores), scores, -np.inf)
    return np.sort(np.argsort(-scores, kind="stable")[:n])
