"""Sequences on which a C program is tested, and what is expected of it."""

from typing import NamedTuple

import numpy as np

from ...estimators import RNNClassifier, SequenceTransformer
from ...sequences import SequenceArray
from .inputs import token_codes

LENGTHS = (1, 6, 13, 20)  # of sequences that are made up
N_CASES, LONGEST_CASE = 5, 25  # sequences of a test, and steps of each
SHARE_MISSING, SHARE_UNKNOWN = 0.2, 0.1


def made_up(encoder, n, dtype):
    """Random sequences of n times `LENGTHS` steps, as large as those of the fit."""
    rng, lengths = np.random.default_rng(0), np.tile(LENGTHS, n)
    n_steps = lengths.sum()
    if encoder.is_text:
        values = np.empty((n_steps, encoder.n_channels), object)
    else:
        values = rng.normal(size=(n_steps, encoder.n_channels))
        values = encoder.mean + encoder.scale * (_walks(values, lengths, encoder) if encoder.differences else values)
    if encoder.missing != "error":
        values[rng.random(values.shape) < SHARE_MISSING] = np.nan
    for channel, known in encoder.categories.items():
        drawn = list(known)[:1000]
        unknown = "\1unknown\1" if encoder.is_text else max(map(float, known)) + 1
        pool = [*drawn, *[unknown] * max(1, int(len(drawn) * SHARE_UNKNOWN))]
        values[:, channel] = [pool[k] for k in rng.integers(0, len(pool), n_steps)]
    if encoder.time_channel is not None:
        c = encoder.time_channel
        gaps = max(encoder.mean[c], encoder.scale[c] / 10) * rng.uniform(0.5, 1.5, n_steps)
        values[:, c] = np.cumsum(gaps)
    values = values.astype(str) if encoder.is_text else values
    return as_in_c(SequenceArray(values, np.cumsum([0, *lengths])), encoder, dtype)


def _walks(values, lengths, encoder):
    """Walks from the first of some random values of each sequence, with steps as large as those of the fit."""
    begins = np.cumsum([0, *lengths[:-1]])
    changes = values * encoder.difference_scale
    changes[begins] = values[begins]
    walks = np.cumsum(changes, axis=0)
    return walks - np.repeat(walks[begins] - changes[begins], lengths, axis=0)


def as_in_c(sequences, encoder, dtype):
    """Sequences with the numbers that a C program gets: in `dtype`, and times from the first step on."""
    if encoder.is_text:
        return sequences
    values, offsets = sequences.values.astype(np.float64), sequences.offsets
    if encoder.time_channel is not None:
        times = values[:, encoder.time_channel]
        values[:, encoder.time_channel] = times - np.repeat(times[offsets[:-1]], np.diff(offsets))
    return SequenceArray(values.astype(dtype), offsets)


def cases(sequences):
    """The first steps of the first sequences."""
    return SequenceArray.from_list([sequences[i][:LONGEST_CASE] for i in range(min(N_CASES, len(sequences)))])


class Expected(NamedTuple):
    """What a program is to give.

    steps : ndarray of shape (n_steps, n_channels)
        What it reads.
    lengths : ndarray of shape (n_sequences,)
    so_far : ndarray of shape (n_steps, n_out)
        After each step.
    whole : ndarray of shape (n_rows, n_out)
        For each sequence, or where `gives_steps` for each of its steps.
    """

    steps: np.ndarray
    lengths: np.ndarray
    so_far: np.ndarray
    whole: np.ndarray


def expected(estimator, sequences):
    """What the estimator makes of the sequences, step by step and at once."""
    stream, rows, encoder = estimator.stream(), [], estimator.inputs_
    step = stream.step_proba if isinstance(estimator, RNNClassifier) else stream.step
    for i in range(len(sequences)):
        stream.reset()
        rows += [np.ravel(step(x)) for x in sequences[i]]
    steps = sequences.values
    if encoder.is_text:
        steps = np.column_stack([token_codes(encoder, c, steps[:, c].tolist()) for c in range(steps.shape[1])])
    return Expected(steps, sequences.lengths, np.stack(rows), outputs(estimator, sequences))


def outputs(estimator, sequences):
    """What the estimator gives for sequences, (n_rows, n_out): a row for each, or for each of their steps."""
    if isinstance(estimator, SequenceTransformer):
        return np.asarray(estimator.transform(sequences))
    given = estimator.predict_proba(sequences) if isinstance(estimator, RNNClassifier) else estimator.predict(sequences)
    given = np.concatenate(list(given)) if estimator.per_step_ else np.asarray(given)
    return given.reshape(len(given), -1)
