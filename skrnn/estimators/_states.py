"""The state of training that a fit starts from: new weights, those of the last fit, or a checkpoint."""

from types import SimpleNamespace

import numpy as np

from .._core.members import split_members
from .._core.streams import member_seed
from .._core.warn import warn_user
from ._settings import n_networks_of


def initial_state(prepared, n_steps, raw_prediction):
    """State of training to start from: a checkpoint, the last fit, or new weights; of each network."""
    from ..training.joint import JointState  # noqa: PLC0415 (brings the compiler)
    from ..training.state import TrainingState  # noqa: PLC0415

    network, n_networks = prepared.network, n_networks_of(prepared.spec.parameters)
    if prepared.checkpoint:
        plain = prepared.checkpoint
        is_one = n_networks == 1
        return TrainingState.from_plain(plain, network) if is_one else JointState.from_plain(plain, network, n_networks)
    seeds = [member_seed(prepared.seed, k) for k in range(n_networks)]
    if prepared.last:
        reached = split_members(vars(prepared.last.attributes))
        members = [_resumed(prepared, SimpleNamespace(**one), seed) for one, seed in zip(reached, seeds, strict=True)]
    else:
        scheme = prepared.scheme._replace(n_steps=int(n_steps))
        members = [
            TrainingState(network.initialize(np.random.default_rng(seed), scheme, raw_prediction), seed)
            for seed in seeds
        ]
    return members[0] if n_networks == 1 else JointState(members)


def _resumed(prepared, reached, seed):
    """State of training a network that goes on from the attributes that an earlier fit has reached."""
    from ..training.state import TrainingState  # noqa: PLC0415 (brings the compiler)

    scores, slots = reached.validation_scores_, None
    if prepared.request.one_epoch:
        slots = _remembered(reached, prepared.optimizer, prepared.spec.parameters.solver)
    return TrainingState(
        prepared.network.flatten(reached.weights_),
        seed,
        slots=slots,
        n_updates=reached.t_,
        # files of earlier versions do not say how many updates the solver remembers: all
        n_forgotten=reached.t_ - (0 if slots is None else getattr(reached, "solver_t_", reached.t_)),
        loss_curve=list(reached.loss_curve_),
        validation_scores=None if scores is None else list(scores),
        gradient_norms=reached.gradient_norm_curve_.tolist(),
        first_epoch=len(reached.loss_curve_),
    )


def _remembered(reached, optimizer, solver):
    """What the solver remembers of the calls before, or None; a warning if it was another solver."""
    if not hasattr(reached, "solver_state_"):
        return None
    # files of earlier versions do not say which solver it was
    name, then = type(optimizer).__name__, getattr(reached, "solver_name_", None)
    if then in (None, name) and len(reached.solver_state_) == optimizer.n_slots:
        return [slot.copy() for slot in reached.solver_state_]
    warn_user(
        f"What {then or 'the solver'} remembers of the calls before means nothing to {name}, and is dropped: "
        f"solver={solver!r} starts anew, from the weights that are reached."
    )
    return None


def states_of(state):
    """The state of training each network."""
    return getattr(state, "members", [state])
