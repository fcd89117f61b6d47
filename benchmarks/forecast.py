"""Forecasts on real series: `RNNForecaster` with defaults, beside repeated values and ridge regressions.

*m4*: 414 hourly series of the M4 competition, the next 48 hours; sMAPE in percent, and the mean weighted loss of nine
quantiles. *heads*: the same, of networks that learn nine quantiles or a distribution; *floor* is the loss without a
head. *etth1*: oil temperature of a transformer, 24 hours ahead, mean squared error of z-scores; cut-offs at each hour
of the test part. *exchange*: eight exchange rates, 3 to 24 days ahead; relative squared error, cut-offs at each
day. *small*: thirteen short series, one step ahead through the last fifth, mean absolute error over that of a ridge
regression on as many lags as the table of the data names, geometric mean. Models are fitted once, to what comes before
the part that is forecast; each forecast reads the series up to its cut-off.

*coverage* is the share of values within 90 % intervals. *CPU s* is that of the fit. With ``--held-out valid`` the last
part of what is for training takes the place of the test part. Scores are means over seeds (``--seeds``), with the
range.
"""

import argparse
import sys
import time

import numpy as np
from _harness import at_least, at_most, goals, parse_arguments, progress, report, table
from _sets import DATA, loaders

from skrnn import RNNForecaster
from skrnn.forecasting._linear import Ridge

PARTS = ("m4", "heads", "etth1", "exchange", "small")
HEADS = {
    "quantiles": {"quantiles": np.arange(1, 10) / 10},
    "normal": {"distribution": "normal"},
    "Student t": {"distribution": "student_t"},
}
HEADER = ("set", "measure", "score", "range", "floor", "coverage %", "CPU s")
CHUNK = 200  # cut-offs that are forecast at once
LEVELS = np.arange(1, 10) / 10
EXCHANGE_STEPS = (3, 6, 12, 24)


class Bench:
    """The rows of the table and the goals."""

    def __init__(self, held_out, n_seeds, stride):
        self.valid, self.seeds, self.stride = held_out == "valid", range(n_seeds), stride
        self.rows, self.wanted, self.coverages = [], [], []

    def add(self, name, measure, scores, floor, coverage, seconds, form="{:.3f}"):
        spread = f"{form.format(min(scores))} .. {form.format(max(scores))}"
        shown = form.format(np.mean(scores))
        self.rows.append((name, measure, shown, spread, floor, f"{100 * coverage:.1f}", f"{seconds:.0f}"))
        return float(np.mean(scores))

    def cover(self, name, coverage):
        self.wanted.append(at_least(f"{name}, coverage", 100 * coverage, 86, "%", aim=88))
        self.wanted.append(at_most(f"{name}, coverage", 100 * coverage, 94, "%", aim=92))


def fitted(horizon, y, seed, **parameters):
    start = time.process_time()
    forecaster = RNNForecaster(horizon, random_state=seed, **parameters).fit(y)
    return forecaster, time.process_time() - start


def rolling(forecaster, series, cutoffs):
    """Truth, forecasts, and whether values are within intervals, each (n_series, n_cutoffs, horizon)."""
    horizon = forecaster.horizon
    truth = np.array([[values[c : c + horizon] for c in cutoffs] for values in series])
    forecasts, within = np.empty_like(truth), np.empty_like(truth, dtype=bool)
    for i, values in enumerate(series):
        for k in range(0, len(cutoffs), CHUNK):
            part, past = slice(k, k + CHUNK), [values[:c] for c in cutoffs[k : k + CHUNK]]
            forecasts[i, part] = forecaster.predict(y=past)
            lower, upper = forecaster.predict_interval(y=past)
            within[i, part] = (truth[i, part] >= lower) & (truth[i, part] <= upper)
    return truth, forecasts, within


def smape(truth, forecast):
    return float(200 * np.mean(np.abs(truth - forecast) / (np.abs(truth) + np.abs(forecast))))


def weighted_quantile_loss(truth, forecasts):
    """Twice the quantile losses, summed over all values, over the sum of absolute values; the mean over quantiles."""
    losses = []
    for level, forecast in forecasts.items():
        miss = truth - forecast
        losses.append(2 * np.maximum(level * miss, (level - 1) * miss).sum() / np.abs(truth).sum())
    return float(np.mean(losses))


