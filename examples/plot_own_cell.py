"""
A cell of your own, in thirty lines
===================================

The update gate RNN is not part of skrnn. It has one gate, which decides how much of the state stays. A cell needs two
functions, which compute a step forward and back, and a class that names its weights; :doc:`/add_a_cell` derives them.
The cell is compared with an Elman network, which has no gate, and a GRU, which has two.

The script prints a table of results and writes the figure ``own_cell.png``.
"""

# %%
# Cell
# ----
# ``a`` has the sums of products and biases of each gate. What ``forward`` returns first is handed to ``backward``.
import matplotlib.pyplot as plt
import numpy as np

from skrnn import RNNRegressor
from skrnn.cells import BOTH, BaseCell, kernel, register_cell
from skrnn.checks import check_cell
from skrnn.kernels.activations import sigmoid, tanh

plt.switch_backend("agg")  # the figure goes to a file, so no display is needed


@kernel
def forward(a, s, h, p):
    z, g = sigmoid(a[0]), tanh(a[1])
    return (z, g), s, z * h + (1 - z) * g


@kernel
def backward(saved, s_before, h_before, p, ds, dh):
    z, g = saved
    dz, dg = dh * (h_before - g), dh * (1 - z)
    return (dz * z * (1 - z), dg * (1 - g * g)), ds, dh * z, p


class UGRNN(BaseCell):
    """Update gate RNN: one gate decides what stays."""

    gates = ("z", "g")
    columns = (("z", BOTH), ("g", BOTH))
    carries_state = True
    initial_bias = {"z": 1.0}
    remembers = {"z": 1}
    forward, backward = staticmethod(forward), staticmethod(backward)


register_cell("ugrnn", UGRNN)

# %%
# :func:`~skrnn.checks.check_cell` compares the derivatives with differences, and finds most mistakes.
check_cell(UGRNN())
print("the derivatives of the cell are right")

# %%
# Three networks
# --------------
# One of 40 numbers is marked, and the target is this number. Depth, directions, dropout, threads and files work with
# the new cell as with any other.
rng = np.random.default_rng(0)
numbers, marked = rng.uniform(-1, 1, (1200, 40)), rng.integers(0, 40, 1200)
X, y = np.stack([numbers, np.arange(40) == marked[:, np.newaxis]], axis=2), numbers[np.arange(1200), marked]

print(f"\n{'cell':<8}{'weights':>9}{'R^2':>8}")
networks = {}
for cell in ("elman", "ugrnn", "gru"):
    networks[cell] = reg = RNNRegressor(24, cell=cell, max_iter=40, random_state=0).fit(X[:900], y[:900])
    n_weights = sum(weights.size for weights in reg.weights_.values())
    print(f"{cell:<8}{n_weights:>9}{reg.score(X[900:], y[900:]):>8.3f}")

# %%
# Figure
# ------
# Without a gate, numbers at early steps are lost on the way to the end.
figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
for (cell, reg), style in zip(networks.items(), (":", "-", "--"), strict=True):
    ax.semilogy(np.arange(1, len(reg.loss_curve_) + 1), reg.loss_curve_, style, label=cell)
ax.set(xlabel="epoch", ylabel="training loss")
ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
figure.savefig("own_cell.png", dpi=120)
print("\nfigure: own_cell.png")
