"""Numbers of X itself as targets, which were worked out before: what forecasts leave, or windows to reconstruct."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from ._own import OwnNumbers, OwnNumbersTask
from ._task import Target


@dataclass(frozen=True)
class PreparedNumbers(OwnNumbers):
    """What was learned of them.

    learned : attributes that were found with the targets, by name
    source : what is to be judged when training has ended; no part of the result
    """

    learned: dict = dataclasses.field(default_factory=dict)
    source: object = None

    def attributes(self):
        return self.learned | {"target_mean_": self.mean, "target_scale_": self.scale}


class PreparedTask(OwnNumbersTask):
    """To predict `rows` (n_rows, K), NaN where a number is not known, for each step or for each sequence.

    learned, source : see `PreparedNumbers`
    """

    def __init__(self, rows, per_step, learned, source):
        super().__init__(standardize_target=True)
        self.rows, self.per_step, self.learned, self.source = rows, per_step, learned, source

    def read(self, sequences, y=None, sample_weight=None, roles=None):
        return Target(self.rows, np.ones(len(self.rows)), np.ones(len(sequences)), self.per_step)

    def learn(self, target, trained, columns, request):
        K = self.rows.shape[1]
        of_X = np.arange(K), K, self.per_step, self.standardize_target, np.zeros(K), np.ones(K)
        return PreparedNumbers(*of_X, self.learned, self.source)
