"""Estimators in files: `skrnn.save` and `skrnn.load`.

A file names nothing that could be imported: classes, cells and solvers are looked up by name in fixed tables. The
content is checked against the network that it describes before anything is computed with it.
"""

import functools
from types import SimpleNamespace

import numpy as np

from .._core.members import OF_EACH_NETWORK, split_members
from .._core.parameters import LARGEST, PYTHONS, usable
from ..cells import CELLS
from ..network import components
from ..preprocessing import PerStep, SlidingWindow, TokenEncoder
from ._attributes import plain_attributes, restored_attributes
from ._pipelines import known_steps, step_from_plain, step_to_plain
from ._zip import read_archive, write_archive

ESTIMATORS = {}  # classes by name: see `saved`
# What `skops.io.load` needs to be told to trust, for all that is this package's own, and for dtypes in imputers.
TRUSTED_TYPES = [
    *(f"{cls.__module__}.{cls.__name__}" for cls in (PerStep, SlidingWindow, TokenEncoder)),
    *sorted({f"{cls.__module__}.{cls.__name__}" for table in components.TABLES.values() for cls in table.values()}),
    *(f"skrnn.cells.{module}.{name}" for module, name in CELLS.items()),
    "numpy.dtype",
]
PARTS = {"class", "parameters", "components", "attributes", "output"}
OUTPUTS = (None, "default", "pandas", "polars")
LARGEST_FILE = 2**32


def saved(cls):
    """Enter a class of estimators among those that files may name.

    Beside what is refused here, its ``_check_parameters_of_files()`` refuses parameters, and
    ``_check_attributes_of_files(require)`` fitted attributes; that gives the fitted task, or None without a target.
    ``_needed_in_files`` names the fitted attributes that it cannot be without.
    """
    ESTIMATORS[cls.__name__] = cls
    TRUSTED_TYPES.append(f"{cls.__module__}.{cls.__name__}")
    return cls


def save(estimator, path):
    """Save an estimator to a file that later versions can load.

    The file is a zip archive of JSON and arrays. It is replaced as a whole: a process that is killed while it saves
    leaves the old file.

    Parameters
    ----------
    estimator : estimator of skrnn, or pipeline of them and known steps
        Fitted or not. Known steps are those of `skrnn.preprocessing`, and of scikit-learn the usual scalers, imputers,
        encoders and linear models. Parameters must be plain (numbers, strings, None, arrays, and lists, tuples and
        dicts of them) or be instances of the package's own cells, solvers and so on; cells of your own must have a name
        by `skrnn.cells.register_cell`. Callbacks and requests for metadata are not saved.
    path : str or path-like
        Target file; by convention its name ends with ``.skrnn``.

    Raises
    ------
    TypeError
        If the estimator is of another class, including subclasses of these, or has a parameter that cannot be saved;
        the message names it.
    ValueError
        If fitted attributes were changed by hand and contradict each other, or weights are not finite.
    OSError
        If the file cannot be written. An old file stays as it is.

    See Also
    --------
    load : Load the estimator.

    Examples
    --------
    >>> import tempfile, skrnn
    >>> from pathlib import Path
    >>> X, y = [[[0.0], [1.0]], [[1.0], [0.0], [0.5]]] * 5, [0, 1] * 5
    >>> clf = skrnn.RNNClassifier(4, "gru", tol=1.0, n_iter_no_change=1, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory, "model.skrnn")
    ...     skrnn.save(clf, path)
    ...     same = skrnn.load(path)
    >>> bool((same.predict_proba(X) == clf.predict_proba(X)).all())
    True
    """
    write_estimator(estimator, path)


def load(path, *, max_bytes=LARGEST_FILE):
    """Load an estimator that `save` has saved.

    Nothing in the file is executed, imported or unpickled, so it need not be trusted.

    Parameters
    ----------
    path : str or path-like
        File that `save` of this version or an earlier one has written.
    max_bytes : int, default=4294967296
        Largest size of a file, 4 GiB by default; larger ones raise an error.

    Returns
    -------
    RNNClassifier, RNNRegressor, SequenceTransformer, or pipeline
        Estimator with all parameters and fitted attributes, whose predictions are the same, bit for bit, on the same
        machine.

    Raises
    ------
    ValueError
        If `save` did not write the file, or it is damaged, contradicts itself, is larger than `max_bytes`, or was
        written by a version with a newer format.
    OSError
        If it cannot be read.

    See Also
    --------
    save : Save an estimator.

    Examples
    --------
    >>> import tempfile, skrnn
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     path = Path(directory, "model.skrnn")
    ...     skrnn.save(skrnn.RNNRegressor(cell="gru"), path)
    ...     skrnn.load(path)
    RNNRegressor()
    """
    return read_estimator(path, max_bytes=max_bytes)[0]


def write_estimator(estimator, path, training=None):
    """Write an estimator, and as a second part a plain dict that says where its training stands, if there is one."""
    extra = {} if training is None else {"training": training}
    write_archive(path, {"estimator": estimator_to_plain(estimator)} | extra)


