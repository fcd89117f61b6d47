"""Random recurrent weights that are not trained: echo state networks.

A network whose state forgets where it started, the *echo state property*, holds a fading and mixed memory of its input,
which a linear model can read. The spectral radius of the recurrent weights sets how slowly it fades; so does the leak
rate, the share of the new state that units take over at a step.

References
----------
.. [1] H. Jaeger, "The 'echo state' approach to analysing and training recurrent neural networks", GMD report 148,
   German National Research Center for Information Technology, 2001.
.. [2] M. Lukosevicius, "A practical guide to applying echo state networks", Neural Networks: Tricks of the Trade, 2012.
"""

import numpy as np
from sklearn.utils import check_random_state

from .._core.threads import one_blas_thread
from ..network.encoding import learn_scales
from ._description import learned_with
from ._fit import learn_columns_of
from ._fitted import Fitted, training_attributes
from ._settings import scheme_of, structure_of
from .tasks._read import row_weights
from .tasks._task import NoTask


def draw_reservoir(spec, given, request):
    """The `Fitted` of random weights that are scaled."""
    from ..network.network import Network  # noqa: PLC0415 (brings the compiler)
    from ..training.state import TrainingState  # noqa: PLC0415

    parameters, sequences, task = spec.parameters, given.sequences, NoTask()
    _leak(parameters)
    seed = check_random_state(parameters.random_state).randint(2**31 - 1)
    _, weight = row_weights(request.sample_weight, sequences.offsets, False)
    columns = learn_columns_of(parameters, given, weight, parameters.differences)
    structure = structure_of(parameters, spec.auto, columns, 0, task.per_step)
    network, rng = Network(structure), np.random.default_rng(seed)
    theta = network.initialize(rng, scheme_of(parameters, structure, network.n_steps(sequences.lengths.max())))
    of_connections, of_biases = rng.spawn(2)  # so that the other weights do not depend on what they draw
    if parameters.connectivity < 1:
        disconnect(network, theta, parameters.connectivity, of_connections)
    with np.errstate(over="ignore"):
        scale_reservoir(network, theta, parameters.spectral_radius, parameters.input_scale)
        if parameters.input_bias > 0:
            add_biases(network, theta, parameters.input_bias, of_biases)
    if not np.isfinite(theta).all():
        raise ValueError(
            f"spectral_radius={parameters.spectral_radius}, input_scale={parameters.input_scale} and "
            f"input_bias={parameters.input_bias} make weights that are not finite in {parameters.dtype}: take smaller "
            "ones."
        )
    encoder = learn_scales(columns, sequences, weight, parameters.standardize)
    training = training_attributes(network, TrainingState(theta, seed), False)
    return Fitted(given.of_X, None, encoder, task, structure, learned_with(parameters, encoder), training)


def _leak(parameters):
    """Let states leak: what zoneout keeps of the old state on average, which is what it does in prediction."""
    if parameters.leak_rate == 1:
        return
    if parameters.zoneout:
        raise ValueError(
            f"leak_rate={parameters.leak_rate} and zoneout={parameters.zoneout} both keep a share of the old state: "
            f"set zoneout=0, and leak_rate={parameters.leak_rate * (1 - parameters.zoneout):.3g} for what both keep."
        )
    parameters.zoneout = 1 - parameters.leak_rate


def disconnect(network, theta, connectivity, rng):
    """Set all but the share `connectivity` of each block of recurrent weights to 0, in place."""
    for block in _recurrent_blocks(network, theta):
        cut = np.ones(block.size, bool)
        cut[rng.permutation(block.size)[: max(1, round(connectivity * block.size))]] = False
        block[cut.reshape(block.shape)] = 0


def add_biases(network, theta, scale, rng):
    """Add uniform numbers between -scale and scale to the biases of all gates, layers and directions, in place."""
    weights = network.layout.views(theta)
    for prefix, _, layer in _recurrent_layers(network):
        if "b" in layer.shapes:
            weights[f"{prefix}.b"][...] += rng.uniform(-scale, scale, layer.shapes["b"])


def scale_reservoir(network, theta, spectral_radius, input_scale):
    """Scale the recurrent weights of each gate, layer and direction to a spectral radius, and those of inputs.

    Parameters
    ----------
    network : Network
    theta : ndarray
        Random weights, as `Network.initialize` draws them; changed in place.
    spectral_radius : float
        Largest absolute eigenvalue that each gate's block of ``W_h`` gets; where units see their own past only, the
        largest absolute weight ``w_h``.
    input_scale : float
        By which ``W_x`` of the first layer is multiplied.
    """
    for block in _recurrent_blocks(network, theta):
        _scale(block, spectral_radius)
    weights = network.layout.views(theta)
    for prefix, number, _ in _recurrent_layers(network):
        if number == 0:
            weights[f"{prefix}.W_x"][...] *= input_scale


def _recurrent_layers(network):
    """Prefix of the weights, number of the level, and layer, of each level and direction."""
    for level in network.stack.levels:
        for direction, layer in level.directions.items():
            yield f"layers.{level.number}.{direction}", level.number, layer


def _recurrent_blocks(network, theta):
    """Views of the recurrent weights of each gate, or of units that see their own past only."""
    weights = network.layout.views(theta)
    for prefix, _, layer in _recurrent_layers(network):
        for columns in layer.cell.public_columns(layer.sizes, "W_h").values():
            yield weights[f"{prefix}.W_h"][:, columns]
        if "w_h" in layer.shapes:
            yield weights[f"{prefix}.w_h"]


def _scale(weights, spectral_radius):
    """Scale a square matrix, or the diagonal of one, in place."""
    with one_blas_thread:
        eigenvalues = weights if weights.ndim == 1 else np.linalg.eigvals(weights.astype(np.float64))
    radius = abs(eigenvalues).max()
    if radius == 0:
        raise ValueError(
            f"The recurrent weights have spectral radius 0 and cannot be scaled to {spectral_radius}: choose another "
            "recurrent_init, or a larger connectivity."
        )
    weights *= spectral_radius / radius
