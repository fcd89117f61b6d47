"""Sequences, and steps of sequences, that are not as usual."""

from numbers import Integral, Real

import numpy as np
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from .._core.parameters import keep
from ..persistence._estimators import saved
from ._base import BaseRNN
from ._documentation import ARGUMENTS, FITTED, SHARED, documented, table
from ._fit import FitRequest
from . import _forecast_errors, _reconstruction_errors
from ._judged import Judged
from ._judgement import Judge, learn_judgement
from ._later import divided
from ._validation import validate_inputs

PARAMETERS = table("""\
objective : {"forecast"}
    What is predicted.
contamination : "auto" or float
    Share.
smoothing : int or "auto"
    Number.
n_points : int
    How many.""")

FIXED = "bidirectional", "pooling", "targets", "convolution", "min_count", "early_stopping", "validation_split"
FIXED += "standardize", "truncation"

ATTRIBUTES = table("""\
offset_ : float
    Score below which a sequence is an outlier: ``decision_function(X) = score_samples(X) - offset_``.
step_offset_ : float
    Score below which a step is an outlier, for `step_scores`. It is the offset of sequences, too, if there were fewer
    than 20 of them.
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

@saved
@documented(SHARED | PARAMETERS, FITTED | ATTRIBUTES, arguments=ARGUMENTS)
class SequenceOutlierDetector(OutlierMixin, BaseRNN):
    """Recurrent network that finds sequences, and steps of sequences, which are not as those of the training.

    See Also
    --------
    SequenceGenerator : Density.

    Examples
    --------
    >>> import numpy as np
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
        """Fit the network to sequences.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        self._validate_params()
        return self._run(FitRequest(X, None, None))

    def _task(self):
        from .tasks._task import Task

        return Task()

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
        pass

    def _raw(self, sequences):
        """What the network predicts of sequences that were validated, float64."""
        from ._prediction import predictor_of_sequences  # noqa: PLC0415 (brings the compiler)

        predictor = predictor_of_sequences(self, sequences)
        with predictor.executor:
            return predictor.predict_raw().astype(np.float64)

    # ---------------------------------------------------------------------------------------------------- scores
    def score_samples(self, X):
        """Score."""
        return Judge(self).scores(self._validated(X))

    def decision_function(self, X):
        """Score."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Score."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def step_scores(self, X):
        """Score."""
        sequences = self._validated(X)
        return np.split(Judge(self).step_scores(sequences), sequences.offsets[1:-1])

    def channel_scores(self, X):
        """Score."""
        sequences = self._validated(X)
        return np.split(Judge(self).channel_scores(sequences), sequences.offsets[1:-1])

    def _validated(self, X):
        self._check_is_fitted()
        return validate_inputs(self, X, self.structure_.dtype, missing=self.inputs_.missing, text=False)
