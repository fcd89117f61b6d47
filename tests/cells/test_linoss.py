"""What the paper says of LinOSS: an implicit step, stable for all weights; what units start with."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from skrnn.cells import LinOSS
from skrnn.checks._step import plain

rng = np.random.default_rng(0)
Y, V, G, W_A, W_DT = rng.normal(size=(5, 50))
A, DT = np.maximum(W_A, 0), 1 / (1 + np.exp(-W_DT))


def step(y, v, g):
    """Position and velocity after a step of the cell, as NumPy."""
    return plain(LinOSS().forward)((g, np.zeros(50)), (y, v), np.zeros(50), (W_A, W_DT))[1]


def test_a_step_solves_the_implicit_equations():
    y, v = step(Y, V, G)
    assert_allclose(y, Y + DT * v, rtol=1e-12)
    assert_allclose(v, V + DT * (G - A * y), rtol=1e-12, atol=1e-14)
    assert (A > 0).any()
    assert (A == 0).any()


def test_eigenvalues_of_a_step_are_at_most_1():
    zero, one = np.zeros(50), np.ones(50)
    matrices = np.array([step(one, zero, zero), step(zero, one, zero)]).T  # of each unit, transposed
    sizes = np.abs(np.linalg.eigvals(matrices))
    assert_allclose(sizes, np.sqrt(1 / (1 + DT**2 * A))[:, None] * [1, 1], rtol=1e-7)


@pytest.mark.parametrize("n_steps", [1, 2, 7, 1000])
def test_units_start_with_step_sizes_for_the_whole_sequence(n_steps):
    drawn = {
        name: LinOSS().initial_vectors(np.random.default_rng(1), name, (2000,), n_steps, False)
        for name in LinOSS.vectors
    }
    shortest, dt = 1 / max(n_steps, 2), 1 / (1 + np.exp(-drawn["w_dt"]))
    assert 0 <= drawn["w_A"].min() < 0.01 < 0.99 < drawn["w_A"].max() <= 1
    assert_allclose([dt.min(), dt.max()], [shortest, 0.5], rtol=0.02)
    assert_allclose(np.median(dt), np.sqrt(0.5 * shortest), rtol=0.2)
