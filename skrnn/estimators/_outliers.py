"""Sequences, and steps of sequences, that are not as usual."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..persistence._estimators import saved
from . import _forecast_errors, _reconstruction_errors
from ._base import BaseRNN
from ._documentation import ARGUMENTS, FITTED, REFERENCES, SHARED, documented, table
from ._fit import FitRequest
from ._judged import Judged
from ._judgement import Judge, check_judgement, learn_judgement
from ._later import divided
from ._validation import check_count, validate_inputs, warn_if_not_finite
from .tasks._task import Task

PARAMETERS = table("""\
objective : {"forecast", "reconstruct"}
    What errors are measured of. "forecast": of forecasts of each step from the steps before it, which are those of a
    linear model of the last 8 steps (fewer, if that would be more than a tenth of a sequence; there is no forecast of
    as many first steps), plus a share of what a network adds, which has read all steps before. The share is the best
    one for held-out steps, so that a network which predicts nothing does no harm. A score depends on its step and
    earlier steps only. "reconstruct": of reconstructions of windows of `n_points` steps, by a network that reads a
    window and puts out all of it from its last state. A step is in two windows, which overlap by half.
contamination : "auto" or float
    What an outlier is. "auto": what has a lower score than usual, by the rule of box plots, on held-out data that comes
    later in time than the training data: below the lower quartile by more than 1.5 distances of the quartiles (but at
    least 1 % of the held-out sequences), or for steps, whose smoothed scores are alike, by more than 3. It is not
    disturbed if up to a quarter are outliers. A number above 0 and up to 0.5: that share, as in other outlier
    detectors: of the sequences of `fit`, so that `fit_predict` finds as many; and of the held-out steps, for
    ``step_offset_`` (and if there are fewer than 20 sequences of 10 steps or more, also for ``offset_``).
smoothing : int or "auto"
    Scores of a step are the mean over its distance and those of the steps before it, this many in all. "auto" takes a
    fifth of the steps of a sequence (median), but at most 100.
n_points : int
    Number of steps in a window of "reconstruct". Shorter sequences are windows, too, with that many points between
    which reconstructions are interpolated.
missing : {"error", "mask", "decay"}
    How to treat NaN, which never counts as an error. "error" raises an error. "mask" replaces it by the mean of the
    channel, and adds for each channel whether it was measured and the time since its last measurement. "decay" replaces
    it by the last measured value, which decays to the mean at a learned rate [4]_, and adds whether it was measured.
    The linear model of "forecast" reads the last measured value.
time_channel : int or str
    Channel that holds the time of each step, given by number or name, in any unit. The network reads the time since
    the previous step; it is not judged. None treats the steps as equally spaced.
categorical_features : array-like of int, str or bool
    Channels of codes, given by number, name or mask. Codes are integers from 0 on; the network learns a vector for
    each. It reads them, but they are not judged.
tol : float or None
    Training stops when the loss does not improve by more than `tol` for `n_iter_no_change` epochs. None runs all
    epochs. For "lbfgs", training stops when the largest element of the gradient is at most `tol`, where None means
    1e-4.
batch_size : int or "auto"
    Number of sequences in a mini-batch, or of the pieces that long sequences are cut into. "auto" takes a 16th of them,
    but at least 16 and at most 64.
shuffle : bool
    Whether to shuffle the sequences, or pieces, before each epoch.
validation_fraction : float
    What is held out of training, to find out how large errors are on new data: the last sequences of X, which should be
    in the order of time; of fewer than 20 sequences the last steps of each, if they have 10 or more.
random_state : int, RandomState instance or None
    Determines the initial weights, the mini-batches and the dropped units. Pass an int for reproducible results.""")

FIXED = "bidirectional", "pooling", "targets", "convolution", "min_count", "early_stopping", "validation_split"
FIXED += "standardize", "truncation", "differences", "subwords"

ATTRIBUTES = table("""\
offset_ : float
    Score below which a sequence is an outlier: ``decision_function(X) = score_samples(X) - offset_``.
step_offset_ : float
    Score below which a step is an outlier, for `step_scores`. It is the offset of sequences, too, if steps were held
    out and not sequences (see `validation_fraction`).
smoothing_ : int
    Number of steps that a score of a step is the mean of.
usual_score_ : float
    Median score of the steps that were held out. It is the score of steps at which nothing is known: first ones, which
    no forecast is made of, and those before any value was measured.
usual_channel_scores_ : ndarray of shape (n_judged,)
    The same for each channel that is judged: those of numbers, but not that of time stamps.
channel_mean_ : ndarray of shape (n_judged,)
    Mean of each of these channels over the steps that the network was trained on.
channel_scale_ : ndarray of shape (n_judged,)
    Standard deviation of each of them; 0 if it never changed.
lag_weights_ : ndarray of shape (n_lags, n_judged, n_judged)
    Weights of the linear forecast, for each step back: what each channel (row) adds to the forecast of each other
    (column), in standard deviations. Defined only for "forecast".
