"""Forecasts at cut-offs in the past, and the simple ones that they must be better than."""

import numpy as np
from sklearn.base import clone

from ._linear import Ridge
from ._repeats import repeated
from ._samples import filled

N_LAGS, PENALTY, SHARE_OF_LAGS = 24, 1e-3, 4  # of the ridge regression that stands beside: lags up to a quarter of n


def backtest(forecaster, panel, covariates, n_windows, step):
    """The frame of `RNNForecaster.backtest`."""
    import pandas as pd  # noqa: PLC0415

    parts = []
    for k in range(n_windows - 1, -1, -1):
        left_out = forecaster.horizon + k * step
        i = int(panel.lengths.argmin())
        if panel.lengths[i] <= left_out:
            raise ValueError(
                f"{panel.label(i)} has {panel.lengths[i]} steps: too few for {n_windows} cut-offs, {step} steps apart."
            )
        parts += _at_cutoff(forecaster, panel, covariates, left_out)
    return pd.concat(parts, ignore_index=True)


def _at_cutoff(forecaster, panel, covariates, left_out):
    """A frame for each series."""
    import pandas as pd  # noqa: PLC0415

    (values, columns), horizon = covariates, forecaster.horizon
    past, n_known = panel.until(left_out), panel.lengths - left_out
    own = clone(forecaster)._fit(past, [rows[:n] for rows, n in zip(values, n_known, strict=True)], columns)
    ahead = [own._beyond(rows[: n + horizon], n) for rows, n in zip(values, n_known, strict=True)]
    forecast = own._forecast(own._samples(past, ahead))
    frames = []
    for i, n in enumerate(n_known):
        index = panel.indexes[i]
        times = np.arange(len(panel.values[i])) if index is None else index
        frames.append(
            pd.DataFrame(
                {
                    "series": panel.names[i],
                    "cutoff": times[n - 1],
                    "step": np.arange(1, horizon + 1),
                    "time": times[n : n + horizon],
                    "truth": panel.values[i][n : n + horizon],
                    "forecast": forecast[i],
                    **simple_forecasts(past.values[i], horizon, own.segment_ if own.lag_ > 1 else 1),
                }
            )
        )
    return frames


def simple_forecasts(observed, horizon, season):
    """Forecasts without a network, from the values of a series so far, by name."""
    past = filled(observed)
    same = repeated(past, horizon, season) if 1 < season <= len(past) else np.full(horizon, np.nan)
    last = np.full(horizon, past[-1])
    return {"last_value": last, "same_season": same, "ridge": _ridge(past, horizon)}


def _ridge(past, horizon):
    """A linear autoregression for each step of the horizon; the last value where the series is too short."""
    n_lags = min(N_LAGS, len(past) // SHARE_OF_LAGS)
    n = len(past) - n_lags - horizon + 1
    if n_lags < 1 or n < 2:
        return np.full(horizon, past[-1])
    windows = np.lib.stride_tricks.sliding_window_view(past, n_lags + horizon)
    line = Ridge(windows[:, :n_lags], windows[:, n_lags:]).line(PENALTY)
    return line(past[np.newaxis, -n_lags:])[0]


def skill(forecaster, panel, values, later, later_values):
    """1 minus the mean absolute error over that of the last value, on values that follow, each series the same."""
    both = panel.followed_by(later)
    beside = [np.concatenate(pair) for pair in zip(values, later_values, strict=True)]
    horizon, own, last = forecaster._n_ahead, [], []
    for begin in range(0, int(later.lengths.max()), horizon):
        known = panel.lengths + np.minimum(begin, later.lengths)
        past = both.until(both.lengths - known)
        ahead = []
        for rows, n in zip(beside, known, strict=True):
            short = np.full((max(0, n + horizon - len(rows)), rows.shape[1]), np.nan)
            ahead.append(forecaster._beyond(np.concatenate([rows[: n + horizon], short]), n))
        forecast = forecaster._forecast(forecaster._samples(past, ahead))
        for i, n in enumerate(known):
            truth = both.values[i][n : n + horizon]
            own.append((i, np.abs(truth - forecast[i, : len(truth)])))
            last.append((i, np.abs(truth - filled(past.values[i])[-1])))
    means = [
        [np.nanmean(np.concatenate([e for j, e in errors if j == i])) for i in range(len(panel))]
        for errors in (own, last)
    ]
    worst = np.where(np.array(means[1]) > 0, means[1], np.finfo(float).tiny)
    return float(np.mean(1 - means[0] / worst))
