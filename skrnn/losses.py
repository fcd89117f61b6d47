"""Losses: value and gradient with respect to raw predictions, and the inverse link to predictions.

Select a loss by name or pass an instance, for example ``RNNRegressor(loss=Huber(delta=1.0))``. The last layer of the
network outputs raw predictions, which `predict` of the loss converts to predictions.
"""

import functools
from numbers import Real

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.utils._param_validation import Interval

from ._core.parameters import PlainEstimator

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}
SMALLEST_MEAN = 1e-9  # keeps the raw prediction of a class or an event that never occurs finite


@functools.cache
def _kernel(name):
    from .kernels import losses  # noqa: PLC0415 (Numba is imported when the first network is trained, not before)

    return getattr(losses, name)


@functools.cache
def _link(name):
    from .kernels import links  # noqa: PLC0415 (brings the compiler)

    return getattr(links, name)


def _linked(name, raw, n_columns):
    """What the kernel of a link makes of raw predictions (n, K)."""
    if not (type(raw) is np.ndarray and raw.ndim == 2 and raw.flags.carray and raw.dtype in FLOATS):
        dtype = raw.dtype if getattr(raw, "dtype", None) in FLOATS else np.float64
        raw = np.require(raw, dtype, requirements=["C", "A", "W"])
    out = np.empty((len(raw), n_columns), raw.dtype)
    _link(name)(raw, out)
    return out


class BaseLoss(PlainEstimator):
    """Base class of losses, which are summed over outputs.

    A custom loss derives from this class and overrides `value_and_gradient`, and other methods if their defaults are
    wrong.

    Attributes
    ----------
    scales_target : bool
        Whether the loss measures distances between target and raw prediction, so that the network can be trained on
        standardised targets and its predictions scaled back.
    resists_outliers : bool
        Whether outliers among the targets hardly affect the best prediction. The target is then standardised by median
        and quartiles in place of mean and standard deviation, and early stopping uses the explained share of the loss
        in place of R^2.
    """

    scales_target = False
    resists_outliers = False
    _parameter_constraints = {}
    _kernel_name = None
    _parameter_name = None

    def n_raw(self, n_targets):
        """Number of raw predictions per sample.

        Parameters
        ----------
        n_targets : int
            Number of outputs or labels; for `MultinomialLogLoss`, number of classes.

        Returns
        -------
        int
            Number of raw predictions; `n_targets` unless a loss needs several per target.
        """
        return n_targets

    def value_and_gradient(self, raw, K, y, weight, d_raw):
        """Compute the weighted sum of the loss over samples, and its gradient.

        Parameters
        ----------
        raw : C-contiguous ndarray of shape (>= N, >= K)
            Raw predictions; only the first N rows and K columns are read.
        K : int
            Number of raw predictions per sample.
        y : C-contiguous ndarray of shape (N, K)
            Target, of the dtype of `raw`; (N, 1) indices of classes for `MultinomialLogLoss`.
        weight : ndarray of shape (N,)
            Weight of each sample.
        d_raw : C-contiguous ndarray of shape (>= N, >= K)
            Output: the gradient, in the first N rows and K columns.

        Returns
        -------
        float
            The sum over n of weight[n] * loss_n.
        """
        for array in (raw, d_raw):
            if array.shape[0] < y.shape[0] or array.shape[1] < K:
                raise ValueError(f"raw and d_raw need at least {y.shape[0]} rows and {K} columns, got {array.shape}.")
        kernel, arguments = self.kernel_call(raw, K, y, weight, d_raw)
        return float(kernel(*arguments))

    def kernel_call(self, raw, K, y, weight, d_raw):
        """Give the kernel that computes the loss, and what it is called with.

        Parameters
        ----------
        raw : ndarray of shape (>= N, >= K)
            As for `value_and_gradient`.
        K : int
            Number of raw predictions per sample.
        y, weight : ndarrays of shape (N, K) and (N,)
            As for `value_and_gradient`; or arrays of which the kernel will read how many rows they have.
        d_raw : ndarray of shape (>= N, >= K)
            As for `value_and_gradient`.

        Returns
        -------
        kernel : callable
            The kernel.
        arguments : tuple
            Its arguments.
        """
        parameter = float(getattr(self, self._parameter_name)) if self._parameter_name else 0.0
        return _kernel(self._kernel_name), (raw, K, y, weight, d_raw, parameter)

    def check_target(self, y):
        """Raise an error if the loss does not support the target.

        Parameters
        ----------
        y : ndarray of shape (n_samples, n_targets)
            Target in its original unit.

        Raises
        ------
        ValueError
            If a value is not supported; by default all values are.
        """

    def predict(self, raw):
        """Convert raw predictions to predictions by the inverse link.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, K)
            Raw predictions.

        Returns
        -------
        ndarray of shape (n_samples, K)
            Predictions, of the same dtype.
        """
        return raw

    def initial_raw(self, y, weight, K=None):
        """Compute the best constant raw prediction, from which training starts.

        Parameters
        ----------
        y : ndarray of shape (n_samples, K)
            Target as for `value_and_gradient`.
        weight : ndarray of shape (n_samples,)
            Weights of the samples, not all 0.
        K : int, default=None
            Number of raw predictions. `MultinomialLogLoss` needs it if the last classes may be missing in `y`.

        Returns
        -------
        ndarray of shape (K,)
            The raw prediction, finite, in float64.
        """
        return np.average(np.asarray(y, dtype=np.float64), axis=0, weights=weight)


