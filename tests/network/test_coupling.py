"""Raw predictions that depend on the targets before them: against loops, and against central differences."""

import numpy as np
from scipy.special import expit

from skrnn.cells import LSTM
from skrnn.estimators.tasks._notes import CoupledLogLoss
from skrnn.kernels.coupling import N_ROWS, couple
from skrnn.network.data import Data
from skrnn.network.network import Network
from skrnn.network.shards import ThreadExecutor
from skrnn.network.structure import Structure
from skrnn.training.objective import Objective

K, J = 5, 19  # more hidden units than a vector has lanes


def network_and_data(rng):
    structure = Structure(LSTM(), 3, (4,), n_outputs=K + J, dtype="float64", pooling="steps", coupled=J)
    offsets = np.array([0, 4, 6, 11])
    y = (rng.random((11, K)) < 0.5).astype(float)
    return Network(structure), Data(rng.normal(size=(11, 3)), offsets, y, rng.uniform(1, 2, 11))


def test_the_kernel_is_a_loop_over_targets():
    rng = np.random.default_rng(0)
    raw, y = rng.normal(size=(6, K + J)), (rng.random((6, K)) < 0.5).astype(float)
    W, V = rng.normal(size=(2, K, J))
    expected = raw.copy()
    for n in range(6):
        for k in range(K):
            expected[n, k] += expit(raw[n, K:] + y[n, :k] @ W[:k]) @ V[k]
    couple(raw, y, 6, K, J, W, V, np.zeros((N_ROWS, J)))
    np.testing.assert_allclose(raw, expected, rtol=1e-12)


def test_gradients_are_central_differences():
    rng = np.random.default_rng(1)
    network, data = network_and_data(rng)
    theta = rng.normal(size=network.size) * 0.5
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, CoupledLogLoss(J), 0.0, executor, max_batch=3)
        _, gradient = objective.value_and_gradient(theta, np.arange(3))
        gradient = gradient.copy()
        for _ in range(5):
            v = rng.normal(size=network.size)
            up, down = (objective.value_and_gradient(theta + sign * 1e-5 * v, np.arange(3))[0] for sign in (1, -1))
            np.testing.assert_allclose(gradient @ v, (up - down) / 2e-5, rtol=1e-6)


def test_weights_of_the_last_target_have_no_gradient():
    """W of the last target and V at no start: nothing comes behind it."""
    rng = np.random.default_rng(2)
    network, data = network_and_data(rng)
    with ThreadExecutor(1) as executor:
        objective = Objective(network, data, CoupledLogLoss(J), 0.0, executor, max_batch=3)
        _, gradient = objective.value_and_gradient(rng.normal(size=network.size), np.arange(3))
    dW = network.layout.views(gradient)["coupling.W"]
    assert not dW[-1].any()
    assert (dW[:-1] != 0).all()
