"""What the callbacks share."""


class BaseCallback:
    """A callback that does nothing.

    Where estimators are cloned, as in a grid search, the clones share one callback, maybe at the same time. So what it
    remembers in the course of a fit is kept for each of them.
    """

    def setup(self, estimator, context):
        """Before a fit."""

    def on_fit_task_begin(self, estimator, context):
        """Before a fit, and before each epoch."""

    def on_fit_task_end(self, estimator, context):
        """After each epoch, and after a fit; returns whether to stop."""

    def teardown(self, estimator, context):
        """After a fit, whether it succeeded or not."""


def is_epoch(context):
    """Whether a task is an epoch, not the fit as a whole."""
    return context.task_name == "epoch"