def read_estimator(path, *, max_bytes=LARGEST_FILE):
    """The estimator in a file, and what was given to `write_estimator` as `training`, or None."""
    content, _ = read_archive(path, max_bytes=max_bytes)
    try:
        if not isinstance(content, dict) or not {"estimator"} <= set(content) <= {"estimator", "training"}:
            raise ValueError("there is no estimator in it, or something besides")
        return estimator_from_plain(content["estimator"]), content.get("training")
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{path!s} cannot be loaded: {error}") from error


# ------------------------------------------------------------------------------------------------- to plain values
def estimator_to_plain(estimator):
    """Class, parameters and attributes of an estimator or of a pipeline of known steps as plain values."""
    name = type(estimator).__name__
    if type(estimator) is known_steps().get(name):
        return step_to_plain(estimator, estimator_to_plain)
    if type(estimator) is not ESTIMATORS.get(name):
        advice = "use skops or pickle for other steps, searches and classes of your own."
        raise TypeError(
            f"skrnn.save saves {', '.join(ESTIMATORS)}, and pipelines of them and of {', '.join(known_steps())}, not "
            f"{type(estimator).__qualname__}: "
            + ("save its best_estimator_." if hasattr(estimator, "best_estimator_") else advice)
        )
    _check_predicting(estimator)
    parameters, instances = {}, {}
    for name, value in estimator.get_params(deep=False).items():
        plain = components.to_plain(value, registered=True)
        (parameters if plain is value else instances)[name] = plain
    attributes = {name: value for name, value in vars(estimator).items() if _is_fitted_attribute(name)}
    if attributes:
        _check_fitted(estimator)  # rather now than when the file is read
    plain = {
        "class": type(estimator).__name__,
        "parameters": parameters,
        "components": instances,
        "attributes": _plain_attributes(attributes),
        "output": vars(estimator).get("_sklearn_output_config", {}).get("transform"),
    }
    _refuse_objects(parameters)
    return plain


def _is_fitted_attribute(name):
    return name.endswith("_") and not name.startswith("_")


def _plain_attributes(attributes):
    plain = plain_attributes(attributes)
    if "structure_" in plain:
        plain["structure_"]["cell"] = components.to_plain(plain["structure_"]["cell"], registered=True)
    return plain


def _refuse_objects(parameters):
    """Say of parameters that are other objects what to do instead."""
    for name, value in parameters.items():
        if isinstance(value, np.random.RandomState):
            raise TypeError(
                f"{name}={value!r} cannot be saved, because its state changes with each use: give a number, or None."
            )
        if hasattr(value, "split") and not isinstance(value, str):
            raise TypeError(
                f"{name} is a {type(value).__qualname__}, which skrnn.save cannot save: hold out X_val in its "
                "place, or save with skops or pickle."
            )
        if hasattr(value, "get_params") or callable(value):
            raise TypeError(
                f"{name}={value!r} cannot be saved by skrnn.save, because it is not one of the package's own: of a "
                "cell, use register_cell; otherwise save with skops or pickle."
            )


# ----------------------------------------------------------------------------------------------- from plain values
def estimator_from_plain(plain):
    """The estimator of `estimator_to_plain`; ValueError if it contradicts itself."""
    if isinstance(plain, dict) and set(plain) == {"step", "state"}:
        return step_from_plain(plain, estimator_from_plain)
    if not isinstance(plain, dict) or set(plain) != PARTS:
        raise ValueError(f"an estimator has the parts {sorted(PARTS)}")
    cls = ESTIMATORS.get(plain["class"]) if isinstance(plain["class"], str) else None
    if cls is None:
        raise ValueError(f"there is no estimator {plain['class']!r}")
    for part in ("parameters", "components", "attributes"):
        if not isinstance(plain[part], dict):
            raise ValueError(f"{part} are no dict with names")
    instances = {name: components.from_plain(value) for name, value in plain["components"].items()}
    if unknown := {*plain["parameters"], *instances} - set(cls._get_param_names()):
        raise ValueError(f"{cls.__name__} has no parameters {sorted(map(str, unknown))}")
    estimator = cls(**plain["parameters"] | instances)
    _check_predicting(estimator)
    if plain["output"] not in OUTPUTS:
        raise ValueError(f"there is no output {plain['output']!r}")
    if plain["output"] is not None and hasattr(estimator, "set_output"):
        estimator.set_output(transform=plain["output"])
    if plain["attributes"]:
        for name in plain["attributes"]:
            if not (isinstance(name, str) and name.isidentifier() and _is_fitted_attribute(name)) or hasattr(cls, name):
                raise ValueError(f"{name!r} is no attribute of a fitted estimator")
        vars(estimator).update(restored_attributes(plain["attributes"]))
        _check_fitted(estimator)
    return estimator


def _check_predicting(estimator):
    """Refuse parameters that no fit looks at again before a prediction does."""
    usable(estimator, "max_memory")
    usable(estimator, "n_jobs")
    estimator._check_parameters_of_files()


