"""Scores of steps of streams, as the steps come in."""

import copy

import numpy as np

from ..network.results import Raw
from ..sequences import SequenceArray
from ..streaming import Stream
from ..streaming._decoder import Decoder
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
        decoders = {"step": Decoder(np.copy)}
        super().__init__(*network_and_thetas(detector), detector.inputs_, n_streams, Raw(), decoders, names)
        self._detector = detector = copy.copy(detector)  # a fit to come replaces its attributes
        self._judge = Judge(detector)
        n_lags, C = detector.lag_weights_.shape[:2]
        self._lags = np.zeros((n_streams, n_lags, C))  # the last values, the latest first
        self._predicted = np.zeros((n_streams, C))  # what the network expects beyond the linear forecast
        self._last = np.zeros((n_streams, detector.smoothing_))  # the last distances, the latest last
        own = {"lags": self._lags, "predicted": self._predicted, "distances": self._last}
        self._states.add({f"outliers.{name}": array for name, array in own.items()})

    def step(self, x, index=None):
        """Read a step, and give its score.

        Parameters
        ----------
        x : array-like of shape (n_streams, n_channels), or (n_channels,) for one stream
            Values of the channels.
        index : int, or array-like of int of shape (n,), default=None
            Numbers of the streams that have a step; x has a row for each. For an int it may be of shape (n_channels,).
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
            it was. A warning, which may have been turned into an error, comes when the step is read.
        """
        which, step, is_one = self._read(x, index)
        judged, given = self._judge.judged, SequenceArray(step, np.arange(len(which) + 1))
        n_before, unmoved = self.n_steps[which], judged.unmoved(given).values
        raw = self._advance("step", unmoved, None if index is None else which)
        with np.errstate(all="ignore"):  # the network has read the step, so now nothing may fail
            values, moved = judged.standardized(given), judged.moved(given)
            lags, distances = self._distances(which, n_before, values, moved)
            last, mean = self._smoothed(which, n_before, distances)
            predicted = self._expected(raw)
        self._lags[which], self._last[which], self._predicted[which] = lags, last, predicted
        self._warn_if_not_finite()
        scores = np.where(np.isnan(mean), self._detector.usual_score_, -mean)
        return scores[0] if is_one else scores

    def _expected(self, raw):
        """What the network expects of the next step beyond the linear forecast."""
        raw = np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        return raw * self._detector.target_scale_ + self._detector.target_mean_

    def _distances(self, which, n_before, values, moved):
        """The last values then, and how far those of a step are from what was forecast."""
        lags, weights = self._lags[which], self._detector.lag_weights_
        linear = forecast_from(lags.swapaxes(0, 1), weights)
        linear[n_before < len(weights)] = np.nan
        errors = values - (linear + self._detector.network_share_ * self._predicted[which])
        filled = np.where(np.isnan(values), lags[:, 0], values)
        followed = np.concatenate([filled[:, np.newaxis], lags[:, :-1]], axis=1)
        return followed, self._judge.model.distances(errors, moved)

    def _smoothed(self, which, n_before, distances):
        """The last distances then, and the mean of those that are known, of each stream."""
        last = np.concatenate([self._last[which, 1:], distances[:, np.newaxis]], axis=1)
        lengths = np.minimum(n_before + 1, last.shape[1])
        values = np.concatenate([row[len(row) - n :] for row, n in zip(last, lengths, strict=True)])
        ends = np.cumsum(lengths)
        return last, smoothed(values, np.concatenate([[0], ends]), last.shape[1])[ends - 1]
