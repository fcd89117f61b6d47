"""Epochs of a fit through the public interface, one at a time, so that others can be timed between them."""

import threading

from _harness import Contender
from sklearn.base import clone

from skrnn.callbacks._base import BaseCallback, is_epoch

ENDLESS = 10**6


class Gate(BaseCallback):
    """Lets a fit run one epoch each time that it is told to."""

    def __init__(self):
        self.may_go, self.has_gone, self.is_closed = threading.Semaphore(0), threading.Semaphore(0), False

    def on_fit_task_begin(self, estimator, context):
        """Wait."""
        if is_epoch(context):
            self.may_go.acquire()

    def on_fit_task_end(self, estimator, context):
        """Tell who waits for the epoch."""
        if is_epoch(context):
            self.has_gone.release()
        return self.is_closed


class GatedFit:
    """A fit in a thread, which waits before each epoch.

    Parameters
    ----------
    estimator
        Whose parameters are taken, but for the number of epochs; nothing stops it.
    n_jobs : int
    data : tuple
        The arguments of `fit`.
    """

    def __init__(self, estimator, n_jobs, *data):
        settings = {"max_iter": ENDLESS, "early_stopping": False, "tol": None, "verbose": False, "n_jobs": n_jobs}
        self._gate, self._error = Gate(), None
        self._estimator = clone(estimator).set_params(**settings).set_callbacks(self._gate)
        self._thread = threading.Thread(target=self._fit, args=data, daemon=True)
        self._thread.start()

    def _fit(self, *data):
        try:
            self._estimator.fit(*data)
        except BaseException as error:
            self._error = error
        finally:
            self._gate.has_gone.release()

    def epoch(self):
        """Run an epoch."""
        self._gate.may_go.release()
        self._gate.has_gone.acquire()
        if self._error is not None:
            raise self._error

    @property
    def contender(self):
        """An epoch, to be timed."""
        return Contender(self.epoch)

    def close(self):
        """End the fit, after one more epoch."""
        self._gate.is_closed = True
        self._gate.may_go.release()
        self._thread.join()
