"""Best constant predictions, column by column."""

import numpy as np

SMALLEST_MEAN = 1e-9  # keeps the raw prediction of a class or an event that never occurs finite


def per_column(location, y, weight, parameter):
    used = np.asarray(weight) > 0
    y, weight = np.asarray(y, dtype=np.float64)[used], np.asarray(weight, dtype=np.float64)[used]
    return np.array([location(y[:, k], weight, parameter) for k in range(y.shape[1])])


def weighted_quantile(y, weight, quantile):
    """The middle of all c that minimise sum_n weight[n] pinball(c - y[n])."""
    order = np.argsort(y)
    below = np.cumsum(weight[order])
    target = quantile * below[-1]
    low = np.searchsorted(below, target * (1 - 1e-12))  # sums of weights are equal up to rounding
    high = min(np.searchsorted(below, target * (1 + 1e-12), side="right"), len(y) - 1)
    return (y[order[low]] + y[order[high]]) / 2


def huber_location(y, weight, delta):
    """The root c of sum_n weight[n] clip(c - y[n], -delta, delta), which is linear between the points y +- delta."""
    if delta >= np.ptp(y):  # nothing is clipped
        return np.average(y, weights=weight)
    points = np.concatenate([y - delta, y + delta])
    order = np.argsort(points)
    points = points[order]
    slopes = np.cumsum(np.concatenate([weight, -weight])[order])
    rise = np.concatenate([[0.0], np.cumsum(slopes[:-1] * np.diff(points))])
    return np.interp(delta * weight.sum(), rise, points)
