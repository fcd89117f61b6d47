"""Base of the callbacks."""

import joblib

from .._core.parameters import PlainParameters, check_parameters


class BaseCallback(PlainParameters):
    """A callback that does nothing.

    Clones of an estimator, as in a grid search, share one callback, maybe at the same time. So a callback stores the
    state of a fit with the fit: see `notes_of`.
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
        """Change `fitted`, which `estimator` would become if its fit ended now."""

    def _check_notes(self, notes, fitted):
        """Raise an error for notes that this callback has not made in the fit of the estimator `fitted`."""
        check_notes(notes, {})

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
    return estimator._training.state.notes.setdefault(note_name(callback, position), {})


def note_name(callback, position):
    """Name under which the state of training has the notes of the callback at this position."""
    return f"{position} {type(callback).__name__}"


def check_notes(notes, allowed):
    """Refuse notes that have other names than `allowed`, or values that its functions do not hold for."""
    for name, value in notes.items():
        if name not in allowed or not allowed[name](value):
            raise ValueError(f"notes have {name!r} of {value!r:.100}")


def is_epoch(context):
    """Whether a task is an epoch, not the fit as a whole."""
    return context.task_name == "epoch"