def _m4_parts(bench, horizon):
    """Training series, and what is to be forecast (n_series, horizon)."""
    train, test = loaders().m4_hourly()
    train = [np.asarray(values, dtype=float) for values in train]
    if bench.valid:
        train, test = [values[:-horizon] for values in train], [values[-horizon:] for values in train]
    return train, np.asarray(test, dtype=float)


def heads(bench):
    horizon, without = 48, None
    train, truth = _m4_parts(bench, horizon)
    for name, parameters in {"without": {}, **HEADS}.items():
        runs = []
        for seed in bench.seeds:
            forecaster, seconds = fitted(horizon, train, seed, season=24, **parameters)
            lower, upper = forecaster.predict_interval()
            loss = weighted_quantile_loss(truth, forecaster.predict_quantiles(quantiles=LEVELS))
            runs.append((loss, np.mean((truth >= lower) & (truth <= upper)), seconds))
        losses, coverages, seconds = np.transpose(runs)
        without = without or losses.mean()
        floor, title = f"without a head {without:.4f}", f"M4 hourly, {name}"
        bench.add(title, "wQL", losses, floor, coverages.mean(), seconds.mean(), "{:.4f}")
        if parameters:
            bench.wanted.append(at_most(f"{title}, over that without", losses.mean() / without, 1.1, "x", aim=1))
            bench.cover(title, coverages.mean())


def m4(bench):
    horizon = 48
    train, truth = _m4_parts(bench, horizon)
    yesterday = np.array([np.resize(values[-24:], horizon) for values in train])
    runs = []
    for seed in bench.seeds:
        forecaster, seconds = fitted(horizon, train, seed, season=24)
        lower, upper = forecaster.predict_interval()
        loss = weighted_quantile_loss(truth, forecaster.predict_quantiles(quantiles=LEVELS))
        coverage = np.mean((truth >= lower) & (truth <= upper))
        runs.append((smape(truth, forecaster.predict()), loss, coverage, seconds))
    errors, losses, coverages, seconds = np.transpose(runs)
    floor = f"same hour of yesterday {smape(truth, yesterday):.2f}"
    score = bench.add("M4 hourly", "sMAPE, %", errors, floor, coverages.mean(), seconds.mean(), "{:.2f}")
    bench.wanted.append(at_most("M4 hourly, sMAPE", score, 11.5, "%", aim=9.33))
    floor = f"the same {weighted_quantile_loss(truth, dict.fromkeys(LEVELS, yesterday)):.4f}"
    score = bench.add("M4 hourly", "wQL", losses, floor, coverages.mean(), seconds.mean(), "{:.4f}")
    bench.wanted.append(at_most("M4 hourly, wQL", score, 0.040, "", aim=0.033))
    bench.wanted.append(at_most("M4 hourly, wQL, range", np.ptp(losses), 0.002, ""))
    bench.wanted.append(at_most("M4 hourly, fit", seconds.max(), 180, "CPU s"))
    bench.cover("M4 hourly", coverages.mean())


def etth1(bench):
    values, columns, borders = loaders().etth1()
    series = values[:, columns.index("OT")]
    begin, end = borders["train"]
    z = (series - series[begin:end].mean()) / series[begin:end].std()
    begin, end = borders["valid" if bench.valid else "test"]
    cutoffs = np.arange(begin, end - 24 + 1, bench.stride)
    runs = []
    for seed in bench.seeds:
        forecaster, seconds = fitted(24, z[:begin], seed)
        truth, forecasts, within = rolling(forecaster, [z], cutoffs)
        runs.append((np.square(truth - forecasts).mean(), within.mean(), seconds))
    last = np.square(truth[0] - z[cutoffs - 1][:, np.newaxis]).mean()
    errors, coverages, seconds = np.transpose(runs)
    floor = f"last value {last:.4f}, ridge .026"
    score = bench.add("ETTh1", "MSE", errors, floor, coverages.mean(), seconds.mean(), "{:.4f}")
    bench.wanted.append(at_most("ETTh1, MSE", score, 0.028, "", aim=0.026))
    bench.cover("ETTh1", coverages.mean())


