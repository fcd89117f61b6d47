"""Embeddings and decay, against the oracle and central differences."""

import numpy as np
import pytest
import reference as ref
from networks import (
    assert_derivatives,
    make_network,
    named,
    oracle_options,
    predict,
    random_network,
    value_and_gradient,
)
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.convolution import Conv
from skrnn.initializers import Scheme, get_initializer

LENGTHS = [5, 1, 8, 3, 12, 2]


def coded_sequences(rng, lengths=LENGTHS):
    """Channels: codes below 7, a number, codes below 3."""
    return [
        np.column_stack([rng.integers(0, 7, T), rng.normal(size=T), rng.integers(0, 3, T)]).astype(float)
        for T in lengths
    ]


def missing_sequences(rng, lengths=LENGTHS, C=2):
    """Last values, whether they are of now, and times since."""
    sequences = []
    for T in lengths:
        seen = rng.random((T, C)) < 0.5
        since = np.where(seen, 0, rng.exponential(size=(T, C)))
        sequences.append(np.hstack([rng.normal(size=(T, C)), seen, since]))
    return sequences


def both(rng):
    """Variables that may be missing, then the two channels of codes."""
    parts = zip(missing_sequences(rng), coded_sequences(rng), strict=True)
    return [np.hstack([x, codes[:, [0, 2]]]) for x, codes in parts]


FRONTS = {
    "embedding": (coded_sequences, 3, {"embeddings": ((0, 7, 5), (2, 3, 2))}),
    "embedding_only": (lambda rng: [x[:, :1] for x in coded_sequences(rng)], 1, {"embeddings": ((0, 7, 20),)}),
    "decay": (missing_sequences, 6, {"decay": True}),
    "decay_and_embedding": (both, 8, {"decay": True, "embeddings": ((6, 7, 5), (7, 3, 2))}),
    "decay_wide": (lambda rng: missing_sequences(rng, C=19), 57, {"decay": True}),
}


@pytest.mark.parametrize("pooling", ["last", "attention", "steps"])
@pytest.mark.parametrize("front", FRONTS)
def test_equals_the_oracle(front, pooling):
    rng = np.random.default_rng(0)
    make, D, options = FRONTS[front]
    sequences = make(rng)
    network, theta = random_network(rng, "gru", D, (4, 5), 2, pooling=pooling, bidirectional=True, **options)
    weights = named(network, theta)
    around = oracle_options(network.structure)
    expected = ref.raw_predictions(weights, sequences, "gru", **around)
    assert_allclose(predict(network, theta, sequences), expected, rtol=1e-10, atol=1e-12)
    target = rng.normal(size=expected.shape)
    value, gradient = value_and_gradient(network, theta, sequences, target)

    def f(weights):
        return ref.objective_value(weights, sequences, target, "gru", ref.squared_error, **around)

    assert_allclose(value, f(weights), rtol=1e-10)
    assert_derivatives(f, network, theta, gradient, rng)


@pytest.mark.small
def test_codes_that_do_not_occur_get_no_gradient():
    rng = np.random.default_rng(1)
    network, theta = random_network(rng, "elman", 1, (4,), 1, embeddings=((0, 9, 3),))
    sequences = [np.array([[2.0], [5.0], [2.0]]), np.array([[7.0]])]
    _, gradient = value_and_gradient(network, theta, sequences, np.ones((2, 1)))
    used = np.flatnonzero(np.abs(named(network, gradient)["embedding.0"]).sum(axis=1))
    assert_array_equal(used, [2, 5, 7])


@pytest.mark.parametrize(("n_codes", "deviation"), [(80, 1), (100, 1), (400, 0.5), (10000, 0.1)])
def test_vectors_of_many_codes_start_small_and_that_of_no_code_at_zero(n_codes, deviation):
    """Rare codes stay near where they start, so that must not be far from the code that never occurs."""
    network = make_network("gru", 1, (4,), 2, embeddings=((0, n_codes, 64),))
    scheme = Scheme(get_initializer("glorot_uniform"), get_initializer("orthogonal"), None, 10)
    table = named(network, network.initialize(np.random.default_rng(0), scheme, np.zeros(2)))["embedding.0"]
    assert not table[0].any()
    assert (table[1:] != 0).all()
    assert_allclose(table[1:].std(), deviation, rtol=0.02)


@pytest.mark.small
def test_a_value_of_now_does_not_decay():
    rng = np.random.default_rng(2)
    network, theta = random_network(rng, "elman", 6, (4,), 1, decay=True)
    (x,) = missing_sequences(rng, [6])
    x[:, 2:4] = 1
    expected = predict(network, theta, [x])
    x[:, 4:] = 100
    assert_array_equal(predict(network, theta, [x]), expected)


def test_in_float32_and_many_shards():
    rng = np.random.default_rng(3)
    network, theta = random_network(rng, "lstm", 3, (6,), 2, np.float32, embeddings=((0, 7, 5), (2, 3, 2)))
    sequences = [x.astype(np.float32) for x in coded_sequences(rng, rng.integers(1, 20, 100))]
    expected = ref.raw_predictions(
        {name: view.astype(float) for name, view in named(network, theta).items()}, sequences, "lstm"
    )
    assert_allclose(predict(network, theta, sequences, n_threads=2), expected, rtol=1e-4, atol=1e-5)


def test_only_one_may_be_first():
    with pytest.raises(ValueError, match="use one of them"):
        make_network("gru", 3, (4,), 2, decay=True, convolution=Conv())
    with pytest.raises(ValueError, match="use one of them"):
        make_network("gru", 3, (4,), 2, convolution=Conv(), embeddings=((0, 3, 2),))
