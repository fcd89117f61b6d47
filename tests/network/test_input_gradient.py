"""The gradient of raw predictions by what the network reads, where a run asks for it."""

import numpy as np
import pytest
import reference as ref
from networks import predict, random_network, random_sequences, run_shard
from numpy.testing import assert_allclose, assert_array_equal

from skrnn.convolution import Conv
from skrnn.kernels.copies import copy_all
from skrnn.network.plan import Mode

LENGTHS = [7, 4, 4, 1]


def gradients(network, theta, sequences, direction, mode):
    """Gradients of ``sum(raw * direction)`` by theta, and by what the lowest level reads, in live rows; their rows."""
    programs = run_shard(network, theta, sequences, mode)
    plan, buffers = programs.plan, programs.memory.buffers
    rows = plan.rows["forward"].resolve()
    if network.head.pooling.keeps_steps:
        direction = direction[rows]
    buffers.group("pooled")["d_raw"][: len(direction), : network.n_outputs] = direction
    programs.backward_read_out.run()
    programs.backward.run()
    first, gradient = programs.shard.gradient.gradients.first, np.empty_like(theta)
    copy_all(first.memory, gradient, network.unpack_table(first, gradient))
    return gradient, network.stack.input_gradients(buffers), rows


PLAIN, BOTH = {}, {"bidirectional": True, "pooling": "max"}
STEPS, ATTENTION = {"pooling": "steps", "layer_norm": True}, {"pooling": "attention", "residual": True}


@pytest.mark.parametrize(
    ("cell", "options"),
    [
        *(
            (cell, options)
            for cell in ("gru", "lstm_peepholes", "elman")
            for options in (PLAIN, BOTH, STEPS, ATTENTION)
        ),
        *((cell, PLAIN) for cell in ("gru_before", "mgu", "indrnn_tanh", "jordan")),
    ],
)
def test_gradient_by_inputs_equals_central_differences(cell, options):
    rng = np.random.default_rng(3)
    network, theta = random_network(rng, cell, 3, (4, 4), 2, scale=0.7, **options)
    sequences = random_sequences(rng, LENGTHS, 3)
    direction = rng.normal(size=predict(network, theta, sequences).shape)

    def value(x):
        return (predict(network, theta, np.split(x.reshape(-1, 3), np.cumsum(LENGTHS)[:-1])) * direction).sum()

    expected = ref.central_difference(value, np.concatenate(sequences).ravel()).reshape(-1, 3)
    by_theta, by_input, rows = gradients(network, theta, sequences, direction, Mode(True, input_gradient=True))
    found = np.empty_like(expected)
    found[rows] = by_input[: len(expected), :3]
    assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    assert_array_equal(by_theta, gradients(network, theta, sequences, direction, Mode(True))[0])


def test_behind_a_front_it_is_by_what_the_lowest_level_reads():
    rng = np.random.default_rng(4)
    network, theta = random_network(rng, "gru", 3, (4,), 2, convolution=Conv(5, width=1, activation="tanh"))
    sequences, direction = random_sequences(rng, LENGTHS, 3), rng.normal(size=(4, 2))
    weights = network.layout.views(theta)
    alone, _ = random_network(rng, "gru", 5, (4,), 2)
    read = [np.tanh(x @ weights["convolution.W"] + weights["convolution.b"]) for x in sequences]
    its_theta = alone.flatten({name: weights[name] for name in alone.layout.shapes})
    mode = Mode(True, input_gradient=True)
    _, behind, _ = gradients(network, theta, sequences, direction, mode)
    _, expected, _ = gradients(alone, its_theta, read, direction, mode)
    # Its way back has turned them into the gradients of what stands before the activation.
    slope = 1 - np.concatenate(read)[gradients(alone, its_theta, read, direction, mode)[2]] ** 2
    assert_allclose(behind[: len(slope), :5], expected[: len(slope), :5] * slope, rtol=1e-9, atol=1e-12)


def test_nothing_is_made_where_nobody_asks():
    network, theta = random_network(np.random.default_rng(5), "gru", 3, (4,), 2)
    sequences = random_sequences(np.random.default_rng(5), LENGTHS, 3)
    assert gradients(network, theta, sequences, np.ones((4, 2)), Mode(True))[1] is None


@pytest.mark.parametrize("cell", ["gru", "gru_before", "lstm_peepholes"])
def test_it_is_the_same_if_that_of_weights_is_left_out(cell):
    network, theta = random_network(np.random.default_rng(5), cell, 3, (4, 4), 2, **BOTH)
    sequences, mode = random_sequences(np.random.default_rng(5), LENGTHS, 3), Mode(True, input_gradient=True)
    by_theta, with_it, _ = gradients(network, theta, sequences, np.ones((4, 2)), mode)
    left_out, without, _ = gradients(network, theta, sequences, np.ones((4, 2)), mode._replace(weight_gradient=False))
    assert_array_equal(with_it, without)
    part = network.layout.slice("layers.0.forward.W_x")
    assert by_theta[part].any()
    assert not left_out[part].any()
