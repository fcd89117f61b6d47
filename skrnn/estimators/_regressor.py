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
from ._documentation import COUNTED, FITTED_OF_SEVERAL, SHARED, documented, table
from ._fit import FitRequest
from ._settings import Auto
from ._supervised import BaseSupervised
from ._trained import takes_steps
from .tasks._numbers import RegressionTask, check_restored_numbers, restored_numbers
from .tasks._read import as_numbers

PARAMETERS = table("""\
alpha : float or "auto"
    Strength of the L2 penalty: alpha / 2 times the sum of squares of the weight matrices is added to the mean loss.
    Biases and weights of single units, like peepholes, are not penalised. If steps have targets, alpha is divided by
    the mean number of steps of positive weight in a sequence. "auto" is 0.003, and less if the last steps of X
    determine the target almost without noise: 0.02 times the part of its variance that the last 8 or 32 leave open,
    estimated by the targets of nearest neighbours. For X with tokens, gaps or time stamps, it is 0.003. Several targets
    of a sample, whose errors add up, count as often as they say the same: the number of those that vary, over the
    participation ratio of their covariance matrix, is a factor. If steps have targets, so is the design effect of their
    noise. "auto" is 0.003 for "poisson", for losses that predict several quantiles or a distribution, and for
    `partial_fit`.
loss : {"squared_error", "absolute_error", "huber", "poisson", "quantile"} or BaseLoss
    Loss function. It selects the statistic to predict: the mean, the median, a compromise between both, the mean of
    counts (through an exponential, so it is positive), or a quantile. Pass an instance to set its parameters, for
    example ``Huber(delta=2.0)``. With a loss of `skrnn.losses` that predicts quantiles or a distribution, `predict`
    gives the quantile in the middle, the mean or the location.
quantile : float
    Quantile to predict with ``loss="quantile"``, between 0 and 1; None is the median.
standardize_target : bool
    Whether to subtract the mean from the target and to divide it by its standard deviation. For losses that are robust
    to outliers ("absolute_error", "huber", "quantile"), these are the median, and the interquartile range divided by
    1.349. If that range is 0, because many targets are equal, the median distance from the median is used instead, over
    the targets that differ from it. With and without it, training starts from the best constant prediction. Without
    effect for "poisson".
warm_start : bool
    Whether `fit` resumes from the weights of the previous fit, with the scales of its channels and of its target.
    Another network or another encoding of X raises an error. Another `loss` or `quantile` is used from then on, except
    that "poisson" can neither follow nor precede another loss, because its raw predictions are logarithms.""")

ATTRIBUTES = table("""\
loss_function_ : BaseLoss
    Loss that was minimised.
target_mean_ : ndarray of shape (n_outputs,)
    Mean or median that is subtracted from the target, see `standardize_target`, or 0.
target_scale_ : ndarray of shape (n_outputs,)
    Scale by which the target is divided, see `standardize_target`, or 1.
target_shape_ : tuple of int
    Shape of the target of a sequence, or of a step; () for a single number.""")


@saved
@documented(SHARED | COUNTED | PARAMETERS, FITTED_OF_SEVERAL | ATTRIBUTES)
class RNNRegressor(RegressorMixin, BaseSupervised):
    """Recurrent network that predicts one or several numbers for each sequence.

    The target is standardised internally (`standardize_target`), except for the loss "poisson", so its unit does not
    matter.

    See Also
    --------
    RNNClassifier : Classification of sequences.
    SequenceTransformer : Features of sequences for other estimators.

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
        "alpha": [StrOptions({"auto"}), Interval(Real, 0, None, closed="left")],
        "loss": [StrOptions(set(REGRESSION_LOSSES)), BaseLoss],
        "quantile": [Interval(Real, 0, 1, closed="neither"), None],
        "standardize_target": ["boolean"],
    }

    _target_attributes = frozenset(ATTRIBUTES)
    _auto = Auto(counts_all=True)  # chosen by experiment, see docs/defaults.rst

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
        min_count="auto",
        subwords=False,
        differences="auto",
        augmentation=None,
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
        alpha="auto",
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
        n_networks=1,
        warm_start=False,
        random_state=None,
        n_jobs=None,
        dtype="float32",
        verbose=False,
    ):
        keep(locals())

    @available_if(takes_steps)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for one epoch on these sequences.

        The first call learns the means and scales of the channels and the vocabularies from its sequences, so it should
        get many. As the end of training is not known, schedules that need it are not used, and the learning rate is
        `learning_rate_init`. The state of the solver is kept between calls, in ``solver_state_``.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. The result of the previous call is kept.
        """
        self._validate_params()
        return self._train_on(FitRequest(X, y, sample_weight, one_epoch=True))

    def predict(self, X):
        """Predict the target.

        Returns
        -------
        y : ndarray of shape (n_sequences,) or (n_sequences, n_outputs)
            Predictions, in the shape of the fitted y. If steps have targets, an object array with one array of shape
            (n_steps,) or (n_steps, n_outputs) for each sequence.
        """
        return self._predict(X, "numbers")

    def score(self, X, y, sample_weight=None):
        """Return the coefficient of determination R^2, over all steps if steps have targets.

        Returns
        -------
        float
            At most 1; 0 for a constant prediction of the mean of y.
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
        return restored_numbers(self)

    def _check_attributes_of_files(self, require):
        return check_restored_numbers(self, require)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
