"""What the callbacks share."""


class BaseCallback:
    """A callback that does nothing.

    Where estimators are cloned, as in a grid search, the clones share one callback, maybe at the same time. So what it
    remembers in the course of a fit is kept with the fit: see `notes_of`.
    """

    def setup(self, estimator, context):
        """Before a fit."""

    def on_fit_task_begin(self, estimator, context):
        """Before a fit, and before each epoch."""

    def on_fit_task_end(self, estimator, context):
        """After each epoch, and after a fit; returns whether to stop."""

    def teardown(self, estimator, context):
        """After a fit, whether it succeeded or not."""


def notes_of(callback, estimator):
    """A dict for what a callback remembers of the fit of an estimator, in plain values; checkpoints take it along."""
    position = next(k for k, other in enumerate(own_callbacks(estimator)) if other is callback)
    return estimator._training.state.notes.setdefault(f"{position} {type(callback).__name__}", {})


def own_callbacks(estimator):
    """The callbacks of this package that an estimator has, in their order."""
    return [callback for callback in estimator._skl_callbacks if isinstance(callback, BaseCallback)]


def is_epoch(context):
    """Whether a task is an epoch, not the fit as a whole."""
    return context.task_name == "epoch"
