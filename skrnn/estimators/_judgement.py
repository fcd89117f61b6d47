"""What a detector makes of errors: distances, scores of steps, channels and sequences, and where outliers begin."""

import numpy as np

from . import _forecast_errors, _reconstruction_errors
from ._judged import Judged, numbers_without_times
from ._step_errors import LEAST_PERCENT, OF_SEQUENCES, OF_STEPS, ErrorModel, means, quantile, smoothed, whisker

MOST_SMOOTHING, WINDOWS = 100, 5  # smoothing="auto": so many steps at most, and so many windows in a sequence


class Judge:
    """A fitted detector, by its attributes.

    Parameters
    ----------
    detector : SequenceOutlierDetector
    """

    def __init__(self, detector):
        self.detector, self.judged = detector, Judged.of(detector)

    @property
    def model(self):
        """How large errors usually are."""
        detector = self.detector
        return ErrorModel(detector.error_scale_, detector.error_covariance_, detector.n_trained_steps_)

    def _errors(self, sequences):
        """Errors (n_steps, C) in standard deviations of the channels, and which values moved that never did before."""
        of = _forecast_errors if hasattr(self.detector, "lag_weights_") else _reconstruction_errors
        return of.errors(self.detector, self.judged, sequences), self.judged.moved(sequences)

    def distances(self, sequences):
        """Distance of each step from what was predicted, (n_steps,); NaN where nothing is known."""
        return self.model.distances(*self._errors(sequences))

    def step_scores(self, sequences):
        """Scores of all steps, (n_steps,)."""
        scores = -smoothed(self.distances(sequences), sequences.offsets, self.detector.smoothing_)
        return np.where(np.isnan(scores), self.detector.usual_score_, scores)

    def channel_scores(self, sequences):
        """Scores of all steps and channels, (n_steps, n_channels); 0 for those that are not judged."""
        scores, judged = np.zeros((len(sequences.values), sequences.n_channels)), self.judged
        sizes = self.model.sizes(*self._errors(sequences))
        of_judged = -smoothed(sizes, sequences.offsets, self.detector.smoothing_)
        scores[:, judged.which] = np.where(np.isnan(of_judged), self.detector.usual_channel_scores_, of_judged)
        return scores

    def scores(self, sequences):
        """Scores of all sequences, (n_sequences,)."""
        scores = -means(self.distances(sequences), sequences.offsets)
        return np.where(np.isnan(scores), self.detector.usual_score_, scores)


def learn_judgement(detector, source, smoothing, contamination):
    """Give a detector the attributes that say how large errors are in training, and where outliers begin after it.

    source : Source
    """
    judged, sequences, later = Judged.of(detector), source.sequences, source.is_later
    offsets = sequences.offsets
    if hasattr(detector, "lag_weights_"):
        detector.network_share_ = _forecast_errors.learn_share(detector, judged, source)
    errors, moved = Judge(detector)._errors(sequences)
    model = ErrorModel.learn(errors[~later], judged.constant)
    detector.error_scale_, detector.error_covariance_ = model.scale, model.covariance
    detector.n_trained_steps_ = model.n_steps
    detector.smoothing_ = smoothing
    if smoothing == "auto":
        detector.smoothing_ = int(np.clip(np.median(sequences.lengths) // WINDOWS, 1, MOST_SMOOTHING))
    distances, sizes = model.distances(errors, moved), model.sizes(errors, moved)
    held_out = np.where(later, distances, np.nan)
    of_steps = -smoothed(held_out, offsets, detector.smoothing_)[later]
    of_steps = of_steps[~np.isnan(of_steps)]
    of_channels = -smoothed(np.where(later[:, np.newaxis], sizes, np.nan), offsets, detector.smoothing_)[later]
    if not len(of_steps):
        raise ValueError("None of the steps that are held out, the last ones of X, has a value that can be predicted.")
    detector.usual_score_ = float(np.median(of_steps))
    unseen = np.isnan(of_channels).all(axis=0)
    detector.usual_channel_scores_ = np.nanmedian(np.where(unseen, 0.0, of_channels), axis=0)
    is_auto = contamination == "auto"
    detector.step_offset_ = whisker(of_steps, OF_STEPS) if is_auto else quantile(of_steps, 100 * contamination)
    detector.offset_ = detector.step_offset_
    if source.of_sequences:
        scores = -means(held_out if is_auto else distances, offsets)
        scores = scores[~np.isnan(scores)]
        of_box, of_share = whisker(scores, OF_SEQUENCES), quantile(scores, LEAST_PERCENT)
        detector.offset_ = max(of_box, of_share) if is_auto else quantile(scores, 100 * contamination)


def check_judgement(detector, require):
    """Refuse attributes in a file that do not belong together; ``require(name, holds)`` checks one."""
    inputs = detector.inputs_
    C = len(numbers_without_times(inputs.n_channels, inputs.categories, inputs.time_channel))
    names = {"channel_mean_": (C,), "channel_scale_": (C,), "error_scale_": (C,), "error_covariance_": (C, C)}
    names |= {"usual_channel_scores_": (C,), "target_mean_": (detector.n_outputs_,)}
    names |= {"target_scale_": (detector.n_outputs_,)}
    is_forecast = detector.per_step_
    if is_forecast:
        names |= {"network_share_": (C,), "lag_weights_": (len(getattr(detector, "lag_weights_", ())), C, C)}
    for name, shape in names.items():
        require(name, lambda v, shape=shape: _is_array(v, shape))
    for name in ("channel_scale_", "error_scale_"):
        require(name, lambda v: (v >= 0).all())
    for name in ("offset_", "step_offset_", "usual_score_"):
        require(name, lambda v: isinstance(v, float) and np.isfinite(v))
    for name in ("smoothing_", "n_trained_steps_"):
        require(name, lambda v: type(v) is int and v >= 1)
    require("n_outputs_", lambda n: n == detector.structure_.n_outputs and (n == C if is_forecast else n % C == 0))


def _is_array(value, shape):
    is_array = isinstance(value, np.ndarray) and value.dtype == np.float64 and value.shape == shape
    return is_array and value.size > 0 and np.isfinite(value).all()
