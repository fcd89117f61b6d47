"""From a fitted estimator and X to a `Predictor`. A network of usual size takes 30 microseconds for a sequence, so what
depends on the estimator alone is kept from call to call, and X is validated at length only where it has to be.
"""

from itertools import chain
from typing import NamedTuple
from weakref import WeakKeyDictionary

from .._core.jobs import n_threads_of
from .._core.members import refuse_several
from .._core.parameters import usable
from ..network.data import SHARES, Data
from ..network.inference import MeanPredictor, Predictor
from ..network.network import Network, network_of
from ..network.shards import FORWARD_SHARE, ThreadExecutor, workers_for
from ..sequences._quick import quick_steps
from ._validation import validate_inputs


class Kept(NamedTuple):
    """A network with the key of its structure, and thetas with what weights are that make the same: `_have_become`."""

    key: tuple
    network: Network
    thetas: list
    arrays: list
    bytes: bytes


# By the encoder, which each fit and each copy has anew. Estimators of users may be no keys, and what is kept knows the
# structure, so that as a key it would stay for ever. Pickles and copies see nothing of it.
_KEPT = WeakKeyDictionary()


def predictor_of(estimator, X):
    """The `Predictor` of the sequences in X, to be used while its executor is open."""
    network, theta = network_and_theta(estimator)
    return Predictor(network, theta, *_to_read(estimator, X, network, theta.size))


def mean_predictor_of(estimator, X):
    """The same of an estimator that may have several networks, of which it gives the mean."""
    if not isinstance(estimator.weights_, list):
        return predictor_of(estimator, X)
    network, thetas = network_and_thetas(estimator)
    return MeanPredictor(network, thetas, *_to_read(estimator, X, network, thetas[0].size))


def _to_read(estimator, X, network, n_parameters):
    """Data, executor and memory for a prediction of the sequences in X."""
    encoder, dtype = estimator.inputs_, network.dtype
    encoded, offsets = _quickly_encoded(estimator, X, dtype)
    max_bytes = None if encoded is None else estimator._max_bytes
    if encoded is None or SHARES * encoded.nbytes > max_bytes:
        sequences = validate_inputs(estimator, X, dtype, missing=encoder.missing, text=encoder.is_text)
        max_bytes = estimator._max_bytes  # a parameter that is not allowed is refused after X
        data = Data.of(sequences, encoder, dtype, max_bytes=max_bytes)
    else:
        data = Data(encoded, offsets)
    executor = ThreadExecutor(_n_workers(estimator, n_parameters * int(data.offsets[-1])))
    return data, executor, max_bytes


def predictor_of_sequences(estimator, sequences):
    """The `Predictor` of sequences that were validated, to be used while its executor is open."""
    network, theta = network_and_theta(estimator)
    data = Data.of(sequences, estimator.inputs_, network.dtype, max_bytes=estimator._max_bytes)
    return Predictor(network, theta, data, ThreadExecutor(n_threads_of(estimator.n_jobs)), estimator._max_bytes)


def network_and_theta(estimator, what="This"):
    """The network that the structure of a fitted estimator describes, and its weights as theta, not to be written to.

    what : it is wanted for, in the error for an estimator of several networks.

    Both are the same objects as at the last call if neither the structure nor any weight has changed.
    """
    refuse_several(estimator, what)
    network, thetas = network_and_thetas(estimator)
    return network, thetas[0]


def network_and_thetas(estimator):
    """The same of an estimator that may have several networks, which differ in theta only; in their order."""
    structure, weights, encoder = estimator.structure_, estimator.weights_, estimator.inputs_
    each = weights if type(weights) is list else [weights]
    key, kept = _key(structure), _KEPT.get(encoder)
    if key is None or kept is None or kept.key != key:
        network = network_of(structure)
    elif _have_become(each, kept):
        return kept.network, kept.thetas
    else:
        network = kept.network
    thetas = [network.flatten(one) for one in each]
    for theta in thetas:
        theta.flags.writeable = False  # so that predictions need not look whether its numbers have changed
    if key is not None:
        arrays = [(name, shape, network.dtype) for name, shape in network.layout.shapes.items()] * len(each)
        _KEPT[encoder] = Kept(key, network, thetas, arrays, b"".join(theta.tobytes() for theta in thetas))
    return network, thetas


def _key(structure):
    """What a network depends on, if that can be compared, else None; cells can be changed by their parameters."""
    cell, convolution = structure.cell, structure.convolution
    key = *vars(structure).values(), *vars(cell).items(), *cell.equations().values()
    if convolution is not None:
        key += tuple(vars(convolution).items())
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _have_become(each, kept):
    """Whether weights are known to be those that became the thetas that are kept: the same bytes in the same arrays."""
    try:
        arrays = [(name, array.shape, array.dtype) for weights in each for name, array in weights.items()]
        return arrays == kept.arrays and b"".join(chain(*(weights.values() for weights in each))) == kept.bytes
    except (AttributeError, TypeError):  # lists, for example, or arrays that are not contiguous
        return False


def _quickly_encoded(estimator, X, dtype):
    """Encoded steps and offsets of an X that neither needs a conversion nor gives an error or a warning; else Nones."""
    encoder = estimator.inputs_
    found = quick_steps(estimator, X) if encoder.only_numbers else None
    return (None, None) if found is None else (encoder.encode_finite(*found, dtype), found[1])


def _n_workers(estimator, work):
    """The number of threads that may predict; to ask joblib for it takes as long as a small prediction, or longer."""
    n_jobs = usable(estimator, "n_jobs")
    return 1 if workers_for(FORWARD_SHARE * work) == 1 else n_threads_of(n_jobs)
