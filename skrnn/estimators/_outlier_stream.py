"""Scores of steps of streams, as the steps come in."""

import numpy as np

from ..network.results import Raw
from ..sequences import SequenceArray
from ..streaming import Stream
from ._judgement import Judge
from ._lags import forecast_from
from ._prediction import network_and_theta
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
        super().__init__(*network_and_theta(detector), detector.inputs_, n_streams, Raw(), {"step": np.copy}, names)
        self._judge, self._detector = Judge(detector), detector
        n_lags, C = detector.lag_weights_.shape[:2]
        self._states |= {
            "outliers.lags": np.zeros((n_streams, n_lags, C)),  # the last values, the latest first
            "outliers.predicted": np.zeros((n_streams, C)),  # what the network expects beyond the linear forecast
            "outliers.distances": np.zeros((n_streams, detector.smoothing_)),  # the last ones, the latest last
        }

    def step(self, x):
        """Read a step, and give its score.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels.

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
        step, judged, detector = self._read(x), self._judge.judged, self._detector
        given = SequenceArray(step, np.arange(self.n_streams + 1))
        n_before = self.n_steps
        raw = self._advance(judged.unmoved(given).values, np.copy)
        values, moved = judged.standardized(given), judged.moved(given)
        lags, predicted = self._states["outliers.lags"], self._states["outliers.predicted"]
        linear = forecast_from(lags.swapaxes(0, 1), detector.lag_weights_)
        linear[n_before < lags.shape[1]] = np.nan
        errors = values - (linear + detector.network_share_ * predicted)
        distances = self._judge.model.distances(errors, moved)
        filled = np.where(np.isnan(values), lags[:, 0], values)
        lags[:, 1:], lags[:, 0] = lags[:, :-1].copy(), filled
        raw = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        predicted[:] = raw * detector.target_scale_ + detector.target_mean_
        scores = -self._smoothed(distances, n_before)
        scores = np.where(np.isnan(scores), detector.usual_score_, scores)
        return scores if np.ndim(x) == 2 else scores[0]

    def step_proba(self, x):
        """Refuse: a detector has no probabilities.

        Parameters
        ----------
        x : array-like
            Any step.

        Raises
        ------
        AttributeError
            Always.
        """
        raise AttributeError("step_proba is for classifiers: use step.")

    def _smoothed(self, distances, n_before):
        """Mean of the known distances among the last steps of each stream."""
        kept = self._states["outliers.distances"]
        kept[:, :-1], kept[:, -1] = kept[:, 1:].copy(), distances
        lengths = np.minimum(n_before + 1, kept.shape[1])
        last = [row[len(row) - n :] for row, n in zip(kept, lengths, strict=True)]
        ends = np.cumsum(lengths)
        return smoothed(np.concatenate(last), np.concatenate([[0], ends]), kept.shape[1])[ends - 1]
