"""The candidates of a search: their parameters, and whether their training can be halved."""

from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, ParameterSampler
from sklearn.pipeline import Pipeline

from .._core.warn import warn_user
from ..callbacks import Checkpoint
from ..callbacks._base import own_callbacks
from ..estimators._base import BaseRNN
from ..estimators._callbacks import refuse_propagated
from ..optimizers import OPTIMIZERS


def drawn(param_distributions, n_candidates, random_state):
    """Parameters of each candidate: so many drawn ones, or all combinations of lists."""
    spaces = [param_distributions] if isinstance(param_distributions, dict) else param_distributions
    if not spaces:
        raise ValueError(f"param_distributions={param_distributions!r} has no candidates: pass values for parameters.")
    # what is no dict is refused by scikit-learn
    drawn_from = [name for one in spaces if isinstance(one, dict) for name in one if hasattr(one[name], "rvs")]
    if n_candidates == "all" and drawn_from:
        raise ValueError(
            f'n_candidates="all" takes all combinations of lists, but {drawn_from[0]} is a distribution: give '
            "n_candidates as a number, or a list of values."
        )
    if drawn_from:
        return list(ParameterSampler(param_distributions, n_candidates, random_state=random_state))
    grid = ParameterGrid(param_distributions)
    if n_candidates == "all":
        return list(grid)
    if len(grid) < n_candidates:
        warn_user(
            f"param_distributions has no more than {len(grid)} combinations, fewer than n_candidates={n_candidates}: "
            "all of them are candidates.",
            UserWarning,
        )
    return list(ParameterSampler(param_distributions, min(len(grid), n_candidates), random_state=random_state))


def with_parameters(estimator, parameters):
    """A clone of the estimator with the parameters of a candidate."""
    # parameters may be estimators themselves, which a fit must not change
    return clone(estimator).set_params(**clone(parameters, safe=False))


def last_step(estimator):
    """The estimator itself, or the last step of a pipeline."""
    while isinstance(estimator, Pipeline):
        estimator = estimator.steps[-1][1]
    return estimator


def check_candidates(estimator, candidates):
    """Refuse candidates that are not trained by epochs, or not by the same number; returns `max_iter` of all."""
    found = {}
    for parameters in candidates:
        candidate = with_parameters(estimator, parameters)
        network = last_step(candidate)
        _check_network(network, parameters)
        for owner in (candidate, network):
            refuse_propagated(owner, "RNNSearchCV")
        found.setdefault(network.max_iter, parameters)
    if len(found) > 1:
        both = " and ".join(f"{n!r} for {parameters}" for n, parameters in list(found.items())[:2])
        raise ValueError(
            f"Candidates are compared after shares of max_iter, which must be the same for all; it is {both}. Set it "
            "in the estimator, and leave it out of param_distributions."
        )
    return next(iter(found))


def _check_network(network, parameters):
    name = type(network).__name__
    if not isinstance(network, BaseRNN):
        raise ValueError(
            f"RNNSearchCV halves the epochs of networks of skrnn; the estimator, or the last step of the pipeline, is "
            f"{name}: use sklearn.model_selection.RandomizedSearchCV."
        )
    if getattr(network, "objective", None) == "reservoir":
        raise ValueError(
            f'{name} with objective="reservoir" is not trained by epochs that could be halved: use '
            "sklearn.model_selection.RandomizedSearchCV."
        )
    solver = OPTIMIZERS.get(network.solver) if isinstance(network.solver, str) else network.solver
    if not getattr(solver, "stochastic", True):  # what is no solver is refused by the fit
        raise ValueError(
            f"solver={network.solver!r} cannot be halved, since it has no epochs after which it could go on (candidate "
            f'{parameters}): use solver="adam", or sklearn.model_selection.RandomizedSearchCV.'
        )
    if any(isinstance(callback, Checkpoint) for callback in own_callbacks_of(network)):
        raise ValueError(
            f"{name} has a Checkpoint among its callbacks, to which all candidates would write: leave it out, and pass "
            "checkpoint to RNNSearchCV."
        )


def own_callbacks_of(network):
    """The callbacks of this package that a network has."""
    return own_callbacks(network) if hasattr(network, "_skl_callbacks") else []
