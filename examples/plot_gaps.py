"""
Missing values and irregular times
==================================

Instruments fail, and readings come when they come. In this example, a drug level falls at a rate that differs from
patient to patient, and the target is this rate. The level is read at irregular times, and many readings are lost.

Three ways to deal with the gaps are compared: to fill them with the last value before the fit, and the two settings of
``missing``. Each is tried with and without the times of the readings. The script prints a table of results and writes
the figure ``gaps.png``.
"""

# %%
# Data
# ----
# Two channels: the time, in hours, and the level, of which half of the readings are missing.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skrnn import RNNRegressor

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)


def patient(rate):
    """Readings (n_steps, 2) of a patient: time, level or NaN."""
    times = np.cumsum(rng.exponential(1.0, rng.integers(12, 25)))
    level = np.exp(-rate * times) * rng.uniform(8, 12) + rng.normal(0, 0.1, len(times))
    level[rng.random(len(times)) < 0.5] = np.nan
    return np.column_stack([times, level])


rates = rng.uniform(0.05, 0.5, 800)
X = [patient(rate) for rate in rates]
missing = np.isnan(np.concatenate(X)[:, 1]).mean()
print(
    f"{len(X)} patients with {min(map(len, X))} to {max(map(len, X))} readings; {missing:.0%} of the levels are missing"
)

# %%
# Three ways to deal with gaps
# ----------------------------
# ``missing="mask"`` tells the network which values were measured, and how long ago the last one was. ``"decay"`` puts
# the last value in the gap, which falls to the mean at a rate that is learned. With ``time_channel``, the network reads
# the hours between steps; without it, each step counts the same.


def without_times(sequences):
    return [x[:, 1:] for x in sequences]


def filled(sequences):
    return [pd.DataFrame(x).ffill().bfill().fillna(0).to_numpy() for x in sequences]


ways = {"filled before": (filled, {}), "mask": (list, {"missing": "mask"}), "decay": (list, {"missing": "decay"})}
scores, predictions = {}, {}
print(f"\n{'R^2 of the rates':<18}{'steps':>8}{'times':>8}")
for way, (prepare, parameters) in ways.items():
    for times in (False, True):
        shown = prepare(X) if times else without_times(prepare(X))
        reg = RNNRegressor(32, time_channel=0 if times else None, random_state=0, **parameters)
        scores[way, times] = reg.fit(shown[:600], rates[:600]).score(shown[600:], rates[600:])
    predictions[way] = reg.predict(shown[600:])
    print(f"{way:<18}{scores[way, False]:>8.3f}{scores[way, True]:>8.3f}")

# %%
# Figure
# ------
# On the left the patients with the lowest and the highest rate, on the right the scores.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), width_ratios=(1.2, 1), layout="constrained")
for marker, color, i in (("o", "C0", rates[600:].argmin()), ("s", "C1", rates[600:].argmax())):
    times, level = X[600 + i].T
    left.plot(
        times, level, marker, color=color, label=f"rate {rates[600 + i]:.2f}, predicted {predictions['mask'][i]:.2f}"
    )
    left.plot(times[np.isnan(level)], np.full(np.isnan(level).sum(), -0.8), "|", color=color, markersize=9)
left.axhline(-0.4, color="0.8", linewidth=0.8)
left.set(xlabel="hours", ylabel="level", title="Readings, and below the line those that are lost", ylim=(-1.2, None))
left.legend(frameon=False)
places = np.arange(len(ways))
for k, (times, name, hatch) in enumerate([(False, "steps count the same", "//"), (True, "times are read", "")]):
    bars = right.bar(places + 0.4 * (k - 0.5), [scores[way, times] for way in ways], 0.36, color=f"C{k}", hatch=hatch)
    bars.set_label(name)
right.set(
    xticks=places, xticklabels=ways, ylabel="$R^2$ on other patients", ylim=(0, 1), title="Three ways to deal with gaps"
)
right.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, -0.28), ncols=2)
figure.savefig("gaps.png", dpi=120)
print("\nfigure: gaps.png")
