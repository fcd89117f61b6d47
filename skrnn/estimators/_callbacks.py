"""scikit-learn's callbacks, which it calls experimental: the one place that knows them."""

import sys
from contextlib import contextmanager
from importlib.util import find_spec

from sklearn.callback import AutoPropagatedCallback, CallbackSupportMixin, ProgressBar, with_callbacks

__all__ = [
    "CallbackObserver",
    "CallbackSupportMixin",
    "checkpoint_of",
    "progress_shown",
    "refuse_propagated",
    "with_callbacks",
]


class CallbackObserver:
    """Tells the callbacks of an estimator of its fit and of each epoch; an `Observer` of training.

    Parameters
    ----------
    estimator : BaseRNN
    max_iter : int
        Largest number of epochs.
    request : FitRequest
    attributes : callable
        Gives all attributes that the estimator would have if training ended now, as a dict.
    """

    def __init__(self, estimator, max_iter, request, attributes):
        metadata = None if request.sample_weight is None else {"sample_weight": request.sample_weight}
        self._data = {"estimator": estimator, "X": request.X, "y": request.y, "metadata": metadata}
        # scikit-learn sets them on a copy: as a whole, since those of a fit before must go.
        self._data_at_end = self._data | {"reconstruction_attributes": lambda: {"__dict__": attributes()}}
        self._context = estimator._init_callback_context(max_subtasks=max_iter)
        self._epoch = None
        callbacks = getattr(estimator, "_skl_callbacks", [])
        self._pauses = [callback.pauses_search for callback in callbacks if hasattr(callback, "pauses_search")]
        self.needs_predictions = any(map(_may_predict, callbacks))

    def begin_fit(self):
        """Before the first epoch."""
        self._context.call_on_fit_task_begin(**self._data)

    def begin_epoch(self):
        """Before an epoch."""
        self._epoch = self._context.subcontext(task_name="epoch").call_on_fit_task_begin(**self._data)

    def end_epoch(self):
        """After an epoch; returns whether a callback wants to stop, or else to pause."""
        if self._epoch.call_on_fit_task_end(**self._data_at_end):
            return True
        return any(pauses(self._data["estimator"]) for pauses in self._pauses)

    def end_fit(self, interrupted=False):
        """After the last epoch, or where the user has ended training."""
        if interrupted:  # a bar that is told of the end jumps to it
            self._context._callbacks = [each for each in self._context._callbacks if not isinstance(each, ProgressBar)]
        self._context.call_on_fit_task_end(**self._data_at_end)


def checkpoint_of(estimator, request, describe):
    """The state of training that an earlier run of this very fit reached, as a callback knows it; None if none does.

    describe : gives the description of the run.
    """
    for callback in getattr(estimator, "_skl_callbacks", []):
        if hasattr(callback, "training_state"):
            if request.one_epoch:
                raise ValueError(
                    f"{type(callback).__name__} is for fit, which has an end: between calls of partial_fit, save the "
                    "estimator with skrnn.save; it can go on with partial_fit when it is loaded."
                )
            state = callback.training_state(estimator, describe)
            if state is not None:
                return state
    return None


def _may_predict(callback):
    """Whether a callback may use the network after each epoch."""
    return not isinstance(callback, ProgressBar) and getattr(callback, "predicts", True)


def refuse_propagated(estimator, above):
    """Refuse callbacks that belong to the meta-estimator `above`, which hands them down itself."""
    for callback in getattr(estimator, "_skl_callbacks", []):
        if isinstance(callback, AutoPropagatedCallback):
            name = type(callback).__name__
            raise ValueError(
                f"{type(estimator).__name__} has a {name} among its callbacks: make it one of the search, by "
                f"{above}(...).set_callbacks({name}(...))."
            )


def _is_terminal(stream):
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):  # there is none in a service, it has no such method, or is closed
        return False


@contextmanager
def progress_shown(estimator):
    """Add a progress bar to the callbacks of an estimator for the time of a fit, if it is to be shown and can be.

    Gives whether lines are to be printed instead: on no terminal, without rich, below a meta-estimator, or if `verbose`
    is 2 or more.
    """
    below = hasattr(estimator, "_parent_callback_ctx")
    if estimator.verbose != 1 or below or find_spec("rich") is None or not _is_terminal(sys.stdout):
        yield bool(estimator.verbose)
        return
    own = list(getattr(estimator, "_skl_callbacks", []))
    shown = any(isinstance(callback, ProgressBar) for callback in own)
    try:
        estimator.set_callbacks(*own, *([] if shown else [ProgressBar()]))
        yield False
    finally:
        estimator.set_callbacks(*own)
