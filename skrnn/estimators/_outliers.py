"""Sequences, and steps of sequences, that are not as usual."""

from numbers import Integral, Real

import numpy as np
from joblib import effective_n_jobs
from sklearn.base import OutlierMixin
from sklearn.utils._param_validation import Interval, StrOptions

from .._core.parameters import keep
from ..persistence._estimators import saved
from ._base import BaseRNN
from ._documentation import ARGUMENTS, FITTED, SHARED, documented, table
from ._fit import FitRequest
from ._forecast_errors import forecast_task
from ._judgement import Judge, check_judged
from ._validation import validate_inputs

PARAMETERS = table("""\
objective : {"forecast"}
    What is predicted.
contamination : "auto" or float
    Share.
smoothing : int or "auto"
    Number.
horizons : sequence of int
    How many.""")

FIXED = "bidirectional", "pooling", "targets", "convolution", "min_count", "early_stopping", "validation_split"
FIXED += "standardize", "truncation"

ATTRIBUTES = table("""\
offset_ : float
    Score.""")


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
        "objective": [StrOptions({"forecast"})],
        "contamination": [StrOptions({"auto"}), Interval(Real, 0, 0.5, closed="right")],
        "smoothing": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "horizons": ["array-like", Interval(Integral, 1, None, closed="left")],
    }
    _target_attributes = frozenset(ATTRIBUTES)
    _needed_in_files = frozenset()
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
        horizons=(1, 50),
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
        horizons = np.unique(np.atleast_1d(self.horizons))
        task, parts = forecast_task(given.sequences, given.roles, horizons, spec.parameters.validation_fraction)
        return spec._replace(task=task), given._replace(sequences=parts)

    def _with(self, fitted):
        attributes = super()._with(fitted)
        as_fitted = type(self).__new__(type(self))
        as_fitted.__dict__ = attributes
        return attributes | Judge(as_fitted).learn(fitted.task.source)

    def _check_attributes_of_files(self, require):
        return check_judged(self, require)

    # ---------------------------------------------------------------------------------------------------- scores
    def _distances(self, X):
        self._check_is_fitted()
        sequences = validate_inputs(self, X, self.structure_.dtype, missing=self.inputs_.missing)
        return Judge(self).distances(sequences), sequences.offsets

    def score_samples(self, X):
        """Score."""
        distances, offsets = self._distances(X)
        return Judge(self).of_sequences(distances, offsets)

    def decision_function(self, X):
        """Score."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Score."""
        return np.where(self.decision_function(X) >= 0, 1, -1)

    def step_scores(self, X):
        """Score."""
        distances, offsets = self._distances(X)
        return np.split(Judge(self).of_steps(distances, offsets), offsets[1:-1])

    def channel_scores(self, X):
        """Score."""
        self._check_is_fitted()
        sequences = validate_inputs(self, X, self.structure_.dtype, missing=self.inputs_.missing)
        return np.split(Judge(self).of_channels(sequences), sequences.offsets[1:-1])
