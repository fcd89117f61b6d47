"""
How far back the gradient reaches
=================================

A recurrent network only learns from steps that the gradient of the loss reaches. In this example, five networks must
recall the first of 100 numbers after reading all of them. ``gradient_norms`` returns the norm of the derivative of the
loss with respect to the hidden state at each step, before training. Then each network is trained. The norms explain the
scores.

The script prints a table of results and writes the figure ``gradient_reach.png``.
"""

# %%
# Data
# ----
# Sequences of uniform numbers. The target is the first number; all others are noise.
import warnings

import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNRegressor
from skrnn.cells import Elman

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed

T = 100
rng = np.random.default_rng(0)
X, X_test = rng.uniform(-1, 1, size=(1000, T, 1)), rng.uniform(-1, 1, size=(500, T, 1))
y, y_test = X[:, 0, 0], X_test[:, 0, 0]

# %%
# Five networks
# -------------
# "IRNN" is an Elman network of rectified linear units whose initial recurrent matrix is the identity. With chrono
# biases, the initial memory of a GRU is as long as the sequences. Attention reaches every step directly.
networks = {
    "Elman": {"cell": "elman"},
    "IRNN": {"cell": Elman(activation="relu"), "recurrent_init": "identity"},
    "GRU": {"cell": "gru"},
    "GRU, chrono biases": {"cell": "gru", "bias_init": "chrono"},
    "Elman, attention": {"cell": "elman", "pooling": "attention"},
}
common = {"hidden_layer_sizes": 32, "random_state": 0}

norms_of = {}
print(f"{'network':20s} {'|dL/dh_1| / |dL/dh_100|':>24s} {'R^2 after 30 epochs':>20s}")
for name, parameters in networks.items():
    # With a learning rate next to 0 the network stays as it was initialised.
    start = RNNRegressor(**common, **parameters, learning_rate_init=1e-9, tol=10.0, n_iter_no_change=1).fit(X, y)
    norms = np.mean(start.gradient_norms(X_test, y_test), axis=0)[:, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 30 epochs are not enough for all, and they say so
        trained = RNNRegressor(**common, **parameters, max_iter=30, tol=0.0).fit(X, y)
    norms_of[name] = norms
    print(f"{name:20s} {norms[0] / norms[-1]:24.1e} {trained.score(X_test, y_test):20.3f}", flush=True)

# %%
# Figure
# ------
# If the norm decreases by a constant factor per step, the network cannot learn from the first step, however long the
# training. The reverse is not guaranteed: the gradient of the IRNN reaches the first step, but the IRNN needs more than
# 30 epochs.
fig, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
styles = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
for (name, norms), style in zip(norms_of.items(), styles, strict=True):
    ax.semilogy(np.arange(1, T + 1), norms, linestyle=style, label=name)
ax.set(xlabel="step", ylabel="mean norm of dL/dh", title="Before training", xlim=(1, T))
ax.legend()
fig.savefig("gradient_reach.png", dpi=120)
print("figure: gradient_reach.png")
