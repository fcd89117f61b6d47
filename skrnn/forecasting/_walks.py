"""Forecasts further ahead than a model reaches: step by step, each value read as if it had been seen."""

import numpy as np

from .._core.streams import hashed
from ._outlook import LEAST_SLOPE, Around, WholeNumbers, outlook_of_paths
from ._samples import followed

N_PATHS, MOST_ROWS = 200, 20_000  # paths that a distribution is made of; windows that are walked together


def ahead(model, samples, design, n_steps):
    """Forecasts (n, n_steps) from `Samples` that reach as far ahead: at once, or each is read as a value."""
    if n_steps == design.horizon:
        return model.forecast(samples, design)
    found = np.empty((len(samples), n_steps))
    for k in range(n_steps):
        found[:, k] = model.forecast(samples, design)[:, 0]
        samples = followed(samples, found[:, k])
    return found


def outlook(model, steps, samples, design, n_steps):
    """The distribution of what follows; `steps` as for `walked`, or None if the network forecasts a number."""
    if n_steps == design.horizon:
        return model.outlook(samples, design)
    if steps is None:
        return Around(ahead(model, samples, design, n_steps), samples.roughness)
    alike = np.zeros(len(samples), int)  # the same draws for all series: none depends on its neighbours
    paths = walked(model, steps, samples, design, (n_steps, N_PATHS), (0, alike))
    found = outlook_of_paths(paths, LEAST_SLOPE * samples.roughness)
    return WholeNumbers(found) if model.is_of_counts else found


def walked(model, steps, samples, design, shape, draws):
    """Paths (n, n_paths, n_steps): each value is drawn from the distribution of the next step, given those before.

    steps : Errors of one step, from which scores are drawn.
    shape : n_steps, n_paths.
    draws : a seed, and a number for each of the samples; what is drawn depends on these, on path and step alone.
    """
    (n_steps, n_paths), (seed, numbers) = shape, draws
    found = np.empty((len(samples), n_paths, n_steps))
    together = max(1, MOST_ROWS // n_paths)
    for begin in range(0, len(samples), together):
        which = np.repeat(np.arange(begin, min(begin + together, len(samples))), n_paths)
        own, path = samples.rows(which), np.arange(len(which)) % n_paths
        for k in range(n_steps):
            scores = steps.relative[hashed(seed, numbers[which], path, k) % np.uint64(len(steps.relative)), 0]
            values = model.outlook(own, design).at(scores[:, np.newaxis, np.newaxis])[:, 0, 0]
            found[which, path, k] = values
            own = followed(own, values)
    return found
