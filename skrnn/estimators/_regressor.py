"""Regression on sequences."""

from numbers import Real

from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .._core.parameters import keep
from ..losses import REGRESSION_LOSSES, BaseLoss
from ..metrics import step_r2_score
from ..persistence._estimators import saved
from ._documentation import document_parameters
from ._fit import FitRequest
from ._supervised import BaseSupervised, takes_steps
from .tasks._numbers import RegressionTask, check_restored_numbers, restored_numbers
from .tasks._read import as_numbers


@saved
@document_parameters
class RNNRegressor(RegressorMixin, BaseSupervised):
    """Recurrent network that maps sequences to one or several numbers.

    The target is standardised inside (`standardize_target`) where the loss is one of distances (all but "poisson"), so
    its unit does not matter.

    Parameters
    ----------
    {parameters}
    loss : {{"squared_error", "absolute_error", "huber", "poisson", "quantile"}} or BaseLoss, default="squared_error"
        What to minimise: the prediction estimates the mean, the median, something between, the mean of counts
        (through an exponential, so it is positive), or a quantile. An instance sets parameters, for example
        ``Huber(delta=2.0)``.
    quantile : float, default=None
        The quantile for ``loss="quantile"``, between 0 and 1; None is the median.
    standardize_target : bool, default=True
        Whether to train on the target less its mean, divided by its standard deviation. For the losses that outliers
        hardly move ("absolute_error", "huber", "quantile") it is the median, and the distance of the quartiles divided
        by 1.349; where that is 0, as half of the targets may be equal, the median distance of those that differ from
        the median. False trains on the target as it is; training starts from the best constant prediction in any case.
        Without effect for "poisson".
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the fit before, with its scales of channels and of the target. Another
        network or another treatment of X is refused; another `loss` or `quantile` is trained from then on, except from
        or to "poisson", whose raw predictions are logarithms.

    Attributes
    ----------
    loss_function_ : BaseLoss
        The loss that was minimised.
    target_mean_ : ndarray of shape (n_outputs,)
        Subtracted from the target before training: mean or median, see `standardize_target`, or 0.
    target_scale_ : ndarray of shape (n_outputs,)
        By which the target is divided before training: standard deviation or distance of quartiles, or 1.
    target_shape_ : tuple of int
        Shape of the target of a sequence, or of a step: () for one number.
    {attributes}

    See Also
    --------
    RNNClassifier : The same for classes.
    SequenceTransformer : Features of sequences for other estimators.

    References
    ----------
    {references}

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn import RNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(n, 2)) for n in rng.integers(5, 15, size=300)]  # sequences of 5 to 14 steps
    >>> y = [100 + 10 * x[:, 0].sum() for x in X]
    >>> reg = RNNRegressor(hidden_layer_sizes=32, max_iter=40, tol=0.01, random_state=0).fit(X[:250], y[:250])
    >>> reg.score(X[250:], y[250:]) > 0.9
    True
    """

    _parameter_constraints = {
        **BaseSupervised._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES)), BaseLoss],
        "quantile": [Interval(Real, 0, 1, closed="neither"), None],
        "standardize_target": ["boolean"],
    }

    _target_attributes = frozenset({"loss_function_", "target_mean_", "target_scale_", "target_shape_"})

    def __init__(
        self,
        hidden_layer_sizes=(64,),
        cell="gru",
        *,
        loss="squared_error",
        quantile=None,
        bidirectional=False,
        pooling="auto",
        targets="auto",
        categorical_features=None,
        embedding_dim="auto",
        min_count=1,
        missing="error",
        time_channel=None,
        convolution=None,
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
        early_stopping="auto",
        validation_fraction=0.1,
        validation_split="random",
        standardize=True,
        standardize_target=True,
        truncation=None,
        max_memory=1.0,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    @available_if(takes_steps)
    def partial_fit(self, X, y, sample_weight=None):
        """Train one epoch more, on these sequences.

        The first call learns what `fit` learns of all data, means, scales and vocabularies, from the
        sequences that it gets, so these should be many. No end of training is in sight: schedules that need one are not
        followed, and the learning rate is `learning_rate_init`. What the solver remembers is kept from call to call, in
        ``solver_state_``.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
            Targets.
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weight of each sequence, or step, in the loss.

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError
            If a parameter or the data cannot be used. What was
            fitted before stays as it was.
        """
        self._validate_params()
        return self._train_on(FitRequest(X, y, sample_weight, one_epoch=True))

    def predict(self, X):
        """Predict the target.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            Predictions, in the shape of the y that was fitted: where steps have targets, an object array with those of
            the steps of each sequence, (n_steps,) or (n_steps, n_outputs).
        """
        return self._predict(X, "numbers")

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination R^2; where each step has a target, over all steps.

        Parameters
        ----------
        X : {array-like of shape (n_sequences, n_steps, n_channels), list of arrays, SequenceArray, frame, 2-D table}
            Sequences.
        y : array-like of shape (n_sequences,) or (n_sequences, n_outputs), or ragged
            True targets.
        sample_weight : array-like of shape (n_sequences,), or ragged, default=None
            Weights of sequences or steps.

        Returns
        -------
        float
            At most 1; 0 for the mean of y as the prediction.
        """
        check_is_fitted(self)
        y, sample_weight = self._to_score(y, sample_weight)
        if self.per_step_:
            return step_r2_score(y, self.predict(X), sample_weight=sample_weight)
        y = y if y.dtype.kind in "biuf" else as_numbers(y, "y")
        predicted = self.predict(X)
        return r2_score(y, predicted.reshape(len(predicted), *y.shape[1:]), sample_weight=sample_weight)

    def _task(self):
        what = self.loss, self.quantile, self.standardize_target
        return RegressionTask(type(self).__name__, self.targets, *what)

    def _restored_task(self):
        return restored_numbers(vars(self))

    def _check_attributes_of_files(self, require):
        return check_restored_numbers(vars(self), require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
