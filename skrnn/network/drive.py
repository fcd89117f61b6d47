"""The compiled driver with its programs and threads, as training and prediction use it."""

import numpy as np

from ..kernels import driver
from ..kernels.program import place_of


class Drive:
    """Runs the driver over words that kernels read as well.

    Parameters
    ----------
    words : ndarray of int64
        See `kernels.driver`; they begin with a cache line.
    programs : dict of int to Program
        Those of the leader, by the words that hold their addresses.

    Attributes
    ----------
    shards : list of Program
        What each worker runs for a shard.
    """

    def __init__(self, words, programs):
        self.words, self.programs, self.shards, self._address = words, programs, [], place_of(words)
        for word, program in programs.items():
            words[word] = program.address

    def set_workers(self, shards, places):
        """Say what each worker runs for a shard, and where it finds the number of the shard, a `Number`."""
        self.shards = shards
        pairs = [(program.address, place.address) for program, place in zip(shards, places, strict=True)]
        self._workers = np.array(pairs, np.int64)
        self.words[driver.WORKERS] = place_of(self._workers)

    def run(self, executor, n_workers):
        """Run the driver once, in so many threads of the executor.

        Raises
        ------
        Exception
            What a kernel has raised (`NUMBA_BOUNDSCHECK`).
        """
        self.words[driver.HALT] = 0
        if n_workers == 1:
            driver.lead(self._address)
        else:
            executor.together(self._work, n_workers)
        if self.words[driver.STATUS]:
            self._explain(int(self.words[driver.STATUS]), int(self.words[driver.FAILED]))

    def _work(self, number, worker):
        """What a thread does; a method, so that the memory lives as long as the thread is at it."""
        if number == 0:
            driver.lead(self._address)
        else:
            driver.help_out(self._address, number)

    def _explain(self, number, failed):
        """Raise what an instruction of the program `number` has raised."""
        program = self.shards[failed >> 32] if number == driver.SHARDS else self.programs[number]
        program.explain(failed & driver.LOW)
