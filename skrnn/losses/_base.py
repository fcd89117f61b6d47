"""The contract of losses."""

import functools

import numpy as np

from .._core.parameters import PlainEstimator


@functools.cache
def _kernel(name):
    from ..kernels import losses  # noqa: PLC0415 (Numba is imported when the first network is trained, not before)

    return getattr(losses, name)


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
