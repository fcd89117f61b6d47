"""How a series repeats itself: the lag whose value is the best simple forecast, and the segments that networks read."""

import numpy as np

MOST_LAG, MOST_MULTIPLES = 400, 8
LONGEST_SEGMENT, SHORTEST_SEGMENT, MOST_SEGMENTS = 48, 4, 48
ALIKE = 1.05  # times the least error: of such lags the shortest is taken
GAIN = 0.9  # of the error of the last value, which the value of a lag must be below


def repeated(history, horizon, lag):
    """The forecast (..., horizon) that repeats the last `lag` values of a history (..., T); lag may be (..., 1)."""
    places = history.shape[-1] - lag + np.arange(horizon) % lag
    return np.take_along_axis(history, np.broadcast_to(places, (*history.shape[:-1], horizon)), axis=-1)


def error_of_lag(series, horizon, lag):
    """Mean absolute error of such forecasts, over all steps of the series and of the horizon, each series scaled."""
    errors = []
    for values, scale in series:
        for n_cycles in range(1, -(-horizon // lag) + 1):
            apart = n_cycles * lag
            if apart >= len(values):
                break
            # steps of the horizon that look so many cycles back
            weight = min(horizon, apart) - (n_cycles - 1) * lag
            steps = np.abs(values[apart:] - values[:-apart])
            known = steps[~np.isnan(steps)]
            if not len(known):  # gaps so far apart that nothing is known of this lag
                return np.inf
            errors.append((weight, known.mean() / scale))
    if not errors:
        return np.inf
    weights, values = np.transpose(errors)
    return float(np.average(values, weights=weights)) if np.isfinite(values).all() else np.inf


def find_lag(series, horizon, season, longest):
    """The lag whose repetition forecasts best: 1, the last value, or a multiple of a season; of any length if None.

    Parameters
    ----------
    series : list of (values, scale)
    horizon : int
    season : list of int or None
    longest : int
        Longest lag that the series allow.
    """
    if season is None:
        lags = range(2, min(longest, MOST_LAG) + 1)
    else:
        lags = [s * k for s in season for k in range(1, MOST_MULTIPLES + 1) if s * k <= longest]
    errors = {lag: error_of_lag(series, horizon, lag) for lag in lags}
    best = _shortest_of_best(errors)
    return best if errors and errors[best] < GAIN * error_of_lag(series, horizon, 1) else 1


def own_lag(values, scale, horizon, lag, others):
    """The lag of a single series: that of all series, unless one of the others is clearly better for this one."""
    errors = {other: error_of_lag([(values, scale)], horizon, other) for other in others if other < len(values)}
    best = min(errors, key=errors.get, default=lag)
    return best if errors and errors[best] < GAIN * error_of_lag([(values, scale)], horizon, lag) else lag


def segment_of(series, horizon, season, lag):
    """Steps of a segment: the shortest season, or the best divisor of the lag, if networks can use it."""
    if season is not None:
        fitting = [s for s in season if SHORTEST_SEGMENT <= s <= LONGEST_SEGMENT]
        return min(fitting, default=1)
    divisors = [d for d in range(SHORTEST_SEGMENT, min(lag, LONGEST_SEGMENT) + 1) if lag % d == 0]
    errors = {d: error_of_lag(series, horizon, d) for d in divisors}
    return _shortest_of_best(errors)


def _shortest_of_best(errors):
    """The shortest of the lags with about the least error; 1 if there are none."""
    least = min(errors.values(), default=np.inf)
    return min((lag for lag, error in errors.items() if error <= ALIKE * least), default=1)
