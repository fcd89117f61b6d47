"""Training that goes on: what describes the model that was fitted, and what of it may be another from then on.

What a network, its inputs and its target are stays as it was fitted: another is refused by name. Another loss is used
if its raw predictions mean the same; what another solver remembers is dropped. All else (rates, weights of classes,
sizes of batches, stops) is used as it is now.
"""

from .._core.parameters import described
from .._core.warn import warn_user
from ._validation import channel_roles


def learned_with(estimator, is_text, has_numbers):
    """The parameters that what is learned of X and y depends on, as far as its results do not show them."""
    names = {"standardize": has_numbers, "min_count": is_text, "standardize_target": True}
    return {name: getattr(estimator, name) for name, matters in names.items() if matters and hasattr(estimator, name)}


def check_same_model(estimator, sequences, structure):
    """Refuse to go on with a model that is not the one that was fitted; the error says what differs."""
    inputs = estimator.inputs_
    then = vars(estimator.structure_) | getattr(estimator, "learned_with_", {})
    then |= {"missing": inputs.missing, "time_channel": inputs.time_channel}
    now = learned_with(estimator, inputs.is_text, len(inputs.numbers) > 0) | vars(structure)
    categorical, now["time_channel"] = channel_roles(estimator, sequences)
    now["missing"] = estimator.missing
    then["categorical_features"], now["categorical_features"] = sorted(inputs.categories), sorted(categorical)
    refuse_differences({name: (then[name], now[name]) for name in now if name in then})


def check_same_loss(then, now):
    """Refuse to go on with a loss whose raw predictions mean something else."""
    if not (then.scales_target and now.scales_target):
        refuse_differences({"loss": (then, now)})


def refuse_differences(values):
    """Raise if any of the named pairs of values, then and now, differ."""
    changed = {name: pair for name, pair in values.items() if described(pair[0]) != described(pair[1])}
    if changed:
        said = "; ".join(f"{name}: {then!r}, now {now!r}" for name, (then, now) in changed.items())
        raise ValueError(
            f"Training cannot go on with another model than the one that was fitted ({said}): change the parameters "
            "back, or start anew with fit and warm_start=False."
        )


def remembered(estimator, optimizer):
    """What the solver remembers of the calls before, or None; a warning if it was another solver."""
    if not hasattr(estimator, "solver_state_"):
        return None
    # files of earlier versions do not say which solver it was
    name, then = type(optimizer).__name__, getattr(estimator, "solver_name_", None)
    if then in (None, name) and len(estimator.solver_state_) == optimizer.n_slots:
        return [slot.copy() for slot in estimator.solver_state_]
    warn_user(
        f"What {then or 'the solver'} remembers of the calls before means nothing to {name}, and is dropped: "
        f"solver={estimator.solver!r} starts anew, from the weights that are reached."
    )
    return None