class SquaredError(BaseLoss):
    r"""Half squared error; the prediction estimates the mean.

    .. math::
        \ell(\hat y, y) = \tfrac12 (\hat y - y)^2

    References
    ----------
    .. [1] T. Hastie, R. Tibshirani and J. Friedman, "The Elements of Statistical Learning", 2nd edition, section 2.4,
       Springer, 2009. :doi:`10.1007/978-0-387-84858-7`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import SquaredError
    >>> raw, y, d_raw = np.array([[3.0]]), np.array([[1.0]]), np.empty((1, 1))
    >>> SquaredError().value_and_gradient(raw, 1, y, np.ones(1), d_raw), d_raw
    (2.0, array([[2.]]))
    """

    scales_target = True
    _kernel_name = "squared_error"


class AbsoluteError(BaseLoss):
    r"""Absolute error; the prediction estimates the median.

    .. math::
        \ell(\hat y, y) = |\hat y - y|

    References
    ----------
    .. [1] P. Bloomfield and W. L. Steiger, "Least Absolute Deviations", Birkhäuser, 1983.
       :doi:`10.1007/978-1-4684-8574-5`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import AbsoluteError
    >>> AbsoluteError().initial_raw(np.array([[0.0], [1.0], [50.0]]), np.ones(3))
    array([1.])
    """

    scales_target = True
    resists_outliers = True
    _kernel_name = "absolute_error"

    def initial_raw(self, y, weight, K=None):
        return _per_column(_weighted_quantile, y, weight, 0.5)


class Huber(BaseLoss):
    r"""Squared error for small residuals, absolute error for large ones [1]_.

    .. math::
        \ell(\hat y, y) = \begin{cases} \tfrac12 r^2 & |r| \le \delta \\ \delta (|r| - \tfrac12 \delta) & |r| > \delta
        \end{cases} \qquad r = \hat y - y

    Parameters
    ----------
    delta : float, default=1.35
        Residual at which the loss becomes linear, positive. If the estimator standardises the target, in units of its
        scale, which for normal targets is the standard deviation. With 1.35, the loss has 95 % of the efficiency of the
        squared error for normal residuals.

    References
    ----------
    .. [1] P. J. Huber, "Robust estimation of a location parameter", The Annals of Mathematical Statistics 35(1), 1964.
       :doi:`10.1214/aoms/1177703732`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import Huber
    >>> Huber(delta=1.5).initial_raw(np.array([[0.0], [1.0], [50.0]]), np.ones(3))
    array([1.25])
    """

    scales_target = True
    resists_outliers = True
    _kernel_name = "huber"
    _parameter_name = "delta"
    _parameter_constraints = {"delta": [Interval(Real, 0, None, closed="neither")]}

    def __init__(self, delta=1.35):
        self.delta = delta

    def initial_raw(self, y, weight, K=None):
        return _per_column(_huber_location, y, weight, self.delta)


