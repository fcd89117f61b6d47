"""
Grid search over sequences of unequal length
============================================

This example predicts the decay rate of noisy oscillations. The recordings have different lengths, so they do not form a
table. ``RNNRegressor`` accepts a list of recordings, and works in ``Pipeline`` and ``GridSearchCV`` like any other
estimator: one search covers cell, size and preprocessing.

The script prints the results of the search and a comparison with ridge regression on summary statistics, and writes the
figure ``regression_ragged.png``.
"""

# %%
# Data
# ----
# 600 recordings of 20 to 80 steps. The target is the decay rate. Inputs and targets have different units, but need no
# scaling.
import matplotlib.pyplot as plt
import numpy as np
from joblib import parallel_config
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skrnn import RNNRegressor

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

rng = np.random.default_rng(0)


def record(decay, n_steps):
    t = np.arange(n_steps)
    wave = np.sin(rng.uniform(0.2, 0.6) * t + rng.uniform(0, 2 * np.pi))
    return rng.uniform(5, 10) * wave * np.exp(-decay / 1000 * t) + rng.normal(scale=0.5, size=n_steps)


y = rng.uniform(0, 50, size=600)
X = [record(decay, n_steps) for decay, n_steps in zip(y, rng.integers(20, 81, size=600), strict=True)]
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)

# %%
# Pipeline and search
# -------------------
# The first step of the pipeline may add the magnitude of the signal as a second channel; the search finds out whether
# this helps. The kernels release the global interpreter lock, so two fits can run in two threads at a time.


def as_channels(sequences, magnitude=False):
    return [np.column_stack([x, np.abs(x)]) if magnitude else x for x in sequences]


pipeline = make_pipeline(FunctionTransformer(as_channels), RNNRegressor(tol=0.003, random_state=0))
grid = {
    "functiontransformer__kw_args": [{"magnitude": False}, {"magnitude": True}],
    "rnnregressor__cell": ["gru", "elman"],
}
with parallel_config(backend="threading", n_jobs=2):
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(X_train, y_train)

print("R2   in cross-validation")
for score, parameters in zip(search.cv_results_["mean_test_score"], search.cv_results_["params"], strict=True):
    print(f"{score:.3f}", parameters)

# %%
# Comparison with summary statistics
# ----------------------------------
# Without a recurrent network, describe each recording by a fixed number of statistics.


def statistics(sequences):
    return np.array([[len(x), x.std(), np.abs(x[:10]).max(), np.abs(x[-10:]).max()] for x in sequences])


ridge = make_pipeline(FunctionTransformer(statistics), StandardScaler(), Ridge()).fit(X_train, y_train)
predictions = {"RNNRegressor": search.predict(X_test), "Ridge on statistics": ridge.predict(X_test)}
for name, predicted in predictions.items():
    print(f"{name:<20} R2 = {r2_score(y_test, predicted):.3f} on {len(y_test)} new recordings")

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), layout="constrained")
for i, style in zip(np.argsort(y_test)[[20, 75, 130]], ("-", "--", ":"), strict=True):
    axes[0].plot(X_test[i], style, label=f"decay {y_test[i]:.0f}")
axes[0].set(title="Recordings", xlabel="step")
axes[0].legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=3)
for ax, (name, predicted) in zip(axes[1:], predictions.items(), strict=True):
    ax.plot([0, 50], [0, 50], color="0.7")
    ax.plot(y_test, predicted, ".", alpha=0.7)
    ax.set(title=name, xlabel="decay", ylabel="predicted", ylim=(-10, 60))
figure.savefig("regression_ragged.png", dpi=120)
