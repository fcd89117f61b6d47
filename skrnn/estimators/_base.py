"""What all estimators share: parameters, fit, and running the network."""

from abc import ABCMeta, abstractmethod
from functools import cache, partial
from numbers import Integral, Real
from types import SimpleNamespace

from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from .._core.members import refuse_several
from .._core.parameters import PlainEstimator, usable
from .._core.warn import warn_user
from ..cells import CELL_NAMES, BaseCell
from ..convolution import Conv
from ..initializers import (
    BIAS_INITIALIZERS,
    INITIALIZERS,
    BaseBias,
    BaseInitializer,
)
from ..optimizers import OPTIMIZERS, BaseOptimizer
from ..persistence._attributes import pickled_state, unpickled_attributes, without_running_fit
from ..schedules import SCHEDULES, BaseSchedule
from ._callbacks import CallbackObserver, CallbackSupportMixin, checkpoint_of, progress_shown, with_callbacks
from ._exclusive import exclusive
from ._fit import FitSpec, prepare
from ._fitted import NAMES, OF_TARGETS
from ._given import read_given
from ._settings import Auto, max_bytes
from ._start import start

FEATURE_POOLINGS = ("last", "mean", "max")  # those without weights


class BaseRNN(CallbackSupportMixin, PlainEstimator, metaclass=ABCMeta):
    """Base of the estimators."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "cell": [CELL_NAMES, BaseCell],
        "bidirectional": ["boolean", StrOptions({"auto"})],
        "pooling": [StrOptions({"auto", "last", "mean", "max", "attention"})],
        "targets": [StrOptions({"auto", "sequence", "step"})],
        "categorical_features": ["array-like", Integral, str, None],
        "embedding_dim": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "min_count": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "subwords": ["boolean", StrOptions({"auto"})],
        "differences": ["boolean", StrOptions({"auto"})],
        "missing": [StrOptions({"error", "mask", "decay"})],
        "time_channel": [Integral, str, None],
        "convolution": [Conv, None],
        "layer_norm": ["boolean"],
        "residual": ["boolean"],
        "dropout": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="left")],
        "input_dropout": [Interval(Real, 0, 1, closed="left")],
        "recurrent_dropout": [Interval(Real, 0, 1, closed="left")],
        "zoneout": [Interval(Real, 0, 1, closed="left")],
        "input_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "recurrent_init": [StrOptions(set(INITIALIZERS)), BaseInitializer],
        "bias_init": [StrOptions({"cell", *BIAS_INITIALIZERS}), BaseBias],
        "solver": [StrOptions(set(OPTIMIZERS)), BaseOptimizer],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions(set(SCHEDULES)), BaseSchedule],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "max_iter": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "shuffle": ["boolean"],
        "tol": [Interval(Real, 0, None, closed="left"), None],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean", StrOptions({"auto"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "validation_split": [StrOptions({"random", "last"}), HasMethods(["split", "get_n_splits"])],
        "standardize": ["boolean"],
        "truncation": [Interval(Integral, 1, None, closed="left"), None],
        "max_memory": [Interval(Real, 0, None, closed="neither")],
        "random_state": ["random_state"],
        "n_jobs": [None, Interval(Integral, 1, None, closed="left"), Interval(Integral, None, -1, closed="right")],
        "dtype": [StrOptions({"float32", "float64"})],
        "verbose": ["verbose"],
    }

    _target_attributes = frozenset()  # public attributes of the target, among those of its task
    _auto = Auto()
    differences = subwords = False  # of estimators that have no such parameter

    @abstractmethod
    def _task(self):
        """The `Task` that the parameters describe."""

    def _spec(self):
        """The `FitSpec` that the parameters describe."""
        # also those that the constructor of a class does not take, whose value is fixed
        names = BaseRNN._parameter_constraints | self._parameter_constraints
        parameters = SimpleNamespace(**{name: getattr(self, name) for name in names})
        return FitSpec(type(self).__name__, self.get_params(deep=False), parameters, self._task(), self._auto)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = self.missing != "error"
        tags.input_tags.three_d_array = True
        return tags

    def __getstate__(self):
        return pickled_state(super().__getstate__())

    def __setstate__(self, state):
        super().__setstate__(unpickled_attributes(state, type(self)))

    # --------------------------------------------------------------------------------------------------- fitting
    def _run(self, request, last_fit=lambda: None):
        """Fit as the request says, with parameters that were validated; an error leaves all as it was.

        last_fit : gives the `LastFit` to resume, or None; called when no other thread can change it any more.
        """
        spec = self._spec()
        spec.task.check(spec.parameters)
        with exclusive(self):
            before = dict(vars(self))
            try:
                with progress_shown(self) as verbose:
                    problem = self._observed(spec, request, last_fit(), verbose)
            except BaseException:  # of a callback, too, that has been told of the end
                self.__dict__ = before
                raise
        if problem:
            warn_user(problem, ConvergenceWarning)
        return self

    @with_callbacks
    def _observed(self, spec, request, last, verbose):
        """Fit in the sight of the callbacks; returns the text of a warning, or None."""
        given = read_given(self, spec, request, resumes=last is not None)
        spec, given = self._arranged(spec, given, last)
        prepared = prepare(spec, request, given, last, partial(checkpoint_of, self, request))
        started = start(prepared, verbose)

        def reached():
            return without_running_fit(self._with(started.fitted()))

        observer = CallbackObserver(self, started.settings.max_iter, request, reached)
        self._training = started.training(observer)
        problem = self._training.run(prepared.optimizer, started.rows, prepared.split.held_out)
        self.__dict__ = self._with(started.fitted())
        observer.end_fit(self._training.interrupted)
        del self._training
        return problem

    def _arranged(self, spec, given, last):
        """What is asked for and what is given as the engine is to see it."""
        return spec, given

    def _with(self, fitted):
        """All attributes of the estimator that has taken over the result of a fit; those of earlier fits go."""
        others = {name: value for name, value in vars(self).items() if name not in NAMES}
        hidden = OF_TARGETS - self._target_attributes
        return others | {name: value for name, value in fitted.attributes().items() if name not in hidden}

    @property
    def _max_bytes(self):
        usable(self, "max_memory")
        return max_bytes(self)

    def _check_parameters_of_files(self):
        """Refuse parameters that no fit looks at again before a prediction does."""

    @property
    def _needed_in_files(self):
        return self._target_attributes

    @abstractmethod
    def _check_attributes_of_files(self, require):
        """Refuse fitted attributes that do not belong together; ``require(name, holds)`` checks one.

        Returns the fitted task that they describe, or None if there is none.
        """

    # ------------------------------------------------------------------------------------------------ prediction
    def hidden_states(self, X):
        """Compute the outputs of the last recurrent layer at each step.

        Returns
        -------
        states : list of ndarray of shape (n_steps, n_units)
            One array for each sequence, with the units of both directions side by side. It has the length of the
            sequence, or of its convolution, and includes normalisation and residual sum. The outputs of the last layer
            of a Jordan network are its raw predictions.
        """
        self._check_is_fitted()
        refuse_several(self, "hidden_states")
        predictor = self._predictor(X)
        with predictor.executor:
            return predictor.hidden_states()

    def _check_is_fitted(self):
        """As scikit-learn does, which takes longer to see that the estimator is."""
        if "weights_" not in vars(self) or hasattr(self, "__sklearn_is_fitted__"):
            check_is_fitted(self)

    def _predictor(self, X):
        """What the network makes of the sequences in X, as long as its executor is open."""
        return ways_of_prediction().predictor_of(self, X)


@cache
def ways_of_prediction():
    """The module, found once: an import takes longer than its functions look at X."""
    from . import _prediction  # noqa: PLC0415 (brings the compiler)

    return _prediction
