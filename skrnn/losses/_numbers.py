"""Losses of numbers, with one raw prediction for each."""

from numbers import Real

import numpy as np
from sklearn.utils._param_validation import Interval

from ._base import BaseLoss
from ._constants import SMALLEST_MEAN, huber_location, per_column, weighted_quantile


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
        return per_column(weighted_quantile, y, weight, 0.5)


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
        return per_column(huber_location, y, weight, self.delta)


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
        return per_column(weighted_quantile, y, weight, self.quantile)


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