class Quantile(BaseLoss):
    r"""Pinball loss; the prediction estimates a quantile [1]_.

    .. math::
        \ell(\hat y, y) = \begin{cases} q \, (y - \hat y) & \hat y < y \\ (1 - q) \, (\hat y - y) & \hat y \ge y
        \end{cases}

    Parameters
    ----------
    quantile : float, default=0.5
        The quantile q, between 0 and 1, both excluded.

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
       :doi:`10.2307/1913643`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import Quantile
    >>> Quantile(quantile=0.9).initial_raw(np.arange(101.0).reshape(-1, 1), np.ones(101))
    array([90.])
    """

    scales_target = True
    resists_outliers = True
    _kernel_name = "quantile"
    _parameter_name = "quantile"
    _parameter_constraints = {"quantile": [Interval(Real, 0, 1, closed="neither")]}

    def __init__(self, quantile=0.5):
        self.quantile = quantile

    def initial_raw(self, y, weight, K=None):
        return _per_column(_weighted_quantile, y, weight, self.quantile)


class Poisson(BaseLoss):
    r"""Poisson loss with a log link, for counts and rates; the prediction estimates the mean and is positive [1]_.

    .. math::
        \ell(\mathrm{raw}, y) = e^\mathrm{raw} - y \, \mathrm{raw} \qquad \hat y = e^\mathrm{raw}

    The loss is the negative log-likelihood, up to terms that do not depend on raw. Above raw = 60, a mean of 1e26, it
    continues along its tangent, so that extreme predictions have a large but finite loss. `predict` is limited to the
    largest finite number.

    References
    ----------
    .. [1] P. McCullagh and J. A. Nelder, "Generalized Linear Models", 2nd edition, chapter 6, Chapman and Hall, 1989.
       :doi:`10.1007/978-1-4899-3242-6`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import Poisson
    >>> raw = Poisson().initial_raw(np.array([[0.0], [4.0]]), np.ones(2))
    >>> Poisson().predict(raw)
    array([2.])
    """

    _kernel_name = "poisson"

    def check_target(self, y):
        if (y < 0).any():
            raise ValueError(f'The loss "poisson" needs y >= 0; the smallest value is {y.min():g}.')

    def predict(self, raw):
        # The number below the logarithm: rounded up, the logarithm of the largest finite number would overflow.
        return np.exp(np.minimum(raw, np.nextafter(np.log(np.finfo(raw.dtype).max), raw.dtype.type(0))))

    def initial_raw(self, y, weight, K=None):
        mean = super().initial_raw(y, weight)
        return np.log(np.where(mean > 0, mean, SMALLEST_MEAN))


class LogLoss(BaseLoss):
    """Base class of losses for classes, which predict probabilities."""

    _log_link = None

    def log_predict(self, raw):
        """Compute the logarithm of `predict`, accurate for small probabilities, too.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, K)
            Raw predictions.

        Returns
        -------
        ndarray of shape (n_samples, K)
            Log-probabilities.
        """
        return self._log_link(raw)


class BinomialLogLoss(LogLoss):
    r"""Log loss of two classes, or of K binary labels [1]_.

    .. math::
        \ell(\mathrm{raw}, y) = -y \log p - (1 - y) \log(1 - p) \qquad p = \frac{1}{1 + e^{-\mathrm{raw}}}

    The target is 0, 1, or a probability; `predict` returns p.

    References
    ----------
    .. [1] D. R. Cox, "The regression analysis of binary sequences", Journal of the Royal Statistical Society B 20(2),
       1958. :doi:`10.1111/j.2517-6161.1958.tb00292.x`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import BinomialLogLoss
    >>> BinomialLogLoss().predict(np.array([[0.0]]))
    array([[0.5]])
    """

    _kernel_name = "log_loss"
    _log_link = staticmethod(log_expit)

    def predict(self, raw):
        return _linked("logistic", raw, np.shape(raw)[1])

    def predict_both(self, raw):
        """Compute the probabilities of both of two classes.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, 1)
            Raw predictions.

        Returns
        -------
        ndarray of shape (n_samples, 2)
            1 - p and p, each accurate where it is small.
        """
        return _linked("logistic_of_both", raw, 2)

    def initial_raw(self, y, weight, K=None):
        p = np.clip(super().initial_raw(y, weight), SMALLEST_MEAN, 1 - SMALLEST_MEAN)
        return np.log(p) - np.log1p(-p)


