"""What the callbacks share."""

import joblib

from .._plain_parameters import PlainParameters, check_parameters


class BaseCallback(PlainParameters):
    """A callback that does nothing.

    Where estimators are cloned, as in a grid search, the clones share one callback, maybe at the same time. So what it
    remembers in the course of a fit is kept with the fit: see `notes_of`.
    """

    _parameter_constraints = {}

    def setup(self, estimator, context):
        """Before a fit."""
        check_parameters(type(self), self._parameters())

    def on_fit_task_begin(self, estimator, context):
        """Before a fit, and before each epoch."""

    def on_fit_task_end(self, estimator, context):
        """After each epoch, and after a fit; returns whether to stop."""

    def teardown(self, estimator, context):
        """After a fit, whether it succeeded or not."""

    def _parameters(self):
        return {name: getattr(self, name) for name in self._parameter_constraints}

    def _finish(self, estimator, fitted):
        """Change an estimator that `estimator` would be if its fit ended now."""

    def _fingerprint(self):
        """What a fit with this callback depends on, as text; ValueError if a parameter cannot be hashed."""
        marks = [f"{name}={self._hash(name, value)}" for name, value in self._parameters().items()]
        return " ".join([type(self).__name__, *marks])

    def _hash(self, name, value):
        try:
            return joblib.hash(value)
        except Exception:  # of pickle, of many types, with all of the value in some messages
            what = getattr(value, "__qualname__", type(value).__qualname__)
            raise ValueError(
                f"Checkpoint cannot tell whether another run has the same {type(self).__name__}, since {name}={what} "
                "cannot be pickled: define functions at the top level of a module, in place of a lambda or a function "
                "inside of another."
            ) from None


def own_callbacks(estimator):
    """The callbacks of this package that an estimator has, in their order."""
    return [callback for callback in estimator._skl_callbacks if isinstance(callback, BaseCallback)]


def notes_of(callback, estimator):
    """A dict for what a callback remembers of the fit of an estimator, in plain values; checkpoints take it along."""
    position = next(k for k, other in enumerate(own_callbacks(estimator)) if other is callback)
    return estimator._training.state.notes.setdefault(f"{position} {type(callback).__name__}", {})


def is_epoch(context):
    """Whether a task is an epoch, not the fit as a whole."""
    return context.task_name == "epoch"
