"""What a fitted detector makes of sequences: errors, distances, scores and thresholds."""

import numpy as np
from joblib import effective_n_jobs

from ._forecast_errors import Channels, at_targets, best_share, judged, remainders
from ._lags import forecasts
from ._step_errors import MOVED, ErrorModel, means, smoothed, threshold

LONGEST_WINDOW, WINDOWS = 100, 5  # smoothing="auto": so many steps at most, and so many windows in a sequence


class Judge:
    """A fitted detector, by its attributes.

    Parameters
    ----------
    detector : SequenceOutlierDetector
    """

    def __init__(self, detector):
        self.detector = detector
        inputs = detector.inputs_
        which = judged(inputs.n_channels, inputs.categories, inputs.time_channel)
        self.channels = Channels(which, detector.channel_mean_, detector.channel_scale_)

    # ----------------------------------------------------------------------------------------------------- the fit
    def learn(self, source):
        """The attributes that say how large errors are, and where outliers begin."""
        detector, sequences, offsets, later = self.detector, source.sequences, source.sequences.offsets, source.is_later
        steps, made, predicted = self._predictions(sequences)
        left, horizons = remainders(steps, made, detector.horizons_), detector.horizons_
        targets_later = np.stack([later[np.minimum(np.arange(len(later)) + h, steps.end - 1)] for h in horizons], axis=1)
        share = best_share(np.where(targets_later[:, :, np.newaxis], left, np.nan), predicted)
        detector.network_share_ = share
        errors = at_targets(left - share * predicted, steps, horizons)[:, :, ~self.channels.constant]
        errors = errors.reshape(len(later), -1)
        model = ErrorModel.learn(errors[~later])
        moved = self.channels.moved(sequences).sum(axis=1)
        distances = model.distances(errors, moved)
        held_out = np.where(later, distances, np.nan)
        window = detector.smoothing
        if window == "auto":
            window = int(np.clip(np.median(sequences.lengths) // WINDOWS, 1, LONGEST_WINDOW))
        of_steps = smoothed(held_out, offsets, window)[later]
        of_steps = -of_steps[~np.isnan(of_steps)]
        of_channels = -smoothed(self._of_channels(errors, sequences, model), offsets, window)[later]
        step_offset = threshold(of_steps, detector.contamination)
        offset = step_offset
        if source.of_sequences:
            scores = -means(distances if detector.contamination != "auto" else held_out, offsets)
            offset = threshold(scores[~np.isnan(scores)], detector.contamination)
        return {
            "network_share_": share,
            "error_scale_": model.scale,
            "error_covariance_": model.covariance,
            "smoothing_": window,
            "usual_score_": float(np.median(of_steps)),
            "usual_channel_scores_": np.nan_to_num(np.nanmedian(of_channels, axis=0)),
            "step_offset_": step_offset,
            "offset_": offset,
        }

    # --------------------------------------------------------------------------------------------------- the scores
    def _predictions(self, sequences):
        """Standardised `Steps`, linear forecasts (n_steps, H, C), and what the network says that they leave."""
        detector, steps = self.detector, self.channels.steps(sequences)
        made = forecasts(steps, detector.lag_weights_)
        raw = self._raw(self.channels.without_moves(sequences)).astype(np.float64)
        predicted = raw * detector.remainder_scale_ + detector.remainder_mean_
        return steps, made, predicted.reshape(made.shape)

    def _raw(self, sequences):
        from ..network.data import Data  # noqa: PLC0415 (brings the compiler)
        from ..network.inference import Predictor  # noqa: PLC0415
        from ..network.shards import ThreadExecutor  # noqa: PLC0415
        from ._prediction import network_and_theta  # noqa: PLC0415

        detector = self.detector
        network, theta = network_and_theta(detector)
        data = Data.of(sequences, detector.inputs_, network.dtype, max_bytes=detector._max_bytes)
        with ThreadExecutor(effective_n_jobs(detector.n_jobs)) as executor:
            return Predictor(network, theta, data, executor, detector._max_bytes).predict_raw()

    def errors(self, sequences):
        """Errors of each step in what is not constant, (n_steps, K)."""
        steps, made, predicted = self._predictions(sequences)
        left = remainders(steps, made + self.detector.network_share_ * predicted, self.detector.horizons_)
        errors = at_targets(left, steps, self.detector.horizons_)
        return errors[:, :, ~self.channels.constant].reshape(len(errors), -1)

    @property
    def _model(self):
        return ErrorModel(self.detector.error_scale_, self.detector.error_covariance_)

    def distances(self, sequences):
        return self._model.distances(self.errors(sequences), self.channels.moved(sequences).sum(axis=1))

    def of_steps(self, distances, offsets):
        scores = -smoothed(distances, offsets, self.detector.smoothing_)
        return np.where(np.isnan(scores), self.detector.usual_score_, scores)

    def of_sequences(self, distances, offsets):
        scores = -means(distances, offsets)
        return np.where(np.isnan(scores), self.detector.usual_score_, scores)

    def _of_channels(self, errors, sequences, model):
        """Root mean square over the horizons, (n_steps, n_channels); NaN where nothing is known or judged."""
        z2 = ((errors / model.scale) ** 2).reshape(len(errors), len(self.detector.horizons_), -1)
        known = ~np.isnan(z2)
        count = known.sum(axis=1)
        rms = np.sqrt(np.where(known, z2, 0).sum(axis=1) / np.maximum(count, 1))
        out = np.full((len(errors), sequences.n_channels), np.nan)
        which, constant = self.channels.which, self.channels.constant
        out[:, which[~constant]] = np.where(count > 0, rms, np.nan)
        out[:, which[constant]] = MOVED * self.channels.moved(sequences)[:, constant]
        return out

    def of_channels(self, sequences):
        distances = self._of_channels(self.errors(sequences), sequences, self._model)
        scores = -smoothed(distances, sequences.offsets, self.detector.smoothing_)
        return np.where(np.isnan(scores), self.detector.usual_channel_scores_, scores)


def check_judged(detector, require):
    """Refuse attributes in a file that do not belong together."""
