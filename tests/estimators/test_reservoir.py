"""Random weights of a given spectral radius."""

import numpy as np
import pytest

from skrnn.cells import GRU, Jordan, get_cell
from skrnn.estimators._reservoir import scale_reservoir
from skrnn.initializers import Scheme, get_initializer
from skrnn.network.network import Network
from skrnn.network.structure import Structure


def drawn(cell, radius=None, input_scale=1.0, recurrent_init="orthogonal", dtype="float64"):
    network = Network(Structure(cell, 3, (6, 5), 0, dtype, bidirectional=True))
    scheme = Scheme(get_initializer("glorot_uniform"), get_initializer(recurrent_init), None, 10)
    theta = network.initialize(np.random.default_rng(0), scheme)
    if radius is not None:
        scale_reservoir(network, theta, radius, input_scale)
    return network.layout.views(theta)


@pytest.mark.parametrize("recurrent_init", ["orthogonal", "glorot_normal", "uniform"])
@pytest.mark.parametrize("cell", ["elman", "lstm", "gru", GRU(reset="before"), "mgu", Jordan()], ids=str)
def test_each_block_has_the_radius(cell, recurrent_init):
    for name, W in drawn(get_cell(cell), 0.7, recurrent_init=recurrent_init).items():
        if name.endswith(".W_h"):
            H = W.shape[0]
            radii = [abs(np.linalg.eigvals(W[:, k : k + H])).max() for k in range(0, W.shape[1], H)]
            np.testing.assert_allclose(radii, 0.7)


def test_units_that_see_their_own_past_only_have_it_too():
    weights = drawn(get_cell("indrnn"), 0.7)
    np.testing.assert_allclose([abs(w).max() for name, w in weights.items() if name.endswith(".w_h")], 0.7)


def test_only_inputs_of_the_first_layer_are_scaled():
    before, after = drawn(get_cell("lstm")), drawn(get_cell("lstm"), 0.7, input_scale=3.0)
    for name in before:
        factor = 3.0 if name.startswith("layers.0") and name.endswith("W_x") else 1.0
        if not name.endswith("W_h"):
            np.testing.assert_allclose(after[name], factor * before[name])


def test_weights_without_a_radius_are_refused():
    with pytest.raises(ValueError, match=r"spectral radius 0.*recurrent_init"):
        drawn(get_cell("elman"), 0.7, recurrent_init="zeros")
