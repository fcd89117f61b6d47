"""
Too many epochs, and when to stop
=================================

A network with more weights than the data can fill learns the errors of its training set by heart: the loss goes on
falling, and the score on other data falls, too. This example shows both curves, and the remedy: to stop when the score
of held-out sequences stops rising. Dropout and a learning rate that falls to zero, which are the defaults, are none if
labels are wrong.

The script prints a table of results and writes the figure ``early_stopping.png``.
"""

# %%
# Data
# ----
# Which of two patterns is hidden in noise. Of the labels to learn from, a fifth is wrong.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNClassifier
from skrnn.inspection import LossCurveDisplay

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)
PATTERNS = np.array([[1.0, -1.0, 1.0, 1.0, -1.0], [1.0, 1.0, -1.0, -1.0, 1.0]])


def hidden_patterns(n):
    """Sequences (n, 30, 1) with one of two patterns somewhere, and which one it is."""
    X, y = rng.normal(0, 0.5, (n, 30, 1)), rng.integers(2, size=n)
    for x, start, k in zip(X, rng.integers(0, 25, n), y, strict=True):
        x[start : start + 5, 0] += 1.2 * PATTERNS[k]
    return X, y


X, y = hidden_patterns(300)
y = np.where(rng.random(300) < 0.2, 1 - y, y)
(X_val, y_val), (X_test, y_test) = hidden_patterns(200), hidden_patterns(1000)

# %%
# An epoch at a time
# ------------------
# ``partial_fit`` trains for one epoch, and the score on other sequences is taken after each. Nothing holds this network
# back: the learning rate is constant, and no unit is dropped. The labels of the other sequences are right.
plain = {"hidden_layer_sizes": 64, "learning_rate": "constant", "dropout": 0.0, "random_state": 0}
endless = RNNClassifier(**plain)
scores = [endless.partial_fit(X, y, classes=[0, 1]).score(X_test, y_test) for _ in range(60)]

# %%
# Stopped in time
# ---------------
# ``early_stopping=True`` holds out a tenth of the sequences, or those given as ``X_val`` and ``y_val``. It ends the fit
# when their score has not risen for ``n_iter_no_change`` epochs, and takes the weights of the best epoch.
stopped = RNNClassifier(**plain, early_stopping=True, max_iter=60, n_iter_no_change=10)
stopped.fit(X, y, X_val=X_val, y_val=y_val)

# %%
# The defaults plan some 1500 updates, and lower the learning rate to zero on the way.
default = RNNClassifier(random_state=0).fit(X, y)

fits = {"60 epochs": endless, "defaults": default, "stopped early": stopped}
print(f"{'fit':<16}{'epochs':>8}{'training loss':>15}{'test accuracy':>15}")
for name, clf in fits.items():
    print(f"{name:<16}{len(clf.loss_curve_):>8}{clf.loss_curve_[-1]:>15.3f}{clf.score(X_test, y_test):>15.3f}")

# %%
# Figure
# ------
# The fit that is stopped in time is shown by :class:`~skrnn.inspection.LossCurveDisplay`.
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
epochs = np.arange(1, 61)
left.plot(epochs, endless.loss_curve_, color="C0", label="training loss")
left.plot(epochs, scores, color="C1", linestyle="--", label="accuracy on other sequences")
left.set(xlabel="epoch", ylim=(0, 1))
left.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
left.set_title("60 epochs, nothing held back", pad=26)
LossCurveDisplay.from_estimator(stopped, ax=right)
right.set_title("Stopped early", pad=26)  # above the legend
figure.savefig("early_stopping.png", dpi=120)
print("\nfigure: early_stopping.png")
