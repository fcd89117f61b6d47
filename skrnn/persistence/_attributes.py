"""The attributes of an estimator without objects of the package among them, for pickles and files."""

import inspect

from sklearn.exceptions import InconsistentVersionWarning

from .._core.version import __version__
from .._core.warn import warn_user
from ..network import components
from ..network.encoding import InputEncoder
from ..network.structure import Structure

# Attributes that an estimator has while it is fitted: ours, and those of scikit-learn.
OF_A_RUNNING_FIT = "_training", "_callback_fit_ctx", "_skl_callbacks_to_teardown"
STATE_FORMAT = 1  # of pickled states; it rises when older versions could not read them
RESTORE = {
    "structure_": Structure.from_plain,
    "inputs_": InputEncoder.from_plain,
    "loss_function_": components.from_plain,
}


def plain_attributes(attributes):
    """The attributes with those that are objects of the package as plain values."""
    plain = dict(attributes)
    for name in ("structure_", "inputs_"):
        if name in plain:
            plain[name] = plain[name].to_plain()
    if "loss_function_" in plain:
        plain["loss_function_"] = components.to_plain(plain["loss_function_"])
    return plain


def restored_attributes(plain):
    """The attributes that `plain_attributes` made plain; ValueError if they are not such."""
    plain = _current(plain)
    attributes = {name: RESTORE[name](value) if name in RESTORE else value for name, value in plain.items()}
    if "structure_" in attributes and "inputs_" in attributes:
        _check_columns(attributes["structure_"], attributes["inputs_"])
    return attributes


def _current(attributes):
    """The attributes of a fitted estimator by the names of this version."""
    if "two_dimensional_" not in attributes:
        return attributes
    shape = (attributes.get("n_outputs_"),) if attributes["two_dimensional_"] else ()
    return {"target_shape_": shape} | {name: value for name, value in attributes.items() if name != "two_dimensional_"}


def _check_columns(structure, inputs):
    """Refuse a network that does not read what the inputs encode: kernels look up codes unchecked."""
    codes = tuple(embedding[:2] for embedding in inputs.embeddings("auto"))
    read = structure.n_inputs, structure.decay, tuple(embedding[:2] for embedding in structure.embeddings)
    if read != (inputs.n_columns, inputs.decays, codes):
        raise ValueError("structure_ does not read what inputs_ encodes")


def without_running_fit(attributes):
    """The attributes without those of a fit that is running."""
    copied = dict(attributes)  # at once: another thread may be at it
    for name in OF_A_RUNNING_FIT:
        copied.pop(name, None)
    return copied


def pickled_state(attributes):
    """What is pickled of an estimator with these attributes; a fit that is running at the time is not."""
    plain = plain_attributes(without_running_fit(attributes))
    return plain | {"_skrnn_version": __version__, "_skrnn_state_format": STATE_FORMAT}


def unpickled_attributes(state, cls):
    """The attributes in a pickled state of an estimator of this class; a warning if another version made it.

    Parameters that there were not yet when it was made have their defaults.
    """
    name, plain = cls.__name__, _defaults(cls) | state
    version, state_format = plain.pop("_skrnn_version", "unknown"), plain.pop("_skrnn_state_format", 0)
    if state_format > STATE_FORMAT:
        raise ValueError(
            f"This {name} was pickled by skrnn {version}, in a format that skrnn {__version__} does not know: upgrade "
            "skrnn, or save it there with skrnn.save."
        )
    if version != __version__:
        warn_user(
            InconsistentVersionWarning(
                estimator_name=name,
                current_sklearn_version=f"skrnn {__version__}",
                original_sklearn_version=f"skrnn {version}",
            )
        )
    return restored_attributes(plain)


def _defaults(cls):
    parameters = inspect.signature(cls.__init__).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}
