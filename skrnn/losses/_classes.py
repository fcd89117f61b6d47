"""Losses of classes and labels."""

import functools
from numbers import Real

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.utils._param_validation import Interval

from ._base import BaseLoss
from ._constants import SMALLEST_MEAN

FLOATS = {np.dtype(np.float32), np.dtype(np.float64)}


@functools.cache
def _link(name):
    from ..kernels import links  # noqa: PLC0415 (brings the compiler)

    return getattr(links, name)


def _linked(name, raw, n_columns=None):
    """What the kernel of a link makes of raw predictions (n, K)."""
    # A stream asks for this at each step, so what needs nothing done is seen at once.
    dtype = getattr(raw, "dtype", None)
    if not (type(raw) is np.ndarray and raw.ndim == 2 and raw.flags.carray and dtype in FLOATS and raw.shape[1]):
        raw = _laid_out(raw)
    out = np.empty((raw.shape[0], n_columns or raw.shape[1]), raw.dtype)
    _link(name)(raw, out)
    return out


def _laid_out(raw):
    """Raw predictions as kernels read them."""
    if np.ndim(raw) != 2 or 0 in np.shape(raw)[1:]:
        raise ValueError(f"raw must have the shape (n_samples, K), with K of at least 1; got {np.shape(raw)}.")
    dtype = raw.dtype if getattr(raw, "dtype", None) in FLOATS else np.float64
    return np.require(raw, np.dtype(dtype).newbyteorder("="), requirements=["C", "A", "W"])


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
        return _linked("logistic", raw)

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
        if getattr(raw, "shape", None) != (len(raw), 1) and np.shape(raw)[1:] != (1,):
            raise ValueError(f"raw must have one column for two classes; got the shape {np.shape(raw)}.")
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
        return _linked("softmax", raw)

    def initial_raw(self, y, weight, K=None):
        wrong = (y < 0) | (y >= (K or np.inf))
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(f"The index of a class must be 0 to {(K or 0) - 1}, but that of row {i} is {y[i, 0]}.")
        count = np.bincount(y[:, 0].astype(np.intp), weights=weight, minlength=K or 0)
        return np.log(np.maximum(count / count.sum(), SMALLEST_MEAN))
