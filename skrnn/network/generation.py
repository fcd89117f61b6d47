"""Sequences that a decoder puts out by itself: labels by a search, numbers one after the other."""

from typing import NamedTuple

import numpy as np

from ..kernels.outputs import log_softmax_rows
from .beams import search
from .decoding import How, generate


class Output(NamedTuple):
    """Numbers of the labels of an output, without marks; its log-probability; whether it has ended by itself."""

    labels: np.ndarray
    log_probability: float
    is_finished: bool


class NotFiniteError(ValueError):
    """The network has no probabilities for what is put out."""


def refuse_not_finite(where):
    """Raise; where : for what the network puts out NaN."""
    raise NotFiniteError(
        f"The network has no finite output for {where}: its states grow without bound. Bring X to the size of what was "
        "fitted, or fit again, with another cell, a smaller learning_rate_init or smaller initial weights."
    )


class Beams(NamedTuple):
    """How to search: the arguments of `beams.search`."""

    end: int
    max_length: int
    beam_width: int = 1
    n_best: int = 1
    length_penalty: float = 0.0


def best_outputs(predictor, beams, indices=None):
    """The best sequences of labels for the sequences of a predictor.

    The decoder reads 0 at the start, else one more than the number of the label before.

    Parameters
    ----------
    predictor : Predictor
    beams : Beams
    indices : ndarray, default=None
        Which sequences; None: all.

    Returns
    -------
    list of list of Output
        For each sequence, the best first.

    Raises
    ------
    NotFiniteError
        Named is one of the sequences for which the network puts out NaN.
    """
    n = len(predictor.data.lengths) if indices is None else len(indices)
    outputs = [None] * n

    def continue_from(places, steps):
        rows = places

        def step(labels, parents):
            nonlocal rows
            rows, log_p = rows[parents], steps(labels[:, np.newaxis] + 1, parents)
            if np.isnan(log_p).any():
                refuse_not_finite(f"sequence {rows[np.isnan(log_p).any(axis=1)].min()}")
            return log_p

        found = search(step, -1, len(places), **beams._asdict())
        bounds = np.searchsorted(found.sequence, np.arange(len(places) + 1))
        for k, place in enumerate(places.tolist()):
            outputs[place] = [_output(found, i) for i in range(bounds[k], bounds[k + 1])]

    generate(predictor, indices, How(beams.beam_width, 1, as_logarithms=True), continue_from)
    return outputs


def _output(found, i):
    labels = found.labels[found.offsets[i] : found.offsets[i + 1]]
    return Output(labels, float(found.log_probability[i]), not found.is_cut[i])


def log_probabilities(predictor, raw):
    """Log-probability of the labels that the decoder of a predictor has read, with the end mark, for each sequence.

    raw : raw predictions of all steps. Sums run over the steps, as in a search.
    """
    data, (n_rows, K) = predictor.data, raw.shape
    log_p = np.empty((n_rows, K))
    log_softmax_rows(raw, n_rows, K, log_p)
    of_steps = log_p[np.arange(n_rows), data.target[:, 0].astype(np.intp)]
    offsets = data.target_offsets
    total = np.zeros(len(offsets) - 1)
    for step in range(int(np.diff(offsets).max())):
        on = np.flatnonzero(offsets[:-1] + step < offsets[1:])
        total[on] += of_steps[offsets[on] + step]
    return total


def next_numbers(predictor, n_steps, link, indices=None):
    """Rows of numbers that the decoder puts out, each of which it reads in the next step; 0 at the start.

    Parameters
    ----------
    predictor : Predictor
    n_steps : ndarray of int of shape (n_sequences,)
        For each sequence.
    link : callable
        Makes numbers of raw predictions.
    indices : ndarray, default=None
        Which sequences; None: all.

    Returns
    -------
    list of ndarray of shape (n_steps, n_columns)
    """
    n_columns = predictor.network.n_outputs
    outputs = [np.zeros((n, n_columns)) for n in n_steps.tolist()]

    def continue_from(places, steps):
        read, rows = np.zeros((len(places), n_columns)), np.arange(len(places))
        parents, step = rows, 0
        while len(rows):
            read = link(steps(read, parents))
            for row, place in zip(read, places[rows].tolist(), strict=True):
                outputs[place][step] = row
            step += 1
            parents = np.flatnonzero(n_steps[places[rows]] > step)
            rows, read = rows[parents], read[parents]

    generate(predictor, indices, How(1, n_columns, as_logarithms=False), continue_from)
    return outputs
