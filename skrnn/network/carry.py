"""States that sequences take with them from one step to the next, wherever their steps are cut."""

from typing import NamedTuple

import numpy as np


class Carry(NamedTuple):
    """States of all recurrent layers between two steps.

    arrays : by names like ``"layers.0.forward.h"``, each of shape (n_sequences, n_units).
    """

    arrays: dict

    def take(self, rows):
        """The states of these sequences; for a slice without a copy."""
        return Carry({name: array[rows] for name, array in self.arrays.items()})

    def first(self, n_sequences):
        """Those of the first sequences."""
        return self.take(slice(n_sequences))

    def update(self, later):
        """Replace the states of the first sequences by those that `later` has for them; returns this very carry."""
        for name, array in later.arrays.items():
            self.arrays[name][: len(array)] = array
        return self

    def zeros_like(self, n_sequences):
        """The states before the first step, of so many sequences."""
        return Carry({name: np.zeros((n_sequences, a.shape[1]), a.dtype) for name, a in self.arrays.items()})
