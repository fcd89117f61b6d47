"""Samples of a fitted distribution of sequences, step by step."""

from typing import NamedTuple

import numpy as np

from .._core.streams import hashed
from .._core.threads import ShardPool
from ..network.generation import refuse_not_finite
from ..network.stepper import Stepper

TOGETHER = 32  # samples that go through the network together


class Start(NamedTuple):
    """Where samples begin: what each reads first, (n, n_inputs), the states to start from, and most steps of each.

    begins : whether nothing stands before their first step.
    """

    values: np.ndarray
    carry: object
    n_steps: np.ndarray
    begins: bool

    def take(self, numbers):
        """That of the samples with these numbers."""
        return Start(self.values[numbers], self.carry.take(numbers), self.n_steps[numbers], self.begins)


def draw_samples(network, packed, choice, start, seed, n_threads):
    """The steps of samples, one array for each, and whether each has come to an end.

    choice : see `_choices`; start : `Start`. What is drawn depends on the seed, the number of the sample and that of
    its step.
    """
    n = len(start.values)
    blocks = [np.arange(first, min(first + TOGETHER, n)) for first in range(0, n, TOGETHER)]
    n_threads = min(n_threads, len(blocks))
    steppers = [Stepper(network, packed, min(n, TOGETHER)) for _ in range(n_threads)]
    steps, ended = [None] * n, np.zeros(n, bool)

    def run(k, worker):
        numbers = blocks[k]
        for number, (of_sample, has_ended) in zip(
            numbers, _block(steppers[worker], choice, start.take(numbers), seed, numbers), strict=True
        ):
            steps[number], ended[number] = of_sample, has_ended

    with ShardPool(n_threads) as pool:
        pool.run(run, len(blocks), n_threads)
    return steps, ended


def _block(stepper, choice, start, seed, numbers):
    """Steps of some samples, and whether each has ended."""
    n, n_steps = len(numbers), int(start.n_steps.max())
    stepper.start_from(start.carry)
    stepper.values[:n] = start.values
    chosen, lengths, ended = [], start.n_steps.copy(), np.zeros(n, bool)
    for t in range(n_steps):
        stepper.program.run()
        raw, u = stepper.out[:n].astype(np.float64), uniforms(seed, numbers, t, choice.n_draws)
        is_lost = (t < lengths) & ~np.isfinite(raw).all(axis=1)
        if is_lost.any():
            refuse_not_finite(f"step {t} of sample {numbers[is_lost].min()}")
        steps, values = choice.choose(raw, u, start.begins and t == 0)
        ends = choice.ends(steps) & ~ended & (t < lengths)
        lengths[ends], ended = t, ended | ends
        chosen.append(steps)  # what ended samples get is left out
        if (lengths <= t).all():
            break
        stepper.values[:n] = values
    chosen = np.array(chosen)
    return [(chosen[: lengths[i], i], ended[i]) for i in range(n)]


def uniforms(seed, numbers, step, n_draws):
    """Numbers between 0 and 1, both excluded, (n, n_draws): of a seed, number of the sample, step and draw alone."""
    words = hashed(seed, numbers[:, np.newaxis], step, np.arange(n_draws))
    return ((words >> np.uint64(12)) + 0.5) * 2.0**-52
