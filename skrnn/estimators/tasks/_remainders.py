"""What linear forecasts leave: the target of a network that detects outliers."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ._own import OwnNumbers
from ._task import Target, Task


@dataclass(frozen=True)
class Remainders(OwnNumbers):
    """What is left of each channel at each horizon; `learned` are the attributes of the linear forecasts.

    source : what all steps are to be judged by after the fit; no part of the result
    """

    learned: dict = dataclasses.field(default_factory=dict)
    source: object = None

    def attributes(self):
        return self.learned | {"remainder_mean_": self.mean, "remainder_scale_": self.scale}


class RemainderTask(Task):
    """At each step the remainders `rows` (n_steps, n_numbers), NaN where they are not known.

    learned, source : see `Remainders`
    """

    def __init__(self, rows, learned, source):
        self.rows, self.learned, self.source = rows, learned, source

    def read(self, sequences, y=None, sample_weight=None, roles=None):
        return Target(self.rows, np.ones(len(self.rows)), np.ones(len(sequences)), True)

    def learn(self, target, trained, columns, request):
        K = target.rows.shape[1]
        return Remainders(np.arange(K), K, True, True, np.zeros(K), np.ones(K), self.learned, self.source)

    def weighted(self, fitted, y, weight, trained):
        return weight * ~np.isnan(y).all(axis=1)
