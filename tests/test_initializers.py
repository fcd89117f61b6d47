"""Initial weights: shapes, distribution, reproducibility."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from skrnn.initializers import glorot_uniform, orthogonal, zeros

quick = settings(max_examples=30, deadline=None, database=None)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_zeros(rng):
    state = rng.bit_generator.state
    assert_array_equal(zeros(rng, (2, 3)), np.zeros((2, 3)))
    assert zeros(rng, (2,)).dtype == np.float64
    assert rng.bit_generator.state == state


def test_glorot_uniform(rng):
    W = glorot_uniform(rng, (300, 200), fan_in=300, fan_out=50)
    limit = np.sqrt(6 / 350)
    assert W.shape == (300, 200)
    assert W.dtype == np.float64
    assert np.abs(W).max() <= limit
    assert_allclose(W.var(), 2 / 350, rtol=0.02)
    assert kstest(W.ravel()[:5000], "uniform", (-limit, 2 * limit)).pvalue > 1e-3


@given(n_rows=st.integers(1, 30), n_columns=st.integers(1, 30), seed=st.integers(0, 2**32 - 1))
@quick
def test_orthogonal(n_rows, n_columns, seed):
    W = orthogonal(np.random.default_rng(seed), n_rows, n_columns)
    assert W.shape == (n_rows, n_columns)
    assert W.dtype == np.float64
    assert W.flags.c_contiguous
    product = W.T @ W if n_rows >= n_columns else W @ W.T
    assert_allclose(product, np.eye(min(n_rows, n_columns)), atol=1e-13)


def test_orthogonal_has_no_preferred_direction(rng):
    """Haar measure: each element has mean 0 and variance 1 / n, the diagonal too, and both determinants occur."""
    samples = np.array([orthogonal(rng, 3, 3) for _ in range(4000)])
    assert_allclose(samples.mean(axis=0), 0, atol=0.05)
    assert_allclose(samples.var(axis=0), 1 / 3, atol=0.03)
    assert 0.45 < (np.linalg.det(samples) > 0).mean() < 0.55


def test_same_generator_same_weights():
    for draw in (lambda rng: glorot_uniform(rng, (4, 5), 4, 5), lambda rng: orthogonal(rng, 4, 5)):
        first, again = draw(np.random.default_rng(3)), draw(np.random.default_rng(3))
        assert_array_equal(first, again)
        assert (first != draw(np.random.default_rng(4))).any()
