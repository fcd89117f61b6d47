"""
Events in a sensor trace, step by step
======================================

A machine hums, and from time to time a valve opens or a belt slips. Both make a short bump in the trace; only its form
tells them apart. Somebody has marked the steps of some traces. A network learns to mark those of new ones: its target
is a label for each step.

The script prints a table of results and writes the figure ``events.png``.
"""

# %%
# Data
# ----
# Traces of 150 to 250 steps. A valve rises fast and decays, a slip rises slowly and stops. Most steps are quiet.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

from skrnn import RNNClassifier
from skrnn.metrics import step_accuracy_score, step_f1_score

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

LABELS = ["quiet", "slip", "valve"]
DECAY = np.exp(-np.arange(12) / 5)
FORMS = {"valve": DECAY, "slip": DECAY[::-1]}
rng = np.random.default_rng(0)


def trace():
    """A trace (n_steps,), and the label of each step."""
    n_steps = rng.integers(150, 251)
    x = 0.5 * np.sin(0.2 * np.arange(n_steps) + rng.uniform(0, 6)) + rng.normal(0, 0.25, n_steps)
    labels = np.full(n_steps, "quiet", dtype=object)
    for start in np.cumsum(rng.integers(15, 70, 10)):
        if start > n_steps - 12:
            break
        event = rng.choice(["valve", "slip"])
        x[start : start + 12] += rng.uniform(1, 2) * FORMS[event]
        labels[start : start + 12] = event
    return x, labels


X, y = zip(*(trace() for _ in range(120)), strict=True)
X, X_test, y, y_test = X[:80], X[80:], y[:80], y[80:]
quiet = np.mean(np.concatenate(y) == "quiet")
print(f"{len(X)} traces to learn from, {len(X_test)} to test; {quiet:.0%} of the steps are quiet")

# %%
# Three models
# ------------
# A network that reads forward knows the past of a step, as an alarm does. One that reads in both directions knows the
# whole trace, as a report on the day after does. A linear model sees the last 12 steps. As most steps are quiet, the
# F1 score, a mean over the three labels, says more than the share of right steps.
models = {
    "forward": RNNClassifier(32, max_iter=60, random_state=0).fit(X, y),
    "both directions": RNNClassifier(32, max_iter=60, bidirectional=True, random_state=0).fit(X, y),
}
predictions = {name: model.predict(X_test) for name, model in models.items()}


def last_steps(x):
    """The last 12 values before each step, and its own (n_steps, 12)."""
    return np.lib.stride_tricks.sliding_window_view(np.pad(x, (11, 0)), 12)


linear = LogisticRegression().fit(np.concatenate([last_steps(x) for x in X]), np.concatenate(y))
predictions["linear, 12 steps"] = [linear.predict(last_steps(x)) for x in X_test]

print(f"\n{'model':<18}{'accuracy':>10}{'F1':>8}")
for name, predicted in predictions.items():
    f1 = step_f1_score(y_test, predicted, average="macro")
    print(f"{name:<18}{step_accuracy_score(y_test, predicted):>10.3f}{f1:>8.3f}")

# %%
# Figure
# ------
# As an event begins, the network that reads forward cannot know yet what it is, or whether it is one. The other network
# has seen the end.
shown = int(np.argmax([np.sum(labels != "quiet") for labels in y_test]))
figure, axes = plt.subplots(3, 1, figsize=(9, 5.6), sharex=True, height_ratios=[1.4, 1, 1], layout="constrained")
axes[0].plot(X_test[shown], color="0.25", linewidth=1)
axes[0].set(ylabel="sensor", title="A trace with its events, and the probability of each event at each step")
styles = {"slip": {"color": "C0", "linestyle": "--"}, "valve": {"color": "C1", "linestyle": "-"}}
for label, style in styles.items():
    marked = y_test[shown] == label
    for ax in axes:
        low, high = ax.get_xaxis_transform(), {"alpha": 0.18, "color": style["color"], "linewidth": 0}
        ax.fill_between(np.arange(len(marked)), 0, 1, where=marked, transform=low, **high)
    for ax, (name, model) in zip(axes[1:], models.items(), strict=True):
        probabilities = model.predict_proba(X_test[shown : shown + 1])[0][:, LABELS.index(label)]
        ax.plot(probabilities, label=label, **style)
        ax.set(ylabel=name, ylim=(-0.03, 1.05))
axes[2].set_xlabel("step")
figure.legend(*axes[1].get_legend_handles_labels(), loc="outside lower center", ncols=2, frameon=False)
figure.savefig("events.png", dpi=120)
print("\nfigure: events.png")
