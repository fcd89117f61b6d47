"""Forecasts at cut-offs in the past, and the simple ones that they must be better than."""

import numpy as np

from .._core.jobs import side_by_side
from .._core.threads import one_blas_thread
from ._linear import Ridge
from ._repeats import repeated
from ._samples import filled

N_LAGS, PENALTY, SHARE_OF_LAGS = 24, 1e-3, 4  # of the ridge regression that stands beside: lags up to a quarter of n


def backtest(fit, panel, covariates, horizon, left_out):
    """The frame of `RNNForecaster.backtest`.

    fit : ``fit(panel, covariates)`` gives a `Fitted`.
    left_out : for each cut-off the steps behind it.
    """
    import pandas as pd  # noqa: PLC0415

    i, most = int(panel.lengths.argmin()), max(left_out)
    if panel.lengths[i] <= most:
        raise ValueError(
            f"{panel.label(i)} has {panel.lengths[i]} steps: too few for {len(left_out)} cut-offs, the first of which "
            f"has {most} behind."
        )
    parts = side_by_side(_at_cutoff, [(fit, panel, covariates, horizon, n_left_out) for n_left_out in left_out])
    return pd.concat([pd.DataFrame(columns) for part in parts for columns in part], ignore_index=True)


def _at_cutoff(fit, panel, covariates, horizon, n_left_out):
    """For each series the columns of a cut-off."""
    past, n_known = panel.until(n_left_out), panel.lengths - n_left_out
    fitted = fit(past, [rows[:n] for rows, n in zip(covariates, n_known, strict=True)])
    season = fitted.design.segment if fitted.design.lag > 1 else 1
    with one_blas_thread:
        forecast = fitted.at_cutoffs(panel, covariates, n_known)
        return [
            _beside(panel, i, n, forecast[i]) | simple_forecasts(past.values[i], horizon, season)
            for i, n in enumerate(n_known)
        ]


def _beside(panel, i, n, forecast):
    """Columns of a series: where its forecast from step n on stands, and what came."""
    values, index = panel.values[i], panel.indexes[i]
    times, ahead = np.arange(len(values)) if index is None else index, slice(n, n + len(forecast))
    return {
        "series": panel.names[i],
        "cutoff": times[n - 1],
        "step": np.arange(1, len(forecast) + 1),
        "time": times[ahead],
        "truth": values[ahead],
        "forecast": forecast,
    }


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


def skill(fitted, panel, covariates, later, later_covariates):
    """1 minus the mean absolute error over that of the last value, on values that follow, each series the same."""
    both = panel.followed_by(later)
    beside = [np.concatenate(pair) for pair in zip(covariates, later_covariates, strict=True)]
    own, last = [[] for _ in range(len(panel))], [[] for _ in range(len(panel))]
    for begin in range(0, int(later.lengths.max()), fitted.horizon):
        known = panel.lengths + np.minimum(begin, later.lengths)
        forecast = fitted.at_cutoffs(both, beside, known)
        for i, n in enumerate(known):
            truth = both.values[i][n : n + fitted.horizon]
            own[i].append(np.abs(truth - forecast[i, : len(truth)]))
            last[i].append(np.abs(truth - filled(both.values[i][:n])[-1]))
    means = np.array([[np.nanmean(np.concatenate(errors)) for errors in of] for of in (own, last)])
    return float(np.mean(1 - means[0] / np.where(means[1] > 0, means[1], np.finfo(float).tiny)))
