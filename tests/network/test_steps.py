"""Networks with a prediction for each step: against the oracle, alone and in batches, with weights and dropout."""

import numpy as np
import pytest
import reference as ref
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import (
    CELLS,
    assert_derivatives,
    make_network,
    named,
    oracle_options,
    predict,
    problem,
    random_network,
    random_sequences,
    value_and_gradient,
)
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.convolution import Conv
from skrnn.losses import MultinomialLogLoss

LENGTHS = [5, 1, 8, 3]
AROUND = {
    "plain": {},
    "both directions": {"bidirectional": True, "layer_norm": True},
    "convolution": {"convolution": Conv(4, width=3, activation="tanh"), "bidirectional": True},
}


def oracle_value(network, sequences, target, cell, weight=None):
    def value(weights):
        options = oracle_options(network.structure)
        return ref.objective_value(weights, sequences, target, cell, ref.squared_error, weight, **options)

    return value


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("cell", CELLS)
def test_predictions_and_gradient_equal_the_oracle(cell, around):
    network, theta, sequences, target = problem(cell, pooling="steps", **AROUND[around])
    weights = named(network, theta)
    expected = ref.raw_predictions(weights, sequences, cell, **oracle_options(network.structure))
    assert_allclose(predict(network, theta, sequences), expected, rtol=1e-10, atol=1e-12)
    rng = np.random.default_rng(1)
    weight = rng.uniform(0.5, 2, len(target))
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=weight)
    f = oracle_value(network, sequences, target, cell, weight)
    assert_allclose(value, f(weights), rtol=1e-10)
    assert_derivatives(f, network, theta, gradient, rng)


@settings(max_examples=15, deadline=None, database=None)
@given(st.lists(st.integers(1, 9), min_size=1, max_size=40), st.integers(1, 18), st.integers(1, 20))
def test_any_shape(lengths, H, K):
    rng = np.random.default_rng(0)
    network, theta = random_network(rng, "elman", 2, (H,), K, pooling="steps", bidirectional=True)
    sequences = random_sequences(rng, lengths, 2)
    expected = ref.raw_predictions(named(network, theta), sequences, "elman", pooling="steps")
    together = predict(network, theta, sequences)
    assert_allclose(together, expected, rtol=1e-10, atol=1e-12)
    first = 0
    for x in sequences:
        assert_array_equal(predict(network, theta, [x]), together[first : first + len(x)])
        first += len(x)


def test_classes_equal_torch():
    """Cross-entropy over packed steps of ragged sequences, each weighed by its class."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    network, theta = random_network(rng, "elman", 3, (6,), 4, pooling="steps")
    sequences = random_sequences(rng, LENGTHS, 3)
    labels, class_weight = rng.integers(0, 4, sum(LENGTHS)), np.array([0.5, 1, 2, 3])
    value, gradient = value_and_gradient(
        network, theta, sequences, labels[:, None], weight=class_weight[labels], loss=MultinomialLogLoss()
    )
    w = {name: torch.tensor(array, requires_grad=True) for name, array in named(network, theta).items()}
    raw = []
    for x in sequences:
        h = torch.zeros(6, dtype=torch.float64)
        for x_t in torch.tensor(x):
            h = torch.tanh(x_t @ w["layers.0.forward.W_x"] + h @ w["layers.0.forward.W_h"] + w["layers.0.forward.b"])
            raw.append(h @ w["readout.W"] + w["readout.b"])
    loss = torch.nn.functional.cross_entropy(
        torch.stack(raw), torch.tensor(labels), torch.tensor(class_weight, dtype=torch.float64)
    )
    loss.backward()
    assert_allclose(value, loss.item(), rtol=1e-10)
    for name, view in named(network, gradient).items():
        assert_allclose(view, w[name].grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=name)


def test_a_step_without_weight_has_no_influence():
    network, theta, sequences, target = problem("gru", pooling="steps", **AROUND["both directions"])
    weight = np.ones(len(target))
    weight[[2, 6]] = 0
    expected = value_and_gradient(network, theta, sequences, target, weight=weight)
    target[[2, 6]] = 1e3
    value, gradient = value_and_gradient(network, theta, sequences, target, weight=weight)
    assert value == expected[0]
    assert_array_equal(gradient, expected[1])


def test_batches_of_a_part_and_many_shards():
    """The mean over steps, whatever the shards: of 70 sequences, and of some of them."""
    lengths = np.random.default_rng(3).integers(1, 9, 70).tolist()
    network, theta, sequences, target = problem("elman", lengths, pooling="steps")
    starts = np.cumsum([0, *lengths])
    some = np.array([41, 3, 69, 8])
    rows = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in some])
    expected = value_and_gradient(network, theta, [sequences[i] for i in some], target[rows])
    value, gradient = value_and_gradient(network, theta, sequences, target, indices=some)
    assert_allclose(value, expected[0], rtol=1e-12)
    assert_allclose(gradient, expected[1], rtol=1e-9, atol=1e-12)
    everything, _ = value_and_gradient(network, theta, sequences, target, n_threads=2)
    raw = predict(network, theta, sequences, n_threads=2)
    assert_allclose(everything, 0.5 * ((raw - target) ** 2).sum() / len(target), rtol=1e-12)


@pytest.mark.small
def test_dropout_leaves_out_the_same_units_at_all_steps():
    """Before the readout: raw predictions with noise are those of the oracle with the mask that they imply."""
    rng = np.random.default_rng(5)
    network, theta = random_network(rng, "elman", 3, (6,), 6, pooling="steps", dropout=0.5)
    weights = named(network, theta)
    weights["readout.W"][...], weights["readout.b"][...] = np.eye(6), 0
    sequences = random_sequences(rng, LENGTHS, 3)
    clean = predict(network, theta, sequences)
    # The slope of half the squared error with target 0 by the biases of the readout is the mean of raw predictions.
    whole = np.zeros((sum(LENGTHS), 6))
    for i in range(len(sequences)):
        rows = slice(sum(LENGTHS[:i]), sum(LENGTHS[: i + 1]))
        _, gradient = value_and_gradient(network, theta, sequences, whole, indices=[i], seed=7)
        share = named(network, gradient)["readout.b"] / clean[rows].mean(axis=0)
        assert_allclose(np.abs(share - 1), 1, atol=1e-9)  # each unit is left out, or doubled
        assert 0 < (share > 1).sum() < 6 or i != 2


def test_refused_with_fewer_steps():
    with pytest.raises(ValueError, match="use stride=1"):
        make_network("gru", 3, (4,), 2, pooling="steps", convolution=Conv(stride=2))