def exchange(bench):
    values = np.asarray(loaders().exchange_rate(), dtype=float)
    begin, end = (int(share * len(values)) for share in ((0.6, 0.8) if bench.valid else (0.8, 1.0)))
    cutoffs, series = np.arange(begin, end - 24 + 1, bench.stride), list(values.T)
    runs = []
    for seed in bench.seeds:
        forecaster, seconds = fitted(24, [each[:begin] for each in series], seed)
        truth, forecasts, within = rolling(forecaster, series, cutoffs)
        last = values[cutoffs - 1].T
        relative = []
        for step in EXCHANGE_STEPS:
            own = truth[:, :, step - 1]
            spread = np.square(own - own.mean()).sum()
            errors = [np.square(own - other).sum() for other in (forecasts[:, :, step - 1], last)]
            relative.append(np.sqrt(np.array(errors) / spread))
        runs.append((np.array(relative), within.mean(), seconds))
    scores = np.array([run[0] for run in runs])
    coverage, seconds = np.mean([run[1] for run in runs]), np.mean([run[2] for run in runs])
    for k, step in enumerate(EXCHANGE_STEPS):
        floor = f"last value {scores[0, k, 1]:.4f}"
        score = bench.add(f"exchange rates, day {step}", "RSE", scores[:, k, 0], floor, coverage, seconds, "{:.4f}")
        bench.wanted.append(
            at_most(f"exchange, day {step}, over last value", score / scores[0, k, 1], 1.05, "x", aim=1)
        )
    bench.cover("exchange rates", coverage)


def small(bench):
    ratios, coverages = [], []
    for name in loaders().small_series():
        values, season = loaders().small_series(name)
        series = np.asarray(values[:, 1] if values.ndim == 2 else values, dtype=float)
        series = series[: len(series) - len(series) // 5] if bench.valid else series
        begin = len(series) - len(series) // 5
        cutoffs, own = np.arange(begin, len(series)), []
        ridge = _one_step_ridge(name, series, begin)
        for seed in bench.seeds:
            parameters = {"season": season} if 1 < season < begin // 4 else {}
            forecaster, seconds = fitted(1, series[:begin], seed, **parameters)
            truth, forecasts, within = rolling(forecaster, [series], cutoffs)
            own.append((np.abs(truth - forecasts).mean(), within.mean(), seconds))
        errors, covered, seconds = np.transpose(own)
        ratios.append(errors.mean() / ridge)
        coverages.append(covered.mean())
        bench.add(name, "MAE", errors, f"ridge {ridge:.4g}", covered.mean(), seconds.mean(), "{:.4g}")
        progress(f"{name}: {ratios[-1]:.3f}")
    score = bench.add("small series", "MAE over ridge", [np.exp(np.mean(np.log(ratios)))], "1", np.mean(coverages), 0)
    bench.wanted.append(at_most("small series, over ridge", score, 1.05, "x", aim=0.95))
    bench.cover("small series", np.mean(coverages))


def _one_step_ridge(name, series, begin):
    """Mean absolute error of a ridge regression on lags, fitted to what comes before `begin`."""
    n_lags = {"beer_quarterly": 12, "us_gasoline": 104, "flu_weekly": 104}.get(name, 24)
    n_lags = {"wool_quarterly": 12, "gas_furnace": 12, "heart_rate": 12}.get(name, n_lags)
    n_lags = min(n_lags, begin // 3)
    windows = np.lib.stride_tricks.sliding_window_view(series, n_lags + 1)
    line = Ridge(windows[: begin - n_lags, :-1], windows[: begin - n_lags, -1:]).line(1 / (begin - n_lags))
    return float(np.abs(line(windows[begin - n_lags :, :-1]) - windows[begin - n_lags :, -1:]).mean())


def main():
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--held-out", choices=("valid", "test"), default="test")
    parser.add_argument("--seeds", type=int, default=3)
    own, rest = parser.parse_known_args()
    sys.argv[1:] = rest
    arguments = parse_arguments(__doc__, parts=PARTS)
    if not (DATA / "load.py").exists():
        sys.exit("the data are not there: set SKRNN_DATA to the folder of load.py")
    bench = Bench(own.held_out, own.seeds, 24 if arguments.quick else 1)
    for part in arguments.parts:
        progress(part)
        {"m4": m4, "heads": heads, "etth1": etth1, "exchange": exchange, "small": small}[part](bench)
    report("forecast", __doc__, [table(HEADER, bench.rows), goals(bench.wanted)], arguments.write)


if __name__ == "__main__":
    main()
