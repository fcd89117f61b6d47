"""Scores of steps of streams, as the steps come in."""

import copy

import numpy as np

from ..network.results import Raw
from ..sequences import SequenceArray
from ..streaming import Stream
from ._judgement import Judge
from ._lags import forecast_from
from ._prediction import network_and_thetas
from ._step_errors import smoothed


class OutlierStream(Stream):
    """Scores of the steps of streams, bit for bit those of `SequenceOutlierDetector.step_scores`.

    Parameters
    ----------
    detector : SequenceOutlierDetector
        A fitted one that forecasts.
    n_streams : int
        Number of streams that come side by side.

    Attributes
    ----------
    n_streams : int
        Number of streams.
    n_channels : int
        Number of channels of a step.
    """

    def __init__(self, detector, n_streams):
        names = getattr(detector, "channel_names_", None)
        super().__init__(*network_and_thetas(detector), detector.inputs_, n_streams, Raw(), {"step": np.copy}, names)
        self._detector = detector = copy.copy(detector)  # a fit to come replaces its attributes
        self._judge = Judge(detector)
        n_lags, C = detector.lag_weights_.shape[:2]
        self._states |= {
            "outliers.lags": np.zeros((n_streams, n_lags, C)),  # the last values, the latest first
            "outliers.predicted": np.zeros((n_streams, C)),  # what the network expects beyond the linear forecast
            "outliers.distances": np.zeros((n_streams, detector.smoothing_)),  # the last ones, the latest last
        }

    def step(self, x, index=None):
        """Read a step, and give its score.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step; x has a row for each, or is of shape (n_channels,) for an int.
            None: all of them.

        Returns
        -------
        score : float, or ndarray of shape (n_streams,)
            What `step_scores` of the detector gives for the last step of the streams so far. An alarm is a score below
            its `step_offset_`.

        Raises
        ------
        ValueError
            If x has another shape than the steps of `fit`, or a value that `step_scores` refuses. The stream is left as
            it was.
        """
        which = np.arange(self.n_streams) if index is None else self._numbers(index)
        step, is_one = self._read(x, len(which), np.ndim(index) == 0 if index is not None else self.n_streams == 1)
        judged, given, n_before = (
            self._judge.judged,
            SequenceArray(step, np.arange(len(which) + 1)),
            self.n_steps[which],
        )
        raw = self._advance(judged.unmoved(given).values, None if index is None else which, np.copy)
        distances = self._distances(which, n_before, judged.standardized(given), judged.moved(given))
        self._states["outliers.predicted"][which] = self._expected(raw)
        scores = -self._smoothed(which, n_before, distances)
        scores = np.where(np.isnan(scores), self._detector.usual_score_, scores)
        return scores[0] if is_one else scores

    def _expected(self, raw):
        """What the network expects of the next step beyond the linear forecast."""
        raw = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        return raw * self._detector.target_scale_ + self._detector.target_mean_

    def _distances(self, which, n_before, values, moved):
        """How far the values of a step are from what was forecast; they are taken note of."""
        lags, weights = self._states["outliers.lags"][which], self._detector.lag_weights_
        linear = forecast_from(lags.swapaxes(0, 1), weights)
        linear[n_before < len(weights)] = np.nan
        errors = values - (linear + self._detector.network_share_ * self._states["outliers.predicted"][which])
        filled = np.where(np.isnan(values), lags[:, 0], values)
        self._states["outliers.lags"][which] = np.concatenate([filled[:, np.newaxis], lags[:, :-1]], axis=1)
        return self._judge.model.distances(errors, moved)

    def _smoothed(self, which, n_before, distances):
        """Mean of the known distances among the last steps of each stream."""
        kept = self._states["outliers.distances"]
        kept[which] = last = np.concatenate([kept[which, 1:], distances[:, np.newaxis]], axis=1)
        lengths = np.minimum(n_before + 1, last.shape[1])
        values = np.concatenate([row[len(row) - n :] for row, n in zip(last, lengths, strict=True)])
        ends = np.cumsum(lengths)
        return smoothed(values, np.concatenate([[0], ends]), last.shape[1])[ends - 1]
