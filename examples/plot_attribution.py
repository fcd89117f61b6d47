"""
Which steps a prediction comes from
===================================

In the adding problem, two of 60 numbers are marked, and the target is their sum. A network that has solved it reads all
60 numbers, but only two count. :func:`~skrnn.inspection.attribute` shows whether it has found out which. The second
part does the same for images of digits that are read row by row.

The script prints how much of the attributions lies where it should, and writes the figure ``attribution.png``.
"""

# %%
# Adding problem
# --------------
# Each sequence has two channels: random numbers, and marks. There is one mark in each half.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from skrnn import RNNClassifier, RNNRegressor
from skrnn.inspection import AttributionDisplay, attribute

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

T = 60
rng = np.random.default_rng(0)


def adding_problem(n):
    X = np.stack([rng.uniform(-1, 1, size=(n, T)), np.zeros((n, T))], axis=2)
    first, second = rng.integers(0, T // 2, size=n), rng.integers(T // 2, T, size=n)
    rows = np.arange(n)
    X[rows, first, 1] = X[rows, second, 1] = 1
    return X, X[rows, first, 0] + X[rows, second, 0]


X, y = adding_problem(4000)
X_test, y_test = adding_problem(200)
reg = RNNRegressor(32, pooling="last", bidirectional=False, max_iter=60, tol=1e-4, random_state=0).fit(X, y)
print(f"adding problem: R^2 of {reg.score(X_test, y_test):.3f} on new sequences")

# %%
# The shares of all values of a sequence sum to its prediction minus that of the baseline, the mean of each channel. The
# result says how exactly.
result = attribute(reg, X_test)
shares = np.abs(result.attributions.to_padded())
marked = X_test[:, :, 1] > 0
print(f"of the shares of the numbers, {shares[marked][:, 0].sum() / shares[:, :, 0].sum():.0%} belong to marked steps")
print(f"the sums are exact to {np.abs(result.error).max():.1e}")

# %%
# Digits
# ------
# An image is a sequence of 8 rows, and each row has 8 pixels as channels. The attributions are a map like the image.
images, digits = load_digits(return_X_y=True)
images = images.reshape(-1, 8, 8)
clf = RNNClassifier(max_iter=30, random_state=0).fit(images[:1400], digits[:1400])
print(f"digits: accuracy of {clf.score(images[1400:], digits[1400:]):.3f}")
chosen = next(i for i in range(1400, 1797) if digits[i] == 3)

# %%
# Figure
# ------
# Above, the bright or dark steps are those that are marked; the dotted lines show where. Below, the pixels that speak
# for a 3 and for an 8 are bright, those that speak against it dark.
fig = plt.figure(figsize=(8, 6), layout="constrained")
grid = fig.add_gridspec(2, 3, height_ratios=(2, 3))
ax = fig.add_subplot(grid[0, :])
AttributionDisplay.from_estimator(reg, X_test[0], ax=ax)
for step in np.flatnonzero(marked[0]):
    ax.axvline(step, color="w", linestyle=":", linewidth=1)
ax.set(title=f"Adding problem: sum {y_test[0]:.2f}, predicted {reg.predict(X_test[:1])[0]:.2f}")
ax.set_yticks([0, 1], labels=["number", "mark"])

ax = fig.add_subplot(grid[1, 0])
ax.imshow(images[chosen], cmap="gray_r")
ax.set(title="digit", xlabel="channel", ylabel="step")
for k, target in enumerate((3, 8)):
    ax = fig.add_subplot(grid[1, 1 + k])
    # The display has steps from left to right; an image has its rows from top to bottom.
    values = attribute(clf, images[chosen : chosen + 1], target=target).attributions[0]
    largest = np.abs(values).max()
    picture = ax.imshow(values, cmap="cividis", vmin=-largest, vmax=largest)
    fig.colorbar(picture, ax=ax, shrink=0.6)
    ax.set(title=f"shares in class {target}", xlabel="channel")
fig.savefig("attribution.png", dpi=120)
print("figure: attribution.png")
