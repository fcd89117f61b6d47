"""Descriptions of a fit in plain values, by which it is compared with one that it is to resume.

Of the *model*, another network, other encodings or another target are refused by name. Another loss is used if its raw
predictions mean the same; the memory of another solver is dropped. All else (rates, class weights, batch sizes, stops)
is used as it is now. A *run* resumes from a checkpoint bit for bit, so all that it depends on must be the same.
"""

import hashlib

import joblib
import numpy as np

from .._core.members import count_members
from .._core.parameters import described
from ..network.vocabularies import min_count_of
from ..sequences._chunks import Scan
from ._settings import n_networks_of

NOT_OF_THE_RESULT = {"n_jobs", "verbose"}  # parameters that do not change what a fit computes


def learned_with(parameters, columns):
    """The parameters that the encodings of X and y depend on, as far as their results do not show them."""
    matters = {"standardize": len(columns.numbers) > 0, "standardize_target": True}
    learned = {name: getattr(parameters, name) for name in matters if matters[name] and hasattr(parameters, name)}
    return learned | ({"min_count": min_count_of(parameters.min_count, columns.subwords)} if columns.is_text else {})


def describe_model(structure, columns, roles, parameters):
    """Description of the model that parameters ask for.

    columns : InputColumns that were learned, whose channels have kinds of their own; roles, parameters : those of now.
    """
    network = vars(structure) | {"missing": parameters.missing, "time_channel": roles.time_channel}
    found = {"differences": columns.differences, "subwords": columns.subwords is not None}
    asked = {name: getattr(parameters, name) for name in found}
    network |= {name: found[name] if asked[name] == "auto" else asked[name] for name in found}
    network |= {"n_networks": n_networks_of(parameters)}
    return network | learned_with(parameters, columns) | {"categorical_features": sorted(roles.categorical)}


def describe_fitted_model(attributes):
    """Description of the model that was fitted; files of earlier versions do not say all of it."""
    inputs = attributes.inputs_
    network = vars(attributes.structure_) | {"missing": inputs.missing, "time_channel": inputs.time_channel}
    network |= {"differences": inputs.differences, "subwords": inputs.subwords is not None}
    network |= {"n_networks": count_members(vars(attributes))}
    return network | getattr(attributes, "learned_with_", {}) | {"categorical_features": sorted(inputs.categories)}


def describe_run(spec, request, parts, target, weights):
    """Description of a fit as a whole: class and parameters as plain values, and hashes of the data.

    parts : the SequenceArrays of X and X_val; weights : those to resume from, or None.
    """
    arrays = {"X": tuple(each for part in parts for each in (_digest(part), part.offsets))}
    arrays["y"] = np.asarray(target.rows), target.weight, *([] if target.offsets is None else [target.offsets])
    if request.groups is not None:
        arrays["groups"] = (np.asarray(request.groups),)
    if weights is not None:
        each = weights if isinstance(weights, list) else [weights]
        arrays["weights_"] = tuple(array for one in each for array in one.values())
    values = {name: described(value) for name, value in spec.passed.items() if name not in NOT_OF_THE_RESULT}
    marks = {name: joblib.hash(hashed, coerce_mmap=True) for name, hashed in arrays.items()}
    return {"estimator": spec.estimator} | values | marks


def _digest(sequences):
    """What the values of sequences are, read piece by piece: they may be larger than memory, or elsewhere."""
    digest = hashlib.sha256(f"{sequences.values.dtype} {sequences.values.shape}".encode())
    for of_chunk in Scan(sequences).map(_digest_of_chunk):
        digest.update(of_chunk)
    return digest.hexdigest()


def _digest_of_chunk(chunk):
    return hashlib.sha256(np.ascontiguousarray(chunk.values).view(np.uint8)).digest()


def differences(then, now):
    """Pairs of values that mean different things, by the names that both descriptions have."""
    both = [name for name in now if name in then]
    return {name: (then[name], now[name]) for name in both if described(then[name]) != described(now[name])}


def refuse_other_model(then, now):
    """Refuse to train on with another model than was fitted; the error says what differs."""
    changed = differences(then, now)
    if changed:
        said = "; ".join(f"{name}: {before!r}, now {after!r}" for name, (before, after) in changed.items())
        raise ValueError(
            f"Training cannot go on with another model than the one that was fitted ({said}): change the parameters "
            "back, or start anew with fit and warm_start=False."
        )
