"""Losses that predict several numbers for each target: quantiles, or the parameters of a distribution."""

from itertools import pairwise
from numbers import Real

import numpy as np

from ._base import BaseLoss
from ._constants import per_column, weighted_quantile

# The floors of `kernels.distributions`, which a test compares: reading them there would bring the compiler.
SMALLEST_SCALE, SMALLEST_MEAN, SMALLEST_DISPERSION = 1e-3, 1e-6, 1e-4
FEWEST_DEGREES, MOST_DEGREES = 2.0, 1e4
LEAST_BEYOND = 1e-2  # dispersion that training starts from, at least: of less the slope is nearly 0
FEWEST_BETWEEN = 2e-3  # standardised: so far apart, at least, are the constant quantiles that training starts from


class DistributionLoss(BaseLoss):
    """Base class of losses that predict several numbers for each target, its parts.

    ``raw`` holds blocks: the first raw prediction of all targets, then the second one of all, and so on.
    """

    _n_parts = 2

    def n_raw(self, n_targets):
        return self._n_parts * n_targets

    def parts(self, raw, centre=0.0, scale=1.0):
        """Convert raw predictions to what is predicted of each target.

        Parameters
        ----------
        raw : ndarray of shape (n_samples, K)
            Raw predictions.
        centre, scale : float or ndarray of shape (n_targets,)
            What was subtracted from the targets, and what they were divided by then, for parts in their unit.

        Returns
        -------
        tuple of ndarray of shape (n_samples, n_targets)
            The parts.
        """
        raise NotImplementedError

    def kernel_call(self, raw, K, y, weight, d_raw):
        from ..kernels import distributions  # noqa: PLC0415 (brings the compiler)

        return getattr(distributions, self._kernel_name), (raw, K, y, weight, d_raw, self._parameter())

    def _parameter(self):
        return 0.0

    def _blocks(self, raw):
        blocks = raw.reshape(len(raw), self._n_parts, raw.shape[1] // self._n_parts)
        return [blocks[:, k] for k in range(self._n_parts)]

    def predict(self, raw):
        return self.parts(raw)[0]


class Quantiles(DistributionLoss):
    r"""Pinball losses of several quantiles, summed; the quantiles never cross.

    .. math::
        \hat y_m = \mathrm{raw}_m \qquad \hat y_{k + 1} = \hat y_k + \log(1 + e^{\mathrm{raw}_{k+1}}) \qquad
        \hat y_{k - 1} = \hat y_k - \log(1 + e^{\mathrm{raw}_{k-1}})

    The quantile in the middle, of number m, is a raw prediction; outwards each is further by a positive number of its
    own [1]_, [2]_. `predict` gives the one in the middle, `parts` all.

    Parameters
    ----------
    quantiles : sequence of float, default=(0.1, 0.5, 0.9)
        Rising numbers between 0 and 1, both excluded.

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46(1), 1978.
       :doi:`10.2307/1913643`
    .. [2] Y. Park, D. Maddix, F.-X. Aubet, K. Kan, J. Gasthaus, Y. Wang, "Learning quantile functions without quantile
       crossing for distribution-free time series forecasting", AISTATS 2022. :arxiv:`2111.06581`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import Quantiles
    >>> loss = Quantiles((0.1, 0.5, 0.9))
    >>> low, middle, high = loss.parts(loss.initial_raw(np.arange(101.0).reshape(-1, 1), np.ones(101))[np.newaxis])
    >>> low.round(6), middle, high.round(6)
    (array([[10.]]), array([[50.]]), array([[90.]]))
    """

    scales_target = True
    resists_outliers = True
    _kernel_name = "quantiles"
    _parameter_constraints = {"quantiles": ["array-like"]}

    def __init__(self, quantiles=(0.1, 0.5, 0.9)):
        self.quantiles = quantiles

    def _validate_params(self):
        check_levels(self.quantiles)

    @property
    def _n_parts(self):
        return len(self.quantiles)

    def _parameter(self):
        return np.array(self.quantiles, dtype=np.float64)

    def parts(self, raw, centre=0.0, scale=1.0):
        found, middle = self._blocks(raw), self._n_parts // 2
        for k in range(middle + 1, self._n_parts):
            found[k] = found[k - 1] + _softplus(found[k])
        for k in range(middle - 1, -1, -1):
            found[k] = found[k + 1] - _softplus(found[k])
        return tuple(values * scale + centre for values in found)

    def predict(self, raw):
        return self._blocks(raw)[self._n_parts // 2]

    def initial_raw(self, y, weight, K=None):
        rows = np.array([per_column(weighted_quantile, y, weight, level) for level in self.quantiles])
        between, middle = _raw_of(np.maximum(np.diff(rows, axis=0), FEWEST_BETWEEN)), len(rows) // 2
        return np.concatenate([between[:middle], rows[middle : middle + 1], between[middle:]]).ravel()


class Normal(DistributionLoss):
    r"""Minus the log-density of a normal distribution [1]_.

    .. math::
        \ell(\mathrm{raw}, y) = \tfrac12 z^2 + \log s + \tfrac12 \log 2\pi \qquad z = \frac{y - \mathrm{raw}_0}{s}
        \qquad s = 10^{-3} + \log(1 + e^{\mathrm{raw}_1})

    The floor below s is in units of the standardised target. `predict` gives the mean, `parts` mean and standard
    deviation.

    References
    ----------
    .. [1] D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution",
       ICNN 1994. :doi:`10.1109/ICNN.1994.374138`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import Normal
    >>> loss = Normal()
    >>> mean, deviation = loss.parts(loss.initial_raw(np.array([[1.0], [5.0]]), np.ones(2))[np.newaxis])
    >>> mean, deviation.round(6)
    (array([[3.]]), array([[2.]]))
    """

    scales_target = True
    _kernel_name = "normal"

    def parts(self, raw, centre=0.0, scale=1.0):
        mean, s = self._blocks(raw)
        return mean * scale + centre, (SMALLEST_SCALE + _softplus(s)) * scale

    def initial_raw(self, y, weight, K=None):
        mean, deviation = _mean_and_deviation(y, weight)
        return np.concatenate([mean, _raw_of(np.maximum(deviation, FEWEST_BETWEEN) - SMALLEST_SCALE)])


class StudentT(DistributionLoss):
    r"""Minus the log-density of Student's t distribution, whose tails are heavy [1]_.

    .. math::
        \ell(\mathrm{raw}, y) = -\log t_\nu(z) + \log s \qquad z = \frac{y - \mathrm{raw}_0}{s} \qquad
        s = 10^{-3} + \log(1 + e^{\mathrm{raw}_1}) \qquad \nu = 2 + \min(\log(1 + e^{\mathrm{raw}_2}), 10^4)

    With more than 2 degrees of freedom :math:`\nu` the variance exists. `predict` gives the location, which is mean and
    median; `parts` location, scale and degrees of freedom.

    References
    ----------
    .. [1] K. L. Lange, R. J. A. Little, J. M. G. Taylor, "Robust statistical modeling using the t distribution", JASA
       84(408), 1989. :doi:`10.1080/01621459.1989.10478852`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import StudentT
    >>> loss = StudentT()
    >>> location, scale, freedom = loss.parts(np.zeros((1, 3)))
    >>> location, scale.round(3), freedom.round(3)
    (array([[0.]]), array([[0.694]]), array([[2.693]]))
    """

    scales_target = True
    _kernel_name = "student_t"
    _n_parts = 3

    def parts(self, raw, centre=0.0, scale=1.0):
        location, s, f = self._blocks(raw)
        freedom = FEWEST_DEGREES + np.minimum(_softplus(f), MOST_DEGREES)
        return location * scale + centre, (SMALLEST_SCALE + _softplus(s)) * scale, freedom

    def initial_raw(self, y, weight, K=None):
        # about the best constant: median, 0.7 of the distance between quartiles, 5 degrees of freedom
        low, location, high = (per_column(weighted_quantile, y, weight, level) for level in (0.25, 0.5, 0.75))
        scale = np.maximum(np.where(high > low, 0.7 * (high - low), _mean_and_deviation(y, weight)[1]), FEWEST_BETWEEN)
        return np.concatenate([location, _raw_of(scale - SMALLEST_SCALE), np.full(len(low), _raw_of(3.0))])


class NegativeBinomial(DistributionLoss):
    r"""Minus the log-probability of counts by a negative binomial distribution [1]_.

    .. math::
        \mu = e \, (10^{-6} + \log(1 + e^{\mathrm{raw}_0})) \qquad \alpha = 10^{-4} + \log(1 + e^{\mathrm{raw}_1})
        \qquad \mathrm{Var} = \mu + \alpha \mu^2

    The mean :math:`\mu` is that of a unit of exposure, times the exposure e; the dispersion :math:`\alpha` has no unit.
    `predict` gives the mean for an exposure of 1, `parts` mean and dispersion.

    Parameters
    ----------
    exposure : bool, default=False
        Whether the second half of the columns of y holds exposures of the first half, positive: the number of days over
        which was counted, or what is usual for a series. Else all are 1. This is for the network of `RNNForecaster`:
        `predict` and `score` of `RNNRegressor` want a prediction for each column of y.

    References
    ----------
    .. [1] D. Salinas, V. Flunkert, J. Gasthaus, T. Januschowski, "DeepAR: Probabilistic forecasting with autoregressive
       recurrent networks", International Journal of Forecasting 36(3), 2020. :arxiv:`1704.04110`

    Examples
    --------
    >>> import numpy as np
    >>> from skrnn.losses import NegativeBinomial
    >>> loss = NegativeBinomial()
    >>> mean, dispersion = loss.parts(loss.initial_raw(np.array([[0.0], [8.0]]), np.ones(2))[np.newaxis])
    >>> mean.round(2), dispersion.round(2)
    (array([[4.]]), array([[0.75]]))
    """

    _kernel_name = "negative_binomial"
    _parameter_constraints = {"exposure": ["boolean"]}

    def __init__(self, exposure=False):
        self.exposure = exposure

    def n_raw(self, n_targets):
        return n_targets if self.exposure else 2 * n_targets

    def _parameter(self):
        return float(self.exposure)

    def check_target(self, y):
        counts, exposures = self._split(y)
        wrong = (counts < 0) | (counts != np.rint(counts))
        if wrong.any():
            value = counts[wrong][0]
            raise ValueError(f"The loss of a negative binomial distribution needs counts, 0, 1, 2, ...; got {value:g}.")
        if (exposures <= 0).any():
            raise ValueError(f"Exposures must be positive; the smallest is {exposures.min():g}.")

    def parts(self, raw, centre=0.0, scale=1.0):
        mean, s = self._blocks(raw)
        return SMALLEST_MEAN + _softplus(mean), SMALLEST_DISPERSION + _softplus(s)

    def initial_raw(self, y, weight, K=None):
        # the mean, and the dispersion by the method of moments
        (counts, exposures), w = self._split(np.asarray(y, dtype=np.float64)), np.asarray(weight)[:, np.newaxis]
        mean = np.maximum((w * counts).sum(axis=0) / (w * exposures).sum(axis=0), 2 * SMALLEST_MEAN)
        expected = mean * exposures
        beyond = (w * ((counts - expected) ** 2 - expected)).sum(axis=0) / (w * expected**2).sum(axis=0)
        return np.concatenate([_raw_of(mean - SMALLEST_MEAN), _raw_of(np.maximum(beyond, LEAST_BEYOND))])

    def _split(self, y):
        if not self.exposure:
            return y, np.ones_like(y)
        if y.shape[1] % 2:
            raise ValueError(f"y has {y.shape[1]} columns: expected as many exposures as counts.")
        return np.split(y, 2, axis=1)


def check_levels(quantiles, name="quantiles"):
    """Levels as a list of float; refuses what are not rising numbers between 0 and 1."""
    wanted = f"{name} must be rising numbers between 0 and 1, both excluded, such as (0.1, 0.5, 0.9); got {quantiles!r}"
    if isinstance(quantiles, (str, bytes)) or not hasattr(quantiles, "__iter__"):
        raise ValueError(f"{wanted}.")
    levels = list(quantiles)
    if not levels or not all(isinstance(level, Real) and not isinstance(level, bool) for level in levels):
        raise ValueError(f"{wanted}.")
    for level in levels:
        if not 0 < level < 1:
            raise ValueError(f"{wanted}: {level!r} is not between.")
    for one, other in pairwise(levels):
        if not one < other:
            raise ValueError(f"{wanted}: {other!r} follows {one!r}.")
    return [float(level) for level in levels]


# -------------------------------------------------------------------------------------------------------- arithmetic
def _softplus(raw):
    return np.logaddexp(raw, raw.dtype.type(0))


def _raw_of(value):
    """The inverse of the softplus, for positive numbers."""
    return value + np.log(-np.expm1(-np.asarray(value, dtype=np.float64)))


def _mean_and_deviation(y, weight):
    mean = np.average(np.asarray(y, dtype=np.float64), axis=0, weights=weight)
    return mean, np.sqrt(np.average((y - mean) ** 2, axis=0, weights=weight))