def _check_fitted(estimator):
    """Refuse attributes that do not belong together."""
    missing = {"structure_", "inputs_", "weights_", "per_step_", "n_outputs_", "n_channels_", "n_features_in_"}
    missing |= estimator._needed_in_files | {"t_", "loss_curve_", "validation_scores_", "gradient_norm_curve_"}
    if missing := missing - set(vars(estimator)):
        raise ValueError(f"the attributes {sorted(missing)} are missing")
    structure, inputs = estimator.structure_, estimator.inputs_
    _require(estimator, "n_channels_", lambda n: n == inputs.n_channels)
    _require(estimator, "n_features_in_", lambda n: _is_count(n) and n > 0)
    _require(estimator, "n_outputs_", _is_count)
    _require(estimator, "per_step_", lambda v: v is (structure.pooling == "steps"))
    _check_names(estimator)
    task = estimator._check_attributes_of_files(functools.partial(_require, estimator))
    if task is not None and structure.n_outputs != task.loss.n_raw(task.n_outputs):
        raise ValueError(
            f"the network has {structure.n_outputs} outputs, which are not those of {task.n_outputs} targets"
        )
    _require_if_there(estimator, "learned_with_", _are_plain)
    _require_if_there(estimator, "solver_name_", lambda v: isinstance(v, str))
    _require_if_there(estimator, "learning_rate_init_", lambda v: v is None or (type(v) is float and 0 < v < np.inf))
    _check_members(estimator)
    for attributes in split_members(vars(estimator)):
        one = SimpleNamespace(**attributes)
        _check_history(one)
        _check_weights(structure, one.weights_, getattr(one, "solver_state_", []))


def _check_members(estimator):
    """Check that attributes of several networks are lists of as many as there are, and those of a single one not."""
    weights, n_networks = estimator.weights_, getattr(estimator, "n_networks", None)
    if isinstance(weights, list):
        if n_networks is None or not weights:
            raise ValueError(f"weights_ cannot be a list of {len(weights)}")
        for name in OF_EACH_NETWORK & vars(estimator).keys():
            _require(estimator, name, lambda v: isinstance(v, list) and len(v) == len(weights))


def _check_names(estimator):
    """Check what the names of later calls are compared with."""
    lengths = {
        "feature_names_in_": estimator.n_features_in_,
        "channel_names_": estimator.n_channels_,
        "target_names_": np.size(getattr(estimator, "target_names_", ())),
    }
    for name in lengths.keys() & vars(estimator).keys():
        _require(estimator, name, lambda v, n=lengths[name]: _is_names(v) and len(v) == n)


def _is_names(value):
    return isinstance(value, np.ndarray) and value.ndim == 1 and all(isinstance(name, str) for name in value.tolist())


def _is_curve(value):
    return isinstance(value, list) and all(isinstance(loss, (float, np.floating)) for loss in value)


def _check_history(one):
    """Check what the training of a network goes on from."""
    holds = {
        "t_": _is_count,
        "n_iter_": _is_count,
        "loss_curve_": _is_curve,
        "validation_scores_": lambda v: v is None or (_is_curve(v) and len(v) == len(one.loss_curve_)),
        "gradient_norm_curve_": lambda v: isinstance(v, np.ndarray) and v.ndim == 1 and v.dtype.kind == "f",
        "solver_t_": lambda n: _is_count(n) and n <= one.t_,
    }
    for name, check in holds.items():
        _require_if_there(one, name, check)


def _is_count(value):
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool) and 0 <= value <= LARGEST


def _are_plain(value):
    return isinstance(value, dict) and all(type(item) in PYTHONS for item in value.values())


def _require(estimator, name, holds):
    value = getattr(estimator, name)
    if not holds(value):
        raise ValueError(f"{name} cannot be {value!r:.200}")


def _require_if_there(estimator, name, holds):
    """Check what earlier versions have not written, or what not every fit leaves."""
    if hasattr(estimator, name):
        _require(estimator, name, holds)


def _check_weights(structure, weights, solver_state):
    """Check that the weights are finite, and they and what the solver remembers those of the network described."""
    from ..network.network import Network  # noqa: PLC0415 (brings the compiler)

    if not isinstance(weights, dict) or not all(isinstance(weight, np.ndarray) for weight in weights.values()):
        raise ValueError("weights_ is no dict of arrays")
    for name, weight in weights.items():
        if weight.dtype.kind != "f" or not np.isfinite(weight).all():
            raise ValueError(f"weights_[{name!r}] is not finite, or not of floats")
    if len(structure.hidden_layer_sizes) > len(weights):
        raise ValueError("there are more layers than weights")
    theta = Network(structure).flatten(weights)
    if not isinstance(solver_state, list) or not all(np.shape(slot) == theta.shape for slot in solver_state):
        raise ValueError("solver_state_ is no list of arrays as long as all weights together")
    if not all(isinstance(slot, np.ndarray) and slot.dtype == theta.dtype for slot in solver_state):
        raise ValueError(f"solver_state_ is not of floats like the network, {theta.dtype}")
