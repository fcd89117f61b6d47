"""By what the target of a regression is shifted and divided, so that a network learns it whatever its unit."""

from functools import cache

import numpy as np

from ...losses._constants import weighted_quantile

NORMAL_QUARTILES = 1.3489795003921634  # between the quartiles of a normal distribution, in standard deviations
LARGEST_SCALE = np.sqrt(np.finfo(np.float64).max)


def centre_and_scale(y, weight, loss):
    """Centre and scale of each column of y (n, K), in which weights are copies: 0 and 1 if the loss is of no distances.

    Mean and standard deviation; for a loss that resists outliers those of `_median_and_spread`. A column that is
    constant has the scale 1.
    """
    centre, scale = np.zeros(y.shape[1]), np.ones(y.shape[1])
    if not loss.scales_target:
        return centre, scale
    y, weight = y[weight > 0], weight[weight > 0]
    of_column = _median_and_spread if loss.resists_outliers else _mean_and_deviation
    for k, column in enumerate(y.T):
        # Between -1 and 1, so that neither sums nor squares leave the range of floating point.
        _, exponent = np.frexp(np.abs(column).max())
        located, spread = of_column(np.ldexp(column, -exponent), weight)
        centre[k] = np.ldexp(located, exponent)
        if spread > 0:
            scale[k] = max(np.ldexp(spread, exponent), np.finfo(float).smallest_subnormal)
    if (scale > LARGEST_SCALE).any():
        raise ValueError("y is too large: its variance overflows; rescale it.")
    return centre, scale


def _mean_and_deviation(y, weight):
    mean = np.average(y, weights=weight)
    distance = y - mean
    largest = np.abs(distance).max()
    if largest == 0:
        return mean, 0.0
    return mean, largest * np.sqrt(np.average((distance / largest) ** 2, weights=weight))


def _median_and_spread(y, weight):
    """Median, and the distance of the quartiles in units of a normal distribution's.

    Where half of the targets or more are equal there may be none: then the median distance of those that differ from
    the median, also of what is equal but for rounding; 0 if there is none.
    """
    median = weighted_quantile(y, weight, 0.5)
    spread = (weighted_quantile(y, weight, 0.75) - weighted_quantile(y, weight, 0.25)) / NORMAL_QUARTILES
    distance, rounding = np.abs(y - median), 10 * np.finfo(np.float64).eps * abs(median)
    differs = distance > rounding
    if spread > rounding or not differs.any():
        return median, spread if spread > rounding else 0.0
    return median, weighted_quantile(distance[differs], weight[differs], 0.5)


def check_size(target, dtype):
    """The largest absolute value of a target, in which NaN does not count; refuses one that `dtype` cannot hold."""
    largest = max(np.fmax.reduce(target, axis=None), -np.fmin.reduce(target, axis=None))
    if largest > np.finfo(dtype).max:
        _refuse_size(dtype)
    return largest


def best_constant(loss, encoded, K, dtype):
    """The raw predictions (K,) from which training starts; refuses targets that, or whose loss, `dtype` cannot hold."""
    target, weight, trained, _ = encoded
    largest = check_size(target, dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        raw = loss.initial_raw(target[trained], weight[trained], K)
        fits = np.isfinite(raw).all()
        if fits and largest > np.sqrt(np.finfo(dtype).max) / len(target):
            rows = [np.nanargmax(target) // target.shape[1], np.nanargmin(target) // target.shape[1]]
            y, first = np.nan_to_num(target[rows]).astype(dtype), np.tile(raw, (2, 1)).astype(dtype)
            fits = np.isfinite(loss.value_and_gradient(first, K, y, np.ones(2, dtype), np.empty_like(first)))
    if not fits:
        _refuse_size(dtype)
    return raw


def _refuse_size(dtype):
    raise ValueError(f"y is too large for {np.dtype(dtype).name}, its loss overflows: rescale it.")


def share_explained(loss, raw, target, weight):
    """D^2: by what share the loss of raw predictions is below that of the best constant, at most 1."""
    n, K, weight = len(target), raw.shape[1], weight.astype(raw.dtype)
    constant = np.tile(loss.initial_raw(target, weight, K), (n, 1)).astype(raw.dtype)
    reached, of_constant = (
        loss.value_and_gradient(np.ascontiguousarray(of), K, target, weight, np.empty_like(raw, order="C"))
        for of in (raw, constant)
    )
    return 1 - reached / of_constant if of_constant > 0 else float(reached == 0)


def rescaled(predicted, scale, mean):
    """predicted * scale + mean, for predictions (n, K) as a loss makes them."""
    is_quick = type(predicted) is np.ndarray and predicted.flags.carray and predicted.dtype.char in "fd"
    if not is_quick or predicted.shape[1:] != scale.shape or not predicted.dtype.isnative:
        return predicted * scale + mean
    out = np.empty(predicted.shape)
    _rescale()(predicted, scale, mean, out)
    return out


@cache
def _rescale():
    from ...kernels.links import rescale  # noqa: PLC0415 (brings the compiler)

    return rescale