network_share_ : ndarray of shape (n_judged,)
    Share of what the network predicts that is added to the linear forecast of each channel: 0 to 1. Defined only for
    "forecast".
target_mean_ : ndarray of shape (n_outputs,)
    Mean of each output of the network: what the linear forecasts leave, or the points of a window, in standard
    deviations of the channels.
target_scale_ : ndarray of shape (n_outputs,)
    Standard deviation of each output of the network.
error_scale_ : ndarray of shape (n_judged,)
    Root mean square of the errors of each channel in training, in standard deviations of the channel; 0 if it never
    changed.
error_covariance_ : ndarray of shape (n_judged, n_judged)
    Correlations of the errors, shrunk [5]_.
n_trained_steps_ : int
    Number of steps that the network was trained on.""")

ARGUMENTS_OF_DETECTORS = table("""\
y : None
    Not used.""")

REFERENCES_OF_DETECTORS = f"""\
{REFERENCES}
.. [5] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", Journal of
   Multivariate Analysis 88:365-411, 2004. :doi:`10.1016/S0047-259X(03)00096-4`
.. [6] P. Malhotra, L. Vig, G. Shroff, P. Agarwal, "Long short term memory networks for anomaly detection in time
   series", ESANN 2015.
.. [7] K. Hundman et al., "Detecting spacecraft anomalies using LSTMs and nonparametric dynamic thresholding", KDD 2018.
   :arxiv:`1802.04431`"""


@saved
@documented(
    SHARED | PARAMETERS,
    FITTED | ATTRIBUTES,
    references=REFERENCES_OF_DETECTORS,
    arguments=ARGUMENTS | ARGUMENTS_OF_DETECTORS,
)
class SequenceOutlierDetector(OutlierMixin, BaseRNN):
    """Recurrent network that finds sequences, and steps of a stream, that are not as usual.

    The network learns to predict sequences. Where they are as usual, its errors are small [6]_ [7]_. The distance of a
    step is the root mean square of its errors in all channels, after what errors of channels have in common (their
    shrunk covariance): 1 is usual. The score of a step is minus the mean distance of the last `smoothing` steps, that
    of a sequence minus the mean distance of all of its steps. As everywhere in scikit-learn, higher is more normal, and
    outliers are -1.

    A channel that never changes in training has no part in predictions. If it changes later, it counts as one that had
    changed once in training.

    A single long stream is a list with one array, ``[stream]`` of shape (n_steps, n_channels): see `step_scores` and
    ``step_offset_``. A 2-D array is a table with a univariate sequence in each row, as for all estimators of skrnn.

    See Also
    --------
    SequenceGenerator : Likelihood of sequences, also of tokens.
    sklearn.ensemble.IsolationForest : Outliers among rows of a table.

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import SequenceOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> stream = np.sin(0.3 * np.arange(1500)) + rng.normal(0, 0.1, size=1500)
    >>> stream[1300:1330] = 0.5  # within what is usual, but not there
    >>> detector = SequenceOutlierDetector(16, smoothing=5, random_state=0).fit([stream[:1000, np.newaxis]])
    >>> (scores,) = detector.step_scores([stream[1000:, np.newaxis]])
    >>> alarms = 1000 + np.flatnonzero(scores < detector.step_offset_)
    >>> bool(1300 <= alarms.min() <= 1310 and alarms.max() < 1340)
    True
    """

    _parameter_constraints = {
        **{name: of for name, of in BaseRNN._parameter_constraints.items() if name not in FIXED},
        "objective": [StrOptions({"forecast", "reconstruct"})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "smoothing": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "n_points": [Interval(Integral, 2, None, closed="left")],
    }
    _target_attributes = frozenset(ATTRIBUTES)
    _needed_in_files = frozenset(ATTRIBUTES) - {"lag_weights_", "network_share_"}
    # What an estimator has no choice of that reads its own steps.
    bidirectional, pooling, targets, convolution, min_count = False, "auto", "step", None, 1
    early_stopping, validation_split, standardize, truncation = False, "last", True, None

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        objective="forecast",
        contamination="auto",
        smoothing="auto",
        n_points=16,
        categorical_features=None,
        embedding_dim="auto",
        missing="error",
        time_channel=None,
        layer_norm=False,
        residual=False,
        dropout=0.0,
        input_dropout=0.0,
        recurrent_dropout=0.0,
        zoneout=0.0,
        input_init="glorot_uniform",
        recurrent_init="orthogonal",
        bias_init="cell",
        solver="adam",
        alpha=3e-3,
        batch_size="auto",
        learning_rate="cosine",
        learning_rate_init=1e-2,
        max_iter="auto",
        clip_norm=1.0,
        shuffle=True,
        tol=None,
        n_iter_no_change=10,
        validation_fraction=0.2,
        max_memory=1.0,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    # --------------------------------------------------------------------------------------------------- fitting
    def fit(self, X, y=None):
        """Learn what sequences are usually like.

        X may hold some outliers. Long sequences are cut into pieces for training.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. For data, the message names the sequence, step and channel. The
            result of the previous fit is kept.
        """
        self._validate_params()
        _refuse_single_streams(X)
        return self._run(FitRequest(X, None, None))

    def _task(self):
        return Task()  # what is to be predicted is known when X is read: see `_arranged`

    def _arranged(self, spec, given, last):
        """The sequences with what is to be predicted of them; see `BaseRNN`."""
        source = divided(given.sequences, self.validation_fraction)
        judged = Judged.learn(source.sequences, given.roles, source.is_later)
        if self.objective == "forecast":
            task, parts = _forecast_errors.prepared(source, judged)
        else:
            task, parts = _reconstruction_errors.prepared(source, judged, self.n_points)
        return spec._replace(task=task), given._replace(sequences=parts)

    def _with(self, fitted):
        detector = type(self).__new__(type(self))
        detector.__dict__ = super()._with(fitted)
        learn_judgement(detector, fitted.task.source, self.smoothing, self.contamination)
        return vars(detector)

    def _check_attributes_of_files(self, require):
        check_judgement(self, require)

    # ---------------------------------------------------------------------------------------------------- scores
    def score_samples(self, X):
        """Compute the score of each sequence.

        Returns
        -------
        scores : ndarray of shape (n_sequences,)
            Minus the mean distance of the steps at which something is known; the higher, the more normal.
        """
        sequences = self._validated(X)
        return Judge(self).scores(sequences)

    def decision_function(self, X):
        """Compute how far the score of each sequence is above that of an outlier.

        Returns
        -------
        scores : ndarray of shape (n_sequences,)
            ``score_samples(X) - offset_``; negative for outliers.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Say of each sequence whether it is an outlier.

        Returns
        -------
        labels : ndarray of shape (n_sequences,)
            -1 for outliers, 1 for others.
        """
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def step_scores(self, X):
        """Compute the score of each step.

        Returns
        -------
        scores : list of ndarray of shape (n_steps,)
            One array for each sequence: minus the mean distance of the last ``smoothing_`` steps, as far as something
            is known of them. Steps with a score below ``step_offset_`` are outliers. Where nothing is known, as of the
            first steps of forecasts, the score is ``usual_score_``.
        """
        sequences = self._validated(X)
        return np.split(Judge(self).step_scores(sequences), sequences.offsets[1:-1])

    def channel_scores(self, X):
        """Compute the score of each channel at each step, which says where outliers come from.

        Returns
        -------
        scores : list of ndarray of shape (n_steps, n_channels)
            One array for each sequence: minus the mean absolute error of the last ``smoothing_`` steps, in units of its
            root mean square in training. Channels of codes and times have 0.
        """
        sequences = self._validated(X)
        return np.split(Judge(self).channel_scores(sequences), sequences.offsets[1:-1])

    def stream(self, n_streams=1):
        """Give what scores steps as they come in.

        Parameters
        ----------
        n_streams : int, default=1
            Number of streams that come side by side.

        Returns
        -------
        Stream
            Its `step` takes a step of each stream, and gives its score, as `step_scores` does.

        Raises
        ------
        ValueError
            With ``objective="reconstruct"``, whose windows end after the step that they judge.
        """
        check_is_fitted(self)
        check_count(n_streams, "n_streams")
        if not hasattr(self, "lag_weights_"):
            raise ValueError(
                'A detector with objective="reconstruct" judges a step by windows that end after it, so it has no '
                'streams: use objective="forecast".'
            )
        from ._outlier_stream import OutlierStream  # noqa: PLC0415 (brings the compiler)

        return OutlierStream(self, n_streams)

    def _validated(self, X):
        self._check_is_fitted()
        _refuse_single_streams(X)
        return validate_inputs(self, X, self.structure_.dtype, missing=self.inputs_.missing, text=False)

    def _raw(self, sequences):
        """What the network puts out for sequences that were validated, float64; 0 where that is not finite."""
        from ._prediction import predictor_of_sequences  # noqa: PLC0415 (brings the compiler)

        predictor = predictor_of_sequences(self, sequences)
        with predictor.executor:
            raw = warn_if_not_finite(predictor.predict_raw(), predictor.data.offsets, "predictions")
        return np.nan_to_num(raw.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _refuse_single_streams(X):
    """Refuse numbers alone, and a frame whose rows have times, which may be meant as one stream."""
    first = X[0] if isinstance(X, (list, tuple)) and len(X) else None
    if isinstance(first, Real) or (getattr(X, "ndim", 2) == 1 and getattr(X.dtype, "kind", "O") in "biuf"):
        raise ValueError("Expected 2D array, got 1D array instead. Reshape your data: one stream is passed as [X].")
    index = type(getattr(X, "index", None)).__name__
    if hasattr(X, "columns") and index in ("DatetimeIndex", "PeriodIndex", "TimedeltaIndex"):
        raise ValueError(
            f"X is a frame with a {index}. If its rows are the steps of one stream, pass [X]; if each row is a "
            "sequence, pass X.reset_index(drop=True)."
        )
