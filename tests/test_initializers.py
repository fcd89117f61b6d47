"""Initial weights: distributions, reproducibility, names and parameters."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, uniform
from sklearn.base import clone

from skrnn.initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    BaseBias,
    BaseInitializer,
    Chrono,
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    Identity,
    Orthogonal,
    Uniform,
    Zeros,
    get_bias_initializer,
    get_initializer,
)

quick = settings(max_examples=30, deadline=None, database=None)
sizes = st.integers(1, 30)
seeds = st.integers(0, 2**32 - 1)
ROWS, COLUMNS = 300, 50
# Initialiser, and its half width or standard deviation for ROWS inputs and COLUMNS units.
UNIFORM = {
    "glorot": (GlorotUniform(), np.sqrt(6 / 350)),
    "glorot_gain": (GlorotUniform(gain=0.5), np.sqrt(6 / 350) / 2),
    "he": (HeUniform(), np.sqrt(6 / 300)),
    "units": (Uniform(), 1 / np.sqrt(50)),
    "limit": (Uniform(limit=0.3), 0.3),
    "limit_int": (Uniform(limit=2), 2.0),
}
NORMAL = {
    "glorot": (GlorotNormal(), np.sqrt(2 / 350)),
    "glorot_gain": (GlorotNormal(gain=3), 3 * np.sqrt(2 / 350)),
    "he": (HeNormal(), np.sqrt(2 / 300)),
}
DRAWN = [name for name in INITIALIZERS if name not in ("identity", "zeros")]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# ------------------------------------------------------------------------------------------------------ distributions
@pytest.mark.parametrize("name", UNIFORM)
def test_uniform(name, rng):
    initializer, limit = UNIFORM[name]
    W = initializer(rng, ROWS, COLUMNS)
    assert np.abs(W).max() <= limit
    assert np.abs(W).max() > 0.99 * limit
    assert_allclose(W.mean(), 0, atol=0.02 * limit)
    assert_allclose(W.var(), limit**2 / 3, rtol=0.03)
    assert kstest(W.ravel(), uniform(-limit, 2 * limit).cdf).pvalue > 1e-3


@pytest.mark.parametrize("name", NORMAL)
def test_normal(name, rng):
    initializer, scale = NORMAL[name]
    W = initializer(rng, ROWS, COLUMNS)
    assert_allclose(W.mean(), 0, atol=0.03 * scale)
    assert_allclose(W.var(), scale**2, rtol=0.04)
    assert kstest(W.ravel(), norm(0, scale).cdf).pvalue > 1e-3


@given(n_rows=sizes, n_columns=sizes, seed=seeds, gain=st.sampled_from([1.0, 0.25, 2]))
@quick
def test_orthogonal(n_rows, n_columns, seed, gain):
    W = Orthogonal(gain)(np.random.default_rng(seed), n_rows, n_columns)
    product = W.T @ W if n_rows >= n_columns else W @ W.T
    assert_allclose(product, gain**2 * np.eye(min(n_rows, n_columns)), atol=1e-13 * gain**2)


def test_orthogonal_has_no_preferred_direction(rng):
    """Haar measure: each element has mean 0 and variance 1 / n, the diagonal too, and both determinants occur."""
    samples = np.array([Orthogonal()(rng, 3, 3) for _ in range(4000)])
    assert_allclose(samples.mean(axis=0), 0, atol=0.05)
    assert_allclose(samples.var(axis=0), 1 / 3, atol=0.03)
    assert 0.45 < (np.linalg.det(samples) > 0).mean() < 0.55


def test_identity(rng):
    assert_array_equal(Identity()(rng, 3, 3), np.eye(3))
    assert_array_equal(Identity(scale=0.01)(rng, 2, 4), [[0.01, 0, 0, 0], [0, 0.01, 0, 0]])
    assert_array_equal(Identity(2)(rng, 3, 2), [[2, 0], [0, 2], [0, 0]])


def test_zeros(rng):
    assert_array_equal(Zeros()(rng, 2, 3), np.zeros((2, 3)))


# ------------------------------------------------------------------------------------------- what all have in common
@pytest.mark.parametrize("name", INITIALIZERS)
@given(n_rows=sizes, n_columns=sizes)
@quick
def test_form(name, n_rows, n_columns):
    W = get_initializer(name)(np.random.default_rng(0), n_rows, n_columns)
    assert W.shape == (n_rows, n_columns)
    assert W.dtype == np.float64
    assert W.flags.c_contiguous
    assert W.flags.writeable
    assert np.isfinite(W).all()


@pytest.mark.parametrize("name", DRAWN)
def test_same_seed_same_weights(name):
    initializer = get_initializer(name)
    first = initializer(np.random.default_rng(3), 4, 5)
    assert_array_equal(first, initializer(np.random.default_rng(3), 4, 5))
    assert (first != initializer(np.random.default_rng(4), 4, 5)).any()


@pytest.mark.parametrize("name", DRAWN)
def test_next_draw_is_another(name, rng):
    initializer = get_initializer(name)
    assert (initializer(rng, 4, 5) != initializer(rng, 4, 5)).any()


@pytest.mark.parametrize("name", ["identity", "zeros"])
def test_constants_draw_nothing(name, rng):
    state = rng.bit_generator.state
    get_initializer(name)(rng, 3, 4)
    assert rng.bit_generator.state == state


@pytest.mark.parametrize("initializer", [GlorotUniform, GlorotNormal, Orthogonal])
def test_gain_scales(initializer):
    once, four = (initializer(gain)(np.random.default_rng(1), 5, 3) for gain in (1.0, 4.0))
    assert_array_equal(4 * once, four)


@pytest.mark.parametrize("number", [np.float32, np.float64, np.longdouble, int])
@pytest.mark.parametrize("initializer", [GlorotUniform, GlorotNormal, Orthogonal, Identity, Uniform])
def test_parameters_of_other_types(initializer, number):
    W = get_initializer(initializer(number(2)))(np.random.default_rng(1), 5, 3)
    assert W.dtype == np.float64
    assert_array_equal(W, initializer(2.0)(np.random.default_rng(1), 5, 3))


# Models that were fitted with a seed depend on these two, bit by bit.
def test_the_default_input_weights_stay_as_they_are():
    for D, H in [(3, 8), (8, 3), (1, 1), (7, 64)]:
        limit = np.sqrt(6 / (D + H))
        expected = np.random.default_rng(5).uniform(-limit, limit, size=(D, H))
        assert_array_equal(GlorotUniform()(np.random.default_rng(5), D, H), expected)


def test_the_default_recurrent_weights_stay_as_they_are():
    for H in (1, 2, 8, 33):
        q, r = np.linalg.qr(np.random.default_rng(5).standard_normal((H, H)))
        assert_array_equal(Orthogonal()(np.random.default_rng(5), H, H), q * np.copysign(1.0, np.diag(r)))


# ------------------------------------------------------------------------------------------------------------- biases
@pytest.mark.parametrize(
    ("max_steps", "n_steps", "T"),
    [
        (None, 100, 100),
        (None, 3, 3),
        (None, 2, 3),
        (None, 1, 3),
        (None, 0, 3),
        (50, 1000, 50),
        (1000, 5, 1000),
        (3, 9, 3),
    ],
)
def test_chrono(max_steps, n_steps, T, rng):
    b = Chrono(max_steps)(rng, 20000, n_steps)
    assert b.shape == (20000,)
    assert b.dtype == np.float64
    assert b.min() >= 0
    assert b.max() <= np.log(T - 1)
    assert kstest(np.exp(b), uniform(1, T - 2).cdf).pvalue > 1e-3


def test_chrono_remembers_for_2_to_all_steps(rng):
    """What the gate lets go of per step is 1 / (1 + u), so that the times 1 + u lie evenly between 2 and T."""
    b = Chrono()(rng, 20000, n_steps=40)
    times = 1 + np.exp(b)  # 1 / (1 - sigmoid(b))
    assert_allclose(1 / (1 - 1 / (1 + np.exp(-b))), times)
    assert kstest(times, uniform(2, 38).cdf).pvalue > 1e-3


def test_chrono_repeats_with_the_seed():
    first = Chrono()(np.random.default_rng(3), 6, 50)
    assert_array_equal(first, Chrono()(np.random.default_rng(3), 6, 50))
    assert (first != Chrono()(np.random.default_rng(4), 6, 50)).all()


# --------------------------------------------------------------------------------------------------- names, parameters
def test_registry():
    assert {name: kind.__name__ for name, kind in INITIALIZERS.items()} == {
        "glorot_uniform": "GlorotUniform",
        "glorot_normal": "GlorotNormal",
        "he_uniform": "HeUniform",
        "he_normal": "HeNormal",
        "orthogonal": "Orthogonal",
        "identity": "Identity",
        "uniform": "Uniform",
        "zeros": "Zeros",
    }
    assert {"chrono": Chrono} == BIAS_INITIALIZERS


@pytest.mark.parametrize(
    ("get", "registry", "base"),
    [(get_initializer, INITIALIZERS, BaseInitializer), (get_bias_initializer, BIAS_INITIALIZERS, BaseBias)],
    ids=["weights", "biases"],
)
def test_names_and_instances(get, registry, base):
    for name, kind in registry.items():
        instance = get(name)
        assert type(instance) is kind
        assert isinstance(instance, base)
        assert get(instance) is instance
        assert clone(instance).get_params() == instance.get_params()
        assert set(kind._parameter_constraints) == set(instance.get_params())


def test_biases_of_the_cell():
    assert get_bias_initializer("cell") is None


@pytest.mark.parametrize(
    "wrong", ["glorot", "Orthogonal", "cell", "chrono", "", None, 1.0, Orthogonal, Chrono(), np.eye]
)
def test_wrong_choice(wrong):
    with pytest.raises(ValueError, match=r"neither one of 'glorot_uniform', .* nor an instance of BaseInitializer"):
        get_initializer(wrong)


@pytest.mark.parametrize("wrong", ["zeros", "Chrono", None, 1.0, Chrono, Zeros(), ["cell"]])
def test_wrong_choice_of_biases(wrong):
    with pytest.raises(ValueError, match="neither one of 'cell', 'chrono' nor an instance of BaseBias"):
        get_bias_initializer(wrong)


@pytest.mark.parametrize("value", [0, -1.0, np.nan, np.inf, "2"])
@pytest.mark.parametrize(
    ("initializer", "name"),
    [(GlorotUniform, "gain"), (GlorotNormal, "gain"), (Orthogonal, "gain"), (Identity, "scale"), (Uniform, "limit")],
)
def test_wrong_parameter(initializer, name, value):
    with pytest.raises(ValueError, match=f"The '{name}' parameter of {initializer.__name__} must be"):
        get_initializer(initializer(value))


@pytest.mark.parametrize("value", [2, 0, -1, 10.5, "10"])
def test_wrong_length(value):
    with pytest.raises(ValueError, match="The 'max_steps' parameter of Chrono must be"):
        get_bias_initializer(Chrono(value))


def test_the_bases_draw_nothing(rng):
    with pytest.raises(NotImplementedError):
        BaseInitializer()(rng, 2, 2)
    with pytest.raises(NotImplementedError):
        BaseBias()(rng, 2, 2)
