"""Log-likelihood of sequences, step by step, in pieces that memory has room for."""

import numpy as np

from ..network.coupled import add_targets
from ..network.data import Data
from ..network.inference import Predictor
from ..network.stepper import no_carry
from ..sequences import SequenceArray

NUMBERS_TOGETHER = 2**22  # raw predictions that are held at a time


class Likelihood:
    """Log-likelihood of the rows of moved sequences.

    Parameters
    ----------
    task : Next
    network : Network
    theta : ndarray
    encoder : InputEncoder
    executor : Executor
    max_bytes : int
    """

    def __init__(self, task, network, theta, encoder, executor, max_bytes):
        self.task, self.network, self.theta = task, network, theta
        self.encoder, self.executor, self.max_bytes = encoder, executor, max_bytes

    def of_rows(self, moved, y):
        """That of each row of `moved`, whose encoded targets are y; states are carried through each sequence."""
        n_together = max(1, NUMBERS_TOGETHER // self.network.n_outputs)
        log_p, offsets, first = np.empty(len(y)), moved.offsets, 0
        begins = np.zeros(len(y), bool)
        begins[offsets[:-1]] = True
        while first < len(moved):
            last = max(first + 1, int(np.searchsorted(offsets, offsets[first] + n_together, side="right")) - 1)
            rows = slice(offsets[first], offsets[last])
            if offsets[last] - offsets[first] <= n_together:
                predictor = self._predictor(moved.values[rows], offsets[first : last + 1] - offsets[first])
                log_p[rows] = self._of_raw(predictor.predict_raw(), y[rows], begins[rows])
            else:
                self._of_one(moved.values[rows], y[rows], n_together, log_p[rows])
            first = last
        return log_p

    def _of_one(self, values, y, n_together, log_p):
        """Of a single sequence, in pieces."""
        carry = no_carry(self.network, 1)
        for begin in range(0, len(values), n_together):
            rows = slice(begin, min(begin + n_together, len(values)))
            raw, carry = self._predictor(values[rows], np.array([0, rows.stop - begin])).raw_from(carry)
            log_p[rows] = self._of_raw(raw, y[rows], np.arange(rows.start, rows.stop) == 0)

    def _of_raw(self, raw, y, begins):
        if self.network.structure.coupled:
            add_targets(self.network, self.theta, raw, np.ascontiguousarray(y, raw.dtype))
        with np.errstate(invalid="ignore"):  # who calls warns of NaN
            return self.task.log_likelihood(raw, y, begins)

    def _predictor(self, values, offsets):
        sequences = SequenceArray(values, offsets)
        data = Data.of(sequences, self.encoder, self.network.dtype, max_bytes=self.max_bytes)
        return Predictor(self.network, self.theta, data, self.executor, self.max_bytes)