class MultinomialLogLoss(LogLoss):
    r"""Log loss of K mutually exclusive classes [1]_.

    .. math::
        \ell(\mathrm{raw}, y) = -\log p_y \qquad p_k = \frac{e^{\mathrm{raw}_k}}{\sum_j e^{\mathrm{raw}_j}}

    The target is one column with the index of the class, 0 to K - 1; `predict` returns all p. `initial_raw` checks the
    indices; `value_and_gradient`, which is called for each shard of each mini-batch, does not.

    Parameters
    ----------
    label_smoothing : float, default=0.0
        Share of the target that is spread evenly over all classes [2]_: the loss is that of a target of 1 minus this
        share for the class, plus the share divided by K for each.

    References
    ----------
    .. [1] J. S. Bridle, "Probabilistic interpretation of feedforward classification network outputs, with relationships
       to statistical pattern recognition", Neurocomputing, NATO ASI Series 68, 1990.
       :doi:`10.1007/978-3-642-76153-9_28`
    .. [2] C. Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.
       :arxiv:`1512.00567`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import MultinomialLogLoss
    >>> MultinomialLogLoss().predict(np.array([[0.0, 0.0]]))
    array([[0.5, 0.5]])
    """

    _parameter_constraints = {"label_smoothing": [Interval(Real, 0, 1, closed="left")]}
    _kernel_name, _parameter_name = "multinomial_log_loss", "label_smoothing"

    def __init__(self, label_smoothing=0.0):
        self.label_smoothing = label_smoothing

    _log_link = staticmethod(functools.partial(log_softmax, axis=1))

    def predict(self, raw):
        return _linked("softmax", raw, np.shape(raw)[1])

    def initial_raw(self, y, weight, K=None):
        wrong = (y < 0) | (y >= (K or np.inf))
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(f"The index of a class must be 0 to {(K or 0) - 1}, but that of row {i} is {y[i, 0]}.")
        count = np.bincount(y[:, 0].astype(np.intp), weights=weight, minlength=K or 0)
        return np.log(np.maximum(count / count.sum(), SMALLEST_MEAN))


REGRESSION_LOSSES = {
    "squared_error": SquaredError,
    "absolute_error": AbsoluteError,
    "huber": Huber,
    "poisson": Poisson,
    "quantile": Quantile,
}


# ------------------------------------------------------------------------------------------------- best constants
def _per_column(location, y, weight, parameter):
    used = np.asarray(weight) > 0
    y, weight = np.asarray(y, dtype=np.float64)[used], np.asarray(weight, dtype=np.float64)[used]
    return np.array([location(y[:, k], weight, parameter) for k in range(y.shape[1])])


def _weighted_quantile(y, weight, quantile):
    """The middle of all c that minimise sum_n weight[n] pinball(c - y[n])."""
    order = np.argsort(y)
    below = np.cumsum(weight[order])
    target = quantile * below[-1]
    low = np.searchsorted(below, target * (1 - 1e-12))  # sums of weights are equal up to rounding
    high = min(np.searchsorted(below, target * (1 + 1e-12), side="right"), len(y) - 1)
    return (y[order[low]] + y[order[high]]) / 2


def _huber_location(y, weight, delta):
    """The root c of sum_n weight[n] clip(c - y[n], -delta, delta), which is linear between the points y +- delta."""
    if delta >= np.ptp(y):  # nothing is clipped
        return np.average(y, weights=weight)
    points = np.concatenate([y - delta, y + delta])
    order = np.argsort(points)
    points = points[order]
    slopes = np.cumsum(np.concatenate([weight, -weight])[order])
    rise = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(points))])
    return np.interp(delta * weight.sum(), rise, points)
