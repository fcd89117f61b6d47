"""Training in which the decoder reads its own outputs by chance: what it reads then counts as given."""

from functools import partial

import numpy as np
import pytest
from decoders import LABELS, D, derivatives, problem, read
from numpy.testing import assert_allclose
from reference_decoder import decode, objective

from skrnn.cells import get_cell
from skrnn.losses import MultinomialLogLoss, SquaredError
from skrnn.network.data import Data
from skrnn.network.network import Network
from skrnn.network.shards import ThreadExecutor
from skrnn.network.structure import Structure
from skrnn.training.objective import Objective

SEED, K = 0xFEDCBA9876543210, 2
NOISE = {"input_dropout": 0.2, "dropout": 0.3, "recurrent_dropout": 0.2, "zoneout": 0.1}
each_attention = pytest.mark.parametrize("attention", ["additive", "dot", None])


def value_and_gradient(network, theta, data, loss, share, seed=SEED):
    """Of a decoder that reads its own outputs by the chance `share`."""
    n = len(data.lengths)
    with ThreadExecutor(1) as executor:
        training = Objective(network, data, loss, 0.01, executor, n, reads_own=True)
        training.set_own_share(share)
        return training.value_and_gradient(theta, np.arange(n), seed)


def penalised(network):
    return [name for name, each in network.layout.views(network.layout.is_weight()).items() if each.any()]


def assert_derivatives(f, network, theta, found):
    """That value and gradient are those of f(weights), along a direction of each named weight."""
    value, gradient = found
    weights = network.layout.views(theta)
    assert_allclose(value, f(weights), rtol=1e-9)
    parts = network.layout.views(gradient)
    for name, (v, expected) in derivatives(f, weights).items():
        assert abs((v * parts[name]).sum() - expected) <= (np.abs(v) * (1e-8 * np.abs(parts[name]) + 1e-10)).sum(), name


@each_attention
@pytest.mark.parametrize("options", [{}, {"bidirectional": True, "hidden": (4, 3)}], ids=["one layer", "two"])
def test_labels_that_are_all_its_own_equal_the_oracle(attention, options):
    """Which reads, behind the start, the labels that are likeliest where it reads the true ones; never the end."""
    p = problem("gru", attention, **options)
    raw, _ = read(p, p.data())
    own = [np.append(0, one[:-1, :LABELS].argmax(axis=1) + 1.0)[:, np.newaxis] for one in raw]
    assert any((own[i] != p.read(i)).any() for i in range(len(own)))
    rows = [(p.sequences[i], own[i], p.labels[i], np.ones(len(p.labels[i]))) for i in range(len(own))]
    f = partial(objective, problem=rows, smoothing=0.1, alpha=0.01, is_weight=penalised(p.network), **p.options)
    found = value_and_gradient(p.network, p.theta, p.data(), MultinomialLogLoss(0.1), 1.0)
    assert_derivatives(f, p.network, p.theta, found)


@each_attention
@pytest.mark.parametrize("noise", [{}, NOISE], ids=["no noise", "noise"])
def test_gradients_of_labels_are_central_differences(attention, noise):
    """Where some steps read the true label and others their own, which a small step does not change."""
    p = problem("lstm", attention, hidden=(4, 3), bidirectional=True, **noise)
    data, loss = p.data(), MultinomialLogLoss(0.1)
    value, gradient = value_and_gradient(p.network, p.theta, data, loss, 0.5)
    others = [value_and_gradient(p.network, p.theta, data, loss, share)[0] for share in (0.0, 1.0)]
    assert len({value, *others}) == 3
    d = np.random.default_rng(2).normal(size=p.theta.size)
    high, low = (value_and_gradient(p.network, p.theta + e * d, data, loss, 0.5)[0] for e in (1e-6, -1e-6))
    assert_allclose(gradient @ d, (high - low) / 2e-6, rtol=1e-6, atol=1e-8)


@each_attention
def test_numbers_that_are_all_its_own_equal_the_oracle(attention):
    """The numbers that are read are no function of the weights: the gradient does not flow back through them."""
    rng = np.random.default_rng(0)
    decoder = Structure(get_cell("gru"), K, (4,), K, "float64", pooling="steps")
    pooling = "unaligned" if attention else "last"
    network = Network(
        Structure(get_cell("gru"), D, (4,), K, "float64", pooling=pooling, decoder=decoder, attention=attention)
    )
    theta = rng.normal(size=network.size) / 2
    sequences, targets = ([rng.normal(size=(n, k)) for n in lengths] for lengths, k in (([5, 1, 7], D), ([2, 4, 3], K)))
    true = [np.vstack([np.zeros((1, K)), y[:-1]]) for y in targets]
    offsets, out = (np.cumsum([0, *map(len, rows)]) for rows in (sequences, targets))
    data = Data(np.concatenate(sequences), offsets, np.concatenate(targets), None, out)
    data.outputs = Data(np.concatenate(true), out)
    run = partial(decode, cell="gru", attention=attention)
    weights = network.layout.views(theta)
    raw = [run(weights, x, given)[0] for x, given in zip(sequences, true, strict=True)]
    own = [np.vstack([np.zeros((1, K)), one[:-1]]) for one in raw]

    def f(weights):
        problems = zip(sequences, own, targets, strict=True)
        total = sum(((run(weights, x, given)[0] - y) ** 2).sum() / 2 for x, given, y in problems)
        return total / out[-1] + 0.005 * sum((weights[name] ** 2).sum() for name in penalised(network))

    assert_derivatives(f, network, theta, value_and_gradient(network, theta, data, SquaredError(), 1.0))
