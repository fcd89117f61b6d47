"""
Handwritten digits, read row by row
===================================

Recurrent classifiers read an image of 8 x 8 pixels as a sequence of 8 steps, with one row of 8 pixels per step. This
example compares classifiers with default parameters with two models that see all 64 pixels at once. Then it shows how
early a digit is recognised while its rows are read, which only a recurrent network can do with one fit.

The script prints training progress and a table of results, and writes the figure ``digits.png``.
"""

# %%
# Data
# ----
# scikit-learn contains 1797 digits; a quarter of them is the test set. The only difference between the two kinds of
# models is the shape of ``X``: (n, 8, 8) for sequences, (n, 64) for tables.
import time

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from skrnn import RNNClassifier

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

digits = load_digits()
X, X_test, y, y_test = train_test_split(digits.images, digits.target, stratify=digits.target, random_state=0)
print(f"{len(X)} digits to learn from, {len(X_test)} to test; each is 8 steps of 8 pixels")

# %%
# Three recurrent cells and two baselines
# ---------------------------------------
# The first fit with a cell compiles its kernels, which takes seconds, and stores them on disk. The example runs fits of
# one epoch first, so that the times in the table are those of later fits. Every model uses one thread.
print("compiling the kernels, or loading them from disk ...", flush=True)
start = time.perf_counter()
for cell in ("lstm", "gru", "elman"):
    RNNClassifier(cell=cell, max_iter=1).fit(X[:100], y[:100])
print(f"done in {time.perf_counter() - start:.1f} s; now the LSTM:\n")

models = {
    "RNNClassifier, LSTM": RNNClassifier(cell="lstm", random_state=0, verbose=2),
    "RNNClassifier, GRU": RNNClassifier(cell="gru", random_state=0),
    "RNNClassifier, Elman": RNNClassifier(cell="elman", random_state=0),
    "LogisticRegression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    "MLPClassifier": make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0)),
}
results = []
for name, model in models.items():
    is_recurrent = isinstance(model, RNNClassifier)
    train, test = (X, X_test) if is_recurrent else (X.reshape(-1, 64), X_test.reshape(-1, 64))
    start = time.perf_counter()
    with threadpool_limits(1):
        model.fit(train, y)
    seconds = time.perf_counter() - start
    results.append((name, "8 steps of 8" if is_recurrent else "64 pixels", model.score(test, y_test), seconds))

print(f"\n{'model':<22}{'input':<14}{'test accuracy':>14}{'fit, s':>8}")
for name, kind, accuracy, seconds in results:
    print(f"{name:<22}{kind:<14}{accuracy:>14.3f}{seconds:>8.2f}")

# %%
# How early is a digit recognised?
# --------------------------------
# Sequences may have any length, so a network that was trained on whole digits can predict after each row. But it has
# not learned to decide early, and its accuracy is low. A network that is trained on digits that are cut after 1, 2,
# ..., 8 rows, a list of sequences of unequal length, works for all lengths. Models of tables need one fit per length.
n_rows = np.arange(1, 9)
cut = [image[:k] for image in X for k in n_rows]
start = time.perf_counter()
early = RNNClassifier(cell="gru", random_state=0)
early.fit(cut, np.repeat(y, len(n_rows)))
print(f"\ntrained on {len(cut)} cut digits of 1 to 8 rows in {time.perf_counter() - start:.1f} s")

whole = models["RNNClassifier, GRU"]
curves = {
    "GRU, trained on cut digits": [early.score(X_test[:, :k], y_test) for k in n_rows],
    "GRU, trained on whole digits": [whole.score(X_test[:, :k], y_test) for k in n_rows],
    "LogisticRegression, one fit for each": [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        .fit(X[:, :k].reshape(-1, 8 * k), y)
        .score(X_test[:, :k].reshape(-1, 8 * k), y_test)
        for k in n_rows
    ],
}
print(f"\n{'test accuracy after row':<38}" + "".join(f"{k:>6}" for k in n_rows))
for name, accuracies in curves.items():
    print(f"{name:<38}" + "".join(f"{accuracy:>6.2f}" for accuracy in accuracies))

# %%
# Figure
# ------
# Below the curves: three digits, and beside each row the probabilities that the network trained on cut digits predicts
# after reading the rows down to this one.
figure = plt.figure(figsize=(11, 6.8), layout="constrained")
top, bottom = figure.subfigures(2, 1, height_ratios=(1.6, 1))
left, right = top.subplots(1, 2)
for name, style in {"LSTM": "-", "GRU": "--", "Elman": ":"}.items():
    left.semilogy(models[f"RNNClassifier, {name}"].loss_curve_, style, label=name)
left.set(title="Training", xlabel="epoch", ylabel="training loss")
for (name, accuracies), style in zip(curves.items(), ("C1o-", "C1o:", "k^--"), strict=True):
    right.plot(n_rows, accuracies, style, label=name, markersize=5)
right.set(title="Recognised while it is read", xlabel="rows read", ylabel="test accuracy", xticks=n_rows, ylim=(0, 1))
left.legend(frameon=False)
right.legend(frameon=False, fontsize="small", loc="upper left", bbox_to_anchor=(0, -0.17))
for axes in (left, right):
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)

shown = [np.flatnonzero(y_test == digit)[0] for digit in (3, 8, 9)]
panels = bottom.subplots(1, 6)
for i, (image_axes, axes) in zip(shown, panels.reshape(3, 2), strict=True):
    image_axes.imshow(X_test[i], cmap="gray_r")
    image_axes.set(title=f"a {y_test[i]}", xticks=[], yticks=range(8), yticklabels=n_rows, ylabel="row")
    probabilities = np.vstack([early.predict_proba(X_test[i : i + 1, :k]) for k in n_rows])
    picture = axes.imshow(probabilities, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set(title="class", xticks=range(10), yticks=[], box_aspect=1)
    axes.tick_params(labelsize="small", top=True, labeltop=True, bottom=False, labelbottom=False, length=0)
bottom.colorbar(picture, ax=panels, shrink=0.8, label="probability")
figure.savefig("digits.png", dpi=120)
print("\nfigure written to digits.png")
