"""Errors of reconstructions: a network reads a window, and gives from its last state all that it has read."""

import numpy as np

from ..preprocessing._cut import cut
from ..sequences import SequenceArray
from ._later import windows
from .tasks._own_targets import resample
from .tasks._prepared import PreparedTask


def prepared(source, judged, n_points):
    """The task and the windows that the network is trained on."""
    sequences = source.sequences
    starts, lengths, of = windows(source.n_trained, n_points)
    parts = cut(judged.unmoved(sequences).values, starts + sequences.offsets[of], lengths, sequences.channel_names)
    standardized = SequenceArray(judged.standardized(parts), parts.offsets)
    target = resample(standardized, np.arange(len(judged.which)), n_points)
    target[:, :, judged.constant] = np.nan
    task = PreparedTask(target.reshape(len(target), -1), False, judged.attributes, source)
    return task, parts


def errors(detector, judged, sequences):
    """Errors (n_steps, C) in standard deviations of the channels, of the mean of the windows that a step is in."""
    C = len(judged.which)
    n_points = len(detector.target_mean_) // C
    starts, lengths, of = windows(sequences.lengths, n_points)
    starts += sequences.offsets[of]
    parts = cut(judged.unmoved(sequences).values, starts, lengths, sequences.channel_names)
    raw = detector._raw(parts) * detector.target_scale_ + detector.target_mean_
    points, sums, counts = (
        raw.reshape(-1, n_points, C),
        np.zeros((len(sequences.values), C)),
        np.zeros(sequences.offsets[-1]),
    )
    for n in np.unique(lengths):
        which = np.flatnonzero(lengths == n)
        rows = starts[which, np.newaxis] + np.arange(n)
        np.add.at(sums, rows, _at_steps(points[which], n))
        np.add.at(counts, rows, 1)
    return judged.standardized(sequences) - sums / counts[:, np.newaxis]


def _at_steps(points, n):
    """Values at n steps, by linear interpolation between points (n_windows, n_points, C) at equal distances."""
    n_points = points.shape[1]
    places = np.linspace(0, n_points - 1, n)
    before = np.minimum(places.astype(np.intp), n_points - 2)
    share = (places - before)[:, np.newaxis]
    return (1 - share) * points[:, before] + share * points[:, before + 1]
