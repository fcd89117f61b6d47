"""Means and standard deviations of channels, and what is standardised by them."""

import functools

import numpy as np

# Where squares may underflow, a spread is measured once more, on values magnified by a power of 2, without rounding.
TINY_SCALE, TINY_MEAN, MAGNIFICATION = 1e-140, 1e-120, 2.0**600


def mean_and_scale(values, weight, channels, switch):
    """Mean and standard deviation of columns over weighted rows; NaN counts for nothing.

    switch : the parameter that errors advise to set to False.
    """
    return moments(lambda: [(values, weight)], channels, switch)


def moments(parts, channels, switch="standardize"):
    """`mean_and_scale` of values and weights that ``parts()`` yields, as often as it is called."""
    mean, scale, eps = _mean_and_deviation(parts, len(channels))
    tiny = (scale < TINY_SCALE) & (np.abs(mean) < TINY_MEAN) & (eps < np.finfo(np.float32).eps)
    if tiny.any():  # whose squares may be too small to be numbers

        def magnified():
            for values, weight in parts():
                yield values[:, tiny] * MAGNIFICATION, weight

        magnified_mean, magnified_scale, _ = _mean_and_deviation(magnified, tiny.sum())
        mean[tiny] = magnified_mean / MAGNIFICATION
        found = np.maximum(magnified_scale / MAGNIFICATION, np.finfo(float).smallest_subnormal)
        scale[tiny] = np.where(magnified_scale > 0, found, 0.0)
    wrong = ~(np.isfinite(mean) & np.isfinite(scale))
    if wrong.any():
        raise ValueError(
            f"Input X: the values of channel {channels[wrong.argmax()]} are too large, their variance overflows; "
            f"rescale them or set {switch}=False."
        )
    # A channel that is constant but for rounding must not be blown up.
    return mean, np.where(scale <= 10 * eps * np.abs(mean), 1.0, scale)


def _mean_and_deviation(parts, n_channels):
    """Weighted mean and standard deviation of columns, and the precision of the values."""
    total, lost, mean, lost_squares, variance = np.zeros((5, n_channels))
    with np.errstate(over="ignore", invalid="ignore"):
        for values, weight in parts():
            kernel_of("add_values")(laid_out(values), laid_out(weight), total, lost, mean)
        mean /= np.where(total > 0, total, 1.0)
        for values, weight in parts():
            kernel_of("add_squares")(laid_out(values), laid_out(weight), mean, lost_squares, variance)
        variance /= np.where(total > 0, total, 1.0)
    return mean, np.sqrt(variance), np.finfo(values.dtype).eps


def put_standardized(values, mean, scale, out):
    """out = (values - mean) / scale."""
    kernel_of("standardize")(laid_out(values), laid_out(mean), laid_out(scale), out)


@functools.cache
def kernel_of(name):
    """A kernel that does not warn of overflow: what is too large is refused when all is measured or encoded."""
    from ..kernels import statistics  # noqa: PLC0415 (brings the compiler)

    kernel = getattr(statistics, name)
    return kernel if hasattr(kernel, "py_func") else np.errstate(over="ignore", invalid="ignore")(kernel)


def laid_out(array):
    """The array in the one layout that kernels are compiled for."""
    if type(array) is np.ndarray and array.flags.carray:
        return array
    return np.require(array, requirements=["C", "A", "W"])
