"""What estimators share whose targets are passed: fit, epochs more, and resuming."""

from abc import abstractmethod
from types import SimpleNamespace

from ..optimizers import OPTIMIZERS
from ..sequences._containers import items_of
from ._base import BaseRNN
from ._fit import FitRequest, LastFit
from ._fitted import NAMES
from .tasks._names import check_target_names


def takes_steps(estimator):
    """Whether the solver takes a step per mini-batch; AttributeError if not."""
    solver = OPTIMIZERS.get(estimator.solver) if isinstance(estimator.solver, str) else estimator.solver
    if not getattr(solver, "stochastic", True):  # what is no solver is refused by the call
        raise AttributeError(f"partial_fit needs a solver that takes mini-batches; got solver={estimator.solver!r}.")
    return True


class BaseTrained(BaseRNN):
    """Base of the estimators that learn targets y."""

    _parameter_constraints = {**BaseRNN._parameter_constraints, "warm_start": ["boolean"]}
    # Groups are mostly meant for the splitter of a search; set_fit_request(groups=True) asks for them.
    __metadata_request__fit = {"groups": False}

    @abstractmethod
    def _restored_task(self):
        """The fitted task that the public attributes describe."""

    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None, groups=None):
        """Fit the network to sequences and their targets.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid. For data, the message names the sequence, step and channel. The
            result of the previous fit is kept.
        """
        self._validate_params()
        given = X_val, y_val, sample_weight_val
        validation = None if all(one is None for one in given) else given
        request = FitRequest(X, y, sample_weight, validation, items_of(groups, "groups"))
        return self._run(request, self._last_fit) if self.warm_start else self._run(request)

    def _train_on(self, request):
        """One epoch more, for `partial_fit`."""
        if self.early_stopping is True:
            raise ValueError("partial_fit trains on all that it gets: early_stopping=True does not go with it.")
        return self._run(request, self._last_fit)

    def _check_target_names(self, y):
        """Refuse a y whose targets have other names than those that the estimator was fitted on."""
        check_target_names(getattr(self, "target_names_", None), y, type(self).__name__)

    def _last_fit(self):
        """The `LastFit` to resume, or None."""
        if not hasattr(self, "weights_"):
            return None
        attributes = SimpleNamespace(**{name: value for name, value in vars(self).items() if name in NAMES})
        return LastFit(attributes, self._restored_task())
