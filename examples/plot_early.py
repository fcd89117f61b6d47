"""
Deciding before the end
=======================

A gesture is recognised while the hand still moves. In this example, three gestures begin alike: the first one parts
from the others early, the other two only after half of the time. ``EarlyClassifier`` reads until it knows enough. What
is enough follows from the cost of delay, by cross-validation.

The script prints when it decides, and writes the figure ``early.png``: gestures with the places of the decisions, and
how the accuracy on held-out gestures changes with the share of the steps that are read.
"""

import matplotlib.pyplot as plt
import numpy as np

from skrnn import EarlyClassifier, RNNClassifier

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

# %%
# Three gestures
# --------------

rng = np.random.default_rng(0)
n, n_steps = 200, 40
names = np.array(["early", "left", "right"])
y = np.arange(n) % 3
time = np.arange(n_steps) / n_steps
turn = np.where(y == 0, 0.15, 0.5) + rng.normal(0, 0.04, n)  # when a gesture shows what it is
bend = np.array([5.0, 5.0, -5.0])[y] * np.where(y == 0, 1, 0.8)
angle = 0.5 + np.maximum(time - turn[:, np.newaxis], 0) * bend[:, np.newaxis] + rng.normal(0, 0.1, (n, 1))
X = np.stack([np.cos(angle), np.sin(angle)], axis=2) + rng.normal(0, 0.25, (n, n_steps, 2))  # velocities of the hand

# %%
# When to decide
# --------------
# Networks should read forward only, so that a stage takes one step more.

train, test = slice(0, 120), slice(120, n)
network = RNNClassifier(12, bidirectional=False, max_iter=30, random_state=0)
early = EarlyClassifier(network, prefixes=True, cv=3, random_state=0).fit(X[train], names[y[train]])
labels, n_read = early.predict_early(X[test])
result = early.evaluate(X[test], names[y[test]])
for k, name in enumerate(names):
    print(f"{name:6} decided after {n_read[y[test] == k].mean():4.1f} of {n_steps} steps")
print(f"accuracy {result.accuracy:.0%}, {result.share_read:.0%} of the steps read, threshold {early.threshold_:.2f}")

# %%
# The dots on the left are decisions, red where they are wrong. On the right are all thresholds in cross-validation, and
# the one that costs least.

_, (left, right) = plt.subplots(1, 2, figsize=(10, 4.5), layout="constrained")
paths = np.cumsum(X[test], axis=1)
for k, color in enumerate(("tab:blue", "tab:orange", "tab:green")):
    rows = np.flatnonzero(y[test] == k)[:12]
    for i in rows:
        left.plot(*paths[i].T, color=color, alpha=0.35, linewidth=1, label=names[k] if i == rows[0] else None)
        is_right = labels[i] == names[k]
        left.plot(*paths[i, n_read[i] - 1], "o", color="black" if is_right else "tab:red", markersize=4, zorder=3)
left.set(xlabel="x", ylabel="y", title="Gestures, and where they are recognised")
left.legend(frameon=False)
curve, best = early.cv_results_, early.best_index_
right.plot(100 * curve["share_read"], 100 * curve["accuracy"], color="tab:blue", label="thresholds from 0 to 1")
right.plot(
    100 * curve["share_read"][best], 100 * curve["accuracy"][best], "o", color="black", label="least cost, chosen"
)
right.plot(100 * result.share_read, 100 * result.accuracy, "s", color="tab:green", label="on test gestures")
right.set(xlabel="steps read, %", ylabel="accuracy, %", title=f"cost of delay {early.cost_of_delay}", xlim=(0, 102))
right.legend(loc="lower right", frameon=False)
plt.savefig("early.png", dpi=150)
