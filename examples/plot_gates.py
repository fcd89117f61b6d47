"""
What a cell remembers, and when it forgets
==========================================

The network reads numbers and, now and then, a mark. Its task is to put out at each step the number that stood at the
last mark. So it must write at a mark, and keep what it has written until the next one. The gates of the cell show that
it does.

The script prints how well gates and marks agree, and writes the figure ``gates.png``.
"""

# %%
# Data
# ----
# Two channels: a number between -1 and 1, and a mark at about one step in eight.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNRegressor
from skrnn.inspection import GateDisplay

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)


def latch(n_sequences, n_steps=40):
    """Sequences (n, T, 2), and for each step the number at the last mark."""
    numbers = rng.uniform(-1, 1, (n_sequences, n_steps))
    marks = rng.random((n_sequences, n_steps)) < 0.12
    marks[:, 0] = True
    last = np.maximum.accumulate(np.where(marks, np.arange(n_steps), 0), axis=1)
    return np.stack([numbers, marks], axis=2), list(np.take_along_axis(numbers, last, axis=1))


X, y = latch(400)
X_test, y_test = latch(100)
reg = RNNRegressor(16, cell="gru", max_iter=60, random_state=0).fit(X, y)
print(f"R^2 of {reg.score(X_test, y_test):.3f} on new sequences")

# %%
# Gates
# -----
# z of a GRU is the share of the old state that is kept: near 1 the unit remembers, near 0 it is written anew.
# :class:`~skrnn.inspection.GateDisplay` has the values of all gates, and of the state h, of one sequence.
shown = X_test[0]
display = GateDisplay.from_estimator(reg, shown)
marks = shown[:, 1] > 0
kept = display.values["z"]  # (n_steps, n_units)
order = np.argsort(kept[marks].mean(axis=0) - kept[~marks].mean(axis=0))
for name, units in {"all units": order, "the four that tell marks best": order[:4]}.items():
    print(
        f"z of {name}: {kept[~marks][:, units].mean():.2f} without a mark, {kept[marks][:, units].mean():.2f} at marks"
    )
plt.close(display.figure_)

# %%
# Figure
# ------
# The units are sorted by how much more they forget at marks than elsewhere: the first ones are written at the marks,
# where their gate is dark, and keep their state in between. The others smooth, or do not take part.
figure, axes = plt.subplots(3, 1, figsize=(9, 6.4), sharex=True, height_ratios=[1.2, 1, 1], layout="constrained")
steps = np.arange(len(shown))
axes[0].plot(steps, shown[:, 0], ".", color="0.6", label="number")
axes[0].step(steps, y_test[0], where="mid", color="0.2", linewidth=1, label="number at the last mark")
axes[0].plot(steps, reg.predict(X_test[:1])[0], "x", color="C1", label="output")
axes[0].plot(steps[marks], np.full(marks.sum(), -1.25), "k^", clip_on=False, label="mark")
axes[0].set(ylabel="value", ylim=(-1.25, 1.1))
axes[0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False)
for ax, letter, limits, text in ((axes[1], "z", (0, 1), "kept (gate z)"), (axes[2], "h", (-1, 1), "state h")):
    picture = ax.imshow(
        display.values[letter][:, order].T, aspect="auto", cmap="cividis", vmin=limits[0], vmax=limits[1]
    )
    figure.colorbar(picture, ax=ax, label=text, pad=0.01)
    ax.set_ylabel("unit")
axes[2].set_xlabel("step")
figure.savefig("gates.png", dpi=120)
print("figure: gates.png")
