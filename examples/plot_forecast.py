"""
Forecasts of many series, with intervals
========================================

Forty made-up shops sell more on some weekdays, more in some weeks, and much more when they offer a discount, which is
known in advance. One model learns from all of them. It forecasts the next two weeks, says how sure it is, and is
compared with simple forecasts at cut-offs in the past.

The script prints a table of results and writes the figure ``forecast.png``.
"""

# %%
# Data
# ----
# A year and a half of days. Each shop has its own size, week and noise.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import RNNForecaster

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)
N_SHOPS, N_DAYS, HORIZON = 40, 540, 14
days = pd.date_range("2025-01-01", periods=N_DAYS, freq="D")
discounts = [pd.DataFrame({"discount": (rng.random(N_DAYS) < 0.08) * 1.0}, days) for _ in range(N_SHOPS)]


def sales(discount):
    """Sales of a shop (n_days,), with a week of its own and a slow drift."""
    week = 1 + 0.4 * rng.random(7)
    drift = np.exp(np.cumsum(0.01 * rng.normal(size=N_DAYS)))
    lift = 1 + 0.6 * discount
    return rng.lognormal(4, 1) * drift * week[days.day_of_week] * lift * rng.lognormal(0, 0.06, N_DAYS)


shops = [pd.Series(sales(table["discount"].to_numpy()), days) for table in discounts]
past = [shop[:-HORIZON] for shop in shops]

# %%
# Fit and forecast
# ----------------
# The discount is known in advance, so its values are passed for the days to forecast.
forecaster = RNNForecaster(HORIZON, season=7, random_state=0)
forecaster.fit(past, [table[:-HORIZON] for table in discounts])
forecast = forecaster.predict(discounts)
lower, upper = forecaster.predict_interval(discounts, coverage=0.9)
truth = np.array([shop[-HORIZON:] for shop in shops])
print(f"shares of the linear model and of the network: {forecaster.shares_}")
print(f"within the 90 % intervals: {100 * np.mean((lower <= truth) & (truth <= upper)):.0f} %")

# %%
# Backtest
# --------
# The model is fitted anew at each of two cut-offs, to what came before.
frame = RNNForecaster(HORIZON, season=7, random_state=0).backtest(shops, discounts, n_windows=2)
methods = ["forecast", "last_value", "same_season", "ridge"]
errors = frame[methods].sub(frame["truth"], axis=0).abs().div(frame["truth"], axis=0)
print(f"\n{'method':<12}  relative error, %")
for method in methods:
    print(f"{method:<12}  {100 * errors[method].mean():17.1f}")

# %%
# Figure
# ------
# Two shops with discounts in these weeks: what was known, the forecast with its interval, and what came. Triangles mark
# days with a discount.
figure, axes = plt.subplots(2, 1, figsize=(7.5, 5), sharex=True, layout="constrained")
with_offers = [i for i, table in enumerate(discounts) if table["discount"].iloc[-HORIZON + 2 : -2].any()]
for ax, i in zip(axes, with_offers, strict=False):
    shown = shops[i][-5 * HORIZON :]
    future = shown.index[-HORIZON:]
    ax.plot(shown.index, shown, color="0.35", linewidth=1.2, label="sales")
    ax.fill_between(future, lower[i], upper[i], color="C0", alpha=0.25, linewidth=0, label="90 % interval")
    ax.plot(future, forecast[i], color="C0", linewidth=1.8, label="forecast")
    offers = discounts[i].loc[shown.index, "discount"] > 0
    ax.plot(shown.index[offers], np.full(offers.sum(), 0.02), "^", color="0.35", transform=ax.get_xaxis_transform())
    ax.axvline(future[0], color="0.7", linewidth=0.8, linestyle="--")
    ax.set_ylabel(f"sales of shop {i}")
    ax.spines[["top", "right"]].set_visible(False)
axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
figure.savefig("forecast.png", dpi=150)
